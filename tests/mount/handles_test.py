"""name_to_handle_at and open_by_handle_at: what NFS servers and backup programs use. Ids and generations last."""

import errno
import os

import pytest
from harness import world
from system_calls import expect, name_to_handle, open_by_handle

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="open_by_handle_at needs CAP_DAC_READ_SEARCH")


@pytest.fixture(scope="module", name="device")
def device_with_a_volume():
    with world() as w:
        a = w.one_device()
        yield a


def read_by(mount_fd, handle):
    fd = open_by_handle(mount_fd, handle, os.O_RDONLY)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def test_handles_open_files_and_directories(device):
    point = device.mount("home")
    (point / "d").mkdir()
    (point / "d" / "f").write_bytes(b"content")
    file_handle, directory_handle = name_to_handle(point / "d" / "f"), name_to_handle(point / "d")
    mount_fd = os.open(point, os.O_RDONLY)
    assert read_by(mount_fd, file_handle) == b"content"
    os.rename(point / "d" / "f", point / "moved")
    assert read_by(mount_fd, file_handle) == b"content", "by whatever name"
    fd = open_by_handle(mount_fd, directory_handle, os.O_RDONLY)
    assert os.listdir(fd) == []
    assert os.stat("..", dir_fd=fd).st_ino == point.stat().st_ino
    os.close(fd)
    os.unlink(point / "moved")
    expect(errno.ESTALE, open_by_handle, mount_fd, file_handle, os.O_RDONLY)
    os.close(mount_fd)
    device.umount(point)


def test_handles_last_over_mounts_and_kills(device):
    point = device.mount("home")
    (point / "deep" / "er").mkdir(parents=True)
    (point / "deep" / "er" / "f").write_bytes(b"content")
    handles = [name_to_handle(point / "deep" / "er" / "f"), name_to_handle(point / "deep" / "er")]
    device.umount(point)
    for end in (device.umount, device.kill):
        device.mount("home")
        mount_fd = os.open(point, os.O_RDONLY)
        # The kernel knows neither yet: it looks up "." of the file's id, and ".." of the directory's.
        assert read_by(mount_fd, handles[0]) == b"content"
        fd = open_by_handle(mount_fd, handles[1], os.O_RDONLY)
        assert os.listdir(fd) == ["f"]
        assert os.readlink(f"/proc/self/fd/{fd}") == str(point / "deep" / "er"), "connected up to the root"
        os.close(fd)
        os.close(mount_fd)
        end(point)
