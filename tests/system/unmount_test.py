"""What is left of a mount after its end: detached while programs use it, or dead. Shown, and a way out of each."""

import contextlib
import json
import os
import signal
import subprocess

from harness import SKYMOORD, mounted, process_state, wait_until, world


def fails(device, code, *args):
    done = device.skymoor(*args, check=False)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stderr


def dead_mounts(device):
    return json.loads(device.skymoor("status", "--json", check=False).stdout)["dead"]


def test_a_detached_mount_is_shown_and_can_be_ended():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        with open(drive / "file", "w", encoding="ascii", buffering=1) as file:
            file.write("before\n")
            a.umount(drive, "--lazy")
            assert not mounted(drive)
            file.write("after\n")
            state = a.status(drive)
            assert not state["attached"]
            assert "detached" in a.skymoor("status", drive).stdout
            a.sync(drive)
            assert f"umount --force {drive}" in a.skymoor("status").stdout
            assert "detached" in a.skymoor("doctor", check=False).stdout
            assert "still use it" in fails(a, 7, "umount", drive)
            assert f"umount --force {drive}" in fails(a, 7, "mount", "home", drive)
            assert not mounted(drive)
            a.umount(drive, "--force")
            assert process_state(state["pid"]) in ("", "Z")
            drive = a.mount("home")
            assert a.status(drive)["attached"]
            assert (drive / "file").read_text() == "before\nafter\n"
        a.umount(drive)
        assert a.skymoor("status").stdout == "Nothing is mounted.\n"


def test_a_detached_mount_beneath_another_is_the_one_that_is_ended():
    with world() as w:
        a = w.one_device()
        a.skymoor("volume", "create", "work")
        drive = a.mount("home")
        used = os.open(drive / "file", os.O_CREAT | os.O_RDWR)
        try:
            a.umount(drive, "--lazy")
            a.mount("work")
            assert [m["attached"] for m in a.status()["mounts"] if m["volume"] == "home"] == [False]
            assert "stays" in a.umount(drive, "--force").stdout
            assert [m["volume"] for m in a.status()["mounts"]] == ["work"] and mounted(drive)
        finally:
            with contextlib.suppress(OSError):   # nobody answers it
                os.close(used)
        a.umount(drive)


def test_a_detached_mount_ends_with_its_last_user():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        with open(drive / "file", "w", encoding="ascii") as file:
            pid = a.pid(drive)
            a.umount(drive, "--lazy")
            file.write("kept")
        wait_until(lambda: process_state(pid) in ("", "Z"), 30, "it ends by itself")
        drive = a.mount("home")
        assert (drive / "file").read_text() == "kept"
        a.umount(drive)


def test_a_dead_mount_is_shown():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home", "takeover=off")
        os.kill(a.pid(drive), signal.SIGKILL)
        wait_until(lambda: mounted(drive) and dead_mounts(a), 10, "it is shown")
        assert {"mount_point": str(drive), "source": "skymoor:home"} in dead_mounts(a)
        for command in (("status", drive), ("versions", drive / "file")):
            assert "its process has died" in fails(a, 8, *command)
        assert "Nothing is mounted" in a.skymoor("conflicts").stdout
        done = a.skymoor("status", check=False)
        assert done.returncode == 6 and f"umount {drive}" in done.stdout
        other = a.mount("home", name="other")
        assert not mounted(drive) and mounted(other), "the dead one went"
        a.umount(other)
        assert not mounted(drive) and not any(d["mount_point"] == str(drive) for d in dead_mounts(a))


def test_what_is_empty_names_nothing():
    """Most often a variable that was not set; an option that is left out means all."""
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        for command in ("sync", "status", "umount", "versions", "trash", "restore", "upgrade", "unpin"):
            assert "is empty" in fails(a, 2, command, "")
        assert mounted(drive)
        a.umount(drive)


def test_a_time_limit_needs_something_to_wait_for():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        assert "--wait" in fails(a, 2, "umount", drive, "--timeout", "5s")
        assert "--wait" in fails(a, 2, "pin", drive, "--timeout", "5s")
        assert mounted(drive)
        a.umount(drive)


def test_a_disk_with_less_than_the_reserve_is_told_of_at_once():
    with world() as w:
        a = w.one_device()
        drive = a.root / "drive"
        drive.mkdir()
        a.mounts.append(drive)
        told = a.skymoor("mount", "home", drive, "-o", "reserve=1TiB").stderr
        assert "reserve=SIZE" in told and "writes are refused" in told
        a.umount(drive)
        assert "reserve" not in a.skymoor("mount", "home", drive).stderr
        a.umount(drive)


def test_a_server_in_the_clear_says_so():
    with world() as w:
        for address, warned in (("127.0.0.1", False), ("0.0.0.0", True)):
            port, data, log = w.root / f"port-{address}", w.root / f"data-{address}", w.root / f"log-{address}"
            place = ["unshare", "--net"] if warned else []   # nobody reaches it there
            command = [*place, SKYMOORD, "serve", "--data", data, "--listen", f"{address}:0", "--port-file", port]
            with subprocess.Popen([*command, "--tls", "off", "--log-file", log]) as server:
                try:
                    wait_until(port.exists, 30, "it serves")
                finally:
                    server.terminate()
            assert ("server.unencrypted" in log.read_text()) == warned
