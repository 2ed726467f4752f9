# SPDX-License-Identifier: MIT
"""packaging/wireshark/mpp.lua in tshark: connection datagrams without keys,
and with a key log every field of the headers of data packets, compared with
the independent reader of tests/interop; on worked examples, on captured
traffic of the real programs, and on octets that are anything."""
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DEADLINE_S, ROOT, program, wait_for

sys.path.insert(0, str(ROOT / "tests" / "interop"))

# pylint: disable=wrong-import-position
import examples
import mpp_peer as m
import stun_peer as stun

SCRIPT = ROOT / "packaging" / "wireshark" / "mpp.lua"
ALICE = "alice@example.com"
PORT = 15099
SUBSCRIBE = m.message("PresenceConnectRequest", Serial=1, Acknowledge=0)
DOCUMENT = examples.read_document(
    examples.DOCUMENT.read_text(encoding="utf-8"))
pytestmark = pytest.mark.skipif(shutil.which("tshark") is None,
                                reason="tshark is not installed")

BEGIN, END = b"the capture begins here", b"the capture ends here"
HEADER_FIELDS = ["index", "flags", "count", "packet", "sequence", "ack_index",
                 "ack_bits"]


# ---- captures ----

def udp(source, target, payload):
    """An IPv4 packet; source and target are (address, port)."""
    body = struct.pack(">HHHH", source[1], target[1], 8 + len(payload),
                       0) + payload
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 17,
                       0, bytes(source[0]), bytes(target[0])) + body


DEVICE, SERVICE = ((192, 0, 2, 7), 40000), ((192, 0, 2, 1), PORT)


def up(payload):
    return udp(DEVICE, SERVICE, payload)


def down(payload):
    return udp(SERVICE, DEVICE, payload)


