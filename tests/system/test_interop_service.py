# SPDX-License-Identifier: MIT
"""An independent client, written from docs/protocol.md alone (the peer of
tests/interop), against the real mppd over UDP."""
import json
import socket
import sys
import time
from pathlib import Path

import pytest
from conftest import wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# pylint: disable=wrong-import-position
import mpp_peer as m

ACCOUNT = "alice@example.com"
SUBSCRIBE = m.message("PresenceConnectRequest", Serial=1, Acknowledge=0)
WAIT = 20.0     # for what must come; silence is heard for less
FIRST_CONTACT = ["Hello", "Challenge", "Complete", "ResponderComplete"]


class Service:
    """What a test needs of a running mppd."""

    def __init__(self, mppd):
        self.mppd = mppd
        mppd.account(ACCOUNT)

    def ctl(self, *words):
        done = self.mppd.ctl(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, path):
        status, document, _ = self.mppd.api("GET", path)
        assert status == 200, document
        return document

    def invite(self, *options):
        return m.read_invitation(self.ctl("invite", ACCOUNT, *options)
                                 .split()[0])

    def publish(self, *stores):
        """NAME=INDEX[:HEXDIGEST] ...; the account's serial then."""
        words = [word for store in stores for word in ("--store", store)]
        self.ctl("publish", ACCOUNT, *words)
        return self.account()["serial"]

    def account(self):
        return self.get(f"/v1/accounts/{ACCOUNT}")

    def connections(self):
        return [c for device in self.account()["devices"]
                for c in device["connections"]]

    def counters(self):
        return self.get("/v1/status")["counters"]


# An Exchange is answered at once only while there is time for it: here, always.
NO_CHALLENGE = "unproved-percent = 100"


@pytest.fixture(name="service")
def service_(mppd_factory):
    return Service(mppd_factory(limits=NO_CHALLENGE).start())


def enrolled(service, *options, suite=1, as_json=False):
    """A device that has enrolled and said goodbye."""
    device = m.Client(service.invite(*options), suite=suite,
                      as_json=as_json)
    device.connect(None, invite=True)
    device.confirm(None)
    device.close()
    device.flow.clear()
    return device


def subscribed(service, *options, first=None, **kind):
    device = enrolled(service, *options, **kind)
    first = first or SUBSCRIBE
    device.confirm(device.connect(first))
    if "PresenceConnectRequest" in first:
        given(device)
    return device


def given(device):
    """The token that comes with a subscription."""
    wait_for(lambda: device.tokens or device.pump(0.2) and device.tokens)
    return device.tokens[-1]


# ---- the whole way ----

@pytest.mark.parametrize("as_json", [False, True], ids=["JSON-B", "JSON"])
@pytest.mark.parametrize("suite", [1, 2], ids=["25519", "448"])
def test_enrol_subscribe_notify_acknowledge_close(service, suite, as_json):
    device = m.Client(service.invite(), suite=suite, as_json=as_json)
    said = device.connect(SUBSCRIBE, invite=True)
    answer = said["PresenceConnectResponse"]
    port = device.sock.getsockname()[1]
    assert device.flow == FIRST_CONTACT
    assert answer["Acknowledge"] == 1 and answer["ConnectionTimeout"] > 0
    assert answer["EndPoint"]["Port"] == port
    assert service.account()["devices"] == []       # nothing before this:
    device.confirm(said)
    listed = service.account()["devices"]
    assert [d["device"] for d in listed] == [
        m.udf_text(m.udf(suite, device.device.public), 140)]
    assert [(c["instance"], c["state"], c["subscribed"])
            for c in listed[0]["connections"]] == [
        (device.instance.hex(), "connected", True)]

    serial = service.publish("mmm_Inbound=42:00ff")
    note = device.notified()
    assert note["Serial"] == serial and "Acknowledge" not in note
    assert [(s["Store"], s["Index"], m.binary(s["Digest"]))
            for s in note["StoreStatus"]] == [("mmm_Inbound", 42,
                                               b"\x00\xff")]
    assert m.binary(note["Bitmask"]) == m.bitmask(["mmm_Inbound"])
    assert m.binary(note["EndPoint"]["IpAddress"]) == bytes([127, 0, 0, 1])
    assert note["EndPoint"]["Port"] == port
    assert abs(note["Ticks"] / 10**7 - 62135596800 - time.time()) < 60
    wait_for(lambda: service.mppd.ctl_json("status", ACCOUNT)["devices"][0]
             ["connections"][0]["acknowledged"] == serial)

    kind, members = device.request("PresenceHeartbeat")
    assert kind == "PresenceStatus" and "StoreStatus" not in members
    assert "Status" not in members
    device.close()
    wait_for(lambda: service.connections() == [])


