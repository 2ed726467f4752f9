# SPDX-License-Identifier: MIT
"""Kinds of holes that were published of other servers for devices, tried on
the real programs: memory for a length that was only announced, no rights taken
for all rights, what survives a revocation, a reload to looser defaults, empty
names, numbers cut to 16 bits, what is begun and never ended.

Their like before any connection is in unit/role/test_threats_lengths.c, and
parsers at the end of their input in unit/loop/test_cut_short.c."""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DEADLINE_S, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# pylint: disable=wrong-import-position
import mpp_peer as m

ALICE = "alice@example.com"
ACCOUNT_PATH = f"/v1/accounts/{ALICE}"
SUBSCRIBE = m.message("PresenceConnectRequest", Serial=1, Acknowledge=0)


@pytest.fixture(name="alice")
def alice_(mppd):
    mppd.account(ALICE)
    return mppd


def invited(mppd, **body):
    """A device with an invitation that was made with this body."""
    status, document, _ = mppd.api("POST", ACCOUNT_PATH + "/invitations",
                                   body or None)
    assert status == 201, document
    return m.Client(m.read_invitation(document["uri"]))


def enrolled(mppd, **body):
    device = invited(mppd, **body)
    device.connect(None, invite=True)
    device.confirm(None)
    device.close()
    device.flow.clear()
    return device


def subscribed(mppd, **body):
    device = enrolled(mppd, **body)
    device.confirm(device.connect(SUBSCRIBE))
    return device


def status_of(device, kind, seconds=DEADLINE_S, **members):
    """Of the answer to one request; one that cannot be read is answered
    without its serial."""
    device.serial += 1
    device.send(m.message(kind, **{"Serial": device.serial, **members}))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = device.pump(end - time.monotonic())
        for answer, found in (got[2] or {}).items() if got else ():
            if answer == "PresenceError" or "Acknowledge" in found:
                return found.get("Status", 0)
    raise m.Silence


def counters(mppd):
    return mppd.api("GET", "/v1/status")[1]["counters"]


def pools(mppd):
    return {p["name"]: p["used"]
            for p in mppd.api("GET", "/v1/status")[1]["pools"]}


# ---- memory for a length that was only announced ----

def peak_kib(pid):
    """The most address space that a process ever had."""
    for line in open(f"/proc/{pid}/status", encoding="ascii"):
        if line.startswith("VmPeak:"):
            return int(line.split()[1])
    raise AssertionError("no VmPeak")


BIG = [b"\x80\x01\x00\x00", b"\xbf\xff\xff\xff", b"\xc0" + b"\xff" * 7,
       b"\xff" * 8]


def announcing(length):
    """Hellos in which one length is this one."""
    head = bytes(16) + bytes([m.HELLO]) + m.put_int(1) + m.put_int(0)
    reply = m.put_bytes(m.fresh_id())
    yield m.pad(head + length + m.fresh_id())
    yield m.pad(head + reply + bytes([129]) + length + b"\x01\xff\x00")
    yield m.pad(head + reply + b"\x61\xe3" + length + b"\x01\xff\x00")
    yield m.pad(head + reply + b"\x81\x01\x01\xff" + length)


def test_an_announced_length_takes_no_memory(alice):
    """Neither in a datagram of a stranger, nor in a body, nor in a message of
    a device."""
    device = subscribed(alice, rights=["subscribe", "publish"])
    before, malformed = peak_kib(alice.pid), counters(alice)["drop_malformed"]
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", alice.port))
        for length in BIG:
            for datagram in announcing(length):
                sock.send(datagram)
                sent += 1
    wait_for(lambda: counters(alice)["drop_malformed"] == malformed + sent)
    for length in (1 << 20, 1 << 31, (1 << 32) + 30, (1 << 63) - 1):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(0.5)   # it may wait for the rest
            s.connect(str(alice.socket))
            s.sendall(b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Length: %d\r\n\r\n" % length
                      + b'{"account":"cut@example.com"}')
            with contextlib.suppress(TimeoutError):
                assert not s.recv(4096).startswith(b"HTTP/1.1 2")
    for mark in (0x80, 0x88):   # a string, binary data
        for size, octets in ((2, 4), (3, 8)):
            said = (b"{\x80\x16PresencePublishRequest{\x80\x05Store"
                    + bytes([mark + size]) + b"\x7f" + b"\xff" * (octets - 1))
            header = m.Header(device.index, m.FINAL)
            device.index += 1
            device.sock.send(m.seal_packet(
                device.tx, device.service_id, header, m.padded(
                    b"\xff" + said)))
    assert device.request("PresenceHeartbeat")[0] == "PresenceStatus"
    assert counters(alice)["malformed"] >= 4
    assert peak_kib(alice.pid) < before + 1024
    names = alice.api("GET", "/v1/accounts")[1]["accounts"]
    assert [a["account"] for a in names] == [ALICE]


