"""Conflict copies are listed with where they come from, and resolved without losing either side."""

import contextlib
import json
import mmap
import os

import pytest
from faults import Fault, assert_soon_same_tree, ordered
from harness import CommandFailed, wait_until, world
from lines import Line
from system_calls import link_descriptor


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
    assert_soon_same_tree(left, right)


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


def test_a_file_with_several_names_takes_what_is_kept():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        (left / "plan").write_text("common")
        os.link(left / "plan", left / "other name")
        copy, _ = make_conflict(w, a, left, b, right, "plan")
        kept = copy.read_text()
        a.skymoor("conflicts", "resolve", copy, "--keep", "copy")
        assert (left / "plan").read_text() == (left / "other name").read_text() == kept
        assert (left / "plan").stat().st_ino == (left / "other name").stat().st_ino and not copy.exists()
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


def two_devices_and_a_line(w):
    """Two logged-in devices with a volume; the first one's way to the server is the line."""
    line = Line(w.server.start().port)
    a, b = w.device("a"), w.device("b")
    a.signup(line)
    a.skymoor("volume", "create", "home")
    b.login(w.server)
    return line, a, b


@pytest.mark.parametrize("passthrough", ["auto", "off"])
def test_a_program_goes_on_with_the_file_that_it_opened(passthrough):
    """Its descriptor and its mapping are the copy's from then on, the name is the other side's: neither reaches the other."""
    theirs = b"theirs " * 1000
    with world() as w:
        line, a, b = two_devices_and_a_line(w)
        left, right = a.mount("home", f"passthrough={passthrough}"), b.mount("home")
        (left / "doc").write_bytes(b"common " * 1000)
        a.sync(left)
        wait_until(lambda: (right / "doc").exists(), 30, "the common version")
        line.set("cut")
        (right / "doc").write_bytes(theirs)
        b.sync(right)
        fd = os.open(left / "doc", os.O_RDWR)
        os.pwrite(fd, b"mine", 0)
        mapped = mmap.mmap(fd, 4096)
        mapped[100:110] = b"by mapping"
        line.set("up")
        wait_until(lambda: len(os.listdir(left)) == 2, 60, "a conflict copy")
        copy = next(left / name for name in os.listdir(left) if name != "doc")

        assert (left / "doc").read_bytes() == theirs
        assert os.pread(fd, 4, 0) == b"mine" and os.pread(fd, 10, 100) == b"by mapping"
        mapped[0:4] = b"Mine"
        mapped.flush()
        assert copy.read_bytes()[:4] == b"Mine"
        mapped.close()
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"after", 0)
        os.fchmod(fd, 0o640)
        os.fsync(fd)
        assert os.fstat(fd).st_size == 5 and os.fstat(fd).st_ino == copy.stat().st_ino
        assert copy.read_bytes() == b"after" and copy.stat().st_mode & 0o777 == 0o640
        with open(left / "doc", "r+b") as other:
            other.write(b"THEIRS")
        a.kill_worker(left)
        os.pwrite(fd, b" all", 5)
        assert os.pread(fd, 100, 0) == copy.read_bytes() == b"after all"
        assert (left / "doc").read_bytes() == b"THEIRS" + theirs[6:]
        os.close(fd)
        same_trees(a, left, b, right)
        assert (right / copy.name).read_bytes() == b"after all"
        assert (right / "doc").read_bytes() == b"THEIRS" + theirs[6:]
        line.close()


def is_served(device):
    with contextlib.suppress(CommandFailed):   # it does not answer yet
        return bool(device.status()["mounts"])
    return False


@pytest.mark.parametrize("plan", ["ENOSPC:file.write:2+:/nodes.new", "kill:file.write:2:/nodes.new"])
@pytest.mark.parametrize("mine", [b"mine", b""])
def test_it_does_so_though_nobody_could_write_down_whose_it_is(plan, mine):
    """The list of moved contents cannot be written when they have moved, or the process dies then; and the next one dies, too."""
    with world(expect_clean=False) as w:
        line, a, b = two_devices_and_a_line(w)
        fault = Fault(plan, w.root / "fault-report")
        with ordered(a, fault):
            left = a.mount("home", "passthrough=off")
        right = b.mount("home")
        (left / "doc").write_bytes(b"common")
        a.sync(left)
        wait_until(lambda: (right / "doc").exists(), 30, "the common version")
        line.set("cut")
        (right / "doc").write_bytes(b"theirs")
        b.sync(right)
        fd = os.open(left / "doc", os.O_RDWR)
        os.ftruncate(fd, 0)
        os.pwrite(fd, mine, 0)
        line.set("up")
        wait_until(fault.fired, 60, "contents that move")
        wait_until(lambda: len(os.listdir(left)) == 2, 60, "a conflict copy")
        copy = next(left / name for name in os.listdir(left) if name != "doc")
        for _ in range(2):
            a.kill_worker(left)
            wait_until(lambda: is_served(a), 30, "the next process")
            assert os.pread(fd, 100, 0) == copy.read_bytes() == mine
        os.pwrite(fd, b"MINE", 0)
        os.close(fd)
        assert copy.read_bytes() == b"MINE" and (left / "doc").read_bytes() == b"theirs"
        a.sync(left)
        line.close()


def test_a_file_that_got_its_name_late_keeps_what_it_had_before():
    """Content, attributes and list of an unnamed file are part of the record that names it, also when that is planned anew."""
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        w.server.stop()
        (left / "same").write_text("from a")
        (left / "other").write_text("the first")
        fd = os.open(right, os.O_RDWR | os.O_TMPFILE)
        os.write(fd, b"from b" * 1000)
        os.setxattr(fd, "user.kind", b"late")
        link_descriptor(fd, right / "same")
        os.write(fd, b" and more")
        link_descriptor(fd, right / "second")
        os.close(fd)
        emptied = os.open(right, os.O_RDWR | os.O_TMPFILE)
        os.write(emptied, b"cut")
        os.ftruncate(emptied, 0)
        link_descriptor(emptied, right / "emptied")
        os.write(emptied, b"new")
        os.close(emptied)
        w.server.start()
        a.sync(left)
        b.sync(right)
        same_trees(a, left, b, right)
        names = sorted(os.listdir(left))
        assert len(names) == 5 and len([n for n in names if n.startswith("same")]) == 2, names
        both = {n: (left / n).read_bytes() for n in names if n.startswith("same")}
        late = next(n for n in both if both[n] != b"from a")   # whoever came second has the longer name
        assert sorted(both.values()) == [b"from a", b"from b" * 1000 + b" and more"]
        assert (left / late).stat().st_ino == (left / "second").stat().st_ino
        for side in (left, right):
            assert os.getxattr(side / late, "user.kind") == b"late"
            assert (side / "emptied").read_bytes() == bytes(3) + b"new"