def test_immediate(service):
    device = subscribed(service)
    assert device.flow[:3] == ["Exchange", "ResponderComplete", "confirm"]


def test_deferred(service):
    """A key that is not enrolled proves its address first."""
    device = m.Client(service.invite())
    device.take_challenge(device.hello())
    device.flow.clear()
    device.confirm(device.connect(SUBSCRIBE, invite=True))
    assert device.flow[:4] == ["Exchange"] + FIRST_CONTACT[1:]


def test_address_of_a_known_key_is_proved_too(mppd_factory):
    service = Service(mppd_factory(service="always-challenge = yes").start())
    device = subscribed(service)
    assert device.flow[:5] == ["Exchange"] + FIRST_CONTACT[1:] + ["confirm"]


def test_hello_names_what_is_there(service):
    device = m.Client(service.invite())
    answer = device.hello([77, 2, 1])
    assert (answer.kind, answer.suite) == (m.R_CHALLENGE, 2)
    key = m.Reader(answer.extensions["PublicKey"])
    assert key.number() == 2
    binary = m.udf(2, key.rest())
    assert any(m.udf_matches(binary, pin, 250)
               for pin in device.invitation.pins)
    answer = device.hello([77])
    assert answer.kind == m.R_ERROR
    assert m.get_close(answer.extensions["Close"])[0] == 400


def test_another_version(service):
    device = m.Client(service.invite())
    reply_id = m.fresh_id()
    answer = device.ask(m.pad(m.initiator_head(
        m.HELLO, 0, reply_id, {"Suites": b"\x01"}, version=2)), reply_id)
    assert (answer.kind, answer.version) == (m.R_ERROR, 1)
    assert m.get_close(answer.extensions["Close"])[0] == 400


# ---- refusals ----

def refusal(device, **how):
    with pytest.raises(m.Refused) as caught:
        device.connect(SUBSCRIBE, **how)
    assert caught.value.members["StatusDescription"]
    return caught.value


def test_unknown_key_and_unknown_account_are_refused_alike(service):
    stranger = m.Client(service.invite())
    one = refusal(stranger)
    stranger.invitation.account = "nobody@example.com"
    other = refusal(stranger)
    assert one.status == other.status == 403
    assert one.members["StatusDescription"] == \
        other.members["StatusDescription"]


def test_invitation_serves_one_key(service):
    invitation = service.invite()
    first = m.Client(invitation)
    first.confirm(first.connect(SUBSCRIBE, invite=True))
    assert refusal(m.Client(invitation), invite=True).status == 410
    first.confirm(first.connect(SUBSCRIBE, invite=True))


def test_timestamp_that_is_not_newer(service):
    device = subscribed(service)
    newest, device.stamp = device.timestamp, lambda: newest
    refused = refusal(device)
    assert (refused.status, refused.members["Newest"]) == (401, newest)
    device.stamp = lambda: newest + 1
    device.confirm(device.connect(SUBSCRIBE))


def test_unconfirmed_changes_nothing(service):
    device = subscribed(service)
    before = service.connections()
    twin = m.Client(device.invitation, device=device.device,
                    instance=device.instance, timestamp=device.timestamp,
                    service_key=device.service_key)
    said = twin.connect(SUBSCRIBE)
    assert said["PresenceConnectResponse"]["Acknowledge"] == 1
    serial = service.publish("mmm_Inbound=1")
    assert device.notified()["Serial"] == serial
    now = service.connections()
    assert [c["endpoint"] for c in now] == [c["endpoint"] for c in before]
    twin.confirm(said)
    assert [c["endpoint"] for c in service.connections()] == [
        f"127.0.0.1:{twin.sock.getsockname()[1]}"]


# ---- requests ----

