"""kill -9 of the process that serves a mount: programs see at most a pause. The same way leads to a new version."""

import contextlib
import errno
import json
import mmap
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from faults import Fault, ordered
from harness import (SKYMOOR, assert_same_tree, mounted, process_state, run, unmount_by_force, wait_until, world)
from system_calls import link_descriptor

# Of the memory that one process leaves to the next.
FORMAT = int(re.search(r"kFormat = (\d+);", (pathlib.Path(__file__).parents[2] / "fuse/channel/handover.h").read_text())[1])
KILLS = 4   # one more within a minute, and the supervisor gives up


class Users:
    """Threads that work in the mount until they are told to stop; whatever fails in one of them is kept."""

    def __init__(self):
        self.stop = threading.Event()
        self.failures = []
        self.threads = []
        self.rounds = {}
        self.longest = 0.0

    def start(self, name, step):
        """Calls `step(n)` again and again."""
        def work():
            n = 0
            try:
                while not self.stop.is_set():
                    begin = time.monotonic()
                    step(n)
                    self.longest = max(self.longest, time.monotonic() - begin)
                    n += 1
                    self.rounds[name] = n
            except BaseException as failure:  # pylint: disable=broad-exception-caught
                self.failures.append((name, n, repr(failure)))
        self.rounds[name] = 0
        self.threads.append(threading.Thread(target=work, name=name))
        self.threads[-1].start()

    def moved_on(self, timeout=60):
        """Returns when each of them has got further."""
        before = dict(self.rounds)
        wait_until(lambda: self.failures or all(self.rounds[n] > before[n] + 1 for n in before), timeout,
                   f"everybody works: {before} {self.rounds}")
        assert not self.failures, self.failures

    def end(self):
        """Stops and joins them."""
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), f"{thread.name} hangs"
        assert not self.failures, self.failures


