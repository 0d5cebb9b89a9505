"""Access times as mount(8) has them: relatime, strictatime, noatime, nodiratime, O_NOATIME. No other device hears of them."""

import os
import time

import pytest
from harness import world

HOUR = 3600 * 10 ** 9


@pytest.fixture(scope="module", name="device", params=["on", "off"], ids=["passthrough", "daemon"])
def device_with_a_volume(request):
    with world() as w:
        a = w.one_device()
        a.passthrough = f"passthrough={request.param}"
        yield a


@pytest.fixture(name="mounted")
def mount_with_options(device):
    points = []

    def mount(*options):
        points.append(device.mount("home", device.passthrough, *options))
        return points[-1]
    yield mount
    for point in points:
        if os.path.ismount(point):
            device.umount(point)


def made(path, content="x"):
    """A file that was changed a while ago and read since."""
    path.write_text(content)
    now = time.time_ns()
    os.utime(path, ns=(now - HOUR, now - 2 * HOUR))
    return path


def read_moves(path, flags=os.O_RDONLY):
    """Whether reading the file moved its access time."""
    before = path.stat().st_atime_ns
    fd = os.open(path, flags)
    assert os.read(fd, 100)
    os.close(fd)
    return path.stat().st_atime_ns != before


def test_relatime_is_the_default(mounted):
    point = mounted()
    path = point / "relative"
    path.write_text("x")
    assert read_moves(path), "the first read after a change"
    assert not read_moves(path)
    path.write_text("y")
    assert read_moves(path)
    os.chmod(path, 0o600)
    assert read_moves(path), "any change counts"
    now = time.time_ns()
    os.utime(path, ns=(now - 25 * HOUR, now - 48 * HOUR))
    assert read_moves(path)
    assert abs(path.stat().st_atime_ns - time.time_ns()) < HOUR


def test_other_programs_writing_do_not_count_as_reading(mounted):
    point = mounted("strictatime")
    path = made(point / "written")
    before = path.stat().st_atime_ns
    with open(path, "ab") as f:
        f.write(b"more")
    path.stat()
    os.listxattr(path)
    assert path.stat().st_atime_ns == before


def test_strictatime(mounted):
    point = mounted("strictatime")
    path = made(point / "strict")
    assert all(read_moves(path) for _ in range(3))
    assert not read_moves(path, os.O_RDONLY | os.O_NOATIME)


def test_noatime(mounted):
    point = mounted("noatime")
    path = point / "never"
    path.write_text("x")
    (point / "never-d").mkdir()
    before = (point / "never-d").stat().st_atime_ns
    os.listdir(point / "never-d")
    assert not read_moves(path) and (point / "never-d").stat().st_atime_ns == before
    when = time.time_ns() - 5 * HOUR
    os.utime(path, ns=(when, when))
    assert path.stat().st_atime_ns == when, "set by hand it is kept"


def test_directories_and_nodiratime(device, mounted):
    point = mounted("strictatime")
    (point / "d").mkdir()
    os.symlink("target", point / "l")
    before = (point / "d").stat().st_atime_ns, (point / "l").lstat().st_atime_ns
    os.listdir(point / "d")
    os.readlink(point / "l")
    assert (point / "d").stat().st_atime_ns > before[0]
    assert (point / "l").lstat().st_atime_ns > before[1]
    device.umount(point)
    point = mounted("strictatime", "nodiratime")
    before = (point / "d").stat().st_atime_ns
    os.listdir(point / "d")
    assert (point / "d").stat().st_atime_ns == before
    assert read_moves(made(point / "file-in-nodiratime"))


def test_they_last_over_mounts(device, mounted):
    point = mounted()
    path = point / "lasting"
    path.write_text("x")
    assert read_moves(path)
    before = path.stat().st_atime_ns
    device.umount(point)
    assert (mounted() / "lasting").stat().st_atime_ns == before


def test_a_read_only_mount_moves_nothing(device, mounted):
    point = mounted()
    (point / "still").write_text("x")
    device.umount(point)
    assert not read_moves(mounted("ro") / "still")


def test_the_standard_options_are_taken(device, mounted):
    point = mounted("defaults,_netdev,nofail,noauto,relatime,nodiratime,lazytime,strictatime,x-systemd.automount,x-gvfs-show")
    (point / "f").write_text("x")
    assert read_moves(point / "f")


def test_nothing_is_sent(device, mounted):
    point = mounted("strictatime")
    path = made(point / "quiet")
    device.sync(point)
    before = device.status(point)
    for _ in range(5):
        assert read_moves(path)
        os.listdir(point)
    assert os.getxattr(path, "user.skymoor.state") == b"synced"
    after = device.status(point)
    assert after["position"] == before["position"] and after["pending"]["records"] == 0
