"""packaging/quickstart, as a new user runs it: with its own directory, drive and port, and the build that is there."""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
from harness import BUILD, mounted, run, unmount_by_force, wait_until, world

PACKAGING = pathlib.Path(__file__).parents[2] / "packaging"
QUICKSTART = PACKAGING / "quickstart"
# What people write into fstab, and what mount(8) and systemd add to it.
FSTAB_OPTIONS = "rw,relatime,nodiratime,lazytime,strictatime,defaults,_netdev,nofail,noauto,user,x-systemd.automount,nosuid,nodev"


def free_port():
    """One that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Home:
    """A user's home directory, and what quickstart keeps in it. A blank in the names finds missing quotes."""

    def __init__(self, root):
        self.root = root
        self.directory = root / "quick start"
        self.drive = root / "My Drive"
        self.port = free_port()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("SKYMOOR", "XDG_"))}
        self.env.update(HOME=str(root), SKYMOOR_QUICKSTART_DIR=str(self.directory), SKYMOOR_DRIVE=str(self.drive),
                        SKYMOOR_PORT=str(self.port), SKYMOOR_BUILD=str(BUILD))

    def quickstart(self, *options, **kwargs):
        """Runs the script with nobody there to answer."""
        return run(QUICKSTART, *options, env=self.env, stdin="", **kwargs)

    def client(self, *words, **kwargs):
        """The client that quickstart leaves for its user."""
        return run(self.directory / "skymoor", *words, env=self.env, **kwargs)

    def processes(self):
        """{pid: command line} of what runs for this home."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and str(self.root).encode() in (entry / "cmdline").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def clean_up(self):
        """Leaves no mount and no process, whatever has failed."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self.quickstart("--stop", check=False, timeout=30)
        unmount_by_force(self.drive)
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.processes(), 10, "the processes are gone")
        shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture(name="home")
def _home():
    home = Home(pathlib.Path(tempfile.mkdtemp(prefix="skymoor-quickstart-", dir=os.environ.get("SKYMOOR_TEST_DIR", "/var/tmp"))))
    try:
        yield home
    finally:
        home.clean_up()


def test_from_nothing_to_a_drive_and_back(home):
    told = home.quickstart().stdout
    assert str(home.drive) in told and f"https://127.0.0.1:{home.port}" in told
    assert mounted(home.drive)
    (home.drive / "directory").mkdir()
    (home.drive / "directory" / "file").write_text("kept")
    home.client("sync", home.drive, "--timeout", "30s")
    assert str(home.drive) in home.client("status").stdout
    doubts = [line for line in home.client("doctor", check=False).stdout.splitlines() if line.startswith("problem")]
    assert not [line for line in doubts if " mounts: " not in line or str(home.root) in line]   # this machine may have others

    before = set(home.processes())
    assert len(before) == 4   # the server, the mount's process, its supervisor and its notifier
    home.quickstart()
    assert set(home.processes()) == before, "what runs is left alone"
    assert (home.drive / "directory" / "file").read_text() == "kept"

    assert home.quickstart("--stop").returncode == 0
    assert not mounted(home.drive)
    assert not home.processes()
    assert home.quickstart("--stop").returncode == 0

    home.quickstart()
    assert f"https://127.0.0.1:{home.port}" in home.client("whoami").stdout
    assert (home.drive / "directory" / "file").read_text() == "kept"
    home.quickstart("--purge")
    assert not home.processes() and not home.directory.exists() and not home.drive.exists()


def test_what_has_died_is_started_again(home):
    home.quickstart()
    (home.drive / "file").write_text("written before the crash")
    for pid in home.processes():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not home.processes(), 10, "both are dead")
    home.quickstart()
    assert (home.drive / "file").read_text() == "written before the crash"
    home.client("sync", "--timeout", "30s")
    for pid, words in home.processes().items():
        if "skymoord" in words.split()[0]:
            os.kill(pid, signal.SIGKILL)
    home.quickstart("--stop")
    assert not home.processes() and not mounted(home.drive)


