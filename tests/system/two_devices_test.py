"""Changes made on one device show on the other, and concurrent ones are both kept."""

import os
import threading
import time

from harness import assert_same_tree, wait_until, world


def names(path):
    return sorted(os.listdir(path))


def test_changes_arrive_while_mounted():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        assert names(right) == []
        (left / "hello").write_text("first")
        wait_until(lambda: (right / "hello").exists() and (right / "hello").read_text() == "first", 20, "new file")
        (left / "hello").write_text("second version")
        wait_until(lambda: (right / "hello").read_text() == "second version", 20, "new content")
        os.rename(left / "hello", left / "moved")
        wait_until(lambda: names(right) == ["moved"], 20, "rename")
        os.chmod(left / "moved", 0o640)
        wait_until(lambda: (right / "moved").stat().st_mode & 0o777 == 0o640, 20, "mode")
        os.setxattr(left / "moved", "user.colour", b"blue")
        wait_until(lambda: "user.colour" in os.listxattr(right / "moved"), 20, "xattr")
        (right / "answer").write_text("from the other side")
        wait_until(lambda: (left / "answer").exists(), 20, "other direction")
        os.unlink(left / "moved")
        wait_until(lambda: names(right) == ["answer"], 20, "unlink")
        a.sync(left)
        b.sync(right)
        assert_same_tree(left, right)


def test_who_is_writing_all_the_time_hears_of_others_at_once():
    """What a device gathers for its own next commit once kept it from looking at what others had sent, for ten commit delays."""
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home", "commit-delay=1s")
        stop = threading.Event()

        def work():
            while not stop.wait(0.1):
                (right / "busy").write_bytes(os.urandom(100))

        worker = threading.Thread(target=work)
        worker.start()
        took = []
        try:
            for n in range(5):
                time.sleep(1)
                (left / f"f{n}").touch()
                took.append(wait_until((right / f"f{n}").exists, 60, "the other's file", 0.02))
        finally:
            stop.set()
            worker.join()
        assert sorted(took)[2] < 2.5, took


def test_concurrent_edits_are_both_kept():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        (left / "note.txt").write_text("common")
        a.sync(left)
        wait_until(lambda: (right / "note.txt").exists() and (right / "note.txt").read_text() == "common", 20, "common version")
        w.server.stop()
        (left / "note.txt").write_text("from a")
        (right / "note.txt").write_text("from b")
        w.server.start()
        a.sync(left)
        b.sync(right)
        wait_until(lambda: len(names(left)) == 2 and names(left) == names(right), 30, "both devices show both versions")
        for side in (left, right):
            assert {(side / n).read_text() for n in names(side)} == {"from a", "from b"}
            assert any("(conflict " in n and n.endswith(".txt") for n in names(side))
        assert_same_tree(left, right)


def test_one_writer_makes_no_conflict_names():
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home")
        for round_number in range(30):
            for number in range(5):
                temporary = left / f".save{number}"
                temporary.write_text(f"{round_number} {number}")
                os.rename(temporary, left / f"file{number}")
            time.sleep(0.02)
        a.sync(left)
        wait_until(lambda: names(right) == names(left), 30, "same names")
        assert names(left) == [f"file{n}" for n in range(5)]
        b.sync(right)
        assert_same_tree(left, right)
