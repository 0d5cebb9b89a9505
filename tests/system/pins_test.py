"""Pinned trees are fetched, kept through eviction and restarts, and followed as other devices change them."""

import json
import os
import time

from harness import tree_of, wait_until, world


def pins(device):
    return json.loads(device.skymoor("pin", "--list", "--json").stdout)["pins"]


def here(device, path):
    return [p for p in pins(device) if p["path"] == str(path) and p["missing_files"] == p["unlisted"] == 0 and p["files"] > 0]


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_pinned_trees_are_read_without_the_server():
    with world() as w:
        a, b = w.two_devices()
        left = a.mount("home")
        (left / "trip" / "deep").mkdir(parents=True)
        for number in range(40):
            (left / "trip" / f"small{number}").write_bytes(os.urandom(3000 + number))
        (left / "trip" / "deep" / "large").write_bytes(os.urandom(20 << 20))
        (left / "elsewhere").write_bytes(os.urandom(2 << 20))
        a.sync(left)

        # A cache that is smaller than what is pinned: the pin counts for more.
        right = b.mount("home", "cache-size=16MiB")
        assert (right / "trip" / "small1").exists()
        assert os.getxattr(right / "trip" / "small1", "user.skymoor.state") == b"remote-only"
        b.skymoor("pin", right / "trip", "--wait", "--timeout", "120s")
        assert here(b, right / "trip")
        assert os.getxattr(right / "trip" / "small1", "user.skymoor.state") == b"synced"
        (right / "elsewhere").read_bytes()
        wait_until(lambda: os.getxattr(right / "elsewhere", "user.skymoor.state") == b"remote-only", 120,
                   "eviction of what is not pinned")
        assert b.status(right)["cache"]["clean_bytes"] > 20 << 20

        # What another device makes or changes in the tree comes by itself.
        (left / "trip" / "deep" / "new").write_bytes(os.urandom(500_000))
        (left / "trip" / "small0").write_bytes(os.urandom(70_000))
        (left / "trip" / "more" / "levels").mkdir(parents=True)
        (left / "trip" / "more" / "levels" / "file").write_text("far down")
        a.sync(left)
        wait_until(lambda: (right / "trip" / "more" / "levels" / "file").exists(), 30, "new names")
        wait_until(lambda: here(b, right / "trip") and here(b, right / "trip")[0]["files"] == 43, 60, "new files fetched")

        # Restarted without a server, everything pinned is readable.
        expected = tree_of(left / "trip")
        w.server.stop()
        b.umount(right)
        right = b.mount("home", "cache-size=16MiB", "read-timeout=2s")
        assert tree_of(right / "trip") == expected
        used = processor_seconds(b.pid(right))
        time.sleep(3)
        used = processor_seconds(b.pid(right)) - used
        assert used < 1.5, f"{used} s of processor time in 3 s of rest"
        assert tree_of(right / "trip") == expected
        w.server.start()
        b.sync(right)

        done = b.skymoor("unpin", right / "elsewhere", check=False)
        assert done.returncode == 8 and "not pinned itself" in done.stderr
        b.skymoor("unpin", right / "trip")
        assert pins(b) == []
        wait_until(lambda: b.status(right)["cache"]["clean_bytes"] <= 16 << 20, 90, "eviction after unpin")


def test_a_pin_made_without_the_server_is_kept_for_later():
    with world() as w:
        a, b = w.two_devices()
        left = a.mount("home")
        (left / "dir").mkdir()
        (left / "dir" / "file").write_bytes(os.urandom(300_000))
        a.sync(left)
        right = b.mount("home", "read-timeout=2s")
        assert os.listdir(right) == ["dir"]
        w.server.stop()
        b.skymoor("pin", right / "dir")
        done = b.skymoor("pin", right / "dir", "--wait", "--timeout", "1s", check=False)
        assert done.returncode == 5 and "not everything is here" in done.stderr
        w.server.start()
        b.skymoor("pin", right / "dir", "--wait", "--timeout", "120s")
        w.server.stop()
        assert (right / "dir" / "file").read_bytes() == (left / "dir" / "file").read_bytes()
        w.server.start()


def test_what_comes_from_where_nobody_looked_is_here():
    """Of a file that another device moves in from an unknown directory the feed tells the name, and not what it is."""
    with world() as w:
        a, b = w.two_devices()
        left = a.mount("home")
        for directory in ("far", "trip", "seen"):
            (left / directory).mkdir()
            (left / directory / "own").write_text(directory)
        for name in ("one", "two"):
            (left / "far" / name).write_bytes(os.urandom(200_000))
        a.sync(left)
        right = b.mount("home", "read-timeout=2s")
        b.skymoor("pin", right / "trip", "--wait", "--timeout", "60s")
        assert os.listdir(right / "seen") == ["own"]
        (left / "far" / "one").rename(left / "trip" / "one")
        (left / "far" / "two").rename(left / "seen" / "two")
        one = (left / "trip" / "one").read_bytes()
        a.sync(left)
        # Nobody looks, which would be what lists the directories.
        head = a.status(left)["position"]["sequence"]
        wait_until(lambda: b.status(right)["position"]["sequence"] >= head, 30, "the news")
        wait_until(lambda: here(b, right / "trip") and here(b, right / "trip")[0]["files"] == 2, 30, "the pinned newcomer")
        time.sleep(2)
        w.server.stop()
        assert (right / "trip" / "one").read_bytes() == one
        assert sorted(os.listdir(right / "seen")) == ["own", "two"]
        (right / "seen" / "new").write_text("made without a network")
        w.server.start()
        b.sync(right)
        a.sync(left)
        wait_until(lambda: (left / "seen" / "new").exists(), 30, "the new one")