def test_nothing_secret_is_shown(home):
    told = home.quickstart().stdout
    secrets = [(home.directory / "password").read_text().strip(),
               *[word for word in (home.directory / "recovery-code").read_text().split() if word.count("-") > 5]]
    assert len(secrets) == 2
    shown = [told, *home.processes().values(), *[log.read_text(errors="replace") for log in home.directory.rglob("*.log")]]
    for secret in secrets:
        assert not any(secret in text for text in shown)
    for path in home.directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.is_socket(), f"{path} can be read by others"


def test_busy_drive_and_wrong_words(home):
    home.quickstart()
    with subprocess.Popen(["sleep", "60"], cwd=home.drive) as user:
        stopped = home.quickstart("--stop", check=False)
        user.kill()
    assert stopped.returncode == 1 and "sleep" in stopped.stderr and mounted(home.drive)
    assert home.quickstart("--no-such", check=False).returncode == 2
    assert home.quickstart("--stop", "--purge", check=False).returncode == 2
    told = home.quickstart("--help").stdout
    assert "SKYMOOR_DRIVE" in told and "pipefail" not in told


def test_the_unit_for_users():
    """systemd need not run here: its own check of the unit, and then what the unit would run."""
    with world() as w:
        a = w.one_device()
        image = w.root / "image"
        run(PACKAGING / "install", env=dict(os.environ, DESTDIR=str(image), SKYMOOR_BUILD=str(BUILD)))
        installed = (image / "usr/local/lib/systemd/user/skymoor@.service").read_text()
        assert "ExecStart=/usr/local/bin/skymoor mount" in installed
        unit = w.root / "skymoor@.service"
        unit.write_text(installed.replace("/usr/local/bin", f"{image}/usr/local/bin"))
        checked = run("systemd-analyze", "--user", "verify", unit, env=a.env, check=False)
        assert checked.returncode == 0 and "skymoor@" not in checked.stderr, checked.stderr
        settings = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
        point = a.root / "home" / "Skymoor" / "home"
        a.mounts.append(point)

        def command(name):
            text = settings[name].replace("%I", "home").replace("%h", str(a.root / "home")).replace("$$", "$")
            return shlex.split(text.replace("$MOUNT_ARGS", "-o cache-size=1GiB"))
        run(*command("ExecStartPre"), env=a.env)
        with open(w.root / "journal", "wb") as journal, \
                subprocess.Popen(command("ExecStart"), env=a.env, stdout=journal, stderr=journal) as main:
            try:
                run(*command("ExecStartPost"), env=a.env, timeout=60)
                (point / "file").write_text("kept")
                assert main.poll() is None
                main.terminate()
                assert main.wait(60) == 0
            finally:
                main.kill()
        assert not mounted(point)
        wait_until(lambda: not a.processes(), 30, "none of its processes is left")


def test_installed_with_the_helper_of_mount_8():
    with world() as w:
        a, _ = w.two_devices()
        image = w.root / "image"
        env = dict(a.env, DESTDIR=str(image), SKYMOOR_BUILD=str(BUILD), PATH=f"{image}/usr/local/bin:{os.environ['PATH']}")
        run(PACKAGING / "install", env=env)
        assert (image / "usr/local/share/bash-completion/completions/skymoor").read_text()
        assert {page.name for page in (image / "usr/local/share/man").glob("man?/*")} == \
            {page.name for page in (PACKAGING / "man").iterdir()}
        drive = a.root / "drive"
        drive.mkdir()
        a.mounts.append(drive)
        helper = image / "usr/sbin/mount.skymoor"
        run(helper, "home", drive, "-f", "-o", "rw", env=env)
        assert not mounted(drive)
        run(helper, "home", drive, "-o", FSTAB_OPTIONS, env=env)
        (drive / "file").write_text("through the helper")
        pid = a.pid(drive)
        run("umount", drive)
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}/exe").exists(), 20, "the process has ended")
        run(helper, "home", drive, "-r", env=env)
        assert (drive / "file").read_text() == "through the helper"
        with pytest.raises(OSError):
            (drive / "other").write_text("x")
        assert run(helper, "home", drive, "-o", "remount,rw", env=env, check=False).returncode == 2
        a.umount(drive)
        run(PACKAGING / "install", "--uninstall", env=env)
        assert not [path for path in image.rglob("*") if path.is_file()]
