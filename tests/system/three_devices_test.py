"""Three devices work on the same few names, each in a network namespace of its own, as is the server; wires break in every way,
clients and the server are killed. At the end all trees are one, and no content that a user has fsynced is gone without somebody
having replaced it.

Processes run as they like: a seed gives the same wishes, not the same history. SKYMOOR_SYNC_SEEDS: how many runs (1),
SKYMOOR_SYNC_SEED: the first (1), SKYMOOR_SYNC_STEPS: steps of each (150), SKYMOOR_TRACE=1: mounts log all that they do,
SKYMOOR_KEEP=1: nothing is removed at the end. SKYMOOR_LINES=1: TCP lines that can be cut instead of namespaces, as where those
cannot be made.
"""

import contextlib
import errno
import hashlib
import os
import random
import time

from faults import end_all
from harness import assert_same_tree, mounted, tree_of, wait_until, world
from lines import Line
from network import TROUBLES, Routed, why_not_routed

RUNS = int(os.environ.get("SKYMOOR_SYNC_SEEDS", "1"))
FIRST = int(os.environ.get("SKYMOOR_SYNC_SEED", "1"))
STEPS = int(os.environ.get("SKYMOOR_SYNC_STEPS", "150"))
FILES = ["a", "b", "dir/a", "dir/c", "other/b"]
# What a user may see while the server is out of reach, or while names move under them.
BEARABLE = {errno.ENOENT, errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ESTALE, errno.ETIMEDOUT,
            errno.EBUSY}


def sha(content):
    return hashlib.sha256(content).hexdigest()


