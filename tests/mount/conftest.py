"""Makes the harness importable; the mount that most files test on."""
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))

from harness import world  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module", name="drive", params=["on", "off"], ids=["passthrough", "daemon"])
def mounted_drive(request):
    """One mount for all tests of a file, with and without passthrough; open to all users."""
    with world() as w:
        a = w.one_device()
        point = a.mount("home", "allow_other", f"passthrough={request.param}")
        os.chmod(point, 0o777)
        assert a.status(point)["passthrough"] == (request.param == "on"), "the path under test is the one in use"
        a.root.chmod(0o755)
        w.root.chmod(0o755)
        yield point
        a.umount(point)


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