def test_question_asked_once_displaces_nobody(service):
    device = subscribed(service)
    service.publish("mmm_Contact=3")
    device.notified()
    flipped = device.instance[:7] + bytes([device.instance[7] ^ 1])
    once = m.Client(device.invitation, device=device.device,
                    instance=flipped, service_key=device.service_key)
    said = once.connect(m.message("PresenceStatusRequest", Serial=1))
    status = said["PresenceStatus"]
    assert [s["Store"] for s in status["StoreStatus"]] == ["mmm_Contact"]
    assert status["Serial"] == device.held and status["Acknowledge"] == 1
    said = once.connect(m.message("PresenceEndpointRequest", Serial=1))
    assert said["PresenceEndpointResponse"]["EndPoint"]["Port"] == \
        once.sock.getsockname()[1]
    assert len(service.connections()) == 1


def test_filter_and_unsubscribe(service):
    device = subscribed(service, first=m.message(
        "PresenceConnectRequest", Stores=["mmm_Contact"], Serial=1,
        Acknowledge=0))
    service.publish("mmm_Inbound=1")
    serial = service.publish("mmm_Contact=1")
    note = device.notified()
    assert [s["Store"] for s in note["StoreStatus"]] == ["mmm_Contact"]
    assert note["Serial"] == serial
    assert device.request("PresenceDisconnectRequest")[0] == \
        "PresenceDisconnectResponse"
    service.publish("mmm_Contact=2")
    with pytest.raises(m.Silence):
        device.notified(0.5)
    kind, members = device.request("PresenceConnectRequest",
                                   Stores=["mmm_Contact"])
    assert kind == "PresenceConnectResponse"
    assert [s["Index"] for s in members["StoreStatus"]] == [2]


def test_publish_over_udp(service):
    device = subscribed(service, "--publish")
    digest = m.Data(bytes(64))
    entries = [{"Store": "mmm_Inbound", "Index": 5, "Digest": digest},
               {"Store": "mmm_Contact", "Index": 1}]
    kind, members = device.request("PresencePublishRequest",
                                   StoreStatus=entries)
    assert kind == "PresencePublishResponse" and "Status" not in members
    note = device.notified()
    assert note["Serial"] == members["Serial"]
    serials = {s["store"]: s["serial"] for s in service.account()["stores"]}
    assert serials == {"mmm_Inbound": members["Serial"] - 1,
                       "mmm_Contact": members["Serial"]}
    kind, again = device.request("PresencePublishRequest", StoreStatus=[
        {"Store": "mmm_Inbound", "Index": 4}])
    assert again["Skipped"] == ["mmm_Inbound"]
    assert again["Serial"] == members["Serial"]


def test_publish_needs_the_right(service):
    device = subscribed(service)
    kind, members = device.request("PresencePublishRequest", StoreStatus=[
        {"Store": "mmm_Inbound", "Index": 1}])
    assert (kind, members["Status"]) == ("PresencePublishResponse", 403)
    assert service.account()["stores"] == []


def test_errors_of_requests(service):
    device = subscribed(service)
    kind, members = device.request("PresenceNothing", Whatever=[])
    assert (kind, members["Status"]) == ("PresenceError", 400)
    kind, members = malformed(device)
    assert (kind, members["Status"]) == ("PresenceError", 400)
    assert device.request("PresenceHeartbeat")[0] == "PresenceStatus"
    device.send(m.message("PresenceHeartbeat", Serial=device.serial - 1))
    kind, members = answered(device)
    assert (kind, members["Serial"], members["Acknowledge"]) == (
        "PresenceErrorInvalidSerial", device.serial, device.serial - 1)


def answered(device, seconds=WAIT):
    got = device.pump(seconds)
    assert got and got[2]
    return next(iter(got[2].items()))


def malformed(device):
    """A member of another kind than the table says."""
    device.send(m.message("PresenceHeartbeat", Serial="2"))
    return answered(device)


def test_repetition_is_answered_again(service):
    device = subscribed(service)
    for _ in range(2):
        device.send(m.message("PresenceHeartbeat", Serial=2))
        kind, members = answered(device)
        assert (kind, members["Acknowledge"]) == ("PresenceStatus", 2)


