"""Directories and files with very many names, to a second device. SKYMOOR_TEST_ENTRIES and SKYMOOR_TEST_LINKS: how many; by hand
1,000,000 and 100,000."""

import os
import time

from harness import wait_until, world

ENTRIES = int(os.environ.get("SKYMOOR_TEST_ENTRIES", "2000"))
LINKS = int(os.environ.get("SKYMOOR_TEST_LINKS", "1000"))


def test_very_many_names_come_to_a_second_device():
    patience = 60 + (ENTRIES + LINKS) / 200
    with world() as w:
        a, b = w.two_devices()
        left, right = a.mount("home"), b.mount("home", f"read-timeout={int(min(patience, 3000))}s")
        times = [time.monotonic()]
        os.mkdir(left / "many")
        for n in range(ENTRIES):
            os.close(os.open(left / "many" / f"entry {n}", os.O_CREAT | os.O_WRONLY, 0o644))
        times.append(time.monotonic())
        os.mkdir(left / "links")
        (left / "links" / "file").write_bytes(b"linked")
        for n in range(LINKS):
            os.link(left / "links" / "file", left / "links" / f"link {n}")
        times.append(time.monotonic())
        a.sync(left, timeout=int(patience * 10))
        times.append(time.monotonic())
        wait_until(lambda: (right / "links" / "file").exists(), patience, "the last of it on the other device")
        names = os.listdir(right / "many")
        assert len(names) == ENTRIES and set(names) == {f"entry {n}" for n in range(ENTRIES)}
        links = set(os.listdir(right / "links"))
        assert links == {"file"} | {f"link {n}" for n in range(LINKS)}
        assert (right / "links" / "file").stat().st_nlink == LINKS + 1
        times.append(time.monotonic())
        inode = (right / "links" / "file").stat().st_ino
        for n in range(0, LINKS, max(1, LINKS // 100)):
            link = right / "links" / f"link {n}"
            assert link.stat().st_ino == inode and link.read_bytes() == b"linked"
        # One change among them, both ways.
        os.unlink(right / "many" / f"entry {ENTRIES // 2}")
        os.unlink(right / "links" / "link 0")
        b.sync(right)
        wait_until(lambda: len(os.listdir(left / "many")) == ENTRIES - 1, patience, "a name less")
        wait_until(lambda: (left / "links" / "file").stat().st_nlink == LINKS, patience, "a link less")
        steps = [after - before for before, after in zip(times, times[1:])]
        print(f"{ENTRIES} entries made in {steps[0]:.1f} s, {LINKS} links in {steps[1]:.1f} s, sent after {steps[2]:.1f} s more, "
              f"listed elsewhere in {steps[3]:.1f} s")
        a.umount(left)
        b.umount(right)
        a.fsck()
