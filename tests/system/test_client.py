# SPDX-License-Identifier: MIT
"""The program mpp against a real mppd: enrolling, subscribing, the state it
keeps, and each refusal with its exit code."""
import base64
import datetime
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest
from conftest import DEADLINE_S, free_port, program, wait_for

ALICE = "alice@example.com"
OTHER_PIN = ("MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-N2DU-2T6P-RKLT-"
             "NCXC")
ID = r"M[A-Z2-7]{3}(-[A-Z2-7]{4}){6}"


def mpp(*args, **options):
    return subprocess.run([program("mpp"), *map(str, args)],
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          **options)


def invite(mppd, account=ALICE, *args):
    done = mppd.ctl("invite", account, *args)
    assert done.returncode == 0, done.stderr
    return re.search(r"mpp://\S+", done.stdout).group()


def enroll(mppd, state, account=ALICE):
    done = mpp("enroll", invite(mppd, account), "--state", state)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def publish(mppd, *stores, account=ALICE):
    args = [arg for store in stores for arg in ("--store", store)]
    done = mppd.ctl("publish", account, *args)
    assert done.returncode == 0, done.stderr


class Subscriber:
    """mpp subscribe --json; its events as they come."""

    def __init__(self, state, *args):
        self.process = subprocess.Popen(
            [program("mpp"), "subscribe", "--json", "--state", str(state),
             *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events = []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))

    def wait(self, kind, count=1):
        """The count-th event of a kind, with the time that it came."""
        def found():
            rows = [row for row in list(self.events)
                    if row[1]["event"] == kind]
            return rows[count - 1] if len(rows) >= count else None
        return wait_for(found)

    def end(self, number=signal.SIGTERM):
        """Give (exit code, stderr)."""
        if number:
            self.process.send_signal(number)
        code = self.process.wait(DEADLINE_S)
        self.thread.join(DEADLINE_S)
        return code, self.process.stderr.read()


@pytest.fixture
def alice(mppd):
    mppd.account(ALICE)
    return mppd


@pytest.fixture
def subscriber():
    """subscriber(state, …) starts one; all are ended."""
    made = []

    def make(*args):
        made.append(Subscriber(*args))
        return made[-1]
    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.thread.join(DEADLINE_S)


# ---- enrolling ----

