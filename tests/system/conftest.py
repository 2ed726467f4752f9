# SPDX-License-Identifier: MIT
"""What tests of whole programs share.

The fixture `mppd` is a started daemon on free ports of the loopback with a
state of its own; `mppd_factory` makes more of them. Programs come from
$MPP_BUILD_DIR/bin (build/asan-ubsan when not set)."""
import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import xdist.scheduler

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MPP_BUILD_DIR", ROOT / "build" / "asan-ubsan"))
BIN = BUILD / "bin"
# Sanitizers are slow, and machines are busy: only a hang takes this long.
DEADLINE_S = 60


def program(name):
    path = BIN / name
    if not path.exists():
        pytest.fail(f"{path} is missing: build it first, or set MPP_BUILD_DIR")
    return str(path)


# Files whose tests share nothing, so that each may run beside the others.
APART = ("test_sim.py",)


def pytest_collection_modifyitems(items):
    """The longest first, so that no process waits for another at the end."""
    items.sort(key=lambda item: (item.name != "test_ten_thousand_publications",
                                 not item.path.name.endswith(APART)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of several processes, each takes a file at a time, because fixtures of
    a module are dear; of those that are apart, a test at a time."""
    class Files(xdist.scheduler.LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.partition("::")[0]
            return nodeid if path.endswith(APART) else path
    return Files(config, log)


# Ports below those that the system gives to sockets by itself, each process of
# a parallel run from a range of its own: what is free stays free until it is
# used.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
PORTS = itertools.cycle(range(10000 + 1500 * (WORKER % 14),
                              11500 + 1500 * (WORKER % 14)))


def free_port():
    """A port that is free on both loopback addresses, for UDP and TCP."""
    for _ in range(1500):
        port = next(PORTS)
        with contextlib.ExitStack() as stack:
            try:
                for family, at in ((socket.AF_INET, "127.0.0.1"),
                                   (socket.AF_INET6, "::1")):
                    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                        sock = stack.enter_context(socket.socket(family, kind))
                        sock.bind((at, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def wait_for(what, seconds=DEADLINE_S):
    """Call what() until it is true, and give what it gave."""
    end = time.monotonic() + seconds
    while not (result := what()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s in vain")
        time.sleep(0.02)
    return result


class Unix(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(str(self.path))


class Mppd:
    """An mppd: its files, its process, and how to speak to it."""

    def __init__(self, folder, port=None, listen=None, **items):
        self.folder = Path(folder)
        self.port = port or free_port()
        self.state = self.folder / "state"
        self.socket = self.folder / "run" / "control.sock"
        self.config = self.folder / "mppd.conf"
        self.stderr = self.folder / "stderr"
        self.process = None
        self.program = program("mppd")
        self.user = None
        self.write_config(listen, **items)

    def write_config(self, listen=None, service="", limits="", level="debug"):
        listen = listen or f"127.0.0.1:{self.port} [::1]:{self.port}"
        self.config.write_text(
            f"[service]\nlisten = {listen}\nstate = {self.state}\n"
            f"control = {self.socket}\n{service}\n[limits]\n{limits}\n"
            f"[log]\nlevel = {level}\n")

    @property
    def log(self):
        """All that it said, in all its lives."""
        return self.stderr.read_text() if self.stderr.exists() else ""

    @property
    def pid(self):
        return self.process.pid

    def spawn(self):
        with open(self.stderr, "a") as err:
            self.process = subprocess.Popen(
                [self.program, "-c", str(self.config)], stderr=err,
                stdout=err, stdin=subprocess.DEVNULL, user=self.user,
                group=self.user, extra_groups=[] if self.user else None)
        return self

    def start(self):
        """Start it, and wait until it is ready."""
        lives = self.log.count("msg=ready")
        self.spawn()

        def ready():
            if self.process.poll() is not None:
                pytest.fail(f"mppd ended with {self.process.returncode}:\n"
                            f"{self.log}")
            return self.log.count("msg=ready") > lives
        wait_for(ready)
        return self

    def start_fails(self):
        """Start one that cannot. Gives the exit code and its last line."""
        self.spawn()
        code = self.process.wait(DEADLINE_S)
        self.process = None
        return code, self.log.strip().splitlines()[-1]

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        self.process = None
        return code

    def kill9(self):
        self.process.kill()
        self.process.wait(DEADLINE_S)
        self.process = None

    def restart(self):
        if self.alive():
            assert self.stop() == 0, self.log
        return self.start()

    def ctl(self, *args, **kwargs):
        """Run mppctl; gives the CompletedProcess."""
        return subprocess.run(
            [program("mppctl"), "--socket", str(self.socket), *args],
            capture_output=True, text=True, timeout=DEADLINE_S, **kwargs)

    def ctl_json(self, *args):
        """The same with --json, which must succeed; gives the document."""
        done = self.ctl(*args, "--json")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)

    def http(self):
        return Unix(self.socket)

    def api(self, method, path, body=None):
        """One request; gives (status, document, headers)."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection = self.http()
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read()
            return (answer.status, json.loads(text) if text else None,
                    answer.headers)
        finally:
            connection.close()

    def account(self, name="alice@example.com"):
        """Add an account; gives its name."""
        done = self.ctl("account", "add", name)
        assert done.returncode == 0, done.stderr
        return name

    def check_sane(self):
        """No sanitizer has complained."""
        for word in ("Sanitizer", "runtime error", "assert"):
            assert word not in self.log, self.log


@pytest.fixture
def folder():
    """A new directory with a short name: a socket's path has 107 octets."""
    path = Path(tempfile.mkdtemp(prefix="mpp-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def mppd_factory(folder):
    """mppd_factory(…) makes an Mppd (see there) that is not started yet."""
    made = []

    def make(**kwargs):
        own = folder / str(len(made))
        own.mkdir()
        made.append(Mppd(own, **kwargs))
        return made[-1]
    yield make
    codes = [d.stop() for d in made if d.alive()]
    for daemon in made:
        daemon.check_sane()
    assert all(code == 0 for code in codes), [d.log for d in made]


@pytest.fixture
def mppd(mppd_factory):
    return mppd_factory().start()
