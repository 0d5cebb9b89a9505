"""Servers, devices and mounts for system tests: real processes, real mounts, cleaned up also when a test fails."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("SKYMOOR_BUILD", pathlib.Path(__file__).parents[2] / "build" / "release"))
SKYMOOR = BUILD / "fuse" / "app" / "skymoor"
SKYMOORD = BUILD / "backend-server" / "app" / "skymoord"
PASSWORD = "correct horse battery staple"


class CommandFailed(AssertionError):
    """A command ended with another exit code than the test expects."""


def run(*args, check=True, timeout=120, env=None, stdin=None, cwd=None):
    """Runs a command; returns the CompletedProcess with text output."""
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=timeout, env=env, input=stdin,
                          cwd=cwd, errors="surrogateescape")
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(map(str, args))}\nexit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def wait_until(condition, timeout=30.0, what="condition", interval=0.05):
    """Waits until `condition()` is true; fails loudly otherwise. Returns the seconds it took."""
    start = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - start
        if time.monotonic() - start > timeout:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(interval)


def mounted(path):
    """Whether a FUSE mount stands on `path`."""
    wanted = str(path)
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        return any(line.split()[1].replace("\\040", " ") == wanted for line in mounts)


def unmount_by_force(path):
    """Leaves no mount behind, whatever state it is in, and nobody who waits for it."""
    for _ in range(5):
        if not mounted(path):
            return
        subprocess.run(["umount", "-f", "-l", str(path)], capture_output=True, check=False)


class Server:
    """A skymoord on loopback with a data directory of its own."""

    def __init__(self, root, *options):
        self.data = pathlib.Path(root) / "server"
        self.log = pathlib.Path(root) / "server.log"
        self.port_file = pathlib.Path(root) / "server.port"
        self.options = options
        self.address, self.port = "127.0.0.1", 0
        self.scrypt_log_n = 12                # cheap; accepted of loopback only
        self.place = contextlib.nullcontext   # where its process is started (network.py)
        self.process = None

    def start(self):
        """Starts it, on the same port as before if it ran before; returns when it answers."""
        self.port_file.unlink(missing_ok=True)
        with open(self.log, "ab") as log, self.place():
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                [str(SKYMOORD), "serve", "--data", str(self.data), "--listen", f"{self.address}:{self.port}",
                 "--port-file", str(self.port_file), "--scrypt-log-n", str(self.scrypt_log_n), *self.options], stdout=log, stderr=log,
                cwd="/")
        def ready():
            assert self.process.poll() is None, f"skymoord ended: {self.log.read_text()[-3000:]}"
            return self.port_file.exists() and self.port_file.read_text().strip()
        wait_until(ready, 30, "skymoord ready")
        self.port = int(self.port_file.read_text())
        return self

    @property
    def url(self):
        """Where clients reach it."""
        return f"https://{self.address}:{self.port}"

    def pause(self):
        """SIGSTOP; returns when no thread of it runs any more, which on a busy machine takes a moment: until then it answers."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        wait_until(lambda: all(state_in(task / "stat") in ("", "T") for task in tasks.iterdir()), 30, "the server stands still")

    def go_on(self):
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                return self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode if self.process else None


    def back_up(self):
        """A copy of all that it keeps, made while it is stopped for a moment."""
        self.stop()
        copy = self.data.with_name("copy")
        shutil.copytree(self.data, copy)
        self.start()
        return copy

    def put_back(self, copy):
        """Starts with what the copy holds, in place of all that came since."""
        self.stop()
        shutil.rmtree(self.data)
        copy.rename(self.data)
        return self.start()


