"""A client that may open few files: callers hear of it, nothing is lost, and it goes on when there are descriptors again."""

import errno
import os

from harness import SKYMOOR, assert_same_tree, run, wait_until, world

FEW = 96


def mounted_with(device, number, *options):
    """A mount whose processes have so many descriptors, and cannot raise that."""
    point = device.root / "drive"
    point.mkdir()
    device.mounts.append(point)
    run("prlimit", f"--nofile={number}:{number}", SKYMOOR, "mount", "home", point, "-o", ",".join(options), env=device.env)
    return point


def descriptors_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_few_descriptors_are_told_and_nothing_is_lost():
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        left = mounted_with(a, FEW, "takeover=off")
        right = b.mount("home")
        pid = a.pid(left)
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            assert f"{FEW}" in next(line for line in limits if line.startswith("Max open files"))
        held, refused, promised = [], [], {}
        for n in range(3 * FEW):
            name = f"f{n}"
            try:
                f = open(left / name, "wb")   # pylint: disable=consider-using-with
                f.write(name.encode() * 1000)
                f.flush()
                held.append(f)
                promised[name] = name.encode() * 1000
            except OSError as error:
                refused.append((name, error.errno))
        print(f"{len(held)} files open, {len(refused)} refused, {descriptors_of(pid)} descriptors")
        assert descriptors_of(pid) <= FEW
        assert {code for _, code in refused} <= {errno.EMFILE, errno.ENFILE}, refused[:5]
        assert len(refused) > 10, "the limit was never reached"
        assert len(held) > 10
        # What is open goes on, and what needs none works.
        for f in held:
            f.write(b"more")
            f.flush()
            promised[os.path.basename(f.name)] += b"more"
        assert set(promised) <= set(os.listdir(left))
        os.mkdir(left / "folder")
        os.rename(left / held[0].name.rsplit("/", 1)[1], left / "folder" / "renamed")
        promised["folder/renamed"] = promised.pop(os.path.basename(held[0].name))
        for f in held:
            f.close()
        for name, _ in refused:
            (left / name).write_bytes(name.encode())
            promised[name] = name.encode()
        a.sync(left)
        for name, data in promised.items():
            assert (left / name).read_bytes() == data, name
        wait_until(lambda: len(os.listdir(right)) == len(os.listdir(left)), 60, "all names on the other device")
        assert_same_tree(left, right)
        assert descriptors_of(pid) <= FEW
        a.umount(left)
        a.fsck()
