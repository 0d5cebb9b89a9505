"""skymoor bench, and what a mount's memory comes to with many files and many streams.

SKYMOOR_MEMORY_FILES: how many (20000); by hand 1000000.
"""

import concurrent.futures
import json
import os
import signal
import subprocess

from harness import SKYMOOR, mounted, run, wait_until, world

FILES = int(os.environ.get("SKYMOOR_MEMORY_FILES", "20000"))
STREAMS = 64
CLIENT_MIB = 256


def test_bench_measures_and_leaves_nothing():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")
        small = ("--megabytes", "2", "--files", "30", "--syncs", "3")
        table = json.loads(a.skymoor("bench", drive, *small, "--json").stdout)
        assert len(table["works"]) == 10
        assert all(row["here"] > 0 and row["compared"] > 0 for row in table["works"]), "the state directory stands beside it"
        text = a.skymoor("bench", drive, *small, "--compare", w.root).stdout
        assert "fdatasync" in text and str(w.root) in text
        assert os.listdir(drive) == [] and not list(w.root.glob("skymoor-bench*"))
        assert a.skymoor("bench", drive / "nowhere", check=False).returncode == 8
        with subprocess.Popen([str(SKYMOOR), "bench", str(drive), "--files", "1000000"], env=a.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as bench:
            wait_until(lambda: os.listdir(drive), 60, "bench at work")
            bench.send_signal(signal.SIGINT)
            bench.communicate(timeout=120)
            assert bench.returncode != 0
        assert os.listdir(drive) == []


def peak_mib(pid):
    """The most memory that the process ever had."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def at_once(count, work):
    """work(0), work(1), ... each in a thread."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))


def test_memory_stays_within_its_bounds():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")

        def fill(part):
            (drive / str(part)).mkdir()
            for number in range(FILES // 4):
                os.mknod(drive / str(part) / f"file with a name of a usual length {number}", 0o644)
        at_once(4, fill)
        (drive / "large").write_bytes(os.urandom(64 << 20))
        run("find", drive, "-newer", "/etc/hostname", "-name", "nothing", timeout=300 + FILES // 100)
        a.sync(drive, timeout=600 + FILES // 100)
        peak = peak_mib(a.pid(drive))
        assert peak < CLIENT_MIB, f"{peak:.0f} MiB"
        a.umount(drive)
        drive = a.mount("home")
        assert sum(len(files) for _, _, files in os.walk(drive)) == FILES + 1
        peak = peak_mib(a.pid(drive))
        assert peak < CLIENT_MIB / 2, f"{peak:.0f} MiB after a new start, when nothing was written"


def test_memory_stays_within_its_bounds_under_many_streams():
    """Writers beside readers of what is here, and readers of what only the server has."""
    with world() as w:
        a, b = w.two_devices()
        drive = a.mount("home")
        here = os.urandom(4 << 20)
        (drive / "here").write_bytes(here)

        def write_and_read(number):
            with open(drive / f"stream {number}", "wb") as f:
                for _ in range(4):
                    f.write(os.urandom(1 << 20))
                    assert (drive / "here").read_bytes() == here
                os.fsync(f.fileno())
        at_once(STREAMS, write_and_read)
        peak = peak_mib(a.pid(drive))
        assert peak < CLIENT_MIB, f"{peak:.0f} MiB with {STREAMS} writers"
        a.sync(drive, timeout=600)
        cold = b.mount("home")
        os.listdir(cold)
        at_once(STREAMS, lambda number: (cold / f"stream {number}").read_bytes())
        reading = peak_mib(b.pid(cold))
        assert reading < CLIENT_MIB, f"{reading:.0f} MiB with {STREAMS} cold readers"
        for number in (0, STREAMS - 1):
            assert (cold / f"stream {number}").read_bytes() == (drive / f"stream {number}").read_bytes()
        print(f"{STREAMS} streams: {peak:.0f} MiB writing, {reading:.0f} MiB reading what was not here")


def test_doctor_says_which_way_a_mount_uses():
    with world() as w:
        a = w.one_device()
        for options, words in (((), "answers; passthrough"), (("passthrough=off",), "answers; no passthrough: ")):
            drive = a.mount("home", *options)
            assert words in a.skymoor("doctor", check=False).stdout
            a.umount(drive)
            wait_until(lambda at=drive: not mounted(at), 30, "unmounted")
