"""The client breaks while it goes over to the history of a server that was put back from a backup."""

import contextlib
import os

import pytest
from faults import Fault, assert_soon_same_tree, end_all, ordered
from harness import tree_of, wait_until, world


def has_sent_all(device, point):
    """Into the new history. Nobody answers while another process takes the mount over."""
    with contextlib.suppress(AssertionError):
        state = device.status(point)
        return state["position"]["epoch"] == 2 and state["pending"]["records"] == 0
    return False


@pytest.mark.parametrize("plan", ["kill:journal.adopt:1", "EIO:journal.adopt:1", "ENOSPC:journal.adopt:1"])
@pytest.mark.parametrize("takeover", ["on", "off"])
def test_what_the_server_lost_comes_back_though_the_client_broke_on_the_way(plan, takeover):
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        fault = Fault(plan, w.root / "fault-report")
        with ordered(a, fault):
            left = a.mount("home", f"takeover={takeover}")
        right = b.mount("home")
        (left / "kept").write_bytes(os.urandom(300_000))
        (left / "changed").write_text("before")
        (left / "deleted").write_text("before")
        a.sync(left)
        b.sync(right)
        copy = w.server.back_up()
        # After the copy was made.
        (left / "new").write_bytes(os.urandom(500_000))
        (left / "changed").write_text("after")
        os.unlink(left / "deleted")
        (left / "folder").mkdir()
        os.rename(left / "kept", left / "folder" / "moved")
        a.sync(left)
        assert_soon_same_tree(left, right)
        w.server.stop()
        (left / "while away").write_text("pending")
        expected = tree_of(left)
        w.server.put_back(copy)
        wait_until(fault.fired, 60, "the device goes over to the new history")
        if takeover == "off" and plan.startswith("kill"):
            end_all(a, left)
            a.mount("home")
        wait_until(lambda: has_sent_all(a, left), 120, "all sent")
        assert tree_of(left) == expected
        assert a.status(left)["restored"]["missing"] == []
        assert_soon_same_tree(left, right)
        assert_soon_same_tree(right, w.fresh_clone())
        w.assert_in_order()
