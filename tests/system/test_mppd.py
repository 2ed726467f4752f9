# SPDX-License-Identifier: MIT
"""How mppd starts, refuses to start, and stops."""
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest
from conftest import DEADLINE_S, Mppd, program, wait_for

NOBODY = 65534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def tree(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


# ---- configuration ----

BAD_CONFIGS = [
    ("an unknown item", "[service]\nlisten = 127.0.0.1:9\nstat = /x\n", 3),
    ("a wrong port", "[service]\nlisten = 127.0.0.1:99999\n", 2),
    ("an unknown group", "[log]\n[service]\ncontrol-group = nosuchgroup\n", 3),
    ("no section", "listen = 127.0.0.1:9\n", 1),
]


@pytest.mark.parametrize("row", BAD_CONFIGS, ids=lambda row: row[0])
def test_a_wrong_configuration_starts_nothing(mppd_factory, row):
    mppd = mppd_factory()
    _, text, line = row
    mppd.config.write_text(
        text + f"[service]\nstate = {mppd.state}\ncontrol = {mppd.socket}\n")
    for args in (["-c"], ["--check-config", "--config"],
                 ["--print-memory", "-c"]):
        done = subprocess.run([mppd.program, *args, mppd.config], text=True,
                              capture_output=True, timeout=DEADLINE_S)
        assert done.returncode == 78, done.stderr
        assert re.fullmatch(rf"mppd: {mppd.config}:{line}: .+; .+\n",
                            done.stderr)
        assert done.stdout == ""
    assert tree(mppd.folder) == ["mppd.conf"]


def test_a_missing_configuration(folder):
    done = subprocess.run([program("mppd"), "-c", folder / "none"], text=True,
                          capture_output=True, timeout=DEADLINE_S)
    assert done.returncode == 78
    assert "No such file" in done.stderr


def test_check_config(mppd_factory):
    mppd = mppd_factory(limits="accounts = 77")
    done = subprocess.run([mppd.program, "--check-config", "-c", mppd.config],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("OK\n[service]\nlisten = 127.0.0.1:")
    assert "\naccounts = 77\n" in done.stdout
    assert tree(mppd.folder) == ["mppd.conf"]
    # What it prints is a configuration.
    mppd.config.write_text(done.stdout.removeprefix("OK\n"))
    again = subprocess.run([mppd.program, "--check-config", "-c",
                            mppd.config], capture_output=True, text=True,
                           timeout=DEADLINE_S)
    assert again.stdout == done.stdout


def test_print_memory(mppd_factory):
    mppd = mppd_factory(limits="bindings = 1000000\naccounts = 10")
    done = subprocess.run([mppd.program, "--print-memory", "-c", mppd.config],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:]
            for line in done.stdout.splitlines()[1:]}
    assert rows["accounts"][0] == "10"
    limit, each, octets = map(int, rows["bindings"])
    assert limit == 1000000 and octets == limit * each > 0
    assert int(rows["total"][0]) == sum(
        int(row[-1]) for name, row in rows.items() if name != "total")
    assert tree(mppd.folder) == ["mppd.conf"]


@pytest.mark.parametrize("args", [["x"], ["--nonsense"], ["-c"], ["-x"]],
                         ids=" ".join)
def test_usage_errors(args):
    done = subprocess.run([program("mppd"), *args], capture_output=True,
                          text=True, timeout=DEADLINE_S)
    assert done.returncode == 64
    assert re.fullmatch(r"mppd: .+\n", done.stderr)


# ---- starting ----

def test_files_and_their_modes(mppd):
    assert stat.S_IMODE(mppd.state.stat().st_mode) == 0o700
    for path in mppd.state.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert {"service.key", "store.mdb"} <= {p.name
                                            for p in mppd.state.iterdir()}
    assert stat.S_IMODE(mppd.socket.stat().st_mode) == 0o660
    ready = [line for line in mppd.log.splitlines() if "msg=ready" in line]
    assert len(ready) == 1
    assert f'listen="127.0.0.1:{mppd.port} [::1]:{mppd.port}"' in ready[0]


@root_only
def test_the_socket_s_group(mppd_factory):
    mppd = mppd_factory(service="control-group = nogroup").start()
    assert mppd.socket.stat().st_gid == 65534
    assert stat.S_IMODE(mppd.socket.stat().st_mode) == 0o660


def test_secrets_are_not_in_the_log(mppd):
    key = (mppd.state / "service.key").read_text()
    secrets = re.findall(r"[0-9a-f]{32,}", key)
    assert len(secrets) == 5
    for secret in secrets:
        assert secret not in mppd.log


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use(mppd_factory, host):
    mppd = mppd_factory()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.bind((host, mppd.port))
        code, line = mppd.start_fails()
    assert code == 71
    assert "another program has this port" in line
    assert str(mppd.port) in line
    assert not mppd.socket.exists()
    mppd.start()


def test_a_second_one_on_the_same_state(mppd, mppd_factory):
    mppd.account()
    other = mppd_factory()
    other.state = mppd.state
    other.write_config()
    code, line = other.start_fails()
    assert code == 71
    assert str(mppd.state) in line and "another mppd" in line
    assert mppd.ctl("status").returncode == 0
    assert mppd.stop() == 0
    other.start()
    assert "alice@example.com" in other.ctl("account", "list").stdout


def test_a_second_one_on_the_same_socket(mppd, mppd_factory):
    other = mppd_factory()
    other.socket = mppd.socket
    other.write_config()
    code, line = other.start_fails()
    assert code == 71
    assert "answers on the control socket" in line
    assert mppd.ctl("status").returncode == 0


def test_a_dead_one_s_socket_is_replaced(mppd):
    mppd.kill9()
    assert mppd.socket.exists()
    mppd.start()
    assert mppd.ctl("status").returncode == 0


def test_a_file_in_the_socket_s_place_is_kept(mppd_factory):
    mppd = mppd_factory()
    mppd.socket.parent.mkdir()
    mppd.socket.write_text("precious")
    code, line = mppd.start_fails()
    assert code == 73 and "is no socket" in line
    assert mppd.socket.read_text() == "precious"


def test_a_state_directory_that_cannot_be_made(mppd_factory):
    mppd = mppd_factory()
    mppd.state = mppd.folder / "missing" / "state"
    mppd.write_config()
    code, line = mppd.start_fails()
    assert code == 73 and "make the directory above it" in line
    (mppd.folder / "file").write_text("")
    mppd.state = mppd.folder / "file"
    mppd.write_config()
    code, line = mppd.start_fails()
    assert code == 73 and "Not a directory" in line


def test_a_state_directory_open_to_others(mppd_factory):
    mppd = mppd_factory()
    mppd.state.mkdir()
    mppd.state.chmod(0o777)
    code, line = mppd.start_fails()
    assert code == 77 and "chmod 0700" in line
    assert tree(mppd.state) == []


@root_only
def test_a_state_directory_that_is_not_permitted(mppd_factory):
    mppd = mppd_factory()
    copy = mppd.folder / "mppd"
    shutil.copy(mppd.program, copy)
    copy.chmod(0o755)
    mppd.program, mppd.user = str(copy), NOBODY
    code, line = mppd.start_fails()
    assert code == 73 and "Permission denied" in line
    mppd.state.mkdir(mode=0o755)
    code, line = mppd.start_fails()
    assert code == 73 and "write into" in line
    assert tree(mppd.state) == []
    os.chown(mppd.state, NOBODY, NOBODY)
    code, line = mppd.start_fails()
    assert code == 73 and "control socket" in line
    mppd.socket.parent.mkdir(exist_ok=True)
    os.chown(mppd.socket.parent, NOBODY, NOBODY)
    mppd.start()
    assert mppd.ctl("status").returncode == 0


@root_only
def test_a_port_that_is_not_permitted(mppd_factory):
    limit = int(open("/proc/sys/net/ipv4/ip_unprivileged_port_start").read())
    if limit <= 79:
        pytest.skip("every port is free to everybody here")
    mppd = mppd_factory(listen="127.0.0.1:79")
    copy = mppd.folder / "mppd"
    shutil.copy(mppd.program, copy)
    copy.chmod(0o755)
    os.chown(mppd.folder, NOBODY, NOBODY)
    mppd.program, mppd.user = str(copy), NOBODY
    code, line = mppd.start_fails()
    assert code == 77 and "CAP_NET_BIND_SERVICE" in line


def test_a_key_that_others_can_read(mppd):
    key = mppd.state / "service.key"
    text = key.read_text()
    assert mppd.stop() == 0
    key.chmod(0o640)
    code, line = mppd.start_fails()
    assert code == 77 and "chmod 0600" in line
    key.chmod(0o600)
    key.write_text(text[:100])
    code, line = mppd.start_fails()
    assert code == 65 and "damaged" in line
    assert key.read_text() == text[:100]
    key.write_text(text)
    mppd.start()


def test_a_limit_below_what_is_stored(mppd):
    for i in range(3):
        mppd.account(f"a{i}")
    assert mppd.stop() == 0
    mppd.write_config(limits="accounts = 2")
    code, line = mppd.start_fails()
    assert code == 78 and "raise [limits] accounts" in line
    mppd.write_config(limits="accounts = 3")
    mppd.start()
    assert len(mppd.ctl_json("account", "list")["accounts"]) == 3
    done = mppd.ctl("account", "add", "one-more")
    assert done.returncode == 75 and "raise [limits] accounts" in done.stderr


# ---- full disks ----

@pytest.fixture
def small_disk(folder):
    """A file system of 1 MiB."""
    path = folder / "disk"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755",
                           "mpptest", path], check=False, timeout=DEADLINE_S)
    if done.returncode != 0:
        pytest.skip("mounting is not permitted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True, timeout=DEADLINE_S)


def fill(path):
    try:
        with open(path, "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 4096)
    except OSError:
        return path


@root_only
def test_a_disk_that_gets_full(mppd_factory, small_disk):
    mppd = mppd_factory()
    mppd.state = small_disk / "state"
    mppd.write_config()
    mppd.start()
    mppd.account()
    filler = fill(small_disk / "filler")
    done = mppd.ctl("account", "add", "bob")
    for i in range(200):
        if done.returncode != 0:
            break
        done = mppd.ctl("account", "add", f"bob{i}")
    assert done.returncode == 74
    assert "nothing was changed" in done.stderr
    assert "disk is full" in done.stderr
    status, doc, _ = mppd.api("POST", "/v1/accounts", {"account": "carol"})
    assert status == 503 and doc["error"]["code"] == "store_failed"
    names = [a["account"] for a in
             mppd.api("GET", "/v1/accounts")[1]["accounts"]]
    assert "carol" not in names and "alice@example.com" in names
    assert 'level=error msg="store failed"' in mppd.log
    filler.unlink()
    mppd.account("carol")
    assert 'msg="store works again"' in mppd.log
    mppd.restart()
    again = [a["account"] for a in
             mppd.api("GET", "/v1/accounts")[1]["accounts"]]
    assert sorted(again) == sorted(names + ["carol"])


@root_only
def test_a_disk_that_is_full_at_the_start(mppd_factory, small_disk):
    mppd = mppd_factory()
    mppd.state = small_disk / "state"
    mppd.write_config()
    filler = fill(small_disk / "filler")
    code, line = mppd.start_fails()
    assert code == 74, line
    filler.unlink()
    mppd.start()
    mppd.account()


# ---- stopping ----

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping(mppd, number):
    mppd.process.send_signal(number)
    assert mppd.process.wait(DEADLINE_S) == 0
    assert "msg=stopping" in mppd.log and "msg=stopped" in mppd.log
    assert not mppd.socket.exists()


def test_connections_that_say_nothing_do_not_hold_it_up(mppd):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(mppd.socket))
        s.sendall(b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: "
                  b"50\r\n\r\n{")
        time.sleep(0.2)
        before = time.monotonic()
        assert mppd.stop() == 0
        assert time.monotonic() - before < 5


def test_what_was_accepted_is_answered_before_the_end(mppd):
    """SIGTERM amid a stream of changes: what was said to be done is there
    afterwards, and what is there was said to be done."""
    done = []

    def add(n):
        for i in range(200):
            name = f"a{n}-{i}"
            try:
                status = mppd.api("POST", "/v1/accounts",
                                  {"account": name})[0]
            except OSError:
                return
            if status != 201:
                return
            done.append(name)
    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(done) >= 20)
    assert mppd.stop() == 0
    for thread in threads:
        thread.join(DEADLINE_S)
    mppd.start()
    names = {a["account"] for a in
             mppd.api("GET", "/v1/accounts")[1]["accounts"]}
    assert names == set(done)


def test_sighup_does_not_end_it(mppd):
    os.kill(mppd.pid, signal.SIGHUP)
    wait_for(lambda: "SIGHUP changes nothing" in mppd.log)
    assert mppd.alive()
    mppd.account()


def test_two_daemons_live_side_by_side(mppd_factory):
    one, two = mppd_factory().start(), mppd_factory().start()
    one.account("one")
    two.account("two")
    keys = [d.api("GET", "/v1/status")[1]["suites"][0]["fingerprint"]
            for d in (one, two)]
    assert keys[0] != keys[1]
    assert isinstance(one, Mppd)


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_nothing_to_do_is_nothing_done(mppd):
    """No busy waiting: neither idle nor with connections that say nothing."""
    mppd.account()
    head = b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    with socket.socket(socket.AF_UNIX) as silent, \
            socket.socket(socket.AF_UNIX) as half, \
            socket.socket(socket.AF_UNIX) as kept:
        for s in (silent, half, kept):
            s.connect(str(mppd.socket))
        half.sendall(head)
        kept.sendall(b"GET /v1/accounts HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(0.5)
        before = cpu_seconds(mppd.pid)
        time.sleep(2)
        assert cpu_seconds(mppd.pid) - before < 0.2