def test_a_probe_is_answered_late(service):
    device = subscribed(service)
    device.send(m.message("PresenceHeartbeat", Serial=2, Acknowledge=0,
                          Probe=1500))
    asked, index = time.monotonic(), device.index - 1
    header, _, said = device.pump(WAIT)
    assert said is None and header.flags == m.FINAL | m.ACK
    assert header.ack_index == index
    assert service.counters()["probes"] == 0
    header, extensions, said = device.pump(WAIT)
    assert time.monotonic() - asked >= 1.5
    assert header.flags == m.FINAL | m.ACK_WANTED and extensions == {}
    assert said["PresenceStatus"]["Acknowledge"] == 2
    assert "StoreStatus" not in said["PresenceStatus"]
    assert service.counters()["probes"] == 1
    # Nothing that is longer than the lease is waited for.
    for probe in (0, 60001, 2**64 - 1):
        kind, members = device.request("PresenceHeartbeat", Probe=probe)
        assert kind == "PresenceStatus" and "Status" not in members


# ---- publications ----

def test_unacknowledged_publication_comes_again(service):
    device = subscribed(service)
    device.take = lambda header, said: heard.append((header, said))
    heard = []
    serial = service.publish("mmm_Inbound=1")
    while len(heard) < 3:
        assert device.pump(WAIT)
    assert all(said["PresenceNotify"]["Serial"] == serial
               and header.flags == m.FINAL | m.ACK_WANTED
               and header.sequence == 0 for header, said in heard)
    assert len({header.index for header, _ in heard}) == 3
    device.send(m.message("PresenceAcknowledge", Acknowledge=serial))
    while device.pump(0.2):
        pass
    count = len(heard)
    assert device.pump(1.5) is None and len(heard) == count
    assert service.connections()[0]["acknowledged"] == serial


def fill(service, number, index=1):
    """Stores with long names and digests, more than one datagram holds."""
    names = [f"mmm_Store_{i:03}_" + "x" * 40 for i in range(number)]
    for i in range(0, number, 10):
        service.publish(*(f"{name}={index}:{'ab' * 64}"
                          for name in names[i:i + 10]))
    return names


@pytest.mark.parametrize("size", [None, 1451, 1452])
def test_larger_packets_where_they_are_read(service, size):
    device = enrolled(service)
    device.packet_size = size
    device.confirm(device.connect(SUBSCRIBE))
    for index in (1, 2):
        names = fill(service, 30, index)
        while device.held < service.account()["serial"]:
            assert device.pump(WAIT)
        while device.pump(0.2):
            pass
        device.notes.clear()
        _, members = device.request("PresenceStatusRequest")
        assert [s["Store"] for s in members["StoreStatus"]] == names
        assert max(device.counts) > 3
    assert device.longest == (1452 if size == 1452 else 1200)


@pytest.fixture(name="in_parts")
def in_parts_(mppd_factory):
    return Service(mppd_factory(limits="snapshots = 0").start())


@pytest.mark.parametrize("as_json", [False, True], ids=["JSON-B", "JSON"])
def test_what_does_not_fit_comes_in_one_datagram(service, as_json):
    names = fill(service, 30)
    device = enrolled(service, as_json=as_json)
    lost = {}

    def lose(header):
        """The second packet of a datagram of several, twice."""
        if header.count == 1 or header.packet != 1:
            return False
        lost.setdefault(header.index, []).append(header.sequence)
        return header.sequence < 2

    said = device.connect(SUBSCRIBE)["PresenceConnectResponse"]
    assert said["More"] is True
    got = [s["Store"] for s in said["StoreStatus"]]
    device.lose = lose
    device.confirm({"PresenceConnectResponse": said})
    note = device.notified()
    got += [s["Store"] for s in note["StoreStatus"]]
    assert got == names and "More" not in note
    assert note["Serial"] == service.account()["serial"]
    assert max(device.counts) > 2
    assert [0, 1, 2] in lost.values()
    # And a whole vector as an answer.
    device.counts.clear()
    device.lose = None
    _, members = device.request("PresenceStatusRequest")
    assert [s["Store"] for s in members["StoreStatus"]] == names
    assert "More" not in members and max(device.counts) > 3
    wait_for(lambda: device.pump(0.1) or not any(
        p["used"] for p in service.get("/v1/status")["pools"]
        if p["name"] == "snapshots"))


