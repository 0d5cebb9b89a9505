"""The server killed at its fault points and at random moments: devices go on, and what they hold arrives."""

import os
import random
import time

from faults import Fault, Worker, assert_soon_same_tree, tally
from harness import wait_until, world

ROUNDS = int(os.environ.get("SKYMOOR_CRASH_ROUNDS", "1"))
SEED = int(os.environ.get("SKYMOOR_CRASH_SEED", "1"))
POINTS = [("kill", "block_store.written", 3, ""), ("kill", "file.sync", 5, ":/blocks"), ("kill", "file.write", 6, ":/blocks"),
          ("tear", "file.write", 5, ":/blocks"), ("EIO", "file.sync", 3, ":/blocks"), ("ENOSPC", "file.write", 4, ":/blocks"),
          ("kill", "file.read", 3, ""), ("kill", "disk.open", 4, ""), ("kill", "disk.mkdir", 3, ""),
          ("kill", "disk.sync_directory", 1, "")]
# A server that has its keys and can write comes surely to none of disk.rename, disk.unlink and file.truncate.


def start_with(server, fault):
    """Some points come while it starts: then it is gone before it is ready."""
    for key, value in fault.env.items():
        os.environ[key] = value
    try:
        server.start()
    except AssertionError:
        if not fault.fired():
            raise
    finally:
        for key in fault.env:
            os.environ.pop(key)


def test_server_killed_and_failing():
    chance = random.Random(SEED)
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        workers = []
        for name, drive in (("a", left), ("b", right)):
            (drive / name).mkdir()
            workers.append(Worker(drive / name, SEED, names=12).start())
        for _ in range(ROUNDS):
            for action, point, often, path in POINTS:
                w.server.stop()
                plan = f"{action}:{point}:{chance.randint(1, often)}{path}"
                fault = Fault(plan, w.root / "server-report")
                start_with(w.server, fault)
                wait_until(fault.fired, 60, f"{plan} fires (SKYMOOR_CRASH_SEED={SEED})")
                tally("server killed" if action in ("kill", "tear") else "disk step failed")
                if action in ("kill", "tear"):
                    wait_until(lambda: w.server.process.poll() is not None, 20, "the server is gone")
                    w.server.start()
            time.sleep(chance.random())
            w.server.kill()
            tally("server killed")
            w.server.start()
        for worker in workers:
            worker.finish()
            assert not worker.errors, f"a device's user saw {worker.errors[:3]}: the server's trouble is not theirs"
        w.server.stop()
        w.server.start()
        for _ in range(2):
            a.sync(left)
            b.sync(right)
        workers[0].ledger.check(right / "a", at_least=20)
        workers[1].ledger.check(left / "b", at_least=20)
        assert_soon_same_tree(left, right)
        assert_soon_same_tree(left, w.fresh_clone())
        w.assert_in_order()
