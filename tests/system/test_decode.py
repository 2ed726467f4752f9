# SPDX-License-Identifier: MIT
"""mpp decode, on published encodings (tests/vectors/jsonbcd.json) and on what
must be refused. Numbers are packed by Python's struct."""
import base64
import json
import struct
import subprocess

import pytest
from conftest import DEADLINE_S, ROOT, program

VECTORS = json.loads((ROOT / "tests/vectors/jsonbcd.json").read_text())
# JSON-C and JSON-D, and an example whose octets are not what it says.
UNSUPPORTED = ("c", "d", "a5")
NO_VECTOR = ("a5000142",)


def decode(octets, *args):
    return subprocess.run([program("mpp"), "decode", *args], input=octets,
                          capture_output=True, timeout=DEADLINE_S)


def decoded(octets):
    done = decode(octets)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def base64url(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def plain(value):
    """The value of a vector as JSON has it: binary is base64url."""
    if isinstance(value, dict) and "$binary_hex" in value:
        return base64url(bytes.fromhex(value["$binary_hex"]))
    if isinstance(value, dict) and "$datetime" in value:
        return value["$datetime"]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def vectors():
    """(octets, value) of all that JSON-B can say."""
    for row in VECTORS["draft_examples"] + VECTORS["reference_objects"]:
        if not row["encoding_hex"].startswith(UNSUPPORTED):
            yield bytes.fromhex(row["encoding_hex"]), plain(row["value"])
    for row in VECTORS["derived"]:
        octets = row.get("encoding_hex", row.get("encoding_hex_correct"))
        value = row["value"] if "value" in row else \
            base64url(bytes.fromhex(row["value_hex"]))
        yield bytes.fromhex(octets), plain(value)


def test_published_encodings():
    seen = 0
    for octets, value in vectors():
        assert decoded(octets) == value, octets.hex()
        seen += 1
    unsupported = [row["encoding_hex"] for row in VECTORS["draft_examples"]
                   if row["encoding_hex"].startswith(UNSUPPORTED)]
    assert seen + len(unsupported) == sum(
        len(VECTORS[part]) for part in ("draft_examples", "reference_objects",
                                        "derived"))
    assert seen == 44
    for text in unsupported:
        done = decode(bytes.fromhex(text))
        assert done.returncode == 65, text
        assert b"at byte 0: well formed but not supported" in done.stderr


@pytest.mark.parametrize("value", [
    0.1, -2.5, 1e300, 5e-324, 123456789.125, 1 / 3, 1e22, -0.0])
def test_binary64_reads_back_the_same(value):
    octets = b"\x92" + struct.pack(">d", value)
    assert struct.pack(">d", float(decoded(octets))) == octets[1:]
    named = b"\x7b\x80\x01\x92" + octets + b"\x7d"
    with pytest.raises(AssertionError):
        decoded(named)  # 0x92 alone is no name in UTF-8
    named = b'{"n":' + octets + b"}"
    assert decoded(named) == {"n": value}


def test_a_number_in_text_behind_a_binary_octet_stays_text():
    """Eight digits that could be eight octets, behind a name whose last
    octet is the tag of those (U+0492 ends in 0x92)."""
    name = "\u0492".encode()
    assert decoded(b"{\x80\x02" + name + b"12345.67}") == {"\u0492": 12345.67}
    assert decoded(b"[12345.67,\x92" + b"12345.67]") == [
        12345.67, struct.unpack(">d", b"12345.67")[0]]


@pytest.mark.parametrize("octets", [
    b"\x92\x7f\xf0" + bytes(6), b"\x92\xff\xf0" + bytes(6),
    b"\x92\x7f\xf8" + bytes(6)])
def test_what_json_cannot_say(octets):
    done = decode(octets)
    assert done.returncode == 65
    assert b"infinity and NaN" in done.stderr
    assert done.stdout == b""


def test_pretty():
    done = decode(b'{"a":[1,{"b":null}],"c":{}}')
    assert done.stdout.decode() == json.dumps(
        {"a": [1, {"b": None}], "c": {}}, indent=2) + "\n"
    assert decode(b'[true]', "--json").stdout == b"[\n  true\n]\n"


@pytest.mark.parametrize("tail", [b"", bytes(1), bytes(1000), b"\n", b" \r\n",
                                  b"\n" + bytes(7)])
def test_padding_is_accepted(tail):
    assert decoded(b"{\x80\x01A\xa0\x07}" + tail) == {"A": 7}


REFUSED = [
    ("nothing", b"", "nothing on stdin"),
    ("only padding", bytes(8), "at byte 0: not well formed"),
    ("an open object", b"{", "at byte 1: input ends too early"),
    ("an open string", b'["abc', "at byte 1: input ends too early"),
    ("a length beyond the end", b"\x80\x05abc", "input ends too early"),
    ("a word", b"[truth]", "at byte 1: not well formed"),
    ("a comma too many", b"[1,]", "at byte 2: not well formed"),
    ("Latin-1", b'["\xe4"]', "at byte 1: not valid UTF-8"),
    ("nested too deeply", b"[" * 17, "at byte 16: nested too deeply"),
    ("something behind it", b"[1] x", "at byte 3: something other than"),
    ("something behind the padding", b"[1]" + bytes(5) + b"x",
     "at byte 3: something other than"),
    ("a second document", b"{}{}", "at byte 2: something other than"),
]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[0])
def test_refusals_say_where_and_why(row):
    done = decode(row[1])
    assert done.returncode == 65
    assert done.stdout == b""
    assert done.stderr.startswith(b"mpp: ")
    assert row[2] in done.stderr.decode()


def test_size():
    most = 16 * 1024 * 1024
    text = b'"' + b"a" * (most - 2) + b'"'
    assert decode(text).stdout == text + b"\n"
    done = decode(text + b"\n")
    assert done.returncode == 65
    assert b"more than 16 MiB" in done.stderr


def test_an_output_that_is_full():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program("mpp"), "decode"], input=b"[1]",
                              stdout=full, stderr=subprocess.PIPE,
                              timeout=DEADLINE_S)
    assert done.returncode == 74
    assert b"No space left" in done.stderr