def test_what_does_not_fit_follows_in_parts(in_parts):
    service = in_parts
    names = fill(service, 30)
    device = enrolled(service)
    said = device.connect(SUBSCRIBE)["PresenceConnectResponse"]
    assert said["More"] is True
    got = [s["Store"] for s in said["StoreStatus"]]
    device.confirm({"PresenceConnectResponse": said})
    last, parts = said["Serial"], 0
    while len(got) < len(names):
        note = device.notified()
        assert note["Serial"] > last
        last, parts = note["Serial"], parts + 1
        got += [s["Store"] for s in note["StoreStatus"]]
        assert note.get("More", False) == (len(got) < len(names))
    assert got == names and parts > 1
    assert last == service.account()["serial"]


def test_status_in_parts(in_parts):
    service = in_parts
    device = subscribed(service)
    names = fill(service, 30)
    newest = service.account()["serial"]
    while device.held < newest:
        assert device.pump(WAIT)
    while device.pump(0.2):
        pass
    device.notes.clear()
    _, members = device.request("PresenceStatusRequest")
    assert members["More"] is True
    got = [s["Store"] for s in members["StoreStatus"]]
    device.held = members["Serial"]
    device.send(m.message("PresenceAcknowledge", Acknowledge=device.held))
    while len(got) < len(names):
        got += [s["Store"] for s in device.notified()["StoreStatus"]]
    assert got == names


def test_probes_and_closing(mppd_factory):
    """Section 13: probes at lease, lease + W, lease + 2 W; then closed."""
    service = Service(mppd_factory(service="lease-min = 1s").start())
    device = subscribed(service, first=m.message(
        "PresenceConnectRequest", Timeout=1000, Serial=1, Acknowledge=0))
    heard = []
    device.take = lambda header, said: heard.append((header, said))
    start = time.monotonic()
    for seconds in (1, 2, 3):
        header, extensions, said = device.pump(WAIT)
        assert (header.flags, extensions, said) == (
            m.FINAL | m.ACK_WANTED, {}, None)
        assert time.monotonic() - start > seconds - 0.5
    wait_for(lambda: service.connections()[0]["state"] == "closed")
    assert time.monotonic() - start > 3.5
    service.publish("mmm_Inbound=1")
    assert device.pump(1.0) is None
    device.send(m.message("PresenceHeartbeat", Serial=2))
    kinds = {list(device.pump(WAIT)[2])[0] for _ in range(2)}
    assert "PresenceStatus" in kinds
    assert service.connections()[0]["state"] == "connected"


def test_probe_is_answered(mppd_factory):
    service = Service(mppd_factory(service="lease-min = 1s").start())
    device = subscribed(service, first=m.message(
        "PresenceConnectRequest", Timeout=1000, Serial=1, Acknowledge=0))
    for _ in range(4):
        assert device.pump(WAIT)[2] is None
    assert service.connections()[0]["state"] in ("connected", "overdue")


# ---- packets that are not ours ----

def test_altered_and_replayed_packets_get_silence(service):
    device = subscribed(service)
    sent = []
    real = device.sock

    class Spy:
        def send(self, data):
            sent.append(data)
            return real.send(data)

        def __getattr__(self, name):
            return getattr(real, name)

    device.sock = Spy()
    assert device.request("PresenceHeartbeat")[0] == "PresenceStatus"
    before = service.counters()
    real.send(sent[-1])
    device.send(m.message("PresenceHeartbeat", Serial=device.serial + 1))
    assert device.pump(WAIT)
    changed = bytearray(sent[-1])
    changed[0] ^= 1
    real.send(bytes(changed))
    changed[0] ^= 1
    changed[-1] ^= 1
    real.send(bytes(changed))
    assert device.pump(0.5) is None
    # The window looks before anything is opened, so an altered copy of a
    # packet that was seen counts as a replay.
    after = service.counters()
    assert after["drop_replay"] == before["drop_replay"] + 2
    assert after["drop_stranger"] == before["drop_stranger"] + 1
    index = device.index
    device.index = index + 5
    good = m.seal_packet(device.tx, device.service_id,
                         m.Header(device.index),
                         m.padded(b"\xff" + device.encode(m.message(
                             "PresenceHeartbeat",
                             Serial=device.serial + 2))))
    real.send(good[:-1] + bytes([good[-1] ^ 1]))
    assert device.pump(0.5) is None
    assert service.counters()["drop_auth"] == before["drop_auth"] + 1
    real.send(good)
    assert answered(device)[1]["Acknowledge"] == device.serial + 2


