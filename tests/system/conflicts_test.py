"""Conflict copies are listed with where they come from, and resolved without losing either side."""

import json
import os

from harness import tree_of, wait_until, world


def conflicts(device, *path):
    return json.loads(device.skymoor("conflicts", "--json", *path).stdout)["conflicts"]


def make_conflict(w, a, left, b, right, name, mine="from a", theirs="from b"):
    """Both devices edit while the server is away; the path of the copy on each."""
    (left / name).write_text("common")
    a.sync(left)
    wait_until(lambda: (right / name).exists() and (right / name).read_text() == "common", 30, "common version")
    before = set(os.listdir(left))
    w.server.stop()
    (left / name).write_text(mine)
    (right / name).write_text(theirs)
    w.server.start()
    a.sync(left)
    b.sync(right)
    wait_until(lambda: len(os.listdir(left)) == len(before) + 1 and sorted(os.listdir(left)) == sorted(os.listdir(right)), 60,
               "the copy on both devices")
    copy = (set(os.listdir(left)) - before).pop()
    return left / copy, right / copy


def same_trees(a, left, b, right):
    a.sync(left)
    b.sync(right)
    wait_until(lambda: tree_of(left) == tree_of(right), 60, "same trees")


def test_conflicts_are_listed_and_resolved():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        assert conflicts(a) == []
        (left / "deep").mkdir()
        on_left, on_right = make_conflict(w, a, left, b, right, "note.txt")
        listed = {side: conflicts(device, mount)[0] for side, device, mount in (("a", a, left), ("b", b, right))}
        assert listed["a"]["path"] == str(on_left) and listed["a"]["original"] == str(left / "note.txt")
        assert listed["a"]["this_device"] != listed["b"]["this_device"]
        assert listed["a"]["device"] == listed["b"]["device"] and len(listed["a"]["date"]) == 10
        assert conflicts(a, left / "deep") == []
        wait_until(lambda: os.getxattr(on_left, "user.skymoor.state") == b"conflict", 30, "state of the copy")

        # Keep mine, told to the device that made the copy: its edit takes the name back.
        device, copy, mount = (a, on_left, left) if listed["a"]["this_device"] else (b, on_right, right)
        text = copy.read_text()
        device.skymoor("conflicts", "resolve", copy, "--keep", "mine")
        assert (mount / "note.txt").read_text() == text and not copy.exists()
        same_trees(a, left, b, right)
        assert conflicts(a) == [] and conflicts(b) == []
        # What it replaced is still to be had.
        versions = json.loads(device.skymoor("versions", "--json", mount / "note.txt").stdout)["versions"]
        assert len(versions) >= 3
        other = "from a" if text == "from b" else "from b"
        found = set()
        for number, version in enumerate(versions):
            device.skymoor("restore", mount / "note.txt", "--version", version["version"], "--to", w.root / f"v{number}")
            found.add((w.root / f"v{number}").read_text())
        assert {text, other, "common"} <= found

        # Keep theirs, named by the original; the copy goes to the trash.
        make_conflict(w, a, left, b, right, "other.txt", "one", "two")
        mine = conflicts(a, left)[0]
        device, mount = (a, left) if mine["this_device"] else (b, right)
        text = (mount / "other.txt").read_text()
        device.skymoor("conflicts", "resolve", mount / "other.txt", "--keep", "theirs")
        assert (mount / "other.txt").read_text() == text
        same_trees(a, left, b, right)
        assert conflicts(b) == []

        # Keep both: the copy loses the mark.
        copy, _ = make_conflict(w, a, left, b, right, "both.txt", "eins", "zwei")
        a.skymoor("conflicts", "resolve", copy, "--keep", "both")
        assert conflicts(a) == []
        names = [n for n in os.listdir(left) if n.startswith("both")]
        assert len(names) == 2 and {(left / n).read_text() for n in names} == {"eins", "zwei"}
        same_trees(a, left, b, right)


def test_nothing_unsent_is_thrown_away():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        copy, _ = make_conflict(w, a, left, b, right, "note")
        w.server.stop()
        copy.write_text("only here")
        done = a.skymoor("conflicts", "resolve", copy, "--keep", "original", "--timeout", "1s", check=False)
        assert done.returncode in (4, 5) and "would be lost" in done.stderr, done
        assert copy.read_text() == "only here"
        done = a.skymoor("conflicts", "resolve", left / "missing", "--keep", "both", check=False)
        assert done.returncode == 8 and "is no conflict copy" in done.stderr
        w.server.start()
        a.sync(left)
        a.skymoor("conflicts", "resolve", copy, "--keep", "original")
        assert os.listdir(left) == ["note"]
