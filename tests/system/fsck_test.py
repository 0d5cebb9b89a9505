"""Planted damage is found and named by both fscks, and repairs leave what is good alone."""

import json
import os
import pathlib
import random

from harness import SKYMOORD, run, tree_of, wait_until, world
from sealed_database import changed_database, page_bytes


def server_fsck(w, *options):
    done = run(SKYMOORD, "fsck", "--data", w.server.data, "--json", *options, check=False)
    assert done.returncode in (0, 1) and done.stdout, (done.returncode, done.stderr)
    answer = json.loads(done.stdout)
    assert (done.returncode == 0) == (answer["found"] == answer["repaired"])
    return answer


def client_fsck(device, *options):
    done = device.skymoor("fsck", "--json", *options, check=False)
    assert done.returncode in (0, 6), (done.returncode, done.stderr)
    answer = json.loads(done.stdout)
    assert (done.returncode == 0) == answer["clean"]
    return answer


def backing(device, inode, kind):
    """The backing file of an inode: 'data' for what was not sent, 'cache' for what the server has."""
    return next(pathlib.Path(device.root / kind).glob(f"**/backing/*/{inode:x}"), None) or \
        next(path for path in pathlib.Path(device.root / kind).glob("**/backing/*/*") if int(path.name, 16) == inode)


def flip(path, offset, length=16):
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(length)
        file.seek(offset)
        file.write(bytes(b ^ 0xff for b in old))


def test_server_damage_is_named_and_counts_are_repaired():
    with world(expect_clean=False) as w:
        a, b = w.two_devices()
        left = a.mount("home")
        content = os.urandom(3 << 20)
        (left / "file").write_bytes(content)
        (left / "dir").mkdir()
        (left / "dir" / "other").write_bytes(os.urandom(200_000))
        a.sync(left)
        done = run(SKYMOORD, "fsck", "--data", w.server.data, check=False)
        assert done.returncode == 1 and "stop it first" in done.stderr
        w.server.stop()
        clean = server_fsck(w)
        assert clean["clean"] and clean["findings"] == [] and clean["blocks"] >= 2 and clean["commits"] >= 1
        assert run(SKYMOORD, "fsck", "--data", w.server.data).stdout.endswith("in order\n")

        # Counts: found, put right, and nothing else changed.
        database = w.server.data / "metadata.db"
        with changed_database(database) as db:
            db.execute("UPDATE blocks SET refs=refs+3")
            db.execute("UPDATE volumes SET stored_bytes=7")
        damaged = server_fsck(w)
        assert damaged["found"] >= 3 and damaged["repaired"] == 0 and all(f["repairable"] for f in damaged["findings"])
        repaired = server_fsck(w, "--repair")
        assert repaired["repaired"] == repaired["found"] == damaged["found"]
        assert server_fsck(w)["clean"]

        # A damaged block: found and named, left alone by a repair; the device that has the bytes gives them back.
        segment = next((w.server.data / "blocks").glob("*.segment"))
        flip(segment, 4096)
        damaged = server_fsck(w, "--repair")
        assert damaged["found"] == 1 and damaged["repaired"] == 0 and "is damaged" in damaged["findings"][0]["what"]
        w.server.start()
        a.umount(left)   # a device remembers which blocks it has sent since it was mounted
        left = a.mount("home")
        (left / "again").write_bytes(content)
        (left / "dir" / "again").write_bytes((left / "dir" / "other").read_bytes())
        a.sync(left)
        w.server.stop()
        repaired = server_fsck(w)
        assert repaired["clean"], repaired
        w.server.start()
        right = b.mount("home")
        wait_until(lambda: (right / "dir" / "again").exists(), 30, "on the other device")
        assert (right / "file").read_bytes() == content
        assert tree_of(left) == tree_of(right)

        # A block that is gone altogether.
        a.umount(left)
        b.umount(right)
        w.server.stop()
        for path in (w.server.data / "blocks").glob("*.hint"):
            path.unlink()
        next((w.server.data / "blocks").glob("*.segment")).unlink()
        gone = server_fsck(w)
        assert gone["found"] >= 2 and all("is missing from the block store" in f["what"] for f in gone["findings"])
        done = run(SKYMOORD, "fsck", "--data", w.root / "nowhere", check=False)
        assert done.returncode == 1 and "no server data" in done.stderr


