"""Random operations on the mount and on a local directory: the same results, errors, bytes and trees.

They begin with some files, open and passed through where that is tested: files that are created while they run are served by
us until their last close. No devices among them: a mount is nodev unless it is told otherwise, the disk below is not.
SKYMOOR_FIRST_SEED and SKYMOOR_SEEDS choose the runs, SKYMOOR_STEPS their length; a failure prints the seed and the steps.
"""

import errno
import mmap
import os
import random
import stat

import pytest
from system_calls import (KEEP_SIZE, PUNCH_HOLE, RENAME_EXCHANGE, RENAME_NOREPLACE, ZERO_RANGE, fallocate, link_descriptor,
                          rename2)

FIRST, SEEDS = int(os.environ.get("SKYMOOR_FIRST_SEED", "1")), int(os.environ.get("SKYMOOR_SEEDS", "5"))
STEPS = int(os.environ.get("SKYMOOR_STEPS", "400"))
NAMES = ["a", "b", "c", "dir", "sub", "x" * 255, "x" * 256, "caf\u00e9", "z"]
PREFILLED = {"a": 70_000, "b": 12_288, "c": 10, "dir/a": 300_000, "dir/c": 5000, "sub/b": 4096}
KEPT_OPEN = ["a", "dir/a", "sub/b"]   # to the end: whoever opens them meanwhile goes the way that is tested
XATTRS = ["user.a", "user.b", "trusted.t", "bogus.x", "user." + "n" * 240]


def outcome(function, *args):
    """What a call gave, or its errno."""
    try:
        return function(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, error.errno)


def at_once(path, flags):
    """Opens without waiting for the other end of a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def inode_of(fd):
    """Without asking the filesystem, which would take in what was written past it."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("ino:"))


def prefill(root):
    for name, size in PREFILLED.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(name[-1:].encode() * size)


def attributes(st):
    """What both sides must agree on: not ids, times and the sizes of directories."""
    size = 0 if stat.S_ISDIR(st.st_mode) else st.st_size
    return st.st_mode, st.st_nlink, st.st_uid, st.st_gid, size, st.st_rdev


