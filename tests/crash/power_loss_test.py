"""The power goes under the client's state and under the server's data: what was promised is there."""

import contextlib
import os
import random
import time

import pytest

from faults import Worker, another_boot, assert_soon_same_tree, end_all, image, lacking, tally
from harness import Device, Server, world

ROUNDS = int(os.environ.get("SKYMOOR_CRASH_ROUNDS", "1"))
SEED = int(os.environ.get("SKYMOOR_CRASH_SEED", "1"))
KINDS = ["ext4", "xfs"]


@pytest.mark.parametrize("kind", KINDS)
def test_power_loss_under_the_client(kind):
    """fsync is a promise also to a machine that loses its power."""
    chance = random.Random(SEED)
    with world(expect_clean=False) as w, image(w.root, kind, 320) as disk:
        b = w.one_device("b")
        a = Device(disk.point, "a")
        w.devices.append(a)
        a.login(w.server)
        point = w.root / "drive-a"
        for number in range(2 * ROUNDS):
            place = f"{kind}-{number}"
            drive = a.mount("home", name=point)
            (drive / place).mkdir()
            worker = Worker(drive / place, chance.randrange(1 << 30), on_return=False).start()
            if number % 2:
                w.server.stop()  # nothing has left the machine
            time.sleep(0.7 + chance.random())
            disk.cut_power()
            tally("client lost power")
            worker.finish()
            end_all(a, drive)
            disk.unmount()
            disk.mount()
            another_boot(a)
            drive = a.mount("home", name=point)
            try:
                worker.ledger.check(drive / place, at_least=5)
            except AssertionError as error:
                raise AssertionError(f"SKYMOOR_CRASH_SEED={SEED} round {number}: {error}") from error
            if number % 2:
                w.server.start()
            a.sync(drive)
            a.umount(drive)
        a.skymoor("fsck")
        drive = a.mount("home", name=point)
        assert_soon_same_tree(drive, b.mount("home"))
        assert_soon_same_tree(drive, w.fresh_clone())
        w.assert_in_order()
        end_all(a, drive)
        assert disk.cuts == 2 * ROUNDS


@pytest.mark.parametrize("kind", KINDS)
def test_power_loss_under_a_file_that_is_synced_again_and_again(kind):
    """What the kernel writes by itself is vouched for by the file: fdatasync syncs no record any more."""
    with world(expect_clean=False) as w, image(w.root, kind, 320) as disk:
        w.server.start()
        a = Device(disk.point, "a")
        w.devices.append(a)
        a.signup(w.server)
        a.skymoor("volume", "create", "home")
        point = w.root / "drive-a"
        drive = a.mount("home", name=point)
        if not a.status(drive)["passthrough"]:
            lacking("passthrough", "without passthrough the kernel writes nothing by itself")
        old = os.urandom(20000)
        (drive / "base").write_bytes(old)
        w.server.stop()  # nothing leaves the machine
        fd = os.open(drive / "base", os.O_RDWR)
        for number in range(60):
            os.pwrite(fd, b"%06d." % number * 100, 300 * number + 5000)
            os.fdatasync(fd)
            if number == 30:
                noted = [f for f in (a.root / "data").rglob("vouching") if f.read_bytes().strip(b"\0")]
        disk.cut_power()
        tally("client lost power")
        with contextlib.suppress(OSError):  # there is no disk any more
            os.close(fd)
        assert noted, "the short way was not taken"
        expected = bytearray(old)
        for number in range(60):
            at = 300 * number + 5000
            expected[at:at + 700] = b"%06d." % number * 100
        end_all(a, drive)
        disk.unmount()
        disk.mount()
        another_boot(a)
        drive = a.mount("home", name=point)
        assert (drive / "base").read_bytes() == expected
        w.server.start()
        a.sync(drive)
        assert_soon_same_tree(drive, w.fresh_clone())
        w.assert_in_order()
        end_all(a, drive)
        assert disk.cuts == 1


@pytest.mark.parametrize("kind", KINDS)
def test_power_loss_under_the_server(kind):
    """What `skymoor sync` has waited for is on the server's disk."""
    chance = random.Random(SEED)
    with world(expect_clean=False) as w, image(w.root, kind, 320) as disk:
        w.server = Server(disk.point)
        a, _ = w.two_devices()
        for number in range(2 * ROUNDS):
            drive = a.mount("home")
            (drive / f"{number}").mkdir()
            worker = Worker(drive / f"{number}", chance.randrange(1 << 30)).start()
            time.sleep(0.5 + chance.random())
            worker.finish()
            a.sync(drive)
            held = worker.ledger
            more = Worker(drive / f"{number}", chance.randrange(1 << 30))
            more.known, more.ledger.promised = dict(worker.known), dict(held.promised)
            more.ledger.later = {name: set() for name in held.promised}
            more.start()
            time.sleep(chance.random())
            disk.cut_power()
            tally("server lost power")
            more.finish()
            assert not more.errors, f"the server's disk is not the device's: {more.errors[:2]}"
            w.server.kill()
            end_all(a, drive)
            disk.unmount()
            disk.mount()
            w.server.start()
            # What was asked for after the promise may have arrived, too.
            for name, found in more.ledger.promised.items():
                held.later.setdefault(name, set()).update(more.ledger.history.get(name, {found}))
            fresh = w.device(f"fresh-{kind}-{number}")
            fresh.login(w.server)
            right = fresh.mount("home")
            try:
                held.check(right / f"{number}", at_least=5)
            except AssertionError as error:
                raise AssertionError(f"SKYMOOR_CRASH_SEED={SEED} round {number}: {error}") from error
            drive = a.mount("home")
            more.ledger.check(drive / f"{number}")
            a.sync(drive)
            fresh.sync(right)
            assert_soon_same_tree(drive, right)
            fresh.umount(right)
            a.umount(drive)
        w.assert_in_order()
        assert disk.cuts == 2 * ROUNDS
