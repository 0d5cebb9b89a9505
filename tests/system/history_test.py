"""Older versions and deleted entries are listed and brought back, on any device, and a restore loses nothing itself."""

import contextlib
import json
import os
import sqlite3
import subprocess
import time

from faults import assert_soon_same_tree
from harness import assert_same_tree, tree_of, wait_until, world


def listed(device, path):
    return json.loads(device.skymoor("versions", "--json", path).stdout)["versions"]


def trash(device, path):
    return json.loads(device.skymoor("trash", "--json", path).stdout)["entries"]


def fails(device, code, *args):
    done = device.skymoor(*args, check=False)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stderr


# Each reader of a database opens it for writing, too: it made a version, and another device's copy a conflict.
def test_opening_for_writing_makes_no_version():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        with contextlib.closing(sqlite3.connect(left / "db")) as db, db:
            db.execute("CREATE TABLE t(x)")
            db.executemany("INSERT INTO t VALUES(?)", [(os.urandom(500),) for _ in range(2000)])
        a.sync(left)
        wait_until(lambda: (right / "db").exists() and (right / "db").stat().st_size == (left / "db").stat().st_size, 30, "the file is there")
        for device, point in ((a, left), (b, right)):
            before = listed(device, point / "db")
            for _ in range(3):
                with contextlib.closing(sqlite3.connect(point / "db")) as db:
                    assert db.execute("SELECT count(*) FROM t").fetchone() == (2000,)
                os.close(os.open(point / "db", os.O_RDWR))
                os.close(os.open(point / "db", os.O_WRONLY | os.O_APPEND))
            time.sleep(1.5)   # a tick
            device.sync(point)
            assert os.getxattr(point / "db", "user.skymoor.state") == b"synced"
            assert listed(device, point / "db") == before
        assert sorted(os.listdir(left)) == ["db"]


def test_versions_are_listed_and_restored_on_another_device():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        contents = [b"first", os.urandom(6 << 20), b"third " * 1000]
        for content in contents:
            (left / "report").write_bytes(content)
            a.sync(left)
            time.sleep(1.1)   # versions are told apart by second further below
        wait_until(lambda: (right / "report").exists() and (right / "report").read_bytes() == contents[2], 30, "on the other device")
        versions = listed(b, right / "report")
        assert {6000, 6 << 20, 5} <= {v["size"] for v in versions}
        assert versions[0]["current"] and not any(v["current"] for v in versions[1:])
        assert all(v["device_id"] == versions[0]["device_id"] and v["device"] for v in versions)
        number = {v["size"]: v["version"] for v in versions}

        # What is there and was never sent becomes a version before it is replaced.
        (right / "report").write_bytes(b"not sent yet")
        b.skymoor("restore", right / "report", "--version", number[6 << 20])
        assert (right / "report").read_bytes() == contents[1]
        assert 12 in [v["size"] for v in listed(b, right / "report")]
        wait_until(lambda: (left / "report").read_bytes() == contents[1], 30, "the restore on the first device")
        assert os.stat(left / "report").st_ino == os.stat(right / "report").st_ino

        # Beside it, or anywhere; without overwriting.
        b.skymoor("restore", right / "report", "--version", number[5], "--to", w.root / "outside")
        assert (w.root / "outside").read_bytes() == b"first"
        assert "is there already" in fails(b, 1, "restore", right / "report", "--version", number[5], "--to", w.root / "outside")
        # By time: to the second as it was shown.
        b.skymoor("restore", right / "report", "--at", versions[-1]["stored"], "--to", right / "oldest")
        assert (right / "oldest").read_bytes()[:5] == b"first"
        # Plain: the one before the present one.
        (left / "plain").write_text("one")
        a.sync(left)
        # Not synced, and written without emptying the file first: the version before what is there is still the first.
        with open(left / "plain", "r+b") as f:
            f.write(b"other")
        a.skymoor("restore", left / "plain")
        assert (left / "plain").read_text() == "one"
        # A restore empties the file before it fills it, and a busy sync may send the two apart: the number says which one.
        other = next(v["version"] for v in listed(a, left / "plain") if v["size"] == 5)
        a.skymoor("restore", left / "plain", "--version", other)
        assert (left / "plain").read_text() == "other"
        b.sync(right)
        a.sync(left)
        assert_soon_same_tree(left, right)
        assert_same_tree(left, right)


def test_files_saved_by_renaming_keep_their_history():
    with world() as w:
        a, _ = w.two_devices()
        left = a.mount("home")
        for text in ("one", "two!", "three"):
            (left / ".doc.tmp").write_text(text)
            os.rename(left / ".doc.tmp", left / "doc")
            a.sync(left)
        versions = listed(a, left / "doc")
        assert [v["size"] for v in versions] == [5, 4, 3]
        assert versions[0]["current"] and versions[1]["deleted"]
        a.skymoor("restore", left / "doc", "--version", versions[2]["version"])
        assert (left / "doc").read_text() == "one"


