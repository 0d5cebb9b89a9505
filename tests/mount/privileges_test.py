"""setuid, setgid and access lists: what takes them away, and who may."""

import errno
import os
import stat
import struct

import pytest
from harness import run
from system_calls import PUNCH_HOLE, KEEP_SIZE, as_user, expect, fallocate

USER = 1001


def bits(path):
    return stat.S_IMODE(path.stat().st_mode)


def open_then(path, flags, function):
    """What `function` does with the descriptor, all as the caller."""
    def work():
        fd = os.open(path, flags)
        try:
            function(fd)
        finally:
            os.close(fd)
    return work


CHANGES = {
    "write": lambda fd: os.pwrite(fd, b"y", 0),
    "append": lambda fd: os.pwrite(fd, b"y", os.fstat(fd).st_size),
    "truncate": lambda fd: os.ftruncate(fd, 10),
    "grow": lambda fd: os.ftruncate(fd, 100_000),
    "allocate": lambda fd: fallocate(fd, 0, 0, 200_000),
    "keep-size": lambda fd: fallocate(fd, KEEP_SIZE, 0, 200_000),
    "punch": lambda fd: fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 4096),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_by_another_user_takes_them_away(place, opened, what):
    path = place / "f"
    ours = opened(path, content=b"x" * 50_000)
    os.chmod(path, 0o6777)
    assert bits(path) == 0o6777
    assert as_user(USER, open_then(path, os.O_RDWR, CHANGES[what])) == 0
    assert bits(path) == 0o777 and stat.S_IMODE(os.fstat(ours).st_mode) == 0o777
    os.close(ours)


def test_a_change_by_root_keeps_them(place, opened):
    path = place / "f"
    ours = opened(path, content=b"x" * 50_000)
    os.chmod(path, 0o6777)
    for change in CHANGES.values():
        open_then(path, os.O_RDWR, change)()
    assert bits(path) == 0o6777
    os.close(ours)


def test_every_write_through_an_open_descriptor_counts(place, opened):
    """The bits may come back while the file is open; the next write takes them again."""
    path = place / "f"
    ours = opened(path, content=b"x" * 5000)
    os.chmod(path, 0o777)
    os.chown(path, USER, USER)

    def work():
        fd = os.open(path, os.O_RDWR)
        for n in range(5):
            os.fchmod(fd, 0o4777)
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o4777
            os.pwrite(fd, b"y", n)
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o777
        os.close(fd)
    assert as_user(USER, work) == 0
    os.close(ours)


def test_opening_with_truncation_takes_them_away(place, opened):
    path = place / "f"
    ours = opened(path, content=b"x" * 5000)
    os.chmod(path, 0o6777)
    assert as_user(USER, lambda: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))) == 0
    assert bits(path) == 0o777 and os.fstat(ours).st_size == 0
    os.close(ours)


def test_setgid_without_group_execution_is_no_privilege_to_its_group(place, opened):
    path = place / "f"
    ours = opened(path, content=b"x")
    os.chown(path, USER, USER)
    os.chmod(path, 0o2666)
    assert as_user(USER, open_then(path, os.O_RDWR, CHANGES["write"])) == 0
    assert bits(path) == 0o2666
    os.close(ours)


def test_chown_takes_them_from_files_and_moves_ctime(place):
    path = place / "f"
    path.write_bytes(b"x")
    os.chmod(path, 0o6755)
    before = path.stat().st_ctime_ns
    os.chown(path, -1, -1)
    assert path.stat().st_ctime_ns > before, "chown of nothing moves the change time"
    os.chmod(path, 0o6755)
    os.chown(path, USER, USER)
    assert bits(path) == 0o755
    os.chmod(place, 0o2755)
    os.chown(place, USER, USER)
    assert bits(place) == 0o2755, "a directory keeps its setgid"


def test_a_capability_goes_with_a_change(place, opened):
    path = place / "f"
    ours = opened(path, content=b"x")
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))   # cap_net_raw=ep
    assert "security.capability" in os.listxattr(path)
    with open(path, "ab") as f:
        f.write(b"y")
    assert "security.capability" not in os.listxattr(path)
    os.close(ours)


