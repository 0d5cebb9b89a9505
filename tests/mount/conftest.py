"""Makes the harness importable; the mount that most files test on."""
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))

from harness import wait_until, world  # noqa: E402  pylint: disable=wrong-import-position


class Path:
    """The way to a mount's bytes that is under test: the kernel's own (passthrough), or by our daemon.

    A file that is empty when its first user opens it for writing is the daemon's until its last close, wherever the mount passes
    files through: what is tested on a file just created is tested on the daemon.
    """

    def __init__(self, device, point, passthrough):
        self.device, self.point, self.passthrough = device, point, passthrough

    def files(self):
        """How many files the kernel serves without us."""
        return self.device.status(self.point)["passthrough_files"]

    def reopen(self, path, flags=os.O_RDWR):
        """A descriptor of a closed file that is not empty: passed through in the runs that test this, and only there."""
        opened = []

        def opens():
            # The kernel tells of the last close some time: until then the file stays what it was.
            before = self.files()
            opened.append(os.open(path, flags))
            if self.files() - before == self.passthrough:
                return True
            os.close(opened.pop())
            return False
        wait_until(opens, 20, f"passthrough {self.passthrough} of a file opened again")
        return opened.pop()


@pytest.fixture(scope="module", name="path_under_test", params=["on", "off"], ids=["passthrough", "daemon"])
def mount_and_its_path(request):
    """One mount for all tests of a file, with and without passthrough; open to all users."""
    with world() as w:
        a = w.one_device()
        point = a.mount("home", "allow_other", f"passthrough={request.param}")
        os.chmod(point, 0o777)
        check_path(a, point, request.param == "on")
        a.root.chmod(0o755)
        w.root.chmod(0o755)
        yield Path(a, point, request.param == "on")
        state = a.status(point)
        assert state["passthrough_refused"] == 0, f"passthrough switched off silently: {state['passthrough_refusal']}"
        a.umount(point)


def check_path(device, point, passthrough):
    """The path under test is the one in use, for reading and for writing: what was agreed on at mount says little."""
    assert device.status(point)["passthrough"] == passthrough
    (point / "path under test").write_bytes(b"x" * 10_000)

    def files_while_open(mode):
        with open(point / "path under test", mode) as f:
            assert f.read(10) == b"x" * 10
            return device.status(point)["passthrough_files"]
    for mode in ("rb", "r+b"):
        # The kernel tells of the last close some time: until then the file stays what it was.
        wait_until(lambda m=mode: files_while_open(m) == passthrough, 20, f"passthrough {passthrough} of a file opened {mode}")
    os.unlink(point / "path under test")


@pytest.fixture(scope="module", name="drive")
def mounted_drive(path_under_test):
    """The mount point."""
    return path_under_test.point


@pytest.fixture(name="opened", params=["fresh", "reopened"])
def opener(path_under_test, request):
    """Opens a file that holds `content`, as one that was just created and as one that was there: `Path` says why."""
    first = []

    def opened(path, flags=os.O_RDWR, content=b""):
        if request.param == "fresh":
            fd = os.open(path, flags | os.O_CREAT, 0o666)
            path.write_bytes(content)
            return fd
        path.write_bytes(content or b"to be cut")
        # Synchronous and direct descriptors are passed through beside others only.
        first.append(path_under_test.reopen(path))
        if not content:
            os.ftruncate(first[-1], 0)
        return os.open(path, flags)
    yield opened
    for fd in first:
        os.close(fd)


@pytest.fixture(name="place")
def fresh_directory(drive, request):
    """A directory of the test's own."""
    path = drive / request.node.name.replace("/", "_")[:200]
    path.mkdir()
    return path


@pytest.fixture(scope="module", name="usual")
def device_and_mount():
    """(device, mount point) as most people mount it, for programs; open to all users."""
    with world() as w:
        a = w.one_device()
        point = a.mount("home", "allow_other")
        os.chmod(point, 0o777)
        a.root.chmod(0o755)
        w.root.chmod(0o755)
        yield a, point
        a.umount(point)


@pytest.fixture(name="work")
def directory_for_a_program(usual, request):
    """A directory of the test's own in that mount."""
    path = usual[1] / request.node.name.replace("/", "_")[:100]
    path.mkdir()
    return path


@pytest.fixture(name="local")
def local_directory():
    """A directory on the disk below, to compare with."""
    with tempfile.TemporaryDirectory(prefix="skymoor-local-", dir=os.environ.get("SKYMOOR_TEST_DIR", "/var/tmp")) as path:
        yield pathlib.Path(path)
