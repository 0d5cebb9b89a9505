"""Copying trees in and out with everything that they carry: rsync, tar, cp, mv; and find and du over them."""

import os
import pathlib
import stat

import pytest
from harness import assert_same_tree, run

DIRECTORIES, FILES = 24, 24


@pytest.fixture(name="tree")
def tree_with_everything(local):
    root = local / "tree"
    (root / "d" / "sub").mkdir(parents=True)
    (root / "plain").write_bytes(os.urandom(300_000))
    (root / "d" / "empty").write_bytes(b"")
    (root / "d" / "suid").write_bytes(b"x")
    os.chmod(root / "d" / "suid", 0o4751)
    os.chown(root / "d" / "suid", 1234, 2345)
    os.chmod(root / "d" / "suid", 0o4751)
    os.chmod(root / "d" / "sub", 0o2775)
    os.link(root / "plain", root / "d" / "hard")
    os.symlink("../plain", root / "d" / "soft")
    os.symlink("nowhere", root / "d" / "dangling")
    os.mkfifo(root / "fifo")
    os.mknod(root / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    (root / "name with\nnewline \u00e9").write_text("odd")
    with open(os.path.join(os.fsencode(root), b"latin-\xe9"), "wb") as f:
        f.write(b"bytes")
    with open(root / "sparse", "wb") as f:
        f.seek(5_000_000)
        f.write(b"end")
    for n in range(50):
        (root / "d" / "sub" / f"f{n}").write_text(f"{n}" * n)
        os.utime(root / "d" / "sub" / f"f{n}", ns=(10 ** 18 + n, -10 ** 15 * n + n))
    os.setxattr(root / "plain", "user.kind", b"\0\xff")
    os.setxattr(root / "plain", "trusted.kind", b"t")
    os.setxattr(root / "d", "user.of-a-directory", b"d")
    run("setfacl", "-m", "u:1001:rw,g:1002:r", root / "d" / "empty")
    run("setfacl", "-d", "-m", "u:1001:rwx", root / "d" / "sub")
    # rsync takes times within a second for equal: let nothing be as young as its copy.
    for number, path in enumerate((*root.rglob("*"), root)):
        if path.parent.name != "sub":
            os.utime(path, ns=(10 ** 18 + number, 10 ** 18 + 1000 * number), follow_symlinks=False)
    return root


def differences(left, right):
    """What rsync would still copy."""
    return run("rsync", "-anciHAX", "--delete", f"{left}/", f"{right}/").stdout


def lists_of(root):
    """Access lists and attributes, with names relative to the root."""
    acls = run("getfacl", "-R", "-P", "-n", ".", cwd=root).stdout
    xattrs = {}
    for path in sorted(pathlib.Path(root).rglob("*")):
        if not path.is_symlink():
            xattrs[os.fsencode(path.relative_to(root))] = {n: os.getxattr(path, n) for n in sorted(os.listxattr(path))
                                                           if not n.startswith("system.")}
    return sorted(acls.split("\n\n")), xattrs


def test_rsync_in_and_out(tree, work, local):
    run("rsync", "-aHAXS", f"{tree}/", f"{work}/in/")
    assert differences(tree, work / "in") == ""
    assert_same_tree(tree, work / "in")
    assert lists_of(tree) == lists_of(work / "in")
    run("rsync", "-aHAXS", f"{work}/in/", f"{local}/out/")
    assert_same_tree(tree, local / "out")
    assert lists_of(tree) == lists_of(local / "out")
    (tree / "plain").write_bytes(b"changed")
    os.unlink(tree / "fifo")
    run("rsync", "-aHAX", "--delete", "--inplace", f"{tree}/", f"{work}/in/")
    assert_same_tree(tree, work / "in")


def test_tar_in_and_out(tree, work, local):
    keep = ["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner"]
    run("tar", "-C", tree, *keep, "--sparse", "-cf", work / "a.tar", ".")
    (work / "in").mkdir()
    run("tar", "-C", work / "in", *keep, "-xpf", work / "a.tar")
    assert_same_tree(tree, work / "in")
    assert lists_of(tree) == lists_of(work / "in")
    run("tar", "-C", work / "in", *keep, "-cf", local / "b.tar", ".")
    (local / "out").mkdir()
    run("tar", "-C", local / "out", *keep, "-xpf", local / "b.tar")
    assert_same_tree(tree, local / "out")
    assert lists_of(tree) == lists_of(local / "out")
    assert run("tar", "-C", work / "in", "--numeric-owner", "-df", work / "a.tar").stdout == ""


def test_cp_keeps_everything(tree, work):
    run("cp", "-a", tree, work / "in")
    assert_same_tree(tree, work / "in")
    assert lists_of(tree) == lists_of(work / "in")
    run("cp", "-a", "--sparse=always", work / "in", work / "again")
    assert_same_tree(tree, work / "again")
    assert (work / "again" / "sparse").stat().st_blocks * 512 < 1_000_000, "the hole stayed one"
    run("cp", "-al", work / "in", work / "linked")
    assert (work / "linked" / "d" / "empty").stat().st_nlink == 2


def test_find_du_and_mv_of_a_large_tree(work, local):
    for d in range(DIRECTORIES):
        (work / "big" / f"d{d}").mkdir(parents=True)
        for f in range(FILES):
            (work / "big" / f"d{d}" / f"f{f}").write_bytes(b"x" * (d * f))
    files = DIRECTORIES * FILES
    size = sum(d * f for d in range(DIRECTORIES) for f in range(FILES))
    assert run("find", work / "big", "-type", "f").stdout.count("\n") == files
    assert run("find", work / "big", "-name", "f7", "-newermt", "2020-01-01", "-size", "+0").stdout.count("\n") == DIRECTORIES - 1
    everything = int(run("du", "-sb", work / "big").stdout.split()[0])
    assert everything == size + (DIRECTORIES + 1) * work.stat().st_size
    assert int(run("du", "--inodes", "-s", work / "big").stdout.split()[0]) == files + DIRECTORIES + 1
    inode = (work / "big" / "d3" / "f3").stat().st_ino
    run("mv", work / "big", work / "renamed")
    assert (work / "renamed" / "d3" / "f3").stat().st_ino == inode and not (work / "big").exists()
    run("cp", "-a", work / "renamed", local / "copy")
    run("mv", work / "renamed", local / "out")
    assert not (work / "renamed").exists()
    assert_same_tree(local / "copy", local / "out")
    run("mv", local / "out", work / "back")
    assert_same_tree(local / "copy", work / "back")
    run("rm", "-rf", work / "back")
    assert os.listdir(work) == []
