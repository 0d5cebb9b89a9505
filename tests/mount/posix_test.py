"""What programs expect of a filesystem, on a real mount; each test compares with what a local directory does."""

import errno
import fcntl
import mmap
import multiprocessing
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


def test_append_from_two_descriptors_interleaves(place, opened):
    one = opened(place / "log", os.O_WRONLY | os.O_APPEND)
    two = os.open(place / "log", os.O_WRONLY | os.O_APPEND)
    for n in range(50):
        os.write(one, f"a{n}\n".encode())
        os.write(two, f"b{n}\n".encode())
        assert os.fstat(one).st_size == os.lseek(two, 0, os.SEEK_CUR)
    os.close(one)
    os.close(two)
    assert (place / "log").read_text().split() == [f"{c}{n}" for n in range(50) for c in "ab"]


def test_truncation_by_descriptor_and_by_name(place, opened):
    fd = opened(place / "f", content=b"x" * 100_000)
    os.ftruncate(fd, 5000)
    assert os.fstat(fd).st_size == 5000 and os.pread(fd, 100, 4990) == b"x" * 10
    os.truncate(place / "f", 3000)
    assert os.fstat(fd).st_size == 3000
    os.ftruncate(fd, 20_000)
    assert os.pread(fd, 20_000, 0) == b"x" * 3000 + b"\0" * 17_000, "what was cut off does not come back"
    os.pwrite(fd, b"end", 30_000)
    assert (place / "f").stat().st_size == 30_003 and os.lseek(fd, 0, os.SEEK_END) == 30_003
    os.close(os.open(place / "f", os.O_WRONLY | os.O_TRUNC))
    assert os.fstat(fd).st_size == 0 and os.pread(fd, 10, 0) == b""
    os.pwrite(fd, b"anew", 2)
    os.close(fd)
    assert (place / "f").read_bytes() == b"\0\0anew"


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


def test_unlinked_file_lives_until_closed(place, opened):
    fd = opened(place / "f")
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


def test_writes_by_others_take_privileges_away_at_once(place, opened):
    path = place / "program"
    fd = opened(path, content=b"x" * 100_000)
    os.chmod(path, 0o6777)
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


def test_sparse_files_holes_and_seeking(place, opened):
    fd = opened(place / "f")
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


def test_fallocate(place, opened):
    fd = opened(place / "f", content=b"x" * 100_000)
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 4096, 8192)
    content = os.pread(fd, 100_000, 0)
    assert content == b"x" * 4096 + b"\0" * 8192 + b"x" * (100_000 - 12288)
    fallocate(fd, ZERO_RANGE, 50_000, 10)
    assert os.pread(fd, 12, 49_999) == b"x" + b"\0" * 10 + b"x"
    fallocate(fd, ZERO_RANGE | KEEP_SIZE, 99_990, 100_000)
    assert os.pread(fd, 100, 99_980) == b"x" * 10 + b"\0" * 10
    fallocate(fd, 0, 0, 200_000)
    assert os.fstat(fd).st_size == 200_000
    fallocate(fd, KEEP_SIZE, 0, 300_000)
    assert os.fstat(fd).st_size == 200_000
    assert os.pread(fd, 10, 150_000) == b"\0" * 10
    os.pwrite(fd, b"y" * 10, 250_000)
    fallocate(fd, ZERO_RANGE, 250_005, 49_995)
    assert os.fstat(fd).st_size == 300_000
    assert os.pread(fd, 20, 249_995) == b"\0" * 5 + b"y" * 5 + b"\0" * 10
    expect(errno.EOPNOTSUPP, fallocate, fd, PUNCH_HOLE, 0, 4096)
    expect(errno.EINVAL, fallocate, fd, 0, 0, 0)
    os.close(fd)
    readable = os.open(place / "f", os.O_RDONLY)
    expect(errno.EBADF, fallocate, readable, 0, 0, 4096)
    os.close(readable)


def test_copy_file_range(place, opened):
    content = os.urandom(3_000_000)
    source, target = opened(place / "a", os.O_RDONLY, content), opened(place / "b")
    done = 0
    while done < len(content):
        step = os.copy_file_range(source, target, len(content) - done, done, done)
        assert step > 0
        done += step
    os.copy_file_range(source, target, 1000, 5, 1_000_000)
    assert os.pread(target, 1002, 999_999) == content[999_999:1_000_000] + content[5:1005] + content[1_001_000:1_001_001]
    os.close(source)
    os.close(target)
    assert (place / "b").read_bytes() == content[:1_000_000] + content[5:1005] + content[1_001_000:]


def test_copy_file_range_takes_what_was_just_written(place, opened):
    source, target = opened(place / "a", content=b"a" * 100_000), opened(place / "b", content=b"b" * 100_000)
    os.pwrite(source, b"c" * 10, 50_000)
    os.pwrite(target, b"d" * 10, 60_000)
    assert os.copy_file_range(source, target, 20, 49_995, 49_995) == 20
    assert os.copy_file_range(target, target, 10, 60_000, 0) == 10, "within a file"
    os.close(source)
    os.close(target)
    assert (place / "b").read_bytes() == \
        b"d" * 10 + b"b" * 49_985 + b"a" * 5 + b"c" * 10 + b"a" * 5 + b"b" * 9_985 + b"d" * 10 + b"b" * 39_990