def write_pcap(path, packets):
    """Link type 228: raw IPv4."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 228))
        for number, packet in enumerate(packets):
            f.write(struct.pack("<IIII", number, 0, len(packet), len(packet)))
            f.write(packet)
    return path


def write_keys(path, lines):
    """lines: (direction, connection, Keys)."""
    path.write_text("".join(
        f"RUD1 {way} {name.hex()} {k.hdr.hex()} {k.key.hex()} {k.salt.hex()}\n"
        for way, name, k in lines), encoding="ascii")
    return path


# ---- tshark ----

def tshark(pcap, *options, keys=None, port=PORT, script=SCRIPT):
    """What it says. A word of Lua about an error is a failure."""
    done = subprocess.run(
        ["tshark", "-n", "-X", f"lua_script:{script}", "-o",
         f"mpp.port:{port}", "-o", f"mpp.keylog:{keys or ''}", "-r", pcap,
         *options], capture_output=True, text=True, timeout=300,
        env={**os.environ, "HOME": str(pcap.parent)})
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def lua_errors(pcap, **how):
    """The lines in which Lua says that a script failed."""
    said = "\n".join(tshark(pcap, "-V", **how))
    return [line for line in said.splitlines()
            if "Lua Error" in line or re.search(r"Lua: .*error|\.lua:\d+", line)]


def fields(pcap, names, **how):
    """One dictionary a packet: name to list of texts."""
    options = ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a",
               "-E", "aggregator=|"]
    for name in names:
        options += ["-e", f"mpp.{name}"]
    out = tshark(pcap, *options, **how)[0]
    rows = [line.split("\t") for line in out.split("\n")[:-1]]
    return [{name: cell.split("|") if cell else []
             for name, cell in zip(names, row)} for row in rows]


def header_of(row):
    """The seven numbers, None when the header is not shown."""
    values = [row[name] for name in HEADER_FIELDS]
    if not any(values):
        return None
    assert all(len(value) == 1 for value in values), row
    return m.Header(*(int(value[0], 0) for value in values))


# ---- its tables ----

def table_of(name):
    text = re.search(rf"^local {name} = {{\n(.*?)^}}", SCRIPT.read_text(),
                     re.M | re.S)[1]
    return {int(number): word for number, word
            in re.findall(r'\[(\d+)\] = "(\w+)"', text)}


def test_its_tables_are_those_of_the_code():
    text = (ROOT / "src" / "rud" / "ext.def").read_text()
    rows = re.findall(r'^EXT\((\d+), \w+, "(\w+)"', text, re.M)
    assert len(rows) > 15
    assert table_of("EXTENSIONS") == {int(n): word for n, word in rows}
    assert table_of("EXTENSIONS") == {n: word for word, n in m.EXT.items()}
    text = (ROOT / "docs" / "protocol.md").read_text()
    for who, table in (("initiator", "INITIATOR"), ("responder", "RESPONDER")):
        rows = re.findall(rf"^\| {who} \| (\d+) \| (\w+) \|", text, re.M)
        assert {int(n): word for n, word in rows} == table_of(table)


# ---- the worked examples ----

CONNECTION = ["hello", "challenge", "error", "complete", "exchange",
              "responder"]
PACKETS = {"confirm": "to-service", "confirmed": "to-device",
           "heartbeat": "to-service", "notify": "to-device",
           "acknowledge": "to-service", "probe": "to-device",
           "close": "to-service"}


def example(name):
    return DOCUMENT[name][1]


def example_keys(way):
    block = example(f"keys.{way}")
    return m.Keys(block[:32], block[32:36], block[36:52])


@pytest.fixture(name="capture")
def capture_(folder):
    packets = [up(example(name)) if example(name)[:16] == bytes(16)
               else down(example(name)) for name in CONNECTION]
    packets += [up(example(name)) if way == "to-service"
                else down(example(name)) for name, way in PACKETS.items()]
    packets.append(down(example("reset")))
    return write_pcap(folder / "examples.pcap", packets)


@pytest.fixture(name="keys")
def keys_(folder):
    name = example("confirmed")[:16]
    return write_keys(folder / "keys", [
        (way, name, example_keys(way)) for way in ("to-service", "to-device")])


def test_stun_is_left_to_wireshark(folder):
    """Requests and answers on our port, beside a datagram of ours."""
    ident = bytes(range(12))
    answer = stun.message(stun.SUCCESS, ident, stun.xor_address(
        "192.0.2.7", 40000, ident), fingerprint=True)
    lying = stun.message(stun.REQUEST, ident)[:2] + b"\0\x08" + \
        stun.message(stun.REQUEST, ident)[4:]
    pcap = write_pcap(folder / "stun.pcap", [
        up(example("stun-request")), down(answer), up(example("hello")),
        up(lying)])
    out = tshark(pcap, "-T", "fields", "-e", "_ws.col.Protocol", "-e",
                 "stun.type", "-e", "stun.att.ipv4", "-e", "stun.att.port",
                 "-e", "mpp.kind")[0]
    rows = [line.split("\t") for line in out.split("\n")[:-1]]
    assert rows[0] == ["STUN", "0x0001", "", "", ""]
    assert rows[1] == ["STUN", "0x0101", "192.0.2.7", "40000", ""]
    assert rows[2] == ["MPP", "", "", "", "InitiatorHello"]
    assert rows[3][0] == "MPP" and rows[3][4] == "STUN"
    assert not lua_errors(pcap)


def test_connection_datagrams_without_keys(capture):
    rows = fields(capture, ["kind", "type", "version", "suite", "reply_id",
                            "ext.name", "noise.length", "padding",
                            "reply_frame", "malformed"])
    assert len(rows) == len(CONNECTION) + len(PACKETS) + 1
    kinds = {"hello": "InitiatorHello", "challenge": "ResponderChallenge",
             "error": "Error", "complete": "InitiatorComplete",
             "exchange": "InitiatorExchange",
             "responder": "ResponderComplete"}
    for name, row in zip(CONNECTION, rows):
        datagram = example(name)
        read = m.read_connect(datagram, datagram[:16] == bytes(16))
        assert row["kind"] == [kinds[name]]
        assert row["malformed"] == []
        assert [int(row[n][0]) for n in ("type", "version", "suite")] == [
            read.kind, read.version, read.suite]
        assert row["reply_id"] == [read.reply_id.hex()]
        assert row["ext.name"] == list(read.extensions)
        assert int(row["noise.length"][0]) == len(read.noise)
        assert int(row["padding"][0]) == len(read.padding)
    asked = {row["reply_id"][0]: i + 1 for i, row in enumerate(rows[:6])
             if row["kind"][0].startswith("Initiator")}
    for row in rows[:6]:
        if not row["kind"][0].startswith("Initiator"):
            assert row["reply_frame"] == [str(asked[row["reply_id"][0]])]
    assert [row["kind"] for row in rows[6:]] == [["Data"]] * len(PACKETS) + [
        ["Reset"]]


def test_values_of_extensions(capture):
    rows = fields(capture, ["kind", "ext.name", "ext.value", "ext.int",
                            "ext.text"])
    by_kind = {row["kind"][0]: row for row in rows}
    challenge = m.read_connect(example("challenge"), False).extensions
    shown = by_kind["ResponderChallenge"]
    assert shown["ext.value"] == [v.hex() for v in challenge.values()]
    assert shown["ext.int"] == ["1", "2"]     # Suites
    code, text = m.get_close(
        m.read_connect(example("error"), False).extensions["Close"])
    assert by_kind["Error"]["ext.int"] == [str(code)]
    assert by_kind["Error"]["ext.text"] == [text]


def test_headers_are_opaque_without_keys(capture, keys):
    names = [*HEADER_FIELDS, "message", "connection"]
    for row in fields(capture, names):
        assert row == {name: [] for name in names}
    # The control: the same with them.
    assert sum(any(row.values())
               for row in fields(capture, names, keys=keys)) == len(PACKETS)


def test_headers_with_keys(capture, keys):
    rows = fields(capture, [*HEADER_FIELDS, "direction", "connection",
                            "stream_id", "message"], keys=keys)
    for (name, way), row in zip(PACKETS.items(), rows[len(CONNECTION):]):
        packet = example(name)
        header, plain = m.open_packet(example_keys(way), packet)
        assert header_of(row) == header, name
        assert header.octets() == example(f"{name}.header")
        assert row["direction"] == [way]
        assert row["stream_id"] == [packet[:16].hex()]
        assert row["connection"] == [example("confirmed")[:16].hex()]
        message = m.read_plain(plain)[1]
        assert bool(row["message"]) == (message is not None)
        if message:
            octets = bytes.fromhex(row["message"][0])
            assert plain.rstrip(b"\0").endswith(octets)
            assert m.read_json(octets)[0] == message


def test_other_keys_show_nothing(capture, folder):
    wrong = [(way, os.urandom(16), m.packet_keys(os.urandom(32)))
             for way in ("to-service", "to-device") for _ in range(50)]
    path = write_keys(folder / "wrong", wrong)
    for row in fields(capture, HEADER_FIELDS, keys=path):
        assert header_of(row) is None


# ---- captured traffic ----

class Capture:
    """tshark that writes what passes the loopback to a file."""

    def __init__(self, path, port):
        self.path, self.said = path, open(path.with_suffix(".err"), "w+",
                                          encoding="utf-8")
        self.process = subprocess.Popen(
            ["tshark", "-q", "-i", "lo", "-f", f"udp port {port}", "-w", path],
            stdout=self.said, stderr=subprocess.STDOUT)

    def has(self, octets):
        """They are in the file already."""
        if self.process.poll() is not None:
            self.said.seek(0)
            pytest.skip(f"tshark cannot capture: {self.said.read()[-300:]}")
        return self.path.exists() and octets in self.path.read_bytes()

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE_S)
        self.said.close()


def captured(pcap):
    """(source port, UDP payload) of each packet, by tshark's own reader."""
    out = subprocess.run(
        ["tshark", "-n", "-r", pcap, "-d", "udp.port==1-65535,data", "-T",
         "fields", "-E", "separator=/t", "-e", "udp.srcport", "-e",
         "udp.payload"], capture_output=True, text=True, check=True,
        timeout=300, env={**os.environ, "HOME": str(pcap.parent)}).stdout
    return [(int(port), bytes.fromhex(payload.replace(":", "")))
            for port, payload in (line.split("\t")
                                  for line in out.splitlines())]


