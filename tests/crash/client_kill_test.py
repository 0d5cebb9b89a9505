"""The client killed at every named fault point and while a record is half written: what returned is there afterwards."""

import os
import pathlib
import random
import re
import time

import pytest

from faults import Fault, Worker, assert_soon_same_tree, end_all, ordered, tally, wait_dead
from harness import world

ROUNDS = int(os.environ.get("SKYMOOR_CRASH_ROUNDS", "1"))
SEED = int(os.environ.get("SKYMOOR_CRASH_SEED", "1"))
TOP = pathlib.Path(__file__).parents[2]

# Point, how often it comes in a second of work: the fault fires at a random one of that many.
POINTS = [("journal.checkpoint", 1), ("journal.checkpoint_commit", 1), ("journal.confirm", 2), ("journal.rebase", 1),
          ("filesystem.write", 30), ("filesystem.allocate", 3), ("filesystem.copy", 3), ("file.write", 60), ("file.sync", 8),
          ("file.read", 5), ("file.truncate", 1), ("disk.rename", 1), ("disk.open", 20), ("disk.unlink", 3), ("disk.mkdir", 2),
          ("disk.sync_directory", 2)]
# Points that this work does not come to, and the test that breaks each.
ELSEWHERE = {"app.new_writer.swap": "system/copied_state_test.py", "journal.adopt": "unit/fuse_sync/step_faults_test.cc",
             "journal.reset": "unit/fuse_journal/damage_test.cc",
             "backing.sync_all": "unit/fuse_filesystem/fault_test.cc", "block_store.written": "crash/server_kill_test.py",
             "block_store.moved": "unit/server_block_store/compaction_test.cc"}


def test_every_named_point_is_in_a_list():
    named = set()
    for room in ("fuse", "backend-server", "shared"):
        for source in (TOP / room).rglob("*.cc"):
            # Asked for by a room, or by the disk itself, which has the hook.
            named |= set(re.findall(r'(?:fault\(|hit\(hook_, |hook_\(\{)"([a-z_.]+)"', source.read_text()))
    assert {"journal.confirm", "file.write", "file.truncate", "disk.sync_directory"} <= named
    assert named <= {point for point, _ in POINTS} | set(ELSEWHERE)
    for point, test in ELSEWHERE.items():
        assert f'"{point}"' in (TOP / "tests" / test).read_text(), f"{test} does not break {point}"


def kill_at(a, place, plan, seed):
    """One round: mount, work until the fault has killed the client, mount again, check. Returns the seconds to mount."""
    drive = None
    with ordered(a, Fault(plan, a.root / "fault-report")) as fault:
        drive = a.mount("home", check=False)
        worker = Worker(drive / place, seed)
        if os.path.ismount(drive):
            (drive / place).mkdir(exist_ok=True) if not fault.fired() else None
            worker.start()
            end = time.monotonic() + 40
            while not fault.fired() and time.monotonic() < end:
                time.sleep(0.02)
            time.sleep(0.1)
            end_all(a, drive)
            worker.finish()
        fault.assert_fired()
        tally("torn record" if plan.startswith("tear") else "client killed")
    end_all(a, drive)
    started = time.monotonic()
    a.mount("home")
    took = time.monotonic() - started
    if worker.ledger.promises:
        worker.ledger.check(drive / place)
    a.umount(drive)
    return took


@pytest.mark.parametrize("action", ["kill", "tear"])
def test_client_killed_at_named_points(action):
    chance = random.Random(SEED)
    points = POINTS if action == "kill" else [("file.write", 60)]
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        right = b.mount("home")
        other = Worker(right / "other", SEED, names=10)
        (right / "other").mkdir()
        other.start()
        slowest = 0.0
        for number in range(ROUNDS if action == "kill" else 2 * ROUNDS):
            for point, often in points:
                seed = chance.randrange(1 << 30)
                path = ":/log-" if action == "tear" else ""
                plan = f"{action}:{point}:{chance.randint(1, often)}{path}"
                try:
                    slowest = max(slowest, kill_at(a, f"{point}-{number}", plan, seed))
                except AssertionError as error:
                    raise AssertionError(f"SKYMOOR_CRASH_SEED={SEED} round {number} {plan}: {error}") from error
        other.finish()
        assert not other.errors
        a.skymoor("fsck")
        left = a.mount("home")
        a.sync(left)
        b.sync(right)
        a.sync(left)
        other.ledger.check(left / "other")
        assert_soon_same_tree(left, right)
        assert_soon_same_tree(left, w.fresh_clone())
        w.assert_in_order()
        print(f"slowest mount after a kill: {slowest:.2f} s")
