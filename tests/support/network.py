"""A network namespace of the test's own, whose loopback can silently drop every packet."""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(LIBC, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _command(*args):
    subprocess.run(args, check=True, capture_output=True, text=True, timeout=30)


class Network:
    """What the calling thread, and whatever it starts, has for a network. Root alone may make one."""

    def __init__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _call("unshare", CLONE_NEWNET)
        _command("ip", "link", "set", "lo", "up")

    def drop(self):
        """From now on packets vanish: a queue that takes one byte is too small for any."""
        _command("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "8bit", "burst", "1", "latency", "1ms")

    def restore(self):
        """Packets arrive again."""
        _command("tc", "qdisc", "del", "dev", "lo", "root")

    def leave(self):
        """Back to the network before; this one goes with the last process in it."""
        _call("setns", self.before, CLONE_NEWNET)
        os.close(self.before)


@contextlib.contextmanager
def own_network():
    """`with own_network() as network:`; threads that run already stay where they are."""
    network = Network()
    try:
        yield network
    finally:
        network.leave()
