"""Without a server, or with one that does not answer, nothing local waits; what must wait ends. Run it with -s for figures."""

import collections
import errno
import fcntl
import mmap
import os
import pathlib
import resource
import subprocess
import threading
import time

import pytest
from harness import process_state, wait_until, world
from network import own_network

ROUNDS = 150
HANG_S = 20          # this long is a hang, however loaded the machine
DEADLINE_S = 3       # of reads, as mounted
ABSENT = 200         # readers at once: many more than the client has threads
LATE_S = 2           # what a read may end after its deadline, with all of that on a loaded machine
AT_ONCE_S = 2        # likewise for what is to happen at once; less than the deadline
EARLY_S = 0.2        # clocks are not read in the same moment


def figures(name, seconds, bound=HANG_S):
    """A row for people; the worst is what is judged."""
    ordered = sorted(seconds)
    print(f"| {name} | {ordered[len(ordered) // 2] * 1000:.2f} | {ordered[int(len(ordered) * 0.99)] * 1000:.1f} | {ordered[-1] * 1000:.1f} |")
    assert ordered[-1] < bound, f"{name} took {ordered[-1]:.1f} s"


def timed(function, *args):
    """The seconds that a call took."""
    begin = time.monotonic()
    function(*args)
    return time.monotonic() - begin


def write_new(path):
    path.write_bytes(bytes(4096))


def append_synced(path):
    with open(path, "ab") as f:
        f.write(b"x")
        os.fsync(f.fileno())


def is_absent(path):
    assert not path.exists()


def truncate(path):
    os.truncate(path, 100)


def allocate(fd):
    os.posix_fallocate(fd, 0, 16384)


def map_and_store(path):
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 4096) as mapping:
        mapping[:5] = b"store"
        mapping.flush()


def copy_range(source, target):
    with open(source, "rb") as one, open(target, "wb") as other:
        os.copy_file_range(one.fileno(), other.fileno(), 4096)


def lock(fd):
    fcntl.flock(fd, fcntl.LOCK_EX)
    fcntl.flock(fd, fcntl.LOCK_UN)


def local_work(drive, name):
    """Each operation on what is here, many times: the seconds of each."""
    place = drive / name
    (place / "full").mkdir(parents=True)
    for n in range(100):
        (place / "full" / f"f{n}").write_bytes(b"x")
    rows = collections.defaultdict(list)
    def do(what, function, *args):
        rows[what].append(timed(function, *args))
    for n in range(ROUNDS):
        one, two, other = place / f"a{n}", place / f"b{n}", place / f"c{n}"
        do("create and write 4 KiB", write_new, one)
        do("stat", os.stat, one)
        do("look up what is not there", is_absent, two)
        do("read 4 KiB", one.read_bytes)
        do("append and fsync", append_synced, one)
        do("mmap, store, msync", map_and_store, one)
        do("truncate", truncate, one)
        do("chmod", os.chmod, one, 0o640)
        do("setxattr", os.setxattr, one, "user.x", b"1")
        do("getxattr", os.getxattr, one, "user.x")
        do("rename", os.rename, one, two)
        do("link", os.link, two, other)
        do("symlink", os.symlink, "target", place / f"s{n}")
        do("readlink", os.readlink, place / f"s{n}")
        do("copy_file_range of 4 KiB", copy_range, two, place / f"e{n}")
        do("ls of 100", os.listdir, place / "full")
        do("mkdir", os.mkdir, place / f"d{n}")
        do("rmdir", os.rmdir, place / f"d{n}")
        do("df", os.statvfs, drive)
        with open(two, "r+b") as f:
            do("fallocate", allocate, f.fileno())
            do("flock", lock, f.fileno())
            do("fsync", os.fsync, f.fileno())
        do("unlink", os.unlink, two)
    return rows


