"""Changing files that were listed here and never read: a listing leaves out what larger files consist of.

The list of a file's blocks was fetched for every operation but a write, which answered EIO until somebody had read the file.
"""

import errno
import os
import random
import shutil
import subprocess
import threading
import time

import pytest
from harness import wait_until, world
from system_calls import KEEP_SIZE, PUNCH_HOLE, fallocate

SIZES = {"tiny": 200, "inline": 1024, "largest inline": 4096, "one chunk": 100_000, "many chunks": 24 << 20}


def append(path, content):
    with open(path, "ab", buffering=0) as f:
        assert f.write(b"appended\n") == 9
    return content + b"appended\n"


def overwrite(path, content):
    fd = os.open(path, os.O_RDWR)
    at = len(content) // 2
    assert os.pwrite(fd, b"changed", at) == 7
    os.close(fd)
    return content[:at] + b"changed" + content[at + 7:]


def overwrite_durably(path, content):
    fd = os.open(path, os.O_WRONLY | os.O_SYNC)
    assert os.pwrite(fd, b"synced", 3) == 6
    os.close(fd)
    return content[:3] + b"synced" + content[9:]


def large_overwrite(path, content):
    fd = os.open(path, os.O_WRONLY)
    new = random.Random(1).randbytes(3 << 20)
    assert os.pwrite(fd, new, 10) == len(new)
    os.close(fd)
    return content[:10] + new + content[10 + len(new):]


def cut(path, content):
    os.truncate(path, len(content) - 50)
    return content[:-50]


def grow(path, content):
    os.truncate(path, len(content) + 50)
    return content + bytes(50)


def punch(path, content):
    fd = os.open(path, os.O_RDWR)
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 10, 100)
    os.close(fd)
    return content[:10] + bytes(100) + content[110:]


def copy_into(path, content):
    source, target = os.open(path.parent / "source", os.O_RDONLY), os.open(path, os.O_RDWR)
    assert os.copy_file_range(source, target, 20, offset_src=5, offset_dst=30) == 20
    os.close(source)
    os.close(target)
    return content[:30] + (path.parent / "source").read_bytes()[5:25] + content[50:]


def copy_out_of(path, content):
    source, target = os.open(path, os.O_RDONLY), os.open(path.with_name(path.name + " copy"), os.O_WRONLY | os.O_CREAT)
    done = 0
    while done < len(content):
        done += os.copy_file_range(source, target, len(content) - done)
    os.close(source)
    os.close(target)
    assert path.with_name(path.name + " copy").read_bytes() == content
    return content


CHANGES = [append, overwrite, overwrite_durably, large_overwrite, cut, grow, punch, copy_into, copy_out_of]


def make_files(top):
    """A directory for each change, with a file of each size; {path below top: content}."""
    dice, made = random.Random(7), {}
    for change in CHANGES:
        (top / change.__name__).mkdir()
        for name, size in {**SIZES, "source": 30_000}.items():
            made[f"{change.__name__}/{name}"] = dice.randbytes(size)
    for name, content in made.items():
        (top / name).write_bytes(content)
    return made


@pytest.mark.parametrize("passthrough", ["auto", "off"])
def test_they_change_like_any_others(passthrough):
    with world() as w:
        a, b = w.two_devices()
        here = a.mount("home")
        contents = make_files(here)
        a.sync(here)
        there = b.mount("home", f"passthrough={passthrough}")
        for change in CHANGES:
            assert sorted(os.listdir(there / change.__name__)) == sorted([*SIZES, "source"])
            for name in SIZES:
                path = there / change.__name__ / name
                expected = change(path, contents[f"{change.__name__}/{name}"])
                assert path.stat().st_size == len(expected), (change.__name__, name)
                assert path.read_bytes() == expected, (change.__name__, name)
                contents[f"{change.__name__}/{name}"] = expected
        b.sync(there)
        a.umount(here)
        here = a.mount("home")
        for name, content in contents.items():
            assert (here / name).read_bytes() == content, name


def listed(w, count, *options):
    """Device b, which has listed `count` files of 2000 bytes that a made; (b, its mount, contents)."""
    a, b = w.two_devices()
    here = a.mount("home")
    contents = [random.Random(n).randbytes(2000) for n in range(count)]
    for n, content in enumerate(contents):
        (here / f"f{n}").write_bytes(content)
    a.sync(here)
    there = b.mount("home", "passthrough=off", *options)
    assert len(os.listdir(there)) == count
    return b, there, contents


