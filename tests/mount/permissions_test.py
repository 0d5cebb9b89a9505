"""Who may do what: many users, on the mount and on the disk below, with the same errors."""

import errno
import os
import pathlib
import stat
import subprocess

import pytest
from harness import run
from system_calls import RENAME_EXCHANGE, as_user, expect, rename2

ANN, BOB, TEAM = 1001, 1002, 3001
OK, REFUSED, NOT_OWNER = 0, errno.EACCES, errno.EPERM


class Both:
    """A directory on the mount and one on the disk below, in which the same is done."""

    def __init__(self, *roots):
        self.roots = roots

    def make(self, function):
        """As root."""
        for root in self.roots:
            function(root)

    def tried(self, uid, function, groups=()):
        """The errno (0: none) that a user meets, which must be the same in both."""
        mount, disk = (as_user(uid, lambda r=root: function(r), groups) for root in self.roots)
        assert 255 not in (mount, disk), "the child failed"
        assert mount == disk, f"{errno.errorcode.get(mount, mount)} on the mount, {errno.errorcode.get(disk, disk)} on the disk"
        return mount

    def answers(self, user, steps, expected):
        """All of `steps`, {what: step}, the same."""
        for what, step in steps.items():
            assert self.tried(user, step) == expected, what

    def same(self, function):
        """What root sees, which must be the same in both."""
        mount, disk = (function(root) for root in self.roots)
        assert mount == disk
        return mount


@pytest.fixture(name="both")
def on_mount_and_disk(place, local):
    roots = [place / "r", local / "r"]
    os.chmod(local, 0o755)
    for root in roots:
        root.mkdir()
        os.chmod(root, 0o755)
    return Both(*roots)


def file_of(path, uid, mode, content=b"content", gid=None):
    path.write_bytes(content)
    os.chown(path, uid, uid if gid is None else gid)
    os.chmod(path, mode)


def directory_of(path, uid, mode, gid=None):
    path.mkdir()
    os.chown(path, uid, uid if gid is None else gid)
    os.chmod(path, mode)


def opens(path, flags, mode=0o666):
    os.close(os.open(path, flags, mode))


def test_permission_bits(both):
    bits = {0o000: "", 0o400: "", 0o004: "r", 0o002: "w", 0o006: "rw", 0o001: "x", 0o005: "rx", 0o770: "", 0o040: ""}
    program = pathlib.Path("/bin/true").read_bytes()
    for mode, may in bits.items():
        both.make(lambda r, m=mode: file_of(r / f"{m:o}", ANN, m, program))
        name = f"{mode:o}"
        assert both.tried(BOB, lambda r, n=name: opens(r / n, os.O_RDONLY)) == (OK if "r" in may else REFUSED)
        assert both.tried(BOB, lambda r, n=name: opens(r / n, os.O_WRONLY)) == (OK if "w" in may else REFUSED)
        assert both.tried(BOB, lambda r, n=name: opens(r / n, os.O_RDWR)) == (OK if may == "rw" else REFUSED)
        assert both.tried(BOB, lambda r, n=name: subprocess.run([r / n], check=True)) == (OK if "x" in may else REFUSED)
        for right, letter in ((os.R_OK, "r"), (os.W_OK, "w"), (os.X_OK, "x")):
            def asks(root, n=name, wanted=right, expected=letter in may):
                assert os.access(root / n, wanted) == expected
            assert both.tried(BOB, asks) == OK
        assert both.tried(BOB, lambda r, n=name: os.stat(r / n)) == OK, "attributes need the way only"
    assert both.tried(ANN, lambda r: opens(r / "4", os.O_RDONLY)) == REFUSED, "the owner's bits count for the owner"
    assert both.tried(BOB, lambda r: opens(r / "40", os.O_RDONLY), groups=[ANN]) == OK


