"""A Docker of the check's own: a daemon in namespaces that nobody else sees, gone with the check.

The daemon finds its networks, mounts and processes in namespaces of its own: it meets no Docker that
may run on the machine, takes no port of it, and whatever it leaves behind the kernel clears away.
There is no way out of that network, and so to no registry.
"""

import ctypes
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from support import PATIENCE_S, ROOT, TOOLS, end_on_signals, need_namespaces, skip_or_fail, stop, wait_for

# Longer than the slowest of all commands takes, which is the build of the image: beside other compilers, 735 s on the
# two cores on which it was measured.
BUILD_S = 3600
# Images and build caches are kept from one check to the next.
DATA = ROOT / "target" / "docker"
IMAGE = "nines:check"

CLONE_NEWNS, CLONE_NEWNET = 0x0002_0000, 0x4000_0000


def isolate():
    """Gives this process, and all it starts, mounts and a network of its own, with nothing but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def program(*places):
    """The first of these programs that is there."""
    for place in places:
        if found := shutil.which(place):
            return found
    skip_or_fail(pathlib.Path(places[-1]).name, "deploy/tools docker installs it")


class Docker:
    """A running daemon, and its client."""

    def __init__(self):
        if os.geteuid() != 0:
            skip_or_fail("root", "a Docker daemon of one's own needs it")
        for name in ("unshare", "setpriv", "mount", "ip", "pkill"):
            if shutil.which(name) is None:
                skip_or_fail(name, "install util-linux, mount, iproute2 and procps")
        need_namespaces("mount", "net", "pid")
        # Debian's own client first: others may lack the part that builds.
        self.client = program("/usr/bin/docker", "docker")
        self.daemon = program("dockerd")
        self.composer = [program(str(TOOLS / "docker-compose"), "docker-compose")]

    def __enter__(self):
        end_on_signals()
        isolate()
        self.folder = tempfile.TemporaryDirectory(prefix="nines-docker-")
        self.socket = pathlib.Path(self.folder.name, "docker.sock")
        self.environment = {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": self.folder.name,
            "DOCKER_BUILDKIT": "1",
            "BUILDKIT_PROGRESS": "plain",
        }
        DATA.mkdir(parents=True, exist_ok=True)
        self.lock = open(DATA.with_suffix(".lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # One daemon at a time for one folder.
        self.log = open(f"{self.folder.name}/daemon.log", "w+")
        try:
            self._start()
            self._clear()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        # With processes of its own: containers end with the daemon, and the daemon with this check, however it ends.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", self.daemon]
            + [f"--host=unix://{self.socket}", f"--data-root={DATA}", f"--exec-root={self.folder.name}/run"]
            + [f"--pidfile={self.folder.name}/pid", "--exec-opt=native.cgroupdriver=cgroupfs", "--log-level=warn"],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

        def answers():
            if self.process.poll() is not None:
                self.log.seek(0)
                skip_or_fail("a Docker daemon that runs here", f"it ended with: {self.log.read()[-1500:]}")
            return self.run("version", check=False, quiet=True).returncode == 0

        wait_for("the Docker daemon", answers, 300)

    def _clear(self):
        """Removes what a check that was killed could not, before it is started again; images stay."""
        if containers := self.output("ps", "--all", "--quiet").split():
            self.run("rm", "--force", "--volumes", *containers, quiet=True)
        self.run("network", "prune", "--force", quiet=True)
        if volumes := self.output("volume", "ls", "--quiet").split():
            self.run("volume", "rm", *volumes, quiet=True)

    def __exit__(self, *_):
        if process := getattr(self, "process", None):
            # Asked first, so that it writes down what it knows; `unshare` itself would not pass that on.
            subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=False)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                stop(process)
        self.log.close()
        subprocess.run(["umount", "--recursive", f"{self.folder.name}/run"], check=False, stderr=subprocess.DEVNULL)
        self.folder.cleanup()

    def run(self, *arguments, check=True, quiet=False, **options):
        """`docker ARGUMENTS`."""
        return self._run([self.client, *map(str, arguments)], check, quiet, **options)

    def compose(self, *arguments, check=True, quiet=False, **options):
        """`docker compose ARGUMENTS`."""
        return self._run([*self.composer, *map(str, arguments)], check, quiet, **options)

    def _run(self, command, check, quiet, environment=(), **options):
        options.setdefault("env", {**self.environment, **dict(environment)})
        if quiet:
            options.update(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            done = subprocess.run(command, check=False, timeout=BUILD_S, **options)
        except subprocess.TimeoutExpired as late:
            told = late.stdout or b""
            told = told.decode(errors="replace") if isinstance(told, bytes) else told
            sys.exit(f"{' '.join(command)} did not end within {BUILD_S} s\n{told[-6000:]}")
        if check and done.returncode != 0:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout or ''}")
        return done

    def output(self, *arguments):
        """What `docker ARGUMENTS` prints."""
        return self.run(*arguments, quiet=True).stdout.strip()
