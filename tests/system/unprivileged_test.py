"""As most people mount it: as a user without rights, through fusermount3, with state under that user's XDG directories.

Each test has a mount namespace of its own in which /dev/fuse and /etc/fuse.conf are as Debian installs them, whatever this machine
did with them; what is missing beyond that fails the test and is named.
"""

import contextlib
import errno
import json
import os
import pathlib
import pickle
import pwd
import shutil
import signal
import stat
import subprocess
import sys

import pytest
from harness import SKYMOOR, Device, mounted, run, tree_of, wait_until, world
from network import LIBC
from system_calls import checked, expect

CLONE_NEWNS = 0x20000
OWN = "/proc/thread-self/ns/mnt"
USER = pwd.getpwnam("nobody")
FUSERMOUNT = pathlib.Path("/usr/bin/fusermount3")


@contextlib.contextmanager
def own_mounts():
    """Mounts made meanwhile are nobody else's, and are gone afterwards."""
    before, place = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC), os.getcwd()
    checked(LIBC.unshare(CLONE_NEWNS))
    try:
        run("mount", "--make-rprivate", "/")
        yield
    finally:
        checked(LIBC.setns(before, CLONE_NEWNS))
        os.close(before)
        os.chdir(place)


def as_debian_installs_it(root):
    """Users may open /dev/fuse, and may not say allow_other."""
    devices = root / "devices"
    devices.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", devices)
    os.mknod(devices / "fuse", stat.S_IFCHR | 0o666, os.makedev(10, 229))
    os.chmod(devices / "fuse", 0o666)
    run("mount", "--bind", devices / "fuse", "/dev/fuse")
    run("umount", "-l", devices)   # the other place of it stays
    allow_other(root, False)
    mode = FUSERMOUNT.stat()
    assert mode.st_uid == 0 and mode.st_mode & stat.S_ISUID, f"{FUSERMOUNT} is not setuid root: install the package fuse3"
    assert not os.statvfs(FUSERMOUNT).f_flag & os.ST_NOSUID, f"{FUSERMOUNT} lies on a filesystem that is mounted nosuid"


def allow_other(root, allowed):
    """What the machine's administrator has decided."""
    conf = root / f"fuse.conf-{allowed}"
    conf.write_text("user_allow_other\n" if allowed else "#user_allow_other\n")
    conf.chmod(0o644)
    if mounted("/etc/fuse.conf"):   # beneath another mount the file could not be removed in the end
        run("umount", "/etc/fuse.conf")
    run("mount", "--bind", conf, "/etc/fuse.conf")


