"""A state directory that was copied to another place: the copy notices, and goes on as a device of its own with all it has."""

import json
import os
import shutil

import pytest

from faults import Fault, ordered
from harness import SKYMOORD, assert_same_tree, mounted, run, wait_until, world
from sealed_database import changed_database


def copied(w, device, name):
    """Another machine with what `device` has on its disks."""
    copy = w.device(name)
    for part in ("data", "cache"):
        (copy.root / part).rmdir()
        shutil.copytree(device.root / part, copy.root / part, symlinks=True)
    return copy


def status_of(device):
    """That of the one mount; the command's exit code says, too, when it has stopped."""
    return json.loads(device.skymoor("status", "--json", check=False).stdout)["mounts"][0]


def noticed(copy):
    """Waits until the copy has stopped; what it tells."""
    wait_until(lambda: status_of(copy)["stopped"], 60, "the copy notices")
    return status_of(copy)["offline_reason"]


def go_on(copy, point):
    """What the message says; then the copy is a device of its own."""
    copy.umount(point)
    copy.skymoor("login", "--password-file", copy.password_file)
    return copy.mount("home")


def use(point, who):
    """Changes of every kind; contents that must not be lost, by their text."""
    texts = {f"{who} {i} " * (1 + i * 700): f"{who}-{i}" for i in range(5)}
    for text, name in texts.items():
        (point / name).write_text(text)
    (point / "both changed").write_text(f"changed by {who}")
    os.makedirs(point / f"folder of {who}" / "in it", exist_ok=True)
    os.rename(point / f"{who}-0", point / f"folder of {who}" / "in it" / "renamed")
    os.link(point / f"{who}-1", point / f"linked by {who}")
    os.symlink(f"{who}-2", point / f"symlink of {who}")
    os.setxattr(point / f"{who}-3", "user.by", who.encode())
    with open(point / f"{who}-4", "r+b") as f:
        f.seek(1000)
        f.write(b"in the middle")
    texts.pop(f"{who} 4 " * (1 + 4 * 700))
    return set(texts) | {f"changed by {who}"}


def contents(point):
    """The bytes of every file below."""
    found = set()
    for directory, _, names in os.walk(point):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                with open(path, encoding="utf-8") as f:
                    found.add(f.read())
    return found


def prepared(w):
    """A device with files, and a copy of its state that has unsent changes the other has, too; their mounts."""
    a = w.one_device()
    left = a.mount("home")
    (left / "both changed").write_text("before")
    (left / "gone").write_text("gone")
    a.sync(left)
    w.server.stop()
    (left / "unsent in both").write_text("unsent in both")
    a.umount(left)
    copy = copied(w, a, "copy")
    w.server.start()
    left = a.mount("home")
    mine = use(left, "original")
    os.unlink(left / "gone")
    a.sync(left)
    w.server.stop()
    right = copy.mount("home")
    theirs = use(right, "copy")
    w.server.start()
    return a, copy, left, right, mine | theirs | {"unsent in both"}


def test_a_copy_goes_on_as_a_device_of_its_own_and_nothing_is_lost():
    with world(expect_clean=False) as w:
        a, copy, left, right, written = prepared(w)
        assert "skymoor login" in noticed(copy)
        (right / "while stopped").write_text("while stopped")   # it works on, as without a server
        before = {json.dumps(device) for device in json.loads(a.skymoor("devices", "ls", "--json").stdout)["devices"]}
        refused = copy.skymoor("login", "--password-file", copy.password_file, check=False)
        assert refused.returncode != 0 and "umount" in refused.stderr, "its numbers cannot change under an open mount"
        inode = os.stat(right / "copy-2").st_ino
        right = go_on(copy, right)
        assert os.stat(right / "copy-2").st_ino != inode
        copy.sync(right)
        (left / "later").write_text("later")
        a.sync(left)
        wait_until(lambda: (right / "later").exists() and (left / "while stopped").exists(), 60, "both see both")
        wait_until(lambda: sorted(os.listdir(left)) == sorted(os.listdir(right)), 60, "the same names")
        assert_same_tree(left, right)
        there = contents(left)
        assert written | {"while stopped", "later"} <= there, [text[:40] for text in written - there]
        assert not (left / "gone").exists()
        devices = json.loads(a.skymoor("devices", "ls", "--json").stdout)["devices"]
        assert len(devices) == len(before) + 1
        fresh = w.device("fresh")
        fresh.login(w.server)
        assert_same_tree(left, fresh.mount("home"))
        # Both go on, one against the other.
        (right / "copy-2").write_text("again")
        copy.sync(right)
        wait_until(lambda: (left / "copy-2").read_text() == "again", 60, "a change of the copy")
        for device, point in ((a, left), (copy, right)):
            assert not device.status(point)["stopped"]
            device.umount(point)
            device.fsck()
        fresh.umount(fresh.mounts[0])
        w.server.stop()
        run(SKYMOORD, "fsck", "--data", w.server.data)


