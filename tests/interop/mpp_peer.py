# SPDX-License-Identifier: MIT
"""A second implementation of the Mesh Presence Protocol, written from
docs/protocol.md alone. The numbered sections are those of that document.

The first half is pure functions over bytes; Client at the end is a device
with a UDP socket. The cryptographic primitives are those of the package
`cryptography`; nothing of the project's C code is used."""
import base64
import hashlib
import hmac
import json
import os
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x448 import (X448PrivateKey,
                                                            X448PublicKey)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers import (Cipher, algorithms,
                                                    modes)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (Encoding,
                                                          PublicFormat)


class Bad(Exception):
    """What was read is not what the document allows."""


# ---- section 3: ints, bytes, extension lists ----

def put_int(value):
    for size, mark in ((1, 0x00), (2, 0x40), (4, 0x80), (8, 0xc0)):
        if value < 1 << (8 * size - 2):
            raw = bytearray(value.to_bytes(size, "big"))
            raw[0] |= mark
            return bytes(raw)
    raise ValueError("an int has at most 62 bits")


def put_bytes(value):
    return put_int(len(value)) + value


class Reader:
    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, size):
        if size > len(self.data) - self.at:
            raise Bad("ends too early")
        self.at += size
        return self.data[self.at - size:self.at]

    def octet(self):
        return self.take(1)[0]

    def number(self):
        first = self.octet()
        size = 1 << (first >> 6)
        rest = self.take(size - 1)
        return int.from_bytes(bytes([first & 0x3f]) + rest, "big")

    def counted(self):
        return self.take(self.number())

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        if self.at != len(self.data):
            raise Bad("octets are left over")


EXT = {
    "Suites": 1, "KeyId": 2, "PublicKey": 3, "Challenge": 4, "Token": 6,
    "StreamId": 7, "Service": 9, "Claim": 10, "Credential": 11,
    "Timestamp": 12, "Params": 13, "PathChallenge": 14, "PathResponse": 15,
    "Renew": 16, "Close": 17, "RetryAfter": 18, "PathLost": 19,
    "ResetToken": 20,
}
PARAMS = {"PacketSize": 1, "IdleTimeout": 3, "Quantum": 4, "Instance": 5}


def put_list(items, numbers=None):
    """An extension list of {name or number or tag octets: value}."""
    numbers = EXT if numbers is None else numbers
    out = b""
    for name, value in items.items():
        tag = name
        if not isinstance(tag, bytes):
            tag = bytes([128 + numbers.get(name, name)])
        out += tag + put_bytes(value)
    return out + b"\xff"


def get_list(reader, numbers=None):
    """{name: value} of the known ones; {number or tag: value} of others."""
    numbers = EXT if numbers is None else numbers
    names = {number: name for name, number in numbers.items()}
    seen, found, long_ones = set(), {}, 0
    while True:
        tag = reader.take(1)
        if tag == b"\xff":
            return found
        while tag[-1] < 128:
            if len(tag) == 16:
                raise Bad("a longer tag without end")
            tag += reader.take(1)
        if tag in seen:
            raise Bad("a tag stands twice")
        seen.add(tag)
        long_ones += len(tag) > 1
        if long_ones > 8:
            raise Bad("too many of the longer tags")
        key = tag
        if len(tag) == 1:
            key = names.get(tag[0] - 128, tag[0] - 128)
        found[key] = reader.counted()


def get_params(value):
    reader = Reader(value)
    found = get_list(reader, PARAMS)
    reader.end()
    out = {}
    for name in ("PacketSize", "IdleTimeout", "Quantum"):
        if name in found:
            inner = Reader(found[name])
            out[name] = inner.number()
            inner.end()
    if "Instance" in found:
        out["Instance"] = found["Instance"]
    return out


def get_suites(value):
    reader, out = Reader(value), []
    while reader.at < len(value):
        out.append(reader.number())
    return out


def put_close(code, text):
    return put_int(code) + put_bytes(text.encode())


def get_close(value):
    reader = Reader(value)
    code, text = reader.number(), reader.counted()
    return code, text.decode()


# ---- section 4: stream identifiers ----

def aes_block(key, block, decrypt=False):
    cipher = Cipher(algorithms.AES(key), modes.ECB())
    work = cipher.decryptor() if decrypt else cipher.encryptor()
    return work.update(block) + work.finalize()


def looks_wrong(identifier):
    """All zero, or as if a STUN message began here."""
    stun = identifier[0] < 4 and identifier[4:8] == b"\x21\x12\xa4\x42"
    return stun or identifier == bytes(16)


def fresh_id():
    while True:
        identifier = os.urandom(16)
        if not looks_wrong(identifier):
            return identifier


