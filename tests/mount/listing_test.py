"""Listings of what another device made: what the kernel remembers of them is true, and is not asked for again."""

import ctypes
import os
import signal
import subprocess
import sys
import threading

import pytest
from harness import assert_same_tree, wait_until, world

DIRECTORIES, FILES = 20, 50


@pytest.fixture(name="two")
def two_devices():
    """A tree of device a, and device b, which has looked at the root only."""
    with world() as w:
        a = w.one_device()
        here = a.mount("home")
        for d in range(DIRECTORIES):
            (here / "tree" / f"d{d}").mkdir(parents=True)
            for f in range(FILES):
                (here / "tree" / f"d{d}" / f"f{f}").write_bytes(b"x" * f)
        (here / "known").mkdir()
        (here / "known" / "one").write_text("linked twice")
        (here / "far").mkdir()
        (here / "far" / "moving").write_text("from afar")
        os.link(here / "known" / "one", here / "far" / "two")
        a.sync(here)
        b = w.device("b")
        b.login(w.server)
        yield a, here, b, b.mount("home")


WALK = """
import os, sys
for directory, _, names in os.walk(sys.argv[1]):
    for name in names:
        st = os.lstat(os.path.join(directory, name))
        print(os.path.join(directory, name), st.st_size, st.st_nlink)
"""


def walker(top):
    """A process that prints every file below it, in any order. (find would ask for the filesystem's type as well.)"""
    return subprocess.Popen([sys.executable, "-c", WALK, str(top)], stdout=subprocess.PIPE, text=True)


def test_a_second_walk_asks_nothing(two):
    """Telling the kernel of what it could not know made it list everything again, and cost more than the listing."""
    _, here, b, there = two
    with walker(there / "tree") as walk:
        first = sorted(walk.stdout)
    assert len(first) == DIRECTORIES * FILES
    # The kernel asks for a directory's access time once after it read it; how many directories "tree" has is known now.
    for directory in (there / "tree", *(there / "tree" / f"d{d}" for d in range(DIRECTORIES))):
        os.stat(directory)
    pid = b.pid(there)
    os.kill(pid, signal.SIGSTOP)
    with walker(there / "tree") as walk:
        cont = threading.Timer(10, lambda: os.kill(pid, signal.SIGCONT))   # or it could not be ended
        cont.start()
        again = sorted(walk.stdout)
        stopped = cont.is_alive()
        cont.cancel()
    os.kill(pid, signal.SIGCONT)
    assert stopped, "the second walk waited for the client"
    assert again == first
    assert_same_tree(here, there)


def test_a_name_that_was_not_there_may_come_from_afar(two):
    """It stayed away for a day: the kernel remembered its absence, and nobody told it."""
    _, here, _, there = two
    assert not (there / "known" / "moved").exists()
    assert os.listdir(there / "known") == ["one"]
    os.rename(here / "far" / "moving", here / "known" / "moved")
    wait_until(lambda: (there / "known" / "moved").exists(), 20, "the name that came from afar")
    assert sorted(os.listdir(there / "known")) == ["moved", "one"]
    assert (there / "known" / "moved").read_text() == "from afar"
    # Into a directory that has to be listed again, and had been looked into.
    assert not (there / "known" / "more").exists()
    os.rename(here / "tree" / "d1" / "f1", here / "known" / "again")
    os.rename(here / "tree" / "d1", here / "known" / "more")
    wait_until(lambda: (there / "known" / "more").exists(), 20, "a directory from afar")
    assert sorted(os.listdir(there / "known")) == ["again", "more", "moved", "one"]
    assert_same_tree(here, there)


def test_a_file_known_by_another_name_is_the_same_file(two):
    a, here, b, there = two
    one = there / "known" / "one"
    assert one.stat().st_nlink == 2
    os.chmod(here / "known" / "one", 0o600)
    os.link(here / "known" / "one", here / "far" / "three")
    a.sync(here)
    two_again, three = (there / "far" / "two"), (there / "far" / "three")
    wait_until(lambda: three.exists() and three.stat().st_nlink == 3, 20, "the third name")
    for name in (one, two_again, three):
        st = name.stat()
        assert (st.st_nlink, st.st_mode & 0o777, st.st_ino) == (3, 0o600, one.stat().st_ino)
    b.sync(there)
    assert_same_tree(here, there)


def test_names_that_come_while_a_directory_moves_are_asked_for(two):
    """What was missing in a directory before its move is looked for again after it."""
    a, here, _, there = two
    assert len(os.listdir(there / "far")) == 2
    assert not (there / "far" / "new").exists()
    os.rename(here / "far", here / "tree" / "far")
    (here / "tree" / "far" / "new").write_text("new")
    os.rename(here / "tree" / "far", here / "far")
    a.sync(here)
    wait_until(lambda: (there / "far" / "new").exists(), 20, "the new name")
    assert sorted(os.listdir(there / "far")) == ["moving", "new", "two"]


class Dirent(ctypes.Structure):
    """struct dirent of 64-bit Linux."""
    _fields_ = [("d_ino", ctypes.c_uint64), ("d_off", ctypes.c_int64), ("d_reclen", ctypes.c_uint16), ("d_type", ctypes.c_uint8),
                ("d_name", ctypes.c_char * 256)]


def inode_of_dots(path):
    """{name: d_ino} of "." and ".." as a listing has them."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = ctypes.c_void_p
    libc.readdir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
    libc.readdir.restype = ctypes.POINTER(Dirent)
    stream = libc.opendir(os.fsencode(path))
    assert stream, os.strerror(ctypes.get_errno())
    found = {}
    while entry := libc.readdir(stream):
        if entry.contents.d_name in (b".", b".."):
            found[entry.contents.d_name.decode()] = entry.contents.d_ino
    libc.closedir(stream)
    return found


def test_dots_are_the_directory_and_its_parent(place):
    """".." was the mount's root everywhere: what climbs by inode numbers (getcwd of old, find's loop check) went astray."""
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "moved").mkdir()
    (place / "other").mkdir()
    for directory in (place / "a", place / "a" / "b"):
        assert inode_of_dots(directory) == {".": directory.stat().st_ino, "..": directory.parent.stat().st_ino}
    (place / "a" / "moved").rename(place / "other" / "moved")
    assert inode_of_dots(place / "other" / "moved")[".."] == (place / "other").stat().st_ino
    assert inode_of_dots(place.parent)["."] == place.parent.stat().st_ino