def read_key_log(path):
    keys = {"to-service": [], "to-device": []}
    for line in path.read_text(encoding="ascii").splitlines():
        way, _, hdr, key, salt = line.split()[1:]
        keys[way].append(m.Keys(bytes.fromhex(key), bytes.fromhex(salt),
                                bytes.fromhex(hdr)))
    return keys


def opened(keys, packet):
    """(header, plaintext) under the key whose tag fits."""
    for k in keys:
        try:
            return m.open_packet(k, packet)
        except m.Bad:
            continue
    return None


@pytest.fixture(name="traffic")
def traffic_(mppd_factory, folder):
    """A service, the true client and the independent one talk for a while."""
    mppd, log = mppd_factory(), folder / "keys"
    with open(mppd.stderr, "w", encoding="utf-8") as err:
        mppd.process = subprocess.Popen(
            [mppd.program, "-c", mppd.config, "--insecure-key-log", log],
            stderr=err, stdout=err, stdin=subprocess.DEVNULL)
    wait_for(lambda: "msg=ready" in mppd.log)
    mppd.account(ALICE)
    capture = Capture(folder / "lo.pcapng", mppd.port)
    try:
        wait_for(lambda: knock(mppd, BEGIN) or capture.has(BEGIN))
        talk(mppd, folder)
        wait_for(lambda: knock(mppd, END) or capture.has(END))
    finally:
        capture.stop()
    return mppd, capture.path, log