def issue_id(key, slot, generation, random):
    return aes_block(key, slot.to_bytes(4, "big")
                     + generation.to_bytes(4, "big") + random)


def open_id(key, identifier):
    block = aes_block(key, identifier, decrypt=True)
    return (int.from_bytes(block[:4], "big"),
            int.from_bytes(block[4:8], "big"), block[8:])


# ---- section 5.2: keys and fingerprints ----

@dataclass(frozen=True)
class Suite:
    number: int
    name: bytes
    length: int
    private: type
    public: type
    spki_head: bytes


SUITES = {
    1: Suite(1, b"Noise_IK_25519_AESGCM_SHA512", 32, X25519PrivateKey,
             X25519PublicKey, bytes.fromhex("302a300506032b656e032100")),
    2: Suite(2, b"Noise_IK_448_AESGCM_SHA512", 56, X448PrivateKey,
             X448PublicKey, bytes.fromhex("3042300506032b656f033900")),
}


class KeyPair:
    def __init__(self, suite, secret=None):
        self.suite = SUITES[suite]
        self.secret = secret or os.urandom(self.suite.length)
        self.private = self.suite.private.from_private_bytes(self.secret)
        self.public = _raw(self.private.public_key())

    def dh(self, public):
        # An all-zero result raises ValueError there.
        return self.private.exchange(
            self.suite.public.from_public_bytes(public))


def _raw(key):
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sha512(*parts):
    return hashlib.sha512(b"".join(parts)).digest()


def hmac512(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha512).digest()


def spki(suite, public):
    return SUITES[suite].spki_head + public


