# SPDX-License-Identifier: MIT
"""STUN of a real mppd with two addresses of each family, asked by the clients
of coturn through NATs of nftables, and without one."""
import re
import subprocess
import sys

import pytest
from conftest import DEADLINE_S, ROOT, Mppd

sys.path.insert(0, str(ROOT / "tests" / "netem"))

# pylint: disable=wrong-import-position
from nat import (INNER, INNER6, OUTER, SERVER, SERVER2, SERVER6,  # noqa: E402
                 Nat)
from netem import inside  # noqa: E402

SERVER6_2 = "fd77:2::3"
PORT, PORT2 = 15099, 3478
INDEPENDENT, ADDRESS, BOTH = (
    "Endpoint Independent", "Address Dependent", "Address and Port Dependent")


class Service(Mppd):
    """An mppd in the server's namespace, on all four sockets of a family."""

    def __init__(self, folder, nat, alternate=True):
        super().__init__(
            folder, port=PORT, listen=f"{SERVER}:{PORT} [{SERVER6}]:{PORT}",
            limits=f"[stun]\nalternate = {SERVER2}:{PORT2} "
                   f"[{SERVER6_2}]:{PORT2}\n" if alternate else "")
        self.nat = nat
        subprocess.run(["ip", "-n", nat.server, "addr", "add",
                        f"{SERVER6_2}/64", "dev", "outer", "nodad"],
                       check=True)

    def spawn(self):
        with open(self.stderr, "a", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                inside(self.nat.server, self.program, "-c", str(self.config)),
                stderr=err, stdout=err, stdin=subprocess.DEVNULL)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.alive():
            assert self.stop() == 0, self.log
        self.check_sane()


def ask(nat, name, *arguments):
    """Run a client of coturn; gives what it said."""
    done = subprocess.run(inside(nat.client, name, *map(str, arguments)), check=False,
                          capture_output=True, text=True, timeout=DEADLINE_S)
    return done.stdout + done.stderr


def behaviour(said, what):
    """Such as "Endpoint Independent" of "NAT with ... Mapping!"."""
    found = re.findall(rf"^NAT with (.*) {what}!$", said, re.M)
    assert len(found) == 1, said
    return found[0]


# Ask each address from one socket; print which one answered.
ASK_EACH = """
import socket, sys
sys.path.insert(0, sys.argv[1])
import stun_peer as stun
asked = sys.argv[3:]
family = socket.AF_INET6 if ":" in asked[0] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as s:
    s.settimeout(50)
    for n, host in enumerate(asked):
        s.sendto(stun.message(stun.REQUEST, bytes([n] * 12)),
                 (host, int(sys.argv[2])))
    for _ in asked:
        data, source = s.recvfrom(2048)
        print(asked[data[8]], source[0])
"""


@pytest.mark.parametrize("asked", [(SERVER, SERVER2), (SERVER6, SERVER6_2)])
def test_wildcards_answer_from_the_address_asked(folder, asked):
    with Nat("none") as nat:
        service = Service(folder, nat, alternate=False)
        service.write_config(listen=f"0.0.0.0:{PORT} [::]:{PORT}",
                             service="endpoint = localhost")
        with service:
            said = ask(nat, sys.executable, "-c", ASK_EACH,
                       ROOT / "tests" / "interop", PORT, *asked)
    assert sorted(said.split("\n")[:-1]) == [f"{at} {at}" for at in asked]


@pytest.mark.parametrize("kind,mapping,filtering", [
    ("full-cone", INDEPENDENT, INDEPENDENT),
    ("address-restricted", INDEPENDENT, ADDRESS),
    ("port-restricted", INDEPENDENT, BOTH),
    ("symmetric", BOTH, BOTH),
])
def test_nats(folder, kind, mapping, filtering):
    with Nat(kind) as nat, Service(folder, nat):
        said = ask(nat, "turnutils_natdiscovery", "-m", "-p", PORT, SERVER)
        assert behaviour(said, "Mapping") == mapping
        assert f"reflexive addr: {OUTER}:" in said
        said = ask(nat, "turnutils_natdiscovery", "-f", "-p", PORT, SERVER)
        assert behaviour(said, "Filtering") == filtering


def test_stunclient_behind_a_nat(folder):
    """Without the second address, with which it would wait for an answer that
    no NAT lets in."""
    with Nat("port-restricted") as nat, \
            Service(folder, nat, alternate=False):
        said = ask(nat, "turnutils_stunclient", "-p", PORT, SERVER)
        assert re.search(rf"UDP reflexive addr: {OUTER}:\d+", said), said
        assert "Other addr" not in said


@pytest.mark.parametrize("server,inner", [(SERVER, INNER), (SERVER6, INNER6)])
def test_no_nat(folder, server, inner):
    with Nat("none") as nat, Service(folder, nat):
        said = ask(nat, "turnutils_natdiscovery", "-m", "-f", "-p", PORT,
                   "-L", inner, server)
        assert "No NAT" in said, said
        assert f"reflexive addr: {inner}:" in said
        assert behaviour(said, "Filtering") == INDEPENDENT
        # Another port for the answer, and fragments: it waits for each.
        said = ask(nat, "turnutils_stunclient", "-p", PORT, server)
        assert len(re.findall(f"reflexive addr: {inner}:", said)) == 3, said


def test_padding_of_1500_octets(folder):
    """Requests and answers that are longer than the path's packets."""
    with Nat("full-cone") as nat, Service(folder, nat):
        said = ask(nat, "turnutils_natdiscovery", "-m", "-P", "-p", PORT,
                   SERVER)
        assert behaviour(said, "Mapping") == INDEPENDENT


@pytest.mark.parametrize("seconds,lives", [(1, True), (7, False)])
def test_lifetime_of_a_mapping(folder, seconds, lives):
    """RESPONSE-PORT: the answer goes to the port whose mapping is asked for,
    which lives, or does not."""
    with Nat("full-cone", timeout=4) as nat, Service(folder, nat):
        said = ask(nat, "turnutils_natdiscovery", "-t", "-T", seconds, "-p",
                   PORT, SERVER)
    assert len(re.findall("UDP reflexive addr", said)) == (2 if lives else 1)