def work_in(place, users, ledger):
    """What programs do: each step must succeed exactly as if nothing happened."""
    for name in ("names", "synced", "open"):
        (place / name).mkdir()

    def names(n):
        d = place / "names"
        os.mkdir(d / f"d{n}")
        fd = os.open(d / f"f{n}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(fd, b"x")
        os.close(fd)
        os.link(d / f"f{n}", d / f"l{n}")
        os.symlink("f", d / f"s{n}")
        os.rename(d / f"f{n}", d / f"d{n}" / "moved")
        assert os.lstat(d / f"l{n}").st_nlink == 2
        os.unlink(d / f"l{n}")
        os.unlink(d / f"s{n}")
        if n % 2:
            os.unlink(d / f"d{n}" / "moved")
            os.rmdir(d / f"d{n}")

    def synced(n):
        content = f"{n} ".encode() * (1 + n % 900)
        with open(place / "synced" / f"t{n % 40}", "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.rename(place / "synced" / f"t{n % 40}", place / "synced" / f"f{n % 40}")
        ledger[f"synced/f{n % 40}"] = content

    steady = os.urandom(1 << 20)
    (place / "open" / "steady").write_bytes(steady)
    reading = os.open(place / "open" / "steady", os.O_RDONLY)

    def reads(n):
        at = n * 4096 % len(steady)
        assert os.pread(reading, 8192, at) == steady[at:at + 8192]
        with open(place / "open" / "steady", "rb") as f:
            assert f.read(100) == steady[:100]

    (place / "open" / "written").write_bytes(bytes(1 << 20))
    writing = os.open(place / "open" / "written", os.O_RDWR)   # wholly here: passthrough, where it is on
    again = mmap.mmap(writing, 1 << 20)

    def writes(n):
        at = n % 128 * 8192
        os.pwrite(writing, f"{n:8}".encode() * 512, at)
        again[at + 4096:at + 4104] = f"{n:8}".encode()
        assert os.pread(writing, 8, at) == f"{n:8}".encode()

    with open(place / "open" / "log", "wb") as f:
        f.write(b"")
    appending = os.open(place / "open" / "log", os.O_WRONLY | os.O_APPEND)

    def appends(n):
        assert os.write(appending, f"{n}\n".encode()) == len(f"{n}\n")
        ledger["log"] = n

    nameless = os.open(place / "open" / "gone", os.O_RDWR | os.O_CREAT)
    os.unlink(place / "open" / "gone")

    def orphan(n):
        os.pwrite(nameless, f"{n}".encode(), n * 16 % 65536)
        assert os.pread(nameless, len(f"{n}"), n * 16 % 65536) == f"{n}".encode()
        assert os.fstat(nameless).st_nlink == 0

    for step in (names, synced, reads, writes, appends, orphan):
        users.start(step.__name__, step)
    return [reading, writing, appending, nameless], again


def expect_work(place, ledger):
    """The tree is what the steps made."""
    for name, content in ledger.items():
        if name == "log":
            lines = (place / "open" / "log").read_text().split()
            assert lines == [str(n) for n in range(content + 1)], "appends came twice or not at all"
        else:
            assert (place / name).read_bytes() == content, name
    assert not [n for n in os.listdir(place / "names") if n[0] in "fls"]


@pytest.mark.parametrize("passthrough", ["on", "off"])
def test_programs_see_at_most_a_pause(passthrough):
    with world() as w:
        a, b = w.two_devices()
        drive = a.mount("home", f"passthrough={passthrough}")
        assert a.status(drive)["passthrough"] == (passthrough == "on")
        place = drive / "place"
        place.mkdir()
        users, ledger = Users(), {}
        kept, mapping = work_in(place, users, ledger)
        run("tar", "-cf", w.root / "tree.tar", "-C", "/usr/src", "googletest")
        with subprocess.Popen(["tar", "-xf", str(w.root / "tree.tar"), "-C", str(drive)], stderr=subprocess.PIPE) as tar:
            try:
                users.moved_on()
                for _ in range(KILLS):
                    a.kill_worker(drive)
                    users.moved_on()
            finally:
                users.end()
            assert tar.wait(120) == 0, tar.stderr.read()
        print(f"longest step {users.longest:.2f} s, rounds {users.rounds}")
        state = a.status(drive)
        assert state["supervisor"]["restarts"] == KILLS and state["supervisor"]["running"]
        assert state["supervisor"]["last_restart_reason"] == f"signal {int(signal.SIGKILL)}"
        assert f"restarted {KILLS} times" in a.skymoor("status").stdout
        assert state["passthrough"] == (passthrough == "on")
        expect_work(place, ledger)
        content = (place / "open" / "written").read_bytes()
        assert content == mapping[:]
        mapping.close()
        for fd in kept:
            os.close(fd)
        assert (place / "open" / "written").read_bytes() == content
        assert_same_tree("/usr/src/googletest", drive / "googletest")
        a.sync(drive)
        assert_same_tree(drive, b.mount("home"))
        a.umount(drive)
        wait_until(lambda: process_state(state["supervisor"]["pid"]) == "", 10, "the supervisor has ended")
        # What had no name went with the mount.
        assert "wrong" not in a.skymoor("fsck", check=False).stdout
        assert_same_tree(a.mount("home"), b.root / "drive")


SEEKER = r"""
import mmap, os, sys
size = 64 << 20
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, size)
pages = mmap.mmap(fd, size)
for line in sys.stdin:
    for at in range(0, size, 8192):
        pages[at:at + 1] = line[:1].encode()
    print("seeks", flush=True)
    print(os.lseek(fd, 0, os.SEEK_DATA), flush=True)
"""


def abort_connection(minor):
    """Ends a mount that nobody answers for any more: whoever waits for it gets an error."""
    with tempfile.TemporaryDirectory() as control:
        run("mount", "-t", "fusectl", "none", control)
        try:
            with contextlib.suppress(OSError):
                (pathlib.Path(control) / str(minor) / "abort").write_text("1")
        finally:
            run("umount", control)


def test_a_process_that_waits_for_the_kernels_pages_can_die():
    """It waited where no kill arrives, for writes that only itself could take: the mount hung for good."""
    with world() as w:
        a = w.one_device()
        drive = a.mount("home", "passthrough=off", "commit-delay=60s")
        minor = os.minor(os.stat(drive).st_dev)
        with subprocess.Popen([sys.executable, "-c", SEEKER, str(drive / "mapped")], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as seeker:
            try:
                for n in range(KILLS):
                    seeker.stdin.write(f"{n}\n")
                    seeker.stdin.flush()
                    assert seeker.stdout.readline() == "seeks\n"
                    time.sleep(0.005 * n)
                    old = a.pid(drive)
                    os.kill(old, signal.SIGKILL)
                    wait_until(lambda o=old: process_state(o) in ("", "Z") and not pathlib.Path(f"/proc/{o}/task").exists(), 30,
                               "it is gone, with all its threads")
                    assert select.select([seeker.stdout], [], [], 60)[0], "the call is answered by the next one"
                    assert seeker.stdout.readline() == "0\n"
            except BaseException:
                abort_connection(minor)
                raise
            seeker.stdin.close()
            seeker.wait(60)
        assert (drive / "mapped").read_bytes()[:1] == str(KILLS - 1).encode()
        a.umount(drive)


def lists_below(top):
    """Access lists of all that is below, by names relative to `top`; in no order."""
    return sorted(run("getfacl", "-R", "-P", "-n", ".", cwd=top).stdout.split("\n\n"))


def test_operations_of_several_parts_are_done_whole_and_once():
    """They were several records: killed between them, mkdir under a default list answered EEXIST or ESTALE, and a file that
    linkat had named was empty for everybody else."""
    with world() as w:
        a, b = w.two_devices()
        drive = a.mount("home")
        top = drive / "top"
        top.mkdir()
        run("setfacl", "-d", "-m", "u:1001:rwx,g:1002:rx", top)
        a.umount(drive)
        contents = {}
        for step in range(2, 9):
            fault = Fault(f"kill:file.write:{step}:/log-", a.root / f"fault{step}")
            with ordered(a, fault):
                a.mount("home")
            for n in range(3):
                os.mkdir(top / f"d{step}.{n}")
                os.mkfifo(top / f"fifo{step}.{n}")
                fd = os.open(top, os.O_RDWR | os.O_TMPFILE, 0o666)
                content = f"{step} {n}".encode() * 1000
                assert os.write(fd, content) == len(content)
                link_descriptor(fd, top / f"named{step}.{n}")
                os.close(fd)
                os.chmod(top / f"named{step}.{n}", 0o640)
                run("setfacl", "-m", "u:1003:rw", top / f"named{step}.{n}")
                contents[f"named{step}.{n}"] = content
            fault.assert_fired()
            assert a.status(drive)["supervisor"]["restarts"] == 1
            if step < 8:
                a.umount(drive)
        for name, content in contents.items():
            assert (top / name).read_bytes() == content
            assert "user:1001:" in run("getfacl", "-n", top / name).stdout and "user:1003:rw" in run("getfacl", "-n", top / name).stdout
        a.sync(drive)
        other = b.mount("home")
        assert_same_tree(drive, other)
        assert lists_below(top) == lists_below(other / "top")
        assert "default:user:1001:rwx" in run("getfacl", "-n", other / "top" / "d4.1").stdout


def fails_with(path, number):
    try:
        os.listdir(path)
    except OSError as error:
        return error.errno == number
    return False


def test_a_process_that_keeps_dying_is_given_up():
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        (drive / "file").write_text("kept")
        supervisor = a.status(drive)["supervisor"]["pid"]
        killed = set()
        def again():
            with contextlib.suppress(AssertionError):
                pid = a.pid(drive)
                if pid not in killed:
                    killed.add(pid)
                    os.kill(pid, signal.SIGKILL)
            return process_state(supervisor) == ""
        wait_until(again, 180, "the supervisor gives up")
        assert len(killed) >= 5
        # Not the directory beneath: programs would go on there.
        wait_until(lambda: fails_with(drive, errno.ENOTCONN), 10, "it is dead")
        assert mounted(drive) and a.skymoor("status", check=False).returncode == 6
        log = (a.root / "data" / "skymoor" / "log" / "mount.log").read_text()
        assert "mount.given_up" in log and "times within a minute" in log
        a.skymoor("mount", "home", drive)
        assert (drive / "file").read_text() == "kept"


WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
print("writes", flush=True)
try:
    os.write(fd, b"part of a page")
except OSError as error:
    print(error.errno)
"""


@pytest.mark.parametrize("end", ["given up", "no supervisor", "nobody"])
def test_a_write_that_nobody_will_answer_ends(end):
    """The kernel holds a page that is written in part until the write is answered, and a notice about the file waits for the page, out of
    reach of any kill and with a descriptor of the mount: it kept the kernel from ending the write with the last process."""
    with world(expect_clean=False) as w:
        a = w.one_device()
        fault = Fault("kill:filesystem.write:1", a.root / "fault-report")
        fault.env["SKYMOOR_FAULT_REPORT"] = "/dev/null"   # not carried out once: each process that is to do it dies of it
        with ordered(a, fault):
            drive = a.mount("home", "passthrough=off")
        minor = os.minor(os.stat(drive).st_dev)
        service = a.status(drive)["supervisor"]
        notifier = [p for p in a.processes() if p not in (service["pid"], a.pid(drive))]
        assert len(notifier) == 1
        log = a.root / "data" / "skymoor" / "log" / "mount.log"
        with subprocess.Popen([sys.executable, "-c", WRITER, str(drive / "file")], stdout=subprocess.PIPE, text=True) as writer:
            try:
                assert writer.stdout.readline() == "writes\n"
                if end != "given up":
                    wait_until(lambda: "within_a_minute=4" in log.read_text(), 60, "it has died four times, and rests")
                    for pid in [service["pid"], *(notifier if end == "nobody" else [])]:
                        os.kill(pid, signal.SIGKILL)
                # On a busy machine all four may have died before their notice waited: then the kernel ends the write itself.
                if end == "nobody" and not select.select([writer.stdout], [], [], 1)[0]:
                    assert "does not answer" in a.skymoor("doctor", check=False).stdout
                    a.skymoor("umount", "--force", drive)
                assert select.select([writer.stdout], [], [], 60)[0], "the write ends"
                assert int(writer.stdout.readline()) in (errno.ENOTCONN, errno.ECONNABORTED)
            except BaseException:
                abort_connection(minor)
                raise
        wait_until(lambda: not a.processes(), 30, "nobody waits any more")
        if end == "given up":
            assert mounted(drive) and "mount.given_up" in log.read_text()
        a.skymoor("mount", "home", drive)   # also over a dead one
        (drive / "file").write_text("works")


def test_without_its_supervisor_the_mount_goes_on():
    with world() as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        state = a.status(drive)
        os.kill(state["supervisor"]["pid"], signal.SIGKILL)
        wait_until(lambda: process_state(state["supervisor"]["pid"]) in ("", "Z"), 10, "the supervisor is dead")
        (drive / "file").write_text("kept")
        now = a.status(drive)
        assert now["pid"] == state["pid"] and not now["supervisor"]["running"]
        assert "supervisor is gone" in a.skymoor("status").stdout
        assert "supervisor" in a.skymoor("upgrade", drive, check=False).stderr
        os.kill(state["pid"], signal.SIGKILL)
        wait_until(lambda: process_state(state["pid"]) in ("", "Z"), 10, "the process is dead")
        with pytest.raises(OSError):
            os.listdir(drive)
        a.skymoor("mount", "home", drive)   # clears the dead one
        assert (drive / "file").read_text() == "kept"
        a.umount(drive)
        drive = a.mount("home", "takeover=off")
        assert a.status(drive)["supervisor"] is None
        a.kill(drive)


def test_signals_to_the_supervisor_unmount():
    with world() as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        state = a.status(drive)
        os.kill(state["supervisor"]["pid"], signal.SIGTERM)
        for pid in (state["pid"], state["supervisor"]["pid"]):
            wait_until(lambda p=pid: process_state(p) in ("", "Z"), 30, "both have ended")
        assert not mounted(drive)
        (a.mount("home") / "file").write_text("works")


def test_a_detached_mount_leaves_alone_what_stands_at_its_place():
    with world() as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        supervisor = a.status(drive)["supervisor"]["pid"]
        fd = os.open(drive / "file", os.O_RDWR | os.O_CREAT)
        subprocess.run(["umount", "-l", drive], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", drive], check=True)
        try:
            (drive / "other").write_text("another filesystem's")
            killed = a.kill_worker(drive)
            os.write(fd, b"goes on")
            state = a.status(drive)
            assert state["pid"] != killed and not state["attached"]
            os.kill(supervisor, signal.SIGTERM)
            wait_until(lambda: process_state(supervisor) in ("", "Z"), 30, "the supervisor has ended")
            wait_until(lambda: not a.processes(), 30, "all have ended")
            assert (drive / "other").read_text() == "another filesystem's"
        finally:
            with contextlib.suppress(OSError):
                os.close(fd)
            subprocess.run(["umount", "-l", drive], check=False)
        assert (a.mount("home") / "file").read_text() == "goes on"


def program_of(pid):
    """The file that a process runs."""
    return pathlib.Path(os.readlink(f"/proc/{pid}/exe"))


def test_an_upgrade_does_not_unmount():
    with world() as w:
        a, b = w.two_devices()
        new = w.root / "bin" / "skymoor"
        new.parent.mkdir()
        shutil.copy2(SKYMOOR, new)
        drive = a.mount("home")
        place = drive / "place"
        place.mkdir()
        before = a.status(drive)
        users, ledger = Users(), {}
        kept, mapping = work_in(place, users, ledger)
        try:
            users.moved_on()
            told = run(new, "upgrade", drive, env=a.env).stdout
            assert str(new) in told
            users.moved_on()
            after = a.status(drive)
            supervisor = after["supervisor"]["pid"]
            wait_until(lambda: program_of(supervisor) == new, 10, "the supervisor runs it, too")
            assert after["pid"] != before["pid"] and program_of(after["pid"]) == new
            assert supervisor == before["supervisor"]["pid"]
            assert after["supervisor"]["upgrades"] == 1 and after["supervisor"]["restarts"] == 0
            killed = a.kill_worker(drive)
            users.moved_on()
            wait_until(lambda: a.pid(drive) != killed, 10, "another process")
            assert program_of(a.pid(drive)) == new
        finally:
            users.end()
        expect_work(place, ledger)
        mapping.close()
        for fd in kept:
            os.close(fd)
        a.sync(drive)
        assert_same_tree(drive, b.mount("home"))
        a.umount(drive)


def test_asked_to_end_during_an_upgrade_it_ends():
    with world() as w:
        a, _ = w.two_devices()
        for delay_ms in (0, 20, 50, 100, 200, 400):
            drive = a.mount("home")
            before = a.status(drive)
            (drive / "file").write_text(f"kept {delay_ms}")
            with subprocess.Popen([SKYMOOR, "upgrade", drive], env=a.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as upgrade:
                time.sleep(delay_ms / 1000)
                os.kill(before["supervisor"]["pid"], signal.SIGTERM)
                wait_until(lambda: not mounted(drive), 30, f"unmounted, {delay_ms} ms into an upgrade")
                wait_until(lambda p=before["supervisor"]["pid"]: process_state(p) in ("", "Z"), 30, "the supervisor has ended")
                upgrade.wait(10)
        assert (a.mount("home") / "file").read_text() == "kept 400"


def test_an_upgrade_that_fails_goes_back():
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        with open(drive / "file", "w", encoding="ascii") as f:
            f.write("open")
            f.flush()
            before = a.status(drive)
            with socket.socket(socket.AF_UNIX) as control:
                volume = pathlib.Path(before["state_directory"]) / "volumes" / before["volume_id"]
                control.connect(str(volume / "control.sock"))
                control.sendall(json.dumps({"op": "upgrade", "program": "/bin/false", "format": FORMAT}).encode() + b"\n")
                assert json.loads(control.recv(4096))["ok"]
            def other():
                with contextlib.suppress(AssertionError):
                    return a.pid(drive) != before["pid"]
            wait_until(other, 30, "the old program goes on")
            f.write(" and written")
        assert (drive / "file").read_text() == "open and written"
        assert a.status(drive)["supervisor"]["upgrades"] == 0
        assert "mount.upgrade_failed" in (a.root / "data" / "skymoor" / "log" / "mount.log").read_text()
        a.umount(drive)
        unmount_by_force(drive)