def test_what_waits_keeps_its_bytes():
    """The buffer that a write came in is used for other requests while it waits."""
    with world() as w:
        count = 24
        b, there, contents = listed(w, count, "read-timeout=60s")
        expected = [content[:500] + bytes([n]) * 1000 + content[1500:] for n, content in enumerate(contents)]
        w.server.pause()
        results = [None] * count

        def write(n):
            fd = os.open(there / f"f{n}", os.O_WRONLY)
            try:
                results[n] = os.pwrite(fd, bytes([n]) * 1000, 500)
            except OSError as error:
                results[n] = error
            os.close(fd)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        assert results == [None] * count, "they wait"
        # Nobody else is held up, and what they write goes through the same buffers.
        for n in range(50):
            (there / f"own{n}").write_bytes(b"\xff" * 100_000)
            assert (there / f"own{n}").read_bytes() == b"\xff" * 100_000
        w.server.go_on()
        for thread in threads:
            thread.join(60)
        assert results == [1000] * count
        for n, content in enumerate(expected):
            assert (there / f"f{n}").read_bytes() == content, n
        b.sync(there)


def test_without_the_server_they_fail_in_time_and_nothing_else_does():
    with world() as w:
        _, there, contents = listed(w, 4, "read-timeout=2s")
        (there / "own").write_bytes(b"mine")

        def refused(name, *numbers):
            with open(there / name, "r+b", buffering=0) as f:
                with pytest.raises(OSError) as caught:
                    f.write(b"changed")
                assert caught.value.errno in numbers, errno.errorcode[caught.value.errno]
                f.truncate(0)   # needs nothing of what was there
                f.write(b"all of it is new")

        w.server.pause()
        refused("f0", errno.ETIMEDOUT, errno.EIO)
        (there / "own").write_bytes(b"still mine")
        w.server.go_on()
        w.server.kill()
        refused("f1", errno.ETIMEDOUT, errno.EIO)
        (there / "own").write_bytes(b"still mine, too")
        w.server.start()
        deadline = time.monotonic() + 60
        while True:
            try:
                with open(there / "f2", "r+b", buffering=0) as f:
                    f.write(b"changed")
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert (there / "f2").read_bytes() == b"changed" + contents[2][7:]
        assert (there / "f0").read_bytes() == b"all of it is new"


def test_a_deleted_cache_is_fetched_again_and_once():
    """Of a file whose cached bytes were gone or cut the first read had too few, as the kernel was given what was left of it; and
    what was fetched again was fetched at each mount."""
    with world() as w:
        a, b = w.two_devices()
        left = a.mount("home")
        files = {f"f{n}": os.urandom(n * 300_000 + 5) for n in range(6)}
        for name, content in files.items():
            (left / name).write_bytes(content)
        a.sync(left)
        right = b.mount("home")
        assert {name: (right / name).read_bytes() for name in files} == files
        b.umount(right)
        shutil.rmtree(b.root / "cache" / "skymoor")
        b.mount("home")
        with open(right / "f3", "r+b") as f:   # the first that touches it
            f.seek(0, os.SEEK_END)
            f.write(b"more")
        files["f3"] += b"more"
        assert {name: (right / name).read_bytes() for name in files} == files
        b.sync(right)
        b.umount(right)
        cached = [path for path in (b.root / "cache").rglob("*") if path.is_file() and path.stat().st_size > 1_000_000]
        os.truncate(cached[0], 500_000)
        b.mount("home")
        assert {name: (right / name).read_bytes() for name in files} == files
        b.umount(right)
        b.mount("home")
        assert {name: (right / name).read_bytes() for name in files} == files
        assert b.status(right)["downloaded"]["bytes"] == 0
        b.umount(right)
        b.fsck()


def test_a_copy_of_what_is_not_here_moves_nothing():
    with world() as w:
        a, b = w.two_devices()
        left = a.mount("home")
        content = random.Random(9).randbytes(24 << 20)
        (left / "film").write_bytes(content)
        a.sync(left)
        right = b.mount("home")
        assert sorted(os.listdir(right)) == ["film"]
        subprocess.run(["cp", "-a", right / "film", right / "copy"], check=True, timeout=60)
        w.server.stop()
        subprocess.run(["cp", right / "film", right / "without a network"], check=True, timeout=60)
        w.server.start()
        b.sync(right)
        moved = b.status(right)
        assert moved["downloaded"]["bytes"] == 0 and moved["uploaded"]["bytes"] == 0, moved
        assert (right / "copy").stat().st_mtime_ns == (left / "film").stat().st_mtime_ns
        for name in ("copy", "without a network"):
            wait_until((left / name).exists, 60, f"'{name}' on the other device")
            assert (left / name).read_bytes() == content, name
            assert (right / name).read_bytes() == content, name
        w.assert_in_order()