class Watched:
    """A socket, and the identifiers that stood in what went through it."""

    def __init__(self, real):
        self.real, self.ids, self.sizes = real, set(), []

    def send(self, data):
        self.ids.add(data[:16])
        self.sizes.append(len(data))
        return self.real.send(data)

    def recv(self, size):
        data = self.real.recv(size)
        self.ids.add(data[:16])
        return data

    def __getattr__(self, name):
        return getattr(self.real, name)


def settled(device):
    """One request in the new network, until identifiers have come."""
    assert device.request("PresenceHeartbeat")[0] == "PresenceStatus"
    wait_for(lambda: not device.naming or device.pump(0.2) and
             not device.naming)


def test_moves_without_a_handshake(service):
    """IPv4, another port, IPv6 and back: no identifier stands in two of these
    networks, and publications come along."""
    device = subscribed(service)
    device.sock = Watched(device.sock)
    seen = [device.sock]
    settled(device)
    before = service.counters()
    for index, host in enumerate(("127.0.0.1", "::1", "127.0.0.1"), start=1):
        old = device.move(host)
        device.sock = Watched(device.sock)
        seen.append(device.sock)
        settled(device)
        assert device.sock.sizes[0] == 1200
        assert len(device.spare) >= 1
        assert service.counters()["moved"] == before["moved"] + index
        serial = service.publish(f"mmm_Inbound={index}")
        note = device.notified()
        port = device.sock.getsockname()[1]
        assert note["Serial"] == serial and note["EndPoint"]["Port"] == port
        assert len(m.binary(note["EndPoint"]["IpAddress"])) == (
            16 if ":" in host else 4)
        old.close()
    assert device.request("PresenceHeartbeat")[0] == "PresenceStatus"
    assert device.sock.sizes[-1] < 200
    assert service.counters()["handshakes"] == before["handshakes"]
    assert len(service.connections()) == 1
    for one in seen:
        assert len(one.ids) == 2
        assert not any(one.ids & other.ids for other in seen
                       if other is not one)


def test_a_name_that_is_none(service):
    """It is refused, and the next one is taken."""
    device = subscribed(service)
    before = service.counters()["malformed"]
    for name in (bytes(16), m.fresh_id()[:15], m.fresh_id() + b"x"):
        device.send(m.message("PresenceHeartbeat", Serial=90),
                    extensions={"StreamId": name})
        got = device.pump(WAIT)
        assert got[2]["PresenceError"]["Status"] == 400
        assert "StreamId" not in got[1]
    assert service.counters()["malformed"] == before + 3
    device.serial = 90
    device.naming, device.client_id, old = True, m.fresh_id(), device.client_id
    assert device.request("PresenceHeartbeat")[0] == "PresenceStatus"
    assert not device.naming and device.client_id != old


def test_stranger_hears_nothing(service):
    invitation = service.invite()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((invitation.host, invitation.port))
    sock.settimeout(0.5)
    hello = m.initiator_head(m.HELLO, 0, m.fresh_id(),
                             {"Suites": b"\x01"}) + b"\x00"
    for data in (b"x", bytes(48), m.fresh_id() * 5, hello,
                 m.pad(hello, 1199), m.pad(hello, 1453),
                 m.pad(m.initiator_head(m.HELLO, 0, bytes(16), {
                     "Suites": b"\x01"}) + b"\x00"),
                 m.pad(m.initiator_head(6, 1, m.fresh_id(), {}) + b"\x00")):
        sock.send(data)
        with pytest.raises(socket.timeout):
            sock.recv(2048)
    sock.send(m.pad(hello))
    assert sock.recv(2048)[16] == m.R_CHALLENGE
    sock.close()


def test_answers_are_no_longer_than_questions(service):
    device = m.Client(service.invite())
    answer = []
    real = device.receive

    def receive(timeout):
        answer.append(real(timeout))
        return answer[-1]

    device.receive = receive
    device.connect(SUBSCRIBE, invite=True)
    assert len(answer) == 2
    assert all(len(data) <= 1200 for data in answer)