def assert_as_before(before, rows):
    """The middle one of each operation is of the size that it had while the server answered; what one in many takes is for people."""
    for name, seconds in rows.items():
        figures(name, seconds)
        middle, usual = (sorted(s)[len(s) // 2] for s in (seconds, before[name]))
        assert middle < 10 * usual + 0.01, f"{name} takes {middle * 1000:.2f} ms, and {usual * 1000:.2f} while the server answers"


def read_absent(path, results):
    """A read of what only the server has: its error, and how long that took."""
    begin = time.monotonic()
    try:
        path.read_bytes()
        results.append(("read", time.monotonic() - begin))
    except OSError as error:
        results.append((error.errno, time.monotonic() - begin))


def check_errors(results, allowed):
    """Absent data is never read, and a reader gives up on the server no earlier than the deadline says."""
    assert not [error for error, _ in results if error == "read"], "the data was not here"
    odd = {error for error, _ in results} - allowed
    assert not odd, f"reads end with {[errno.errorcode.get(number, number) for number in odd]}"
    early = [seconds for error, seconds in results if error == errno.ETIMEDOUT and seconds < DEADLINE_S - EARLY_S]
    assert not early, f"ETIMEDOUT after {min(early):.2f} s of {DEADLINE_S}"


class Dead:
    """A server whose process is gone: its port answers that it is closed."""
    first_error = errno.EIO
    later_errors = {errno.EIO}

    def __init__(self, server):
        self.server = server

    def begin(self):
        self.server.kill()

    def end(self):
        self.server.start()


class Stopped:
    """A server that takes connections and bytes and answers nothing."""
    first_error = errno.ETIMEDOUT
    later_errors = {errno.EIO, errno.ETIMEDOUT}

    def __init__(self, server):
        self.server = server

    def begin(self):
        self.server.pause()

    def end(self):
        self.server.go_on()


class Dropped:
    """A line that swallows every packet, those of connections that stand included."""
    first_error = errno.ETIMEDOUT
    later_errors = {errno.EIO, errno.ETIMEDOUT}

    def __init__(self, network):
        self.network = network

    def begin(self):
        self.network.drop()

    def end(self):
        self.network.restore()


def hanging_reads(b, drive, files, errors):
    """Many readers of absent data at once, and what goes on meanwhile."""
    results = []
    readers = [threading.Thread(target=read_absent, args=(file, results)) for file in files[:ABSENT]]
    with subprocess.Popen(["cat", str(files[ABSENT])], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        for reader in readers:
            reader.start()
        time.sleep(0.3)
        local = drive / "local"
        figures("stat while reads hang", [timed(os.stat, local) for _ in range(100)])
        figures("create while reads hang", [timed(write_new, local / f"c{n}") for n in range(100)])
        figures("fsync while reads hang", [timed(append_synced, local / f"c{n}") for n in range(100)])
        figures("df while reads hang", [timed(os.statvfs, drive) for _ in range(100)])
        figures("status while reads hang", [timed(b.status, drive)])
        begin = time.monotonic()
        killed.kill()
        wait_until(lambda: process_state(killed.pid) in ("", "Z"), HANG_S, "a killed reader ends")
        figures("end of a reader after kill -9", [time.monotonic() - begin], AT_ONCE_S)
    for reader in readers:
        reader.join(120)
        assert not reader.is_alive(), "a read outlives its deadline"
    check_errors(results, errors)
    figures(f"read of absent data, {ABSENT} at once, deadline {DEADLINE_S} s", [seconds for _, seconds in results],
            DEADLINE_S + LATE_S)


def without_an_answer(w, trouble):
    """What local work and readers see of the trouble, and that all is well after it."""
    a, b = w.two_devices()
    drive = a.mount("home")
    (drive / "absent").mkdir()
    for n in range(ABSENT + 2):
        (drive / "absent" / f"f{n}").write_bytes(os.urandom(300_000))
    a.sync(drive)
    a.umount(drive)
    drive = b.mount("home", f"read-timeout={DEADLINE_S}s")
    assert len(os.listdir(drive / "absent")) == ABSENT + 2
    calm = local_work(drive, "calm")
    trouble.begin()
    first = []
    read_absent(drive / "absent" / f"f{ABSENT + 1}", first)
    check_errors(first, {trouble.first_error})
    figures("first read of absent data", [seconds for _, seconds in first], DEADLINE_S + LATE_S)
    assert_as_before(calm, local_work(drive, "local"))
    hanging_reads(b, drive, [drive / "absent" / f"f{n}" for n in range(ABSENT + 1)], trouble.later_errors)

    wait_until(lambda: not b.status(drive)["online"], 60, "status says that it is offline")
    state = b.status(drive)
    assert state["since"] and state["offline_reason"]
    assert "offline since" in b.skymoor("status").stdout
    figures("umount", [timed(b.umount, drive)])
    trouble.end()
    drive = b.mount("home")
    assert len((drive / "absent" / "f1").read_bytes()) == 300_000
    b.umount(drive)


@pytest.mark.parametrize("kind", [Dead, Stopped])
def test_nothing_waits_for_a_server_that_does_not_answer(kind):
    with world() as w:
        without_an_answer(w, kind(w.server))


def test_nothing_waits_for_a_line_that_drops_packets():
    with own_network() as network, world() as w:
        without_an_answer(w, Dropped(network))


def test_a_line_that_falls_silent_is_noticed_though_nobody_asks_for_anything():
    """Nothing is read and nothing is to be sent: only the stream of changes is there to tell."""
    with own_network() as network, world() as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        wait_until(lambda: a.status(drive)["online"], 30, "online")
        network.drop()
        noticed = wait_until(lambda: not a.status(drive)["online"], 45, "the silence is noticed")
        print(f"| a silent line is noticed | {noticed:.1f} s |")
        state = a.status(drive)
        assert state["since"] and state["offline_reason"]
        network.restore()
        wait_until(lambda: a.status(drive)["online"], 90, "online again")


def test_opening_a_file_does_not_wait_for_the_table_of_descriptors_to_grow():
    """Which takes the kernel 10 ms and more on a busy machine, as often as the table doubles."""
    with world() as w:
        a, _ = w.two_devices()
        for options in ((), ("takeover=off",)):
            drive = a.mount("home", *options)
            status = pathlib.Path(f"/proc/{a.pid(drive)}/status").read_text(encoding="ascii")
            assert int(status.split("FDSize:")[1].split()[0]) >= min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            a.umount(drive)
