"""How programs save: vim itself, and the system calls of nano, Emacs, GLib, LibreOffice and others."""

import errno
import fcntl
import os
import stat
import threading

import pytest
from harness import run
from system_calls import RENAME_EXCHANGE, expect, rename2


def identity(path):
    st = path.stat()
    return st.st_ino, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


@pytest.fixture(name="document")
def document_with_attributes(work):
    path = work / "document.txt"
    path.write_text("first line\n")
    os.chmod(path, 0o640)
    os.chown(path, 1234, 2345)
    os.setxattr(path, "user.tag", b"kept")
    return path


def vim(path, *commands):
    run("vim", "-es", "-u", "NONE", "-i", "NONE", *[word for c in commands for word in ("-c", c)], "-c", "wq", path, timeout=60)


@pytest.mark.parametrize("copy", ["yes", "no", "auto"])
def test_vim_saves(document, copy):
    before = identity(document)
    vim(document, f"set backup writebackup backupcopy={copy} swapfile fsync", "normal Goadded")
    assert document.read_text() == "first line\nadded\n"
    assert (document.parent / "document.txt~").read_text() == "first line\n"
    if copy == "yes":
        assert identity(document) == before and os.getxattr(document, "user.tag") == b"kept"
    assert identity(document)[1:] == before[1:]
    assert sorted(os.listdir(document.parent)) == ["document.txt", "document.txt~"], "no swap file is left"


def test_vim_finds_a_swap_file_and_recovers(document):
    swap = document.parent / ".document.txt.swp"
    vim(document, "set swapfile directory=.", "normal Gounsaved", "preserve", f"silent !cp {swap} {document.parent}/kept.swp")
    os.rename(document.parent / "kept.swp", swap)
    document.write_text("first line\n")
    run("vim", "-es", "-u", "NONE", "-i", "NONE", "-r", "-c", "wq! recovered.txt", document, check=False, timeout=60,
        cwd=document.parent)
    assert (document.parent / "recovered.txt").read_text() == "first line\nunsaved\n"


def test_nano_writes_in_place_under_a_lock_file(document):
    before = identity(document)
    lock = document.parent / ".document.txt.swp"
    fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
    os.write(fd, b"b0nano")
    os.close(fd)
    expect(errno.EEXIST, os.open, lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    fd = os.open(document, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.write(fd, b"saved by nano\n")
    os.fsync(fd)
    os.close(fd)
    os.unlink(lock)
    assert document.read_text() == "saved by nano\n" and identity(document) == before


def test_emacs_renames_to_a_backup_and_writes_anew(document):
    os.symlink("user@host.1234:5678", document.parent / ".#document.txt")    # its lock
    assert os.readlink(document.parent / ".#document.txt") == "user@host.1234:5678"
    old = identity(document)
    os.rename(document, document.parent / "document.txt~")
    fd = os.open(document, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.write(fd, b"saved by emacs\n")
    os.fsync(fd)
    os.fchmod(fd, old[1])
    os.close(fd)
    os.unlink(document.parent / ".#document.txt")
    assert identity(document.parent / "document.txt~") == old
    assert document.read_text() == "saved by emacs\n" and identity(document)[0] != old[0]


def replace(path, content, suffix):
    """Temporary file beside it, fsync, rename over: GLib, Qt, LibreOffice, browsers."""
    temporary = path.with_name(path.name + suffix)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, content)
    os.fchmod(fd, stat.S_IMODE(path.stat().st_mode))
    os.fsync(fd)
    os.close(fd)
    os.rename(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def test_libreoffice_locks_and_renames_over(document):
    lock = document.parent / ".~lock.document.txt#"
    fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b",user,host,01.01.2026 00:00,file:///home/user/.config/libreoffice/4;")
    os.close(fd)
    held = os.open(document, os.O_RDWR)
    fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    replace(document, b"saved once\n", ".tmp1")
    replace(document, b"saved twice\n", ".tmp2")
    assert os.pread(held, 100, 0) == b"first line\n", "what it had open is the old one"
    os.close(held)
    os.unlink(lock)
    assert document.read_text() == "saved twice\n" and stat.S_IMODE(document.stat().st_mode) == 0o640
    assert os.listdir(document.parent) == ["document.txt"]


def test_exchange_with_the_old_version(document):
    (document.parent / "new").write_text("new")
    rename2(document.parent / "new", document, RENAME_EXCHANGE)
    assert document.read_text() == "new" and (document.parent / "new").read_text() == "first line\n"


def test_a_reader_always_finds_a_whole_document(document):
    """While somebody saves again and again: no moment without the file, none with half of it."""
    stop, failures, reads = threading.Event(), [], []

    def read():
        while not stop.is_set():
            try:
                content = document.read_bytes()
                if len(content) != 100_000 or content.count(content[:1]) != 100_000:
                    failures.append(f"{len(content)} bytes")
            except OSError as error:
                failures.append(error)
            reads.append(1)
    replace(document, b"0" * 100_000, ".tmp")
    reader = threading.Thread(target=read)
    reader.start()
    for n in range(60):
        replace(document, str(n % 10).encode() * 100_000, ".tmp")
    stop.set()
    reader.join()
    assert not failures, failures[:3]
    assert reads
