# SPDX-License-Identifier: MIT
"""tests/vectors/stun.json holds what RFC 5769 says, by FINGERPRINT and
MESSAGE-INTEGRITY computed here, and what the peer in Python makes. The C code
runs the same in tests/vectors/test_vectors_stun.c."""
import json
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "interop"))

# pylint: disable=wrong-import-position
import stun_peer as stun

FILE = json.loads((TESTS / "vectors" / "stun.json").read_text())


@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda v: v["name"])
def test_published(vector):
    data = bytes.fromhex(vector["message"])
    key = vector["password"].encode()
    if "realm" in vector:
        key = stun.long_term_key(vector["user"], vector["realm"],
                                 vector["password"])
    assert stun.has_integrity(data, key)
    assert not stun.has_integrity(data, key + b"x")
    _, ident, attributes = stun.parse(data)  # checks FINGERPRINT
    assert ident.hex() == vector["id"]
    found = dict(attributes)
    assert (stun.FINGERPRINT in found) == vector["fingerprint"]
    if vector["family"]:
        host, port = stun.read_address(found[stun.XOR_MAPPED], ident)
        assert port == vector["port"]
        assert host == (stun.V4 if vector["family"] == 4 else stun.V6)[0]


def test_made():
    made = {v["name"]: v["message"] for v in FILE["made"]}
    assert made == {k: v.hex() for k, v in stun.MADE.items()}
    assert len(made) >= 12
