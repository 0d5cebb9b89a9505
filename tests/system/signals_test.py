"""What a signal does to a call that waits for the server: ends it if it ends the program, and else nothing at all."""

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import time

import pytest
from faults import Fault, ordered
from harness import SKYMOOR, mounted, process_state, wait_until, world

# Calls without the retries that Python does by itself; handlers as SA_RESTART asks for.
CALLER = r"""
import ctypes, errno, mmap, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
operation, path, handled = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
seen = []
signal.signal(signal.SIGINT, signal.SIG_DFL)
for name in filter(None, handled):
    signal.signal(getattr(signal, name), lambda number, frame: seen.append(number))
    signal.siginterrupt(getattr(signal, name), False)
if operation != "access":
    fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if operation == "direct" else 0))
    buffer = mmap.mmap(-1, 1 << 18)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
print("calls", flush=True)
if operation == "access":
    done = libc.access(path.encode(), os.F_OK)
else:
    done = libc.read(fd, ctypes.c_void_p(address), ctypes.c_size_t(1 << 18))
error = errno.errorcode[ctypes.get_errno()] if done < 0 else "done"
print(error, done, len(seen), flush=True)
"""
OPERATIONS = ("read", "direct", "access")
AT_ONCE_S = 10      # on a loaded machine; far below the deadline
FILE_BYTES = 300_000


class Calls:
    """A mount whose server is stopped, and programs that wait for it."""

    def __init__(self, w):
        self.server = w.server
        a, self.b = w.two_devices()
        drive = a.mount("home")
        for directory in ("near", "far"):
            (drive / directory).mkdir()
            for operation in OPERATIONS:
                (drive / directory / operation).write_bytes(os.urandom(FILE_BYTES))
        a.sync(drive)
        a.umount(drive)
        self.drive = self.b.mount("home", "read-timeout=60s")
        assert len(os.listdir(self.drive / "near")) == len(OPERATIONS)
        self.server.pause()
        self.programs = {}

    def start(self, operation, handled=""):
        """A program that has begun its call."""
        path = self.drive / ("far" if operation == "access" else "near") / operation
        # pylint: disable=consider-using-with
        program = subprocess.Popen([sys.executable, "-c", CALLER, operation, str(path), handled], stdout=subprocess.PIPE,
                                   text=True)
        self.programs[operation] = program
        assert program.stdout.readline() == "calls\n"
        time.sleep(0.2)
        assert program.poll() is None, program.stdout.read()
        return program

    def close(self):
        """The server goes on, and nobody waits any longer."""
        self.server.go_on()
        for program in self.programs.values():
            program.kill()
            program.wait(60)
            program.stdout.close()
        self.b.umount(self.drive)


@pytest.fixture(name="calls")
def stopped_server():
    with world() as w:
        calls = Calls(w)
        with contextlib.closing(calls):
            yield calls


def test_a_signal_that_ends_nothing_goes_unseen(calls):
    programs = [calls.start(operation, "SIGUSR1,SIGCHLD") for operation in OPERATIONS]
    for number in (signal.SIGUSR1, signal.SIGWINCH, signal.SIGCHLD, signal.SIGSTOP, signal.SIGCONT, signal.SIGUSR1):
        for program in programs:
            program.send_signal(number)
        time.sleep(0.2)
    for program in programs:
        assert program.poll() is None, "it waits on"
    calls.server.process.send_signal(signal.SIGCONT)
    for operation, program in zip(OPERATIONS, programs):
        error, done, seen = program.stdout.readline().split()
        assert (error, int(done)) == ("done", 0 if operation == "access" else 1 << 18), operation
        assert int(seen) >= 2, "its handlers ran when the call had ended"


def test_what_ends_a_program_ends_its_call(calls):
    for operation in OPERATIONS:
        program = calls.start(operation)
        program.send_signal(signal.SIGINT if operation == "direct" else signal.SIGTERM)
        program.wait(AT_ONCE_S)


def test_kill_ends_a_call_that_had_a_harmless_signal_before(calls):
    """The kernel tells of the first signal only: such a program stayed unkillable until the deadline."""
    for operation in OPERATIONS:
        program = calls.start(operation, "SIGUSR1")
        program.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        program.kill()
        program.wait(AT_ONCE_S)


