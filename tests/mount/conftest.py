"""Makes the harness importable; the mount that most files test on."""
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))

from harness import wait_until, world  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module", name="drive", params=["on", "off"], ids=["passthrough", "daemon"])
def mounted_drive(request):
    """One mount for all tests of a file, with and without passthrough; open to all users."""
    with world() as w:
        a = w.one_device()
        point = a.mount("home", "allow_other", f"passthrough={request.param}")
        os.chmod(point, 0o777)
        check_path(a, point, request.param == "on")
        a.root.chmod(0o755)
        w.root.chmod(0o755)
        yield point
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
