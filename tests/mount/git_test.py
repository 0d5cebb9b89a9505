"""git in the mount: commits, branches, merges, gc, clones, worktrees, and fsck in the end."""

import os

import pytest
from harness import run

SOURCES = "/usr/src/googletest"


class Repository:
    """A git repository; git's own lock files, renames and mmaps are what is under test."""

    def __init__(self, path):
        self.path = path

    def git(self, *args):
        return run("git", "-C", self.path, "-c", "user.name=t", "-c", "user.email=t@example.com", "-c",
                   "commit.gpgsign=false", *args).stdout

    def check(self):
        run("git", "-C", self.path, "fsck", "--full", "--strict")
        assert self.git("status", "--porcelain") == ""


@pytest.fixture(name="repository")
def repository_with_history(work):
    run("git", "init", "-q", "-b", "main", work / "r")
    repository = Repository(work / "r")
    run("cp", "-r", f"{SOURCES}/googletest", repository.path / "src")
    repository.git("add", ".")
    repository.git("commit", "-qm", "sources")
    for n in range(5):
        (repository.path / f"file{n}").write_text(f"{n}\n" * 100)
        repository.git("add", ".")
        repository.git("commit", "-qm", f"file {n}")
    return repository


def test_work_of_a_day(repository):
    repository.git("checkout", "-qb", "topic")
    (repository.path / "file1").write_text("topic\n")
    repository.git("commit", "-qam", "on the topic")
    repository.git("checkout", "-q", "main")
    (repository.path / "file2").write_text("main\n")
    repository.git("stash", "-q")
    repository.git("merge", "-q", "--no-ff", "-m", "merged", "topic")
    repository.git("stash", "pop", "-q")
    assert (repository.path / "file1").read_text() == "topic\n" and (repository.path / "file2").read_text() == "main\n"
    assert repository.git("status", "--porcelain") == " M file2\n"
    repository.git("commit", "-qam", "the rest")
    repository.git("mv", "src", "renamed")
    repository.git("commit", "-qm", "renamed")
    repository.git("rebase", "-q", "--force-rebase", "HEAD~2")
    repository.check()


def test_gc_and_clones(repository, work, local):
    repository.git("gc", "-q", "--aggressive", "--prune=now")
    repository.check()
    for name, source in (("by-links", repository.path), ("by-transfer", f"file://{repository.path}")):
        run("git", "clone", "-q", source, work / name)
        Repository(work / name).check()
        assert Repository(work / name).git("rev-parse", "HEAD") == repository.git("rev-parse", "HEAD")
    run("git", "clone", "-q", repository.path, local / "out")
    Repository(local / "out").check()
    if os.stat(repository.path).st_dev == os.stat(work / "by-links").st_dev:
        packs = list((work / "by-links" / ".git" / "objects" / "pack").glob("*.pack"))
        assert packs and packs[0].stat().st_nlink == 2, "a clone in the same filesystem links its packs"


def test_worktrees(repository, work):
    repository.git("worktree", "add", "-q", work / "second", "-b", "second")
    second = Repository(work / "second")
    (second.path / "only-here").write_text("x")
    second.git("add", ".")
    second.git("commit", "-qm", "from the worktree")
    second.check()
    repository.check()
    assert "only-here" in repository.git("ls-tree", "--name-only", "second")
    repository.git("worktree", "remove", work / "second")
    assert not second.path.exists()


def test_status_is_quick_because_nothing_seems_changed(repository):
    """What stat says stays what it said: git does not read the files again."""
    repository.git("status")
    before = {entry: os.stat(repository.path / entry) for entry in repository.git("ls-files").split()}
    assert repository.git("status", "--porcelain") == ""
    for entry, st in before.items():
        now = os.stat(repository.path / entry)
        assert (now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_size) == \
            (st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_size)
