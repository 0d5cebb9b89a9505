"""Full disks: the error comes with the write, what was taken stays, and work goes on when there is room again."""

import errno
import os

import pytest

from faults import Ledger, assert_soon_same_tree, small_disk
from harness import Device, Server, wait_until, world

MIB = 1 << 20


def device_on(w, small):
    """One with its state on the small disk."""
    a = Device(small, "a")
    w.devices.append(a)
    a.login(w.server)
    return a


def fill(drive, ledger, limit):
    """Writes 1 MiB files until one is refused; returns the errno (0: none was)."""
    for number in range(limit):
        content = os.urandom(MIB)
        name = f"big{number}"
        ledger.maybe(name, b"")
        try:
            with open(drive / name, "wb", buffering=0) as f:
                ledger.may_grow(name, b"", content)
                done = 0
                while done < len(content):
                    done += f.write(content[done:])
                os.fsync(f.fileno())
        except OSError as error:
            return error.errno
        ledger.promise(name, content)
    return 0


def test_full_state_disk():
    with world(expect_clean=False) as w, small_disk(w.root / "small", "64m") as small:
        b = w.one_device("b")
        a = device_on(w, small)
        drive = a.mount("home", "reserve=4MiB", name=w.root / "drive-a")
        w.server.stop()
        ledger = Ledger()
        assert fill(drive, ledger, 100) == errno.ENOSPC
        ledger.check(drive, at_least=20)
        # Room returns: by deleting, and by sending what the server then also has.
        for name in ("big0", "big1", "big2", "big3", "big4", "big5", "big6", "big7"):
            os.unlink(drive / name)
            ledger.promise(name, None)
        wait_until(lambda: fill_one(drive, ledger), 60, "room after deletions")
        w.server.start()
        a.sync(drive)
        ledger.check(drive)
        assert_soon_same_tree(drive, b.mount("home"))
        a.umount(drive)


# It died five times in a row and left the mount dead, until somebody mounted anew on a disk with room.
def test_the_next_process_starts_on_a_full_disk():
    with world(expect_clean=False) as w, small_disk(w.root / "small", "64m") as small:
        b = w.one_device("b")
        a = device_on(w, small)
        drive = a.mount("home", "reserve=4MiB", name=w.root / "drive-a")
        (drive / "sent").write_bytes(b"s" * 50000)
        a.sync(drive)
        w.server.stop()
        (drive / "unsent").write_bytes(b"u" * 50000)
        with open(drive / "unsent", "r+b") as held:
            fill_up(small / "somebody-elses")
            killed = a.kill_worker(drive)
            assert sorted(os.listdir(drive)) == ["sent", "unsent"]
            assert a.pid(drive) != killed
            assert (drive / "sent").read_bytes() == b"s" * 50000 and held.read() == b"u" * 50000
            with pytest.raises(OSError) as refused:
                (drive / "more").write_bytes(b"m")
            assert refused.value.errno == errno.ENOSPC
        (small / "somebody-elses").unlink()
        w.server.start()
        a.sync(drive)
        assert_soon_same_tree(drive, b.mount("home"))
        a.umount(drive)
        a.fsck()


def fill_up(path):
    """Takes the last byte of a disk."""
    with open(path, "wb", buffering=0) as f:
        for piece in (1 << 16, 512, 1):
            try:
                while True:
                    f.write(b"x" * piece)
            except OSError as error:
                assert error.errno == errno.ENOSPC


def fill_one(drive, ledger):
    content = os.urandom(MIB)
    try:
        with open(drive / "again", "wb", buffering=0) as f:
            ledger.maybe("again", b"")
            ledger.may_grow("again", b"", content)
            f.write(content)
            os.fsync(f.fileno())
    except OSError as error:
        assert error.errno == errno.ENOSPC
        return False
    ledger.promise("again", content)
    return True


@pytest.mark.parametrize("passthrough", ["auto", "off"])
def test_a_full_disk_waits_for_what_is_being_sent(passthrough):
    """Three times what the disk takes, as fast as it goes: what the server has makes room before anything is refused."""
    with world(expect_clean=False) as w, small_disk(w.root / "small", "64m") as small:
        b = w.one_device("b")
        a = device_on(w, small)
        drive = a.mount("home", f"reserve=8MiB,passthrough={passthrough}", name=w.root / "drive-a")
        ledger = Ledger()
        assert fill(drive, ledger, 180) == 0
        a.sync(drive)
        ledger.check(drive, at_least=180)
        assert_soon_same_tree(drive, b.mount("home"))
        a.umount(drive)