def test_enroll(alice, folder):
    state = folder / "a" / "b"
    done = mpp("enroll", invite(alice), "--state", state)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(ID + "\n", done.stdout)
    assert done.stderr == ""
    document = json.loads((state / "device.json").read_text())
    assert document["Version"] == 1
    assert document["Account"] == ALICE
    assert len(base64.urlsafe_b64decode(document["DeviceKey"] + "==")) == 32
    assert len(base64.urlsafe_b64decode(document["Instance"] + "==")) == 8
    assert abs(document["Timestamp"] / 1000 - time.time()) < 600
    assert "Invitation" not in document
    assert "ServiceKey" in document
    assert stat.S_IMODE((state / "device.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    shown = alice.ctl_json("status", ALICE)
    assert done.stdout.strip() in json.dumps(shown)


def test_enroll_from_stdin_in_json_and_again(alice, folder):
    uri = invite(alice)
    done = mpp("enroll", "-", "--json", "--state", folder / "s", input=uri)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["event"] == "enrolled"
    assert re.fullmatch(ID, document["device"])
    again = mpp("enroll", "-", "--state", folder / "s", input=uri + "\r\n")
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == document["device"]


def test_the_state_directory_comes_from_the_environment(alice, folder):
    env = {name: value for name, value in os.environ.items()
           if name not in ("MPP_STATE", "XDG_STATE_HOME", "HOME")}
    uri = invite(alice)
    for names, path in (({"HOME": folder / "h"}, "h/.local/state/mpp"),
                        ({"XDG_STATE_HOME": folder / "x"}, "x/mpp"),
                        ({"MPP_STATE": folder / "m"}, "m")):
        given = {name: str(value) for name, value in names.items()}
        done = mpp("status", env={**env, **given})
        assert done.returncode == 66
        assert str(folder / path) in done.stderr
    done = mpp("enroll", uri, env={**env, "HOME": str(folder / "h")})
    assert done.returncode == 0, done.stderr
    assert (folder / "h/.local/state/mpp/device.json").exists()
    done = mpp("status", env=env)
    assert done.returncode == 64
    assert "--state" in done.stderr


def test_a_used_invitation(alice, folder):
    uri = invite(alice)
    assert mpp("enroll", uri, "--state", folder / "a").returncode == 0
    done = mpp("enroll", uri, "--state", folder / "b")
    assert done.returncode == 77
    assert "used already" in done.stderr
    assert "new invitation" in done.stderr
    # Not enrolled, but ready for the next one.
    done = mpp("status", "--state", folder / "b")
    assert done.returncode == 66
    assert "not finished" in done.stderr
    enroll(alice, folder / "b")
    assert mpp("status", "--state", folder / "b").returncode == 0


def test_an_expired_invitation(alice, folder):
    uri = invite(alice, ALICE, "--lifetime", "1s")
    time.sleep(2.5)
    done = mpp("enroll", uri, "--state", folder / "s")
    assert done.returncode == 77
    assert "expired" in done.stderr
    assert "new invitation" in done.stderr


def test_a_wrong_service_key_shows_both(alice, folder):
    uri = invite(alice)
    shown = re.search(r"k=([A-Z2-7-]+)", uri).group(1)
    wrong = re.sub(r"k=[A-Z2-7-]+", "k=" + OTHER_PIN, uri)
    done = mpp("enroll", wrong, "--state", folder / "s")
    assert done.returncode == 76
    assert OTHER_PIN in done.stderr
    assert shown in done.stderr
    assert "ANOTHER KEY" in done.stderr
    assert mpp("enroll", uri, "--state", folder / "s").returncode == 0


def test_a_service_key_that_changed(alice, folder, mppd_factory):
    enroll(alice, folder / "s")
    before = (folder / "s/device.json").read_text()
    old = json.loads(before)["Fingerprints"]
    assert alice.stop() == 0
    other = mppd_factory(port=alice.port).start()
    other.account(ALICE)
    new = re.search(r"k=([A-Z2-7-]+)", invite(other)).group(1)
    for command in ("status", "subscribe"):
        done = mpp(command, "--state", folder / "s")
        assert done.returncode == 76
        assert old[0] in done.stderr
        assert new in done.stderr
    after = json.loads((folder / "s/device.json").read_text())
    assert after["ServiceKey"] == json.loads(before)["ServiceKey"]
    # Only a new invitation pins another key.
    enroll(other, folder / "s")
    assert mpp("status", "--state", folder / "s").returncode == 0


def test_an_unknown_account(alice, folder):
    uri = invite(alice).replace("/" + ALICE, "/nobody@example.com")
    done = mpp("enroll", uri, "--state", folder / "s")
    assert done.returncode == 77
    assert "403" in done.stderr
    assert "new invitation" in done.stderr


def test_another_account_in_the_same_place(alice, folder):
    alice.account("bob@example.com")
    enroll(alice, folder / "s")
    before = (folder / "s/device.json").read_bytes()
    done = mpp("enroll", invite(alice, "bob@example.com"), "--state",
               folder / "s")
    assert done.returncode == 73
    assert ALICE in done.stderr
    assert (folder / "s/device.json").read_bytes() == before


def test_a_removed_device_is_told_what_to_do(alice, folder, subscriber):
    device = enroll(alice, folder / "s")
    one = subscriber(folder / "s")
    one.wait("connected")
    done = alice.ctl("device", "remove", ALICE, device)
    assert done.returncode == 0, done.stderr
    code, text = one.end(None)
    assert code == 77
    assert "ask the operator for a new invitation" in text
    done = mpp("status", "--state", folder / "s")
    assert done.returncode == 77
    assert "mpp enroll" in done.stderr
    assert enroll(alice, folder / "s") == device


# ---- subscribing ----

def test_a_publication_arrives(alice, folder, subscriber):
    enroll(alice, folder / "s")
    one = subscriber(folder / "s")
    _, connected = one.wait("connected")
    assert re.fullmatch(r"(127\.0\.0\.1|\[::1\]):\d+", connected["endpoint"])
    assert connected["lease_ms"] == 60000
    before = time.monotonic()
    publish(alice, "mmm_Inbound=42:00ff10", "mmm_Outbound=7")
    came, event = one.wait("publication")
    assert came - before < 5  # with sanitizers on a busy machine
    assert {store["store"]: store["index"] for store in event["stores"]} == {
        "mmm_Inbound": 42, "mmm_Outbound": 7}
    digests = [store["digest"] for store in event["stores"]
               if "digest" in store]
    assert digests == ["AP8Q"]
    assert event["more"] is False
    assert event["endpoint"] == connected["endpoint"]
    assert event["rtt_us"] > 0
    moment = datetime.datetime.fromisoformat(
        event["time"].replace("Z", "+00:00"))
    assert abs(moment.timestamp() - time.time()) < DEADLINE_S
    listed = {row["account"]: row
              for row in alice.ctl_json("account", "list")["accounts"]}
    assert listed[ALICE]["serial"] == event["serial"]
    assert one.end(signal.SIGINT) == (0, "")


def test_what_was_published_before_arrives_too(alice, folder, subscriber):
    enroll(alice, folder / "s")
    publish(alice, "mmm_Inbound=5")
    one = subscriber(folder / "s")
    _, event = one.wait("publication")
    assert event["stores"] == [{"store": "mmm_Inbound", "index": 5}]
    assert one.end() == (0, "")


def test_only_the_stores_asked_for(alice, folder, subscriber):
    enroll(alice, folder / "s")
    one = subscriber(folder / "s", "--store", "mmm_Inbound")
    one.wait("connected")
    publish(alice, "mmm_Outbound=1")
    publish(alice, "mmm_Inbound=2")
    _, event = one.wait("publication")
    assert event["stores"] == [{"store": "mmm_Inbound", "index": 2}]
    assert one.end() == (0, "")


def test_count_and_people(alice, folder):
    enroll(alice, folder / "s")
    publish(alice, "mmm_Inbound=9")
    done = mpp("subscribe", "--count", 1, "--state", folder / "s",
               env={**os.environ, "TZ": "Asia/Kolkata"})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+05:30  "
    assert re.fullmatch(moment + r"connected, seen from \S+, lease 60 s",
                        lines[0])
    assert re.fullmatch(moment + r"serial \d+  mmm_Inbound=9", lines[1])
    assert len(lines) == 2


def test_lease(alice, folder, subscriber):
    enroll(alice, folder / "s")
    one = subscriber(folder / "s", "--lease", "30s", "--keepalive", "5s")
    assert one.wait("connected")[1]["lease_ms"] == 30000
    assert one.end() == (0, "")


def test_a_subscription_outlives_the_service(alice, folder, subscriber):
    enroll(alice, folder / "s")
    one = subscriber(folder / "s", "--keepalive", "1s")
    one.wait("connected")
    alice.kill9()
    alice.start()
    publish(alice, "mmm_Inbound=77")
    _, event = one.wait("publication")
    assert event["stores"] == [{"store": "mmm_Inbound", "index": 77}]
    one.wait("connected", 2)
    assert one.end() == (0, "")


class Relay:
    """Between a device and the service; it notes with which identifiers the
    device's data packets begin."""

    def __init__(self, port):
        self.near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.near.bind(("127.0.0.1", 0))
        self.far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.far.connect(("127.0.0.1", port))
        self.ids, self.device, self.on = [], None, True
        self.port = self.near.getsockname()[1]
        self.threads = [threading.Thread(target=self.up),
                        threading.Thread(target=self.down)]
        for sock in (self.near, self.far):
            sock.settimeout(0.2)
        for thread in self.threads:
            thread.start()

    def up(self):
        while self.on:
            try:
                data, self.device = self.near.recvfrom(2048)
            except socket.timeout:
                continue
            if any(data[:16]):
                self.ids.append(data[:16])
            self.far.send(data)

    def down(self):
        while self.on:
            try:
                self.near.sendto(self.far.recv(2048), self.device)
            except (socket.timeout, ConnectionRefusedError):
                continue

    def close(self):
        self.on = False
        for thread in self.threads:
            thread.join(DEADLINE_S)
        self.near.close()
        self.far.close()


@pytest.mark.parametrize("words", [(), ("--unlinkable",)],
                         ids=["linkable", "unlinkable"])
def test_identifiers(alice, folder, subscriber, words):
    relay = Relay(alice.port)
    try:
        uri = invite(alice).replace(f":{alice.port}", f":{relay.port}", 1)
        uri = re.sub("&e=[^&#]*", "", uri)  # the relay alone
        done = mpp("enroll", uri, "--state", folder / "s")
        assert done.returncode == 0, done.stderr
        relay.ids.clear()
        one = subscriber(folder / "s", "--keepalive", "1s", *words)
        one.wait("connected")
        for index in range(1, 13):
            publish(alice, f"mmm_Inbound={index}")
            one.wait("publication", index)
        wait_for(lambda: len(relay.ids) > 15)
        assert one.end() == (0, "")
        repeated = len(relay.ids) - len(set(relay.ids))
        assert repeated == 0 if words else repeated > 10
        assert len([e for _, e in one.events if e["event"] == "lost"]) == 0
    finally:
        relay.close()


def test_a_subscription_goes_on_beside_a_status(alice, folder, subscriber):
    enroll(alice, folder / "s")
    one = subscriber(folder / "s")
    one.wait("connected")
    publish(alice, "mmm_Inbound=1")
    one.wait("publication")
    for _ in range(3):
        done = mpp("status", "--json", "--state", folder / "s")
        assert done.returncode == 0, done.stderr
    publish(alice, "mmm_Inbound=2")
    one.wait("publication", 2)
    kinds = [event["event"] for _, event in one.events]
    assert kinds == ["connected", "publication", "publication"]
    assert one.end() == (0, "")


def test_a_second_subscription_is_refused(alice, folder, subscriber):
    state = folder / "s"
    enroll(alice, state)
    first = subscriber(state)
    first.wait("connected")
    done = mpp("subscribe", "--state", state)
    assert done.returncode == 75
    assert "is subscribed already" in done.stderr
    # The first goes on, and when it has ended another one may begin.
    publish(alice, "mmm_Inbound=1")
    first.wait("publication")
    assert first.end() == (0, "")
    subscriber(state).wait("connected")


def test_an_output_that_is_closed(alice, folder):
    enroll(alice, folder / "s")
    publish(alice, "mmm_Inbound=1")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [program("mpp"), "subscribe", "--state", str(folder / "s")],
            stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=DEADLINE_S)
    assert done.returncode == 74
    assert "No space left" in done.stderr


# ---- asking once ----

def test_status(alice, folder):
    device = enroll(alice, folder / "s")
    stores = {f"store-{n:02}-with-a-name-that-takes-its-room": n
              for n in range(100)}
    names = [f"{name}={index}" for name, index in stores.items()]
    for at in range(0, 100, 25):
        publish(alice, *names[at:at + 25])
    done = mpp("status", "--json", "--state", folder / "s")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["device"] == device
    assert {row["store"]: row["index"]
            for row in document["stores"]} == stores
    listed = alice.ctl_json("account", "list")["accounts"]
    assert document["serial"] == listed[0]["serial"]
    assert re.fullmatch(r"\S+:\d+", document["endpoint"])
    moment = datetime.datetime.fromisoformat(
        document["time"].replace("Z", "+00:00"))
    assert abs(moment.timestamp() - time.time()) < DEADLINE_S
    done = mpp("status", "--state", folder / "s")
    assert done.returncode == 0
    for name in names:
        assert f" {name}" in done.stdout
    assert f"serial     {document['serial']}\n" in done.stdout


def test_status_of_nothing(alice, folder):
    enroll(alice, folder / "s")
    done = mpp("status", "--state", folder / "s")
    assert done.returncode == 0
    assert "stores     none\n" in done.stdout


# ---- nobody there ----

def test_no_answer(alice, folder):
    enroll(alice, folder / "s")
    assert alice.stop() == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", alice.port))  # takes all, says nothing
        before = time.monotonic()
        done = mpp("status", "--timeout", "1500ms", "--state", folder / "s")
    assert done.returncode == 75
    assert f"127.0.0.1:{alice.port}" in done.stderr
    assert 1.4 < time.monotonic() - before < DEADLINE_S / 2


def test_nobody_listens(folder):
    uri = (f"mpp://127.0.0.1:{free_port()}/a?k={OTHER_PIN}"
           "#AAAQEAYEAUDAOCAJBIFQYDIOB4")
    done = mpp("enroll", uri, "--timeout", "1s", "--state", folder / "s")
    assert done.returncode == 75
    assert "Connection refused" in done.stderr


def test_dead_endpoints_are_passed_over(alice, folder):
    uri = re.sub(r"mpp://[^/]+/", "mpp://127.0.0.1:1/", invite(alice))
    uri = uri.replace("?", f"?e=127.0.0.1:{alice.port}&", 1)
    done = mpp("enroll", uri, "--timeout", "30s", "--state", folder / "s")
    assert done.returncode == 0, done.stderr


# ---- the state ----

def test_not_enrolled(folder):
    for command in ("status", "subscribe"):
        done = mpp(command, "--state", folder / "none")
        assert done.returncode == 66
        assert "mpp enroll URI" in done.stderr
        assert done.stdout == ""
    assert not (folder / "none").exists()


def test_a_damaged_state_is_left_alone(alice, folder):
    enroll(alice, folder / "s")
    path = folder / "s/device.json"
    good = path.read_text()
    path.write_text(good[:-10])
    for args in (["status"], ["subscribe"], ["enroll", invite(alice)]):
        done = mpp(*args, "--state", folder / "s")
        assert done.returncode == 65
        assert "is damaged" in done.stderr
        assert path.read_text() == good[:-10]
    path.write_text(good)
    assert mpp("status", "--state", folder / "s").returncode == 0
    path.chmod(0o644)
    done = mpp("status", "--state", folder / "s")
    assert done.returncode == 77
    assert "chmod 600" in done.stderr


def test_a_place_that_cannot_be_written(alice):
    done = mpp("enroll", invite(alice), "--state", "/dev/null/state")
    assert done.returncode == 73
    assert "/dev/null/state" in done.stderr


# ---- the command line ----

WRONG = [
    ([], "mpp enroll"),
    (["watch"], "no such command"),
    (["status", "--bogus"], "no such option"),
    (["status", "--state"], "a value is missing"),
    (["status", "--state", ""], "not a directory"),
    (["status", "more"], "too many arguments"),
    (["status", "--count", "3"], "does not take --count"),
    (["decode", "--state", "x"], "does not take --state"),
    (["enroll"], "invitation is missing"),
    (["subscribe", "--count", "0"], "number from 1"),
    (["subscribe", "--count", "1x"], "number from 1"),
    (["subscribe", "--lease", "5"], "such as 30s"),
    (["subscribe", "--lease", "5d"], "such as 30s"),
    (["subscribe", "--lease", "25h"], "1s to 24h"),
    (["subscribe", "--keepalive", "1ms"], "1s to 24h"),
    (["subscribe", "--timeout", "-1s"], "such as 30s"),
    (["subscribe", "--store", ""], "1 to 64"),
    (["subscribe", "--store", "x" * 65], "1 to 64"),
    (["subscribe"] + ["--store", "x"] * 33, "more than 32"),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: " ".join(row[0])[:40])
def test_usage(row, folder):
    done = mpp(*row[0], env={**os.environ, "MPP_STATE": str(folder / "s")})
    assert done.returncode == 64
    assert row[1] in done.stderr
    assert done.stdout == ""
    assert not (folder / "s").exists()


def test_a_wrong_invitation(folder):
    for uri, why in (("http://x/", "does not begin with mpp://"),
                     ("mpp://h/a?k=" + OTHER_PIN, "secret"),
                     ("mpp://h:0/a", "1 to 65535")):
        done = mpp("enroll", uri, "--state", folder / "s")
        assert done.returncode == 65
        assert "not an invitation" in done.stderr
        assert why in done.stderr
    assert not (folder / "s").exists()


def test_help_and_version():
    done = mpp("--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 24
    assert max(map(len, done.stdout.splitlines())) <= 80
    done = mpp("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"mpp \d+\.\d+\.\d+\n", done.stdout)
