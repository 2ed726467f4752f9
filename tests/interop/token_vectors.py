#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The vectors of tokens, computed by mpp_peer.py from fixed keys.

    token_vectors.py          say whether tests/vectors/token.json is as
                              computed
    token_vectors.py --write  write it"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
import mpp_peer as m

FILE = Path(__file__).resolve().parents[1] / "vectors" / "token.json"
DEVICE = m.udf_text(m.udf(1, m.KeyPair(1, bytes(range(0x21, 0x41))).public),
                    260)
DEVICE_448 = m.udf_text(m.udf(2, m.KeyPair(2, bytes(range(0x21, 0x59))).public),
                        140)
NOW = 1700000000000
DAY = 86400000


def vector(number, account, device, rights, times):
    key_id = bytes([0x10 + number] * 3 + [0xfe])
    key = bytes((17 * number + 3 * i) % 256 for i in range(32))
    nonce = bytes((101 * number + 7 * i) % 256 for i in range(24))
    issued, expires, proven = times
    claims = m.write_jsonb({
        "Version": 1, "Account": account, "Device": device,
        "Rights": rights, "Issued": issued, "Expires": expires,
        "Proven": proven})
    token, secret = m.mint_token(key_id, key, nonce, claims)
    return {"account": account.encode().hex(), "device": device,
            "rights": sum({"subscribe": 1, "publish": 2, "reset": 4}[right]
                          for right in rights),
            "issued": issued, "expires": expires, "proven": proven,
            "key_id": key_id.hex(), "key": key.hex(), "nonce": nonce.hex(),
            "claims": claims.hex(), "token": token.hex(),
            "secret": secret.hex()}


VECTORS = [
    vector(1, "alice@example.com", DEVICE, ["subscribe"],
           (NOW, NOW + 30 * DAY, NOW - 1)),
    vector(2, "@bob", DEVICE_448, ["subscribe", "publish", "reset"],
           (NOW, NOW + 1, 0)),
    vector(3, "@" + "\u00e9" * 127, DEVICE, ["publish"],
           (1, (1 << 53) - 1, 1)),
    vector(4, "a", DEVICE.replace("-", "").lower(), [],
           (0, 256, 0)),
    vector(5, "x" * 255, DEVICE, ["subscribe", "publish", "reset"],
           (NOW, (1 << 53) - 1, NOW)),
]


def main():
    text = json.dumps({
        "source": "computed by tests/interop/token_vectors.py",
        "vectors": VECTORS}, indent=1) + "\n"
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit(f"{FILE} is not as computed")
    print(f"{len(VECTORS)} vectors of tokens")


if __name__ == "__main__":
    main()
