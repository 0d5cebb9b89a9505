"""What scripts rely on: each command's --json, and its exit code; and what the first steps say when they go wrong."""

import json

from harness import PASSWORD, SKYMOOR, SKYMOORD, run, world
from help_texts import commands

SMALL = ("--megabytes", "1", "--files", "5", "--syncs", "1")


def test_every_command_answers_in_json():
    with world() as w:
        a, b = w.two_devices()
        drive, asked = a.root / "drive", set()

        def answer(*words, device=a, code=0, or_code=None):
            """The one JSON document that the command printed."""
            done = device.skymoor(*words, "--json", check=False)
            assert done.returncode in (code, or_code), f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            asked.update(" ".join(map(str, words[:n])) for n in (1, 2))
            result = json.loads(done.stdout)
            assert code == 0 or (result["ok"] is False and result["code"] and result["message"] in done.stderr)
            return result
        c = w.device("c")
        answer("signup", w.server.url, "grace", "--password-file", c.password_file, "--trust-first", "--recovery-file",
               c.root / "recovery", device=c)
        answer("login", "--password-file", b.password_file, device=b)
        assert answer("whoami")["user"] == "ada"
        answer("volume", "create", "more")
        assert {volume["name"] for volume in answer("volume", "ls")["volumes"]} == {"home", "more"}
        drive.mkdir()
        a.mounts.append(drive)
        answer("mount", "home", drive)
        (drive / "file").write_text("one")
        answer("sync", drive)
        with open(drive / "file", "r+", encoding="ascii") as file:   # no empty version between
            file.write("two")
        answer("sync")
        assert answer("status")["mounts"][0]["mount_point"] == str(drive)
        assert len(answer("versions", drive / "file")["versions"]) >= 2
        answer("restore", drive / "file")
        assert (drive / "file").read_text() == "one"
        (drive / "gone").write_text("x")
        answer("sync")
        (drive / "gone").unlink()
        answer("sync")
        answer("trash", drive)
        answer("conflicts")
        answer("conflicts", "resolve", drive / "file", "--keep", "mine", code=8)
        answer("pin", drive / "file", "--wait")
        answer("unpin", drive / "file")
        answer("upgrade", drive)
        answer("bench", w.root, *SMALL)
        answer("umount", drive)
        answer("fsck")
        answer("doctor", or_code=6)   # it looks at all mounts of this machine
        answer("version")
        assert "_skymoor" in answer("completion", "bash")["script"]
        answer("devices", "ls")
        answer("devices", "revoke", "no-such-device", code=8)
        answer("logout")
        assert set(commands(SKYMOOR)) <= asked


def test_a_failure_has_the_exit_code_that_the_help_names():
    with world(expect_clean=False) as w:
        w.server.start()
        a = w.device("a")

        def code(*words):
            done = a.skymoor(*words, check=False)
            assert done.returncode == 0 or done.stderr.startswith("skymoor: "), done.stderr
            return done.returncode
        signup = ("signup", w.server.url, "ada", "--password-file", a.password_file, "--trust-first", "--recovery-file")
        assert code("whoami") == 3
        assert code("mount", "home", a.root) == 3
        assert code("status", a.root) == 8
        assert code("sync") == 8
        assert code("stauts") == 2
        assert code(*signup, a.root / "recovery") == 0
        assert code("mount", "none", a.root / "home") == 8
        assert code("mount", "home", a.root) == 7, "not empty"
        drive = a.mount("home")
        assert code("mount", "home", drive) == 7
        assert code("umount", a.root) == 8
        assert code("versions", a.root) == 8
        w.server.stop()
        assert code("volume", "ls") == 4
        (drive / "file").write_text("x")
        assert code("sync", "--timeout", "100ms") in (4, 5), "known to be away, or not yet"
        a.password_file.write_text("another one\n")
        w.server.start()
        assert code("login", "--password-file", a.password_file) == 9
        assert code("login", "--password-file", a.root / "none") == 8
        a.password_file.write_text(PASSWORD + "\n")
        assert code("login", "--password-file", a.password_file) == 0
        a.umount(drive)
        device = json.loads(a.skymoor("whoami", "--json").stdout)["device_id"]
        a.skymoor("devices", "revoke", device)
        assert code("volume", "ls") == 3


def test_who_may_not_is_told_what():
    """Another user's state directory, and another user's server."""
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        w.root.chmod(0o755)
        nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        done = run(*nobody, SKYMOOR, "whoami", env=a.env, check=False)
        assert done.returncode == 9 and "ermission denied" in done.stderr, done.stderr
        assert str(a.root / "data" / "skymoor") in done.stderr
        done = run(*nobody, SKYMOORD, "admin", "user", "ls", "--data", w.server.data, check=False)
        assert done.returncode == 1 and "belongs to another user" in done.stderr, done.stderr
