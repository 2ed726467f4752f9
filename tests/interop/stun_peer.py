# SPDX-License-Identifier: MIT
"""STUN (RFC 8489, RFC 5780) once more, in Python and written from the RFCs:
what tests compare the C code with and speak to mppd with."""
import hashlib
import hmac
import ipaddress
import zlib

COOKIE = 0x2112A442
REQUEST, INDICATION, SUCCESS, ERROR = 0x0001, 0x0011, 0x0101, 0x0111
MAPPED, CHANGE, USERNAME, INTEGRITY = 0x0001, 0x0003, 0x0006, 0x0008
ERROR_CODE, UNKNOWN, XOR_MAPPED = 0x0009, 0x000A, 0x0020
PADDING, RESPONSE_PORT = 0x0026, 0x0027
SOFTWARE, FINGERPRINT, ORIGIN, OTHER = 0x8022, 0x8028, 0x802B, 0x802C
CHANGE_IP, CHANGE_PORT = 4, 2


def u16(value):
    return value.to_bytes(2, "big")


def u32(value):
    return value.to_bytes(4, "big")


def attribute(kind, value):
    return u16(kind) + u16(len(value)) + value + bytes(-len(value) % 4)


def address(kind, host, port):
    ip = ipaddress.ip_address(host)
    return attribute(kind, bytes([0, 1 if ip.version == 4 else 2])
                     + u16(port) + ip.packed)


def xor_address(host, port, ident):
    ip = ipaddress.ip_address(host)
    mask = u32(COOKIE) + ident
    return attribute(XOR_MAPPED, bytes([0, 1 if ip.version == 4 else 2])
                     + u16(port ^ COOKIE >> 16)
                     + bytes(a ^ b for a, b in zip(ip.packed, mask)))


def error(code, reason):
    return attribute(ERROR_CODE, bytes([0, 0, code // 100, code % 100])
                     + reason.encode())


def unknown(*kinds):
    return attribute(UNKNOWN, b"".join(u16(k) for k in kinds))


def message(kind, ident, *attributes, fingerprint=False):
    body = b"".join(attributes)
    length = len(body) + (8 if fingerprint else 0)
    out = u16(kind) + u16(length) + u32(COOKIE) + ident + body
    if fingerprint:
        out += attribute(FINGERPRINT, u32(zlib.crc32(out) ^ 0x5354554E))
    return out


def parse(data):
    """(type, id, [(attribute, value)]) of a message; asserts its form."""
    assert len(data) >= 20 and data[4:8] == u32(COOKIE)
    assert int.from_bytes(data[2:4], "big") == len(data) - 20
    attributes, at = [], 20
    while at < len(data):
        kind = int.from_bytes(data[at:at + 2], "big")
        length = int.from_bytes(data[at + 2:at + 4], "big")
        value = data[at + 4:at + 4 + length]
        assert len(value) == length
        if kind == FINGERPRINT:
            assert at + 8 == len(data)
            assert value == u32(zlib.crc32(data[:at]) ^ 0x5354554E)
        attributes.append((kind, value))
        at += 4 + length + -length % 4
    assert at == len(data)
    return int.from_bytes(data[:2], "big"), data[8:20], attributes


def read_address(value, ident=None):
    """(host, port); with a transaction id it is an XOR one."""
    port, packed = int.from_bytes(value[2:4], "big"), value[4:]
    assert value[0] == 0 and len(packed) == {1: 4, 2: 16}[value[1]]
    if ident is not None:
        port ^= COOKIE >> 16
        packed = bytes(a ^ b for a, b in zip(packed, u32(COOKIE) + ident))
    return str(ipaddress.ip_address(packed)), port


def has_integrity(data, key):
    """Is MESSAGE-INTEGRITY right, whatever stands behind it?"""
    at = data.index(u16(INTEGRITY) + u16(20), 20)
    head = data[:2] + u16(at + 24 - 20) + data[4:at]
    return hmac.digest(key, head, "sha1") == data[at + 4:at + 24]


def long_term_key(user, realm, password):
    return hashlib.md5(f"{user}:{realm}:{password}".encode()).digest()


ID = bytes.fromhex("000102030405060708090a0b")
V4 = ("192.0.2.1", 32853)
V6 = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)

# What stun.json has under "made".
MADE = {
    "request": message(REQUEST, ID),
    "request with fingerprint": message(REQUEST, ID, fingerprint=True),
    "request for both changes": message(
        REQUEST, ID, attribute(CHANGE, u32(CHANGE_IP | CHANGE_PORT))),
    "request to a port": message(
        REQUEST, ID, attribute(RESPONSE_PORT, u16(4660) + bytes(2))),
    "request of all": message(
        REQUEST, ID, attribute(CHANGE, u32(0)),
        attribute(RESPONSE_PORT, u16(65535) + bytes(2)),
        attribute(PADDING, bytes(16)), fingerprint=True),
    "answer, IPv4": message(SUCCESS, ID, xor_address(*V4, ID)),
    "answer, IPv6": message(SUCCESS, ID, xor_address(*V6, ID),
                            fingerprint=True),
    "answer of RFC 5780": message(
        SUCCESS, ID, xor_address(*V4, ID), address(MAPPED, *V4),
        address(ORIGIN, "198.51.100.1", 15099),
        address(OTHER, "198.51.100.2", 15100),
        attribute(PADDING, bytes(8))),
    "answer of RFC 5780, IPv6": message(
        SUCCESS, ID, xor_address(*V6, ID), address(MAPPED, *V6),
        address(ORIGIN, "2001:db8::1", 15099),
        address(OTHER, "2001:db8::2", 15100), fingerprint=True),
    "answer 400": message(ERROR, ID, error(400, "Bad Request")),
    "answer 420 of one": message(ERROR, ID, error(420, "Unknown Attribute"),
                                 unknown(0x0024)),
    "answer 420 of two": message(ERROR, ID, error(420, "Unknown Attribute"),
                                 unknown(0x0003, 0x7fff), fingerprint=True),
}
