# SPDX-License-Identifier: MIT
"""The real programs together: what ./run.sh shows, and that it would say so
if something were missing; what goes over the wire; kill -9.

Everything runs in a network namespace of the test's own.
"""

import importlib.util
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import time
import uuid

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.path.join(os.environ.get(
    "MPP_BUILD_DIR", os.path.join(ROOT, "build/asan-ubsan")), "bin")
PATIENCE = 120


def load_demo():
    spec = importlib.util.spec_from_file_location(
        "demo", os.path.join(ROOT, "scripts/demo.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


demo_module = load_demo()


@pytest.fixture
def netns():
    name = "mpp-" + uuid.uuid4().hex[:8]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside(name, "ip", "link", "set", "lo", "up")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def inside(name, *command, **options):
    return subprocess.run(["ip", "netns", "exec", name, *command],
                          check=options.pop("check", True), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=300, **options)


def play(name, *options):
    return inside(name, "/usr/bin/python3", "scripts/demo.py", "--bin", BIN,
                  "--once", *options, cwd=ROOT, check=False)


NFT = ("nft add table inet t && nft add chain inet t out "
       "'{ type filter hook output priority 0; }' && nft add rule inet t out ")


def test_everything_arrives(netns):
    done = play(netns)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()
            if " after " in line]
    # 3 of alice's to two devices, 2 of bob's to one.
    assert len(rows) == 8
    for row in rows:
        _, account, store, device, serial, rtt, port = row[:7]
        assert device in demo_module.ACCOUNTS[account]
        assert store.startswith("mmm_") and int(serial) > 1.6e15
        assert float(rtt.removesuffix("ms")) > 0
        assert 0 < int(port) < 65536
    assert "every one acknowledged" in done.stdout


def test_says_so_when_udp_is_dropped(netns):
    inside(netns, "sh", "-c", NFT + "meta l4proto udp drop")
    done = play(netns, "--timeout", "8")
    assert done.returncode != 0
    assert "every one acknowledged" not in done.stdout


def test_says_so_when_udp_is_dropped_later(netns):
    done = play(netns, "--timeout", "8", "--before-publish",
                NFT + "meta l4proto udp drop")
    assert done.returncode != 0
    assert "was not acknowledged by" in done.stderr
    assert "every one acknowledged" not in done.stdout


def test_says_so_when_one_device_is_not_notified(netns):
    done = play(netns, "--timeout", "8", "--before-publish",
                NFT + "udp sport $PORT_SERVICE udp dport $PORT_PHONE drop")
    assert done.returncode != 0
    assert "was not acknowledged by phone" in done.stderr
    assert "laptop" in done.stdout.split("PUBLISHED", 1)[1]


# ---- what goes over the wire ----

WORDS = [b"alice", b"bob@", b"example.com", b"mmm_", b"Inbound", b"Contact",
         b"Bookmark", b"Presence", b"StoreStatus", b"Acknowledge",
         b"mmmpresence"]


def udp_payloads(path):
    """(source port, destination port, payload) of a pcap file."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "a little-endian pcap file"
    at = 24
    while at < len(data):
        length, = struct.unpack_from("<I", data, at + 8)
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        ip = frame[14:]
        if frame[12:14] != b"\x08\x00" or ip[9] != 17:
            continue
        udp = ip[(ip[0] & 15) * 4:]
        yield *struct.unpack(">HH", udp[:4]), udp[8:]


def clear_text(payload):
    """Words of ours that can be read in a payload, also as UTF-16."""
    lower = payload.lower()
    return [w for w in WORDS
            if w.lower() in lower or
            w.lower().decode().encode("utf-16-le") in lower]


def test_nothing_in_the_clear(netns, tmp_path):
    path = str(tmp_path / "run.pcap")
    capture = subprocess.Popen(
        ["ip", "netns", "exec", netns, "tshark", "-q", "-i", "lo", "-F",
         "pcap", "-w", path], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in capture.stderr:
            if "Capturing on" in line:
                break
        deadline = time.monotonic() + PATIENCE
        planted = 0
        while planted == 0 and time.monotonic() < deadline:
            # The control, again until the capture has it.
            inside(netns, "/usr/bin/python3", "-c",
                   "import socket; socket.socket(socket.AF_INET, "
                   "socket.SOCK_DGRAM).sendto(b'to alice@example.com: "
                   "mmm_Inbound', ('127.0.0.1', 9))")
            time.sleep(0.2)
            if os.path.exists(path) and os.path.getsize(path) > 24:
                planted = sum(1 for _, to, _ in udp_payloads(path) if to == 9)
        done = play(netns, "--publications", "80", "--port", "15099")
        assert done.returncode == 0, done.stderr
        time.sleep(1)
    finally:
        capture.send_signal(signal.SIGINT)
        capture.wait(30)
    ours, control = [], []
    for source, to, payload in udp_payloads(path):
        if 15099 in (source, to):
            ours.append(payload)
        elif to == 9:
            control.append(payload)
    assert len(ours) >= 200
    assert control and all(clear_text(p) for p in control)
    assert [w for p in ours for w in clear_text(p)] == []


# ---- kill -9 ----

@pytest.fixture
def demo():
    options = demo_module.arguments().parse_args(["--bin", BIN, "--once",
                                                  "--timeout", "60"])
    d = demo_module.Demo(options)
    try:
        yield d
    finally:
        d.stop()


class Publisher(threading.Thread):
    """Publishes rising indexes; notes what was answered."""

    def __init__(self, demo, account, store):
        super().__init__(daemon=True)
        self.demo, self.account, self.store = demo, account, store
        self.answered = []  # (index, serial)
        self.failures = 0
        self.go_on = True

    def run(self):
        index = 0
        while self.go_on:
            index += 1
            try:
                answer = self.demo.ctl("publish", self.account, "--store",
                                       f"{self.store}={index}")
                self.answered.append((index, answer["serial"]))
            except demo_module.Failure:
                self.failures += 1
                time.sleep(0.02)


def stored_index(demo, account, store):
    for a in demo.ctl("status")["accounts"]:
        if a["account"] == account:
            for s in a["stores"]:
                if s["store"] == store:
                    return s["index"]
    return 0


def test_kill_9(demo):
    account = "alice@example.com"
    demo.start()
    demo.enroll()
    publisher = Publisher(demo, account, "mmm_Inbound")
    publisher.start()
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    for _ in range(6):
        time.sleep(dice.uniform(0.3, 1.5))
        demo.daemon.kill()
        demo.daemon.wait()
        answered = list(publisher.answered)
        demo.start()
        # What was answered to the publisher is there.
        if answered:
            assert stored_index(demo, account, "mmm_Inbound") >= \
                answered[-1][0]
    time.sleep(1)
    publisher.go_on = False
    publisher.join(60)
    serials = [s for _, s in publisher.answered]
    assert len(serials) > 20 and publisher.failures > 0
    assert all(a < b for a, b in zip(serials, serials[1:])), "serial reused"
    # The devices come back by themselves and hold the newest.
    deadline = time.monotonic() + PATIENCE
    waiting = {d.id for d in demo.devices if d.account == account}
    while waiting and time.monotonic() < deadline:
        for device, c in demo.connections(account).items():
            if c["acknowledged"] >= serials[-1]:
                waiting.discard(device)
        time.sleep(0.2)
    assert not waiting, "devices that did not come back"
    assert all(d.process.poll() is None for d in demo.devices)
    for d in demo.devices:
        heard = list(d.heard)
        assert heard == sorted(heard)
        if d.account == account:
            assert heard[-1] >= serials[-1]


def test_removed_store_refuses(demo):
    demo.start()
    demo.enroll()
    demo.daemon.terminate()
    assert demo.daemon.wait(30) == 0
    state = os.path.join(demo.dir, "state")
    removed = [f for f in os.listdir(state) if f.startswith("store")]
    assert removed
    for f in removed:
        os.remove(os.path.join(state, f))
    demo.start()
    for account in demo_module.ACCOUNTS:
        demo.ctl("account", "add", account)
    for d in demo.devices:
        assert d.process.wait(PATIENCE) == 77


def test_run_sh(netns):
    """The command of the README, whole: it builds what it starts."""
    if not shutil.which("cmake"):
        pytest.fail("cmake is missing")
    done = inside(netns, "./run.sh", "--once", cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "every one acknowledged" in done.stdout