class Device:
    """One device: its own state and cache directories, its own mounts."""

    def __init__(self, root, name):
        self.root = pathlib.Path(root) / f"device-{name}"
        self.root.mkdir(parents=True)
        self.name = name
        self.place = contextlib.nullcontext   # where its processes are started (network.py)
        self.mounts = []
        self.password_file = self.root / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self.env = dict(os.environ, HOME=str(self.root / "home"), XDG_DATA_HOME=str(self.root / "data"),
                        XDG_CACHE_HOME=str(self.root / "cache"), XDG_RUNTIME_DIR=str(self.root / "run"))
        for variable in ("home", "data", "cache", "run"):
            (self.root / variable).mkdir(mode=0o700)

    def skymoor(self, *args, **kwargs):
        """Runs the client with this device's directories."""
        with self.place():
            return run(SKYMOOR, *args, env=self.env, **kwargs)

    def signup(self, server, user="ada", **kwargs):
        """New account, without the first volume."""
        return self.skymoor("signup", server.url, user, "--password-file", self.password_file, "--trust-first",
                            "--recovery-file", self.root / "recovery", "--no-volume", **kwargs)

    def login(self, server, user="ada", **kwargs):
        """Logs this device in."""
        return self.skymoor("login", server.url, user, "--password-file", self.password_file, "--trust-first", **kwargs)

    def mount(self, volume, *options, name="drive", **kwargs):
        """Mounts in the background; returns the mount point."""
        point = self.root / name
        point.mkdir(exist_ok=True)
        self.mounts.append(point)
        args = ["mount", volume, point]
        if options:
            args += ["-o", ",".join(options)]
        self.skymoor(*args, **kwargs)
        return point

    def umount(self, point, *args):
        """Unmounts as a user would."""
        return self.skymoor("umount", point, *args)

    def status(self, point=None):
        """`skymoor status --json` of one mount (or all)."""
        answer = json.loads(self.skymoor("status", "--json").stdout)
        if point is None:
            return answer
        for mount in answer["mounts"]:
            if mount["mount_point"] == str(point):
                return mount
        raise AssertionError(f"{point} is not in {answer}")

    def sync(self, point, timeout=300):
        """Returns when the server holds everything."""
        return self.skymoor("sync", point, "--timeout", f"{timeout}s", timeout=timeout + 30)

    def fsck(self, *options):
        """Checks the state here, once a mount that has just ended has closed it."""
        last = []
        wait_until(lambda: last.append(self.skymoor("fsck", *options, check=False, timeout=600)) or last[-1].returncode != 7, 60,
                   "state closed")
        assert last[-1].returncode == 0, last[-1].stdout + last[-1].stderr

    def pid(self, point):
        """The daemon's process id."""
        return int(self.status(point)["pid"])

    def kill_worker(self, point):
        """kill -9 of the process that serves the mount; its supervisor makes another. The pid that was."""
        pid = self.pid(point)
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill(self, point):
        """kill -9 of the daemon and of its supervisor; clears the dead mount."""
        mount = self.status(point)
        pids = [mount["supervisor"]["pid"]] if mount["supervisor"] else []
        for pid in [*pids, mount["pid"]]:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda p=pid: process_state(p) in ("", "Z"), 10, "process gone")
        unmount_by_force(point)

    def clean_up(self):
        """Ends daemons and mounts that a test left."""
        for point in self.mounts:
            if mounted(point):
                with contextlib.suppress(Exception):
                    run(SKYMOOR, "umount", point, env=self.env, check=False, timeout=30)
            unmount_by_force(point)
        # Supervisors make new processes as long as they live: stopped first, they make none.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in self.processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        for point in self.mounts:
            unmount_by_force(point)

    def processes(self):
        """Mounts' processes and supervisors: they name this device's directories in their environment."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if f"XDG_DATA_HOME={self.root}/data".encode() in (entry / "environ").read_bytes() and \
                            b"skymoor" in (entry / "comm").read_bytes():
                        found.append(int(entry.name))
        return found


def state_in(stat):
    """State letter in a process's or a thread's `stat`, empty when it is gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(stat).read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[0]
    return ""


def process_state(pid):
    """The same of a process."""
    return state_in(f"/proc/{pid}/stat")


