"""SQLite in the mount: both journal modes, several writers at once, kill -9 of a writer and of the mount."""

import os
import sqlite3
import subprocess
import sys
import time

import pytest
from harness import wait_until, world

WRITER = """
import sqlite3, sys
path, mode, name, count = sys.argv[1:5]
db = sqlite3.connect(path, timeout=60, isolation_level=None)
db.execute(f"PRAGMA journal_mode={mode}")
db.execute("PRAGMA synchronous=" + sys.argv[5])
for n in range(int(count)):
    db.execute("BEGIN IMMEDIATE")
    for part in range(5):
        db.execute("INSERT INTO t VALUES (?, ?, ?, randomblob(200))", (name, n, part))
    db.execute("COMMIT")
    print(n, flush=True)
"""


@pytest.fixture(scope="module", name="mounted", params=["on", "off"], ids=["passthrough", "daemon"])
def device_and_mount(request):
    with world() as w:
        a = w.one_device()
        option = f"passthrough={request.param}"
        yield a, a.mount("home", option), option


def start_writer(path, mode, name, count, synchronous="NORMAL"):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), mode, name, str(count), synchronous],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def make(path, mode):
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA journal_mode={mode}")
    db.execute("CREATE TABLE t (name, n, part, data)")
    db.execute("CREATE INDEX i ON t (name, n)")
    db.commit()
    db.close()


def check(path):
    """Whole, and every transaction is there with all of its rows. Returns {writer: transactions}."""
    db = sqlite3.connect(path, timeout=60)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("SELECT count(*) FROM (SELECT 1 FROM t GROUP BY name, n HAVING count(*) != 5)").fetchone() == (0,)
    counts = dict(db.execute("SELECT name, count(DISTINCT n) FROM t GROUP BY name"))
    db.close()
    return counts


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_several_writers_at_once(mounted, mode):
    path = mounted[1] / f"several-{mode}.db"
    make(path, mode)
    writers = [start_writer(path, mode, f"w{n}", 25) for n in range(3)]
    reader = sqlite3.connect(path, timeout=60)
    while any(writer.poll() is None for writer in writers):
        (rows,) = reader.execute("SELECT count(*) FROM t").fetchone()
        assert rows % 5 == 0, "a reader sees whole transactions"
        time.sleep(0.02)
    reader.close()
    for writer in writers:
        assert writer.returncode == 0, writer.communicate()[1].decode()
        writer.communicate()
    assert check(path) == {"w0": 25, "w1": 25, "w2": 25}


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_killed_writer_leaves_a_whole_database(mounted, mode):
    path = mounted[1] / f"killed-{mode}.db"
    make(path, mode)
    with start_writer(path, mode, "w", 100_000, "OFF") as writer:
        while int(writer.stdout.readline()) < 20:
            pass
        writer.kill()
    assert check(path)["w"] >= 21


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_killed_mount_leaves_a_whole_database(mounted, mode):
    device, point, option = mounted
    path = point / f"mount-{mode}.db"
    make(path, mode)
    with start_writer(path, mode, "w", 100_000) as writer:
        acknowledged = 0
        while acknowledged < 20:
            acknowledged = int(writer.stdout.readline())
        device.kill(point)
        wait_until(lambda: writer.poll() is not None, 60, "the writer notices")
        for line in writer.stdout.read().split():
            acknowledged = max(acknowledged, int(line))
    device.mount("home", option)
    assert check(path)["w"] >= acknowledged + 1, "what was committed is there: it outlives the process that serves it"


def test_vacuum_backup_and_large_transactions(mounted):
    path = mounted[1] / "large.db"
    make(path, "wal")
    db = sqlite3.connect(path)
    with db:
        db.executemany("INSERT INTO t VALUES ('bulk', ?, ?, randomblob(1000))", ((n, p) for n in range(400) for p in range(5)))
    with db:
        db.execute("DELETE FROM t WHERE n % 2 = 1")
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = sqlite3.connect(mounted[1] / "copy.db")
    db.backup(copy)
    copy.close()
    db.execute("PRAGMA mmap_size=100000000")
    assert db.execute("SELECT count(*) FROM t").fetchone() == (1000,)
    db.close()
    assert check(path) == check(mounted[1] / "copy.db") == {"bulk": 200}
    assert not os.path.exists(f"{path}-wal")