def test_deleted_entries_come_back_as_they_were():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        tree = left / "tree" / "deep"
        tree.mkdir(parents=True)
        (tree / "file").write_bytes(os.urandom(300_000))
        (tree / "empty").touch()
        os.symlink("file", tree / "link")
        os.chmod(tree / "file", 0o640)
        os.setxattr(tree / "file", "user.colour", b"blue")
        os.utime(tree / "file", ns=(10**18, 10**18 + 5))
        (left / "stays").write_text("untouched")
        before = {k: v for k, v in tree_of(left / "tree").items() if k != b"deep"}
        (tree / "late").touch()
        a.sync(left)
        os.unlink(tree / "late")
        a.sync(left)
        subprocess.run(["rm", "-r", left / "tree"], check=True)
        a.sync(left)
        wait_until(lambda: not (right / "tree").exists(), 30, "deletion on the other device")

        assert [e["name"] for e in trash(b, right)] == ["tree"]
        assert {e["name"] for e in trash(b, right / "tree" / "deep")} == {"file", "empty", "link", "late"}
        assert len(listed(b, right / "tree" / "deep" / "file")) == 1
        b.skymoor("restore", right / "tree" / "deep" / "file", "--to", right / "only")
        assert (right / "only").stat().st_size == 300_000
        b.skymoor("restore", right / "tree")
        os.unlink(right / "tree" / "deep" / "late")   # deleted less than an hour before: it came along
        after = {k: v for k, v in tree_of(right / "tree").items() if k != b"deep"}
        assert before == after
        assert os.getxattr(right / "tree" / "deep" / "file", "user.colour") == b"blue"
        b.sync(right)
        os.unlink(right / "only")
        b.sync(right)
        assert "is there already" in fails(b, 1, "restore", right / "only", "--to", right / "stays")
        assert (right / "stays").read_text() == "untouched"
        assert_soon_same_tree(left, right)


def test_a_deletion_that_is_not_sent_yet_is_sent_first():
    """Not "the server keeps nothing", and not the file that was deleted under that name before."""
    with world() as w:
        a, _ = w.two_devices()
        left = a.mount("home", "upload-limit=2MiB")
        (left / "dir").mkdir()
        (left / "dir" / "file").write_text("older")
        a.sync(left)
        (left / "dir" / "file").unlink()
        (left / "dir" / "file").write_text("newer")
        a.sync(left)
        (left / "large").write_bytes(os.urandom(8 << 20))   # ahead of the deletion
        subprocess.run(["rm", "-r", left / "dir"], check=True)
        assert "not sent yet" in a.skymoor("trash", left).stderr
        a.skymoor("restore", left / "dir" / "file")
        assert (left / "dir" / "file").read_text() == "newer"
        (left / "large").write_bytes(os.urandom(8 << 20))
        (left / "dir" / "file").unlink()
        w.server.stop()
        wait_until(lambda: not a.status(left)["online"], 30, "offline")
        assert "nothing was restored" in fails(a, 4, "restore", left / "dir" / "file")
        w.server.start()
        a.sync(left)


def test_what_was_there_before_something_else_comes_back_beside_it():
    with world() as w:
        a, _ = w.two_devices()
        left = a.mount("home")
        os.symlink("first", left / "link")
        (left / "thing").write_text("a file once")
        (left / "dir").mkdir()
        (left / "dir" / "file").write_text("in it")
        a.sync(left)
        (left / "link").unlink()
        os.symlink("second", left / "link")
        (left / "thing").unlink()
        (left / "thing").mkdir()
        subprocess.run(["rm", "-r", left / "dir"], check=True)
        a.sync(left)
        assert "--to" in fails(a, 2, "restore", left / "link")
        a.skymoor("restore", left / "link", "--to", left / "old link")
        assert os.readlink(left / "old link") == "first" and os.readlink(left / "link") == "second"
        assert "--to" in fails(a, 2, "restore", left / "thing")
        a.skymoor("restore", left / "thing", "--to", left / "old thing")
        assert (left / "old thing").read_text() == "a file once" and (left / "thing").is_dir()
        assert "was a directory" in fails(a, 2, "restore", left / "dir", "--at", "0s")
        assert "is empty" in fails(a, 2, "restore", left / "dir", "--to", "")
        assert not (left / "dir").exists()
        a.skymoor("restore", left / "dir", "--to", left / "old dir")
        assert (left / "old dir" / "file").read_text() == "in it"


def test_what_cannot_be_restored_says_why():
    with world() as w:
        a, _ = w.two_devices()
        left = a.mount("home")
        (left / "file").write_text("only one")
        (left / "dir").mkdir()
        a.sync(left)
        assert "no older version" in fails(a, 8, "restore", left / "file")
        assert "no version '99'" in fails(a, 8, "restore", left / "file", "--version", "99")
        assert "is a directory" in fails(a, 2, "versions", left / "dir")
        assert "is a directory" in fails(a, 2, "restore", left / "dir")
        assert "keeps nothing" in fails(a, 8, "versions", left / "never")
        assert "keeps nothing" in fails(a, 8, "restore", left / "never")
        assert "no deleted directory" in fails(a, 8, "versions", left / "never" / "there")
        assert "not in a mounted volume" in fails(a, 8, "versions", w.root / "server.log")
        assert "is no time" in fails(a, 2, "restore", left / "file", "--at", "yesterday-ish")
        assert trash(a, left) == []
        (left / "file").write_text("second")
        a.sync(left)
        version = listed(a, left / "file")[1]["version"]
        w.server.stop()
        fails(a, 4, "versions", left / "file")
        fails(a, 4, "restore", left / "file", "--version", version)
        assert (left / "file").read_text() == "second"
        w.server.start()
