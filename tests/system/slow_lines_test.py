"""A whole volume over lines that are slow, or long: local work goes on as ever, all of it arrives, and another device behind such
a line sees the same."""

import os
import threading
import time

import pytest

from harness import assert_same_tree, tree_of, wait_until, world
from lines import SlowLine

AT_ONCE_S = 1.0      # what a local operation may take on a loaded machine; the lines need longer for anything


def fill(drive):
    """A small tree of all kinds: about 60 kB to send."""
    os.makedirs(drive / "folder" / "in it")
    for n in range(8):
        (drive / "folder" / f"small {n}").write_bytes(os.urandom(300))
    (drive / "folder" / "in it" / "large").write_bytes(os.urandom(50_000))
    os.symlink("folder/small 1", drive / "symlink")
    os.link(drive / "folder" / "small 2", drive / "hard link")
    os.setxattr(drive / "folder" / "small 3", "user.line", b"slow")
    os.rename(drive / "folder" / "small 4", drive / "renamed")


def slowest_local(drive, stop):
    """The longest of the local operations that are done until `stop` is set, and how many there were."""
    worst, count = 0.0, 0
    path = drive / "local"
    path.mkdir()
    while not stop.is_set():
        name = path / str(count % 5)
        for work in (lambda: name.write_bytes(b"local"), lambda: os.stat(name), lambda: os.listdir(drive / "folder"),
                     lambda: os.rename(name, path / "other"), lambda: os.unlink(path / "other"), lambda: os.statvfs(drive)):
            begin = time.monotonic()
            work()
            worst = max(worst, time.monotonic() - begin)
            count += 1
        time.sleep(0.2)
    os.rmdir(path)
    return worst, count


@pytest.mark.parametrize("name, line_is", [("10 kB/s", {"bytes_per_s": 10_000}), ("2 s round trip", {"delay": 1.0})])
def test_a_volume_over_a_slow_line(name, line_is):
    with world() as w:
        w.one_device("setup")
        line = SlowLine(w.server.port)
        a, b = w.device("a"), w.device("b")
        for device in (a, b):
            device.login(line)
        left, right = a.mount("home"), b.mount("home", "read-timeout=60s")
        line.slow(**line_is)
        stop, result = threading.Event(), []
        begin = time.monotonic()
        fill(left)
        expected = tree_of(left)
        worker = threading.Thread(target=lambda: result.extend(slowest_local(left, stop)))
        worker.start()
        time.sleep(1.5)
        stop.set()
        worker.join()
        a.sync(left, timeout=120)
        sent = time.monotonic() - begin
        wait_until(lambda: sorted(os.listdir(left)) == sorted(os.listdir(right)), 120, "the names on the other device")
        assert_same_tree(left, right)       # reads every byte over the line
        assert tree_of(right) == expected
        took = time.monotonic() - begin
        print(f"{name}: sent in {sent:.1f} s, all there after {took:.1f} s, {line.carried} bytes; slowest of {result[1]} local "
              f"operations {result[0] * 1000:.0f} ms")
        assert result[1] > 10 and result[0] < AT_ONCE_S
        # The line was what it was meant to be.
        assert sent > 4 and max(line.carried) > 50_000
        for device, point in ((a, left), (b, right)):
            assert not device.status(point)["stopped"]
        line.slow()
        for device, point in ((a, left), (b, right)):
            device.umount(point)
        line.close()
