"""The same work again and again, on a line that breaks: processes end up as large as they were, with as many descriptors and
threads. SKYMOOR_GROWTH_ROUNDS: how often (48; the first half is not looked at, caches fill in it:
of 108 rounds the server grew in 27, to 49.6 MiB, and in none after that)."""

import contextlib
import os
import pathlib
import random
import statistics

from harness import assert_same_tree, wait_until, world
from lines import Line

ROUNDS = int(os.environ.get("SKYMOOR_GROWTH_ROUNDS", "48"))
FILES = 60
MIB = 1 << 20
# Of the memory that a process had after its caches were full; what one arena of malloc may take more or less on top.
GROWTH, ARENA_KIB = 1.05, 3 * 1024
# Connections that are open when the look is taken. Not counted: segments of the block store, one for each 256 MiB that it holds.
SOME_DESCRIPTORS = 4


class Size:
    """What a process has at the end of each round."""

    def __init__(self, name, pid):
        self.name, self.pid, self.samples = name, pid, []

    def look(self):
        """Adds one."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        self.samples.append((int(fields["RssAnon"].split()[0]), self.descriptors(), int(fields["Threads"])))

    def descriptors(self):
        """How many, but for what grows with the data."""
        count = 0
        for entry in os.scandir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                count += not os.readlink(entry.path).endswith(".segment")
        return count

    def report(self):
        """What grew."""
        quarter = len(self.samples) // 4
        early, late = self.samples[2 * quarter:3 * quarter], self.samples[3 * quarter:]
        memory, memory_late = (statistics.median(kib for kib, _, _ in part) for part in (early, late))
        print(f"{self.name}: {memory:.0f} -> {memory_late:.0f} KiB, {early[-1][1:]} -> {late[-1][1:]} descriptors, threads")
        grown = []
        if memory_late > memory * GROWTH + ARENA_KIB:
            grown.append(f"{self.name}: {memory:.0f} KiB became {memory_late:.0f}")
        for what, at, slack in (("descriptors", 1, SOME_DESCRIPTORS), ("threads", 2, 0)):
            before, after = max(s[at] for s in early), min(s[at] for s in late[-3:])
            if after > before + slack:
                grown.append(f"{self.name}: {before} {what} became {after}")
        return grown


def work(drive, other, chance):
    """Makes, replaces, renames and deletes; ends with as many names as it began with."""
    for n in range(FILES):
        path = drive / f"{n}"
        path.write_bytes(chance.randbytes(chance.choice([10, 5000, 70000])))
        if n % 3 == 0:
            path.rename(drive / f"renamed-{n % 9}")
        elif n % 3 == 1:
            path.unlink()
        else:
            os.setxattr(path, "user.round", chance.randbytes(20))
    with open(drive / "large", "wb") as f:
        f.write(chance.randbytes(3 * MIB))
        os.fsync(f.fileno())
    # Both write one name: somebody gets a conflict copy.
    (drive / "both").write_bytes(chance.randbytes(5000))
    (other / "both").write_bytes(chance.randbytes(6000))


def tidy(drive):
    """Conflict copies go."""
    for path in drive.glob("both (conflict *"):
        path.unlink()


def test_the_same_work_again_and_again_grows_nothing():
    chance = random.Random(5)
    with world() as w:
        w.server.start()
        line = Line(w.server.port)
        try:
            a, b = w.device("a"), w.device("b")
            a.skymoor("signup", line.url, "ada", "--password-file", a.password_file, "--trust-first", "--recovery-file",
                      a.root / "recovery", "--no-volume")
            a.skymoor("volume", "create", "home")
            b.login(w.server)
            left, right = a.mount("home", "cache-size=64MiB"), b.mount("home", "cache-size=64MiB")
            sizes = [Size("client", a.pid(left)), Size("its supervisor", a.status(left)["supervisor"]["pid"]),
                     Size("other client", b.pid(right)), Size("server", w.server.process.pid)]
            copies = 0
            for number in range(ROUNDS):
                work(left, right, chance)
                if number % 2:
                    line.set("cut")
                    (left / "offline").write_text(str(number))
                    wait_until(lambda: not a.status(left)["online"], 30, "offline")
                    line.set("up")
                for device, drive in ((b, right), (a, left), (b, right)):
                    device.sync(drive)
                wait_until(lambda: sorted(os.listdir(left)) == sorted(os.listdir(right)), 60, "one tree")
                for path in right.iterdir():
                    path.read_bytes()
                copies += len(list(left.glob("both (conflict *")))
                tidy(left)
                a.sync(left)
                for size in sizes:
                    size.look()
            assert copies > ROUNDS / 2, "nothing met"
            assert [a.pid(left), b.pid(right)] == [sizes[0].pid, sizes[2].pid], "another process took over"
            wait_until(lambda: sorted(os.listdir(left)) == sorted(os.listdir(right)), 60, "one tree")
            assert_same_tree(left, right)
            grown = [line for size in sizes for line in size.report()]
            assert not grown, grown
        finally:
            line.close()
