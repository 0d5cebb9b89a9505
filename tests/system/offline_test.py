"""Days of work without a server, with a restart and a kill -9 in between: all of it is there at once, and at the other devices
afterwards.

SKYMOOR_OFFLINE_OPERATIONS: how many (3000).
"""

import os
import random
import time

from faults import assert_soon_same_tree
from harness import assert_same_tree, mounted, tree_of, wait_until, world
from network import own_network

OPERATIONS = int(os.environ.get("SKYMOOR_OFFLINE_OPERATIONS", "3000"))
DIRECTORIES = 50


class Work:
    """Random operations on a mount and, the same ones, in a directory beside it."""

    def __init__(self, *roots):
        self.roots = roots
        self.random = random.Random(int(os.environ.get("SKYMOOR_CRASH_SEED", "7")))
        self.names = []
        self.made = 0
        for root in roots:
            for number in range(DIRECTORIES):
                (root / f"d{number}").mkdir(exist_ok=True)

    def step(self):
        what = self.random.randrange(10) if self.names else 0
        if what < 4:
            self.made += 1
            name = f"d{self.random.randrange(DIRECTORIES)}/f{self.made}"
            self.names.append(name)
            content = self.random.randbytes(self.random.choice([0, 100, 4096, 20000]))
            return lambda root: (root / name).write_bytes(content)
        index = self.random.randrange(len(self.names))
        name = self.names[index]
        if what < 6:
            more = self.random.randbytes(200)
            def append(root):
                with open(root / name, "ab") as f:
                    f.write(more)
            return append
        if what < 8:
            to = f"d{self.random.randrange(DIRECTORIES)}/{name.rsplit('/', 1)[1]}"
            self.names[index] = to
            return lambda root: os.rename(root / name, root / to)
        if what == 8:
            mode = self.random.choice([0o600, 0o644, 0o755])
            return lambda root: os.chmod(root / name, mode)
        self.names[index] = self.names[-1]
        self.names.pop()
        return lambda root: os.unlink(root / name)

    def run(self, count):
        for _ in range(count):
            operation = self.step()
            for root in self.roots:
                operation(root)


def test_days_without_a_server():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        beside = w.root / "beside"
        beside.mkdir()
        work = Work(left, beside)
        work.run(OPERATIONS // 10)
        a.sync(left)
        assert_soon_same_tree(left, right)
        w.server.kill()
        began = time.monotonic()
        work.run(OPERATIONS // 2)
        a.umount(left)
        wait_until(lambda: not mounted(left), 60, "unmounted")
        left = a.mount("home")
        assert_same_tree(left, beside, times=False)
        work.run(OPERATIONS - OPERATIONS // 2)
        worked = time.monotonic() - began
        pending = a.status(left)["pending"]
        assert pending["records"] >= OPERATIONS, pending
        a.kill(left)
        began = time.monotonic()
        left = a.mount("home")
        mounted_in = time.monotonic() - began
        assert_same_tree(left, beside, times=False)
        assert mounted_in < worked, f"{mounted_in:.2f} s to mount what took {worked:.2f} s to do"
        assert a.status(left)["pending"]["records"] >= OPERATIONS
        w.server.start()
        began = time.monotonic()
        a.sync(left, timeout=1200)
        synced = time.monotonic() - began
        assert_same_tree(left, beside, times=False)
        assert_soon_same_tree(left, right, timeout=300)
        # Nobody else wrote, so nothing has a second version, in whatever directory.
        assert not [name for drive in (left, right) for name in tree_of(drive) if b"(conflict" in name]
        assert a.status(left)["conflicts"] == b.status(right)["conflicts"] == 0
        assert_soon_same_tree(left, w.fresh_clone(), timeout=300)
        w.assert_in_order()
        print(f"{OPERATIONS} operations without the server in {worked:.1f} s, {pending['records']} records pending, after kill -9 mounted "
              f"in {mounted_in:.2f} s, sent in {synced:.1f} s")


def test_a_mount_starts_where_there_is_no_network():
    with own_network() as network, world() as w:
        a, b = w.two_devices()
        left = a.mount("home")
        (left / "here").write_text("from before")
        a.sync(left)
        a.umount(left)
        network.unplug()
        left = a.mount("home")
        assert (left / "here").read_text() == "from before"
        (left / "new").write_text("made without a network")
        os.rename(left / "here", left / "moved")
        state = a.status(left)
        assert not state["online"] and state["offline_reason"] and state["pending"]["records"] >= 2, state
        assert a.skymoor("sync", left, "--timeout", "2s", check=False).returncode != 0
        network.plug()
        a.sync(left)
        assert_soon_same_tree(left, b.mount("home"))
