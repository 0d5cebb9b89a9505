"""What SEMANTICS.md says is known to differ from a local filesystem, and what each open flag for durability does."""

import errno
import fcntl
import os

import pytest
from faults import Fault, ordered
from harness import world
from system_calls import COLLAPSE_RANGE, INSERT_RANGE, expect, fallocate

FICLONE = 0x40049409
FIRST_SECOND, LAST_SECOND = -(2 ** 63 - 1) // 10 ** 9, (2 ** 63 - 1) // 10 ** 9


def options_of(point):
    """What the kernel says of a mount."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return next(set(line.split()[3].split(",")) for line in mounts if line.split()[1] == str(point))


def test_directories_have_one_size(place):
    def size():
        st = os.stat(place)
        return st.st_size, st.st_blocks
    assert size() == (4096, 8)
    for n in range(300):
        (place / f"{n:0200}").touch()
    assert size() == (4096, 8)


def test_times_are_held_at_the_edges(place):
    path = place / "file"
    path.touch()
    for second, edge in ((-2 ** 35, FIRST_SECOND), (2 ** 34, LAST_SECOND)):
        os.utime(path, (second, second))
        st = path.stat()
        assert abs(st.st_mtime - edge) <= 2 and abs(st.st_atime - edge) <= 2, st
    for second in (FIRST_SECOND + 10, LAST_SECOND - 10):
        os.utime(path, ns=(second * 10 ** 9 + 1, second * 10 ** 9 + 999_999_999))
        assert (path.stat().st_atime_ns, path.stat().st_mtime_ns) == (second * 10 ** 9 + 1, second * 10 ** 9 + 999_999_999)


def test_ranges_are_not_collapsed_inserted_or_cloned(place):
    (place / "from").write_bytes(b"x" * 8192)
    source, target = os.open(place / "from", os.O_RDONLY), os.open(place / "to", os.O_RDWR | os.O_CREAT)
    os.write(target, b"y" * 16384)
    for mode in (COLLAPSE_RANGE, INSERT_RANGE):
        expect(errno.EOPNOTSUPP, fallocate, target, mode, 0, 4096)
    with pytest.raises(OSError) as caught:
        fcntl.ioctl(target, FICLONE, source)
    assert caught.value.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS)
    # What tools then do.
    assert os.copy_file_range(source, target, 8192, offset_src=0, offset_dst=0) == 8192
    assert os.pread(target, 20000, 0) == b"x" * 8192 + b"y" * 8192
    os.close(source)
    os.close(target)


def test_nobody_becomes_another_by_a_mount():
    with world() as w:
        a = w.one_device()
        point = a.mount("home")
        assert {"nosuid", "nodev"} <= options_of(point)
        a.umount(point)
        point = a.mount("home", "suid", "dev")
        assert not {"nosuid", "nodev"} & options_of(point)
        a.umount(point)


def test_small_sparse_files_are_measured_when_they_are_opened():
    with world() as w:
        a = w.one_device()
        point = a.mount("home")
        for name, size in (("small", 128 << 10), ("large", 8 << 20)):
            with open(point / name, "wb") as f:
                f.truncate(size)
                f.seek(size - 4096)
                f.write(b"x" * 4096)
            assert (point / name).stat().st_blocks <= 16
        a.sync(point)
        a.umount(point)
        point = a.mount("home")
        assert (point / "small").stat().st_blocks == 256
        assert (point / "large").stat().st_blocks < 8192, "what the server's list of blocks leaves out"
        assert (point / "small").read_bytes() == bytes(124 << 10) + b"x" * 4096
        assert (point / "small").stat().st_blocks <= 256
        a.umount(point)


@pytest.mark.parametrize("flag", [os.O_SYNC, os.O_DSYNC], ids=["O_SYNC", "O_DSYNC"])
def test_each_write_is_synced(flag):
    """Where no sync works, such a write fails, and any other does not."""
    with world(expect_clean=False) as w:
        a = w.one_device()
        with ordered(a, Fault("EIO:file.sync:1+:/backing/", a.root / "fault")) as fault:
            point = a.mount("home", "passthrough=off")
        for flags, fails in ((0, False), (flag, True)):
            fd = os.open(point / f"file{flags}", os.O_WRONLY | os.O_CREAT | flags)
            if fails:
                expect(errno.EIO, os.write, fd, b"x" * 200_000)
            else:
                assert os.write(fd, b"x" * 200_000) == 200_000
            os.close(fd)
        fault.assert_fired()
        a.umount(point)
