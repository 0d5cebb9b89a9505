"""Locks of every kind: kept by the kernel, so that no waiting one holds up the mount."""

import errno
import fcntl
import os
import struct
import subprocess
import sys
import threading
import time

from system_calls import F_OFD_SETLK, F_OFD_SETLKW, as_user, expect


def whole_file(kind):
    """struct flock for the whole file."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


def test_flock_excludes_and_waits(place):
    path = place / "f"
    path.write_text("x")
    one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    fcntl.flock(one, fcntl.LOCK_SH)
    fcntl.flock(two, fcntl.LOCK_SH)
    expect(errno.EAGAIN, fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(two, fcntl.LOCK_UN)
    fcntl.flock(one, fcntl.LOCK_EX)
    got = threading.Event()

    def wait():
        fcntl.flock(two, fcntl.LOCK_EX)
        got.set()
    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not got.wait(0.2)
    os.close(one)
    assert got.wait(20), "closing ends the lock"
    waiter.join()
    os.close(two)


def test_many_waiters_hold_up_nobody(place):
    """More waiters than the mount has threads: everything else goes on."""
    path = place / "f"
    path.write_text("x")
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    waiters = [subprocess.Popen([sys.executable, "-c", f"""
import fcntl, os
fd = os.open({str(path)!r}, os.O_RDWR)
print("waiting", flush=True)
fcntl.flock(fd, fcntl.LOCK_EX)
os.pwrite(fd, b"y", os.fstat(fd).st_size)
"""], stdout=subprocess.PIPE) for _ in range(12)]
    try:
        for waiter in waiters:
            assert waiter.stdout.readline() == b"waiting\n"
        for n in range(50):
            (place / f"other{n}").write_text("goes on")
        assert (place / "other49").read_text() == "goes on"
        fcntl.flock(holder, fcntl.LOCK_UN)
        assert [waiter.wait(60) for waiter in waiters] == [0] * 12
    finally:
        for waiter in waiters:
            waiter.kill()
            waiter.wait()
            waiter.stdout.close()
    assert path.read_text() == "x" + "y" * 12
    os.close(holder)


def test_posix_locks_are_of_ranges_and_processes(place):
    path = place / "f"
    path.write_bytes(b"x" * 100)
    os.chmod(path, 0o666)
    fd = os.open(path, os.O_RDWR)
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 0)

    def attempt(start):
        def work():
            other = os.open(path, os.O_RDWR)
            fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, start)
        return as_user(1001, work)
    assert attempt(5) in (errno.EAGAIN, errno.EACCES)
    assert attempt(10) == 0
    os.close(os.open(path, os.O_RDWR))
    assert attempt(5) == 0, "closing any descriptor of the file ends a process's locks"
    os.close(fd)


def test_locks_of_open_file_descriptions(place):
    path = place / "f"
    path.write_bytes(b"x" * 100)
    one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    fcntl.fcntl(one, F_OFD_SETLK, whole_file(fcntl.F_WRLCK))
    expect(errno.EAGAIN, fcntl.fcntl, two, F_OFD_SETLK, whole_file(fcntl.F_WRLCK))
    expect(errno.EAGAIN, fcntl.fcntl, two, F_OFD_SETLK, whole_file(fcntl.F_RDLCK))
    got = threading.Event()

    def wait():
        fcntl.fcntl(two, F_OFD_SETLKW, whole_file(fcntl.F_WRLCK))
        got.set()
    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.1)
    assert not got.is_set()
    fcntl.fcntl(one, F_OFD_SETLK, whole_file(fcntl.F_UNLCK))
    assert got.wait(20)
    waiter.join()
    os.close(one)
    os.close(two)


def test_a_deadlock_is_noticed(place):
    """fcntl locks that two processes want crosswise: the second one is told."""
    path = place / "f"
    path.write_bytes(b"x" * 100)
    script = f"""
import fcntl, os, sys
fd = os.open({str(path)!r}, os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX, 10, int(sys.argv[1]))
print("one", flush=True); sys.stdin.readline()
try:
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 10 - int(sys.argv[1]))
    print("got", flush=True)
except OSError as error:
    print(error.errno, flush=True)
"""
    both = [subprocess.Popen([sys.executable, "-c", script, at], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for at in ("0", "10")]
    try:
        assert [p.stdout.readline() for p in both] == ["one\n"] * 2
        for p in both:
            p.stdin.write("\n")
            p.stdin.flush()
        assert sorted(p.communicate(timeout=60)[0] for p in both) == sorted([f"{errno.EDEADLK}\n", "got\n"])
    finally:
        for p in both:
            p.kill()
            p.wait()
