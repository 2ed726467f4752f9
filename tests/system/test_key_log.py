# SPDX-License-Identifier: MIT
"""--insecure-key-log of mppd and mpp: the true keys, in a private file, and
nothing at all without it. The keys are compared with those of the independent
client."""
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEADLINE_S, program, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# pylint: disable=wrong-import-position
import mpp_peer as m

ALICE = "alice@example.com"
SUBSCRIBE = m.message("PresenceConnectRequest", Serial=1, Acknowledge=0)
LINE = re.compile(r"RUD1 (to-service|to-device) ([0-9a-f]{32}) ([0-9a-f]{32}) "
                  r"([0-9a-f]{64}) ([0-9a-f]{8})")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def start(mppd, *words, env=None):
    """Start mppd with more words on its command line."""
    lives = mppd.log.count("msg=ready")
    with open(mppd.stderr, "a", encoding="utf-8") as err:
        mppd.process = subprocess.Popen(
            [mppd.program, "-c", mppd.config, *words], stderr=err, stdout=err,
            stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    wait_for(lambda: mppd.process.poll() is not None
             or mppd.log.count("msg=ready") > lives)
    assert mppd.alive(), mppd.log


def lines_of(path):
    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [(f[1], *map(bytes.fromhex, f.groups()[1:])) for f in found]


def connected(mppd):
    invitation = mppd.ctl_json("invite", ALICE)["uri"]
    device = m.Client(m.read_invitation(invitation))
    device.confirm(device.connect(SUBSCRIBE, invite=True))
    return device


def keys_of(device):
    first = device.client_id
    return [("to-service", first, device.tx.hdr, device.tx.key,
             device.tx.salt),
            ("to-device", first, device.rx.hdr, device.rx.key, device.rx.salt)]


def mpp(folder, *words):
    return subprocess.run(
        [program("mpp"), *words, "--state", str(folder / "device")],
        capture_output=True, text=True, timeout=DEADLINE_S)


def test_keys_of_both_sides(mppd_factory, folder):
    mppd = mppd_factory()
    log, other = folder / "service.keys", folder / "device.keys"
    os.umask(0)
    try:
        start(mppd, "--insecure-key-log", str(log))
    finally:
        os.umask(0o22)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert re.search(r"level=warn msg=.INSECURE: the keys of all connections",
                     mppd.log)
    mppd.account(ALICE)
    device = connected(mppd)
    assert lines_of(log) == keys_of(device)
    # The true client and the service write the same.
    uri = mppd.ctl_json("invite", ALICE)["uri"]
    assert mpp(folder, "enroll", uri).returncode == 0
    done = mpp(folder, "status", "--insecure-key-log", str(other))
    assert done.returncode == 0
    assert re.fullmatch(r"mpp: INSECURE: the keys of this connection [^\n]+\n",
                        done.stderr)
    assert stat.S_IMODE(other.stat().st_mode) == 0o600
    assert len(lines_of(other)) == 2
    assert lines_of(other) == lines_of(log)[-2:]
    assert len(lines_of(log)) == 6  # the peer, the enrolment, the status
    # It is appended to, by a later life too.
    before = lines_of(log)
    assert mppd.stop() == 0
    start(mppd, "--insecure-key-log", str(log))
    assert mpp(folder, "endpoint", "--insecure-key-log",
               str(other)).returncode == 0
    assert lines_of(log)[:len(before)] == before
    assert lines_of(log)[-2:] == lines_of(other)[-2:] != lines_of(other)[:2]


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*")
            if path.is_file()}


def test_nothing_is_written_unless_asked(mppd_factory, folder):
    """Not by default, not by an environment, not by the configuration."""
    mppd, wish = mppd_factory(), folder / "wish"
    env = {name: str(wish) for name in (
        "SSLKEYLOGFILE", "MPP_KEY_LOG", "MPPD_KEY_LOG", "INSECURE_KEY_LOG")}
    start(mppd, env=env)
    mppd.account(ALICE)
    device = connected(mppd)
    told = [key for line in keys_of(device) for key in line[2:]]
    assert len(told) == 6

    def leaks():
        return [(path, key) for path, content in files_below(folder).items()
                for key in told
                if key in content or key.hex().encode() in content]
    assert leaks() == [] and not wish.exists()
    assert "INSECURE" not in mppd.log
    wish.write_bytes(device.tx.key)     # the control: it would be found
    assert len(leaks()) == 1
    wish.unlink()
    good = mppd.config.read_text()
    for name in ("insecure-key-log", "key-log"):
        mppd.config.write_text(good.replace(
            "[service]", f"[service]\n{name} = {wish}"))
        assert mppd.stop() == 0 if mppd.alive() else True
        code, line = mppd.start_fails()
        assert code == 78 and "unknown item" in line
    assert not wish.exists()


def private(path):
    path.touch(0o600)


def link(path):
    private(path.with_name("real"))
    path.symlink_to("real")


def foreign(path):
    private(path)
    os.chown(path, 65534, 65534)


# A sentence, what stands in its place, the exit code, what is said.
REFUSED = [
    ("its group may read it", lambda p: (private(p), p.chmod(0o640)), 77,
     "chmod 0600"),
    ("everybody may read it", lambda p: (private(p), p.chmod(0o604)), 77,
     "chmod 0600"),
    ("its group may write it", lambda p: (private(p), p.chmod(0o620)), 77,
     "chmod 0600"),
    ("it is a link", link, 73, "symbolic links"),
    ("it is a directory", Path.mkdir, 73, "directory"),
    ("it is a pipe", lambda p: os.mkfifo(p, 0o600), 73, "."),
    ("its directory is not there", lambda p: p.parent.rmdir(), 73,
     "No such file"),
    pytest.param(("it is another user's", foreign, 77, "belongs to uid"),
                 marks=root_only),
]


@pytest.mark.parametrize("row", REFUSED,
                         ids=lambda row: row[0] if row else "")
def test_a_file_that_is_not_private_is_refused(mppd_factory, folder, row):
    """Said in a line; nothing is started, and nothing written."""
    mppd = mppd_factory()
    place = folder / "keys"
    place.mkdir()
    log = place / "log"
    row[1](log)
    done = subprocess.run(
        [mppd.program, "-c", mppd.config, "--insecure-key-log", log],
        capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == row[2], done.stderr
    assert re.search(row[3], done.stderr)
    assert re.fullmatch(r"mppd: [^\n]+\n", done.stderr)
    assert not mppd.state.exists()
    mppd.start()
    mppd.account(ALICE)
    uri = mppd.ctl_json("invite", ALICE)["uri"]
    assert mpp(folder, "enroll", uri).returncode == 0
    connections = mppd.api("GET", "/v1/status")[1]["counters"]["handshakes"]
    done = mpp(folder, "status", "--insecure-key-log", str(log))
    assert done.returncode == row[2], done.stderr
    assert re.fullmatch(r"mpp: [^\n]+\n", done.stderr)
    assert mppd.api("GET", "/v1/status")[1]["counters"][
        "handshakes"] == connections
    if log.is_file():
        assert log.read_bytes() == b""


def test_commands_without_a_connection_take_none(folder):
    for words in (["decode"], ["enroll", "mpp://h/a"]):
        done = subprocess.run(
            [program("mpp"), *words, "--insecure-key-log", folder / "x"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=DEADLINE_S)
        assert done.returncode == 64
        assert "does not take --insecure-key-log" in done.stderr
    assert not (folder / "x").exists()