class User:
    """Works on one device, remembers what was promised and what was seen before it was replaced."""

    def __init__(self, name, device, wire, chance):
        self.name, self.device, self.wire, self.chance = name, device, wire, chance
        self.point = None
        self.number = 0
        self.promised = {}   # sha -> where and when
        self.replaced = set()
        self.done = 0
        self.log = []

    def mount(self):
        trace = ["log-level=debug"] if os.environ.get("SKYMOOR_TRACE") else []
        self.point = self.device.mount("home", "read-timeout=2s", "cache-size=16MiB", *trace)

    def content(self):
        self.number += 1
        size = self.chance.choice([1, 50, 4000, 5000, 70000, 300000])
        return f"{self.name} {self.number} ".encode() + self.chance.randbytes(size)

    def look(self, fd):
        content = b""
        while piece := os.pread(fd, 1 << 20, len(content)):
            content += piece
        self.log.append(("saw", sha(content)[:8]))
        return sha(content)

    def step(self):
        what = self.chance.choice(["write", "write", "save", "append", "rename", "unlink", "mkdir", "rmdir", "list"])
        name = self.chance.choice(FILES)
        self.log.append((f"{time.time():.3f}", what, name))
        try:
            getattr(self, what)(name)
            self.done += 1
        except OSError as error:
            self.log.append(("failed", error.errno))
            assert error.errno in BEARABLE, f"{self.name}: {what} {name}: {error!r}"

    def promise(self, content, name):
        self.log.append(("promised", sha(content)[:8]))
        self.promised[sha(content)] = f"{self.name} {name} at {time.time():.3f}"

    def write(self, name):
        """Over what is there, through one descriptor."""
        content = self.content()
        os.makedirs(self.point / os.path.dirname(name), exist_ok=True)
        fd = os.open(self.point / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            seen = self.look(fd)
            self.replaced.add(seen)
            os.ftruncate(fd, 0)
            os.pwrite(fd, content, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        self.promise(content, name)

    def save(self, name):
        """As an editor does: a file beside it, renamed over it."""
        content = self.content()
        os.makedirs(self.point / os.path.dirname(name), exist_ok=True)
        fresh = self.point / f"{name}.{self.name}{self.number}"
        with open(fresh, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        self.promise(content, name)
        self.note(name)
        os.rename(fresh, self.point / name)

    def note(self, name):
        try:
            fd = os.open(self.point / name, os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            self.replaced.add(self.look(fd))
        finally:
            os.close(fd)

    def append(self, name):
        fd = os.open(self.point / name, os.O_RDWR | os.O_APPEND)
        try:
            seen = self.look(fd)
            old = b""
            while piece := os.pread(fd, 1 << 20, len(old)):
                old += piece
            more = self.content()
            self.replaced.add(seen)
            os.write(fd, more)
            os.fsync(fd)
            if self.look(fd) == sha(old + more):
                self.promise(old + more, name)
        finally:
            os.close(fd)

    def rename(self, name):
        to = self.chance.choice(FILES)
        if to == name:
            return
        self.log.append(("to", to))
        os.makedirs(self.point / os.path.dirname(to), exist_ok=True)
        self.note(to)
        os.rename(self.point / name, self.point / to)

    def unlink(self, name):
        self.note(name)
        os.unlink(self.point / name)

    def mkdir(self, _):
        os.makedirs(self.point / "dir", exist_ok=True)

    def rmdir(self, _):
        os.rmdir(self.point / self.chance.choice(["dir", "other"]))

    def list(self, name):
        os.listdir(self.point / os.path.dirname(name))


class Wires:
    """How devices reach the server: through wires of a network of their own, and the server has one as well."""
    troubles = list(TROUBLES)

    def __init__(self, w):
        self.routed = Routed()
        self.to_server = self.routed.wire()
        w.server.address, w.server.place = self.to_server.address, self.to_server.place
        w.server.scrypt_log_n = 17
        w.server.start()

    def connect(self, device):
        """The device's wire, and what it knows of the server."""
        wire = self.routed.wire()
        device.place = wire.place
        device.env["no_proxy"] = self.to_server.address
        return wire

    def url(self, w, _):
        return w.server.url

    def all_up(self):
        for wire in self.routed.wires:
            wire.set("up")

    def close(self):
        self.routed.close()


class Lines:
    """The same, through TCP proxies on loopback."""
    troubles = ["cut", "hold"]

    def __init__(self, w):
        w.server.start()
        self.port, self.lines = w.server.port, []
        self.to_server = None

    def connect(self, _):
        self.lines.append(Line(self.port))
        return self.lines[-1]

    def url(self, _, line):
        return line.url

    def all_up(self):
        for line in self.lines:
            line.set("up")

    def close(self):
        for line in self.lines:
            line.close()


def disturb(chance, w, users, wires):
    """One trouble: a wire, a client or the server."""
    user = chance.choice(users)
    what = chance.choice(["wire", "wire", "wire", "up", "up", "server's wire", "kill", "remount", "server kill", "server restart"])
    if what == "wire" or (what == "server's wire" and not wires.to_server):
        what = chance.choice(wires.troubles)
    user.log.append((f"{time.time():.3f}", what))
    if what in wires.troubles or what == "up":
        user.wire.set(what)
    elif what == "server's wire":
        wires.to_server.set("up" if wires.to_server.state != "up" else chance.choice(wires.troubles))
        user.log.append(wires.to_server.state)
    elif what == "kill":
        end_all(user.device, user.point)
        user.mount()
    elif what == "remount":
        user.device.umount(user.point)
        wait_until(lambda: not mounted(user.point), 30, "unmounted")
        end_all(user.device, user.point)
        user.mount()
    else:
        w.server.kill() if what == "server kill" else w.server.stop()
        time.sleep(chance.random())
        w.server.start()


def settle(users, wires):
    """All hear of all: three rounds, for a conflict makes changes of its own."""
    wires.all_up()
    for _ in range(3):
        for user in users:
            user.device.sync(user.point)
    def same():
        with contextlib.suppress(OSError):
            trees = [tree_of(u.point) for u in users]
            return trees[0] == trees[1] == trees[2]
        return False
    try:
        wait_until(same, 60, "equal trees", 0.5)
    except AssertionError:
        for user in users[1:]:
            assert_same_tree(users[0].point, user.point)


def check_promises(users, tree):
    live = {entry[-1] for entry in tree.values() if entry[-1]}
    replaced = set().union(*(u.replaced for u in users))
    promised = {digest: where for u in users for digest, where in u.promised.items()}
    assert len(promised) > 10, "hardly anything was written"
    lost = {digest[:12]: where for digest, where in promised.items() if digest not in live and digest not in replaced}
    assert not lost, f"{len(lost)} of {len(promised)} promised contents are gone: {lost}"


def play(seed, w, users, wires):
    """One history, and what must be true after it."""
    chance = random.Random(seed)
    for index, name in enumerate(("ann", "ben", "cho")):
        device = w.device(name)
        wire = wires.connect(device)
        server = type("Through", (), {"url": wires.url(w, wire)})
        if index == 0:
            device.signup(server)
            device.skymoor("volume", "create", "home")
        else:
            device.login(server)
        users.append(User(name, device, wire, random.Random(seed * 10 + index)))
        users[-1].mount()
    for _ in range(STEPS):
        if chance.random() < 0.06:
            disturb(chance, w, users, wires)
        else:
            chance.choice(users).step()
    settle(users, wires)
    fresh = w.device("fresh")
    fresh.login(type("Through", (), {"url": wires.url(w, wires.connect(fresh))}))
    clone = fresh.mount("home")
    assert_same_tree(users[0].point, clone)
    tree = tree_of(clone)
    check_promises(users, tree)
    print(f"seed {seed}: {sum(u.done for u in users)} steps, {sum(len(u.promised) for u in users)} promises, "
          f"{sum(b'(conflict ' in name for name in tree)} conflict copies")
    assert all(user.done > STEPS / 30 for user in users), [user.done for user in users]


def one_run(seed, kind):
    users = []
    with world(expect_clean=False) as w, contextlib.closing(kind(w)) as wires:
        try:
            play(seed, w, users, wires)
        except BaseException:
            for user in users:
                print(user.name, user.log)
            raise


def kind_of_wires():
    """Namespaces where this machine lets us make them."""
    why = "SKYMOOR_LINES is set" if os.environ.get("SKYMOOR_LINES") else why_not_routed()
    if why:
        print(f"through TCP lines, for network namespaces cannot be used: {why}")
    return Lines if why else Wires


def test_three_devices():
    kind = kind_of_wires()
    for seed in range(FIRST, FIRST + RUNS):
        try:
            one_run(seed, kind)
        except BaseException as error:
            raise AssertionError(f"SKYMOOR_SYNC_SEED={seed}: {error}") from error
        print(f"seed {seed}: passed", flush=True)
