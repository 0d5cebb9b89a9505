"""Network namespaces: one of the test's own, whose loopback can silently drop every packet; and machines of their own, each on a
wire to a router, for troubles that only a real network has. They go with the last process in them, however the test ends."""

import contextlib
import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import threading

from faults import lacking

CLONE_NEWNET = 0x40000000
OWN = "/proc/thread-self/ns/net"
LIBC = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(LIBC, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _command(*args):
    done = subprocess.run(args, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(args)}: {done.stderr}"


class Network:
    """What the calling thread, and whatever it starts, has for a network. Root alone may make one."""

    def __init__(self):
        self.before = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        _call("unshare", CLONE_NEWNET)
        _command("ip", "link", "set", "lo", "up")

    def drop(self):
        """From now on packets vanish: a queue that takes one byte is too small for any."""
        _command("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "8bit", "burst", "1", "latency", "1ms")

    def restore(self):
        """Packets arrive again."""
        _command("tc", "qdisc", "del", "dev", "lo", "root")

    def unplug(self):
        """There is no network at all: ENETUNREACH."""
        _command("ip", "link", "set", "lo", "down")

    def plug(self):
        """There is one again."""
        _command("ip", "link", "set", "lo", "up")

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


class Machine:
    """A network namespace that programs are started in."""

    def __init__(self):
        before = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("unshare", CLONE_NEWNET)
            self.space = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
            _command("ip", "link", "set", "lo", "up")
        finally:
            _call("setns", before, CLONE_NEWNET)
            os.close(before)

    @contextlib.contextmanager
    def place(self):
        """`with machine.place():` what the calling thread starts, it starts there."""
        before = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        _call("setns", self.space, CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", before, CLONE_NEWNET)
            os.close(before)

    def do(self, *lines):
        """Commands of ip(8) and tc(8), a line each."""
        with self.place():
            for line in lines:
                _command(*line.split())

    def close(self):
        """The processes in it keep it as long as they live."""
        os.close(self.space)


# What can be wrong with a wire: (what the router does, what the machine does), and what undoes it. PORT is the router's end.
_SLOW = "tc qdisc add dev {} root tbf rate 600kbit burst 4kb latency 300ms"
_LOSSY = "tc qdisc add dev {} root tbf rate 3mbit burst 2kb latency 1ms"
_NO_QUEUE = "tc qdisc del dev {} root"
TROUBLES = {
    # Packets vanish: both ways, those that the machine sends, those that it is sent.
    "dropped": (["ip rule add iif PORT blackhole", "ip rule add to SUBNET blackhole"], [],
                ["ip rule del iif PORT blackhole", "ip rule del to SUBNET blackhole"], []),
    "mute": (["ip rule add iif PORT blackhole"], [], ["ip rule del iif PORT blackhole"], []),
    "deaf": (["ip rule add to SUBNET blackhole"], [], ["ip rule del to SUBNET blackhole"], []),
    # The router says that there is no way.
    "unreachable": (["ip rule add iif PORT unreachable"], [], ["ip rule del iif PORT unreachable"], []),
    "unplugged": (["ip link set PORT down"], [], ["ip link set PORT up"], []),
    "interface down": ([], ["ip link set eth0 down"], [], ["ip link set eth0 up", "ip route add default via ROUTER"]),
    # Another address, as in another network: connections that stand are dead, and nobody tells.
    "moved": ([], ["ip addr del ADDRESS/24 dev eth0", "ip addr add OTHER/24 dev eth0", "ip route add default via ROUTER"],
              [], ["ip addr del OTHER/24 dev eth0", "ip addr add ADDRESS/24 dev eth0", "ip route add default via ROUTER"]),
    "slow": ([_SLOW.format("PORT")], [_SLOW.format("eth0")], [_NO_QUEUE.format("PORT")], [_NO_QUEUE.format("eth0")]),
    "lossy": ([_LOSSY.format("PORT")], [_LOSSY.format("eth0")], [_NO_QUEUE.format("PORT")], [_NO_QUEUE.format("eth0")]),
}


class Wire:
    """A machine and its way to the router. Up, or one of TROUBLES."""

    def __init__(self, router, number):
        self.router, self.number = router, number
        self.machine = Machine()
        self.state = "up"
        self.address = f"10.77.{number}.2"
        self._do(self.router, [f"ip link add PORT type veth peer name eth0 netns /proc/{os.getpid()}/fd/{self.machine.space}",
                               "ip addr add ROUTER/24 dev PORT", "ip link set PORT up"])
        self._do(self.machine, ["ip addr add ADDRESS/24 dev eth0", "ip link set eth0 up", "ip route add default via ROUTER"])

    @property
    def place(self):
        """Machine.place."""
        return self.machine.place

    def set(self, state):
        """up, or one of TROUBLES."""
        if self.state != "up":
            self._do(self.router, TROUBLES[self.state][2])
            self._do(self.machine, TROUBLES[self.state][3])
        self.state = state
        if state != "up":
            self._do(self.router, TROUBLES[state][0])
            self._do(self.machine, TROUBLES[state][1])

    def _do(self, where, lines):
        for name, value in (("PORT", f"port{self.number}"), ("ADDRESS", self.address), ("OTHER", f"10.77.{self.number}.3"),
                            ("ROUTER", f"10.77.{self.number}.1"), ("SUBNET", f"10.77.{self.number}.0/24")):
            lines = [line.replace(name, value) for line in lines]
        where.do(*lines)


class Routed:
    """Machines that reach each other through a router."""

    def __init__(self):
        self.router = Machine()
        self.wires = []
        with self.router.place():
            with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as forward:
                forward.write("1")

    def wire(self):
        """One more machine."""
        self.wires.append(Wire(self.router, len(self.wires) + 1))
        return self.wires[-1]

    def close(self):
        """Nobody else can reach the wires then."""
        for machine in [wire.machine for wire in self.wires] + [self.router]:
            machine.close()


class LossyWay:
    """Two machines that reach nothing but each other; of the packets between them that share is lost, each way, at random. While
    `moving` is clear all are."""
    addresses = ("10.78.0.1", "10.78.0.2")

    def __init__(self, seed=1):
        self.share, self.carried, self.lost = 0.0, [0, 0], [0, 0]     # packets from each end
        self.moving = threading.Event()
        self.moving.set()
        self.machines = [Machine(), Machine()]
        self.ends = [self._end(machine, address) for machine, address in zip(self.machines, self.addresses)]
        self.wake_reader, self.wake_writer = os.pipe()
        self.chance = random.Random(seed)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _end(machine, address):
        with machine.place():
            try:
                end = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                lacking("tun", f"/dev/net/tun: {error}")
            fcntl.ioctl(end, 0x400454ca, struct.pack("16sH22x", b"way", 0x1001))   # TUNSETIFF: IFF_TUN, IFF_NO_PI
        machine.do(f"ip addr add {address}/24 dev way", "ip link set way up")
        return end

    def _run(self):
        while True:
            for ready in select.select([*self.ends, self.wake_reader], [], [])[0]:
                if ready == self.wake_reader:
                    return
                packet = os.read(ready, 65536)
                way = self.ends.index(ready)
                if not self.moving.is_set() or self.chance.random() < self.share:
                    self.lost[way] += 1
                    continue
                self.carried[way] += 1
                os.write(self.ends[1 - way], packet)

    def close(self):
        """Ends it; what still runs in the machines has no network."""
        os.write(self.wake_writer, b"x")
        self.thread.join(10)
        for end in (*self.ends, self.wake_reader, self.wake_writer):
            os.close(end)
        for machine in self.machines:
            machine.close()


def why_not_routed():
    """Why this machine has no Routed; None when it has."""
    try:
        routed = Routed()
        wire = routed.wire()
        for trouble in TROUBLES:
            wire.set(trouble)
        wire.set("up")
        routed.close()
    except (OSError, AssertionError) as error:
        return str(error)
    return None