def test_shared_writable_mapping(place, opened):
    fd = opened(place / "f", content=b"\0" * 100_000)
    with mmap.mmap(fd, 0) as m:
        m[10:15] = b"hello"
        m[99_990:99_995] = b"there"
        m.flush()
    assert os.pread(fd, 5, 10) == b"hello"
    os.close(fd)
    content = (place / "f").read_bytes()
    assert content[10:15] == b"hello" and content[99_990:99_995] == b"there" and len(content) == 100_000


def test_read_only_and_write_only_descriptors(place, opened):
    fd = opened(place / "f", os.O_WRONLY, b"0123456789")
    os.pwrite(fd, b"AB", 3)
    expect(errno.EBADF, os.read, fd, 1)
    os.close(fd)
    assert (place / "f").read_bytes() == b"012AB56789"
    fd = os.open(place / "f", os.O_RDONLY)
    expect(errno.EBADF, os.write, fd, b"x")
    os.close(fd)


def test_direct_io_and_sync(place, opened):
    fd = opened(place / "f", os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, 8192) as buffer:
        buffer[:] = b"d" * 8192
        assert os.pwritev(fd, [buffer], 4096) == 8192
        os.fsync(fd)
        assert os.preadv(fd, [buffer], 0) == 8192
        assert buffer[:4096] == b"\0" * 4096 and buffer[4096:] == b"d" * 4096
    os.close(fd)
    assert (place / "f").read_bytes() == b"\0" * 4096 + b"d" * 8192
    for number, sync in enumerate((os.O_SYNC, os.O_DSYNC, os.O_SYNC | os.O_APPEND)):
        fd = opened(place / f"g{number}", os.O_RDWR | sync)
        for part in (b"synced", b"twice"):
            os.write(fd, part)
        assert os.pread(fd, 100, 0) == b"syncedtwice" and os.fstat(fd).st_size == 11
        os.close(fd)
        assert (place / f"g{number}").read_bytes() == b"syncedtwice"
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


def wins_of(creators, rounds):
    """Whether each of the creators made the name of each round, which all try at the same time: half of them are threads of
    one process, half of them processes."""
    won, lost = 1, 2
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(creators), timeout=60)
    outcomes = mmap.mmap(-1, rounds * len(creators))

    def work(me):
        for number in range(rounds):
            barrier.wait()
            try:
                creators[me](number)
                outcomes[number * len(creators) + me] = won
            except FileExistsError:
                outcomes[number * len(creators) + me] = lost
    workers = [context.Process(target=work, args=(me,)) for me in range(0, len(creators), 2)]
    for worker in workers:
        worker.start()
    threads = [threading.Thread(target=work, args=(me,)) for me in range(1, len(creators), 2)]
    for thread in threads:
        thread.start()
    for worker in [*threads, *workers]:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers) and 0 not in outcomes[:]
    return [[outcome == won for outcome in outcomes[at:at + len(creators)]] for at in range(0, len(outcomes), len(creators))]


def test_of_many_who_create_a_name_one_wins(place):
    def exclusively(me):
        def create(number):
            fd = os.open(place / f"n{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.write(fd, str(me).encode())
            os.close(fd)
        return create
    for number, wins in enumerate(wins_of([exclusively(me) for me in range(8)], 150)):
        assert sum(wins) == 1, f"round {number}: {wins}"
        assert (place / f"n{number}").read_text() == str(wins.index(True))


def test_of_many_ways_to_make_a_name_one_wins(place):
    (place / "linked").write_text("linked")
    for number in range(150):
        (place / f"moved{number}").write_text("moved")
    ways = {
        "created": lambda name, _: os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)),
        "directory": lambda name, _: os.mkdir(name),
        "linked": lambda name, _: os.link(place / "linked", name),
        "link": lambda name, _: os.symlink("nowhere", name),
        "fifo": lambda name, _: os.mkfifo(name),
        "moved": lambda name, number: rename2(place / f"moved{number}", name, RENAME_NOREPLACE),
    }
    is_it = {
        "created": lambda name: name.stat().st_size == 0 and stat.S_ISREG(name.stat().st_mode),
        "directory": lambda name: name.is_dir(),
        "linked": lambda name: name.read_text() == "linked",
        "link": lambda name: os.readlink(name) == "nowhere",
        "fifo": lambda name: name.is_fifo(),
        "moved": lambda name: name.read_text() == "moved",
    }
    makers = [lambda number, make=make: make(place / f"n{number}", number) for make in ways.values()]
    for number, wins in enumerate(wins_of(makers, 150)):
        assert sum(wins) == 1, f"round {number}: {wins}"
        assert is_it[list(ways)[wins.index(True)]](place / f"n{number}")
    assert (place / "linked").stat().st_nlink == 1 + sum(not n.is_symlink() and n.is_file() and n.read_text() == "linked"
                                                        for n in place.glob("n*"))


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
