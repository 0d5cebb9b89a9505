"""System calls that Python lacks, callers of other users, and expected errors."""

import ctypes
import errno
import os

import pytest

LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 1, 2, 8, 16, 32
AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = -100, 0x1000, 0x400
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38


def checked(result):
    """The call's result, or its errno as OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def rename2(old, new, flags):
    """renameat2(2)."""
    checked(LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags))


def fallocate(fd, mode, offset, length):
    """fallocate(2)."""
    checked(LIBC.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))


def link_descriptor(fd, path):
    """Gives an open file a name: linkat(2) by way of /proc, which needs no capability."""
    checked(LIBC.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, os.fsencode(path), AT_SYMLINK_FOLLOW))


class FileHandle(ctypes.Structure):
    """struct file_handle of name_to_handle_at(2), with room for the largest."""
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("handle", ctypes.c_ubyte * 128)]


def name_to_handle(path):
    """name_to_handle_at(2)."""
    handle, mount_id = FileHandle(bytes=128), ctypes.c_int()
    checked(LIBC.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount_id), 0))
    return handle


def open_by_handle(mount_fd, handle, flags):
    """open_by_handle_at(2)."""
    return checked(LIBC.open_by_handle_at(mount_fd, ctypes.byref(handle), flags))


def expect(number, function, *args):
    """The call fails with this errno."""
    with pytest.raises(OSError) as caught:
        function(*args)
    assert caught.value.errno == number, \
        f"{errno.errorcode.get(caught.value.errno)} instead of {errno.errorcode.get(number)}"


def as_user(uid, function, groups=()):
    """Runs `function` as another user (and group) in a child process; returns the errno it met, or 0."""
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            os.setgroups(list(groups))
            os.setgid(uid)
            os.setuid(uid)
            function()
        except OSError as error:
            code = error.errno
        except BaseException:  # pylint: disable=broad-except
            code = 255
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
