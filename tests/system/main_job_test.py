"""The main job: use the drive with ordinary tools, find everything on a second device and after every restart."""

import os
import pathlib
import subprocess

from harness import assert_same_tree, run, world

BIG_BYTES = int(os.environ.get("SKYMOOR_BIG_BYTES", 1 << 30))


def make_repository(path):
    """A git repository with some history, from googletest's sources."""
    git = ["git", "-C", path, "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    run("cp", "-a", "/usr/src/googletest", path)
    run("git", "init", "-q", "-b", "main", path)
    for part in ("googletest", "googlemock", "."):
        run(*git, "add", part)
        run(*git, "commit", "-q", "--allow-empty", "-m", f"add {part}")
    return path


def write_big_file(path, size):
    """Incompressible bytes at disk speed."""
    with open(path, "wb") as out:
        subprocess.run(f"head -c {size} /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:skymoor 2>/dev/null", shell=True,
                       stdout=out, check=True)


def rsync_differences(left, right):
    """What rsync would change, by content, with owners and times."""
    return run("rsync", "-anciHAX", "--delete", f"{left}/", f"{right}/", timeout=600).stdout


def test_main_job():
    with world() as w:
        a, b = w.two_devices()
        source = w.root / "source"
        source.mkdir()
        run("tar", "-cf", w.root / "tree.tar", "-C", "/usr/lib", "python3.11", "-C", "/usr/src", "googletest")
        repository = make_repository(source / "repository")
        write_big_file(source / "big.bin", BIG_BYTES)

        drive = a.mount("home")
        run("tar", "-xf", w.root / "tree.tar", "-C", drive, timeout=600)
        run("git", "clone", "-q", repository, drive / "clone", timeout=300)
        run("cp", source / "big.bin", drive / "big.bin", timeout=600)
        # Edits, renames, deletes.
        with open(drive / "googletest" / "README.md", "a", encoding="utf-8") as readme:
            readme.write("one more line\n")
        run("sed", "-i", "s/GoogleTest/Skymoor/g", drive / "googletest" / "CMakeLists.txt")
        os.rename(drive / "googletest" / "googlemock", drive / "mock")
        os.link(drive / "mock" / "CMakeLists.txt", drive / "hard-link")
        os.symlink("mock/CMakeLists.txt", drive / "soft-link")
        run("rm", "-rf", drive / "python3.11" / "email")
        run("git", "-C", drive / "clone", "status", "--porcelain")
        run("git", "-C", drive / "clone", "fsck", "--strict")
        assert run("cmp", source / "big.bin", drive / "big.bin", timeout=600).returncode == 0

        a.sync(drive, timeout=900)
        assert a.status(drive)["pending"]["files"] == 0

        other = b.mount("home")
        assert rsync_differences(drive, other) == ""
        assert_same_tree(drive, other)
        run("git", "-C", other / "clone", "fsck", "--strict")
        assert run("git", "-C", other / "clone", "status", "--porcelain").stdout == ""

        # Both clients and the server are restarted, and everything is still there.
        a.umount(drive)
        b.umount(other)
        assert w.server.stop() == 0
        w.server.start()
        drive, other = a.mount("home"), b.mount("home")
        assert_same_tree(drive, other)
        assert run("cmp", source / "big.bin", other / "big.bin", timeout=600).returncode == 0


def test_operator_finds_neither_names_nor_contents():
    """The server's whole data directory holds no plaintext and no file name."""
    with world() as w:
        a = w.one_device(volume="secret-volume-label")
        drive = a.mount("secret-volume-label")
        needle = b"The quick brown fox keeps its diary on a drive. "
        (drive / "recognisable-directory-name").mkdir()
        (drive / "recognisable-directory-name" / "tiny-recognisable-name.txt").write_bytes(needle)
        (drive / "large-recognisable-name.txt").write_bytes(needle * 100_000)
        os.symlink("/recognisable/symlink/target", drive / "recognisable-link")
        os.setxattr(drive / "large-recognisable-name.txt", "user.recognisable-xattr", b"recognisable-xattr-value")
        a.sync(drive)
        w.server.stop()
        found = 0
        for path in pathlib.Path(w.server.data).rglob("*"):
            if path.is_file():
                found += 1
                content = path.read_bytes()
                for word in (b"recognisable", b"quick brown fox", b"secret-volume-label"):
                    assert word not in content, f"{word!r} in {path}"
        assert found > 3
        assert b"recognisable" not in w.server.log.read_bytes()
