"""A thread that makes no progress, though it does not wait for the network, is named with its stack."""

import os
import subprocess
import threading
import time

from faults import Fault, ordered
from harness import wait_until, world

STUCK_S = 1
AT_ONCE_S = 2
PATIENCE_S = 17    # less than the ordered hang lasts


def logged(device, what):
    """Lines of the mount's log with `what`."""
    return [line for log in device.root.glob("data/**/*.log") for line in log.read_text(errors="replace").splitlines() if what in line]


def test_a_disk_that_hangs_shows_in_status_and_log():
    with world(expect_clean=False) as w:
        w.server.start()
        a = w.device("a")
        a.signup(w.server)
        a.skymoor("volume", "create", "home")
        fault = Fault("hang:file.sync:1:/backing/", w.root / "fault-report")
        with ordered(a, fault):
            drive = a.mount("home", f"stuck-after={STUCK_S}s")
        assert a.status(drive)["stuck"] == []

        def write_and_sync():
            with open(drive / "large", "wb") as f:
                f.write(bytes(4 << 20))
                f.flush()
                os.fsync(f.fileno())

        writer = threading.Thread(target=write_and_sync)
        writer.start()
        try:
            wait_until(lambda: a.status(drive)["stuck"], PATIENCE_S, "status names the thread")
            stuck, = a.status(drive)["stuck"]
            assert stuck["thread"].startswith(("fuse-", "local")) and stuck["seconds"] >= STUCK_S
            assert "sync" in stuck["stack"]
            assert stuck["thread"] in a.skymoor("status").stdout
            line, = logged(a, "watchdog.thread_stuck")
            assert "sync" in line
            assert os.listdir(drive) == ["large"], "the others go on"
        finally:
            writer.join(60)
        wait_until(lambda: not a.status(drive)["stuck"], 30, "it goes on")
        assert logged(a, "watchdog.thread_goes_on")
        fault.assert_fired()
        a.umount(drive)


def test_status_and_df_wait_for_nobody_who_is_stuck():
    """Once a status waited for the lock of the names, which the stuck thread held, as soon as something was being sent."""
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        fault = Fault("hang:file.write:400:/log-", w.root / "fault-report")
        with ordered(a, fault):
            drive = a.mount("home", f"stuck-after={STUCK_S}s", "upload-limit=200KiB")
        # More than may be on its way at once: a file is told as being sent while it is read.
        (drive / "large").write_bytes(os.urandom(100 << 20))
        wait_until(lambda: a.status(drive)["transfers"], 30, "something is being sent")

        def make_files():
            for n in range(1000):
                (drive / f"f{n}").touch()
                if fault.fired():
                    return

        writer = threading.Thread(target=make_files)
        writer.start()
        try:
            wait_until(fault.fired, 60, "the log hangs")
            for what in (lambda: a.status(drive), lambda: os.statvfs(drive)):
                begin = time.monotonic()
                what()
                assert time.monotonic() - begin < AT_ONCE_S
            # More callers than there are threads, and all wait for the one that is stuck.
            waiting = [subprocess.Popen(["stat", str(drive / f"none{n}")], stderr=subprocess.DEVNULL) for n in range(4)]
            time.sleep(0.5)
            begin = time.monotonic()
            os.statvfs(drive)
            assert time.monotonic() - begin < PATIENCE_S / 2
            assert not [one for one in waiting if one.poll() is not None], "the hang was over before"
            wait_until(lambda: a.status(drive)["stuck"], PATIENCE_S / 2, "status names the thread")
            assert writer.is_alive(), "the hang was over before"
        finally:
            writer.join(60)
        assert [one.wait(30) for one in waiting] == [1] * 4
        a.umount(drive)


def test_nobody_is_stuck_who_waits_for_the_server():
    with world() as w:
        a, _ = w.two_devices()
        drive = a.mount("home", f"stuck-after={STUCK_S}s")
        w.server.pause()
        (drive / "unsent").write_bytes(os.urandom(3 << 20))
        time.sleep(4 * STUCK_S)
        assert a.status(drive)["stuck"] == []
        w.server.go_on()
        a.sync(drive)
        assert not logged(a, "watchdog")
        a.umount(drive)
