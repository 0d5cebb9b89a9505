"""Writes, syncs and renames of the client's state that fail: errors come to the caller, and nothing that was promised is lost."""

import contextlib
import errno
import os
import random
import time

import pytest

from faults import Fault, Ledger, Worker, assert_soon_same_tree, end_all, ordered
from harness import wait_until, world

ROUNDS = int(os.environ.get("SKYMOOR_CRASH_ROUNDS", "1"))
SEED = int(os.environ.get("SKYMOOR_CRASH_SEED", "1"))


def test_failed_fsync_stays_failed():
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        a.umount(a.mount("home"))
        ledger = Ledger()
        with ordered(a, Fault("EIO:file.sync:4:/log-", w.root / "report")) as fault:
            drive = a.mount("home")
            failed = None
            for number in range(2000):
                name = f"f{number}"
                f = open(drive / name, "wb", buffering=0)
                ledger.maybe(name, b"")
                ledger.maybe(name, name.encode())
                f.write(name.encode())
                try:
                    os.fsync(f.fileno())
                except OSError as error:
                    assert error.errno == errno.EIO
                    failed = f
                    break
                ledger.promise(name, name.encode())
                f.close()
            assert failed and fault.fired()
            for _ in range(3):
                with pytest.raises(OSError) as caught:
                    os.fsync(failed.fileno())
                assert caught.value.errno == errno.EIO
            with contextlib.suppress(OSError):
                failed.close()
            with pytest.raises(OSError), open(drive / "another", "wb", buffering=0) as f:
                f.write(b"x")
                os.fsync(f.fileno())
            end_all(a, drive)
        drive = a.mount("home")
        ledger.check(drive)
        with open(drive / "after", "wb", buffering=0) as f:
            f.write(b"x")
            os.fsync(f.fileno())
        a.sync(drive)
        assert_soon_same_tree(drive, b.mount("home"))


def test_nth_step_fails():
    """One failure of each kind in a place of each kind, at a random step; then the client is killed."""
    chance = random.Random(SEED)
    plans = [(action, point, often, path)
             for action in ("EIO", "ENOSPC")
             for point, often, path in (("file.write", 40, "/log-"), ("file.sync", 4, "/log-"), ("file.sync", 2, "/backing/"),
                                        ("disk.open", 10, "/backing/"), ("disk.rename", 1, "/backing/"),
                                        ("filesystem.write", 20, ""), ("journal.checkpoint*", 1, ""))
             if action == "EIO" or point.endswith(("write", "open"))]
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        a.umount(a.mount("home"))
        for number in range(ROUNDS):
            for index, (action, point, often, path) in enumerate(plans):
                plan = f"{action}:{point}:{chance.randint(1, often)}" + (":" + path if path else "")
                place = f"{number}-{index}"
                with ordered(a, Fault(plan, w.root / "report")) as fault:
                    drive = a.mount("home")
                    (drive / place).mkdir()
                    worker = Worker(drive / place, chance.randrange(1 << 30)).start()
                    wait_until(fault.fired, 60, f"{plan} fires (SKYMOOR_CRASH_SEED={SEED})")
                    time.sleep(0.3)
                    worker.finish()
                    end_all(a, drive)
                for error in worker.errors:
                    assert error.errno in (errno.EIO, errno.ENOSPC), f"{plan}: {error!r}"
                drive = a.mount("home")
                try:
                    worker.ledger.check(drive / place)
                except AssertionError as error:
                    raise AssertionError(f"SKYMOOR_CRASH_SEED={SEED} {plan}: {error}") from error
                a.umount(drive)
        a.skymoor("fsck")
        drive = a.mount("home")
        a.sync(drive)
        assert_soon_same_tree(drive, b.mount("home"))