def test_a_directory_without_write_permission(both):
    def prepare(root):
        directory_of(root / "d", ANN, 0o755)
        file_of(root / "d" / "f", BOB, 0o666)
        directory_of(root / "d" / "sub", BOB, 0o777)
        directory_of(root / "free", BOB, 0o777)
        file_of(root / "free" / "f", BOB, 0o666)
    both.make(prepare)
    steps = {
        "create": lambda r: opens(r / "d" / "new", os.O_CREAT | os.O_WRONLY),
        "create exclusively": lambda r: opens(r / "d" / "new", os.O_CREAT | os.O_EXCL | os.O_WRONLY),
        "unnamed": lambda r: opens(r / "d", os.O_TMPFILE | os.O_RDWR),
        "mkdir": lambda r: os.mkdir(r / "d" / "new"),
        "mknod": lambda r: os.mkfifo(r / "d" / "new"),
        "symlink": lambda r: os.symlink("x", r / "d" / "new"),
        "link": lambda r: os.link(r / "free" / "f", r / "d" / "new"),
        "unlink": lambda r: os.unlink(r / "d" / "f"),
        "rmdir": lambda r: os.rmdir(r / "d" / "sub"),
        "rename within": lambda r: os.rename(r / "d" / "f", r / "d" / "new"),
        "rename out": lambda r: os.rename(r / "d" / "f", r / "free" / "new"),
        "rename in": lambda r: os.rename(r / "free" / "f", r / "d" / "new"),
        "rename over": lambda r: os.rename(r / "free" / "f", r / "d" / "f"),
        "exchange": lambda r: rename2(r / "free" / "f", r / "d" / "f", RENAME_EXCHANGE),
    }
    both.answers(BOB, steps, REFUSED)
    # What is there, or missing, is said before what may not be done.
    assert both.tried(BOB, lambda r: opens(r / "d" / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == errno.EEXIST
    assert both.tried(BOB, lambda r: os.mkdir(r / "d" / "f")) == errno.EEXIST
    assert both.tried(BOB, lambda r: os.unlink(r / "d" / "missing")) == errno.ENOENT
    assert both.tried(BOB, lambda r: opens(r / "d" / "f", os.O_CREAT | os.O_RDWR)) == OK, "it exists"
    assert both.same(lambda r: sorted(os.listdir(r / "d"))) == ["f", "sub"]


def test_a_directory_changes_its_parent_only_for_who_may_write_it(both):
    """Its `..` changes: the kernel asks for write permission on the directory that moves."""
    def prepare(root):
        for name in ("from", "to"):
            directory_of(root / name, BOB, 0o777)
        directory_of(root / "from" / "theirs", ANN, 0o755)
    both.make(prepare)
    assert both.tried(BOB, lambda r: os.rename(r / "from" / "theirs", r / "to" / "theirs")) == REFUSED
    assert both.tried(BOB, lambda r: os.rename(r / "from" / "theirs", r / "from" / "renamed")) == OK
    both.make(lambda r: os.chmod(r / "from" / "renamed", 0o777))
    assert both.tried(BOB, lambda r: os.rename(r / "from" / "renamed", r / "to" / "theirs")) == OK


def test_sticky_directories(both):
    def prepare(root):
        for name, mode in (("d", 0o1777), ("free", 0o777)):
            directory_of(root / name, 0, mode)
        for name in ("f", "g", "h"):
            file_of(root / "d" / name, ANN, 0o666)
        directory_of(root / "d" / "sub", ANN, 0o777)
        file_of(root / "d" / "bobs", BOB, 0o666)
        file_of(root / "free" / "bobs", BOB, 0o666)
    both.make(prepare)
    steps = {
        "unlink": lambda r: os.unlink(r / "d" / "f"),
        "rmdir": lambda r: os.rmdir(r / "d" / "sub"),
        "rename": lambda r: os.rename(r / "d" / "f", r / "d" / "new"),
        "rename out": lambda r: os.rename(r / "d" / "f", r / "free" / "new"),
        "rename over": lambda r: os.rename(r / "d" / "bobs", r / "d" / "f"),
        "rename over from outside": lambda r: os.rename(r / "free" / "bobs", r / "d" / "f"),
        "exchange": lambda r: rename2(r / "d" / "bobs", r / "d" / "f", RENAME_EXCHANGE),
        "exchange with outside": lambda r: rename2(r / "free" / "bobs", r / "d" / "f", RENAME_EXCHANGE),
        "attribute": lambda r: os.setxattr(r / "d", "user.x", b"1"),
    }
    both.answers(BOB, steps, NOT_OWNER)
    assert both.same(lambda r: sorted(os.listdir(r / "d"))) == ["bobs", "f", "g", "h", "sub"]
    assert both.tried(BOB, lambda r: (r / "d" / "f").write_bytes(b"written")) == OK, "the file's own bits allow it"
    assert both.tried(BOB, lambda r: os.rename(r / "d" / "bobs", r / "d" / "renamed")) == OK
    assert both.tried(BOB, lambda r: os.unlink(r / "d" / "renamed")) == OK
    assert both.tried(ANN, lambda r: os.rename(r / "d" / "f", r / "d" / "g")) == OK
    both.make(lambda r: os.chown(r / "d", BOB, BOB))
    assert both.tried(BOB, lambda r: os.unlink(r / "d" / "g")) == OK, "whose directory it is may"
    both.make(lambda r: os.chown(r / "d", 0, 0))
    both.make(lambda r: os.chown(r / "d" / "h", BOB, BOB))
    assert both.tried(ANN, lambda r: os.unlink(r / "d" / "h")) == NOT_OWNER, "it was theirs"
    both.make(lambda r: os.chmod(r / "d", 0o777))
    assert both.tried(ANN, lambda r: os.unlink(r / "d" / "h")) == OK, "no longer sticky"


def test_what_the_machine_protects_in_sticky_directories(both):
    """fs.protected_*: whatever they are set to, they hold on the mount as on the disk."""
    def prepare(root):
        directory_of(root / "d", 0, 0o1777)
        file_of(root / "target", BOB, 0o666)
        file_of(root / "d" / "f", ANN, 0o666)
        os.mkfifo(root / "d" / "fifo")
        os.chown(root / "d" / "fifo", ANN, ANN)
        os.chmod(root / "d" / "fifo", 0o666)
        os.symlink("../target", root / "d" / "link")
        os.lchown(root / "d" / "link", ANN, ANN)
    both.make(prepare)
    both.tried(BOB, lambda r: opens(r / "d" / "link", os.O_RDONLY))
    both.tried(BOB, lambda r: opens(r / "d" / "f", os.O_CREAT | os.O_WRONLY))
    both.tried(BOB, lambda r: opens(r / "d" / "fifo", os.O_CREAT | os.O_RDWR | os.O_NONBLOCK))
    both.make(lambda r: os.chmod(r / "d", 0o1775))
    both.tried(BOB, lambda r: opens(r / "d" / "f", os.O_CREAT | os.O_WRONLY))


def test_a_supplementary_group(both):
    def prepare(root):
        file_of(root / "f", ANN, 0o640, gid=TEAM)
        file_of(root / "not for the team", ANN, 0o606, gid=TEAM)
        directory_of(root / "d", ANN, 0o2770, gid=TEAM)
        file_of(root / "d" / "f", ANN, 0o664, gid=TEAM)
    both.make(prepare)
    steps = {
        "read": (lambda r: opens(r / "f", os.O_RDONLY), OK, REFUSED),
        "write": (lambda r: opens(r / "f", os.O_WRONLY), REFUSED, REFUSED),
        "group bits come before the others'": (lambda r: opens(r / "not for the team", os.O_RDWR), REFUSED, OK),
        "list": (lambda r: os.listdir(r / "d"), OK, REFUSED),
        "write inside": (lambda r: (r / "d" / "f").write_bytes(b"x"), OK, REFUSED),
        "create": (lambda r: opens(r / "d" / "new", os.O_CREAT | os.O_EXCL | os.O_WRONLY), OK, REFUSED),
        "unlink": (lambda r: os.unlink(r / "d" / "new"), OK, REFUSED),
    }
    for what, (step, member, stranger) in steps.items():
        assert both.tried(BOB, step) == stranger, what
        assert both.tried(BOB, step, groups=[5, TEAM, 7]) == member, what
        assert both.tried(BOB, step) == stranger, f"{what}, after a member"
    many = list(range(10_000, 10_200))
    assert both.tried(BOB, lambda r: opens(r / "f", os.O_RDONLY), groups=many) == REFUSED
    assert both.tried(BOB, lambda r: opens(r / "f", os.O_RDONLY), groups=[*many, TEAM]) == OK, "more than a request could carry"
    assert both.tried(BOB, lambda r: os.mkdir(r / "d" / "sub"), groups=[TEAM]) == OK
    assert both.same(lambda r: (r / "d" / "sub").stat().st_gid) == TEAM


def test_search_permission_counts_though_the_name_is_cached(both):
    """What the kernel remembers of a name says nothing about who may use it."""
    def prepare(root):
        directory_of(root / "d", ANN, 0o755)
        directory_of(root / "d" / "e", ANN, 0o777)
        file_of(root / "d" / "e" / "f", ANN, 0o666)
        os.symlink("d/e/f", root / "link")
    both.make(prepare)
    steps = {
        "stat": lambda r: os.stat(r / "d" / "e" / "f"),
        "stat of the directory": lambda r: os.stat(r / "d" / "e"),
        "read": lambda r: (r / "d" / "e" / "f").read_bytes(),
        "write": lambda r: (r / "d" / "e" / "f").write_bytes(b"x"),
        "by a link": lambda r: (r / "link").read_bytes(),
        "list": lambda r: os.listdir(r / "d" / "e"),
        "change directory": lambda r: os.chdir(r / "d" / "e"),
        "access list": lambda r: os.listxattr(r / "d" / "e" / "f"),
        "create and unlink": lambda r: [opens(r / "d" / "e" / "g", os.O_CREAT | os.O_WRONLY), os.unlink(r / "d" / "e" / "g")],
    }
    for mode, expected in ((0o755, OK), (0o754, REFUSED), (0o751, OK), (0o700, REFUSED), (0o755, OK)):
        both.make(lambda r, m=mode: os.chmod(r / "d", m))
        for what, step in steps.items():
            assert both.tried(BOB, step) == expected, f"{what} with {mode:o}"
    both.make(lambda r: os.chmod(r / "d", 0o700))
    assert both.tried(BOB, lambda r: os.stat(r / "d" / "e" / "missing")) == REFUSED, "nor what is not there"
    both.make(lambda r: os.chmod(r / "d", 0o755))
    assert both.tried(BOB, lambda r: os.stat(r / "d" / "e" / "missing")) == errno.ENOENT


def test_listing_and_searching_are_two_permissions(both):
    def prepare(root):
        directory_of(root / "d", ANN, 0o711)
        file_of(root / "d" / "f", ANN, 0o644)
    both.make(prepare)
    assert both.tried(BOB, lambda r: os.listdir(r / "d")) == REFUSED
    assert both.tried(BOB, lambda r: (r / "d" / "f").read_bytes()) == OK
    both.make(lambda r: os.chmod(r / "d", 0o744))
    assert both.tried(BOB, lambda r: os.listdir(r / "d")) == OK
    assert both.tried(BOB, lambda r: os.stat(r / "d" / "f")) == REFUSED
    assert both.tried(BOB, lambda r: os.stat(r / "d" / "missing")) == REFUSED

    def from_outside(root):
        fd = os.open(root / "d", os.O_RDONLY)
        try:
            os.stat("f", dir_fd=fd)
        finally:
            os.close(fd)
    assert both.tried(BOB, from_outside) == REFUSED, "by the directory's descriptor"
    both.make(lambda r: os.chmod(r / "d", 0o733))
    assert both.tried(BOB, lambda r: opens(r / "d" / "new", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == OK
    assert both.tried(BOB, lambda r: os.listdir(r / "d")) == REFUSED


def test_truncation_needs_write_permission(both):
    both.make(lambda r: file_of(r / "f", ANN, 0o644))
    steps = {
        "open for writing": lambda r: opens(r / "f", os.O_WRONLY | os.O_TRUNC),
        "open for both": lambda r: opens(r / "f", os.O_RDWR | os.O_TRUNC),
        "open for reading": lambda r: opens(r / "f", os.O_RDONLY | os.O_TRUNC),
        "create": lambda r: opens(r / "f", os.O_CREAT | os.O_TRUNC | os.O_WRONLY),
        "truncate": lambda r: os.truncate(r / "f", 0),
        "grow": lambda r: os.truncate(r / "f", 100),
    }
    for what, step in steps.items():
        before = both.roots[0].joinpath("f").stat()
        assert both.tried(BOB, step) == REFUSED, what
        after = both.roots[0].joinpath("f").stat()
        assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns), what
        assert both.same(lambda r: (r / "f").read_bytes()) == b"content", what
    both.make(lambda r: os.chmod(r / "f", 0o642))
    assert both.tried(BOB, steps["open for reading"]) == REFUSED
    assert both.same(lambda r: (r / "f").read_bytes()) == b"content"
    assert both.tried(BOB, steps["grow"]) == OK
    assert both.tried(BOB, steps["open for writing"]) == OK
    assert both.same(lambda r: (r / "f").stat().st_size) == 0


def test_hard_links(both):
    """fs.protected_hardlinks may forbid more than the bits do: on the mount what it forbids on the disk."""
    def prepare(root):
        directory_of(root / "d", BOB, 0o777)
        for name, mode in (("private", 0o600), ("readable", 0o644), ("open", 0o666), ("setuid", 0o4777), ("setgid", 0o2777)):
            file_of(root / name, ANN, mode)
        file_of(root / "mine", BOB, 0o600)
        directory_of(root / "locked", ANN, 0o700)
        file_of(root / "locked" / "f", BOB, 0o666)
    both.make(prepare)
    for name in ("private", "readable", "open", "setuid", "setgid"):
        both.tried(BOB, lambda r, n=name: os.link(r / n, r / "d" / n))
    assert both.tried(BOB, lambda r: os.link(r / "mine", r / "d" / "mine")) == OK
    assert both.tried(BOB, lambda r: os.link(r / "mine", r / "another")) == REFUSED, "the directory is root's"
    assert both.tried(BOB, lambda r: os.link(r / "locked" / "f", r / "d" / "f")) == REFUSED
    assert both.tried(BOB, lambda r: os.link(r / "d", r / "d" / "again")) == NOT_OWNER
    both.same(lambda r: sorted((n, (r / "d" / n).stat().st_nlink) for n in os.listdir(r / "d")))


def test_only_owners_give_files_away(both):
    def prepare(root):
        file_of(root / "f", ANN, 0o666)
        file_of(root / "bobs", BOB, 0o666)
        directory_of(root / "d", ANN, 0o777)
        os.symlink("f", root / "link")
        os.lchown(root / "link", ANN, ANN)
    both.make(prepare)
    for name in ("f", "d", "link"):
        for uid, gid in ((BOB, -1), (-1, BOB), (-1, TEAM), (BOB, BOB), (ANN, -1), (-1, ANN)):
            assert both.tried(BOB, lambda r, n=name, u=uid, g=gid: os.lchown(r / n, u, g), groups=[TEAM]) == NOT_OWNER
    both.tried(BOB, lambda r: os.chown(r / "f", -1, -1))
    assert both.tried(BOB, lambda r: os.chmod(r / "f", 0o644)) == NOT_OWNER
    assert both.tried(BOB, lambda r: os.chmod(r / "d", 0o700)) == NOT_OWNER
    assert both.tried(BOB, lambda r: os.chown(r / "bobs", ANN, -1)) == NOT_OWNER, "nobody gives files away"
    assert both.tried(BOB, lambda r: os.chown(r / "bobs", BOB, -1)) == OK
    assert both.tried(BOB, lambda r: os.chown(r / "bobs", -1, TEAM)) == NOT_OWNER, "to a group that is not theirs"
    assert both.tried(BOB, lambda r: os.chown(r / "bobs", -1, TEAM), groups=[TEAM]) == OK
    assert both.tried(BOB, lambda r: os.chmod(r / "bobs", 0o600)) == OK

    def owners(root):
        return [(st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) for st in map(os.lstat, (root / "f", root / "bobs", root / "d"))]
    assert both.same(owners) == [(ANN, ANN, 0o666), (BOB, TEAM, 0o600), (ANN, ANN, 0o777)]


def test_times_and_attributes_of_others(both):
    both.make(lambda r: file_of(r / "f", ANN, 0o644))

    def unnoticed(root):
        opens(root / "f", os.O_RDONLY | os.O_NOATIME)
    assert both.tried(BOB, lambda r: os.utime(r / "f")) == REFUSED
    assert both.tried(BOB, lambda r: os.utime(r / "f", (1, 1))) == NOT_OWNER
    assert both.tried(BOB, unnoticed) == NOT_OWNER
    assert both.tried(ANN, unnoticed) == OK
    assert both.tried(BOB, lambda r: os.setxattr(r / "f", "user.x", b"1")) == REFUSED
    assert both.tried(BOB, lambda r: os.removexattr(r / "f", "user.none")) == REFUSED
    assert both.tried(BOB, lambda r: os.setxattr(r / "f", "trusted.x", b"1")) == NOT_OWNER
    assert both.tried(BOB, lambda r: os.getxattr(r / "f", "trusted.x")) == errno.ENODATA
    both.tried(BOB, lambda r: os.setxattr(r / "f", "security.x", b"1"))
    assert both.tried(ANN, lambda r: os.setxattr(r / "f", "user.x", b"1")) == OK
    assert both.tried(BOB, lambda r: os.getxattr(r / "f", "user.x")) == OK
    both.make(lambda r: os.chmod(r / "f", 0o600))
    assert both.tried(BOB, lambda r: os.getxattr(r / "f", "user.x")) == REFUSED
    assert both.tried(BOB, lambda r: os.listxattr(r / "f")) == OK, "names need the way only"


def test_an_access_list_counts_at_once(both):
    both.make(lambda r: file_of(r / "f", ANN, 0o600))

    def read(root):
        return (root / "f").read_bytes()
    for change, expected in ((["-m", f"u:{BOB}:r"], OK), (["-x", f"u:{BOB}"], REFUSED), (["-m", f"g:{TEAM}:r"], REFUSED),
                             (["-m", f"u:{BOB}:-,g:{TEAM}:r,o:r"], REFUSED), (["-b"], OK)):
        both.make(lambda r, c=change: run("setfacl", *c, r / "f"))
        assert both.tried(BOB, read) == expected, change
    both.make(lambda r: os.chmod(r / "f", 0o600))
    both.make(lambda r: run("setfacl", "-m", f"g:{TEAM}:r", r / "f"))
    assert both.tried(BOB, read) == REFUSED
    assert both.tried(BOB, read, groups=[TEAM]) == OK
    assert both.tried(BOB, lambda r: os.removexattr(r / "f", "system.posix_acl_access")) == NOT_OWNER


def test_an_open_descriptor_keeps_what_it_may(place, local, opened):
    """Permissions are asked at open; who opens by name is asked anew, also while others have the file open."""
    os.chmod(local, 0o755)
    ours = [opened(place / "f", content=b"x" * 10_000), os.open(local / "f", os.O_RDWR | os.O_CREAT)]
    (local / "f").write_bytes(b"x" * 10_000)
    both = Both(place, local)
    both.make(lambda r: os.chown(r / "f", ANN, ANN))
    both.make(lambda r: os.chmod(r / "f", 0o644))

    def holds(root):
        """Both open in the child: it goes on when root would not be let in by name any more."""
        reads, writes = os.open(root / "f", os.O_RDONLY), os.open(root / "f", os.O_RDWR)
        os.chmod(root / "f", 0)
        assert os.pread(reads, 4, 0) == b"xxxx" and os.pwrite(writes, b"yyyy", 0) == 4
        assert os.pread(reads, 4, 0) == b"yyyy"
        os.ftruncate(writes, 5000)
        expect(errno.EACCES, os.open, root / "f", os.O_RDONLY)
        expect(errno.EACCES, os.open, f"/proc/self/fd/{reads}", os.O_RDONLY)
        expect(errno.EBADF, os.pwrite, reads, b"z", 0)
        expect(errno.EINVAL, os.ftruncate, reads, 0)
        os.chmod(root / "f", 0o644)
    assert both.tried(ANN, holds) == OK
    for step in (lambda r: opens(r / "f", os.O_RDWR), lambda r: opens(r / "f", os.O_WRONLY | os.O_TRUNC),
                 lambda r: opens(r / "f", os.O_WRONLY | os.O_APPEND)):
        assert both.tried(BOB, step) == REFUSED
    assert both.tried(BOB, lambda r: opens(r / "f", os.O_RDONLY)) == OK
    both.make(lambda r: os.chmod(r / "f", 0o640))
    assert both.tried(BOB, lambda r: opens(r / "f", os.O_RDONLY)) == REFUSED
    for fd in ours:
        assert os.fstat(fd).st_size == 5000 and os.pread(fd, 5, 0) == b"yyyyx"
        os.close(fd)
