"""Full disks: the error comes with the write, what was taken stays, and work goes on when there is room again."""

import errno
import os

import pytest

from faults import Ledger, assert_soon_same_tree, small_disk
from harness import Device, Server, run, wait_until, world

MIB = 1 << 20


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
        a = Device(small, "a")
        w.devices.append(a)
        a.login(w.server)
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
        a = Device(small, "a")
        w.devices.append(a)
        a.login(w.server)
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


def test_full_server_disk():
    with world(expect_clean=False) as w, small_disk(w.root / "small", "40m") as small:
        w.server = Server(small)
        a, b = w.two_devices()
        drive = a.mount("home")
        ledger = Ledger()
        # Refused at the write as soon as the device has heard how little room there is; what it took by then is more than
        # fits, and stays here.
        assert fill(drive, ledger, 48) in (0, errno.ENOSPC, errno.EDQUOT)
        with pytest.raises(AssertionError):
            a.sync(drive, timeout=5)
        ledger.check(drive, at_least=20)
        run("mount", "-o", "remount,size=200m", small)
        a.sync(drive)
        ledger.check(drive)
        assert_soon_same_tree(drive, b.mount("home"))
        a.umount(drive)
        w.server.stop()
