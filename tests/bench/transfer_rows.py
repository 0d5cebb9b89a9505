"""The rows of tests/bench/run about the way to the server and back: upload, small files, cold read, find over unseen files.

Each row sets our time beside that of something on the same machine in the same run: SHA-256 and zstd of the same bytes, curl
fetching the same blocks from the same server, find over the same tree on the disk below. The processor seconds of both programs
stand beside them, for machines that others use too.
"""

import json
import os
import pathlib
import sqlite3
import time

from harness import run

TICKS = os.sysconf("SC_CLK_TCK")
PACK_BYTES = 8 << 20
FILES_PER_DIRECTORY = 100


class Row:
    """One line of the table."""

    def __init__(self, work, seconds, cpu, beside, reference, goal):
        self.work, self.seconds, self.cpu = work, seconds, cpu
        self.beside, self.reference, self.goal = beside, reference, goal

    def line(self):
        """As a line of a table in Markdown."""
        ratio = f"{self.reference / self.seconds:.2f}" if self.reference else "-"
        reference = f"{self.beside} {self.reference:.2f}" if self.reference else "-"
        return f"| {self.work} | {self.seconds:.2f} | {self.cpu:.2f} | {reference} | {ratio} | {self.goal} |"


class Timed:
    """Seconds on the clock, and of the processor in some processes, from entering to leaving."""

    def __init__(self, *pids):
        self.pids = pids
        self.seconds = self.cpu = 0.0

    @staticmethod
    def used(pid):
        """User and system seconds of a process so far."""
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def __enter__(self):
        self.cpu = -sum(map(self.used, self.pids))
        self.seconds = -time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds += time.monotonic()
        self.cpu += sum(map(self.used, self.pids))


def ask_server(w, statement):
    """Rows of the server's own tables."""
    database = sqlite3.connect(f"file:{w.server.data}/metadata.db?mode=ro", uri=True)
    try:
        return database.execute(statement).fetchall()
    finally:
        database.close()


def blocks_of(w):
    """[(id, stored bytes)] of all blocks that the server holds, oldest first."""
    return ask_server(w, "SELECT id, stored_bytes FROM blocks ORDER BY first_stored")


def fetch_with_curl(w, device, blocks):
    """Fetches the blocks over one connection, in packs as the client asks for them; seconds."""
    (volume,), = ask_server(w, "SELECT id FROM volumes")
    session, = device.root.glob("data/**/session.json")
    token = json.loads(session.read_text())["access_token"]
    requests, ids, size = [], b"", 0
    for number, (block, stored) in enumerate(blocks):
        ids, size = ids + block, size + stored
        if size < PACK_BYTES - (2 << 20) and number + 1 < len(blocks):
            continue
        body = w.root / f"ids-{len(requests)}"
        body.write_bytes(ids)
        requests.append(f'url = "{w.server.url}/api/chunk/fetch?volume={volume.hex()}"\ndata-binary = "@{body}"\n'
                        f'header = "Authorization: Bearer {token}"\nheader = "Content-Type: application/octet-stream"\n'
                        'header = "Skymoor-Protocol: 1"\nheader = "Expect:"\noutput = "/dev/null"\ninsecure\nsilent\nfail\n'
                        'noproxy = "*"\nwrite-out = "%{size_download}\\n"\n')
        ids, size = b"", 0
    config = w.root / "curl.config"
    config.write_text("next\n".join(requests))
    start = time.monotonic()
    sizes = run("curl", "-K", config, timeout=1800).stdout.split()
    seconds = time.monotonic() - start
    got, wanted = sum(map(int, sizes)), sum(stored for _, stored in blocks)
    assert got >= wanted, f"curl got {got} of {wanted} bytes"
    return seconds


def make_tree(root, files):
    """Empty files, FILES_PER_DIRECTORY to a directory, those in directories of 100."""
    for number in range(files // FILES_PER_DIRECTORY):
        directory = root / f"d{number // 100}" / f"e{number % 100}"
        directory.mkdir(parents=True)
        for i in range(FILES_PER_DIRECTORY):
            os.close(os.open(directory / f"file-{i}", os.O_CREAT | os.O_WRONLY))


def find(root):
    """Seconds that find takes to visit everything."""
    start = time.monotonic()
    run("find", root, "-name", "nothing", timeout=3600)
    return time.monotonic() - start


def measure(options, w, a, drive, b, operation):
    """All rows, in an order in which none finds the work of another done."""
    rows, blocks, server, client = [], [], w.server.process.pid, a.pid(drive)
    mib = options.megabytes << 20
    # Nothing else may be on the server when curl fetches what it has.
    before = set(blocks_of(w))
    for what, write, compress in (("random bytes", "write", "zstd"), ("text", "write-text", "zstd-text")):
        references = {kind: operation(kind, "-", mib) for kind in ("sha256", compress)}
        slower = max(references, key=references.get)
        with Timed(client, server) as t:
            operation(write, drive / write, mib)
            a.sync(drive, timeout=1800)
        rows.append(Row(f"write and upload {options.megabytes} MiB of {what}", t.seconds, t.cpu, slower, references[slower], "0.5"))
        blocks = blocks or [block for block in blocks_of(w) if block not in before]
    other = b.mount("bench")
    curl = fetch_with_curl(w, b, blocks)
    with Timed(b.pid(other), server) as t:
        operation("read", other / "write", mib)
    rows.append(Row(f"cold read of {options.megabytes} MiB", t.seconds, t.cpu, "curl",
                    min(curl, fetch_with_curl(w, b, blocks)), "0.7"))
    b.umount(other)

    with Timed(client, server) as t:
        operation("create", drive / "small", options.files)
        created = time.monotonic()
        a.sync(drive, timeout=1800)
    rows.append(Row(f"create and upload {options.files} files of 4 KiB", t.seconds, t.cpu, None, None, "3 s for 10,000"))
    rows.append(Row("... of that after the last was created", time.monotonic() - created, 0, None, None, "-"))

    native = w.root / "native-tree"
    make_tree(native, options.tree_files)
    find(native)
    make_tree(drive / "tree", options.tree_files)
    a.sync(drive, timeout=3600)
    # To one that knows the root already, everything in it comes with the feed.
    fresh = w.device("c")
    fresh.login(w.server)
    other = fresh.mount("bench")
    with Timed(fresh.pid(other), server) as t:
        find(other / "tree")
    rows.append(Row(f"find over {options.tree_files} unseen files", t.seconds, t.cpu, None, None, "20 s for 1,000,000"))
    with Timed(fresh.pid(other), server) as t:
        find(other / "tree")
    rows.append(Row("find again", t.seconds, t.cpu, "disk below", find(native), "0.67"))
    return rows, {"writing client": client, "finding client": fresh.pid(other), "server": server}
