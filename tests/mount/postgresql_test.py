"""PostgreSQL with its data directory in the mount: initdb, pgbench, an immediate stop, a new mount."""

import os
import pwd
import subprocess
import tempfile

import pytest
from harness import CommandFailed

BIN = "/usr/lib/postgresql/15/bin"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the server as another user")


def as_postgres(*args, timeout=300):
    """Runs a command as the server's user. Its output goes to a file: the server that it starts keeps it open."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=timeout,
                              check=False, user="postgres", group="postgres", extra_groups=[], cwd="/",
                              env={"PATH": f"{BIN}:/usr/bin:/bin", "LC_ALL": "C"})
        output.seek(0)
        text = output.read().decode(errors="replace")
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(map(str, args))}\nexit {done.returncode}\n{text[-4000:]}")
    return text


def test_a_database_cluster(usual):
    device, point = usual
    data = point / "cluster"
    data.mkdir(mode=0o700)
    user = pwd.getpwnam("postgres")
    os.chown(data, user.pw_uid, user.pw_gid)
    with tempfile.TemporaryDirectory(prefix="skymoor-pg-") as sockets:
        os.chown(sockets, user.pw_uid, user.pw_gid)
        server = ["pg_ctl", "-D", data, "-w", "-t", "120", "-l", f"{sockets}/log",
                  "-o", f"-k {sockets} -h '' -p 54329 -c shared_buffers=16MB -c max_connections=20 -c wal_level=minimal "
                        "-c max_wal_senders=0 -c autovacuum=off"]
        client = ["-h", sockets, "-p", "54329", "postgres"]

        def query(text):
            return as_postgres("psql", "-Atq", "-c", text, *client).strip()
        as_postgres("initdb", "-k", "-D", data, "--auth=trust", "--no-instructions", "--wal-segsize=4")
        as_postgres(*server, "start")
        try:
            as_postgres("pgbench", "-i", "-q", "-s", "1", *client)
            as_postgres("pgbench", "-n", "-c", "4", "-j", "2", "-t", "50", *client)
            assert query("SELECT count(*) FROM pgbench_history") == "200"
            assert query("SELECT sum(abalance) = (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts") == "t"
        finally:
            as_postgres(*server, "-m", "immediate", "stop")
        device.umount(point)
        device.mount("home", "allow_other")
        as_postgres(*server, "start")     # recovers from its log
        try:
            assert query("SELECT count(*) FROM pgbench_history") == "200"
            assert query("SELECT sum(abalance) = (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts") == "t"
        finally:
            as_postgres(*server, "-m", "fast", "stop")
        assert "Bad checksums:  0" in as_postgres("pg_checksums", "--check", "-D", data)
