"""Logins that end and begin while drives are mounted, and what is not sent then: who asks is told, at once."""

import json
import os
import re
import shutil
import time

from harness import SKYMOORD, run, wait_until, world
from lines import SlowLine


def admin(w, *words):
    """`skymoord admin` of the running server."""
    return run(SKYMOORD, "admin", *words, "--data", w.server.data)


def timed(device, *words):
    """The CompletedProcess, and the seconds it took."""
    begin = time.monotonic()
    done = device.skymoor(*words, check=False, timeout=60)
    return done, time.monotonic() - begin


def said(done):
    """The JSON that a command answered."""
    return json.loads(done.stdout)


def test_a_mount_hears_of_a_login_at_once():
    with world(expect_clean=False) as w:
        a = w.one_device()
        drive = a.mount("home")
        admin(w, "user", "disable", "ada")
        (drive / "file").write_text("unsent")
        # It says so as soon as it is asked to sync, and why; not that the server is away.
        done, took = timed(a, "sync", drive, "--json")
        assert done.returncode == 3 and said(done)["code"] == "unauthenticated", (done, took)
        assert "log in" in done.stderr or "logged in" in done.stderr, done
        done, took = timed(a, "sync", drive, "--timeout", "30s")
        assert done.returncode == 3 and took < 25, (done, took)
        admin(w, "user", "enable", "ada")
        assert not a.status(drive)["online"]
        time.sleep(12)   # its attempts are rare by now
        a.login(w.server)
        assert wait_until(lambda: a.status(drive)["online"], 30, "online again") < 7
        a.sync(drive)


def test_over_a_slow_line_it_says_the_same():
    with world(expect_clean=False) as w:
        w.one_device("setup")
        line = SlowLine(w.server.port)
        a = w.device("a")
        a.login(line)
        drive = a.mount("home")
        wait_until(lambda: a.status(drive)["online"], 30, "online")
        line.slow(delay=0.4)   # several round trips a round: longer than the mount takes to tell that it still waits
        admin(w, "user", "disable", "ada")
        (drive / "file").write_text("unsent")
        done, took = timed(a, "sync", drive, "--json")
        assert done.returncode == 3 and took < 60, (done, took)
        line.slow()
        line.close()


def test_another_certificate_is_no_server_that_is_away():
    with world(expect_clean=False) as w:
        a = w.one_device()
        drive = a.mount("home")
        w.server.stop()
        for name in ("tls.crt", "tls.key"):
            (w.server.data / name).unlink()
        w.server.start()
        (drive / "file").write_text("unsent")
        done, took = timed(a, "sync", drive, "--json")
        assert done.returncode == 9 and "certificate" in done.stderr and took < 30, (done, took)


def test_what_is_not_sent_is_told_after_the_unmount():
    with world(expect_clean=False) as w:
        a = w.one_device()
        drive = a.mount("home")
        (drive / "sent").write_text("sent")
        a.sync(drive)
        done = a.umount(drive)
        assert "ot sent" not in done.stdout, done
        assert a.skymoor("status").stdout == "Nothing is mounted.\n"
        a.mount("home")
        w.server.stop()
        for i in range(3):
            (drive / f"unsent{i}").write_bytes(b"x" * 1000)
        (drive / "sent").write_text("again")
        done = a.umount(drive)
        number = int(re.search(r"Not sent yet: (\d+) changes \(4 files", done.stdout).group(1))
        assert number >= 4, done
        for words in (("status",), ("whoami",)):
            assert f"'home', not mounted: {number} changes (4 files, " in a.skymoor(*words).stdout
        status = a.status()
        assert status["mounts"] == [] and status["unmounted"][0]["pending"]["records"] == number
        # A mount that was cut off leaves no number, and no false one.
        a.mount("home")
        a.kill(drive)
        assert "home', not mounted: what it has not sent is known when" in a.skymoor("status").stdout
        a.mount("home")
        assert a.status(drive)["pending"]["files"] == 4 and a.status()["unmounted"] == []
        assert json.loads(a.skymoor("umount", drive, "--json").stdout)["unsent"] == number
        done = a.skymoor("logout")
        assert f"{number} changes (4 files" in done.stdout, done
        w.server.start()
        a.login(w.server)
        a.mount("home")
        a.sync(drive)
        a.umount(drive)
        assert a.skymoor("status").stdout == "Nothing is mounted.\n"


def test_a_server_that_hangs_is_seen_before_it_is_given_up():
    with world(expect_clean=False) as w:
        a = w.one_device()
        drive = a.mount("home")
        wait_until(lambda: a.status(drive)["online"], 30, "online")
        w.server.pause()
        wait_until(lambda: a.status(drive)["silent_s"] is not None, 15, "the silence", interval=0.2)
        status = a.status(drive)
        if status["online"]:
            assert "nothing has come from it for" in a.skymoor("status").stdout
        w.server.go_on()
        wait_until(lambda: a.status(drive)["silent_s"] is None and a.status(drive)["online"], 30, "the answer")


def test_a_dead_mount_is_named():
    with world(expect_clean=False) as w:
        a = w.one_device()
        drive = a.mount("home", "takeover=off")
        os.kill(a.pid(drive), 9)
        wait_until(lambda: a.skymoor("status", check=False).returncode == 6, 10, "it is dead")
        assert "not mounted" not in a.skymoor("status", check=False).stdout
        done = a.skymoor("sync", check=False)
        assert done.returncode == 6 and str(drive) in done.stderr and "umount" in done.stderr, done


def test_state_directories_that_are_none():
    with world() as w:
        a = w.one_device()
        for words in (("status",), ("whoami",), ("mount", "home", a.root / "drive")):
            done = a.skymoor(*words, "--state-dir", "", check=False)
            assert done.returncode == 2 and "--state-dir" in done.stderr and "empty" in done.stderr, done
            done = a.skymoor(*words, "--state-dir", a.password_file, check=False)
            assert done.returncode == 8 and "is no directory" in done.stderr, done


def test_devices_with_one_name():
    with world() as w:
        w.server.start()
        a, b = w.device("a"), w.device("b")
        a.signup(w.server)
        a.skymoor("login", "--device-name", "desk", "--password-file", a.password_file)
        done = b.login(w.server)
        assert "is called" not in done.stderr
        done = b.skymoor("login", "--device-name", "desk", "--password-file", b.password_file)
        assert "another device of yours is called 'desk'" in done.stderr, done
        done = a.skymoor("devices", "revoke", "desk", check=False)
        assert done.returncode == 2 and done.stderr.count("desk") >= 3 and done.stderr.count("(this one)") == 1, done
        assert done.stderr.count("last seen") == 2, done


def test_a_volume_that_was_detached_is_not_waited_for_long():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        with open(drive / "file", "w", encoding="ascii") as held:
            a.umount(drive, "--lazy")
            (a.root / "other").mkdir()
            done, took = timed(a, "mount", "home", a.root / "other")
            assert done.returncode == 7 and "detached" in done.stderr and took < 12, (done, took)
            held.write("x")
        shutil.rmtree(a.root / "other")
