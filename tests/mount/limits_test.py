"""How much, how many, how deep, how far: the sizes that programs count on."""

import errno
import os
import stat
import threading
import time

from harness import run
from system_calls import KEEP_SIZE, PUNCH_HOLE, expect, fallocate

LINKS = int(os.environ.get("SKYMOOR_TEST_LINKS", "2000"))              # 100,000 by hand
ENTRIES = int(os.environ.get("SKYMOOR_TEST_ENTRIES", "3000"))          # 1,000,000 by hand
DEPTH = int(os.environ.get("SKYMOOR_TEST_DEPTH", "2000"))


def test_a_thousand_xattrs(place):
    path = place / "f"
    path.write_text("x")
    for n in range(1100):
        os.setxattr(path, f"user.n{n}", str(n).encode())
    assert {f"user.n{n}" for n in range(1100)} <= set(os.listxattr(path))
    assert os.getxattr(path, "user.n1099") == b"1099"
    for n in range(1100):
        os.removexattr(path, f"user.n{n}")
    assert not [name for name in os.listxattr(path) if name.startswith("user.n")]


def test_names_of_any_255_bytes(place):
    root = os.fsencode(place)
    names = [bytes([b]) * 255 for b in (*range(1, 46, 4), *range(48, 256, 4), 255)]
    for name in names:
        with open(os.path.join(root, name), "wb") as f:
            f.write(name[:1])
    assert sorted(os.listdir(root)) == sorted(names)
    for name in names:
        with open(os.path.join(root, name), "rb") as f:
            assert f.read() == name[:1]
        os.unlink(os.path.join(root, name))
    assert os.listdir(root) == []


def test_paths_up_to_path_max(place):
    """4,096 bytes with the final NUL; one byte more is refused before we are asked."""
    path = os.fsencode(place)
    while len(path) < 4095 - 200:
        path += b"/" + b"p" * 150
        os.mkdir(path)
    last = path + b"/" + b"l" * (4095 - len(path) - 1)
    assert len(last) == 4095
    with open(last, "wb") as f:
        f.write(b"deep")
    with open(last, "rb") as f:
        assert f.read() == b"deep"
    expect(errno.ENAMETOOLONG, os.stat, last + b"l")
    os.symlink(b"t" * 4095, place / "link")
    assert len(os.readlink(place / "link")) == 4095
    expect(errno.ENAMETOOLONG, os.symlink, b"t" * 4096, place / "link2")


def test_depth(place):
    fd = os.open(place, os.O_RDONLY)
    for level in range(DEPTH):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
        if level == DEPTH - 1:
            os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    assert run("find", place, "-name", "bottom").stdout.count("/d/") >= DEPTH // 2
    run("rm", "-rf", place / "d")
    assert os.listdir(place) == []


def test_many_links(place):
    (place / "f").write_text("x")
    for n in range(LINKS):
        os.link(place / "f", place / f"l{n}")
    assert (place / "f").stat().st_nlink == LINKS + 1
    assert (place / f"l{LINKS - 1}").stat().st_ino == (place / "f").stat().st_ino
    assert len(os.listdir(place)) == LINKS + 1
    for n in range(LINKS):
        os.unlink(place / f"l{n}")
    assert (place / "f").stat().st_nlink == 1


def test_a_sparse_file_of_a_tebibyte(place, opened):
    fd = opened(place / "f")
    os.ftruncate(fd, 1 << 40)
    for at in (0, 1 << 30, (1 << 40) - 4096):
        os.pwrite(fd, b"mark", at)
    assert os.fstat(fd).st_size == 1 << 40
    assert os.fstat(fd).st_blocks * 512 <= 1 << 20
    assert os.pread(fd, 6, 1 << 30) == b"mark\0\0" and os.pread(fd, 4, 1 << 35) == b"\0" * 4
    found, at = [], 0
    while True:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            assert error.errno == errno.ENXIO
            break
        found.append(at)
        at = os.lseek(fd, at, os.SEEK_HOLE)
    assert [n >> 20 for n in found] == [0, 1 << 10, (1 << 20) - 1]
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 1 << 39)
    assert os.pread(fd, 4, 1 << 30) == b"\0" * 4 and os.pread(fd, 4, (1 << 40) - 4096) == b"mark"
    os.close(fd)
    os.truncate(place / "f", 0)


def test_files_have_a_largest_size(place, opened):
    fd = opened(place / "f")
    expect(errno.EFBIG, os.ftruncate, fd, 1 << 60)
    expect(errno.EFBIG, os.pwrite, fd, b"x", 1 << 60)
    os.close(fd)
    assert (place / "f").stat().st_size == 0


def test_times_before_1970_and_far_ahead(place):
    path = place / "f"
    path.write_text("x")
    for year in (-200, -1, 30, 150, 290):
        when = year * 31_556_952_000_000_000 + 123_456_789
        os.utime(path, ns=(when, when - 1))
        st = path.stat()
        assert (st.st_atime_ns, st.st_mtime_ns) == (when, when - 1)
    os.utime(place, ns=(-5, -6))
    assert place.stat().st_mtime_ns == -6


def listing(path, seen, stop):
    """Lists again and again until told to stop."""
    while not stop.is_set():
        names = os.listdir(path)
        assert len(names) == len(set(names)), "a name came twice"
        seen.append(set(names))


def test_listing_while_names_come_and_go(place):
    """What is there from start to end is listed exactly once, whatever else happens."""
    stay = {f"stay{n}" for n in range(ENTRIES)}
    for name in stay:
        os.mknod(place / name)
    seen, stop, failures = [], threading.Event(), []

    def guarded(function, *args):
        try:
            function(*args)
        except BaseException as error:  # pylint: disable=broad-except
            failures.append(error)

    reader = threading.Thread(target=guarded, args=(listing, place, seen, stop))
    reader.start()
    for round_ in range(3):
        for n in range(200):
            os.mknod(place / f"come{round_}-{n}")
        for n in range(200):
            if n % 2:
                os.rename(place / f"come{round_}-{n}", place / f"gone{round_}-{n}")
                os.unlink(place / f"gone{round_}-{n}")
            else:
                os.unlink(place / f"come{round_}-{n}")
    seen_before = len(seen)
    while len(seen) < seen_before + 2 and not failures:
        time.sleep(0.01)
    stop.set()
    reader.join()
    assert not failures, failures
    assert all(stay <= names for names in seen)
    assert set(os.listdir(place)) == stay


def test_removing_while_listing(place):
    for n in range(ENTRIES):
        os.mknod(place / f"n{n}")
    seen = 0
    with os.scandir(place) as entries:
        for entry in entries:
            assert stat.S_ISREG(entry.stat().st_mode)
            os.unlink(entry.path)
            seen += 1
    assert seen == ENTRIES and os.listdir(place) == []