@pytest.mark.parametrize("point, path", [("app.new_writer.swap", ""), ("disk.rename", ":/metadata.next"), ("disk.rename", ":/backing/")])
def test_a_kill_while_the_numbers_change_loses_nothing(point, path):
    with world(expect_clean=False) as w:
        a, copy, left, right, written = prepared(w)
        noticed(copy)
        copy.umount(right)
        copy.skymoor("login", "--password-file", copy.password_file)
        with ordered(copy, Fault(f"kill:{point}:1{path}", copy.root / "fault-report")) as fault:
            copy.mount("home", check=False)
            fault.assert_fired()
        if mounted(right):
            copy.umount(right)
        right = copy.mount("home")
        copy.sync(right)
        a.sync(left)
        wait_until(lambda: sorted(os.listdir(left)) == sorted(os.listdir(right)), 60, "the same names")
        assert_same_tree(left, right)
        assert written <= contents(left)
        copy.umount(right)
        copy.fsck()


def test_what_is_unsent_is_seen_while_the_state_is_between_two_numbers():
    """For that moment there is no journal under its name: a logout took it for a volume that was never mounted."""
    with world(expect_clean=False) as w:
        a, copy, left, right, written = prepared(w)
        noticed(copy)
        copy.umount(right)
        copy.skymoor("login", "--password-file", copy.password_file)
        with ordered(copy, Fault("kill:app.new_writer.swap:1", copy.root / "fault-report")) as fault:
            copy.mount("home", check=False)
            fault.assert_fired()
        refused = copy.skymoor("logout", "--forget", check=False)
        assert refused.returncode == 7 and "unsent" in refused.stderr, refused.stderr
        right = copy.mount("home")
        copy.sync(right)
        a.sync(left)
        assert written <= contents(left)
        refused = copy.skymoor("logout", "--forget", check=False)
        assert refused.returncode == 7 and "mounted" in refused.stderr, refused.stderr
        copy.umount(right)   # files without a name are cleared away: a record more, and nothing to send
        copy.skymoor("logout", "--forget")


def set_role(w, volume, role):
    """Of the account in the volume, behind the server's back: 1 reader, 3 owner."""
    w.server.stop()
    with changed_database(w.server.data / "metadata.db") as db:
        done = db.execute("UPDATE members SET role=? WHERE volume=(SELECT number FROM volumes WHERE id=?)",
                          (role, bytes.fromhex(volume)))
        assert done.rowcount == 1
    w.server.start()


def test_a_volume_that_is_only_read_goes_on_with_the_new_device():
    with world(expect_clean=False) as w:
        a = w.one_device()
        a.skymoor("volume", "create", "library")
        volumes = json.loads(a.skymoor("volume", "ls", "--json").stdout)["volumes"]
        library = next(volume["id"] for volume in volumes if volume["name"] == "library")
        books = a.mount("library", name="books")
        (books / "book").write_text("a book")
        a.sync(books)
        a.umount(books)
        set_role(w, library, 1)
        b = w.device("b")
        b.login(w.server)
        home, shelf = b.mount("home"), b.mount("library", name="shelf")
        assert (shelf / "book").read_text() == "a book"
        with pytest.raises(OSError):
            (shelf / "mine").write_text("not allowed")
        b.umount(shelf)
        (home / "mine").write_text("mine")
        b.umount(home)
        copy = copied(w, b, "copy")
        home = b.mount("home")
        (home / "more").write_text("more")
        b.sync(home)
        right = copy.mount("home")
        noticed(copy)
        right = go_on(copy, right)
        shelf = copy.mount("library", name="shelf")
        assert (shelf / "book").read_text() == "a book"
        with pytest.raises(OSError):
            (shelf / "mine").write_text("not allowed")
        set_role(w, library, 3)
        books = a.mount("library", name="books")
        (books / "another").write_text("another book")
        a.sync(books)
        wait_until((shelf / "another").exists, 60, "the reader hears of it")
        assert (shelf / "another").read_text() == "another book"
        for device, point in ((a, books), (b, home), (copy, shelf), (copy, right)):
            device.umount(point)
        for device in (a, b, copy):
            device.fsck()


def test_a_revoked_device_goes_on_as_a_new_one():
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        (left / "f").write_text("f")
        a.sync(left)
        wait_until((right / "f").exists, 30, "f")
        w.server.stop()
        (right / "unsent").write_text("unsent")
        b.umount(right)
        w.server.start()
        devices = json.loads(a.skymoor("devices", "ls", "--json").stdout)["devices"]
        mine = json.loads(b.skymoor("whoami", "--json", check=False).stdout)["device_id"]
        assert mine in {device["id"] for device in devices}
        a.skymoor("devices", "revoke", mine)
        refused = b.skymoor("login", "--password-file", b.password_file, check=False)
        assert refused.returncode != 0 and "--new-device" in refused.stderr
        b.skymoor("login", "--new-device", "--password-file", b.password_file)
        right = b.mount("home")
        b.sync(right)
        wait_until((left / "unsent").exists, 30, "what was unsent")
        assert_same_tree(left, right)
