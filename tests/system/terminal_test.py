"""What a person at a terminal meets: questions, passwords without echo, and the keys that end or stop a program."""

import os
import pty
import select
import signal
import termios
import time

from harness import PASSWORD, SKYMOOR, wait_until, world


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, device, *words):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(SKYMOOR, [str(SKYMOOR), *map(str, words)], device.env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def echoes(self):
        """Whether typing shows."""
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def read(self, seconds):
        """What comes within that time is added to `shown`."""
        end = time.monotonic() + seconds
        while select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                piece = os.read(self.fd, 4096)
            except OSError:  # its last holder has gone
                return
            self.shown += piece

    def expect(self, text, times=1):
        """Waits until it was shown that often."""
        def there():
            self.read(0.05)
            return self.shown.count(text.encode()) >= times
        wait_until(there, 15, f"{text!r} {times} times")

    def type(self, text):
        """Keys."""
        os.write(self.fd, text.encode())

    def type_secret(self, text):
        """Keys, once the echo is off."""
        wait_until(lambda: not self.echoes(), 10, "the echo is off")
        self.type(text)

    def code(self):
        """Waits for its end; the exit code, or minus the signal."""
        def ended():
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
            return pid
        self.status = None
        wait_until(ended, 20, "the program has ended")
        self.pid = 0
        return self.status


def signup(device, server):
    """A terminal in which somebody makes an account."""
    return Terminal(device, "signup", server.url, "ada", "--trust-first", "--no-volume")


def test_passwords_are_asked_for_without_echo():
    with world() as w:
        w.server.start()
        a, b = w.device("a"), w.device("b")
        with signup(a, w.server) as t:
            t.expect("Password: ")
            t.type_secret(PASSWORD + "\n")
            t.expect("Password again: ")
            t.type_secret(PASSWORD + "x\n")
            assert t.code() == 2
            assert b"differ" in t.shown and t.echoes()
            assert PASSWORD.encode() not in t.shown
        with signup(a, w.server) as t:
            t.expect("Password: ")
            t.type_secret(PASSWORD + "\n")
            t.expect("Password again: ")
            t.type_secret(PASSWORD + "\n")
            assert t.code() == 0
            assert b"recovery code" in t.shown and PASSWORD.encode() not in t.shown
        with Terminal(b, "login", w.server.url, "ada") as t:
            t.expect("(yes/no)")
            t.type("no\n")
            assert t.code() == 9
        with Terminal(b, "login", w.server.url, "ada") as t:
            t.expect("(yes/no)")
            t.type("yes\n")
            t.expect("Password: ")
            t.type_secret(PASSWORD + "\n")
            assert t.code() == 0


def test_keys_that_end_a_question_leave_the_terminal_as_it_was():
    with world() as w:
        w.server.start()
        a = w.device("a")
        for key, code in (("\x03", -signal.SIGINT), ("\x1c", -signal.SIGQUIT), ("\x04", 1)):
            with signup(a, w.server) as t:
                t.expect("Password: ")
                t.type_secret(key)
                assert t.code() == code, key
                assert t.echoes(), f"after {key!r}"
                assert b"Password again" not in t.shown
        with signup(a, w.server) as t:
            t.expect("Password: ")
            wait_until(lambda: not t.echoes(), 10, "the echo is off")
            os.kill(t.pid, signal.SIGTERM)
            assert t.code() == -signal.SIGTERM
            assert t.echoes()


def test_a_question_that_was_stopped_is_asked_again_without_echo():
    with world() as w:
        w.server.start()
        a = w.device("a")
        a.signup(w.server)
        b = w.device("b")
        with Terminal(b, "login", w.server.url, "ada", "--trust-first") as t:
            t.expect("Password: ")
            wait_until(lambda: not t.echoes(), 10, "the echo is off")
            os.kill(t.pid, signal.SIGTSTP)
            t.expect("Password: ", times=2)
            t.type_secret(PASSWORD + "\n")
            assert t.code() == 0
            assert PASSWORD.encode() not in t.shown
