"""Bits that rot: a damaged block is an error for its range, never zeros; damaged state of the client is named."""

import contextlib
import errno
import os
import random

from faults import assert_soon_same_tree, end_all
from harness import wait_until, world
from sealed_database import page_bytes

MIB = 1 << 20


def segments(server):
    files = sorted((server.data / "blocks").rglob("*.segment"), key=lambda p: p.stat().st_size)
    assert files, list((server.data / "blocks").rglob("*"))
    return files


def read_in_pieces(path, content):
    """Every piece is right or an error; returns how many were errors."""
    failed = 0
    fd = os.open(path, os.O_RDONLY)
    try:
        for at in range(0, len(content), 65536):
            wanted = content[at:at + 65536]
            try:
                found = os.pread(fd, 65536, at)
                # A short read is right as far as it goes; the next one says why.
                assert found and wanted.startswith(found), f"wrong bytes at {at}: {len(found)}, {found[:20]} {wanted[:20]}"
                if len(found) < len(wanted):
                    assert os.pread(fd, 65536, at + len(found)) == wanted[len(found):]
            except OSError as error:
                assert error.errno == errno.EIO
                failed += 1
    finally:
        os.close(fd)
    return failed


def test_damaged_block_on_the_server():
    with world("--scrub-every", "1h", expect_clean=False) as w:
        a, b = w.two_devices()
        left = a.mount("home")
        content = random.Random(1).randbytes(24 * MIB)
        (left / "whole").write_bytes(content[:5 * MIB:3])
        a.sync(left)   # so that it lies before what is damaged
        (left / "big").write_bytes(content)
        a.sync(left)
        w.server.stop()
        with open(segments(w.server)[-1], "r+b") as f:
            f.seek(10 * MIB)
            f.write(b"\0" * 4096)
        w.server.start()
        right = b.mount("home", "read-timeout=5s")
        failed = read_in_pieces(right / "big", content)
        assert 0 < failed < len(content) // 65536, f"{failed} pieces failed"
        assert (right / "whole").read_bytes() == content[:5 * MIB:3]
        assert (right / "big").stat().st_size == len(content)
        # The device that has the bytes still reads them.
        assert read_in_pieces(left / "big", content) == 0


def test_missing_segment_on_the_server():
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        left = a.mount("home")
        content = random.Random(2).randbytes(3 * MIB)
        (left / "big").write_bytes(content)
        a.sync(left)
        w.server.stop()
        for segment in segments(w.server):
            os.truncate(segment, 4096)
        w.server.start()
        right = b.mount("home", "read-timeout=5s")
        assert read_in_pieces(right / "big", content) == len(content) // 65536
        assert (right / "big").stat().st_size == len(content)


def test_damaged_metadata_of_the_client():
    """Opening finds it, or nothing wrong is ever shown; the server's copy makes a new start."""
    with world(expect_clean=False) as w:
        a, b = w.two_devices_with_names(3000)
        left = a.mounts[0]
        state = next((a.root / "data").glob("skymoor/volumes/*/metadata"))
        database = state / "metadata.db"
        size = database.stat().st_size
        with open(database, "r+b") as f:
            for at in range(16384 + 100, size, 16384):
                f.seek(at)
                f.write(b"\xa5" * 512)
        checked = a.skymoor("fsck", check=False)
        assert checked.returncode != 0 and "metadata" in checked.stdout + checked.stderr
        mount = a.skymoor("mount", "home", left, check=False)
        if mount.returncode == 0:
            seen = 0
            with contextlib.suppress(OSError):
                for name in os.listdir(left):
                    assert (left / name).read_text() == str(int(name.split("-")[1]))
                    seen += 1
            print(f"mounted; {seen} of 3000 files are shown")
        else:
            assert "metadata" in mount.stderr, mount.stderr
        end_all(a, left)
        os.rename(state, w.root / "damaged")
        left = a.mount("home")
        right = b.mount("home")
        assert_soon_same_tree(left, right)
        # Under numbers that the lost state cannot have given.
        (left / "new").write_text("after the new start")
        a.sync(left)
        assert_soon_same_tree(left, right)


def test_a_bit_of_the_clients_database_is_named_with_its_page():
    """Each page that a bit flips in: fsck names it, and a mount refuses or shows nothing wrong."""
    with world(expect_clean=False) as w:
        a, _ = w.two_devices_with_names(300)
        database = next((a.root / "data").glob("skymoor/volumes/*/metadata/metadata.db"))
        wait_until(lambda: not list(database.parent.glob("*-wal")), 60, "the end of its process")
        whole, size = database.read_bytes(), page_bytes(database)
        pages = len(whole) // size
        assert pages > 20

        def put(content):
            for beside in database.parent.glob("metadata.db-*"):
                beside.unlink()
            database.write_bytes(content)

        named = 0
        for page in random.Random(3).sample(range(1, pages), 12):
            bad = bytearray(whole)
            bad[page * size + size // 2] ^= 1
            put(bad)
            checked = a.skymoor("fsck", check=False)
            if checked.returncode == 0:   # of a free page, which nobody reads
                continue
            assert f"page {page + 1} of {database} is damaged" in checked.stdout + checked.stderr, checked
            named += 1
        assert named >= 6, named
        put(whole)
        assert a.skymoor("fsck").returncode == 0
        left = a.mount("home")
        assert len(os.listdir(left)) == 300