def test_the_measure_of_memory_sees_it():
    """64 MiB that are reserved and never touched."""
    with subprocess.Popen(
            [sys.executable, "-c", "import mmap\ninput()\n"
             "x = mmap.mmap(-1, 64 << 20)\nprint()\ninput()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        before = peak_kib(other.pid)
        other.stdin.write("\n")
        other.stdin.flush()
        other.stdout.readline()
        assert peak_kib(other.pid) > before + 60 * 1024
        other.communicate("\n", DEADLINE_S)


# ---- no rights are no rights ----

def test_no_rights_is_not_all_rights(alice):
    """What an invitation does not say is not given, and none cannot be said."""
    for rights in ([], None, "", "all", ["*"], [""], [None], ["SUBSCRIBE"]):
        status, document, _ = alice.api(
            "POST", ACCOUNT_PATH + "/invitations", {"rights": rights})
        assert status == 400, (rights, document)
    store = [{"Store": "mmm_Inbound", "Index": 1}]
    # Nothing said: to subscribe, and nothing else.
    device = subscribed(alice)
    kind, said = device.request("PresencePublishRequest", StoreStatus=store)
    assert (kind, said["Status"]) == ("PresencePublishResponse", 403)
    # To publish alone: neither to subscribe nor to see.
    device = enrolled(alice, rights=["publish"])
    for first in (SUBSCRIBE, m.message("PresenceStatusRequest", Serial=1)):
        with pytest.raises(m.Refused) as refusal:
            device.connect(first)
        assert refusal.value.members["Status"] == 403
    device.confirm(device.connect(None))
    for ask in ("PresenceConnectRequest", "PresenceStatusRequest"):
        assert device.request(ask)[1]["Status"] == 403
    kind, said = device.request("PresencePublishRequest", StoreStatus=store,
                                Reset=True)
    assert said["Status"] == 403
    # The control: what it may.
    kind, said = device.request("PresencePublishRequest", StoreStatus=store)
    assert kind == "PresencePublishResponse" and "Status" not in said


# ---- what survives a revocation ----

def test_nothing_survives_a_removal(alice):
    """Neither its connection, its token, its invitation, nor, when the account
    comes again, anything at all."""
    device = subscribed(alice, rights=["subscribe", "publish"])
    wait_for(lambda: device.tokens or device.pump(0.2) and device.tokens)
    token, secret = device.tokens[-1]
    kind, said = device.request("PresencePublishRequest", StoreStatus=[
        {"Store": "mmm_Inbound", "Index": 7}])
    assert "Status" not in said
    name = m.udf_text(m.udf(1, device.device.public), 140)
    assert alice.ctl("device", "remove", ALICE, name).returncode == 0
    header, extensions, _ = wait_for(lambda: (said := device.pump(5)) and (
        "Close" in said[1] and said))
    assert m.get_close(extensions["Close"])[0] == 403 and header.index
    lost = m.Client(device.invitation, device=device.device,
                    instance=device.instance, timestamp=device.timestamp)
    with pytest.raises(m.Refused) as refusal:
        lost.come_back(SUBSCRIBE, token, secret)
    assert refusal.value.members["Status"] == 403
    for invite, wanted in ((False, 403), (True, 410)):
        with pytest.raises(m.Refused) as refusal:
            lost.connect(SUBSCRIBE, invite=invite)
        assert refusal.value.members["Status"] == wanted
    # The whole account, and the same name again.
    open_one = invited(alice)
    alice.ctl("account", "remove", "--yes", ALICE, check=True)
    alice.account(ALICE)
    document = alice.api("GET", ACCOUNT_PATH)[1]
    assert document["stores"] == [] and document["devices"] == []
    for client in (lost, open_one):
        with pytest.raises(m.Refused) as refusal:
            client.connect(SUBSCRIBE, invite=True)
        assert refusal.value.members["Status"] == 403
    # The control: one that is invited now comes in.
    assert subscribed(alice).flow[-1] == "confirm"


# ---- a reload to looser defaults ----

def is_challenged(device):
    device.flow.clear()
    device.confirm(device.connect(SUBSCRIBE))
    device.close()
    return "Challenge" in device.flow


def test_a_reload_loosens_nothing(mppd_factory):
    """With a configuration that is broken, gone or laxer, SIGHUP changes
    nothing, and a start says so or obeys."""
    mppd = mppd_factory(service="always-challenge = yes").start()
    mppd.account(ALICE)
    device = enrolled(mppd)
    assert is_challenged(device)
    strict = mppd.config.read_text()
    laxer = strict.replace("always-challenge = yes\n", "")
    for text in (strict + "[service\n", "", laxer, None):
        if text is None:
            mppd.config.unlink()
        else:
            mppd.config.write_text(text)
        said = mppd.log.count("SIGHUP changes nothing")
        os.kill(mppd.pid, signal.SIGHUP)
        wait_for(lambda n=said: mppd.log.count("SIGHUP changes nothing") > n)
        assert is_challenged(device)
    assert mppd.stop() == 0
    for text in (None, strict + "[service\n", strict.replace("yes", "maybe")):
        if text is not None:
            mppd.config.write_text(text)
        assert mppd.start_fails()[0] == 78
    mppd.config.write_text(laxer)   # the control
    mppd.start()
    assert not is_challenged(device)


# ---- empty names ----

def first_with(device, changes, kind=None, head=None):
    """The answer to a first message with these extensions."""
    kind = m.COMPLETE if kind is None else kind
    challenge, _ = device.take_challenge(device.hello())
    reply_id, device.client_id = m.fresh_id(), m.fresh_id()
    extensions = {"KeyId": m.key_id(1, device.service_key),
                  "Challenge": challenge, **(head or {})}
    if kind == m.EXCHANGE:
        del extensions["Challenge"]
    begin = m.initiator_head(kind, 1, reply_id, extensions)
    noise = m.Noise(device.suite, b"RUD/1" + begin, device.device,
                    device.service_key)
    items = {"Token": device.invitation.secret, "StreamId": device.client_id,
             "Service": b"mmmpresence", "Claim": ALICE.encode(),
             "Timestamp": m.put_int(device.stamp()),
             "Params": m.put_list({"Instance": device.instance}, m.PARAMS)}
    items.update(changes)
    sealed = noise.write1(m.put_list(items), m.KeyPair(device.suite))
    answer = device.ask(m.pad(begin + m.put_bytes(sealed)), reply_id)
    return device.take_complete(answer, noise, None)


EMPTY = [
    ({"Claim": b""}, 403), ({"Service": b""}, 400), ({"StreamId": b""}, 400),
    ({"Timestamp": b""}, 400), ({"Timestamp": b"\x00"}, 400),
    ({"Params": b""}, 400), ({"Params": b"\xff"}, 400), ({"Token": b""}, 403),
    ({"Params": m.put_list({"Instance": b""}, m.PARAMS)}, 400),
    ({"Claim": b"\x00"}, 403), ({"Claim": b" "}, 403),
    ({"StreamId": bytes(16)}, 400),
]


def test_empty_names_of_a_first_message(alice):
    device = invited(alice)
    for changes, wanted in EMPTY:
        with pytest.raises(m.Refused) as refusal:
            first_with(device, changes)
        assert refusal.value.members["Status"] == wanted, changes
    # In the clear: what is empty there is not ours, and a Challenge says so.
    for head in ({"KeyId": b""}, {"Challenge": b""}):
        with pytest.raises(m.Bad, match="type 2"):
            first_with(device, {}, head=head)
    assert pools(alice)["bindings"] == pools(alice)["half_open"] == 0
    assert alice.api("GET", ACCOUNT_PATH)[1]["devices"] == []
    first_with(device, {})      # the control
    device.confirm(None)
    assert pools(alice)["bindings"] == 1


def test_empty_names_inside_of_a_connection(alice):
    device = subscribed(alice, rights=["subscribe", "publish"])
    rows = [{"StoreStatus": [{"Store": "", "Index": 1}]},
            {"StoreStatus": []},
            {"StoreStatus": [{"Index": 1}]},
            {"StoreStatus": [{"Store": "mmm_Inbound"}]},
            {"StoreStatus": [{"Store": "a", "Index": 1},
                             {"Store": "", "Index": 1}]},
            {"Account": "", "StoreStatus": [{"Store": "a", "Index": 1}]}]
    for members in rows:
        assert status_of(device, "PresencePublishRequest",
                         **members) in (400, 403), members
    assert status_of(device, "PresenceConnectRequest", Stores=[""]) == 400
    for name in ("", "\0"):
        assert alice.api("POST", "/v1/accounts", {"account": name})[0] == 400
    assert alice.ctl("account", "add", "").returncode == 65
    assert alice.api("GET", ACCOUNT_PATH)[1]["stores"] == []
    # The control.
    kind, said = device.request("PresencePublishRequest", Account=ALICE,
                                StoreStatus=[{"Store": "a", "Index": 1}])
    assert "Status" not in said
    assert alice.api("GET", ACCOUNT_PATH)[1]["stores"][0]["store"] == "a"


# ---- numbers cut to 16 or 32 bits ----

def test_numbers_are_not_cut(alice, mppd_factory):
    """A number that is good modulo 2^16 or 2^32 is what it says."""
    other = mppd_factory()
    good = other.config.read_text()
    for wrong in (65536 + other.port, (1 << 32) + other.port, 0):
        other.write_config(listen=f"127.0.0.1:{wrong}")
        assert other.start_fails()[0] == 78
    for item in (f"accounts = {(1 << 32) + 5}", f"lease = {(1 << 32) + 5}s",
                 f"store-size = {(1 << 32) + 1}G"):
        other.config.write_text(good.replace("[limits]", "[limits]\n" + item)
                                if "lease" not in item else
                                good.replace("[service]", "[service]\n" + item))
        assert other.start_fails()[0] == 78, item
    other.config.write_text(good)   # the control
    other.start()
    for lifetime in ((1 << 16) + 60, (1 << 32) + 60, (1 << 64) + 60):
        assert alice.api("POST", ACCOUNT_PATH + "/invitations",
                         f'{{"lifetime_s":{lifetime}}}')[0] == 400
    device = subscribed(alice, rights=["subscribe", "publish"])
    # A lease: the longest that is given, not 10 s.
    _, said = device.request("PresenceConnectRequest",
                             Timeout=(1 << 32) + 10000)
    assert said["ConnectionTimeout"] == 3600000
    # An index: as it is, or refused.
    for index in ((1 << 16) + 1, (1 << 32) + 1, (1 << 53) - 1):
        _, said = device.request("PresencePublishRequest", StoreStatus=[
            {"Store": "a", "Index": index}])
        assert "Status" not in said
        assert alice.api("GET", ACCOUNT_PATH)[1]["stores"][0]["index"] == index
    assert status_of(device, "PresencePublishRequest", StoreStatus=[
        {"Store": "a", "Index": 1 << 53}]) == 400
    # A request's serial has 32 bits.
    assert status_of(device, "PresenceHeartbeat",
                     Serial=(1 << 32) + device.serial + 1) == 400
    assert status_of(device, "PresenceHeartbeat") == 0  # the control


# ---- what is begun and never ended ----

def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_half_open_requests_do_not_leak(alice):
    """Requests that are begun and left: their descriptors come back, and the
    next one is served."""
    before = descriptors(alice.pid)
    head = b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\n"
    begun = [b"", b"P", head, head + b"Content-Length: 9\r\n\r\n",
             head + b"Content-Length: 9\r\n\r\n{"]
    for _ in range(20):
        with contextlib.ExitStack() as stack:
            for octets in begun * 4:
                s = stack.enter_context(socket.socket(socket.AF_UNIX))
                s.settimeout(DEADLINE_S)
                s.connect(str(alice.socket))
                s.sendall(octets)
        assert alice.api("GET", "/v1/status")[0] == 200
    wait_for(lambda: descriptors(alice.pid) <= before)


def test_half_open_connections_do_not_leak(mppd_factory):
    """More first messages than there are places, none confirmed: later all of
    it is free again, and those who are connected noticed nothing."""
    mppd = mppd_factory(limits="half-open = 4\nbindings = 12").start()
    mppd.account(ALICE)
    device = subscribed(mppd)
    devices = [enrolled(mppd) for _ in range(5)]
    refused = 0
    for _ in range(3):
        for other in devices:
            other.instance = os.urandom(8)
            try:
                other.connect(SUBSCRIBE)
            except m.Refused as refusal:
                assert refusal.members["Status"] == 503
                refused += 1
    assert refused > 0 and pools(mppd)["half_open"] == 4    # it was full
    assert device.request("PresenceHeartbeat")[0] == "PresenceStatus"
    wait_for(lambda: pools(mppd)["half_open"] == 0)
    assert pools(mppd)["bindings"] == 1
    devices[0].confirm(devices[0].connect(SUBSCRIBE))
    assert pools(mppd)["bindings"] == 2
