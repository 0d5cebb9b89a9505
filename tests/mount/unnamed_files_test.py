"""O_TMPFILE: a file without a name, that linkat may give one."""

import errno
import os
import stat
import tempfile

from system_calls import as_user, expect, link_descriptor


def unnamed(place, flags=os.O_RDWR, mode=0o644):
    return os.open(place, flags | os.O_TMPFILE, mode)


def test_it_is_a_file_without_a_name(place):
    before = place.stat().st_mtime_ns
    fd = unnamed(place, mode=0o640)
    st = os.fstat(fd)
    assert stat.S_ISREG(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o640 and st.st_nlink == 0 and st.st_size == 0
    assert os.write(fd, b"x" * 100_000) == 100_000
    assert os.pread(fd, 10, 99_995) == b"x" * 5
    os.ftruncate(fd, 5)
    os.fsync(fd)
    assert os.fstat(fd).st_size == 5
    assert os.listdir(place) == [] and place.stat().st_mtime_ns == before
    os.close(fd)
    assert os.listdir(place) == []


def test_it_gets_its_name_by_linkat(place):
    fd = unnamed(place)
    os.write(fd, b"published")
    os.setxattr(fd, "user.kind", b"new")
    os.fchmod(fd, 0o604)
    link_descriptor(fd, place / "named")
    assert os.listdir(place) == ["named"] and os.fstat(fd).st_nlink == 1
    os.write(fd, b" and more")
    assert (place / "named").read_bytes() == b"published and more"
    link_descriptor(fd, place / "again")
    assert os.fstat(fd).st_nlink == 2 and os.fstat(fd).st_ino == (place / "again").stat().st_ino
    os.close(fd)
    assert (place / "named").read_bytes() == b"published and more"
    assert stat.S_IMODE((place / "named").stat().st_mode) == 0o604
    assert os.getxattr(place / "again", "user.kind") == b"new"


def test_linkat_does_not_replace(place):
    (place / "there").write_text("old")
    fd = unnamed(place)
    expect(errno.EEXIST, link_descriptor, fd, place / "there")
    link_descriptor(fd, place / "free")
    os.close(fd)
    assert (place / "there").read_text() == "old" and (place / "free").read_text() == ""


def test_exclusive_ones_are_never_linked(place):
    fd = unnamed(place, os.O_RDWR | os.O_EXCL)
    os.write(fd, b"x")
    expect(errno.ENOENT, link_descriptor, fd, place / "never")
    os.close(fd)
    assert os.listdir(place) == []


def test_refusals_are_those_of_open(place):
    expect(errno.EINVAL, unnamed, place, os.O_RDONLY)
    expect(errno.ENOENT, unnamed, place / "none")
    (place / "file").write_text("")
    expect(errno.ENOTDIR, unnamed, place / "file")
    os.chmod(place, 0o755)
    assert as_user(1001, lambda: unnamed(place)) == errno.EACCES


def test_mask_group_and_owner(place):
    os.chmod(place, 0o2777)
    os.chown(place, 0, 2345)
    before = os.umask(0o027)
    try:
        fd = unnamed(place, mode=0o666)
    finally:
        os.umask(before)
    st = os.fstat(fd)
    assert (stat.S_IMODE(st.st_mode), st.st_gid) == (0o640, 2345)
    os.close(fd)

    def theirs():
        mine = unnamed(place)
        assert os.fstat(mine).st_uid == 1001
        link_descriptor(mine, place / "theirs")
    assert as_user(1001, theirs) == 0
    assert (place / "theirs").stat().st_uid == 1001


def test_what_programs_do_with_it(place):
    with tempfile.TemporaryFile(dir=place) as f:
        assert os.fstat(f.fileno()).st_nlink == 0, "Python took O_TMPFILE"
        f.write(b"x" * 100_000)
        f.seek(0)
        assert len(f.read()) == 100_000
    assert os.listdir(place) == []


def test_many_at_once(place):
    fds = [unnamed(place) for _ in range(200)]
    for n, fd in enumerate(fds):
        os.write(fd, str(n).encode())
    assert len({os.fstat(fd).st_ino for fd in fds}) == 200
    for n, fd in enumerate(fds):
        if n % 2:
            link_descriptor(fd, place / f"n{n}")
        os.close(fd)
    assert sorted(os.listdir(place)) == sorted(f"n{n}" for n in range(1, 200, 2))
    assert (place / "n77").read_text() == "77"