def test_asking_a_program_to_end_ends_its_call_though_it_has_a_handler(calls):
    # A read through the kernel's pages waits in the kernel, where only a kill reaches it.
    for operation in ("direct", "access"):
        program = calls.start(operation, "SIGINT")
        program.send_signal(signal.SIGINT)
        program.wait(AT_ONCE_S)
        assert program.stdout.readline().split()[0] == "EINTR"


@pytest.mark.parametrize("call", ["os.fsync(f)", "os.write(f, b'y')"], ids=["fsync", "O_SYNC"])
def test_a_program_that_waits_for_the_server_in_fsync_can_be_ended(call):
    flags = "os.O_WRONLY | os.O_CREAT" + ("" if "fsync" in call else " | os.O_SYNC")
    with world() as w:
        a = w.one_device()
        drive = a.mount("home", "fsync=remote", "read-timeout=60s")
        (drive / "before").write_bytes(b"x")
        w.server.pause()
        program = f"import os, sys; f = os.open(sys.argv[1], {flags}); " \
                  f"print('calls', flush=True); os.write(f, b'x'); {call}"
        waiting = []
        try:
            for n in range(12):     # more than wait for the server at a time
                # pylint: disable-next=consider-using-with
                waiting.append(subprocess.Popen([sys.executable, "-c", program, str(drive / f"f{n}")], text=True,
                                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
                assert waiting[-1].stdout.readline() == "calls\n"
            time.sleep(0.3)
            # Whoever asks for what is here is not held up meanwhile.
            begin = time.monotonic()
            (drive / "beside").write_bytes(b"x")
            assert (drive / "before").read_bytes() == b"x"
            assert "beside" in os.listdir(drive)
            assert time.monotonic() - begin < AT_ONCE_S
            assert all(one.poll() is None for one in waiting), "they wait"
            begin = time.monotonic()
            for number, one in zip((signal.SIGTERM, signal.SIGKILL) * 6, waiting):
                one.send_signal(number)
            for one in waiting:
                assert one.wait(AT_ONCE_S) < 0, "it was ended, and did not end by itself"
            print(f"12 programs in fsync=remote ended after {(time.monotonic() - begin) * 1000:.0f} ms")
            # Nor does the mount wait for what they were waiting for.
            begin = time.monotonic()
            a.umount(drive)
            wait_until(lambda: not a.processes(), 60, "its processes have ended")
            assert time.monotonic() - begin < 30
        finally:
            w.server.go_on()
            for one in waiting:
                one.kill()
                one.wait(60)
                one.stdout.close()


MAPPER = r"""
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
mapped = mmap.mmap(fd, 0)
for at in range(0, len(mapped), 4096):
    mapped[at] = 1
print("written", flush=True)
os.lseek(fd, 1 << 20, os.SEEK_DATA)
"""


def test_asked_to_end_the_mount_ends_though_the_kernel_is_giving_its_pages():
    """takeover=off: the process waited for the kernel, and the kernel for a thread of the process that had left already."""
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        fault = Fault("hang:filesystem.write:2", w.root / "fault-report")
        with ordered(a, fault):
            drive = a.mount("home", "takeover=off", "passthrough=off", "threads=1")
        (drive / "f").write_bytes(b"x")
        os.truncate(drive / "f", 16 << 20)
        pid = a.pid(drive)
        with subprocess.Popen([sys.executable, "-c", MAPPER, str(drive / "f")], stdout=subprocess.PIPE) as mapper:
            try:
                mapper.stdout.readline()
                wait_until(fault.fired, 30, "the kernel writes")
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: process_state(pid) in ("", "Z"), 60, "the mount's process ends")
            finally:
                subprocess.run(["umount", "-f", drive], check=False, capture_output=True)


def test_a_start_can_be_ended_at_any_moment():
    """Between the mount and the kernel's first answer it hung: the signal ended those who would have answered."""
    with world(expect_clean=False) as w:
        a = w.one_device()
        drive = a.mount("home")
        (drive / "file").write_text("kept")
        a.umount(drive)
        for i in range(24):
            # pylint: disable=consider-using-with
            start = subprocess.Popen([str(SKYMOOR), "mount", "-f", "home", str(drive)], env=a.env, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            time.sleep(0.005 * i)
            start.send_signal(signal.SIGTERM)
            try:
                start.wait(60)
            finally:
                start.kill()
            wait_until(lambda: not a.processes(), 30, "all have ended")
            assert not mounted(drive)
        assert (a.mount("home") / "file").read_text() == "kept"
        a.umount(drive)
