"""kill -9 at awkward moments: what returned is kept."""

import os
import subprocess
import threading
import time

from harness import assert_same_tree, run, unmount_by_force, wait_until, world


def write_until_killed(drive, ledger):
    """Creates, writes, renames; notes each step after it returned."""
    number = 0
    try:
        while True:
            directory = drive / f"d{number // 50}"
            if number % 50 == 0:
                directory.mkdir()
            content = f"file {number} ".encode() * (1 + number % 700)
            with open(directory / f"t{number}", "wb") as f:
                f.write(content)
            os.rename(directory / f"t{number}", directory / f"f{number}")
            ledger[f"d{number // 50}/f{number}"] = content
            if number % 7 == 3:
                os.unlink(directory / f"f{number}")
                ledger[f"d{number // 50}/f{number}"] = None
            number += 1
    except OSError:
        return


def check_ledger(drive, ledger):
    assert len(ledger) > 50, f"only {len(ledger)} files were written before the kill"
    for name, content in ledger.items():
        path = drive / name
        if content is None:
            assert not path.exists(), f"{name} came back"
        else:
            assert path.read_bytes() == content, name


def test_kill_client_while_writing():
    with world() as w:
        a, b = w.two_devices()
        for round_number in range(3):
            drive = a.mount("home")
            ledger = {}
            place = drive / f"round{round_number}"
            place.mkdir()
            writer = threading.Thread(target=write_until_killed, args=(place, ledger))
            writer.start()
            time.sleep(1.0)
            wait_until(lambda done=ledger: len(done) > 60, 120, "files written before the kill")
            a.kill(drive)
            writer.join(30)
            assert not writer.is_alive()
            drive = a.mount("home")
            check_ledger(drive / f"round{round_number}", ledger)
            a.umount(drive)
        drive = a.mount("home")
        a.sync(drive)
        assert_same_tree(drive, b.mount("home"))
        w.assert_in_order()


def test_kill_client_during_untar():
    with world() as w:
        a, b = w.two_devices()
        run("tar", "-cf", w.root / "tree.tar", "-C", "/usr/lib", "python3.11")
        run("tar", "-xf", w.root / "tree.tar", "-C", w.root)
        drive = a.mount("home")
        with subprocess.Popen(["tar", "-xvf", str(w.root / "tree.tar"), "-C", str(drive)], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as tar:
            names = []
            for line in tar.stdout:
                names.append(line.strip())
                if len(names) == 800:
                    a.kill(drive)
            tar.wait()
        drive = a.mount("home")
        # tar names a file before it writes it: all but the last few named before the kill were finished.
        for name in names[:790]:
            whole, kept = w.root / name, drive / name
            if whole.is_symlink():
                # tar makes absolute links last of all, and until then a placeholder.
                assert os.path.isabs(os.readlink(whole)) or os.readlink(whole) == os.readlink(kept)
            elif whole.is_file():
                assert kept.read_bytes() == whole.read_bytes(), name
            else:
                assert kept.is_dir()
        run("tar", "-xf", w.root / "tree.tar", "-C", drive)
        assert_same_tree(w.root / "python3.11", drive / "python3.11")
        a.sync(drive)
        assert_same_tree(drive, b.mount("home"))
        w.assert_in_order()


def test_kill_server_during_upload():
    """The client carries on, and nothing acknowledged is missing."""
    with world() as w:
        a, b = w.two_devices()
        drive = a.mount("home")
        acknowledged = {}
        for number in range(4):
            content = os.urandom(3 << 20)
            (drive / f"kept{number}").write_bytes(content)
            acknowledged[f"kept{number}"] = content
        a.sync(drive)
        for number in range(20):
            (drive / f"more{number}").write_bytes(os.urandom(4 << 20))
        time.sleep(0.3)
        w.server.kill()
        # Local work goes on without the server.
        start = time.monotonic()
        for number in range(100):
            (drive / f"offline{number}").write_bytes(b"offline")
        os.rename(drive / "offline0", drive / "renamed")
        assert time.monotonic() - start < 10
        wait_until(lambda: not a.status(drive)["online"], 60, "status says offline")
        w.server.start()
        a.sync(drive)
        other = b.mount("home")
        for name, content in acknowledged.items():
            assert (other / name).read_bytes() == content
        assert_same_tree(drive, other)
        w.assert_in_order()


def test_clean_restart_with_everything_pending():
    """umount is fast with unsynced changes; they go up after the next mount."""
    with world() as w:
        a, b = w.two_devices()
        drive = a.mount("home")
        w.server.stop()
        run("cp", "-a", "/usr/src/googletest", drive / "tree")
        start = time.monotonic()
        a.umount(drive)
        assert time.monotonic() - start < 10
        unmount_by_force(drive)
        drive = a.mount("home")
        assert_same_tree("/usr/src/googletest", drive / "tree")
        w.server.start()
        a.sync(drive)
        assert_same_tree(drive, b.mount("home"))
        w.assert_in_order()
