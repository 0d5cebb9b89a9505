"""Breaking things on purpose: ordered faults, a ledger of what was promised, disks that lose power or run full."""

import contextlib
import errno
import fcntl
import hashlib
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback

import pytest
from harness import assert_same_tree, mounted, run, tree_of, unmount_by_force, wait_until
from sealed_database import changed_database

ABSENT = "absent"
FS_IOC_SHUTDOWN = 0x8004587d  # ext4 and XFS; the argument says what still reaches the disk
NO_LOG_FLUSH = 2


def lacking(what, why):
    """This machine cannot do what a test is about. That is a failure, not a test that passed: only where SKYMOOR_MAY_LACK (words)
    says so is the test left out."""
    if what in os.environ.get("SKYMOOR_MAY_LACK", "").split():
        pytest.skip(why)
    raise AssertionError(f"{why} (SKYMOOR_MAY_LACK={what} leaves such tests out)")


def tally(what, count=1):
    """For a soak to add up (tests/support/tally.h)."""
    if "SKYMOOR_TALLY" in os.environ:
        with open(os.environ["SKYMOOR_TALLY"], "a", encoding="ascii") as file:
            file.write(f"{count} {what}\n")


def digest(content):
    return hashlib.sha256(content).hexdigest()


class Ledger:
    """What an outside witness knows: for each name the content that was promised, and what it may have become since.

    `promise`: the content was acknowledged (by fsync, or by its return where only a process dies). `maybe`: a change was
    asked for and not acknowledged. After recovery a name shows its promised content or one of the later ones.
    """

    def __init__(self):
        self.promised = {}
        self.later = {}
        self.growing = {}
        self.history = {}  # every content a name was ever promised or may have had
        self.promises = 0

    def promise(self, name, content):
        self.promised[name] = ABSENT if content is None else digest(content)
        self.later[name] = set()
        self.history.setdefault(name, set()).add(self.promised[name])
        self.growing.pop(name, None)
        self.promises += 1

    def maybe(self, name, content):
        self.promised.setdefault(name, ABSENT)
        asked = ABSENT if content is None else digest(content)
        self.later.setdefault(name, set()).add(asked)
        self.history.setdefault(name, set()).add(asked)

    def may_grow(self, name, old, grown):
        """An append of several requests: any beginning of it may be there."""
        self.maybe(name, grown)
        self.growing[name] = (old, grown)

    def _is_part(self, name, content):
        old, grown = self.growing.get(name, (None, None))
        return old is not None and content.startswith(old) and grown.startswith(content)

    def check(self, root, at_least=1):
        """Every name under `root` is as promised or newer."""
        assert self.promises >= at_least, f"only {self.promises} promises were made: nothing was tested"
        wrong = []
        for name, wanted in self.promised.items():
            path = root / name
            content = None
            try:
                content = path.read_bytes() if path.exists() else None
                found = ABSENT if content is None else digest(content)
            except OSError as error:
                found = str(error)
            if found != wanted and found not in self.later[name] and not (content and self._is_part(name, content)):
                wrong.append(f"{name}: {found[:40]} instead of {wanted[:12]} or {[s[:12] for s in self.later[name]]}"
                             f" (size {path.stat().st_size if path.exists() else '-'})")
        assert not wrong, f"{len(wrong)} of {len(self.promised)} broken promises:\n" + "\n".join(wrong[:10])


