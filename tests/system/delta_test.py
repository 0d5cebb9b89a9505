"""What travels: only what is new."""

import os

from harness import run, world


def uploaded(device, point):
    """(block bytes, blocks) that this mount has uploaded since it started."""
    transfers = device.status(point)["uploaded"]
    return transfers["bytes"], transfers["blocks"]


def test_one_byte_at_the_front_uploads_little():
    with world() as w:
        a, b = w.two_devices()
        drive = a.mount("home")
        content = os.urandom(256 << 20)
        (drive / "file").write_bytes(content)
        a.sync(drive)
        before, _ = uploaded(a, drive)
        assert before >= len(content), "the first upload carried the file"
        (drive / "file").write_bytes(b"x" + content)
        a.sync(drive)
        after, _ = uploaded(a, drive)
        # One chunk (4 MiB at most), and another for each state between that was sent: on a slow machine there is one.
        assert after - before < 12 << 20, f"{after - before} bytes went up"
        assert (b.mount("home") / "file").read_bytes() == b"x" + content


def test_small_change_in_the_middle_uploads_little():
    with world() as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        (drive / "file").write_bytes(os.urandom(64 << 20))
        a.sync(drive)
        before, _ = uploaded(a, drive)
        with open(drive / "file", "r+b") as f:
            f.seek(30 << 20)
            f.write(b"changed in place")
        a.sync(drive)
        after, _ = uploaded(a, drive)
        assert 0 < after - before < 9 << 20, f"{after - before} bytes went up"


def test_second_copy_uploads_no_block():
    with world() as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        run("cp", "-a", "/usr/src/googletest", drive / "one")
        (drive / "one" / "large").write_bytes(os.urandom(20 << 20))
        a.sync(drive)
        before = uploaded(a, drive)
        run("cp", "-a", drive / "one", drive / "two")
        a.sync(drive)
        assert uploaded(a, drive) == before
