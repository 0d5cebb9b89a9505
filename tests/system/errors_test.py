"""What a person does wrong gets an answer that says what to do."""

import os
import pathlib

from harness import PASSWORD, SKYMOOR, run, wait_until, world


def fails(done, *words, code=None):
    """The command failed, its error names every word, and it is not a stack of noise."""
    assert done.returncode != 0
    if code is not None:
        assert done.returncode == code, done.stderr
    for word in words:
        assert word.lower() in done.stderr.lower(), f"'{word}' is not in: {done.stderr}"
    assert len(done.stderr) < 3000
    assert "terminate called" not in done.stderr


def test_account_errors():
    with world(expect_clean=False) as w:
        w.server.start()
        a, b = w.device("a"), w.device("b")
        fails(a.skymoor("mount", "home", a.root, check=False), "log")
        a.signup(w.server)
        fails(a.signup(w.server, check=False))
        b.password_file.write_text("not the password at all\n")
        fails(b.login(w.server, check=False), "password")
        fails(b.login(w.server, user="nobody", check=False), "password")
        b.password_file.write_text("short\n")
        fails(b.signup(w.server, user="grace", check=False), "password")
        b.password_file.write_text(PASSWORD + "\n")
        fails(b.signup(w.server, check=False), "choose another name", "login")
        (b.root / "recovery").write_text("somebody's")
        fails(b.signup(w.server, user="grace", check=False), "recovery file", "exists")
        assert (b.root / "recovery").read_text() == "somebody's"
        fails(b.skymoor("signup", "https://127.0.0.1:1", "ada", "--trust-first", check=False), "server", "check", code=4)
        w.server.stop()
        fails(b.login(w.server, check=False), "server")


def test_changed_certificate():
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        a.mount("home")
        w.server.stop()
        for name in ("tls.crt", "tls.key"):
            (w.server.data / name).unlink()
        w.server.start()
        fails(a.skymoor("volume", "ls", check=False), "certificate")


def test_mount_point_errors():
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        fails(a.skymoor("mount", "home", a.root / "not-there", check=False), "not-there")
        other = a.root / "other"
        other.mkdir()
        fails(a.skymoor("mount", "home", other, check=False), "mounted")
        fails(a.skymoor("mount", "no-such-volume", other, check=False), "no-such-volume")
        fails(a.skymoor("mount", "home", drive, check=False))
        a.umount(drive)
        (other / "something").write_text("x")
        fails(a.skymoor("mount", "home", other, check=False), "empty")
        (other / "something").unlink()
        fails(a.skymoor("mount", "home", other, "-o", "cache-sise=1GiB", check=False), "cache-size")
        plain = a.root / "plain-file"
        plain.write_text("x")
        fails(a.skymoor("mount", "home", plain, check=False), "directory")
        fails(a.skymoor("umount", other, check=False), "not")


def test_second_mount_with_the_same_state_is_refused():
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        (drive / "file").write_text("x")
        second = a.root / "second"
        second.mkdir()
        fails(a.skymoor("mount", "home", second, check=False), str(drive))
        assert (drive / "file").read_text() == "x"


def test_unknown_commands_and_options():
    with world(expect_clean=False) as w:
        a = w.device("a")
        fails(a.skymoor("frobnicate", check=False), code=2)
        fails(a.skymoor("mount", "--no-such-option", check=False), code=2)
        assert "Usage" in a.skymoor("--help").stdout
        for command in ("signup", "login", "mount", "umount", "status", "sync", "doctor", "volume"):
            assert command in a.skymoor("--help").stdout
            assert "Usage" in a.skymoor(command, "--help").stdout
        assert a.skymoor("version").stdout.strip()


def test_damaged_state_file_is_named():
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        w.server.stop()
        for number in range(200):
            (drive / f"file{number}").write_text("x" * 100)
        a.kill(drive)
        logs = sorted(pathlib.Path(a.root / "data").rglob("log-*"), key=lambda p: p.stat().st_size)
        assert logs, "there is an op log"
        victim = logs[-1]
        with open(victim, "r+b") as f:
            f.seek(victim.stat().st_size // 2)
            f.write(b"\xff" * 64)
        fails(a.skymoor("mount", "home", drive, check=False), victim.name)


def test_state_disk_full():
    """A full disk is reported at the write, and nothing that returned is lost."""
    with world(expect_clean=False) as w:
        w.server.start()
        a = w.device("a")
        run("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", a.root / "data")
        try:
            a.signup(w.server)
            a.skymoor("volume", "create", "home")
            drive = a.mount("home")
            w.server.stop()
            written, full = [], False
            for number in range(400):
                try:
                    with open(drive / f"f{number}", "wb") as f:
                        f.write(os.urandom(1 << 20))
                    written.append(f"f{number}")
                except OSError as error:
                    assert error.errno in (28, 122), error
                    full = True
                    break
            assert full and len(written) > 20
            for name in written:
                assert (drive / name).stat().st_size == 1 << 20
            os.unlink(drive / written[0])
            w.server.start()
            a.sync(drive)
            a.umount(drive)
        finally:
            a.clean_up()
            run("umount", "-l", a.root / "data", check=False)


def test_no_way_to_the_kernel():
    """/dev/fuse that this user may not open, or none at all: the reason, not a crash."""
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        (a.root / "drive").mkdir()
        mount = f"exec {SKYMOOR} mount home {a.root}/drive"
        closed = "mount --bind /dev/fuse /dev/fuse && mount -o remount,bind,nodev /dev/fuse && "
        fails(run("unshare", "-m", "sh", "-c", closed + mount, env=a.env, check=False), "/dev/fuse", "chmod", code=9)
        kept = "mkdir $HOME/dev && for d in null zero random urandom tty; do touch $HOME/dev/$d && mount --bind /dev/$d $HOME/dev/$d; done"
        gone = kept + " && mount --rbind $HOME/dev /dev && "
        fails(run("unshare", "-m", "sh", "-c", gone + mount, env=a.env, check=False), "/dev/fuse", "modprobe", code=8)


def test_a_mount_right_after_umount_8():
    """umount(8) does not wait for the process: the next mount does."""
    with world() as w:
        a, _ = w.two_devices()
        for number in range(5):
            drive = a.mount("home")
            (drive / "file").write_text(str(number))
            run("umount", drive)
        drive = a.mount("home")
        assert (drive / "file").read_text() == "4"


def test_offline_mount_and_recovery():
    """A known volume mounts with no server at all, and says that it is offline."""
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        drive = a.mount("home")
        (drive / "kept").write_text("kept")
        a.sync(drive)
        a.umount(drive)
        w.server.stop()
        drive = a.mount("home")
        assert (drive / "kept").read_text() == "kept"
        (drive / "new").write_text("new")
        wait_until(lambda: not a.status(drive)["online"], 30, "offline")
        assert a.status(drive)["offline_reason"]
        assert a.skymoor("sync", drive, "--timeout", "1s", check=False).returncode in (4, 5)
        w.server.start()
        a.sync(drive)
