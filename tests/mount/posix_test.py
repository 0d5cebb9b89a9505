"""What programs expect of a filesystem, on a real mount; each test compares with what a local directory does."""

import errno
import fcntl
import mmap
import os
import socket
import stat
import subprocess
import threading

from harness import run
from system_calls import (KEEP_SIZE, PUNCH_HOLE, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, ZERO_RANGE, as_user,
                          expect, fallocate, rename2)


def test_create_read_append_truncate(place):
    path = place / "f"
    path.write_bytes(b"hello")
    assert path.read_bytes() == b"hello"
    with open(path, "ab") as f:
        f.write(b" world")
    assert path.read_bytes() == b"hello world"
    os.truncate(path, 3)
    assert path.read_bytes() == b"hel"
    os.truncate(path, 10)
    assert path.read_bytes() == b"hel" + b"\0" * 7
    with open(path, "wb"):
        pass
    assert path.stat().st_size == 0
    expect(errno.EEXIST, os.open, path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    expect(errno.ENOENT, os.stat, place / "none")


def test_append_from_two_descriptors_interleaves(place):
    one, two = (os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(2))
    for n in range(50):
        os.write(one, f"a{n}\n".encode())
        os.write(two, f"b{n}\n".encode())
    os.close(one)
    os.close(two)
    assert (place / "log").read_text().split() == [f"{c}{n}" for n in range(50) for c in "ab"]


def test_names_are_bytes(place):
    for name in (b"x" * 255, b"\xff\xfe", b"new\nline", b"-rf", "é".encode(), "e\u0301".encode(), b" "):
        path = os.path.join(os.fsencode(place), name)
        with open(path, "wb") as f:
            f.write(name)
        with open(path, "rb") as f:
            assert f.read() == name
    assert len(os.listdir(place)) == 7
    expect(errno.ENAMETOOLONG, os.mkdir, place / ("y" * 256))


def test_hard_links_share_everything(place):
    (place / "a").write_text("x")
    os.link(place / "a", place / "b")
    assert (place / "a").stat().st_ino == (place / "b").stat().st_ino
    assert (place / "a").stat().st_nlink == 2
    (place / "b").write_text("changed")
    assert (place / "a").read_text() == "changed"
    os.unlink(place / "a")
    assert (place / "b").stat().st_nlink == 1
    expect(errno.EPERM, os.link, place, place / "dir-link")
    expect(errno.EEXIST, os.link, place / "b", place / "b")


def test_directories_count_their_subdirectories(place):
    assert place.stat().st_nlink == 2
    (place / "d").mkdir()
    assert place.stat().st_nlink == 3
    expect(errno.EEXIST, os.mkdir, place / "d")
    (place / "d" / "f").write_text("")
    expect(errno.ENOTEMPTY, os.rmdir, place / "d")
    expect(errno.ENOTDIR, os.rmdir, place / "d" / "f")
    expect(errno.EISDIR, os.unlink, place / "d")
    os.unlink(place / "d" / "f")
    os.rmdir(place / "d")
    assert place.stat().st_nlink == 2


def test_unlinked_file_lives_until_closed(place):
    fd = os.open(place / "f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"before")
    os.unlink(place / "f")
    os.write(fd, b" after")
    assert os.pread(fd, 100, 0) == b"before after"
    assert os.fstat(fd).st_nlink == 0
    os.ftruncate(fd, 2)
    assert os.fstat(fd).st_size == 2
    os.close(fd)


def test_rename_over_an_open_file(place):
    (place / "old").write_text("old")
    (place / "new").write_text("new")
    with open(place / "old", encoding="utf-8") as f:
        os.rename(place / "new", place / "old")
        assert f.read() == "old"
    assert (place / "old").read_text() == "new"
    assert os.listdir(place) == ["old"]


def test_rename_flags_and_refusals(place):
    (place / "a").write_text("a")
    (place / "b").write_text("b")
    (place / "d" / "sub").mkdir(parents=True)
    expect(errno.EEXIST, rename2, place / "a", place / "b", RENAME_NOREPLACE)
    rename2(place / "a", place / "b", RENAME_EXCHANGE)
    assert (place / "a").read_text() == "b" and (place / "b").read_text() == "a"
    rename2(place / "a", place / "d", RENAME_EXCHANGE)
    assert (place / "a" / "sub").is_dir() and (place / "d").read_text() == "b"
    expect(errno.ENOENT, rename2, place / "a", place / "none", RENAME_EXCHANGE)
    expect(errno.EINVAL, rename2, place / "b", place / "c", RENAME_WHITEOUT)
    expect(errno.EINVAL, os.rename, place / "a", place / "a" / "sub" / "x")
    expect(errno.EISDIR, os.rename, place / "b", place / "a")
    expect(errno.ENOTDIR, os.rename, place / "a", place / "b")
    (place / "empty").mkdir()
    expect(errno.ENOTEMPTY, os.rename, place / "empty", place / "a")
    os.rename(place / "a" / "sub", place / "empty")
    assert sorted(os.listdir(place)) == ["a", "b", "d", "empty"]


def test_times_have_nanoseconds_and_any_sign(place):
    path = place / "f"
    path.write_text("x")
    for when in (0, -1_000_000_001, 1_700_000_000_123_456_789, 4_102_444_800_000_000_001):
        os.utime(path, ns=(when, when + 1))
        assert (path.stat().st_atime_ns, path.stat().st_mtime_ns) == (when, when + 1)
    before = path.stat().st_ctime_ns
    os.chmod(path, 0o600)
    assert path.stat().st_ctime_ns > before
    mtime = place.stat().st_mtime_ns
    (place / "g").write_text("")
    assert place.stat().st_mtime_ns > mtime
    before = path.stat().st_mtime_ns
    with open(path, "ab") as f:
        f.write(b"y")
    assert path.stat().st_mtime_ns != before


def test_modes_owners_and_suid(place):
    path = place / "f"
    path.write_text("x")
    os.chmod(path, 0o4755)
    assert stat.S_IMODE(path.stat().st_mode) == 0o4755
    os.chown(path, 1234, 2345)
    st = path.stat()
    assert (st.st_uid, st.st_gid) == (1234, 2345)
    assert stat.S_IMODE(st.st_mode) == 0o755 or os.geteuid() == 0
    os.chmod(place, 0o2775)
    (place / "inherits").mkdir()
    assert (place / "inherits").stat().st_mode & stat.S_ISGID
    assert (place / "inherits").stat().st_gid == place.stat().st_gid


def test_permissions_of_other_users(place):
    (place / "secret").write_text("x")
    os.chmod(place / "secret", 0o600)
    assert as_user(1001, lambda: (place / "secret").read_text()) == errno.EACCES
    os.chmod(place / "secret", 0o644)
    assert as_user(1001, lambda: (place / "secret").read_text()) == 0
    assert as_user(1001, lambda: (place / "secret").write_text("y")) == errno.EACCES
    os.chmod(place, 0o1777)
    assert as_user(1001, lambda: (place / "theirs").write_text("y")) == 0
    assert (place / "theirs").stat().st_uid == 1001
    assert as_user(1002, lambda: os.unlink(place / "theirs")) == errno.EPERM, "sticky"
    assert as_user(1001, lambda: os.chown(place / "theirs", 0, 0)) == errno.EPERM


def test_writes_by_others_take_privileges_away_at_once(place):
    path = place / "program"
    path.write_text("x" * 100000)
    os.chmod(path, 0o6777)
    fd = os.open(path, os.O_RDONLY)
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o6777

    def write():
        with open(path, "r+b") as f:
            f.write(b"y")
            f.flush()
            assert stat.S_IMODE(os.fstat(f.fileno()).st_mode) == 0o777
    assert as_user(1001, write) == 0
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o777
    os.chmod(path, 0o6777)
    assert as_user(1001, lambda: os.truncate(path, 10)) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    os.chmod(path, 0o6777)
    with open(path, "r+b") as f:
        f.write(b"root may keep them")
    os.close(fd)


def test_special_files(place):
    os.mkfifo(place / "fifo")
    os.mknod(place / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(place)
        s.bind("socket")
        os.chdir(here)
    assert stat.S_ISFIFO((place / "fifo").stat().st_mode)
    assert (place / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISSOCK((place / "socket").stat().st_mode)
    writer = threading.Thread(target=lambda: (place / "fifo").write_text("through"))
    writer.start()
    assert (place / "fifo").read_text() == "through"
    writer.join()
    os.symlink("x" * 4095, place / "long")
    assert os.readlink(place / "long") == "x" * 4095
    os.symlink("loop", place / "loop")
    expect(errno.ELOOP, open, place / "loop")


def test_xattrs(place):
    path = place / "f"
    path.write_text("x")
    expect(errno.ENODATA, os.getxattr, path, "user.none")
    os.setxattr(path, "user.a", b"1\0\xff")
    assert os.getxattr(path, "user.a") == b"1\0\xff"
    expect(errno.EEXIST, os.setxattr, path, "user.a", b"", os.XATTR_CREATE)
    expect(errno.ENODATA, os.setxattr, path, "user.b", b"", os.XATTR_REPLACE)
    os.setxattr(path, "user.big", b"v" * 60000)
    assert len(os.getxattr(path, "user.big")) == 60000
    assert set(os.listxattr(path)) >= {"user.a", "user.big"}
    os.removexattr(path, "user.a")
    expect(errno.ENODATA, os.removexattr, path, "user.a")
    for n in range(300):
        os.setxattr(path, f"user.many{n}", str(n).encode())
    assert len([x for x in os.listxattr(path) if x.startswith("user.many")]) == 300
    assert os.getxattr(path, "user.skymoor.state") in (b"pending", b"synced", b"uploading")


def test_posix_acls(place):
    (place / "f").write_text("x")
    os.chmod(place / "f", 0o600)
    run("setfacl", "-m", "u:1001:r", place / "f")
    assert "user:1001:r--" in run("getfacl", "-n", place / "f").stdout
    assert as_user(1001, lambda: (place / "f").read_text()) == 0
    assert as_user(1002, lambda: (place / "f").read_text()) == errno.EACCES
    run("setfacl", "-d", "-m", "u:1001:rwx", place)
    (place / "child").write_text("x")
    assert "user:1001:" in run("getfacl", "-n", place / "child").stdout


def test_sparse_files_holes_and_seeking(place):
    fd = os.open(place / "f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"end", 1 << 40)
    assert os.fstat(fd).st_size == (1 << 40) + 3
    assert os.pread(fd, 10, 1 << 30) == b"\0" * 10
    assert os.pread(fd, 10, 1 << 40) == b"end"
    assert os.fstat(fd).st_blocks * 512 < 1 << 21
    assert os.lseek(fd, 0, os.SEEK_DATA) > 1 << 39
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
    expect(errno.ENXIO, os.lseek, fd, 1 << 41, os.SEEK_DATA)
    os.ftruncate(fd, 0)
    os.close(fd)


def test_fallocate(place):
    fd = os.open(place / "f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * 100_000)
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 4096, 8192)
    content = os.pread(fd, 100_000, 0)
    assert content == b"x" * 4096 + b"\0" * 8192 + b"x" * (100_000 - 12288)
    fallocate(fd, ZERO_RANGE, 50_000, 10)
    assert os.pread(fd, 12, 49_999) == b"x" + b"\0" * 10 + b"x"
    fallocate(fd, 0, 0, 200_000)
    assert os.fstat(fd).st_size == 200_000
    fallocate(fd, KEEP_SIZE, 0, 300_000)
    assert os.fstat(fd).st_size == 200_000
    assert os.pread(fd, 10, 150_000) == b"\0" * 10
    os.close(fd)


def test_copy_file_range(place):
    content = os.urandom(3_000_000)
    (place / "a").write_bytes(content)
    source, target = os.open(place / "a", os.O_RDONLY), os.open(place / "b", os.O_RDWR | os.O_CREAT)
    done = 0
    while done < len(content):
        step = os.copy_file_range(source, target, len(content) - done, done, done)
        assert step > 0
        done += step
    os.copy_file_range(source, target, 1000, 5, 1_000_000)
    os.close(source)
    os.close(target)
    assert (place / "b").read_bytes() == content[:1_000_000] + content[5:1005] + content[1_001_000:]


def test_shared_writable_mapping(place):
    (place / "f").write_bytes(b"\0" * 100_000)
    with open(place / "f", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[10:15] = b"hello"
        m[99_990:99_995] = b"there"
        m.flush()
    content = (place / "f").read_bytes()
    assert content[10:15] == b"hello" and content[99_990:99_995] == b"there" and len(content) == 100_000


def test_read_only_and_write_only_descriptors(place):
    (place / "f").write_bytes(b"0123456789")
    fd = os.open(place / "f", os.O_WRONLY)
    os.pwrite(fd, b"AB", 3)
    expect(errno.EBADF, os.read, fd, 1)
    os.close(fd)
    assert (place / "f").read_bytes() == b"012AB56789"
    fd = os.open(place / "f", os.O_RDONLY)
    expect(errno.EBADF, os.write, fd, b"x")
    os.close(fd)


def test_direct_io_and_sync(place):
    fd = os.open(place / "f", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    with mmap.mmap(-1, 8192) as buffer:
        buffer[:] = b"d" * 8192
        assert os.pwritev(fd, [buffer], 4096) == 8192
        os.fsync(fd)
        assert os.preadv(fd, [buffer], 0) == 8192
        assert buffer[:4096] == b"\0" * 4096 and buffer[4096:] == b"d" * 4096
    os.close(fd)
    fd = os.open(place / "g", os.O_RDWR | os.O_CREAT | os.O_SYNC)
    os.write(fd, b"synced")
    os.close(fd)
    directory = os.open(place, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def test_locks(place):
    (place / "f").write_text("x")
    with open(place / "f", "r+", encoding="utf-8") as one, open(place / "f", "r+", encoding="utf-8") as two:
        fcntl.flock(one, fcntl.LOCK_EX)
        expect(errno.EAGAIN, fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    def lock():
        with open(place / "f", "r+", encoding="utf-8") as f:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(place / "f", "r+", encoding="utf-8") as mine:
        fcntl.lockf(mine, fcntl.LOCK_EX)
        os.chmod(place / "f", 0o666)
        assert as_user(1001, lock) in (errno.EAGAIN, errno.EACCES)


def test_large_directory_lists_everything_once(place):
    for n in range(3000):
        os.mknod(place / f"n{n}")
    listed = os.listdir(place)
    assert len(listed) == 3000 and len(set(listed)) == 3000
    with os.scandir(place) as entries:
        seen = 0
        for entry in entries:
            os.unlink(entry.path)
            seen += 1
    assert seen == 3000 and os.listdir(place) == []


def test_depth(place):
    fd = os.open(place, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 50, dir_fd=fd)
        deeper = os.open("d" * 50, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    run("rm", "-rf", place / ("d" * 50))
    assert os.listdir(place) == []


def test_statfs_tells_sizes(place):
    st = os.statvfs(place)
    assert st.f_blocks > 0 and 0 < st.f_bavail <= st.f_blocks and st.f_namemax == 255


def test_concurrent_writers(place):
    def work(number):
        for n in range(40):
            path = place / f"w{number}-{n}"
            path.write_bytes(bytes([number]) * 5000)
            assert path.read_bytes() == bytes([number]) * 5000
            os.rename(path, place / f"r{number}-{n}")
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(os.listdir(place)) == 320


def test_git_and_sqlite_and_rsync(place):
    git = ["git", "-C", place / "r", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    run("git", "init", "-q", place / "r")
    run("cp", "-r", "/usr/src/googletest/googlemock", place / "r" / "src")
    run(*git, "add", ".")
    run(*git, "commit", "-qm", "one")
    run(*git, "gc", "-q")
    run("git", "clone", "-q", place / "r", place / "clone")
    run("git", "-C", place / "clone", "fsck", "--strict")
    for mode in ("wal", "delete"):
        database = place / f"{mode}.db"
        run("sqlite3", database, f"PRAGMA journal_mode={mode}; CREATE TABLE t(a); BEGIN;"
            + "".join(f"INSERT INTO t VALUES({n});" for n in range(500)) + "COMMIT;")
        assert run("sqlite3", database, "PRAGMA integrity_check; SELECT count(*) FROM t").stdout.split() == ["ok", "500"]
    run("rsync", "-aHAX", "/usr/src/googletest/", place / "copy/")
    assert run("rsync", "-anciHAX", "--delete", "/usr/src/googletest/", place / "copy/").stdout == ""


def test_interrupted_program_leaves_a_usable_file(place):
    """A writer that is killed leaves what it wrote."""
    writer = subprocess.Popen(["sh", "-c", f"while :; do echo line; done > '{place}/out'"])
    while not (place / "out").exists() or (place / "out").stat().st_size < 10_000:
        pass
    writer.kill()
    writer.wait()
    assert set((place / "out").read_text().split()) == {"line"}