def test_a_bit_of_the_servers_database_is_named_with_its_page():
    with world(expect_clean=False) as w:
        w.two_devices_with_names(300)
        w.server.stop()
        database = w.server.data / "metadata.db"
        assert server_fsck(w)["clean"]
        size = page_bytes(database)
        pages = database.stat().st_size // size
        assert pages > 20
        whole, named = database.read_bytes(), 0
        for page in (pages // 2, pages // 3, pages // 4):   # one of them may be free, and nobody reads it
            flip(database, page * size + size // 2, 1)
            damaged = server_fsck(w, "--repair")
            assert damaged["repaired"] == 0
            named += any(f"page {page + 1} of {database} is damaged" in finding["what"] for finding in damaged["findings"])
            for beside in database.parent.glob("metadata.db-*"):
                beside.unlink()
            database.write_bytes(whole)
        assert named, damaged
        assert server_fsck(w)["clean"]


def test_client_damage_is_named_and_only_what_the_server_has_is_forgotten():
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        left = a.mount("home")
        sizes = {"clean": 3 << 20, "small": 2000, "short": 500_000, "good": 400_000}
        for name, size in sizes.items():
            (left / name).write_bytes(os.urandom(size))
        a.sync(left)
        contents = {name: (left / name).read_bytes() for name in sizes}
        inodes = {name: os.stat(left / name).st_ino for name in sizes}
        w.server.stop()
        (left / "unsent").write_bytes(os.urandom(300_000))
        inodes["unsent"] = os.stat(left / "unsent").st_ino
        a.umount(left)
        assert client_fsck(a)["clean"] and client_fsck(a, "--deep")["clean"]

        flip(backing(a, inodes["clean"], "cache"), 2 << 20)
        flip(backing(a, inodes["small"], "cache"), 100)
        os.truncate(backing(a, inodes["short"], "cache"), 1000)
        os.truncate(backing(a, inodes["unsent"], "data"), 1000)
        shallow = client_fsck(a)["volumes"][0]["problems"]
        assert len(shallow) == 2 and any(p.startswith("short: ") for p in shallow), shallow
        assert any(p.startswith("unsent: ") and "not sent yet" in p for p in shallow), shallow
        deep = client_fsck(a, "--deep")["volumes"][0]["problems"]
        assert {p.split(":")[0] for p in deep} == {"clean", "small", "short", "unsent"}, deep
        repaired = client_fsck(a, "--deep", "--repair")["volumes"][0]
        assert {p.split(":")[0] for p in repaired["repaired"]} == {"clean", "small", "short"}, repaired
        assert [p.split(":")[0] for p in repaired["problems"]] == ["unsent"]
        assert [p.split(":")[0] for p in client_fsck(a, "--deep")["volumes"][0]["problems"]] == ["unsent"]

        w.server.start()
        left = a.mount("home")
        for name, content in contents.items():
            assert (left / name).read_bytes() == content, name


def put(path, offset, new):
    """Within what the file has."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(new[:path.stat().st_size - offset])


def flip_bit(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ 1 << at % 8]))


# What can happen to a file on a disk.
DAMAGES = {
    "a bit": flip_bit,
    "a page of zeros": lambda path, at: put(path, at & ~4095, bytes(4096)),
    "another file's bytes": lambda path, at: put(path, at, os.urandom(64)),
    "cut short": os.truncate,
    "empty": lambda path, _: os.truncate(path, 0),
    "gone": lambda path, _: path.unlink(),
}
DAMAGED = int(os.environ.get("SKYMOOR_DAMAGED_FILES", "200"))


def test_each_damage_to_a_clean_backing_file_is_found_and_fetched_again():
    chance = random.Random(int(os.environ.get("SKYMOOR_CRASH_SEED", "1")))
    with world(expect_clean=False) as w:
        a, _ = w.two_devices()
        left = a.mount("home")
        contents = {f"f{n}": os.urandom(chance.choice([300, 5000, 20000, 300_000])) for n in range(DAMAGED)}
        for name, content in contents.items():
            (left / name).write_bytes(content)
        a.sync(left)
        inodes = {name: os.stat(left / name).st_ino for name in contents}
        a.umount(left)
        assert client_fsck(a, "--deep")["clean"]
        kept = {int(path.name, 16): path for path in (a.root / "cache").glob("**/backing/*/*")}
        done = {}
        for name, content in contents.items():
            done[name] = chance.choice(list(DAMAGES))
            before = kept[inodes[name]].read_bytes()
            assert before == content
            DAMAGES[done[name]](kept[inodes[name]], chance.randrange(len(content)))
            assert not kept[inodes[name]].exists() or kept[inodes[name]].read_bytes() != before, f"{done[name]} changed nothing"
        found = {p.split(":")[0] for p in client_fsck(a, "--deep", "--repair")["volumes"][0]["repaired"]}
        # A clean file that is gone is a cache that was wiped, and nobody's fault.
        missed = {name: done[name] for name in contents if name not in found and done[name] != "gone"}
        assert not missed and len(set(done.values())) == len(DAMAGES), missed
        assert client_fsck(a, "--deep")["clean"]
        left = a.mount("home")
        for name, content in contents.items():
            assert (left / name).read_bytes() == content, f"{name}: {done[name]}"


def test_a_lost_database_is_no_new_start():
    """fsck called it in order, and a logout took it for a volume that was never mounted."""
    with world(expect_clean=False) as w:
        a, _ = w.two_devices_with_names(3)
        state = next((a.root / "data").glob("skymoor/volumes/*/metadata"))
        wait_until(lambda: not list(state.glob("*-wal")), 60, "the end of its process")
        for lose in (lambda path: path.write_bytes(b""), lambda path: path.unlink()):
            lose(state / "metadata.db")
            found = a.skymoor("fsck", check=False)
            assert found.returncode == 6 and "op log" in found.stdout, found.stdout + found.stderr
            refused = a.skymoor("logout", "--forget", check=False)
            assert refused.returncode != 0 and "unsent" in refused.stderr, refused.stderr


def test_a_mounted_volume_keeps_no_other_from_being_checked():
    with world() as w:
        a = w.one_device()
        a.skymoor("volume", "create", "other")
        (a.mount("home") / "file").write_text("x")
        other = a.mount("other", name="second")
        a.umount(other)
        found = a.skymoor("fsck", check=False)
        assert found.returncode == 7, "not all of it was looked at"
        assert "'home': not checked" in found.stdout and "'other': in order" in found.stdout, found.stdout
