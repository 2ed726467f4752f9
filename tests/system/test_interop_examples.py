# SPDX-License-Identifier: MIT
"""The worked examples of docs/protocol.md against the independent peer of
tests/interop, and that peer against published vectors. The C code checks the
same examples in tests/unit/role/test_protocol_examples.c."""
import base64
import json
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "interop"))

# pylint: disable=wrong-import-position
import examples
import mpp_peer as m

TEXT = examples.DOCUMENT.read_text(encoding="utf-8")
DOCUMENT = examples.read_document(TEXT)
COMPUTED = examples.compute()
PACKETS = {"confirm": "to-service", "confirmed": "to-device",
           "heartbeat": "to-service", "notify": "to-device",
           "acknowledge": "to-service", "probe": "to-device",
           "close": "to-service", "removed": "to-device",
           "fields": "to-device", "renew": "to-device",
           "missing": "to-service"}
LARGE = {"two": 2, "three": 3}
TYPES = [name[:-6] for name in DOCUMENT if name.endswith(".jsonb")]


def octets(name):
    return DOCUMENT[name][1]


def altered(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


def vectors(name):
    found = json.loads((TESTS / "vectors" / name).read_text())["vectors"]
    assert found
    return found


# ---- the examples ----

def test_number_of_examples():
    assert len(DOCUMENT) == examples.stated(TEXT) > 0
    assert set(DOCUMENT) == set(COMPUTED)
    opening = [line for line in TEXT.splitlines()
               if line.startswith("```") and " name=" in line]
    assert len(opening) == len(DOCUMENT)


@pytest.mark.parametrize("name", DOCUMENT)
def test_example(name):
    assert octets(name) == examples.octets_of(COMPUTED[name])


def keys_of(direction):
    block = octets(f"keys.{direction}")
    return m.Keys(block[:32], block[32:36], block[36:])


@pytest.mark.parametrize("name", PACKETS)
def test_packet_opens(name):
    keys = keys_of(PACKETS[name])
    header, plain = m.open_packet(keys, octets(name))
    assert header.octets() == octets(f"{name}.header")
    assert plain == octets(f"{name}.plain")
    extensions, _, said = m.read_plain(plain)
    assert len(plain) == len(m.padded(m.put_list(extensions) + said))
    for at in range(len(octets(name))):
        with pytest.raises(m.Bad):
            m.open_packet(keys, altered(octets(name), at))


@pytest.mark.parametrize("name", LARGE)
def test_packets_join(name):
    keys, whole = keys_of("to-device"), octets(f"{name}.plain")
    part = m.Partial(LARGE[name])
    for packet in reversed(range(LARGE[name])):
        assert not part.whole()
        header, plain = m.open_packet(keys, octets(f"{name}.{packet}"))
        assert header.octets() == octets(f"{name}.{packet}.header")
        assert part.take(header, plain) and not part.take(header, plain)
    assert part.whole() and part.plain() == whole
    _, said, _ = m.read_plain(whole)
    assert len(said["PresenceNotify"]["StoreStatus"]) == 16
    if name == "three":
        again, plain = m.open_packet(keys, octets("three.1.again"))
        assert (again.packet, again.sequence) == (1, 1)
        assert plain == whole[1152:2304]
        assert octets("three.1.again")[32:] != octets("three.1")[32:]


@pytest.mark.parametrize("name", ["complete", "exchange"])
def test_first_message_opens(name):
    connect = m.read_connect(octets(name), from_initiator=True)
    service = m.KeyPair(1, octets("service.secret"))

    def opened(prologue, message):
        noise = m.Noise(1, b"RUD/1" + prologue, service)
        payload = noise.read1(message)
        assert noise.rs == octets("device.public")
        return payload

    assert opened(connect.prologue, connect.noise) == \
        octets(f"{name}.payload")
    assert connect.extensions["KeyId"] == octets("udf.25519")[1:17]
    with pytest.raises(m.Bad):
        opened(altered(connect.prologue, 20), connect.noise)
    with pytest.raises(m.Bad):
        opened(connect.prologue, altered(connect.noise, 40))


@pytest.mark.parametrize("kind", TYPES)
def test_message_says_the_same_in_both_encodings(kind):
    binary, end = m.read_json(octets(f"{kind}.jsonb"))
    text, end_of_text = m.read_json(octets(f"{kind}.json"))
    assert end == len(octets(f"{kind}.jsonb"))
    assert end_of_text == len(octets(f"{kind}.json"))
    assert list(binary) == [kind]
    assert m.plain_json(binary) == text
    assert m.write_jsonb(binary) == octets(f"{kind}.jsonb")


def test_types_are_those_of_the_table():
    table = (TESTS.parent / "src" / "presence" / "messages.def").read_text()
    known = {line.split('"')[1] for line in table.splitlines()
             if line.startswith("MSG(")}
    assert known == set(TYPES) and known


def test_extension_numbers_are_those_of_the_table():
    table = (TESTS.parent / "src" / "rud" / "ext.def").read_text()
    known = {line.split('"')[1]: int(line[4:].split(",")[0])
             for line in table.splitlines() if line.startswith("EXT(")}
    rows = {}
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 7 and cells[1].isdigit() and cells[4].isdigit():
            rows[cells[2]] = int(cells[1])
    assert known == m.EXT == rows


# ---- reading what is not allowed: each with the example that is ----

BAD_LISTS = {
    "twice": "8c0101 8c0101 ff",
    "twice, unknown": "e400 e400 ff",
    "twice, longer": "61e300 61e300 ff",
    "no end": "8c0101",
    "past the end": "8c0901 ff",
    "longer tag without end": "61" * 16 + "e300 ff",
    "nine longer tags": "".join(f"{i:02x}e300" for i in range(9)) + "ff",
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_bad_list(name):
    m.get_list(m.Reader(octets("list")))
    with pytest.raises(m.Bad):
        m.get_list(m.Reader(bytes.fromhex(BAD_LISTS[name])))


# ---- the peer against published vectors ----

NOISE = [v for v in vectors("noise.json")
         if v["protocol_name"].startswith("Noise_IK_")]


@pytest.mark.parametrize("vector", NOISE,
                         ids=[v["protocol_name"] for v in NOISE])
def test_noise_vector(vector):
    v = {name: bytes.fromhex(value) if isinstance(value, str)
         and name != "protocol_name" else value
         for name, value in vector.items()}
    suite = 1 if "25519" in vector["protocol_name"] else 2
    texts = [(bytes.fromhex(t["payload"]), bytes.fromhex(t["ciphertext"]))
             for t in v["messages"]]
    service = m.KeyPair(suite, v["resp_static"])
    assert service.public == v["init_remote_static"]
    one = m.Noise(suite, v["init_prologue"],
                  m.KeyPair(suite, v["init_static"]), service.public)
    two = m.Noise(suite, v["resp_prologue"], service)
    assert one.write1(texts[0][0], m.KeyPair(suite, v["init_ephemeral"])) \
        == texts[0][1]
    assert two.read1(texts[0][1]) == texts[0][0]
    assert two.write2(texts[1][0], m.KeyPair(suite, v["resp_ephemeral"])) \
        == texts[1][1]
    assert one.read2(texts[1][1]) == texts[1][0]
    assert one.h == two.h == v["handshake_hash"]
    up, down = one.split()
    for number, (plain, sealed) in enumerate(texts[2:]):
        key = (up, down)[number % 2]
        nonce = (number // 2).to_bytes(12, "big")
        assert m.AESGCM(key).encrypt(nonce, plain, b"") == sealed


DIGESTS = [v for v in vectors("udf-content-digest.json")
           if v["algorithm"] == "SHA-2-512"]


def test_digest_vectors():
    assert DIGESTS
    for v in DIGESTS:
        binary = m.content_digest(v["content_type"].encode(),
                                  bytes.fromhex(v["data_hex"]))
        assert binary[1:].hex() == v["tcdv_hex"]
        assert binary[0] == v["type_id"]


def same(found, expected):
    """The vector's value, in which $binary_hex marks data."""
    if isinstance(expected, dict) and "$binary_hex" in expected:
        return m.binary(found) == bytes.fromhex(expected["$binary_hex"])
    if isinstance(expected, dict) and "$datetime" in expected:
        return found == expected["$datetime"]
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[name], expected[name]) for name in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found,
                                                       expected))
    return found == expected


def test_jsonb_vectors():
    for v in vectors("presence-jsonb-derived.json"):
        for data in (bytes.fromhex(v["jsonb_hex"]),
                     v["json_compact"].encode()):
            found, end = m.read_json(data)
            assert end == len(data)
            assert same(found, v["value"]), v["name"]


def test_base64url_without_padding():
    data = m.Data(bytes(range(250, 256)) + b"\x00")
    text = json.loads(m.write_json({"x": data}))["x"]
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert m.unbase64(text) == data