def test_removed_device_is_told(service):
    device = subscribed(service)
    name = service.account()["devices"][0]["device"]
    service.ctl("device", "remove", ACCOUNT, name)
    got = device.pump(WAIT)
    assert m.get_close(got[1]["Close"])[0] == 403 and got[2] is None
    assert refusal(device).status == 403



# ---- section 10: tokens ----

@pytest.mark.parametrize("as_json", [False, True], ids=["JSON-B", "JSON"])
@pytest.mark.parametrize("suite", [1, 2], ids=["25519", "448"])
def test_comes_back_by_ticket(service, suite, as_json):
    device = subscribed(service, suite=suite, as_json=as_json)
    token = given(device)
    device.tx = device.rx = None
    device.flow.clear()
    device.confirm(device.come_back(SUBSCRIBE, *token))
    assert device.flow[:3] == ["Ticket", "ResponderComplete", "confirm"]
    assert len(service.connections()) == 1
    assert service.counters()["tickets"] == 1
    serial = service.publish("mmm_Inbound=7")
    while device.notified()["Serial"] != serial:
        pass
    wait_for(lambda: len(device.tokens) > 1 or device.pump(0.2))
    assert device.tokens[-1] != token


def test_ticket_of_the_other_suite(service):
    device = subscribed(service)
    token = given(device)
    answer, noise = device.send_ticket(SUBSCRIBE, *token, suite=2)
    assert answer.kind == m.R_COMPLETE
    device.confirm(device.take_complete(answer, noise, None))
    assert service.counters()["tickets"] == 1


def test_ticket_with_another_secret(service):
    device = subscribed(service)
    token, secret = given(device)
    other = secret[:-1] + bytes([secret[-1] ^ 1])
    before = service.counters()["drop_auth"]
    device.sock.settimeout(1)
    with pytest.raises(m.Silence):
        device.ask(*ticket_datagram(device, token, other), seconds=1.0)
    assert service.counters()["drop_auth"] == before + 1
    answer = device.ask(*ticket_datagram(device, token, secret))
    assert answer.kind == m.R_COMPLETE


def ticket_datagram(device, token, secret):
    reply_id, client_id = m.fresh_id(), m.fresh_id()
    head = m.initiator_head(m.TICKET, 1, reply_id, {"Token": token})
    noise = m.NoisePsk(1, b"RUD/1" + head, secret)
    sealed = noise.write1(m.first_payload(
        client_id, ACCOUNT, device.stamp(), device.instance,
        m.write_jsonb(SUBSCRIBE)), m.KeyPair(1))
    return m.pad(head + m.put_bytes(sealed)), reply_id


def test_ticket_not_known(service):
    device = subscribed(service)
    token, secret = given(device)
    for at in (0, 10, len(token) - 1):
        bad = token[:at] + bytes([token[at] ^ 1]) + token[at + 1:]
        datagram, reply_id = ticket_datagram(device, bad, secret)
        answer = device.ask(datagram, reply_id)
        assert answer.kind == m.R_ERROR
        assert m.get_close(answer.extensions["Close"])[0] == 401


def minted(service, device, **changes):
    """A token of the service's own key, with claims of ours."""
    lines = (service.mppd.state / "service.key").read_text().split()
    key_id = bytes.fromhex(lines[lines.index("token-id") + 1])
    key = bytes.fromhex(lines[lines.index("token") + 1])
    now = int(time.time() * 1000)
    claims = {"Version": 1, "Account": ACCOUNT,
              "Device": m.udf_text(m.udf(1, device.device.public), 140),
              "Rights": ["subscribe"], "Issued": now,
              "Expires": now + 60000, "Proven": 0, **changes}
    return m.mint_token(key_id, key, m.os.urandom(24),
                        m.write_jsonb(claims))


def test_minted_elsewhere(service):
    device = enrolled(service)
    device.confirm(device.come_back(SUBSCRIBE, *minted(service, device)))
    # Never proved by its key, so nothing is renewed.
    device.request("PresenceHeartbeat")
    assert not device.tokens
    with pytest.raises(m.Refused) as refused:
        device.come_back(SUBSCRIBE, *minted(
            service, device, Account="bob@example.com"))
    assert refused.value.status == 403
    answer, _ = device.send_ticket(SUBSCRIBE, *minted(
        service, device, Expires=int(time.time() * 1000) - 1,
        Issued=1))
    assert m.get_close(answer.extensions["Close"])[0] == 410