class World:
    """A server and some devices in one temporary directory."""

    def __init__(self, *server_options):
        base = os.environ.get("SKYMOOR_TEST_DIR", "/var/tmp")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="skymoor-test-", dir=base))
        self.server = Server(self.root, *server_options)
        self.devices = []

    def device(self, name):
        """A new device, not logged in."""
        device = Device(self.root, name)
        self.devices.append(device)
        return device

    def one_device(self, name="a", volume="home"):
        """Server, and a logged-in device with a volume."""
        self.server.start()
        device = self.device(name)
        device.signup(self.server)
        device.skymoor("volume", "create", volume)
        return device

    def two_devices(self, volume="home"):
        """The same, and another device of the account."""
        first = self.one_device("a", volume)
        second = self.device("b")
        second.login(self.server)
        return first, second

    def two_devices_with_names(self, count):
        """The same; the first has made so many small files (`name-00000` holds "0") and sent them, and its mount has ended."""
        first, second = self.two_devices()
        drive = first.mount("home")
        for number in range(count):
            (drive / f"name-{number:05}").write_text(str(number))
        first.sync(drive)
        first.umount(drive)
        return first, second

    def fresh_clone(self):
        """The mount of another device, that has nothing yet."""
        device = self.device(f"fresh-{len(self.devices)}")
        device.login(self.server)
        return device.mount("home")

    def assert_in_order(self):
        """Ends all mounts and the server, and asks the product's own checks, byte for byte, on both sides."""
        checked = 0
        for device in self.devices:
            for point in device.mounts:
                if mounted(point):
                    device.umount(point)
                    wait_until(lambda at=point: not mounted(at), 60, "unmounted")
            if any(device.root.glob("data/skymoor/volumes/*")):
                device.fsck("--deep")
                checked += 1
        assert checked, "no device has anything to check"
        self.server.stop()
        run(SKYMOORD, "fsck", "--data", self.server.data)

    def unexpected_log_lines(self):
        """Error lines in any log: a clean exit is not enough."""
        bad = []
        for log in [self.server.log, *self.root.glob("device-*/data/**/*.log")]:
            if log.exists():
                bad += [f"{log.name}: {line}" for line in log.read_text(errors="replace").splitlines() if " error " in line]
        return bad

    def close(self, expect_clean=True):
        """Ends everything; with `expect_clean`, error lines in logs fail the test."""
        for device in self.devices:
            device.clean_up()
        with contextlib.suppress(Exception):
            self.server.stop()
        bad = self.unexpected_log_lines()
        left = [d for device in self.devices for d in device.mounts if mounted(d)]
        if os.environ.get("SKYMOOR_KEEP"):
            print("kept:", self.root)
        else:
            shutil.rmtree(self.root, ignore_errors=True)
        assert not left, f"mounts left: {left}"
        if expect_clean:
            assert not bad, "unexpected error lines:\n" + "\n".join(bad[:20])


@contextlib.contextmanager
def world(*server_options, expect_clean=True):
    """`with world() as w:`"""
    made = World(*server_options)
    try:
        yield made
    except BaseException:
        for log in [made.server.log, *made.root.glob("device-*/data/**/*.log")]:
            if log.exists():
                print(f"---- {log}\n{log.read_text(errors='replace')[-3000:]}")
        made.close(expect_clean=False)
        raise
    made.close(expect_clean)


def tree_of(root, times=True):
    """{relative path: (type, mode, uid, gid, size, mtime, links, target, users' attributes, sha or None)} of a tree."""
    import hashlib
    import stat
    answer = {}
    root = os.fsencode(str(root))
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            digest = target = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    digest = hashlib.sha256(f.read()).hexdigest()
            elif stat.S_ISLNK(st.st_mode):
                target = os.readlink(path)
            attributes = {}
            if not stat.S_ISLNK(st.st_mode):
                with contextlib.suppress(OSError):   # a filesystem that has none
                    attributes = {key: os.getxattr(path, key) for key in os.listxattr(path)
                                  if key.startswith("user.") and not key.startswith("user.skymoor.")}
            size = 0 if stat.S_ISDIR(st.st_mode) else st.st_size
            answer[os.path.relpath(path, root)] = (stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, size,
                                                   st.st_mtime_ns if times else 0, 0 if stat.S_ISDIR(st.st_mode) else st.st_nlink,
                                                   target, attributes, digest)
    return answer


def assert_same_tree(left, right, times=True):
    """Byte for byte, mode for mode, time for time."""
    a, b = tree_of(left, times), tree_of(right, times)
    missing, extra = sorted(set(a) - set(b)), sorted(set(b) - set(a))
    different = [(k, a[k], b[k]) for k in sorted(set(a) & set(b)) if a[k] != b[k]]
    assert not missing and not extra and not different, \
        f"missing {missing[:5]} ({len(missing)}), extra {extra[:5]} ({len(extra)}), different {different[:3]} ({len(different)})"
    assert a, "nothing was compared"