class Side:
    """One of the two trees, with the files that are open in it."""

    def __init__(self, root):
        self.root = root
        self.open = []
        self.kept = []     # open for as long as the test runs, and only opened again by a step
        self.used = None   # the inode that the last step had open

    def path(self, name):
        return os.path.join(self.root, name)

    def fd(self, number):
        if not self.open:
            return 999_999
        fd = self.open[number % len(self.open)]
        self.used = inode_of(fd)
        return fd

    def takes_used(self):
        """The inode of the descriptor that the last step was about, if any."""
        used, self.used = self.used, None
        return used

    # Each of these is one kind of step.
    def create(self, name, flags, mode):
        self.open.append(os.open(self.path(name), flags, mode))
        return "opened"

    def reopen(self, number, flags):
        """By way of /proc: whatever became of its name."""
        self.open.append(os.open(f"/proc/self/fd/{self.kept[number % len(self.kept)]}", flags))

    def close(self, number):
        if self.open:
            os.close(self.open.pop(number % len(self.open)))

    def write(self, number, offset, data):
        return os.pwrite(self.fd(number), data, offset)

    def append(self, name, data):
        fd = os.open(self.path(name), os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
        try:
            return os.write(fd, data)
        finally:
            os.close(fd)

    def read(self, number, offset, size):
        return os.pread(self.fd(number), size, offset)

    def read_all(self, name):
        with open(self.path(name), "rb", opener=at_once) as f:
            return f.read()

    def replace_content(self, name, data):
        with open(self.path(name), "wb", opener=at_once) as f:
            return f.write(data)

    def truncate(self, name, size):
        return os.truncate(self.path(name), size)

    def ftruncate(self, number, size):
        return os.ftruncate(self.fd(number), size)

    def allocate(self, number, mode, offset, length):
        return fallocate(self.fd(number), mode, offset, length)

    def copy(self, source, target, from_offset, to_offset, length):
        return os.copy_file_range(self.fd(source), self.fd(target), length, from_offset, to_offset)

    def map_write(self, number, at, data):
        fd = self.fd(number)
        size = os.fstat(fd).st_size
        if size == 0:
            return "empty"
        with mmap.mmap(fd, size) as m:
            at %= size
            part = data[:size - at]
            m[at:at + len(part)] = part
            return bytes(m[max(0, at - 10):at + len(part) + 10])

    def sync(self, number):
        return os.fsync(self.fd(number))

    def fstat(self, number):
        return attributes(os.fstat(self.fd(number)))

    def stat(self, name):
        return attributes(os.lstat(self.path(name)))

    def mkdir(self, name, mode):
        return os.mkdir(self.path(name), mode)

    def rmdir(self, name):
        return os.rmdir(self.path(name))

    def unlink(self, name):
        return os.unlink(self.path(name))

    def link(self, old, new):
        return os.link(self.path(old), self.path(new), follow_symlinks=False)

    def symlink(self, target, name):
        return os.symlink(target, self.path(name))

    def readlink(self, name):
        return os.readlink(self.path(name))

    def rename(self, old, new, flags):
        return rename2(self.path(old), self.path(new), flags)

    def mknod(self, name, kind):
        return os.mknod(self.path(name), kind | 0o644, os.makedev(1, 3))

    def unnamed(self, directory, name):
        fd = os.open(self.path(directory), os.O_RDWR | os.O_TMPFILE, 0o600)
        try:
            os.write(fd, b"unnamed")
            return link_descriptor(fd, self.path(name))
        finally:
            os.close(fd)

    def chmod(self, name, mode):
        return os.chmod(self.path(name), mode)

    def chown(self, name, uid, gid):
        return os.chown(self.path(name), uid, gid, follow_symlinks=False)

    def times(self, name, atime, mtime):
        os.utime(self.path(name), ns=(atime, mtime), follow_symlinks=False)
        st = os.lstat(self.path(name))
        return st.st_atime_ns, st.st_mtime_ns

    def setxattr(self, name, attribute, value, flags):
        return os.setxattr(self.path(name), attribute, value, flags)

    def getxattr(self, name, attribute):
        return os.getxattr(self.path(name), attribute)

    def removexattr(self, name, attribute):
        return os.removexattr(self.path(name), attribute)

    def listxattr(self, name):
        return sorted(n for n in os.listxattr(self.path(name)))

    def list(self, name):
        return sorted(os.listdir(self.path(name)))

    def tree(self):
        """{path: attributes, bytes or target, xattrs}"""
        answer = {}
        for directory, names, files in os.walk(self.root):
            for name in sorted(names + files):
                path = os.path.join(directory, name)
                st = os.lstat(path)
                content = None
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        content = f.read()
                elif stat.S_ISLNK(st.st_mode):
                    content = os.readlink(path)
                xattrs = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
                answer[os.path.relpath(path, self.root)] = (attributes(st), content, xattrs)
        return answer


class Steps:
    """Chooses what to do next."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def name(self):
        depth = self.random.choices((1, 2, 3), (6, 3, 1))[0]
        return "/".join(self.random.choices(NAMES, (8, 8, 8, 8, 8, 2, 1, 4, 4), k=depth))

    def offset(self):
        return self.random.choice((0, 1, 100, 4095, 4096, 4097, 65_536, 100_000, 300_000, self.random.randrange(400_000)))

    def data(self):
        return bytes([self.random.randrange(1, 256)]) * self.random.choice((0, 1, 10, 4096, 5000, 70_000))

    def next(self):
        r, name, number = self.random, self.name, self.random.randrange(100)
        flags = r.choice((os.O_RDWR, os.O_RDWR, os.O_RDONLY, os.O_WRONLY)) | r.choice(
            (os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_CREAT | os.O_TRUNC, 0, os.O_DIRECTORY, os.O_NOFOLLOW))
        choices = [
            (8, lambda: ("create", name(), flags | os.O_NONBLOCK, r.choice((0o644, 0o600, 0o4755, 0o666)))),
            (3, lambda: ("reopen", number, r.choice((os.O_RDWR, os.O_RDWR, os.O_RDONLY, os.O_WRONLY)) | r.choice(
                (0, 0, os.O_TRUNC, os.O_SYNC, os.O_DSYNC, os.O_APPEND)))),
            (4, lambda: ("close", number)),
            (10, lambda: ("write", number, self.offset(), self.data())),
            (2, lambda: ("append", name(), self.data())),
            (6, lambda: ("read", number, self.offset(), r.choice((0, 1, 5000, 200_000)))),
            (3, lambda: ("read_all", name())),
            (3, lambda: ("replace_content", name(), self.data())),
            (3, lambda: ("truncate", name(), self.offset())),
            (3, lambda: ("ftruncate", number, self.offset())),
            (3, lambda: ("allocate", number, r.choice((0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE)),
                         self.offset(), r.choice((1, 4096, 50_000)))),
            (3, lambda: ("copy", number, r.randrange(100), self.offset(), self.offset(), r.choice((1, 5000, 100_000)))),
            (3, lambda: ("map_write", number, self.offset(), self.data())),
            (1, lambda: ("sync", number)),
            (4, lambda: ("fstat", number)),
            (6, lambda: ("stat", name())),
            (6, lambda: ("mkdir", name(), r.choice((0o755, 0o700, 0o2775)))),
            (3, lambda: ("rmdir", name())),
            (5, lambda: ("unlink", name())),
            (4, lambda: ("link", name(), name())),
            (2, lambda: ("symlink", r.choice((name(), "nowhere", ".")), name())),
            (2, lambda: ("readlink", name())),
            (8, lambda: ("rename", name(), name(), r.choice((0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE)))),
            (1, lambda: ("mknod", name(), r.choice((stat.S_IFIFO, stat.S_IFREG, stat.S_IFSOCK)))),
            (1, lambda: ("unnamed", name(), name())),
            (3, lambda: ("chmod", name(), r.choice((0o644, 0o755, 0o6755, 0o2777, 0o1777, 0)))),
            (2, lambda: ("chown", name(), r.choice((-1, 0, 1234)), r.choice((-1, 0, 2345)))),
            (2, lambda: ("times", name(), r.randrange(-10 ** 17, 2 * 10 ** 18), r.randrange(-10 ** 17, 2 * 10 ** 18))),
            (3, lambda: ("setxattr", name(), r.choice(XATTRS), self.data()[:200], r.choice((0, 0, os.XATTR_CREATE, os.XATTR_REPLACE)))),
            (2, lambda: ("getxattr", name(), r.choice(XATTRS))),
            (2, lambda: ("removexattr", name(), r.choice(XATTRS))),
            (2, lambda: ("listxattr", name())),
            (3, lambda: ("list", name())),
        ]
        return r.choices([make for _, make in choices], [weight for weight, _ in choices])[0]()


def shown(step):
    """A step, short enough to read."""
    return tuple(f"<{len(a)} x {a[0]}>" if isinstance(a, bytes) and len(a) > 8 else a[:20] if isinstance(a, str) else a for a in step)


def compare(got, expected, step, done):
    if got != expected:
        brief = [repr(v)[:300] for v in (got, expected)]
        raise AssertionError(f"{shown(step)}: the mount says {brief[0]}, the disk says {brief[1]}\nafter:\n"
                             + "\n".join(map(str, done[-40:])))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_the_mount_does_what_a_local_directory_does(path_under_test, place, local, seed):
    os.chmod(local, 0o755)   # as the place on the mount is
    steps, sides, done = Steps(seed), [Side(place), Side(local)], []
    past_us = 0
    mask = os.umask(0o022)
    try:
        for side in sides:
            prefill(side.root)
        for name in PREFILLED:
            sides[0].open.append(path_under_test.reopen(sides[0].path(name)))
            sides[1].open.append(os.open(sides[1].path(name), os.O_RDWR))
        for side in sides:
            side.kept = [os.open(side.path(name), os.O_RDONLY) for name in KEPT_OPEN]
        passed_through = {inode_of(fd) for fd in sides[0].kept}
        for _ in range(STEPS):
            step = steps.next()
            got, expected = (outcome(getattr(side, step[0]), *step[1:]) for side in sides)
            past_us += sides[0].takes_used() in passed_through
            done.append(shown(step))
            compare(got, expected, step, done)
            if len(sides[0].open) > 12:
                for side in sides:
                    side.close(0)
        for number in range(len(sides[0].open)):
            got, expected = (side.fstat(number) for side in sides)
            compare(got, expected, ("fstat", number), done)
            got, expected = (outcome(side.read, number, 0, 1 << 20) for side in sides)
            compare(got, expected, ("read", number), done)
        for side in sides:
            while side.open:
                side.close(0)
        got, expected = (side.tree() for side in sides)
        for path in sorted(set(got) | set(expected)):
            compare(got.get(path), expected.get(path), ("tree", path), done)
        for one, other in zip(*(side.kept for side in sides)):
            got, expected = ((attributes(os.fstat(fd)), os.pread(fd, 1 << 20, 0)) for fd in (one, other))
            compare(got, expected, ("kept open", one), done)
        assert sides[1].tree(), "nothing was compared"
        assert past_us, "no step had a file open that is passed through where that is tested"
    finally:
        os.umask(mask)
        for side in sides:
            for fd in [*side.kept, *side.open]:
                os.close(fd)