def content_digest(content_type, data):
    digest = sha512(content_type, b":", sha512(data))
    whole = int.from_bytes(digest, "big")
    zeros = (whole & -whole).bit_length() - 1 if whole else 512
    steps = 0 if zeros < 20 else min(zeros // 10 - 1, 4)
    return bytes([96 + steps]) + digest


def udf(suite, public):
    return content_digest(b"application/pkix-keyinfo", spki(suite, public))


def udf_text(binary, bits):
    digits = -(-bits // 5)
    text = base64.b32encode(binary).decode().rstrip("=")[:digits]
    return "-".join(text[i:i + 4] for i in range(0, digits, 4))


def udf_matches(binary, text, bits_min):
    plain = text.replace("-", "").replace(" ", "").upper()
    whole = base64.b32encode(binary).decode().rstrip("=")
    return len(plain) * 5 >= bits_min and whole.startswith(plain)


def key_id(suite, public):
    return udf(suite, public)[1:17]


# ---- section 5.6: Noise IK ----

class Noise:
    """One side of Noise_IK; the names are those of the framework's text."""

    def __init__(self, suite, prologue, static, remote_static=None):
        self.suite = SUITES[suite]
        name = self.suite.name
        self.h = name.ljust(64, b"\0")
        self.ck = self.h
        self.k, self.n = None, 0
        self.s, self.rs, self.e, self.re = static, remote_static, None, None
        self.mix_hash(prologue)
        self.mix_hash(remote_static or static.public)

    def mix_hash(self, data):
        self.h = sha512(self.h, data)

    def hkdf(self, material):
        temp = hmac512(self.ck, material)
        first = hmac512(temp, b"\x01")
        return first, hmac512(temp, first, b"\x02")

    def mix_key(self, shared):
        self.ck, temp = self.hkdf(shared)
        self.k, self.n = temp[:32], 0

    def nonce(self):
        self.n += 1
        return bytes(4) + (self.n - 1).to_bytes(8, "big")

    def encrypt(self, plain):
        sealed = AESGCM(self.k).encrypt(self.nonce(), plain, self.h)
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed):
        try:
            plain = AESGCM(self.k).decrypt(self.nonce(), sealed, self.h)
        except InvalidTag:
            raise Bad("does not authenticate") from None
        self.mix_hash(sealed)
        return plain

    def write1(self, payload, ephemeral):
        self.e = ephemeral
        self.mix_hash(self.e.public)                       # e
        self.mix_key(self.e.dh(self.rs))                   # es
        sealed_static = self.encrypt(self.s.public)        # s
        self.mix_key(self.s.dh(self.rs))                   # ss
        return self.e.public + sealed_static + self.encrypt(payload)

    def read1(self, message):
        reader = Reader(message)
        self.re = reader.take(self.suite.length)
        self.mix_hash(self.re)                             # e
        self.mix_key(self.s.dh(self.re))                   # es
        self.rs = self.decrypt(reader.take(self.suite.length + 16))  # s
        self.mix_key(self.s.dh(self.rs))                   # ss
        return self.decrypt(reader.rest())

    def write2(self, payload, ephemeral):
        self.e = ephemeral
        self.mix_hash(self.e.public)                       # e
        self.mix_key(self.e.dh(self.re))                   # ee
        self.mix_key(self.e.dh(self.rs))                   # se
        return self.e.public + self.encrypt(payload)

    def read2(self, message):
        reader = Reader(message)
        self.re = reader.take(self.suite.length)
        self.mix_hash(self.re)                             # e
        self.mix_key(self.e.dh(self.re))                   # ee
        self.mix_key(self.s.dh(self.re))                   # se
        return self.decrypt(reader.rest())

    def split(self):
        """(key of the initiator's packets, key of the responder's)."""
        first, second = self.hkdf(b"")
        return first[:32], second[:32]


class NoisePsk(Noise):
    """One side of Noise_NNpsk0."""

    def __init__(self, suite, prologue, psk):
        # pylint: disable=super-init-not-called
        self.suite = SUITES[suite]
        self.h = self.suite.name.replace(b"_IK_", b"_NNpsk0_").ljust(
            64, b"\0")
        self.ck, self.k, self.n = self.h, None, 0
        self.e, self.re, self.psk = None, None, psk
        self.mix_hash(prologue)

    def mix_key_and_hash(self, material):
        temp = hmac512(self.ck, material)
        self.ck = hmac512(temp, b"\x01")
        second = hmac512(temp, self.ck, b"\x02")
        self.k, self.n = hmac512(temp, second, b"\x03")[:32], 0
        self.mix_hash(second)

    def mix_e(self, public):
        self.mix_hash(public)
        self.mix_key(public)

    def write1(self, payload, ephemeral):
        self.e = ephemeral
        self.mix_key_and_hash(self.psk)                    # psk
        self.mix_e(self.e.public)                          # e
        return self.e.public + self.encrypt(payload)

    def read1(self, message):
        reader = Reader(message)
        self.re = reader.take(self.suite.length)
        self.mix_key_and_hash(self.psk)                    # psk
        self.mix_e(self.re)                                # e
        return self.decrypt(reader.rest())

    def write2(self, payload, ephemeral):
        self.e = ephemeral
        self.mix_e(self.e.public)                          # e
        self.mix_key(self.e.dh(self.re))                   # ee
        return self.e.public + self.encrypt(payload)

    def read2(self, message):
        reader = Reader(message)
        self.re = reader.take(self.suite.length)
        self.mix_e(self.re)                                # e
        self.mix_key(self.e.dh(self.re))                   # ee
        return self.decrypt(reader.rest())


# ---- section 10: tokens ----

def token_keys(token_key, nonce):
    """(key that seals the claims, shared secret)."""
    prk = hmac512(nonce, token_key)
    return (hmac512(prk, b"rud1 token key\x01")[:32],
            hmac512(prk, b"rud1 token psk\x01")[:32])


def mint_token(key_id_octets, token_key, nonce, claims):
    """(token, shared secret) of claims, which are octets."""
    key, secret = token_keys(token_key, nonce)
    head = key_id_octets + nonce
    return head + AESGCM(key).encrypt(bytes(12), claims, head), secret


def open_token(token, token_key):
    """(claims, shared secret)."""
    key, secret = token_keys(token_key, token[4:28])
    try:
        claims = AESGCM(key).decrypt(bytes(12), token[28:], token[:28])
    except InvalidTag:
        raise Bad("not a token of this key") from None
    return claims, secret


# ---- section 5.3: connection datagrams ----

ERROR, HELLO, EXCHANGE, COMPLETE, TICKET = 0, 2, 3, 4, 5
R_ERROR, R_CHALLENGE, R_COMPLETE = 0, 2, 3


def initiator_head(kind, suite, reply_id, extensions, version=1):
    """Everything before the length of noise_message."""
    return (bytes(16) + bytes([kind]) + put_int(version) + put_int(suite)
            + put_bytes(reply_id) + put_list(extensions))


def pad(datagram, size=1200):
    return datagram + bytes(max(0, size - len(datagram)))


def responder(kind, suite, reply_id, extensions, noise=b""):
    return (reply_id + bytes([kind]) + put_int(1) + put_int(suite)
            + put_list(extensions) + put_bytes(noise))


@dataclass
class Connect:
    kind: int
    version: int
    suite: int
    reply_id: bytes
    extensions: dict
    noise: bytes
    prologue: bytes
    padding: bytes


def read_connect(datagram, from_initiator):
    reader = Reader(datagram)
    reply = reader.take(16)
    kind, version, suite = reader.octet(), reader.number(), reader.number()
    if from_initiator:
        if reply != bytes(16) or not 1200 <= len(datagram) <= 1452:
            raise Bad("not an initiator's datagram")
        reply = reader.counted()
    if version != 1:
        raise Bad(f"version {version}")
    extensions = get_list(reader)
    prologue = datagram[:reader.at]
    noise = reader.counted()
    padding = reader.rest()
    if padding and (any(padding) or not from_initiator):
        raise Bad("octets behind the message")
    return Connect(kind, version, suite, reply, extensions, noise, prologue,
                   padding)


def first_payload(client_id, account, timestamp, instance, message=b"",
                  invitation=None, packet_size=None):
    items = {}
    if invitation is not None:
        items["Token"] = invitation
    items["StreamId"] = client_id
    items["Service"] = b"mmmpresence"
    items["Claim"] = account.encode()
    items["Timestamp"] = put_int(timestamp)
    params = {} if packet_size is None \
        else {"PacketSize": put_int(packet_size)}
    items["Params"] = put_list({**params, "Instance": instance}, PARAMS)
    return put_list(items) + message


# ---- section 6: data packets ----

FINAL, ACK, ACK_WANTED = 1, 4, 8


@dataclass
class Keys:
    key: bytes
    salt: bytes
    hdr: bytes


def packet_keys(k):
    def expand(label, size):
        return hmac512(k, label + b"\x01")[:size]
    return Keys(expand(b"rud1 key", 32), expand(b"rud1 salt", 4),
                expand(b"rud1 hdr", 16))


@dataclass
class Header:
    index: int
    flags: int = FINAL
    count: int = 1
    packet: int = 0
    sequence: int = 0
    ack_index: int = 0
    ack_bits: int = 0

    def octets(self):
        return (self.index.to_bytes(6, "big")
                + bytes([self.flags, self.count, self.packet, self.sequence])
                + self.ack_index.to_bytes(4, "big")
                + self.ack_bits.to_bytes(2, "big"))

    @staticmethod
    def of(block):
        h = Header(int.from_bytes(block[:6], "big"), block[6], block[7],
                   block[8], block[9], int.from_bytes(block[10:14], "big"),
                   int.from_bytes(block[14:], "big"))
        if (h.flags & ~13 or not h.flags & FINAL or not 1 <= h.count <= 16
                or h.packet >= h.count or h.sequence > 15):
            raise Bad("header not allowed")
        return h


def nonce_of(keys, header):
    block = header.octets()
    return keys.salt + block[:6] + block[8:10]


def padded(plain, quantum=0):
    unit = quantum or (64 if len(plain) <= 448 else 16)
    size = max(-(-len(plain) // unit) * unit, unit)
    return plain + bytes(min(size, 1152) - len(plain))


PIECE = 1152            # octets of plaintext in a packet of 1200
DATAGRAM_MAX = 16 * PIECE
BUFFERS = 8             # datagrams that are put together at a time


def padded_large(plain, quantum=0, piece=PIECE):
    """The plaintext of a datagram of several packets."""
    unit = quantum or 16
    size = min(-(-len(plain) // unit) * unit,
               -(-len(plain) // piece) * piece, DATAGRAM_MAX)
    return plain + bytes(size - len(plain))


def cut(plain, piece=PIECE):
    return [plain[at:at + piece] for at in range(0, len(plain), piece)]


class Partial:
    """A datagram of several packets of which some have come."""
    def __init__(self, count):
        self.count, self.pieces, self.highest = count, {}, {}

    def bits(self):
        return sum(1 << packet for packet in self.pieces)

    def whole(self):
        return len(self.pieces) == self.count

    def plain(self):
        return b"".join(self.pieces[i] for i in range(self.count))

    def take(self, header, plain):
        """Is this sending a new one?"""
        last = header.packet == self.count - 1
        sizes = {len(piece) for packet, piece in self.pieces.items()
                 if packet != self.count - 1}
        if header.count != self.count or not plain \
                or (not last and (len(plain) < PIECE
                                  or sizes - {len(plain)})):
            raise Bad("does not go with the other packets")
        if header.sequence <= self.highest.get(header.packet, -1):
            return False
        self.highest[header.packet] = header.sequence
        self.pieces.setdefault(header.packet, plain)
        return True


def seal_packet(keys, stream_id, header, plain):
    """plain is padded already."""
    lead = stream_id + aes_block(keys.hdr, header.octets())
    return lead + AESGCM(keys.key).encrypt(nonce_of(keys, header), plain,
                                           lead)


def open_packet(keys, packet):
    if len(packet) < 48:
        raise Bad("too short for a data packet")
    header = Header.of(aes_block(keys.hdr, packet[16:32], decrypt=True))
    try:
        plain = AESGCM(keys.key).decrypt(nonce_of(keys, header), packet[32:],
                                         packet[:32])
    except InvalidTag:
        raise Bad("does not authenticate") from None
    return header, plain


def read_plain(plain):
    """(extensions, {type: members} or None, is it JSON text?)"""
    reader = Reader(plain)
    extensions = get_list(reader)
    rest = reader.rest()
    if not rest or rest[0] == 0:
        message, end = None, 0
    else:
        message, end = read_json(rest)
    if any(rest[end:]):
        raise Bad("padding is not zero")
    return extensions, message, rest[:end]


# ---- section 11.1: JSON and JSON-B ----

class Data(bytes):
    """A binary value, as opposed to text."""


def _head(tag, value):
    for step in range(4):
        if value < 1 << (8 << step):
            return bytes([tag + step]) + value.to_bytes(1 << step, "big")
    raise ValueError("more than 64 bits")


def write_jsonb(value):
    if isinstance(value, dict):
        return b"{" + b"".join(
            _head(0x80, len(name.encode())) + name.encode()
            + write_jsonb(member) for name, member in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b"".join(write_jsonb(item) for item in value) + b"]"
    if value is None:
        return b"\xb2"
    if isinstance(value, bool):
        return b"\xb0" if value else b"\xb1"
    if isinstance(value, int):
        return _head(0xa0, value) if value >= 0 else _head(0xa8, -value)
    raw = value.encode() if isinstance(value, str) else bytes(value)
    return _head(0x80 if isinstance(value, str) else 0x88, len(raw)) + raw


def plain_json(value):
    if isinstance(value, dict):
        return {name: plain_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    if isinstance(value, Data):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    return value


def write_json(value):
    return json.dumps(plain_json(value), separators=(",", ":"),
                      ensure_ascii=False).encode()


def unbase64(text):
    plain = "".join(text.split()).rstrip("=")
    return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))


class _Json:
    """JSON text and JSON-B in any mixture."""
    SPACE = b" \t\r\n"

    def __init__(self, data):
        self.r, self.depth = Reader(data), 0

    def peek(self):
        if self.r.at == len(self.r.data):
            raise Bad("ends too early")
        return self.r.data[self.r.at]

    def skip(self, octets):
        while self.r.at < len(self.r.data) and self.peek() in octets:
            self.r.at += 1

    def run(self, first, last):
        """Chunks with heads first+4.., ended by one with a head first..;
        last is the highest head that may begin one."""
        out = b""
        while True:
            tag = self.r.octet()
            if not first <= tag <= last:
                raise Bad("a chunk is missing its end")
            size = int.from_bytes(self.r.take(1 << (tag & 3)), "big")
            out += self.r.take(size)
            if tag < first + 4:
                return out

    def text(self):
        if self.peek() == ord('"'):
            raw = self.r.data[self.r.at:].decode("utf-8", "surrogateescape")
            value, used = json.JSONDecoder(strict=False).raw_decode(raw)
            self.r.take(len(raw[:used].encode("utf-8", "surrogateescape")))
            return value
        first = 0xb4 if 0xb4 <= self.peek() <= 0xb7 else 0x80
        return self.run(first, first + (3 if first == 0xb4 else 7)).decode()

    def members(self, close, with_names):
        self.depth += 1
        if self.depth > 16:
            raise Bad("nested too deeply")
        out = {} if with_names else []
        self.r.octet()
        while True:
            self.skip(self.SPACE + b",")
            if self.peek() == close:
                self.r.octet()
                self.depth -= 1
                return out
            if not with_names:
                out.append(self.value())
                continue
            name = self.text()
            self.skip(self.SPACE + b":")
            if name in out:
                raise Bad("a member stands twice")
            out[name] = self.value()

    def value(self):
        self.skip(self.SPACE)
        tag = self.peek()
        if tag == ord("{"):
            return self.members(ord("}"), True)
        if tag == ord("["):
            return self.members(ord("]"), False)
        if tag == ord('"') or 0x80 <= tag <= 0x87:
            return self.text()
        if 0x88 <= tag <= 0x8f:
            return Data(self.run(0x88, 0x8f))
        if 0xa0 <= tag <= 0xa3 or 0xa8 <= tag <= 0xab:
            self.r.octet()
            size = 1 << (tag & 3)
            number = int.from_bytes(self.r.take(size), "big")
            return -number if tag >= 0xa8 else number
        if 0xb0 <= tag <= 0xb2:
            self.r.octet()
            return (True, False, None)[tag - 0xb0]
        return self.word()

    def word(self):
        start = self.r.at
        while self.r.at < len(self.r.data) and self.peek() in \
                b"+-.0123456789eEtrufalsn":
            self.r.at += 1
        try:
            return json.loads(self.r.data[start:self.r.at])
        except ValueError:
            raise Bad("not well formed") from None


def read_json(data):
    """(value, how many octets it took)"""
    reader = _Json(data)
    try:
        value = reader.value()
    except (ValueError, UnicodeDecodeError) as error:
        raise Bad(f"not well formed: {error}") from None
    return value, reader.r.at


def binary(value):
    """A binary member, which in JSON text is base64url."""
    return bytes(value) if isinstance(value, Data) else unbase64(value)


def message(kind, /, **members):
    return {kind: members}


STORE_TYPES = ("Any Local Inbound Outbound Archive Notary Access Application "
               "Bookmark Callsign Carnet Contact Credential Device Member "
               "Network Publication Task Account Document").lower().split()


def store_bit(name):
    plain = name.lower()
    if plain.startswith("mmm_") and len(plain) > 4:
        plain = plain[4:]
    return STORE_TYPES.index(plain) if plain in STORE_TYPES[1:] else 0


def bitmask(names):
    bits = 0
    for name in names:
        bits |= 1 << store_bit(name)
    return Data(bits.to_bytes(4, "little"))


# ---- section 5.10: invitations ----

@dataclass
class Invitation:
    host: str
    port: int
    account: str
    pins: list
    secret: bytes


def read_invitation(uri):
    parts = urlsplit(uri)
    text = parts.fragment.upper()
    return Invitation(
        parts.hostname, parts.port or 15099, unquote(parts.path[1:]),
        [value for name, value in parse_qsl(parts.query) if name == "k"],
        base64.b32decode(text + "=" * (-len(text) % 8)))


# ---- a device ----

class Refused(Exception):
    """The service said no, authentically."""

    def __init__(self, members):
        super().__init__(str(members))
        self.status = members.get("Status")
        self.members = members


class Silence(Exception):
    """No answer in time."""


@dataclass
class Client:
    """A device with one connection: connect(), then request(), notified()."""
    invitation: Invitation
    suite: int = 1
    device: KeyPair = None
    instance: bytes = field(default_factory=lambda: os.urandom(8))
    timestamp: int = 0
    service_key: bytes = None
    as_json: bool = False
    packet_size: int = None

    def __post_init__(self):
        self.device = self.device or KeyPair(self.suite)
        self.open_socket()
        self.held, self.serial, self.index = 0, 0, 0
        self.rx = self.tx = None
        self.service_id = self.client_id = None
        self.spare = []        # identifiers of the service, not used yet
        self.naming = False    # our identifier goes with every packet
        self.full = False      # nothing came in this network yet
        self.seen = set()
        self.partial = {}      # datagrams of several packets
        self.ack_at = None     # (when, header, bits): of a part
        self.counts = []       # packets of each datagram that came
        self.longest = 0       # packet
        self.lose = None       # a function of a header: is it lost?
        self.notes = []        # publications not asked for yet
        self.flow = []         # names of what went over the wire
        self.tokens = []       # (token, shared secret) that came
        self.extensions = {}   # of the newest ResponderComplete

    def open_socket(self, host=None):
        host = host or self.invitation.host
        self.sock = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET,
            socket.SOCK_DGRAM)
        self.sock.connect((host, self.invitation.port))

    # -- connecting: section 5 --

    def receive(self, timeout):
        self.sock.settimeout(max(timeout, 0.001))
        try:
            return self.sock.recv(2048)
        except (socket.timeout, ConnectionRefusedError):
            raise Silence from None

    def ask(self, datagram, reply_id, seconds=20.0):
        """Send an initiator's datagram; the responder's answer to it."""
        end = time.monotonic() + seconds
        self.sock.send(datagram)
        while time.monotonic() < end:
            answer = self.receive(end - time.monotonic())
            if answer[:16] == reply_id:
                return read_connect(answer, from_initiator=False)
        raise Silence

    def hello(self, suites=None):
        reply_id = fresh_id()
        suites = [self.suite] if suites is None else suites
        self.flow.append("Hello")
        return self.ask(pad(initiator_head(HELLO, 0, reply_id, {
            "Suites": b"".join(map(put_int, suites))}) + put_bytes(b"")),
            reply_id)

    def take_challenge(self, answer):
        if answer.kind != R_CHALLENGE:
            raise Bad(f"type {answer.kind} instead of a Challenge")
        reader = Reader(answer.extensions["PublicKey"])
        suite, key = reader.number(), reader.rest()
        if suite != self.suite or answer.suite != self.suite:
            raise Bad("another suite")
        pins = self.invitation.pins
        if pins and not any(udf_matches(udf(suite, key), pin, 250)
                            for pin in pins):
            raise Bad("another service key than the pinned one")
        self.flow.append("Challenge")
        self.service_key = key
        return answer.extensions["Challenge"], answer.extensions["Suites"]

    def stamp(self):
        self.timestamp = max(int(time.time() * 1000), self.timestamp + 1)
        return self.timestamp

    def connect(self, first, invite=False, hello=False):
        """First Contact, Immediate or Deferred; the first answer. The
        connection is not confirmed yet."""
        challenge, offered = None, None
        if hello or self.service_key is None:
            challenge, offered = self.take_challenge(self.hello())
        for _ in range(3):
            answer, noise = self.send_keyed(first, invite, challenge)
            if answer.kind != R_CHALLENGE:
                break
            challenge, offered = self.take_challenge(answer)
        return self.take_complete(answer, noise, offered)

    def send_keyed(self, first, invite, challenge):
        extensions = {"KeyId": key_id(self.suite, self.service_key)}
        kind = EXCHANGE
        if challenge is not None:
            kind, extensions["Challenge"] = COMPLETE, challenge
        reply_id, self.client_id = fresh_id(), fresh_id()
        head = initiator_head(kind, self.suite, reply_id, extensions)
        noise = Noise(self.suite, b"RUD/1" + head, self.device,
                      self.service_key)
        payload = first_payload(
            self.client_id, self.invitation.account, self.stamp(),
            self.instance, self.encode(first) if first else b"",
            self.invitation.secret if invite else None, self.packet_size)
        sealed = noise.write1(payload, KeyPair(self.suite))
        self.flow.append("Exchange" if kind == EXCHANGE else "Complete")
        return self.ask(pad(head + put_bytes(sealed)), reply_id), noise

    def send_ticket(self, first, token, secret, challenge=None, suite=None):
        """The answer to one Ticket, and the handshake."""
        suite = self.suite if suite is None else suite
        reply_id, self.client_id = fresh_id(), fresh_id()
        extensions = {} if challenge is None else {"Challenge": challenge}
        extensions["Token"] = token
        head = initiator_head(TICKET, suite, reply_id, extensions)
        noise = NoisePsk(suite, b"RUD/1" + head, secret)
        payload = first_payload(
            self.client_id, self.invitation.account, self.stamp(),
            self.instance, self.encode(first) if first else b"")
        sealed = noise.write1(payload, KeyPair(suite))
        self.flow.append("Ticket")
        return self.ask(pad(head + put_bytes(sealed)), reply_id), noise

    def come_back(self, first, token, secret):
        """Ticketed; the first answer. The connection is not confirmed yet."""
        answer, noise = self.send_ticket(first, token, secret)
        offered = None
        if answer.kind == R_CHALLENGE:
            challenge, offered = self.take_challenge(answer)
            answer, noise = self.send_ticket(first, token, secret, challenge)
        return self.take_complete(answer, noise, offered)

    def take_complete(self, answer, noise, offered):
        if answer.kind != R_COMPLETE or answer.extensions:
            raise Bad(f"type {answer.kind} instead of ResponderComplete")
        reader = Reader(noise.read2(answer.noise))
        self.extensions = extensions = get_list(reader)
        if offered is not None and offered != extensions["Suites"]:
            raise Bad("the Challenge offered other suites: forged")
        self.flow.append("ResponderComplete")
        rest, said = reader.rest(), None
        if rest:
            said, used = read_json(rest)
            if used != len(rest):
                raise Bad("octets behind the message")
            members = next(iter(said.values()))
            if members.get("Status", 0) >= 300:
                raise Refused(members)
        if len(extensions["ResetToken"]) != 16:
            raise Bad("ResetToken")
        self.spare = []
        self.take_ids(extensions["StreamId"])
        self.service_id = self.spare.pop(0)
        ours, theirs = noise.split()
        self.tx, self.rx = packet_keys(ours), packet_keys(theirs)
        self.serial, self.index, self.seen = 1, 0, set()
        self.partial, self.ack_at = {}, None
        return said

    def confirm(self, first, seconds=10.0):
        """Repeat the confirming packet until the service answers."""
        members = next(iter(first.values())) if first else {}
        self.held = max(self.held, members.get("Serial", 0))
        end, wait = time.monotonic() + seconds, 0.2
        while time.monotonic() < end:
            self.send(message("PresenceAcknowledge", Acknowledge=self.held),
                      flags=ACK_WANTED)
            self.flow.append("confirm")
            if self.pump(wait):
                return
            wait *= 2
        raise Silence

    # -- a connection: sections 6 and 7 --

    def encode(self, value):
        return write_json(value) if self.as_json else write_jsonb(value)

    def send(self, value=None, flags=0, ack=None, extensions=None, bits=1):
        header = Header(self.index, FINAL | flags)
        if ack is not None:
            header.flags |= ACK
            header.ack_index, header.ack_bits = ack & 0xffffffff, bits
        self.index += 1
        name = {"StreamId": self.client_id} if self.naming else {}
        plain = put_list({**name, **(extensions or {})})
        if value is not None:
            plain += self.encode(value)
        plain = plain + bytes(1152 - len(plain)) if self.full \
            else padded(plain)
        self.sock.send(seal_packet(self.tx, self.service_id, header, plain))

    def take_ids(self, ids):
        if len(ids) not in (16, 32):
            raise Bad("StreamId")
        self.spare += [ids[i:i + 16] for i in range(0, len(ids), 16)]

    def move(self, host=None):
        """Another network: section 8. The old socket is given back."""
        old = self.sock
        self.open_socket(host)
        self.client_id, self.service_id = fresh_id(), self.spare.pop(0)
        self.naming = self.full = True
        return old

    def answer_challenge(self, challenge):
        self.send(message("PresenceAcknowledge", Acknowledge=self.held),
                  flags=ACK_WANTED if self.naming else 0,
                  extensions={"PathResponse": challenge})
        self.flow.append("PathResponse")

    def pump(self, seconds):
        """Wait for one packet of this connection; what it said, with
        publications taken and acknowledged; None when nothing came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                header, plain = self.next_datagram(end)
                extensions, said, _ = read_plain(plain)
            except (Silence, Bad):
                continue
            self.full = False
            if "StreamId" in extensions:
                self.take_ids(extensions["StreamId"])
                self.naming = False
            if "PathChallenge" in extensions:
                self.answer_challenge(extensions["PathChallenge"])
            self.counts.append(header.count)
            self.take(header, said)
            return header, extensions, said
        return None

    def next_datagram(self, end):
        """The next that is whole. Parts are acknowledged 25 ms later, or at
        once when the last packet has come."""
        until = min(end, self.ack_at[0]) if self.ack_at else end
        try:
            packet = self.receive(until - time.monotonic())
        except Silence:
            if self.ack_at and time.monotonic() >= self.ack_at[0]:
                self.acknowledge(*self.ack_at[1:])
            raise
        if packet[:16] != self.client_id:
            raise Bad("not for this connection")
        header, plain = open_packet(self.rx, packet)
        self.longest = max(self.longest, len(packet))
        if self.lose is not None and self.lose(header):
            raise Silence
        if header.count == 1:
            if header.index in self.seen:
                raise Bad("replayed")
            self.seen.add(header.index)
            return header, plain
        return header, self.next_part(header, plain)

    def next_part(self, header, plain):
        part = self.partial.get(header.index)
        if part is None:
            if header.index in self.seen:
                raise Bad("replayed")
            part = self.partial[header.index] = Partial(header.count)
            if len(self.partial) > BUFFERS:
                oldest = min(self.partial)
                self.seen.add(oldest)
                del self.partial[oldest]
        was_whole = part.whole()
        if not part.take(header, plain):
            raise Bad("replayed")
        if part.whole() and not was_whole:
            self.seen.add(header.index)
            return part.plain()
        if was_whole or header.packet == header.count - 1:
            self.acknowledge(header, part.bits())
        else:
            when = self.ack_at[0] if self.ack_at else time.monotonic() + 0.025
            self.ack_at = (when, header, part.bits())
        raise Silence

    def acknowledge(self, header, bits):
        self.ack_at = None
        self.send(message("PresenceAcknowledge", Acknowledge=self.held),
                  ack=header.index, bits=bits)
        self.flow.append("PresenceAcknowledge")

    def take(self, header, said):
        kind, members = next(iter(said.items())) if said else (None, {})
        before = self.held
        if "Token" in members:
            self.tokens.append((binary(members["Token"]["Token"]),
                                binary(members["Token"]["SharedSecret"])))
        if kind in ("PresenceNotify", "PresenceConnectResponse",
                    "PresenceStatus"):
            self.held = max(self.held, members.get("Serial", 0))
        if kind == "PresenceNotify" and self.held > before \
                and "StoreStatus" in members:
            self.notes.append(members)
        if self.held > before or header.flags & ACK_WANTED:
            self.acknowledge(header, (1 << header.count) - 1)

    def request(self, kind, seconds=20.0, **members):
        """One request, repeated until it is answered: (type, members)."""
        self.serial += 1
        value = message(kind, **members, Serial=self.serial,
                        Acknowledge=self.held)
        end, wait = time.monotonic() + seconds, 0.3
        while time.monotonic() < end:
            self.send(value)
            again = time.monotonic() + wait
            wait *= 2
            while time.monotonic() < again:
                got = self.pump(again - time.monotonic())
                said = got[2] if got else None
                if not said:
                    continue
                answer, found = next(iter(said.items()))
                if found.get("Acknowledge") == self.serial:
                    return answer, found
        raise Silence

    def notified(self, seconds=20.0):
        """The next publication."""
        end = time.monotonic() + seconds
        while not self.notes and time.monotonic() < end:
            self.pump(end - time.monotonic())
        if not self.notes:
            raise Silence
        return self.notes.pop(0)

    def close(self):
        self.send(extensions={"Close": put_close(0, "")})
        self.tx = self.rx = None
        self.flow.append("Close")
