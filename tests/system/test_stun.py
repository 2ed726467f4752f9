# SPDX-License-Identifier: MIT
"""STUN on the port of mppd: asked by hand-made packets, by the peer in Python,
and by the clients of coturn."""
import re
import shutil
import socket
import subprocess
import sys

import pytest
from conftest import DEADLINE_S, ROOT, free_port, wait_for

sys.path.insert(0, str(ROOT / "tests" / "interop"))

# pylint: disable=wrong-import-position
import stun_peer as stun

ID = bytes(range(12))
QUIET_S = 0.3  # only ever waited for beside an answer that came
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


class Asker:
    """A socket that asks one address."""

    def __init__(self, host, port):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.to = (host, port)

    def __enter__(self):
        self.socket.bind((LOOPBACK[6 if ":" in self.to[0] else 4], 0))
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def here(self):
        return self.socket.getsockname()[:2]

    def send(self, data):
        self.socket.sendto(data, self.to)

    def receive(self, seconds=DEADLINE_S):
        """(data, (host, port)); None when there was silence."""
        self.socket.settimeout(seconds)
        try:
            data, source = self.socket.recvfrom(4096)
        except TimeoutError:
            return None
        return data, source[:2]

    def ask(self, *attributes, **options):
        """A Binding request; gives (type, attributes, source)."""
        self.send(stun.message(stun.REQUEST, ID, *attributes, **options))
        data, source = self.receive()
        kind, ident, found = stun.parse(data)
        assert ident == ID
        return kind, dict(found), source


def counters(mppd):
    return mppd.ctl_json("status")["counters"]


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("fingerprint", (False, True))
def test_address(mppd, family, fingerprint):
    with Asker(LOOPBACK[family], mppd.port) as asker:
        kind, found, source = asker.ask(fingerprint=fingerprint)
        assert kind == stun.SUCCESS
        assert stun.read_address(found[stun.XOR_MAPPED], ID) == asker.here
        assert set(found) == {stun.XOR_MAPPED} | (
            {stun.FINGERPRINT} if fingerprint else set())
        assert source == asker.to
    assert counters(mppd)["stun"] == 1
    mppd.check_sane()


def bad_ones():
    """Name, octets, counter."""
    request = stun.message(stun.REQUEST, ID, fingerprint=True)
    attribute = stun.attribute
    integrity = attribute(stun.INTEGRITY, bytes(20))
    yield "RFC 3489", stun.u16(1) + bytes(2) + bytes(range(16)), "drop_short"
    yield ("RFC 3489 with CHANGE-REQUEST",
           stun.u16(1) + stun.u16(8) + bytes(range(16))
           + attribute(stun.CHANGE, bytes(4)), "drop_short")
    for name, octets in (
            ("indication", stun.message(stun.INDICATION, ID)),
            ("success", stun.message(stun.SUCCESS, ID)),
            ("error", stun.message(stun.ERROR, ID)),
            ("Allocate of TURN", stun.message(0x0003, ID)),
            ("one octet less", request[:-1]),
            ("four octets more", request + bytes(4)),
            ("an odd length", stun.message(stun.REQUEST, ID) + b"x"),
            ("wrong FINGERPRINT", request[:-1] + bytes([request[-1] ^ 1])),
            ("behind FINGERPRINT", stun.message(
                stun.REQUEST, ID, request[20:], attribute(0x8022, b""))),
            ("a lying attribute", stun.message(stun.REQUEST, ID,
                                               b"\x80\x22\0\x05")),
            ("the longest attribute", stun.message(stun.REQUEST, ID,
                                                   b"\0\x06\xff\xff")),
            ("behind MESSAGE-INTEGRITY", stun.message(
                stun.REQUEST, ID, integrity, b"\0\x03\0\x04")),
            ("CHANGE-REQUEST of no length", stun.message(
                stun.REQUEST, ID, attribute(stun.CHANGE, b""))),
            ("a family that is none", stun.message(
                stun.REQUEST, ID, attribute(stun.MAPPED, bytes(8))))):
        yield name, octets, "drop_stun"


def test_what_gets_silence(mppd):
    """Each beside a request that is answered, and counted."""
    with Asker("127.0.0.1", mppd.port) as asker:
        for name, octets, counter in bad_ones():
            before = counters(mppd)
            asker.send(octets)
            kind, _, _ = asker.ask()  # comes first, if there is silence
            assert kind == stun.SUCCESS, name
            after = counters(mppd)
            assert after[counter] == before[counter] + 1, name
            assert after["stun"] == before["stun"] + 1, name
            assert after["sent"] == before["sent"] + 1, name
        assert asker.receive(QUIET_S) is None
    mppd.check_sane()


def test_unknown_attributes(mppd):
    with Asker("::1", mppd.port) as asker:
        kind, found, _ = asker.ask(stun.attribute(0x0024, bytes(4)),
                                   stun.attribute(0x8099, b"x"),
                                   stun.attribute(0x7001, b""))
        assert kind == stun.ERROR
        assert found[stun.ERROR_CODE] == b"\0\0\4\x14Unknown Attribute"
        assert found[stun.UNKNOWN] == b"\0\x24\x70\x01"
        # No second address: RFC 5780 6.1.
        kind, found, _ = asker.ask(stun.attribute(stun.CHANGE, bytes(4)))
        assert found[stun.UNKNOWN] == b"\0\x03"
    assert counters(mppd)["stun_errors"] == 2


def test_rate(mppd_factory):
    mppd = mppd_factory(limits="[stun]\naddress-rate = 1\nprefix-rate = 2\n")
    mppd.start()
    with Asker("127.0.0.1", mppd.port) as asker:
        asker.ask()
        asker.send(stun.message(stun.REQUEST, ID))
        wait_for(lambda: counters(mppd)["stun_limited"] == 1)
        assert asker.receive(QUIET_S) is None
        # It comes back.
        asker.socket.settimeout(0.2)

        def again():
            asker.send(stun.message(stun.REQUEST, ID))
            return asker.receive(0.2)
        wait_for(again)


def test_off(mppd_factory):
    mppd = mppd_factory(limits="[stun]\nenabled = no\n")
    mppd.start()
    with Asker("127.0.0.1", mppd.port) as asker:
        asker.send(stun.message(stun.REQUEST, ID))
        wait_for(lambda: counters(mppd)["drop_stun"] == 1)
        assert asker.receive(QUIET_S) is None


@pytest.mark.parametrize("alternate,code,why", [
    ("192.0.2.77:9", 71, "cannot listen on UDP 127.0.0.1:9"),
    ("192.0.2.77:{}", 71, "does not have that address: correct [service] "
                          "listen, or [stun] alternate"),
    ("127.0.0.1:9", 78, "alternate 127.0.0.1:9: the address that [service] "
                        "listen has"),
])
def test_an_alternate_that_cannot_be(mppd_factory, alternate, code, why):
    free = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 9))
        mppd = mppd_factory(
            limits=f"[stun]\nalternate = {alternate.format(free)}\n")
        found, said = mppd.start_fails()
    assert found == code, said
    assert why in said


# ---- coturn's clients ----

def client(name, *arguments, prefix=()):
    """Run it; gives what it said."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: scripts/install-deps.sh")
    done = subprocess.run([*prefix, path, *map(str, arguments)],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    return done.stdout + done.stderr


@pytest.mark.parametrize("family", (4, 6))
def test_stunclient(mppd, family):
    said = client("turnutils_stunclient", "-p", mppd.port, LOOPBACK[family])
    assert re.search(rf"UDP reflexive addr: {re.escape(LOOPBACK[family])}:\d+",
                     said), said
    assert "Other addr" not in said