class Worker:
    """Random work on a mount in a thread, with a ledger. `on_return`: what returned is promised (a process may die);
    else only what was fsynced (the machine may)."""

    def __init__(self, root, seed, on_return=True, names=40):
        self.root, self.random, self.on_return, self.names = root, random.Random(seed), on_return, names
        self.ledger = Ledger()
        self.known = {}
        self.touched, self.doubtful = set(), set()
        self.errors = []
        self.wrong = None        # what must never be, seen in the thread
        self.operations = 0
        self.stop = threading.Event()
        self.thread = None

    def start(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def finish(self, timeout=60):
        self.stop.set()
        self.thread.join(timeout)
        if self.thread.is_alive():
            where = traceback.format_stack(sys._current_frames()[self.thread.ident])  # pylint: disable=protected-access
            raise AssertionError(f"the work hangs, after {self.operations} operations:\n{''.join(where)}")
        if self.wrong:
            raise self.wrong

    def _run(self):
        while not self.stop.is_set():
            try:
                self._step()
                self.operations += 1
            except OSError as error:
                # What the step touched is in doubt from now on, and left alone.
                self.errors.append(error)
                self.doubtful |= self.touched
                if error.errno in (errno.ENOTCONN, errno.ECONNABORTED) or len(self.errors) > 200:
                    return
            except AssertionError as error:
                self.wrong = error
                return

    def _settle(self, name, content):
        if self.on_return:
            self.ledger.promise(name, content)
        self.known[name] = content

    def _step(self):
        name = self._name()
        self.touched = {name}
        if name in self.doubtful:
            return
        (self.root / name).parent.mkdir(exist_ok=True)
        what = self.random.randrange(12)
        content = self.known.get(name)
        if content is None or what < 3:
            self._write_new(name)
        elif what < 6:
            self._append(name, content)
        elif what < 8:
            self._move(name, content)
        elif what < 10:
            self._copy(name, content)
        else:
            self.ledger.maybe(name, None)
            os.unlink(self.root / name)
            self._settle(name, None)

    def _name(self):
        return f"d{self.random.randrange(3)}/f{self.random.randrange(self.names)}"

    def _other(self, name):
        to = self._name()
        self.touched.add(to)
        if to == name or to in self.doubtful:
            return None
        (self.root / to).parent.mkdir(exist_ok=True)
        return to

    def _copy(self, name, content):
        """copy_file_range into a new file, which is then renamed over the other name."""
        to = self._other(name)
        if to is None:
            return
        fresh = self.root / (to + ".copy")
        with open(self.root / name, "rb", buffering=0) as f, open(fresh, "wb", buffering=0) as g:
            if content:
                os.posix_fallocate(g.fileno(), 0, len(content))
            done = 0
            while done < len(content):
                copied = os.copy_file_range(f.fileno(), g.fileno(), len(content) - done)
                assert copied, f"{name} ends at {done} of {len(content)}: {os.fstat(f.fileno())}, {os.stat(self.root / name)}"
                done += copied
            os.fsync(g.fileno())
        self.ledger.maybe(to, content)
        os.rename(fresh, self.root / to)
        self._settle(to, content)

    def _bytes(self):
        size = self.random.choice([0, 10, 3000, 5000, 70000, 300000])
        return self.random.randbytes(size)

    def _sync(self, f, name, content):
        if self.random.randrange(2) == 0:
            os.fsync(f.fileno())
            self.ledger.promise(name, content)

    def _write_new(self, name):
        """A file beside it, renamed over it: the old content or the new one."""
        content = self._bytes()
        fresh = self.root / (name + ".new")
        with open(fresh, "wb", buffering=0) as f:
            f.write(content)
            synced = self.random.randrange(2) == 0 or not self.on_return
            if synced:
                os.fsync(f.fileno())
            self.ledger.maybe(name, content)
            os.rename(fresh, self.root / name)
            self._settle(name, content)
            self._sync(f, name, content)

    def _append(self, name, content):
        more = self._bytes()
        grown = content + more
        self.ledger.may_grow(name, content, grown)
        with open(self.root / name, "ab", buffering=0) as f:
            done = f.write(more)
            assert done == len(more)
            self._settle(name, grown)
            if not self.on_return:
                os.fsync(f.fileno())
                self.ledger.promise(name, grown)
            else:
                self._sync(f, name, grown)

    def _move(self, name, content):
        to = self._other(name)
        if to is None:
            return
        self.ledger.maybe(name, None)
        self.ledger.maybe(to, content)
        os.rename(self.root / name, self.root / to)
        self._settle(name, None)
        self._settle(to, content)


def assert_soon_same_tree(left, right, timeout=60):
    """`skymoor sync` waits for what is sent, not for what others have sent: that takes a moment."""
    def same():
        with contextlib.suppress(OSError):
            return tree_of(left) == tree_of(right)
        return False
    with contextlib.suppress(AssertionError):
        wait_until(same, timeout, "equal trees", 0.3)
    assert_same_tree(left, right)


class Fault:
    """A fault ordered from a program (shared/base/fault_plan.h)."""

    def __init__(self, plan, report):
        self.plan, self.report = plan, pathlib.Path(report)
        self.report.unlink(missing_ok=True)
        self.env = {"SKYMOOR_FAULT": plan, "SKYMOOR_FAULT_REPORT": str(report)}

    def lines(self, word):
        text = self.report.read_text() if self.report.exists() else ""
        return [line.split(" ", 1)[1] for line in text.splitlines() if line.startswith(word + " ")]

    def fired(self):
        return bool(self.lines("fired"))

    def assert_fired(self):
        """A round whose fault did not fire has tested nothing."""
        assert self.fired(), f"{self.plan} did not fire"


@contextlib.contextmanager
def ordered(device, fault):
    """Programs that the device starts meanwhile carry out the fault."""
    device.env.update(fault.env)
    try:
        yield fault
    finally:
        for key in fault.env:
            device.env.pop(key, None)


def processes_of(device):
    """Programs of ours that run with this device's directories."""
    mark = f"XDG_DATA_HOME={device.root}/data".encode()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if b"skymoor" in (entry / "comm").read_bytes() and mark in (entry / "environ").read_bytes() and \
                        ") Z " not in (entry / "stat").read_text():
                    yield int(entry.name)


def end_all(device, point):
    """kill -9 for whatever of the device still runs (also what would start it anew), and no mount left."""
    def gone():
        pids = list(processes_of(device))
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return not pids
    wait_until(gone, 30, "processes gone")
    unmount_by_force(point)
    assert not mounted(point)


class Image:
    """A filesystem in a file, which can lose its power: what was not on the disk is gone."""

    def __init__(self, root, kind, megabytes):
        self.file, self.point = pathlib.Path(root) / f"{kind}.img", pathlib.Path(root) / f"{kind}.mnt"
        self.point.mkdir()
        self.cuts = 0
        with open(self.file, "wb") as f:
            f.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-F", self.file) if kind == "ext4" else run("mkfs.xfs", "-q", "-f", self.file)
        self.mount()

    def mount(self):
        done = run("mount", "-o", "loop", self.file, self.point, check=False)
        if done.returncode != 0:
            lacking("loop", f"this machine mounts no file as a disk: {done.stderr.strip()}")

    def cut_power(self):
        fd = os.open(self.point, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(fd)
        try:
            os.mkdir(self.point / "written after the cut")
        except OSError as error:
            assert error.errno == errno.EIO, error
        else:
            raise AssertionError("the disk goes on without power")
        self.cuts += 1

    def unmount(self):
        def tried():
            return subprocess.run(["umount", str(self.point)], capture_output=True, check=False).returncode == 0 or \
                not os.path.ismount(self.point)
        wait_until(tried, 30, f"unmount of {self.point}")

    def drop(self):
        if os.path.ismount(self.point):
            subprocess.run(["umount", "-l", str(self.point)], capture_output=True, check=False)


@contextlib.contextmanager
def image(root, kind, megabytes):
    made = Image(root, kind, megabytes)
    try:
        yield made
    finally:
        made.drop()


@contextlib.contextmanager
def small_disk(point, size):
    """A tmpfs of that size."""
    pathlib.Path(point).mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", point)
    tally("disk full")
    try:
        yield pathlib.Path(point)
    finally:
        subprocess.run(["umount", "-l", str(point)], capture_output=True, check=False)


def another_boot(device):
    """The client's state as after a power cut: the machine was started anew since it was written."""
    for file in (device.root / "data").glob("skymoor/volumes/*/metadata/metadata.db"):
        with changed_database(file) as db:
            assert db.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (b"an earlier boot",)).rowcount == 1
        return
    raise AssertionError("no metadata.db")


def wait_dead(pid, timeout=60):
    """Waits for a process that is to die."""
    def dead():
        try:
            return ") Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
    return wait_until(dead, timeout, f"end of {pid}", 0.02)


def deadline(seconds):
    """A function that says whether there is time left."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
