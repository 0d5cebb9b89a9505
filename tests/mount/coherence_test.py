"""Close-to-open across devices: by push, and with coherence=open at once; fsync=remote."""

import os
import time

import pytest
from harness import wait_until, world

ROUNDS = 25


@pytest.fixture(scope="module", name="two")
def two_devices():
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        yield w, a, b


def test_by_push_a_change_shows_soon(two):
    _, a, b = two
    here, there = a.mount("home"), b.mount("home")
    (here / "pushed").write_text("first")
    a.sync(here)
    wait_until(lambda: (there / "pushed").exists(), 20, "the new file")
    assert (there / "pushed").read_text() == "first"
    (here / "pushed").write_text("second")
    a.sync(here)
    wait_until(lambda: (there / "pushed").read_text() == "second", 20, "the new content")
    a.umount(here)
    b.umount(there)


@pytest.mark.parametrize("passthrough", ["on", "off"])
def test_an_open_shows_what_was_synced_before_it(two, passthrough):
    _, a, b = two
    here, there = a.mount("home"), b.mount("home", "coherence=open", f"passthrough={passthrough}")
    name = f"open-{passthrough}"
    for n in range(ROUNDS):
        kind = n % 4
        if kind == 0:        # new; the other device knows that it was not there
            assert not (there / f"{name}-new{n}").exists()
            (here / f"{name}-new{n}").write_text(f"{n}")
            a.sync(here)
            assert (there / f"{name}-new{n}").read_text() == f"{n}"
        elif kind == 1:      # written in place; longer each time
            (here / name).write_text("x" * 1000 * n)
            a.sync(here)
            assert (there / name).read_text() == "x" * 1000 * n
        elif kind == 2:      # replaced by a rename, as editors save
            (here / f"{name}.tmp").write_text(f"saved {n}")
            os.rename(here / f"{name}.tmp", here / name)
            a.sync(here)
            assert (there / name).read_text() == f"saved {n}"
        else:                # removed
            os.unlink(here / name)
            a.sync(here)
            with pytest.raises(FileNotFoundError):
                open(there / name, encoding="utf-8").close()
    a.umount(here)
    b.umount(there)


def test_a_file_that_is_open_stays(two):
    _, a, b = two
    here, there = a.mount("home"), b.mount("home", "coherence=open")
    (here / "held").write_text("old")
    a.sync(here)
    with open(there / "held", encoding="utf-8") as f:
        (here / "held.tmp").write_text("new")
        os.rename(here / "held.tmp", here / "held")
        a.sync(here)
        assert (there / "held").read_text() == "new"
        assert f.read() == "old"
        with open(f"/proc/self/fd/{f.fileno()}", encoding="utf-8") as again:
            assert again.read() == "old"
    fd = os.open(there, os.O_RDWR | os.O_TMPFILE)
    os.write(fd, b"unnamed")
    with open(f"/proc/self/fd/{fd}", "rb") as again:
        assert again.read() == b"unnamed"
    os.close(fd)
    a.umount(here)
    b.umount(there)


def test_without_the_server_an_open_goes_on(two):
    w, a, b = two
    there = b.mount("home", "coherence=open")
    (there / "local").write_text("here")
    b.sync(there)
    w.server.pause()
    try:
        started = time.monotonic()
        assert (there / "local").read_text() == "here"
        assert time.monotonic() - started < 20, "the deadline of two seconds, on a busy machine"
    finally:
        w.server.go_on()
    w.server.kill()
    assert (there / "local").read_text() == "here"
    with pytest.raises(FileNotFoundError):
        (there / "not-there").read_text()
    (there / "made-offline").write_text("x")
    assert (there / "made-offline").read_text() == "x"
    w.server.start()
    b.sync(there)
    b.umount(there)


def test_a_working_directory_stays_one_through_a_new_plan(two):
    """Found on the mount: what was planned anew unchanged was told to the kernel, and getcwd answered ENOENT."""
    w, a, _ = two
    here = a.mount("home")
    w.server.kill()
    (here / "work" / "place").mkdir(parents=True)
    (here / "work" / "place" / "f").write_text("x")
    a.kill(here)
    a.mount("home")
    before = os.getcwd()
    os.chdir(here / "work" / "place")
    try:
        entries = os.scandir()
        w.server.start()
        a.sync(here)     # on the way it plans anew what the last process had not sent
        assert os.getcwd() == str(here / "work" / "place")
        assert [entry.name for entry in entries] == ["f"] == os.listdir()
    finally:
        os.chdir(before)
    a.umount(here)


def test_fsync_remote_returns_when_the_server_has_it(two):
    w, a, b = two
    here = a.mount("home", "fsync=remote", "read-timeout=5s")
    fd = os.open(here / "remote", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"safe")
    os.fsync(fd)
    assert os.getxattr(here / "remote", "user.skymoor.state") == b"synced"
    w.server.kill()
    os.write(fd, b" more")
    with pytest.raises(OSError):
        os.fsync(fd)
    synchronous = os.open(here / "synchronous", os.O_WRONLY | os.O_CREAT | os.O_SYNC)
    with pytest.raises(OSError):
        os.write(synchronous, b"one")
    w.server.start()
    a.sync(here)
    os.pwrite(synchronous, b"two", 3)
    assert os.getxattr(here / "synchronous", "user.skymoor.state") == b"synced"
    assert (here / "synchronous").read_text() == "onetwo"
    os.close(synchronous)
    os.close(fd)
    assert (here / "remote").read_text() == "safe more"
    a.umount(here)