def knock(mppd, octets):
    """A datagram of a stranger, which the file has when it is written so far.
    It may take a while to begin, and to be written."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(octets, ("127.0.0.1", mppd.port))
    time.sleep(0.1)


def talk(mppd, folder):
    device = folder / "device"

    def mpp(*words):
        done = subprocess.run([program("mpp"), *words, "--state", device],
                              capture_output=True, text=True,
                              timeout=DEADLINE_S)
        assert done.returncode == 0, done.stderr
    mpp("enroll", mppd.ctl_json("invite", ALICE, "--publish")["uri"])
    subscriber = subprocess.Popen(
        [program("mpp"), "subscribe", "--state", device, "--count", "3",
         "--keepalive", "1s"], stdout=subprocess.DEVNULL)
    for as_json in (False, True):
        peer = m.Client(m.read_invitation(mppd.ctl_json("invite", ALICE)[
            "uri"]), as_json=as_json)
        peer.confirm(peer.connect(SUBSCRIBE, invite=True))
        for index in range(1, 3):
            mpp("publish", "--store", f"mmm_Inbound={index + 10 * as_json}")
            peer.notified()
        assert peer.request("PresenceHeartbeat")[0] == "PresenceStatus"
        peer.close()
    mpp("status")
    mpp("endpoint")
    assert subscriber.wait(DEADLINE_S) == 0


def test_captured_traffic(traffic):
    mppd, pcap, log = traffic
    keys = read_key_log(log)
    rows = fields(pcap, ["kind", *HEADER_FIELDS, "message", "malformed"],
                  port=mppd.port, keys=log)
    packets = captured(pcap)
    assert len(rows) == len(packets) > 50
    seen = {"to-service": 0, "to-device": 0}
    for row, (source, payload) in zip(rows, packets):
        if row["kind"] != ["Data"]:
            assert header_of(row) is None
            continue
        way = "to-device" if source == mppd.port else "to-service"
        header, plain = opened(keys[way], payload)
        assert header_of(row) == header
        assert row["malformed"] == []
        if header.count == 1:
            message = m.read_plain(plain)[1]
            assert bool(row["message"]) == (message is not None)
            if message:
                assert m.read_json(bytes.fromhex(row["message"][0]))[
                    0] == message
        seen[way] += 1
    assert min(seen.values()) > 15, seen
    kinds = {row["kind"][0] for row in rows}
    assert kinds == {"Short", "InitiatorHello", "ResponderChallenge",
                     "InitiatorComplete", "ResponderComplete",
                     "InitiatorExchange", "Data"} | (
                         kinds & {"InitiatorTicket"})
    # Without the log: the same kinds, and no header.
    bare = fields(pcap, ["kind", *HEADER_FIELDS], port=mppd.port)
    assert [row["kind"] for row in bare] == [row["kind"] for row in rows]
    assert all(header_of(row) is None for row in bare)
    assert lua_errors(pcap, port=mppd.port, keys=log) == []


# ---- anything ----

def bend(rng, octets):
    """One of the ways in which octets become others."""
    octets = bytearray(octets)
    how = rng.randrange(5)
    if how == 0:
        return bytes(octets[:rng.randrange(len(octets) + 1)])
    if how == 1:
        for _ in range(rng.randrange(1, 8)):
            octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
    elif how == 2:
        at = rng.randrange(16, min(len(octets), 60))
        octets[at:at + rng.randrange(4)] = rng.choice(
            [b"\xff" * 8, b"\xc0" + bytes(7), b"\x80\x00\x00\x00", b"\x7f\xff",
             b"\x01" * 17, b""])
    elif how == 3:
        at = rng.randrange(16, len(octets))
        octets[at:] = rng.randbytes(len(octets) - at)
    else:
        return rng.randbytes(rng.randrange(1453))
    return bytes(octets)


def test_octets_that_are_anything(folder, keys):
    """No error of the script, and every packet is shown as something."""
    rng = random.Random(20)
    good = [example(name) for name in [*CONNECTION, *PACKETS, "reset"]]
    packets = [b"\0" * n for n in range(0, 70)]
    packets += [bytes(16) + octets[16:16 + n] for octets in good
                for n in range(0, 50)]
    packets += [octets[:n] for octets in good for n in range(0, 50)]
    packets += [bend(rng, rng.choice(good)) for _ in range(1500)]
    both = [way(packet) for packet in packets for way in (up, down)]
    pcap = write_pcap(folder / "anything.pcap", both)
    for log in (None, keys):
        assert lua_errors(pcap, keys=log) == []
        rows = fields(pcap, ["kind"], keys=log)
        assert len(rows) == len(both)
        shown = [row for row, packet in zip(rows, both) if len(packet) > 28]
        assert all(len(row["kind"]) == 1 for row in shown)


def test_an_error_of_the_script_is_noticed(folder, capture, keys):
    broken = folder / "broken.lua"
    text = SCRIPT.read_text()
    line = "local function add_header(tree, range, entry, h)\n"
    assert text.count(line) == 1
    broken.write_text(text.replace(line, line + "\tlocal x = nil + 1\n"))
    assert lua_errors(capture, script=broken, keys=keys) != []
    assert lua_errors(capture, script=SCRIPT, keys=keys) == []


@pytest.mark.parametrize("text", [
    "", "\n\n", "RUD1", "RUD1 to-service\n", "RUD1 to-nowhere " + "00 " * 4,
    "RUD1 to-service " + "0" * 32 + " " + "0" * 30 + " " + "0" * 64 + " 00000000\n",
    "RUD1 to-service zz zz zz zz\n", "\0" * 100, "x" * 100000])
def test_a_key_log_that_is_none(capture, folder, text):
    path = folder / "log"
    path.write_text(text, encoding="utf-8")
    assert lua_errors(capture, keys=path) == []
    assert len(fields(capture, ["kind"], keys=path)) == 14


def test_a_key_log_that_is_not_there(capture, folder):
    for path in (folder / "none", folder):
        assert lua_errors(capture, keys=path) == []


def test_other_lines_do_not_hide_good_ones(capture, folder, keys):
    path = folder / "mixed"
    path.write_text("# a comment\nCLIENT_RANDOM 00 00\n" + keys.read_text()
                    + "RUD1 to-service 00", encoding="ascii")
    rows = fields(capture, ["index"], keys=path)
    assert sum(bool(row["index"]) for row in rows) == len(PACKETS)
