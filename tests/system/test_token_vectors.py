# SPDX-License-Identifier: MIT
"""tests/vectors/token.json is what the independent peer computes, and that
peer opens what it has minted. The C code runs the same vectors in
tests/unit/rud/test_token.c."""
import json
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "interop"))

# pylint: disable=wrong-import-position
import mpp_peer as m
import token_vectors

FOUND = json.loads((TESTS / "vectors" / "token.json").read_text())["vectors"]


def test_as_computed():
    assert FOUND == token_vectors.VECTORS
    assert len(FOUND) >= 4


@pytest.mark.parametrize("number", range(len(FOUND)))
def test_opens(number):
    vector = {name: bytes.fromhex(value) for name, value
              in FOUND[number].items() if name in ("token", "key", "claims",
                                                   "secret")}
    assert m.open_token(vector["token"], vector["key"]) == \
        (vector["claims"], vector["secret"])
    token = vector["token"]
    with pytest.raises(m.Bad):
        m.open_token(token[:-1] + bytes([token[-1] ^ 1]), vector["key"])