def test_small_cache_keeps_what_is_unsent():
    """Fetched files make room for one another; unsent bytes stay though the cache is over its size."""
    with world() as w:
        a, b = w.two_devices()
        left = a.mount("home")
        ledger = Ledger()
        assert fill(left, ledger, 24) == 0
        a.sync(left)
        right = b.mount("home", "cache-size=16MiB")
        unsent = Ledger()
        (right / "own").mkdir()
        w.server.stop()
        assert fill(right / "own", unsent, 20) == 0
        w.server.start()
        wait_until(lambda: b.status(right)["online"], 60, "the device is online")
        ledger.check(right, at_least=24)
        w.server.stop()
        unsent.check(right / "own", at_least=20)
        w.server.start()
        b.sync(right)
        a.sync(left)
        assert_soon_same_tree(left, right)


def bytes_left(point):
    st = os.statvfs(point)
    return st.f_bavail * st.f_frsize


def test_a_disk_smaller_than_its_cache_is_read_through():
    """The limit of the cache is far above what the disk has: what is fetched makes room for what comes next, and so it does for
    what is written. A limit below is kept."""
    with world() as w, small_disk(w.root / "small", "48m") as small:
        a = w.one_device("a")
        left = a.mount("home")
        ledger = Ledger()
        assert fill(left, ledger, 64) == 0
        a.sync(left)
        b = Device(small, "b")
        w.devices.append(b)
        b.login(w.server)
        right = b.mount("home", "reserve=8MiB", name=w.root / "drive-b")
        ledger.check(right, at_least=64)
        own = Ledger()
        (right / "own").mkdir()
        assert fill(right / "own", own, 20) == 0, "fetched bytes stand in the way of written ones"
        own.check(right / "own", at_least=20)
        b.sync(right)
        ledger.check(right)
        own.check(right / "own")
        b.umount(right)
        right = b.mount("home", "reserve=8MiB", "cache-size=16MiB", name=w.root / "drive-b")
        ledger.check(right)
        wait_until(lambda: b.status(right)["cache"]["clean_bytes"] <= 16 * MIB, 60, "the cache keeps to its size")
        assert bytes_left(small) > 20 * MIB
        b.sync(right)
        assert_soon_same_tree(left, right)
        b.umount(right)


def leave(disk, size):
    """A file that takes what else there is."""
    fd = os.open(disk / "ballast", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.posix_fallocate(fd, 0, bytes_left(disk) - size)
    finally:
        os.close(fd)
    return disk / "ballast"


def test_full_server_disk():
    """A device that has not heard of it yet takes writes, keeps them, and says what they wait for; one that has refuses them."""
    with world(expect_clean=False) as w, small_disk(w.root / "small", "96m") as small:
        w.server = Server(small)
        a, b = w.two_devices()
        drive = a.mount("home")
        (drive / "more").mkdir()
        a.sync(drive)
        ballast = leave(small, 3 * MIB)
        ledger = Ledger()
        # It asks the server how much room there is every half minute: some may be refused at the write already.
        assert fill(drive, ledger, 8) in (0, errno.EDQUOT)
        wait_until(lambda: "full" in (a.status(drive)["waits_for"] or ""), 60, "status names the full disk")
        said = a.skymoor("sync", drive, "--timeout", "3s", check=False)
        assert said.returncode != 0 and "full" in said.stderr, said.stderr
        assert "full" in a.skymoor("status").stdout
        assert a.status(drive)["pending"]["records"] > 0
        ledger.check(drive, at_least=1)
        a.umount(drive)
        drive = a.mount("home")
        wait_until(lambda: a.status(drive)["online"], 60, "the server is heard")
        more = Ledger()
        assert fill(drive / "more", more, 8) == errno.EDQUOT, "what the server has no room for is refused at the write"
        more.check(drive / "more", at_least=0)
        ledger.check(drive)
        os.unlink(ballast)
        a.sync(drive)
        assert not a.status(drive)["waits_for"] and a.status(drive)["pending"]["records"] == 0
        a.umount(drive)
        drive = a.mount("home")
        wait_until(lambda: a.status(drive)["online"], 60, "the server is heard")
        assert fill(drive / "more", more, 8) == 0, "there is room again"
        a.sync(drive)
        ledger.check(drive)
        more.check(drive / "more", at_least=8)
        assert_soon_same_tree(drive, b.mount("home"))
        a.umount(drive)
        w.server.stop()
