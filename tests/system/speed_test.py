"""skymoor bench, and what a mount's memory comes to with many files."""

import json
import os
import signal
import subprocess
import threading

from harness import SKYMOOR, run, wait_until, world

FILES = 20000
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


def test_memory_stays_within_its_bounds():
    with world() as w:
        a = w.one_device()
        drive = a.mount("home")

        def fill(part):
            (drive / str(part)).mkdir()
            for number in range(FILES // 4):
                os.mknod(drive / str(part) / f"file with a name of a usual length {number}", 0o644)
        threads = [threading.Thread(target=fill, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (drive / "large").write_bytes(os.urandom(64 << 20))
        run("find", drive, "-newer", "/etc/hostname", "-name", "nothing", timeout=300)
        a.sync(drive, timeout=600)
        peak = peak_mib(a.pid(drive))
        assert peak < CLIENT_MIB, f"{peak:.0f} MiB"
        a.umount(drive)
        drive = a.mount("home")
        assert sum(len(files) for _, _, files in os.walk(drive)) == FILES + 1
        peak = peak_mib(a.pid(drive))
        assert peak < CLIENT_MIB / 2, f"{peak:.0f} MiB after a new start, when nothing was written"