class UsersDevice(Device):
    """A device whose programs run as USER, from a copy of the program that USER can reach."""

    def __init__(self, root, name, program):
        super().__init__(root, name)
        self.program = program
        self.env["USER"] = self.env["LOGNAME"] = USER.pw_name
        for path in [self.root, *self.root.rglob("*")]:
            os.chown(path, USER.pw_uid, USER.pw_gid)

    def skymoor(self, *args, **kwargs):
        return self.run(self.program, *args, **kwargs)

    def run(self, *args, **kwargs):
        """Any program, as USER."""
        return run(*self.words(*args), env=self.env, cwd=self.root, **kwargs)

    @staticmethod
    def words(*args):
        """What runs it as USER, without a group or a capability of root's."""
        return ["setpriv", f"--reuid={USER.pw_uid}", f"--regid={USER.pw_gid}", "--clear-groups", "--", *map(str, args)]

    def directory(self, name):
        """One of USER's."""
        path = self.root / name
        path.mkdir()
        os.chown(path, USER.pw_uid, USER.pw_gid)
        return path

    def mount(self, volume, *options, name="drive", **kwargs):
        if not (self.root / name).exists():
            self.directory(name)
        return super().mount(volume, *options, name=name, **kwargs)

    def serving(self, point):
        """The process that answers for the mount; None while there is none."""
        return next((mount["pid"] for mount in self.status()["mounts"] if mount["mount_point"] == str(point)), None)

    @staticmethod
    def do(function, *args):
        """Calls it as USER in a process of its own; its result, or the OSError or AssertionError that it ended with."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresgid(USER.pw_gid, USER.pw_gid, USER.pw_gid)
                os.setresuid(USER.pw_uid, USER.pw_uid, USER.pw_uid)
                answer = (True, function(*args))
            except (OSError, AssertionError) as error:
                answer = (False, error)
            except BaseException as error:  # pylint: disable=broad-exception-caught
                answer = (False, AssertionError(repr(error)))
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(answer, pipe)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            text = pipe.read()
        os.waitpid(pid, 0)
        assert text, "the process ended without an answer"
        good, answer = pickle.loads(text)
        if not good:
            raise answer
        return answer


@contextlib.contextmanager
def users_world():
    """(world, USER's device): a server, an account and a volume, all made by USER."""
    with own_mounts(), world() as w:
        w.root.chmod(0o755)
        as_debian_installs_it(w.root)
        program = w.root / "skymoor"
        shutil.copy(SKYMOOR, program)
        program.chmod(0o755)
        w.server.start()
        mine = UsersDevice(w.root, "mine", program)
        w.devices.append(mine)
        mine.signup(w.server)
        mine.skymoor("volume", "create", "home")
        yield w, mine


def usual_work(drive):
    """What a user does with files, and what the user must see of it."""
    os.mkdir(drive / "docs")
    (drive / "docs" / "plan").write_bytes(b"first\n")
    with open(drive / "docs" / "plan", "r+b") as f:
        f.seek(0, os.SEEK_END)
        f.write(b"second\n" * 10000)
        os.fsync(f.fileno())
    os.rename(drive / "docs" / "plan", drive / "docs" / "the plan")
    os.link(drive / "docs" / "the plan", drive / "docs" / "same")
    os.symlink("the plan", drive / "docs" / "link")
    os.setxattr(drive / "docs" / "same", "user.colour", b"blue")
    (drive / "gone").write_bytes(b"x")
    os.unlink(drive / "gone")
    (drive / "run").write_bytes(b"#!/bin/sh\necho ran\n")
    os.chmod(drive / "run", 0o700)
    assert subprocess.run([drive / "run"], capture_output=True, check=True).stdout == b"ran\n"
    assert (drive / "docs" / "link").read_bytes() == b"first\n" + b"second\n" * 10000
    assert sorted(os.listdir(drive)) == ["docs", "run"]
    for name in ("docs", "docs/same", "docs/link", "run", "."):
        st = os.lstat(drive / name)
        assert (st.st_uid, st.st_gid) == (USER.pw_uid, USER.pw_gid), f"{name} is {st.st_uid}'s"


def owners_stay(drive):
    """To oneself a file may be given, and to nobody else, as on any disk."""
    os.chown(drive / "run", USER.pw_uid, USER.pw_gid)
    expect(errno.EPERM, os.chown, drive / "run", 0, 0)
    expect(errno.EPERM, os.chown, drive / "run", 12345, -1)
    os.chmod(drive / "run", 0o4755)
    assert stat.S_IMODE(os.stat(drive / "run").st_mode) == 0o4755
    assert os.stat(drive / "run").st_uid == USER.pw_uid


def real_programs(mine, drive):
    """git and tar, and the checks that they have themselves."""
    source = mine.directory("source")
    for n in range(60):
        (source / f"f{n}").write_bytes(os.urandom(n * 137))
        os.chown(source / f"f{n}", USER.pw_uid, USER.pw_gid)
    git = ["git", "-C", drive / "repo", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    mine.do(os.mkdir, drive / "repo")
    mine.run("tar", "-C", source, "-cf", drive / "source.tar", ".")
    mine.run("tar", "-C", drive / "repo", "-xpf", drive / "source.tar")
    mine.run("tar", "-C", drive / "repo", "-df", drive / "source.tar")
    mine.run(*git, "init", "-q")
    mine.run(*git, "add", ".")
    mine.run(*git, "commit", "-qm", "all of it")
    mine.run(*git, "gc", "-q")
    mine.run(*git, "fsck", "--strict")
    assert mine.run(*git, "status", "--porcelain").stdout == ""


def where_state_is(mine):
    """All of it is USER's alone, and below the directories that the environment names."""
    for place in ("data", "cache"):
        found = {}
        for path in (mine.root / place / "skymoor").rglob("*"):
            with contextlib.suppress(FileNotFoundError):   # the mount is at work
                found[path] = path.lstat()
        assert found, f"nothing in {place}"
        for path, st in found.items():
            assert st.st_uid == USER.pw_uid, f"{path} is {st.st_uid}'s"
            assert not st.st_mode & 0o077, f"{path} can be entered by others: {st.st_mode:o}"
    assert not list((mine.root / "home").rglob("*skymoor*")), "state in HOME although XDG says another place"


def test_a_user_without_rights_works_and_another_device_has_it():
    with users_world() as (w, mine):
        drive = mine.mount("home")
        status = mine.status(drive)
        assert not status["passthrough"], "passthrough needs CAP_SYS_ADMIN"
        assert "no passthrough: " in mine.skymoor("status").stdout
        said = mine.skymoor("doctor", check=False).stdout
        assert "CAP_SYS_ADMIN" in next(line for line in said.splitlines() if "passthrough" in line), said
        expect(errno.EACCES, os.listdir, drive)      # not even root comes in without allow_other
        mine.do(usual_work, drive)
        mine.do(owners_stay, drive)
        real_programs(mine, drive)
        where_state_is(mine)
        mine.sync(drive)

        # Root's device keeps owners as they are stored, and sees what the user sees.
        other = w.device("root")
        other.login(w.server)
        seen = other.mount("home")
        assert not other.status(seen)["pending"]["records"]
        assert mine.do(tree_of, drive) == tree_of(seen)
        assert os.getxattr(seen / "docs" / "same", "user.colour") == b"blue"
        # What root made is the user's to see, and to work with as its mode says.
        (seen / "from root").write_bytes(b"r" * 5000)
        os.chown(seen / "from root", 4321, 4321)
        other.sync(seen)
        wait_until(lambda: mine.do(os.path.exists, drive / "from root"), 60, "the other device's file")
        wait_until(lambda: mine.do(os.stat, drive / "from root").st_size == 5000, 60, "its content")
        assert mine.do(os.stat, drive / "from root").st_uid == USER.pw_uid
        mine.do((drive / "from root").write_bytes, b"mine")
        mine.sync(drive)
        wait_until(lambda: (seen / "from root").read_bytes() == b"mine", 60, "the user's version")
        assert (seen / "from root").stat().st_uid == 4321, "what is not asked for is not changed"
        other.umount(seen)
        mine.umount(drive)
        assert not mounted(drive)
        mine.fsck()


WRITER = """
import os, sys
f = open(sys.argv[1], "wb", buffering=0)
for n in range(3):
    f.write(b"%d" % n)
    os.fsync(f.fileno())
    print("written", flush=True)
    sys.stdin.readline()
"""


def test_kill_of_a_users_mount():
    """The worker's death is a pause; with the supervisor dead too, the user clears the mount away and mounts again."""
    with users_world() as (_, mine):
        drive = mine.mount("home")
        with subprocess.Popen(mine.words(sys.executable, "-c", WRITER, drive / "open"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(2):
                assert writer.stdout.readline() == "written\n"
                died = mine.kill_worker(drive)
                writer.stdin.write("\n")
                writer.stdin.flush()
                wait_until(lambda pid=died: mine.serving(drive) not in (None, pid), 60, "another process serves")
            assert writer.stdout.readline() == "written\n"
            writer.stdin.close()
            assert writer.wait(60) == 0
        assert mine.do((drive / "open").read_bytes) == b"012"
        status = mine.status(drive)
        assert status["supervisor"]["restarts"] == 2 and not status["passthrough"]

        for pid in (status["supervisor"]["pid"], status["pid"]):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not mine.processes(), 30, "processes gone")
        with pytest.raises(OSError) as dead:
            mine.do(os.statvfs, drive)
        assert dead.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
        mine.umount(drive)
        assert not mounted(drive)
        mine.mount("home")
        assert mine.do((drive / "open").read_bytes) == b"012"
        mine.umount(drive)
        mine.fsck()


def refused(mine, *options, name="drive"):
    """What a mount that is not made says."""
    answer = mine.skymoor("mount", "home", mine.root / name, *options, check=False)
    assert answer.returncode != 0 and not mounted(mine.root / name)
    return answer.stderr


def test_what_a_user_may_not_do_is_named():
    with users_world() as (w, mine):
        mine.directory("drive")
        said = refused(mine, "-o", "allow_other")
        assert "allow_other" in said and "/etc/fuse.conf has the line user_allow_other" in said, said
        (mine.root / "roots").mkdir(mode=0o755)
        said = refused(mine, name="roots")
        assert "you need write permission" in said, said
        said = json.loads(mine.skymoor("doctor", "--json", check=False).stdout)
        assert "user_allow_other" in str(said), said

        allow_other(w.root, True)
        drive = mine.mount("home", "allow_other")
        mine.do((drive / "f").write_bytes, b"x")
        mine.do(os.chmod, drive / "f", 0o640)
        mine.root.chmod(0o755)
        assert (drive / "f").read_bytes() == b"x", "root comes in now"
        mine.umount(drive)

        # Without the setuid bit nobody mounts for the user.
        plain = w.root / "fusermount3"
        shutil.copy(FUSERMOUNT, plain)
        plain.chmod(0o755)
        run("mount", "--bind", plain, FUSERMOUNT)
        said = refused(mine)
        assert "fusermount3" in said and "run as root" in said, said
        os.chmod("/dev/fuse", 0o600)
        said = refused(mine)
        assert "/dev/fuse may not be opened by this user" in said, said