def test_setgid_of_a_foreign_group_goes_with_chmod(place):
    path = place / "f"
    path.write_bytes(b"x")
    os.chown(path, USER, 2345)
    assert as_user(USER, lambda: os.chmod(path, 0o2755)) == 0
    assert bits(path) == 0o755, "the owner is not in the group"
    assert as_user(USER, lambda: os.chmod(path, 0o2755), groups=[2345]) == 0
    assert bits(path) == 0o2755


def test_setgid_of_a_foreign_group_goes_with_an_access_list(place):
    path = place / "f"
    path.write_bytes(b"x")
    os.chown(path, USER, 2345)
    os.chmod(path, 0o2755)
    assert as_user(USER, lambda: run("setfacl", "-m", "u:1002:rx", path), groups=[2345]) == 0
    assert bits(path) == 0o2755
    assert as_user(USER, lambda: run("setfacl", "-m", "u:1003:rx", path)) == 0
    assert bits(path) == 0o755


def test_setgid_of_a_foreign_group_is_not_created(place):
    """Since Linux 6.0 a file made in a setgid directory does not get setgid from somebody outside its group."""
    os.chown(place, 0, 2345)
    os.chmod(place, 0o2777)

    def work():
        os.close(os.open(place / "f", os.O_CREAT | os.O_WRONLY, 0o2775))
    before = os.umask(0)
    try:
        assert as_user(USER, work) == 0
    finally:
        os.umask(before)
    st = (place / "f").stat()
    assert (st.st_gid, stat.S_IMODE(st.st_mode)) == (2345, 0o775)


def test_a_default_list_replaces_the_mask(place):
    run("setfacl", "-d", "-m", "u::rwx,g::rwx,o::r-x,u:1001:rwx", place)
    before = os.umask(0o077)
    try:
        os.close(os.open(place / "f", os.O_CREAT | os.O_WRONLY, 0o666))
        (place / "d").mkdir(mode=0o777)
    finally:
        os.umask(before)
    assert bits(place / "f") == 0o664, "the list counts, not the mask"
    assert bits(place / "d") == 0o775
    listed = run("getfacl", "-n", "--absolute-names", place / "f").stdout
    assert "user:1001:rwx #effective:rw-" in " ".join(listed.split())
    assert "default:user:1001:rwx" in run("getfacl", "-n", "--absolute-names", place / "d").stdout


def test_without_a_list_the_mask_counts(place):
    before = os.umask(0o027)
    try:
        os.close(os.open(place / "f", os.O_CREAT | os.O_WRONLY, 0o666))
        (place / "d").mkdir(mode=0o777)
        os.mkfifo(place / "p", 0o666)
    finally:
        os.umask(before)
    assert (bits(place / "f"), bits(place / "d"), bits(place / "p")) == (0o640, 0o750, 0o640)


def test_chmod_and_list_agree(place):
    path = place / "f"
    path.write_bytes(b"x")
    os.chmod(path, 0o640)
    run("setfacl", "-m", "u:1001:rw", path)
    assert bits(path) == 0o660, "the group bits are the mask"
    os.chmod(path, 0o600)
    assert as_user(USER, path.read_bytes) == errno.EACCES, "the mask is empty now"
    run("setfacl", "-b", path)
    assert bits(path) == 0o600
    expect(errno.ENODATA, os.getxattr, path, "system.posix_acl_access")


def test_only_owners_change_modes_and_lists(place):
    path = place / "f"
    path.write_bytes(b"x")
    os.chmod(path, 0o666)
    assert as_user(USER, lambda: os.chmod(path, 0o777)) == errno.EPERM
    assert as_user(USER, lambda: os.utime(path, (1, 1))) == errno.EPERM
    assert as_user(USER, lambda: os.utime(path)) == 0, "who may write may set the time to now"
    assert as_user(USER, lambda: os.setxattr(path, "trusted.x", b"1")) == errno.EPERM
    assert as_user(USER, lambda: os.setxattr(path, "user.x", b"1")) == 0
    assert os.getxattr(path, "user.x") == b"1"
