"""`skymoord backup`: a copy that a server can start with, made while the first one works."""

import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

from harness import SKYMOORD, assert_same_tree, run, tree_of, wait_until, world


def backup(w, *options, check=True):
    """`skymoord backup` of the world's server; its JSON answer."""
    done = run(SKYMOORD, "backup", "--data", w.server.data, "--to", w.root / "backup", "--json", *options, check=check)
    return json.loads(done.stdout) if check else done


def fsck(directory):
    """`skymoord fsck` of a copy of a backup: what is checked is written to."""
    trial = pathlib.Path(f"{directory}-trial")
    shutil.rmtree(trial, ignore_errors=True)
    shutil.copytree(directory, trial)
    done = json.loads(run(SKYMOORD, "fsck", "--data", trial, "--json").stdout)
    assert done["clean"], done


def test_a_working_server_is_backed_up():
    with world() as w:
        a, b = w.two_devices()
        left = a.mount("home", "commit-delay=0ms")
        over = threading.Event()

        def work():
            number = 0
            while not over.is_set():
                number += 1
                (left / f"f{number % 50}").write_bytes(os.urandom(200_000))
                (left / f"s{number % 50}").write_text(str(number))

        worker = threading.Thread(target=work)
        worker.start()
        try:
            wait_until(lambda: a.status(left)["position"]["sequence"] > 5, 30, "commits")
            for round_ in range(4):
                before = a.status(left)["position"]["sequence"]
                done = backup(w)
                assert done["ok"] and done["segments"] >= 1
                if round_ > 0:
                    assert done["kept_bytes"] > 0 and done["copied_bytes"] < done["kept_bytes"] + (64 << 20)
                fsck(w.root / "backup")
                wait_until(lambda at=before: a.status(left)["position"]["sequence"] > at, 30, "the server works on")
        finally:
            over.set()
            worker.join()
        a.sync(left)
        backup(w)
        again = backup(w)
        assert again["copied_bytes"] == 0, "nothing has changed"
        expected = tree_of(left)
        # What came after the backup is given back by the device that has it.
        (left / "later").write_text("after the backup")
        a.sync(left)
        w.server.stop()
        shutil.rmtree(w.server.data)
        shutil.copytree(w.root / "backup", w.server.data)
        w.server.start()
        a.sync(left)
        right = b.mount("home")
        wait_until(lambda: (right / "later").exists(), 60, "what was given back")
        assert {path: what for path, what in tree_of(left).items() if path in expected and path != "."} \
            == {path: what for path, what in expected.items() if path != "."}
        assert_same_tree(left, right)


def test_what_is_no_place_for_a_backup():
    with world() as w:
        w.one_device()
        other = w.root / "backup"
        other.mkdir()
        (other / "mine").write_text("something else")
        done = backup(w, check=False)
        assert done.returncode == 2 and "no backup" in done.stderr and (other / "mine").read_text() == "something else"
        for inside in (w.server.data, w.server.data / "copies", w.root):
            done = run(SKYMOORD, "backup", "--data", w.server.data, "--to", inside, check=False)
            assert done.returncode == 2 and "cannot be kept" in done.stderr, done
        assert run(SKYMOORD, "backup", "--data", w.root / "nothing", "--to", w.root / "copy", check=False).returncode == 1
        assert run(SKYMOORD, "backup", "--data", w.server.data, "--to", "", check=False).returncode == 2
        (other / "mine").unlink()
        backup(w, "--without-login-secrets")
        assert not [name for name in os.listdir(other) if name.startswith("keyservice")]
        assert {"metadata.db", "server.toml", "token.secret", "tls.key", "blocks"} <= set(os.listdir(other))
        assert (other / "metadata.db").stat().st_mode & 0o077 == 0
        # Of a server that does not run it is made as well.
        w.server.stop()
        backup(w)
        assert "keyservice.db" in os.listdir(other)
        fsck(other)


def filled(w, device, drive, names, size=300_000):
    """Files of random bytes, sent."""
    for name in names:
        (drive / name).write_bytes(os.urandom(size))
    device.sync(drive)


def test_a_backup_that_was_continued_elsewhere_is_made_right():
    """A server was tried on it: its segments have gone on in another way than those of the one that it is a copy of."""
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        filled(w, a, drive, ["one", "two"])
        backup(w)
        here = w.server.data
        w.server.stop()
        w.server.data = w.root / "backup"
        w.server.start()
        filled(w, a, drive, ["tried"])
        w.server.stop()
        a.umount(drive)
        w.server.data = here
        w.server.start()
        b = w.device("b")
        b.login(w.server)
        there = b.mount("home")
        filled(w, b, there, [f"more{i}" for i in range(5)])
        backup(w)
        fsck(w.root / "backup")
        assert backup(w)["copied_bytes"] == 0


def test_a_backup_is_of_one_server_and_whole():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        filled(w, a, drive, ["one"])
        place = w.root / "backup"
        backup(w)
        mark = (place / "backup.toml").read_text()
        assert "complete = true" in mark
        # Another server's.
        other = w.root / "other"
        process = subprocess.Popen([SKYMOORD, "serve", "--data", other, "--listen", "127.0.0.1:0"], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: (other / "token.secret").exists() and (other / "tls.crt").exists(), 30, "another server")
        finally:
            process.terminate()
            process.wait()
        done = run(SKYMOORD, "backup", "--data", other, "--to", place, check=False)
        assert done.returncode == 2 and "another server" in done.stderr, done
        # One that was cut short in the moment in which it is put together.
        (place / "backup.toml").write_text(mark.replace("true", "false"))
        done = run(SKYMOORD, "serve", "--data", place, "--listen", "127.0.0.1:0", check=False, timeout=20)
        assert done.returncode == 1 and "not finished" in done.stderr, done
        backup(w)
        fsck(place)
        # One that did not even begin leaves nothing behind.
        with open(w.server.data / "backup.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fresh = w.root / "fresh"
            busy = subprocess.Popen([SKYMOORD, "backup", "--data", w.server.data, "--to", fresh], stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            assert busy.poll() is None and not fresh.exists()
            busy.terminate()
            busy.wait()
        run(SKYMOORD, "backup", "--data", w.server.data, "--to", fresh)
        fsck(fresh)
