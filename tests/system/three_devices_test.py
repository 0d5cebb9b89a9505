"""Three devices work on the same few names, each in a network namespace of its own, as is the server; wires break in every way,
clients and the server are killed. At the end all trees are one, no content that a user has fsynced is gone without somebody
having replaced it, and what was replaced after the server had it is among the versions that the server keeps.

Processes run as they like: a seed gives the same wishes, not the same history. SKYMOOR_SYNC_SEEDS: how many runs (1),
SKYMOOR_SYNC_SEED: the first (1), SKYMOOR_SYNC_STEPS: steps of each (150), SKYMOOR_TRACE=1: mounts log all that they do,
SKYMOOR_KEEP=1: nothing is removed at the end. SKYMOOR_LINES=1: TCP lines that can be cut instead of namespaces, for machines where
those cannot be made.
"""

import contextlib
import errno
import hashlib
import json
import os
import random
import sqlite3
import time

from faults import end_all, tally
from harness import assert_same_tree, mounted, tree_of, wait_until, world
from lines import Line
from network import TROUBLES, Routed, why_not_routed

RUNS = int(os.environ.get("SKYMOOR_SYNC_SEEDS", "1"))
FIRST = int(os.environ.get("SKYMOOR_SYNC_SEED", "1"))
STEPS = int(os.environ.get("SKYMOOR_SYNC_STEPS", "150"))
FILES = ["a", "b", "dir/a", "dir/c", "other/b", "moved/a"]
DIRECTORIES = ["dir", "other", "moved"]
# What each run does at least once.
DISTURBANCES = ["wire", "kill", "up", "server kill", "server's wire", "remount", "up", "server restart"]
# What a user may see while the server is out of reach, or while names move under them.
BEARABLE = {errno.ENOENT, errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ESTALE, errno.ETIMEDOUT,
            errno.EBUSY, errno.ENODATA}


def sha(content):
    return hashlib.sha256(content).hexdigest()


