"""A server that is not what it was: put back from an older copy, empty, or another one on the same address."""

import os
import shutil

from harness import Server, assert_same_tree, tree_of, wait_until, world


def wait_for_epoch(device, point, epoch):
    """The device has gone over to the server's new epoch and has sent all it has."""
    def there():
        state = device.status(point)
        assert not state["stopped"], state
        return state["position"]["epoch"] == epoch and state["pending"]["records"] == 0
    wait_until(there, 60, f"epoch {epoch} on device {device.name}")


def test_a_server_put_back_from_a_copy_gets_back_what_it_lost():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        (left / "kept").write_bytes(os.urandom(300_000))
        (left / "changed").write_text("before")
        (left / "deleted").write_text("before")
        os.mkdir(left / "folder")
        (left / "folder" / "inner").write_text("inner")
        a.sync(left)
        wait_until(lambda: (right / "folder" / "inner").exists(), 30, "first files")
        copy = w.server.back_up()
        # After the copy was made.
        (left / "new").write_bytes(os.urandom(2_000_000))
        (left / "changed").write_text("after")
        os.unlink(left / "deleted")
        os.rename(left / "folder", left / "moved")
        a.sync(left)
        (right / "by b").write_bytes(os.urandom(1_000_000))
        b.sync(right)
        wait_until(lambda: (left / "by b").exists(), 30, "b's file on a")
        wait_until(lambda: (right / "moved").exists() and (right / "new").exists(), 30, "a's files on b")
        expected = tree_of(left)
        assert expected == tree_of(right)  # both hold every byte
        w.server.stop()
        (left / "while away").write_text("pending")
        w.server.put_back(copy)
        wait_for_epoch(a, left, 2)
        wait_for_epoch(b, right, 2)
        a.sync(left)
        wait_until(lambda: (right / "while away").exists(), 30, "the pending file on b")
        now = tree_of(left)
        assert {k: v for k, v in now.items() if k != b"while away"} == expected
        assert_same_tree(left, right)
        restored = a.status(left)["restored"]
        assert restored["epoch"] == 2 and restored["missing"] == [], restored
        # The next change goes its ordinary way.
        (left / "later").write_text("x")
        wait_until(lambda: (right / "later").exists(), 30, "a later file")


def test_a_device_that_the_copy_does_not_know_logs_in_again_and_gives_back():
    with world() as w:
        a = w.device("a")
        a.signup(w.server.start())
        a.skymoor("volume", "create", "home")
        left = a.mount("home")
        (left / "old").write_text("old")
        a.sync(left)
        copy = w.server.back_up()
        late = w.device("late")
        late.login(w.server)
        right = late.mount("home")
        (right / "sent").write_bytes(os.urandom(500_000))
        late.sync(right)
        wait_until(lambda: (left / "sent").exists(), 30, "the late device's file on a")  # its name: nobody reads it there
        w.server.stop()
        (right / "pending").write_text("pending")
        w.server.put_back(copy)
        wait_until(lambda: "skymoor login" in (late.status(right)["offline_reason"] or ""), 60, "what to do is told")
        wait_until(lambda: (a.status(left)["restored"] or {}).get("missing") == ["sent"], 60, "a names what nobody gave back yet")
        late.login(w.server)
        late.sync(right)
        wait_until(lambda: (left / "pending").exists(), 30, "the pending file on a")
        assert_same_tree(left, right)
        assert sorted(os.listdir(left)) == ["old", "pending", "sent"]
        wait_until(lambda: a.status(left)["restored"]["missing"] == [], 30, "a names nothing any more")


def test_an_empty_or_another_server_changes_nothing():
    with world() as w:
        a = w.device("a")
        a.signup(w.server.start())
        a.skymoor("volume", "create", "home")
        left = a.mount("home")
        (left / "f").write_text("mine")
        a.sync(left)
        expected = tree_of(left)
        w.server.stop()
        # The same address, with a certificate of its own.
        other = Server(w.root / "other")
        other.data.parent.mkdir()
        other.port = w.server.port
        other.start()
        (left / "g").write_text("pending")
        wait_until(lambda: "certificate" in (a.status(left)["offline_reason"] or ""), 60, "another server is refused")
        other.stop()
        # The same server with an empty data directory: only its certificate is the old one.
        saved = w.root / "saved"
        w.server.data.rename(saved)
        w.server.data.mkdir(mode=0o700)
        for name in ("tls.crt", "tls.key"):
            shutil.copy2(saved / name, w.server.data / name)
        w.server.start()
        wait_until(lambda: a.status(left)["offline_reason"] and "certificate" not in a.status(left)["offline_reason"], 60,
                   "an empty server is noticed")
        assert (left / "f").read_text() == "mine" and (left / "g").read_text() == "pending"
        assert {k: v for k, v in tree_of(left).items() if k != b"g"} == expected
        assert a.status(left)["pending"]["records"] > 0
        # And when the right one is back, everything goes on.
        w.server.stop()
        shutil.rmtree(w.server.data)
        saved.rename(w.server.data)
        w.server.start()
        # The daemon has been told that its login is over: a new one asks the right server.
        a.umount(left)
        left = a.mount("home")
        a.sync(left)
        assert (left / "g").read_text() == "pending"
