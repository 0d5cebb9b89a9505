"""A whole volume over lines that are slow, or long, or lose packets: local work goes on as ever, all of it arrives, and another device behind such
a line sees the same."""

import contextlib
import errno
import os
import threading
import time

import pytest

from harness import assert_same_tree, tree_of, wait_until, world
from lines import SlowLine
from network import LossyWay

HELD_S = 10.0       # how long the line stands still for an operation that does not return


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


OPERATIONS = {
    "write": lambda top: (top / "local" / "new").write_bytes(b"local"),
    "stat": lambda top: os.stat(top / "local" / "new"),
    "list": lambda top: os.listdir(top / "folder"),
    "rename": lambda top: os.rename(top / "local" / "new", top / "local" / "other"),
    "unlink": lambda top: os.unlink(top / "local" / "other"),
    "statvfs": os.statvfs,
}


def timed(work, top, took):
    """Appends the seconds that it takes."""
    begin = time.monotonic()
    work(top)
    took.append(time.monotonic() - begin)


def waiting_for_the_line(drive, plain, line, rounds):
    """Local operations, each while nothing moves on the line, and the same on the disk below beside it. Those that did not
    return before the line moved again, though the disk below did its part: what they waited for was the network."""
    found, slowest = [], 0.0
    for top in (drive, plain):
        (top / "local").mkdir()
    for _ in range(rounds):
        for name, work in OPERATIONS.items():
            here, below = [], []
            worker = threading.Thread(target=timed, args=(work, drive, here))
            line.moving.clear()
            worker.start()
            timed(work, plain, below)
            worker.join(HELD_S)
            waits = worker.is_alive()
            line.moving.set()
            worker.join()
            if waits and below[0] < HELD_S / 10:
                found.append(f"{name}: {here[0]:.1f} s, on the disk below {below[0]:.3f} s")
            slowest = max(slowest, here[0])
        time.sleep(0.2)
    for top in (drive, plain):
        os.rmdir(top / "local")
    return found, slowest


def two_on_a_line(w):
    """The line, and two devices of an account that has a volume."""
    w.one_device("setup")
    line = SlowLine(w.server.port)
    devices = w.device("a"), w.device("b")
    for device in devices:
        device.login(line)
    return (line, *devices)


def work_over(line, w, a, b, name):
    """Both devices are on the line by now. Seconds until all was sent."""
    left, right = w.root / "device-a" / "drive", w.root / "device-b" / "drive"
    begin = time.monotonic()
    fill(left)
    expected = tree_of(left)
    plain = w.root / "plain"
    (plain / "folder").mkdir(parents=True)
    waiting, slowest = waiting_for_the_line(left, plain, line, rounds=6)
    assert not waiting, waiting
    a.sync(left, timeout=120)
    sent = time.monotonic() - begin
    wait_until(lambda: sorted(os.listdir(left)) == sorted(os.listdir(right)), 120, "the names on the other device")
    assert_same_tree(left, right)       # reads every byte over the line
    assert tree_of(right) == expected
    took = time.monotonic() - begin
    print(f"{name}: sent in {sent:.1f} s, all there after {took:.1f} s, {line.carried} carried; slowest of "
          f"{6 * len(OPERATIONS)} local operations {slowest * 1000:.0f} ms")
    for device, point in ((a, left), (b, right)):
        assert not device.status(point)["stopped"]
    return sent


@pytest.mark.parametrize("name, line_is", [("10 kB/s", {"bytes_per_s": 10_000}), ("2 s round trip", {"delay": 1.0})])
def test_a_volume_over_a_slow_line(name, line_is):
    with world() as w:
        line, a, b = two_on_a_line(w)
        left, right = a.mount("home"), b.mount("home", "read-timeout=60s")
        line.slow(**line_is)
        sent = work_over(line, w, a, b, name)
        # The line was what it was meant to be.
        assert sent > 4 and max(line.carried) > 50_000
        line.slow()
        for device, point in ((a, left), (b, right)):
            device.umount(point)
        line.close()


def test_a_block_that_takes_longer_than_a_reader_waits_comes_all_the_same():
    """A reader gives up after his time; what was asked for goes on coming, and is there when it is asked for again."""
    with world() as w:
        line, a, b = two_on_a_line(w)
        left, right = a.mount("home"), b.mount("home", "read-timeout=2s")
        content = os.urandom(4_000_000)
        (left / "film").write_bytes(content)
        a.sync(left)
        wait_until((right / "film").exists, 60, "the name on the other device")
        line.slow(bytes_per_s=80_000)   # 50 s for all of it: no request may take less than its blocks do
        begin = time.monotonic()
        with pytest.raises(OSError) as gave_up:
            (right / "film").read_bytes()
        assert gave_up.value.errno == errno.ETIMEDOUT and time.monotonic() - begin < 20
        b.skymoor("pin", right / "film", "--wait", "--timeout", "150s")
        took = time.monotonic() - begin
        line.slow()
        assert (right / "film").read_bytes() == content
        print(f"4 MB over 80 kB/s: {took:.0f} s")
        assert took > 40 and max(line.carried) < 6_000_000, (took, line.carried)
        for device, point in ((a, left), (b, right)):
            device.umount(point)
        line.close()


def test_a_volume_over_a_line_that_resets_every_connection():
    """Within what is sent or answered, most of the time: after 2 to 6 MB. What a line must carry is a segment of 256 KiB, or, to us, a block."""
    with world() as w:
        line, a, b = two_on_a_line(w)
        line.break_after = (2_000_000, 6_000_000)
        left, right = a.mount("home"), b.mount("home", "read-timeout=60s")
        for n in range(12):
            (left / f"larger {n}").write_bytes(os.urandom(3_000_000))
        work_over(line, w, a, b, "resets")
        assert line.broken >= 12, line.broken      # 72 MB, up to 6 MB to a connection
        print(f"{line.broken} connections reset")
        line.break_after = None
        for device, point in ((a, left), (b, right)):
            device.umount(point)
        line.close()
        w.assert_in_order()


def test_a_volume_over_a_line_that_loses_a_third_of_all_packets():
    with world() as w, contextlib.closing(LossyWay()) as line:
        w.server.address, w.server.place, w.server.scrypt_log_n = line.addresses[0], line.machines[0].place, 17
        a, b = w.device("a"), w.device("b")
        for device in (a, b):
            device.place = line.machines[1].place
            device.env["no_proxy"] = line.addresses[0]
        w.server.start()
        a.signup(w.server)
        a.skymoor("volume", "create", "home")
        b.login(w.server)
        left, right = a.mount("home"), b.mount("home", "read-timeout=60s")
        line.share, line.carried, line.lost = 0.3, [0, 0], [0, 0]
        (left / "larger").write_bytes(os.urandom(300_000))
        work_over(line, w, a, b, "30 % loss")
        assert sum(line.lost) > 100 and sum(line.lost) > sum(line.carried) / 4, (line.lost, line.carried)
        line.share = 0.0
        for device, point in ((a, left), (b, right)):
            device.umount(point)
        w.assert_in_order()
