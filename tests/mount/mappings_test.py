"""Shared writable mappings: with the other ways to the same bytes, and with holes."""

import errno
import mmap
import os
import struct
import subprocess
import sys

from system_calls import expect

PAGE = mmap.PAGESIZE


def test_mappings_and_calls_agree(place, opened):
    path = place / "f"
    fd = opened(path, content=b"\0" * 64 * PAGE)
    with mmap.mmap(fd, 0) as m:
        for n in range(64):
            m[n * PAGE:n * PAGE + 4] = struct.pack("i", n)
            assert struct.unpack("i", os.pread(fd, 4, n * PAGE)) == (n,), "a read shows what the mapping wrote"
        os.pwrite(fd, b"call", 10 * PAGE + 100)
        assert m[10 * PAGE + 100:10 * PAGE + 104] == b"call", "the mapping shows what a write wrote"
        assert path.read_bytes()[10 * PAGE + 100:10 * PAGE + 104] == b"call"
        os.close(fd)
        m[0:5] = b"later"
        m.flush()
    content = path.read_bytes()
    assert content[:5] == b"later" and len(content) == 64 * PAGE
    assert all(struct.unpack("i", content[n * PAGE:n * PAGE + 4]) == (n,) for n in range(1, 64))


def test_two_processes_share_a_mapping(place, opened):
    path = place / "f"
    os.close(opened(path, content=b"\0" * PAGE))
    script = f"""
import mmap, os
fd = os.open({str(path)!r}, os.O_RDWR)
m = mmap.mmap(fd, 0)
print("ready", flush=True); input()
assert m[:4] == b"ping", m[:4]
m[100:104] = b"pong"
print("done", flush=True); input()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
            m[:4] = b"ping"
            print("", file=other.stdin, flush=True)
            assert other.stdout.readline() == "done\n"
            assert m[100:104] == b"pong"
        print("", file=other.stdin, flush=True)
    assert other.returncode == 0
    assert path.read_bytes()[:4] == b"ping" and path.read_bytes()[100:104] == b"pong"


def test_a_private_mapping_keeps_its_writes_to_itself(place):
    path = place / "f"
    path.write_bytes(b"a" * PAGE)
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE) as m:
        m[:4] = b"mine"
        assert path.read_bytes() == b"a" * PAGE


def test_a_mapping_of_an_append_only_descriptor_stays_in_place(place):
    """The kernel writes a mapping's pages back through the descriptor that was mapped: they are no appends."""
    path = place / "f"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(fd, b"a" * 2 * PAGE)
    with mmap.mmap(fd, 0) as m:
        m[PAGE:PAGE + 6] = b"stored"
        m.flush()
    os.write(fd, b"appended")
    os.close(fd)
    assert path.read_bytes() == b"a" * PAGE + b"stored" + b"a" * (PAGE - 6) + b"appended"


def test_beyond_the_end_is_nothing(place, opened):
    """Bytes that a mapping writes behind the end, in the last page, are not in the file."""
    path = place / "f"
    with open(opened(path, content=b"x" * 100), "r+b") as f, mmap.mmap(f.fileno(), 100) as m:
        m[90:100] = b"y" * 10
        m.flush()
        os.ftruncate(f.fileno(), 50)
        os.ftruncate(f.fileno(), 200)
    assert path.read_bytes() == b"x" * 50 + b"\0" * 150


def test_seeking_finds_what_a_mapping_wrote(place, opened):
    fd = opened(place / "f", content=b"x")
    os.ftruncate(fd, 1 << 20)
    with mmap.mmap(fd, 0) as m:
        at = (1 << 19) + 100
        assert os.lseek(fd, 3 * PAGE, os.SEEK_HOLE) == 3 * PAGE
        expect(errno.ENXIO, os.lseek, fd, PAGE * 32, os.SEEK_DATA)
        m[at] = 1
        assert PAGE * 32 < os.lseek(fd, PAGE * 32, os.SEEK_DATA) <= at
        assert os.lseek(fd, at, os.SEEK_HOLE) > at
        m[at + 1] = 2
        assert m[at] == 1 and os.pread(fd, 2, at) == b"\1\2"
    os.close(fd)