class User:
    """Works on one device, remembers what was promised and what was seen before it was replaced."""

    def __init__(self, name, device, wire, chance):
        self.name, self.device, self.wire, self.chance = name, device, wire, chance
        self.point = None
        self.number = 0
        self.promised = {}   # sha -> where and when
        self.sizes = {}
        self.replaced = set()
        self.sent = set()    # of those: the server had it
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

    def replaces(self, fd):
        """What is there is about to go, with this user's knowledge. What it is."""
        seen = self.look(fd)
        synced = os.getxattr(fd, "user.skymoor.state") == b"synced"
        self.replaced.add(seen)
        if synced and self.look(fd) == seen:
            self.sent.add(seen)
        return seen

    def step(self):
        what = self.chance.choice(["write", "write", "save", "append", "cut", "patch", "rename", "unlink", "link", "symlink", "chmod",
                                   "set_attribute", "mkdir", "rmdir", "move_directory", "list"])
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
        self.sizes[sha(content)] = len(content)

    def write(self, name):
        """Over what is there, through one descriptor."""
        content = self.content()
        os.makedirs(self.point / os.path.dirname(name), exist_ok=True)
        fd = os.open(self.point / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self.replaces(fd)
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
            self.replaces(fd)
        finally:
            os.close(fd)

    def append(self, name):
        def change(fd, old):
            more = self.content()
            os.write(fd, more)
            return old + more
        self.changed_in_place(name, change, os.O_APPEND)

    def changed_in_place(self, name, change, flags=0):
        """`change` is given the descriptor and what stands there, and answers with what will."""
        fd = os.open(self.point / name, os.O_RDWR | flags)
        try:
            self.replaces(fd)
            old = b""
            while piece := os.pread(fd, 1 << 20, len(old)):
                old += piece
            new = change(fd, old)
            os.fsync(fd)
            if self.look(fd) == sha(new) and new:
                self.promise(new, name)
        finally:
            os.close(fd)

    def cut(self, name):
        """To half, and so that nobody else comes to the same by cutting off what was appended."""
        def change(fd, old):
            tag = self.content()[:20]
            os.ftruncate(fd, len(old) // 2)
            os.pwrite(fd, tag, 0)
            return tag + old[len(tag):len(old) // 2]
        self.changed_in_place(name, change)

    def patch(self, name):
        def change(fd, old):
            at, piece = self.chance.randrange(len(old) + 1), self.chance.randbytes(2000)
            os.pwrite(fd, piece, at)
            return old[:at] + piece + old[at + len(piece):]
        self.changed_in_place(name, change)

    def link(self, name):
        to = self.chance.choice(FILES)
        self.log.append(("to", to))
        os.makedirs(self.point / os.path.dirname(to), exist_ok=True)
        os.link(self.point / name, self.point / to)

    def symlink(self, name):
        """Of names that nothing else has."""
        place = self.point / os.path.dirname(name) / "pointer"
        if os.path.islink(place):
            os.unlink(place)
        os.symlink(self.chance.choice(FILES), place)

    def chmod(self, name):
        os.chmod(self.point / name, self.chance.choice([0o600, 0o640, 0o644, 0o755]))

    def set_attribute(self, name):
        key = f"user.{self.chance.choice('xy')}"
        if self.chance.random() < 0.3 and key in os.listxattr(self.point / name):
            os.removexattr(self.point / name, key)
        else:
            os.setxattr(self.point / name, key, self.chance.randbytes(self.chance.choice([0, 10, 3000])))

    def move_directory(self, _):
        old, new = self.chance.sample(DIRECTORIES, 2)
        self.log.append((old, new))
        os.rename(self.point / old, self.point / new)

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
        os.makedirs(self.point / self.chance.choice(DIRECTORIES), exist_ok=True)

    def rmdir(self, _):
        os.rmdir(self.point / self.chance.choice(DIRECTORIES))

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


def disturb(what, chance, w, users, wires):
    """One trouble: a wire, a client or the server."""
    user = chance.choice(users)
    if what == "wire" or (what == "server's wire" and not wires.to_server):
        what = chance.choice(wires.troubles)
    user.log.append((f"{time.time():.3f}", what))
    if what in wires.troubles or what == "up":
        user.wire.set(what)
        if what != "up":
            tally("trouble on a line")
    elif what == "server's wire":
        wires.to_server.set("up" if wires.to_server.state != "up" else chance.choice(wires.troubles))
        user.log.append(wires.to_server.state)
    elif what == "kill":
        assert user.device.processes(), "nobody is there to be killed"
        end_all(user.device, user.point)
        tally("client killed")
        user.mount()
    elif what == "remount":
        user.device.umount(user.point)
        wait_until(lambda: not mounted(user.point), 30, "unmounted")
        end_all(user.device, user.point)
        user.mount()
    else:
        if what == "server kill":
            w.server.kill()
            tally("server killed")
        else:
            w.server.stop()
        time.sleep(chance.random())
        if wires.to_server and wires.to_server.state == "moved":
            wires.to_server.set("up")   # nobody listens on an address that the machine does not have
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


class Past:
    """What the server keeps of contents that are not in the tree, as its users get at it: versions and deleted entries. The
    commands show no deleted directory behind another one of its name, so that of what was in such a one the server's tables tell
    that they have a content of that size."""

    def __init__(self, device, point, server):
        self.device, self.point, self.server = device, point, server
        self.looked_at = 0
        self.hidden = False

    def _ask(self, *words):
        return json.loads(self.device.skymoor(*words, "--json").stdout)

    def paths(self):
        """Of all files that are or were there."""
        found = {os.path.join(at, name) for at, _, names in os.walk(self.point) for name in names}
        directories = [at for at, _, _ in os.walk(self.point)]
        while directories:
            directory = directories.pop()
            for entry in self._ask("trash", directory)["entries"]:
                path = os.path.join(directory, entry["name"])
                if entry["type"] == "file":
                    found.add(path)
                elif entry["type"] == "directory" and (os.path.lexists(path) or path in directories):
                    self.hidden = True
                elif entry["type"] == "directory":
                    directories.append(path)
        return sorted(found)

    def sizes(self):
        """Of all contents that the server has."""
        with contextlib.closing(sqlite3.connect(f"file:{self.server.data}/metadata.db?mode=ro", uri=True)) as tables:
            return {size for size, in tables.execute("SELECT size FROM versions")}

    def find(self, wanted):
        """The contents of {digest: size} that are kept."""
        found = set()
        for path in self.paths():
            for version in self._ask("versions", path)["versions"]:
                if version["size"] in {size for digest, size in wanted.items() if digest not in found}:
                    self.looked_at += 1
                    copy = self.device.root / f"version-{self.looked_at}"
                    self.device.skymoor("restore", path, "--version", version["version"], "--to", copy)
                    found.add(sha(copy.read_bytes()))
        if self.hidden:
            sizes = self.sizes()
            found |= {digest for digest, size in wanted.items() if size in sizes}
        return found & set(wanted)


def check_promises(users, tree, past):
    live = {entry[-1] for entry in tree.values() if entry[-1]}
    replaced = set().union(*(u.replaced for u in users))
    promised = {digest: where for u in users for digest, where in u.promised.items()}
    assert len(promised) > 10, "hardly anything was written"
    lost = {digest[:12]: where for digest, where in promised.items() if digest not in live and digest not in replaced}
    assert not lost, f"{len(lost)} of {len(promised)} promised contents are gone: {lost}"
    # Replaced by somebody who saw it, it is still to be had: as soon as the server had it, which its author's own state says, or
    # that another device saw it.
    sent = {digest for user in users for digest in user.sent}
    for user in users:
        sent |= {digest for other in users if other is not user for digest in other.replaced if digest in user.promised}
    wanted = {digest: user.sizes[digest] for user in users for digest in user.promised if digest in sent and digest not in live}
    assert len(wanted) >= len(users), f"only {len(wanted)} contents were replaced after they had been sent"
    kept = past.find(wanted)
    gone = {digest[:12]: (promised[digest], wanted[digest]) for digest in wanted if digest not in kept}
    assert not gone, f"{len(gone)} of {len(wanted)} replaced contents are nowhere among the versions: {gone}"
    return len(kept)


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
    # While all is calm: each replaces something that the server has.
    for user, name in zip(users, FILES):
        user.write(name)
        user.device.sync(user.point)
        user.write(name)
    planned = {STEPS * number // len(DISTURBANCES): what for number, what in enumerate(chance.sample(DISTURBANCES, len(DISTURBANCES)))}
    assert len(planned) == len(DISTURBANCES), "too few steps for a disturbance of each kind"
    for step in range(STEPS):
        if what := planned.get(step) or (chance.random() < 0.03 and chance.choice(DISTURBANCES)):
            disturb(what, chance, w, users, wires)
        else:
            chance.choice(users).step()
    settle(users, wires)
    fresh = w.device("fresh")
    fresh.login(type("Through", (), {"url": wires.url(w, wires.connect(fresh))}))
    clone = fresh.mount("home")
    assert_same_tree(users[0].point, clone)
    tree = tree_of(clone)
    kept = check_promises(users, tree, Past(fresh, clone, w.server))
    print(f"seed {seed}: {sum(u.done for u in users)} steps, {sum(len(u.promised) for u in users)} promises, "
          f"{sum(b'(conflict ' in name for name in tree)} conflict copies, {kept} contents among the versions")
    assert all(user.done > STEPS / 30 for user in users), [user.done for user in users]
    w.assert_in_order()


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
    """Namespaces, unless somebody has said that this machine has none."""
    if os.environ.get("SKYMOOR_LINES"):
        return Lines
    why = why_not_routed()
    assert not why, f"network namespaces cannot be used (SKYMOOR_LINES=1 takes TCP lines instead): {why}"
    return Wires


def test_three_devices():
    kind = kind_of_wires()
    for seed in range(FIRST, FIRST + RUNS):
        try:
            one_run(seed, kind)
        except BaseException as error:
            raise AssertionError(f"SKYMOOR_SYNC_SEED={seed}: {error}") from error
        print(f"seed {seed}: passed", flush=True)
