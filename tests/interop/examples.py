#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The worked examples of docs/protocol.md, computed by mpp_peer.py from
fixed keys.

    examples.py          say which examples of the document are not as computed
    examples.py --write  put the computed ones into the document

An example is a fenced block whose opening line is ```hex name=N, ```json
name=N or ```text name=N. In hex blocks # begins a comment, white space means
nothing, and 00*7 is seven times the octet 00."""
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
import mpp_peer as m
import stun_peer

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
FENCE = re.compile(r"^```(hex|json|text) name=(\S+)\n(.*?)^```$", re.M | re.S)
COUNT = re.compile(r"\*\*Examples in this document: (\d+)\.\*\*")
HEX_LINE = 32   # octets
RUN = 16        # so many equal octets are written as a run


# ---- reading the document ----

def parse_hex(text):
    out = b""
    for line in text.splitlines():
        for word in line.split("#")[0].split():
            octets, star, times = word.partition("*")
            out += bytes.fromhex(octets) * (int(times) if star else 1)
    return out


def read_document(text):
    """{name: (kind, octets)}; a name that stands twice is an error."""
    found = {}
    for kind, name, body in FENCE.findall(text):
        if name in found:
            raise ValueError(f"example {name} stands twice")
        found[name] = (kind, parse_hex(body) if kind == "hex"
                       else body.strip().encode())
    return found


def stated(text):
    return int(COUNT.search(text).group(1))


# ---- rendering ----

def piece_lines(octets, comment):
    if len(octets) > RUN and len(set(octets)) == 1:
        lines = [f"{octets[:1].hex()}*{len(octets)}"]
    else:
        lines = [octets[i:i + HEX_LINE].hex()
                 for i in range(0, len(octets), HEX_LINE)] or [""]
    if comment and len(lines[0]) > 38:
        lines.insert(0, f"# {comment}")
    elif comment:
        lines[0] = f"{lines[0]:<40}# {comment}"
    return lines


def render(example):
    if not isinstance(example, list):
        return example + "\n"
    lines = [line for piece in example for line in piece_lines(*piece)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def octets_of(example):
    if not isinstance(example, list):
        return example.encode()
    return b"".join(octets for octets, _ in example)


def jsonb_pieces(value, lead=b"", said=""):
    """One piece a member; `lead` are octets that go with the first."""
    if isinstance(value, dict):
        out = [(lead + b"{", said + "{")]
        for name, member in value.items():
            head = m.write_jsonb(name)
            out += jsonb_pieces(member, head, f'"{name}" ')
        return out + [(b"}", "}")]
    if isinstance(value, list):
        out = [(lead + b"[", said + "[")]
        for item in value:
            out += jsonb_pieces(item)
        return out + [(b"]", "]")]
    shown = f"{len(value)} octets" if isinstance(value, m.Data) \
        else json.dumps(value)
    return [(lead + m.write_jsonb(value), said + shown)]


# ---- what is given ----

SERVICE = m.KeyPair(1, bytes(range(0x01, 0x21)))
DEVICE = m.KeyPair(1, bytes(range(0x21, 0x41)))
EPH_INITIATOR = m.KeyPair(1, bytes(range(0x41, 0x61)))
EPH_RESPONDER = m.KeyPair(1, bytes(range(0x61, 0x81)))
EPH_COMPLETE = m.KeyPair(1, bytes(range(0x81, 0xa1)))
SERVICE_448 = m.KeyPair(2, bytes(range(0x01, 0x39)))
SID_KEY = bytes(range(0xa0, 0xb0))
RESET_KEY = bytes(range(0xc0, 0xe0))
STREAM = (3, 0x01020304)
RANDOMS = (bytes(range(0xf0, 0xf8)), bytes(range(0xe0, 0xe8)))
REPLY_IDS = {"hello": bytes(range(0x50, 0x60)),
             "complete": bytes(range(0x60, 0x70)),
             "exchange": bytes(range(0x70, 0x80)),
             "ticket": bytes(range(0x20, 0x30)),
             "minted": bytes(range(0x80, 0x90))}
CLIENT_ID = bytes(range(0x30, 0x40))
MOVED_ID = bytes(range(0x90, 0xa0))
INSTANCE = bytes(range(0x11, 0x19))
INVITATION = bytes(range(0xb0, 0xc0))
COOKIE_SECRET = bytes(range(0x10, 0x30))
ACCOUNT = "alice@example.com"
NOW_MS = 1700000000000
TICKS = 621355968000000000 + NOW_MS * 10000
SUITES_BOTH = b"\x01\x02"
STREAM_IDS = b"".join(m.issue_id(SID_KEY, *STREAM, r) for r in RANDOMS)
MORE_IDS = b"".join(m.issue_id(SID_KEY, *STREAM, bytes([r] * 8))
                    for r in (0xd1, 0xd2))
ENDPOINT = {"IpAddress": m.Data([192, 0, 2, 7]), "Port": 40000}
DIGEST = m.Data(m.sha512(b"the inbound spool")[:32])
INBOUND = {"Store": "mmm_Inbound", "Index": 42, "Digest": DIGEST}
CONTACT = {"Store": "mmm_Contact", "Index": 7}
FIRST_SERIAL = 1699999999000000
# "service.example A", RD, EDNS with DO; and its answer: AD, 192.0.2.53.
DNS_NAME = b"\x07service\x07example\x00"
DNS_QUERY = m.Data(
    b"\x4d\x50\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + DNS_NAME
    + b"\x00\x01\x00\x01"
    + b"\x00\x00\x29\x40\x00\x00\x00\x80\x00\x00\x00")
DNS_ANSWER = m.Data(
    b"\x4d\x50\x81\xa0\x00\x01\x00\x01\x00\x00\x00\x01" + DNS_NAME
    + b"\x00\x01\x00\x01"
    + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc0\x00\x02\x35"
    + b"\x00\x00\x29\x40\x00\x00\x00\x80\x00\x00\x00")
SERIAL = 1700000000000001


def common(acknowledge=None, **before):
    out = {**before, "EndPoint": ENDPOINT, "Now": "2023-11-14T22:13:20Z",
           "Ticks": TICKS, "LeapSeconds": 37}
    if acknowledge is not None:
        out["Acknowledge"] = acknowledge
    return out


def client_messages():
    ack = {"Acknowledge": FIRST_SERIAL}
    return {
        "PresenceConnectRequest": {
            "Stores": ["mmm_Inbound", "mmm_Contact"], "Timeout": 60000,
            "Serial": 1, "Acknowledge": 0},
        "PresenceDisconnectRequest": {"Serial": 7, **ack},
        "PresenceStatusRequest": {"Stores": ["mmm_Contact"], "Serial": 3,
                                  **ack},
        "PresenceHeartbeat": {"Serial": 2, **ack},
        "PresenceEndpointRequest": {"Serial": 4, **ack},
        "PresencePublishRequest": {
            "StoreStatus": [INBOUND, CONTACT], "Serial": 5, **ack},
        "PresenceResolveRequest": {"DnsRequest": DNS_QUERY, "Serial": 10,
                                   **ack},
        "PresenceAcknowledge": {"Acknowledge": SERIAL},
    }


def service_messages():
    vector = {"StoreStatus": [{"Store": "mmm_Inbound", "Index": 41}],
              "Bitmask": m.bitmask(["mmm_Inbound"]), "Serial": FIRST_SERIAL}
    return {
        "PresenceConnectResponse": {"ConnectionTimeout": 60000, **common(1),
                                    **vector},
        "PresenceDisconnectResponse": common(7),
        "PresenceStatus": {
            **common(3), "StoreStatus": [CONTACT],
            "Bitmask": m.bitmask(["mmm_Contact"])},
        "PresenceEndpointResponse": common(4),
        "PresencePublishResponse": {"Serial": SERIAL,
                                    "Skipped": ["mmm_Contact"], **common(5)},
        "PresenceResolveResponse": {"DnsResponse": DNS_ANSWER, **common(10)},
        "PresenceNotify": {
            **common(), "StoreStatus": [CONTACT, INBOUND],
            "Bitmask": m.bitmask(["mmm_Inbound", "mmm_Contact"]),
            "Serial": SERIAL},
        "PresenceErrorInvalidSerial": {"Serial": 5, **common(4)},
        "PresenceError": common(6, Status=400,
                                StatusDescription="no such request"),
    }


MESSAGES = {**client_messages(), **service_messages()}


def of(kind):
    return {kind: MESSAGES[kind]}


# ---- sections 3 to 5.2 ----

def list_pieces(items, numbers=None):
    """An extension list, one piece an extension."""
    out = []
    for name, value in items.items():
        if isinstance(name, bytes):
            said = "one of the longer tags"
        else:
            said = name if isinstance(name, str) else f"number {name}"
        out.append((m.put_list({name: value}, numbers)[:-1], said))
    return out + [(b"\xff", "end of the list")]


def primitives():
    out = {f"int.{v}": [(m.put_int(v), str(v))]
           for v in (37, 15293, 494878333, 151288809941952652)}
    out["int.37-in-two-octets"] = [(b"\x40\x25", "37, read but not written")]
    out["list"] = list_pieces({
        "Suites": SUITES_BOTH, "Timestamp": m.put_int(NOW_MS), 100: b"?",
        b"ab\xe3": b"\x00\xff"})
    out["retry"] = list_pieces({
        "Suites": SUITES_BOTH, "RetryAfter": m.put_int(10000)})
    out["params"] = list_pieces(
        {"Quantum": m.put_int(64), "Instance": INSTANCE}, m.PARAMS)
    block = (STREAM[0].to_bytes(4, "big"), STREAM[1].to_bytes(4, "big"))
    out["sid.key"] = [(SID_KEY, "sid_key")]
    out["sid.block"] = [(block[0], "slot 3"), (block[1], "generation"),
                        (RANDOMS[0], "random")]
    out["sid.first"] = [(STREAM_IDS[:16], "AES-128-ECB(sid_key, block)")]
    out["sid.second"] = [(STREAM_IDS[16:], "the same stream, other random")]
    return out


def keys():
    out = {}
    for name, pair in (("service", SERVICE), ("device", DEVICE),
                       ("ephemeral.initiator", EPH_INITIATOR),
                       ("ephemeral.responder", EPH_RESPONDER),
                       ("ephemeral.complete", EPH_COMPLETE),
                       ("service448", SERVICE_448)):
        out[f"{name}.secret"] = [(pair.secret, "")]
        out[f"{name}.public"] = [(pair.public, "")]
    for name, suite, pair in (("25519", 1, SERVICE), ("448", 2,
                                                      SERVICE_448)):
        head = m.SUITES[suite].spki_head
        binary = m.udf(suite, pair.public)
        out[f"spki.{name}"] = [(head, "SEQUENCE, SEQUENCE, OID, BIT STRING"),
                               (pair.public, "the raw key")]
        out[f"udf.{name}"] = [(binary[:1], "SHA-2-512 content digest"),
                              (binary[1:17], "KeyId"), (binary[17:], "")]
        out[f"udf.{name}.text"] = m.udf_text(binary, 260)
    return out


def invitation():
    text = m.base64.b32encode(INVITATION).decode().rstrip("=")
    pin = m.udf_text(m.udf(1, SERVICE.public), 260)
    return {
        "invitation.secret": [(INVITATION, "")],
        "invitation.uri": f"mpp://192.0.2.1:15099/{ACCOUNT}?k={pin}#{text}",
    }


# ---- section 5.3 to 5.6: connection datagrams ----

def head_pieces(kind, said, suite, reply_id, items):
    return [(bytes(16), "zeros: a connection datagram"),
            (bytes([kind]), f"type: {said}"), (m.put_int(1), "version"),
            (m.put_int(suite), "suite"),
            (m.put_bytes(reply_id), "reply_id"), *list_pieces(items)]


def with_padding(pieces):
    size = len(octets_of(pieces))
    return pieces + [(bytes(1200 - size), "padding to 1200")]


def answer_pieces(kind, said, suite, reply_id, items, noise):
    return [(reply_id, "reply_id"), (bytes([kind]), f"type: {said}"),
            (m.put_int(1), "version"), (m.put_int(suite), "suite"),
            *list_pieces(items), *noise]


def cookie():
    """The Challenge of section 5.4, as one service makes it."""
    expiry = (1060).to_bytes(4, "big")
    key = m.hmac512(COOKIE_SECRET, ((1060 - 30) // 60).to_bytes(4, "big"))
    where = bytes([192, 0, 2, 7]).ljust(16, b"\0") \
        + (40000).to_bytes(2, "big") + b"\x04\x00"
    return expiry + m.hmac512(key, where, b"\x01", expiry)[:16]


def in_the_clear():
    challenge = {"Suites": SUITES_BOTH,
                 "PublicKey": m.put_int(1) + SERVICE.public,
                 "Challenge": cookie()}
    none = [(m.put_int(0), "no noise message")]
    return {
        "hello": with_padding(
            head_pieces(m.HELLO, "InitiatorHello", 0, REPLY_IDS["hello"],
                        {"Suites": b"\x01"}) + none),
        "challenge.secret": [(COOKIE_SECRET, "")],
        "challenge.value": [(cookie()[:4], "expiry"),
                            (cookie()[4:], "MAC")],
        "challenge": answer_pieces(m.R_CHALLENGE, "ResponderChallenge", 1,
                                   REPLY_IDS["hello"], challenge, none),
        "error": answer_pieces(
            m.R_ERROR, "Error", 0, REPLY_IDS["hello"],
            {"Close": m.put_close(400, "version 1 is spoken here")}, none),
    }


def first_items(invite):
    items = {"Token": INVITATION} if invite else {}
    items.update({
        "StreamId": CLIENT_ID, "Service": b"mmmpresence",
        "Claim": ACCOUNT.encode(),
        "Timestamp": m.put_int(NOW_MS - (1000 if invite else 0)),
        "Params": m.put_list({"Instance": INSTANCE}, m.PARAMS)})
    return items


def noise_pieces(sealed, suite_len=32):
    return [(m.put_int(len(sealed)), "length of noise_message"),
            (sealed[:suite_len], "e, the ephemeral public key"),
            (sealed[suite_len:2 * suite_len + 16], "s, sealed"),
            (sealed[2 * suite_len + 16:], "the payload, sealed")]


def initiator(name, kind, said, items, payload, ephemeral):
    head = head_pieces(kind, said, 1, REPLY_IDS[name], items)
    noise = m.Noise(1, b"RUD/1" + octets_of(head), DEVICE, SERVICE.public)
    sealed = noise.write1(octets_of(payload), ephemeral)
    return noise, with_padding(head + noise_pieces(sealed))


def complete():
    payload = list_pieces(first_items(invite=True))
    _, datagram = initiator(
        "complete", m.COMPLETE, "InitiatorComplete",
        {"KeyId": m.key_id(1, SERVICE.public), "Challenge": cookie()},
        payload, EPH_COMPLETE)
    return {"complete.payload": payload, "complete": datagram}


def reset_token():
    number = STREAM[0].to_bytes(4, "big") + STREAM[1].to_bytes(4, "big")
    return m.hmac512(RESET_KEY, number)[:16]


def exchange():
    payload = list_pieces(first_items(invite=False)) \
        + jsonb_pieces(of("PresenceConnectRequest"))
    noise, datagram = initiator(
        "exchange", m.EXCHANGE, "InitiatorExchange",
        {"KeyId": m.key_id(1, SERVICE.public)}, payload, EPH_INITIATOR)
    answer = list_pieces({"Suites": SUITES_BOTH, "StreamId": STREAM_IDS,
                          "ResetToken": reset_token()}) \
        + jsonb_pieces(of("PresenceConnectResponse"))
    connect = m.read_connect(octets_of(datagram), from_initiator=True)
    peer = m.Noise(1, b"RUD/1" + connect.prologue, SERVICE)
    assert peer.read1(connect.noise) == octets_of(payload)
    sealed = peer.write2(octets_of(answer), EPH_RESPONDER)
    assert noise.read2(sealed) == octets_of(answer)
    assert noise.split() == peer.split()
    return noise, {
        "exchange.payload": payload, "exchange": datagram,
        "responder.payload": answer,
        "responder": answer_pieces(
            m.R_COMPLETE, "ResponderComplete", 1, REPLY_IDS["exchange"], {},
            [(m.put_int(len(sealed)), "length of noise_message"),
             (sealed[:32], "e"), (sealed[32:], "the payload, sealed")]),
        "refusal.payload": list_pieces({"Suites": SUITES_BOTH})
        + jsonb_pieces({"PresenceConnectResponse": {
            "Newest": NOW_MS, **common(
                1, Status=401, StatusDescription="Timestamp is not newer")}}),
    }


TOKEN_KEY_ID = bytes(range(0xd0, 0xd4))
TOKEN_KEY = bytes(range(0x40, 0x60))
TOKEN_NONCE = bytes(range(0x98, 0xb0))
MINTER_KEY_ID = bytes(range(0xe1, 0xe5))
MINTER_KEY = bytes(range(0x60, 0x80))
MINTER_NONCE = bytes(range(0xb8, 0xd0))


def token(name, key_id, key, nonce, times):
    """(token, shared secret, examples); times: issued, expires, proven."""
    claims = jsonb_pieces({
        "Version": 1, "Account": ACCOUNT,
        "Device": m.udf_text(m.udf(1, DEVICE.public), 260),
        "Rights": ["subscribe"], "Issued": times[0], "Expires": times[1],
        "Proven": times[2]})
    made, secret = m.mint_token(key_id, key, nonce, octets_of(claims))
    assert m.open_token(made, key) == (octets_of(claims), secret)
    return made, secret, {
        f"{name}.key": [(key, "")], f"{name}.claims": claims,
        name: [(made[:4], "key id"), (made[4:28], "nonce"),
               (made[28:-16], "the claims, sealed"),
               (made[-16:], "tag")],
        f"{name}.secret": [(secret, "")]}


def ticket_pieces(name, made, secret, payload):
    """(Noise of the device, of the service, the datagram)"""
    head = head_pieces(m.TICKET, "InitiatorTicket", 1, REPLY_IDS[name],
                       {"Token": made})
    noise = m.NoisePsk(1, b"RUD/1" + octets_of(head), secret)
    sealed = noise.write1(payload, EPH_INITIATOR)
    peer = m.NoisePsk(1, b"RUD/1" + octets_of(head), secret)
    assert peer.read1(sealed) == payload
    return noise, peer, with_padding(head + [
        (m.put_int(len(sealed)), "length of noise_message"),
        (sealed[:32], "e"), (sealed[32:], "the payload, sealed")])


def minted():
    """A minter's token lets in a device that is not known: no message, and
    the key that the token names."""
    made, secret, out = token(
        "minted", MINTER_KEY_ID, MINTER_KEY, MINTER_NONCE,
        (NOW_MS - 60000, NOW_MS + 3600000, 0))
    items = {**first_items(invite=False),
             "Credential": m.put_int(1) + m.put_bytes(DEVICE.public)}
    payload = list_pieces(dict(sorted(items.items(),
                                      key=lambda i: m.EXT[i[0]])))
    datagram = ticket_pieces("minted", made, secret, octets_of(payload))[2]
    return {**out, "minted.payload": payload, "minted.ticket": datagram}


def ticket(first, answer):
    """The exchange once more, by token."""
    made, secret, out = token(
        "token", TOKEN_KEY_ID, TOKEN_KEY, TOKEN_NONCE,
        (NOW_MS - 86400000, NOW_MS + 29 * 86400000, NOW_MS - 86400000))
    noise, peer, datagram = ticket_pieces("ticket", made, secret, first)
    back = peer.write2(answer, EPH_RESPONDER)
    assert noise.read2(back) == answer and noise.split() == peer.split()
    return {
        **out,
        "ticket": datagram,
        "ticket.responder": answer_pieces(
            m.R_COMPLETE, "ResponderComplete", 1, REPLY_IDS["ticket"], {},
            [(m.put_int(len(back)), "length of noise_message"),
             (back[:32], "e"), (back[32:], "the payload, sealed")]),
        "ticket.to-service": [(noise.split()[0], "")],
        "ticket.to-device": [(noise.split()[1], "")]}


def key_pieces(k):
    found = m.packet_keys(k)
    return [(found.key, "key"), (found.salt, "salt"), (found.hdr, "hdr")]


# ---- section 6: data packets ----

def packet(name, keys_, stream_id, header, pieces, quantum=0):
    plain = octets_of(pieces)
    full = m.padded(plain, quantum)
    sealed = m.seal_packet(keys_, stream_id, header, full)
    return {
        f"{name}.header": header_pieces(header),
        f"{name}.plain": pieces + [(bytes(len(full) - len(plain)),
                                    "padding")],
        f"{name}": sealed_pieces(sealed),
    }


MESH_STORES = ["Inbound", "Outbound", "Archive", "Notary", "Access",
               "Application", "Bookmark", "Callsign", "Carnet", "Contact",
               "Credential", "Device", "Member", "Network", "Publication",
               "Task"]


def many_stores():
    names = [f"mmm_{name}" for name in MESH_STORES]
    return {"PresenceNotify": {
        **common(),
        "StoreStatus": [{"Store": name, "Index": 1000 + i,
                         "Digest": m.Data(m.sha512(name.encode()))}
                        for i, name in enumerate(names)],
        "Bitmask": m.bitmask(names), "Serial": SERIAL}}


def header_pieces(header):
    block = header.octets()
    return [(block[:6], f"datagram index {header.index}"),
            (block[6:7], "flags"), (block[7:8], "packet count"),
            (block[8:9], "packet index"), (block[9:10], "packet sequence"),
            (block[10:14], "received index"), (block[14:], "received bits")]


def sealed_pieces(sealed):
    return [(sealed[:16], "stream identifier"),
            (sealed[16:32], "header, encrypted"),
            (sealed[32:-16], "ciphertext"), (sealed[-16:], "tag")]


def large(name, keys_, index, pieces):
    """A datagram of several packets, from the service."""
    plain = octets_of(pieces)
    full = m.padded_large(plain)
    parts = m.cut(full)
    padding = [(bytes(len(full) - len(plain)), "padding")] \
        if len(full) > len(plain) else []
    out = {f"{name}.plain": pieces + padding}
    sendings = [(str(i), i, 0) for i in range(len(parts))]
    if len(parts) > 2:
        sendings.append(("1.again", 1, 1))
    for said, i, sequence in sendings:
        header = m.Header(index, m.FINAL | m.ACK_WANTED, len(parts), i,
                          sequence)
        sealed = m.seal_packet(keys_, CLIENT_ID, header, parts[i])
        out[f"{name}.{said}.header"] = header_pieces(header)
        out[f"{name}.{said}"] = sealed_pieces(sealed)
    return out


def packets(noise):
    to_service, to_device = noise.split()
    up, down = m.packet_keys(to_service), m.packet_keys(to_device)
    sid, empty = STREAM_IDS[:16], [(b"\xff", "an empty extension list")]
    out = {
        "handshake.hash": [(noise.h, "")],
        "split.to-service": [(to_service, "")],
        "split.to-device": [(to_device, "")],
        "keys.to-service": key_pieces(to_service),
        "keys.to-device": key_pieces(to_device),
    }

    def add(name, keys_, stream_id, header, *body, **options):
        out.update(packet(name, keys_, stream_id, header, list(body),
                          **options))

    held = {"PresenceAcknowledge": {"Acknowledge": FIRST_SERIAL}}
    add("confirm", up, sid, m.Header(0, m.FINAL | m.ACK_WANTED), *empty,
        *jsonb_pieces(held))
    add("confirmed", down, CLIENT_ID,
        m.Header(0, m.FINAL | m.ACK, ack_index=0, ack_bits=1), *empty)
    add("heartbeat", up, sid, m.Header(1), *empty,
        *jsonb_pieces(of("PresenceHeartbeat")))
    out["heartbeat.nonce"] = [(up.salt, "salt"),
                              (bytes(5) + b"\x01", "datagram index"),
                              (b"\x00", "packet index"),
                              (b"\x00", "packet sequence")]
    add("notify", down, CLIENT_ID, m.Header(2, m.FINAL | m.ACK_WANTED),
        *empty, *jsonb_pieces(of("PresenceNotify")))
    add("acknowledge", up, sid,
        m.Header(2, m.FINAL | m.ACK, ack_index=2, ack_bits=1), *empty,
        *jsonb_pieces(of("PresenceAcknowledge")))
    add("probe", down, CLIENT_ID, m.Header(3, m.FINAL | m.ACK_WANTED),
        *empty)
    fields = m.Header(0x010203040506, m.FINAL | m.ACK | m.ACK_WANTED, 5, 3, 2,
                      0x0a0b0c0d, 0x0015)
    add("fields", down, CLIENT_ID, fields, *empty)
    out["fields.nonce"] = [(m.nonce_of(down, fields), "")]
    add("close", up, sid, m.Header(3),
        *list_pieces({"Close": m.put_close(0, "")}))
    add("path-challenge", down, CLIENT_ID, m.Header(5, m.FINAL),
        *list_pieces({"PathChallenge": bytes(range(0x81, 0x89))}))
    add("path-response", up, sid, m.Header(4, m.FINAL),
        *list_pieces({"PathResponse": bytes(range(0x81, 0x89))}))
    add("renew", down, CLIENT_ID,
        m.Header(6, m.FINAL | m.ACK, ack_index=2, ack_bits=1),
        *list_pieces({"Renew": b""}))
    add("moved", up, STREAM_IDS[16:], m.Header(5),
        *list_pieces({"StreamId": MOVED_ID}),
        *jsonb_pieces(of("PresenceHeartbeat")), quantum=1152)
    add("moved-response", up, STREAM_IDS[16:],
        m.Header(6, m.FINAL | m.ACK_WANTED), *list_pieces({
            "StreamId": MOVED_ID,
            "PathResponse": bytes(range(0x81, 0x89))}),
        *jsonb_pieces(of("PresenceAcknowledge")))
    add("refill", down, MOVED_ID,
        m.Header(7, m.FINAL | m.ACK, ack_index=6, ack_bits=1),
        *list_pieces({"StreamId": MORE_IDS}))
    out.update(large("two", down, 8, empty + jsonb_pieces(many_stores())))
    out.update(large("three", down, 9, empty + [
        (m.write_json(many_stores()), "the same publication as JSON text")]))
    add("missing", up, sid,
        m.Header(7, m.FINAL | m.ACK, ack_index=9, ack_bits=5), *empty,
        *jsonb_pieces(held))
    add("keepalive-probe", up, sid, m.Header(8, m.FINAL), *empty,
        *jsonb_pieces({"PresenceHeartbeat": {
            "Probe": 28000, "Serial": 8, "Acknowledge": SERIAL}}))
    add("path-lost", down, CLIENT_ID,
        m.Header(10, m.FINAL | m.ACK, ack_index=9, ack_bits=1),
        *list_pieces({"PathLost": m.put_int(39980)}),
        *jsonb_pieces({"PresenceStatus": common(9)}))
    add("resolve", up, sid, m.Header(9, m.FINAL), *empty,
        *jsonb_pieces(of("PresenceResolveRequest")), quantum=128)
    add("resolved", down, CLIENT_ID, m.Header(11, m.FINAL), *empty,
        *jsonb_pieces(of("PresenceResolveResponse")), quantum=468)
    add("web-status", up, sid, m.Header(10), *empty,
        *jsonb_pieces({"PresenceStatusRequest": {
            "Serial": 10, "Acknowledge": SERIAL}}))
    news = common(10)
    del news["EndPoint"]
    add("web-news", down, CLIENT_ID,
        m.Header(12, m.FINAL | m.ACK, ack_index=10, ack_bits=1), *empty,
        *jsonb_pieces({"PresenceStatus": {
            **news, "StoreStatus": [{"Store": "mmm_Inbound", "Index": 43}],
            "Bitmask": m.bitmask(["mmm_Inbound"]), "Serial": SERIAL + 5}}))
    add("removed", down, CLIENT_ID, m.Header(4), *list_pieces({
        "Close": m.put_close(403,
                             "this device was removed from its account")}))
    return out


# ---- section 19: what a stranger gets ----

def reset():
    noise = bytes(range(0x51, 0x51 + 20))
    return {"reset": [(noise, "random"), (reset_token(), "ResetToken")]}


# ---- section 16: STUN ----

def stun_pieces(kind, said, attribute, comment):
    ident = bytes(range(0xd1, 0xdd))
    whole = stun_peer.message(kind, ident, attribute, fingerprint=True)
    pieces = [(whole[:2], said), (whole[2:4], "length"),
              (whole[4:8], "magic cookie"), (ident, "transaction"),
              (whole[20:-8], comment), (whole[-8:-4], "FINGERPRINT"),
              (whole[-4:], "CRC-32 XOR 5354554e")]
    return [piece for piece in pieces if piece[0]]


def stun():
    ident = bytes(range(0xd1, 0xdd))
    mapped = stun_peer.xor_address("192.0.2.7", 40000, ident)
    return {"stun-request": stun_pieces(stun_peer.REQUEST, "Binding request",
                                        b"", ""),
            "stun-answer": stun_pieces(
                stun_peer.SUCCESS, "Binding success", mapped,
                "XOR-MAPPED-ADDRESS: 192.0.2.7:40000")}


# ---- section 11: messages ----

def messages():
    out = {}
    for kind, members in MESSAGES.items():
        value = {kind: members}
        out[f"{kind}.jsonb"] = jsonb_pieces(value)
        out[f"{kind}.json"] = json.dumps(m.plain_json(value), indent=2)
    return out


def compute():
    noise, connected = exchange()
    return {**primitives(), **keys(), **invitation(), **in_the_clear(),
            **complete(), **connected, **packets(noise), **reset(), **stun(),
            **ticket(octets_of(connected["exchange.payload"]),
                     octets_of(connected["responder.payload"])),
            **minted(), **messages()}


def write(text, computed):
    def fill(found):
        kind, name, _ = found.groups()
        return f"```{kind} name={name}\n{render(computed[name])}```"

    text = FENCE.sub(fill, text)
    number = len(FENCE.findall(text))
    return COUNT.sub(f"**Examples in this document: {number}.**", text)


def main():
    computed, text = compute(), DOCUMENT.read_text(encoding="utf-8")
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(write(text, computed), encoding="utf-8")
        text = DOCUMENT.read_text(encoding="utf-8")
    found = read_document(text)
    wrong = [name for name, (_, octets) in found.items()
             if name not in computed or octets != octets_of(computed[name])]
    missing = sorted(set(computed) - set(found))
    print(f"{len(found)} examples, {stated(text)} stated, wrong: {wrong}, "
          f"not in the document: {missing}")
    return 1 if wrong or missing or len(found) != stated(text) else 0


if __name__ == "__main__":
    sys.exit(main())
