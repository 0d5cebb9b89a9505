"""Makes the harness importable; the mount that most files test on."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))

from harness import world  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module", name="drive", params=["on", "off"], ids=["passthrough", "daemon"])
def mounted_drive(request):
    """One mount for all tests of a file, with and without passthrough; open to all users."""
    with world() as w:
        w.server.start()
        a = w.device("a")
        a.signup(w.server)
        a.skymoor("volume", "create", "home")
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
