# SPDX-License-Identifier: MIT
"""What is asked once, by devices and by the operator: mpp endpoint, publish
and unsubscribe, mppctl device list and invite --qr, against a real mppd."""
import base64
import contextlib
import datetime
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib

import pytest
from conftest import DEADLINE_S, program, wait_for

ALICE = "alice@example.com"
ZONE = {**os.environ, "TZ": "Asia/Kolkata"}


def mpp(*args, **options):
    return subprocess.run([program("mpp"), *map(str, args)],
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          **options)


def good(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def enroll(mppd, state, *invite_args):
    """Enrol a device; gives its identifier."""
    done = mppd.ctl("invite", ALICE, *invite_args)
    assert done.returncode == 0, done.stderr
    return good(mpp("enroll", done.stdout.strip(), "--state", state)).strip()


def stored(mppd):
    """{store: (index, digest)} of the account, and its serial."""
    shown = mppd.ctl_json("status", ALICE)
    return ({row["store"]: (row["index"], row.get("digest"))
             for row in shown["stores"]}, shown["serial"])


def connections(mppd, device):
    """What the service knows of a device's connections."""
    for row in mppd.ctl_json("device", "list", ALICE)["devices"]:
        if row["device"] == device:
            return row["connections"]
    raise AssertionError(f"{device} is not listed")


def instance(state):
    """The instance of a state directory, as the service shows it."""
    document = json.loads((state / "device.json").read_text())
    return base64.urlsafe_b64decode(document["Instance"] + "==").hex()


@contextlib.contextmanager
def subscribed(state):
    """A running mpp subscribe; gives (process, list of its events)."""
    process = subprocess.Popen(
        [program("mpp"), "subscribe", "--json", "--state", str(state)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    events = []
    thread = threading.Thread(target=lambda: [
        events.append(json.loads(line)) for line in process.stdout])
    thread.start()
    try:
        wait_for(lambda: any(e["event"] == "connected" for e in events))
        yield process, events
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DEADLINE_S)
        thread.join(DEADLINE_S)
        process.stderr.close()


def on_a_terminal(args, stream, **env):
    """Run a program with one stream on a terminal; gives its exit code and
    what came there."""
    leader, follower = pty.openpty()
    clean = {name: value for name, value in os.environ.items()
             if name != "NO_COLOR"}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
               stream: follower}
    process = subprocess.Popen(list(map(str, args)), env={**clean, **env},
                               **streams)
    os.close(follower)
    text = b""
    with contextlib.suppress(OSError):  # EIO is the end
        while more := os.read(leader, 65536):
            text += more
    os.close(leader)
    return process.wait(DEADLINE_S), text.decode().replace("\r\n", "\n")


@pytest.fixture
def alice(mppd):
    mppd.account(ALICE)
    return mppd


@pytest.fixture
def state(folder):
    return folder / "s"


@pytest.fixture
def publisher(alice, state):
    """An enrolled device that may publish; gives its identifier."""
    return enroll(alice, state, "--publish")


# ---- mpp endpoint ----

def test_endpoint(alice, state):
    enroll(alice, state)
    document = json.loads(good(mpp("endpoint", "--json", "--state", state)))
    assert set(document) == {"endpoint", "time", "transport"}
    assert document["transport"] == "udp"
    assert re.fullmatch(r"(127\.0\.0\.1|\[::1\]):\d+", document["endpoint"])
    moment = datetime.datetime.fromisoformat(
        document["time"].replace("Z", "+00:00"))
    assert abs(moment.timestamp() - time.time()) < DEADLINE_S
    lines = good(mpp("endpoint", "--state", state, env=ZONE)).splitlines()
    assert re.fullmatch(r"seen from  (127\.0\.0\.1|\[::1\]):\d+", lines[0])
    assert re.fullmatch(
        r"time       \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+05:30", lines[1])
    assert len(lines) == 2


def test_endpoint_leaves_a_subscription_alone(alice, state):
    device = enroll(alice, state)
    with subscribed(state) as (_, events):
        good(mpp("endpoint", "--state", state))
        assert [c["subscribed"] for c in connections(alice, device)] == [True]
        good(alice.ctl("publish", ALICE, "--store", "a=1"))
        wait_for(lambda: events[-1]["event"] == "publication")
        assert [e["event"] for e in events] == ["connected", "publication"]


# ---- mpp publish ----

def test_publish(alice, state, publisher):
    document = json.loads(good(mpp(
        "publish", "--store", "mmm_Inbound=42:00ff10", "--store", "x=y=7",
        "--json", "--state", state)))
    assert document["event"] == "published"
    assert document["skipped"] == []
    assert stored(alice) == ({"mmm_Inbound": (42, "AP8Q"), "x=y": (7, None)},
                             document["serial"])


def test_publish_says_what_it_skipped(alice, state, publisher):
    good(alice.ctl("publish", ALICE, "--store", "old=9", "--store", "éöü=9",
                   "--store", "new=9"))
    args = ("publish", "--store", "old=8", "--store", "new=10", "--store",
            "éöü=1", "--state", state)
    document = json.loads(good(mpp(*args, "--json")))
    assert sorted(document["skipped"]) == ["old", "éöü"]
    stores, serial = stored(alice)
    assert {name: index for name, (index, _) in stores.items()} == {
        "old": 9, "éöü": 9, "new": 10}
    assert serial == document["serial"]
    # For people, and the same again changes nothing.
    lines = good(mpp(*args)).splitlines()
    assert lines[0] == f"serial {serial}"
    assert sorted(lines[1:]) == [
        f"skipped {name}: older than what is stored"
        for name in ("old", "éöü")]
    assert stored(alice)[1] == serial


def test_as_many_as_one_packet_may_hold(alice, state, publisher):
    names = [f"s{n}" for n in range(41)]
    args = [arg for name in names[:40]
            for arg in ("--store", f"{name}=1")]
    good(mpp("publish", "--state", state, *args))
    assert sorted(stored(alice)[0]) == sorted(names[:40])
    args = ["--store", "x" * 64 + "=1:" + "00" * 64] * 20
    done = mpp("publish", "--state", state, *args)
    assert done.returncode == 65
    assert "fewer stores" in done.stderr
    assert sorted(stored(alice)[0]) == sorted(names[:40])


def test_publish_without_the_right(alice, state):
    device = enroll(alice, state)
    done = mpp("publish", "--store", "a=1", "--state", state)
    assert done.returncode == 77
    assert "403" in done.stderr
    assert "mppctl invite --publish" in done.stderr
    assert done.stdout == ""
    assert stored(alice)[0] == {}
    # What the message says to do helps, and nothing less.
    assert enroll(alice, state, "--publish") == device
    done = mpp("publish", "--store", "a=1", "--state", state)
    assert done.returncode == 77
    good(alice.ctl("device", "remove", ALICE, device))
    assert enroll(alice, state, "--publish") == device
    good(mpp("publish", "--store", "a=1", "--state", state))
    assert stored(alice)[0] == {"a": (1, None)}


def test_publish_beside_a_subscription(alice, state, publisher):
    with subscribed(state) as (_, events):
        for index in (1, 2, 3):
            good(mpp("publish", "--store", f"a={index}", "--state", state))
        wait_for(lambda: events[-1].get("stores") == [
            {"store": "a", "index": 3}])
        assert {e["event"] for e in events[1:]} == {"publication"}
        mine = [c for c in connections(alice, publisher) if c["subscribed"]]
        assert [c["instance"] for c in mine] == [instance(state)]


def test_publish_leaves_no_connection(alice, state, publisher):
    good(mpp("publish", "--store", "a=1", "--state", state))
    wait_for(lambda: connections(alice, publisher) == [])


def test_publishers_at_the_same_time(alice, folder):
    places = [folder / name for name in "abc"]
    for place in places:
        enroll(alice, place, "--publish")
    running = [subprocess.Popen([program("mpp"), "publish", "--store",
                                 f"{place.name}=1", "--state", str(place)],
                                stdout=subprocess.DEVNULL) for place in places]
    assert [one.wait(DEADLINE_S) for one in running] == [0, 0, 0]
    assert stored(alice)[0] == {name: (1, None) for name in "abc"}


def test_programs_of_one_device_take_turns(alice, state, publisher):
    """They share an instance, of which the service takes few handshakes a
    minute: nobody displaces another one, so that everybody comes through."""
    running = [subprocess.Popen([program("mpp"), "publish", "--store",
                                 f"{name}=1", "--state", str(state)],
                                stdout=subprocess.DEVNULL) for name in "abc"]
    running.append(subprocess.Popen([program("mpp"), "status", "--state",
                                     str(state)], stdout=subprocess.DEVNULL))
    running.append(subprocess.Popen([program("mpp"), "endpoint", "--state",
                                     str(state)], stdout=subprocess.DEVNULL))
    assert [one.wait(DEADLINE_S) for one in running] == 5 * [0]
    assert stored(alice)[0] == {name: (1, None) for name in "abc"}
    # One handshake each and that of mpp enroll: none had to begin again.
    counters = alice.api("GET", "/v1/status")[1]["counters"]
    assert counters["handshakes"] == 6


@pytest.mark.parametrize("command", ["publish", "status", "endpoint"])
def test_a_turn_is_not_waited_for_for_ever(alice, state, publisher, command):
    words = {"publish": ["publish", "--store", "a=1"]}.get(command, [command])
    with open(state / "ask.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = mpp(*words, "--timeout", "200ms", "--state", state)
        assert done.returncode == 75
        assert "other programs of this device are asking" in done.stderr
    good(mpp(*words, "--state", state))


# ---- mpp unsubscribe ----

def test_unsubscribe_ends_what_a_killed_program_left(alice, state):
    device = enroll(alice, state)
    with subscribed(state) as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE_S)
    assert [c["subscribed"] for c in connections(alice, device)] == [True]
    assert good(mpp("unsubscribe", "--state", state)) == "unsubscribed\n"
    wait_for(lambda: connections(alice, device) == [])
    # Where there is none it is harmless.
    document = json.loads(good(mpp("unsubscribe", "--json", "--state", state)))
    assert document == {"event": "unsubscribed"}
    with subscribed(state):
        assert [c["subscribed"] for c in connections(alice, device)] == [True]


def test_unsubscribe_spares_other_devices(alice, folder):
    enroll(alice, folder / "a")
    device = enroll(alice, folder / "b")
    with subscribed(folder / "b") as (process, _):
        good(mpp("unsubscribe", "--state", folder / "a"))
        assert [c["subscribed"] for c in connections(alice, device)] == [True]
        assert process.poll() is None


def test_unsubscribe_is_refused_while_subscribe_runs(alice, state):
    device = enroll(alice, state)
    with subscribed(state) as (process, events):
        done = mpp("unsubscribe", "--state", state)
        assert done.returncode == 75
        assert "mpp subscribe is running" in done.stderr
        assert done.stdout == ""
        assert [c["subscribed"] for c in connections(alice, device)] == [True]
        good(alice.ctl("publish", ALICE, "--store", "a=1"))
        wait_for(lambda: events[-1]["event"] == "publication")
        assert process.poll() is None
    assert good(mpp("unsubscribe", "--state", state)) == "unsubscribed\n"


# ---- all of them ----

ASKING = (["endpoint"], ["unsubscribe"], ["publish", "--store", "a=1"])
asking = pytest.mark.parametrize("args", ASKING, ids=lambda args: args[0])


@asking
def test_not_enrolled(args, folder):
    done = mpp(*args, "--state", folder / "none")
    assert done.returncode == 66
    assert "mpp enroll URI" in done.stderr
    assert not (folder / "none").exists()


@asking
def test_a_removed_device(args, alice, state, publisher):
    good(alice.ctl("device", "remove", ALICE, publisher))
    done = mpp(*args, "--state", state)
    assert done.returncode == 77
    assert "this device is not enrolled there, or was removed" in done.stderr
    assert done.stdout == ""


@asking
def test_no_answer(args, alice, state, publisher):
    assert alice.stop() == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", alice.port))  # takes all, says nothing
        before = time.monotonic()
        done = mpp(*args, "--timeout", "1500ms", "--state", state)
    assert done.returncode == 75
    assert f"127.0.0.1:{alice.port}" in done.stderr
    assert 1.4 < time.monotonic() - before < DEADLINE_S / 2
    assert done.stdout == ""


@asking
def test_a_service_key_that_changed(args, alice, state, publisher,
                                    mppd_factory):
    before = json.loads((state / "device.json").read_text())
    assert alice.stop() == 0
    other = mppd_factory(port=alice.port).start()
    other.account(ALICE)
    done = mpp(*args, "--state", state)
    assert done.returncode == 76
    assert before["Fingerprints"][0] in done.stderr
    assert "\033" not in done.stderr
    args = [program("mpp"), *args, "--state", state]
    code, text = on_a_terminal(args, "stderr")
    assert code == 76
    assert text.startswith("mpp: \033[1;31mTHE SERVICE SHOWS ANOTHER KEY")
    code, text = on_a_terminal(args, "stderr", NO_COLOR="1")
    assert code == 76
    assert text.startswith("mpp: THE SERVICE SHOWS ANOTHER KEY")
    assert "\033" not in text
    assert stored(other)[0] == {}
    after = json.loads((state / "device.json").read_text())
    assert after["ServiceKey"] == before["ServiceKey"]


@asking
def test_an_output_that_is_full(args, alice, state, publisher):
    with open("/dev/full", "w") as full:
        done = subprocess.run([program("mpp"), *args, "--state", str(state)],
                              stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=DEADLINE_S)
    assert done.returncode == 74
    assert "No space left" in done.stderr


WRONG = [
    (["endpoint", "--store", "a"], "does not take --store"),
    (["unsubscribe", "more"], "too many arguments"),
    (["publish"], "nothing to publish"),
    (["publish", "--lease", "5s", "--store", "a=1"], "does not take --lease"),
    (["publish", "--store", "a"], "NAME=INDEX"),
    (["publish", "--store", "=1"], "NAME=INDEX"),
    (["publish", "--store", "a="], "NAME=INDEX"),
    (["publish", "--store", "a=-1"], "NAME=INDEX"),
    (["publish", "--store", "a=1x"], "NAME=INDEX"),
    (["publish", "--store", "a=9007199254740992"], "below 2^53"),
    (["publish", "--store", "a=99999999999999999999"], "below 2^53"),
    (["publish", "--store", "a=1:"], "HEXDIGEST"),
    (["publish", "--store", "a=1:0"], "HEXDIGEST"),
    (["publish", "--store", "a=1:0g"], "HEXDIGEST"),
    (["publish", "--store", "a=1:" + "00" * 65], "HEXDIGEST"),
    (["publish", "--store", "x" * 65 + "=1"], "at most 64"),
    (["publish", "--store", b"\xff\xfe=1"], "NAME=INDEX"),
    (["publish"] + ["--store", "a=1"] * 41, "more than 40"),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: str(row[0])[:40])
def test_usage(row, folder):
    done = subprocess.run([program("mpp"), *row[0], "--state",
                           str(folder / "s")], capture_output=True,
                          timeout=DEADLINE_S)
    assert done.returncode == 64
    assert row[1] in done.stderr.decode(errors="replace")
    assert done.stdout == b""
    assert not (folder / "s").exists()


def test_the_largest_that_is_allowed(alice, state, publisher):
    good(mpp("publish", "--state", state, "--store",
             "x" * 64 + "=9007199254740991:" + "AB" * 64))
    assert stored(alice)[0] == {"x" * 64: (
        2**53 - 1,
        base64.urlsafe_b64encode(b"\xab" * 64).decode().rstrip("="))}


# ---- mppctl device list ----

def test_device_list(alice, folder):
    heads = ["DEVICE", "RIGHTS", "STATE", "LAST SEEN", "ENDPOINT"]

    def rows():
        done = alice.ctl("device", "list", ALICE, env=ZONE)
        return [re.split(r"  +", line) for line in good(done).splitlines()]
    assert rows() == [heads]
    first = enroll(alice, folder / "a")
    second = enroll(alice, folder / "b", "--publish")
    wait_for(lambda: connections(alice, first) == [])
    with subscribed(folder / "b"):
        found = rows()
        assert found[0] == heads
        by_id = {row[0]: row[1:] for row in found[1:]}
        assert set(by_id) == {first, second} and len(found) == 3
        assert by_id[first] == ["subscribe", "offline", "-", "-"]
        rights, what, seen, endpoint = by_id[second]
        assert (rights, what) == ("subscribe,publish", "subscribed")
        shown = connections(alice, second)
        assert endpoint == shown[0]["endpoint"]
        moment = datetime.datetime.strptime(seen, "%Y-%m-%d %H:%M:%S %z")
        assert seen.endswith(" +05:30")
        assert -2 < time.time() - moment.timestamp() < DEADLINE_S
        document = alice.ctl_json("device", "list", ALICE)
        assert document["account"] == ALICE
        assert {row["device"]: row["rights"]
                for row in document["devices"]} == {
            first: ["subscribe"], second: ["subscribe", "publish"]}
    good(alice.ctl("device", "remove", ALICE, second))
    assert [row[0] for row in rows()] == ["DEVICE", first]


def test_device_list_refusals(alice):
    done = alice.ctl("device", "list", "nobody@example.com")
    assert done.returncode == 68
    for args, why in ((["device", "list"], "too few arguments"),
                      (["device", "list", ALICE, "x"], "too many arguments"),
                      (["device", "list", ALICE, "--qr"], "does not take"),
                      (["device", "show", ALICE], "no such command")):
        done = alice.ctl(*args)
        assert done.returncode == 64
        assert why in done.stderr
        assert done.stdout == ""
    assert alice.stop() == 0
    assert alice.ctl("device", "list", ALICE).returncode == 69


# ---- mppctl invite --qr ----

LIGHT = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def matrix(lines):
    """Rows of modules, 1 light, out of lines of half blocks."""
    rows = []
    for line in lines:
        pairs = [LIGHT[character] for character in line]
        rows += [[top for top, _ in pairs], [low for _, low in pairs]]
    return rows


def png(rows, scale=4):
    """A grey picture of 8 bits (RFC 2083) of the modules."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    lines = b"".join(
        (b"\0" + b"".join(bytes([255 * one]) * scale for one in row)) * scale
        for row in rows)
    size = struct.pack(">IIBBBBB", len(rows[0]) * scale, len(rows) * scale,
                       8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) +
            chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def decode_qr(rows, folder):
    """What a QR reader of others sees; None when it sees nothing."""
    (folder / "qr.png").write_bytes(png(rows))
    done = subprocess.run(["zbarimg", "--quiet", "--raw", "-S*.disable",
                           "-Sqrcode.enable", str(folder / "qr.png")],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def test_qr(alice, folder):
    done = alice.ctl("invite", ALICE, "--qr", "--publish")
    assert done.returncode == 0, done.stderr
    uri, *lines = done.stdout.splitlines()
    assert uri.startswith("mpp://")
    assert "\033" not in done.stdout
    assert len(set(map(len, lines))) == 1
    assert len(lines[0]) <= 80
    rows = matrix(lines)
    assert decode_qr(rows, folder) == uri
    # Four light modules around it.
    assert all(all(row) for row in rows[:4] + rows[-4:])
    assert all(all(row[:4] + row[-4:]) for row in rows)
    assert not all(rows[4][4:11])
    # The reader says nothing where there is nothing to see.
    assert decode_qr([[1] * 60] * 60, folder) is None
    # And it is the invitation: a device can be enrolled with it.
    good(mpp("enroll", decode_qr(rows, folder), "--state", folder / "s"))


def test_qr_on_a_terminal(alice, folder):
    args = [program("mppctl"), "--socket", alice.socket, "invite", ALICE,
            "--qr"]
    code, text = on_a_terminal(args, "stdout")
    assert code == 0
    uri, *lines = text.splitlines()
    plain = []
    for line in lines:
        found = re.fullmatch("\033\\[40;97m([█▀▄ ]+)\033\\[0m", line)
        assert found, line
        plain.append(found.group(1))
    assert decode_qr(matrix(plain), folder) == uri
    code, text = on_a_terminal(args, "stdout", NO_COLOR="1")
    assert code == 0
    assert "\033" not in text
    uri, *lines = text.splitlines()
    assert decode_qr(matrix(lines), folder) == uri


def test_qr_only_when_asked_for(alice):
    done = alice.ctl("invite", ALICE)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    before = alice.ctl_json("status")["pools"]
    done = alice.ctl("invite", ALICE, "--qr", "--json")
    assert done.returncode == 64
    assert "give one of them" in done.stderr
    assert done.stdout == ""
    assert alice.ctl_json("status")["pools"] == before
    done = alice.ctl("invite", "nobody@example.com", "--qr")
    assert done.returncode == 68
    assert done.stdout == ""


def test_qr_of_the_longest_account(alice, folder):
    name = alice.account("a" * 243 + "@example.com")
    done = alice.ctl("invite", name, "--qr")
    assert done.returncode == 0, done.stderr
    uri, *lines = done.stdout.splitlines()
    assert name in uri
    assert decode_qr(matrix(lines), folder) == uri
