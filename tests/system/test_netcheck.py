# SPDX-License-Identifier: MIT
"""mpp netcheck tells what a network is like: behind NATs of nftables, over
links with faults, and where nothing comes through. Servers are coturn's
turnserver, which speaks RFC 5780, and mppd."""
import json
import re
import subprocess
import sys

import pytest
from conftest import BUILD, DEADLINE_S, ROOT, free_port, program, wait_for

sys.path.insert(0, str(ROOT / "tests" / "netem"))
from nat import INNER, OUTER, SERVER, SERVER2, SERVER6, Nat  # noqa: E402
from netem import A, B, Link, inside  # noqa: E402

LINK = BUILD / "netem" / "link"
PORT = 3478
COTURN = ("turnserver", "-n", "-S", "--no-tls", "--no-dtls", "--no-cli",
          "--no-auth", "--log-file=stdout", "--allow-loopback-peers",
          "--alt-listening-port", PORT + 1, "-p", PORT)


class Turnserver:
    """coturn in a namespace (None: here), at some addresses."""

    def __init__(self, folder, namespace, *addresses):
        command = [*COTURN, "--pidfile", folder / "turnserver.pid"]
        for address in addresses:
            command += ["-L", address]
        command = [str(word) for word in command]
        self.command = inside(namespace, *command) if namespace else command
        self.log = folder / "turnserver.log"

    def __enter__(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)
        try:
            wait_for(lambda: "Total General servers" in self.log.read_text() or
                     self.process.poll() is not None)
            assert self.process.poll() is None, self.log.read_text()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.process.kill()
        self.process.wait(DEADLINE_S)


def run(namespace, *args):
    command = [program("mpp"), "netcheck", *map(str, args)]
    if namespace:
        command = inside(namespace, *command)
    done = subprocess.run(command, check=False, capture_output=True,
                          text=True, timeout=2 * DEADLINE_S)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


def check(namespace, *args, code=0):
    done = run(namespace, *args, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


BEHAVIOURS = [
    # kind, mapping, filtering, ports kept, advice
    ("full-cone", "endpoint-independent", "endpoint-independent", "yes", []),
    ("address-restricted", "endpoint-independent", "address-dependent", "yes",
     []),
    ("port-restricted", "endpoint-independent", "address-and-port-dependent",
     "yes", []),
    ("symmetric", "address-and-port-dependent", "address-and-port-dependent",
     "no", ["symmetric-nat"]),
]


@pytest.mark.parametrize("kind,mapping,filtering,kept,advice", BEHAVIOURS)
def test_nats_are_named(folder, kind, mapping, filtering, kept, advice):
    with Nat(kind) as nat, Turnserver(folder, nat.server, SERVER, SERVER2):
        found = check(nat.client, f"{SERVER}:{PORT}")
    v4 = found["ipv4"]
    assert (v4["udp"], v4["nat"]) == ("open", "yes")
    assert (v4["mapping"], v4["filtering"]) == (mapping, filtering)
    assert v4["ports_kept"] == kept
    assert v4["external"].startswith(f"{OUTER}:")
    assert v4["local"].startswith(f"{INNER}:")
    assert found["advice"] == advice
    assert "ipv6" not in found


def test_without_a_nat(folder):
    with Nat("none") as nat, Turnserver(folder, nat.server, SERVER, SERVER2):
        found = check(nat.client, f"{SERVER}:{PORT}")
    v4 = found["ipv4"]
    assert (v4["nat"], v4["mapping"]) == ("no", "none")
    assert v4["filtering"] == "endpoint-independent"
    assert v4["external"] == v4["local"]
    assert v4["packets"] == {"up": {"passes": 1480}, "down": {"passes": 1480}}
    assert v4["round_trips"]["sent"] == 20
    assert v4["round_trips"]["lost"] == 0
    assert 0 < v4["round_trips"]["min_us"] <= v4["round_trips"]["median_us"]
    assert found["advice"] == []


def test_a_server_with_one_address_leaves_things_unknown(folder):
    with Nat("port-restricted") as nat, \
            Turnserver(folder, nat.server, SERVER):
        found = check(nat.client, f"{SERVER}:{PORT}")
        said = run(nat.client, f"{SERVER}:{PORT}").stdout
    v4 = found["ipv4"]
    assert (v4["udp"], v4["nat"], v4["alternate"]) == ("open", "yes", False)
    assert v4["filtering"] == v4["mapping"] == "unknown"
    assert "filtering   unknown (the server has one address)\n" in said
    assert labels(said) >= {"UDP", "address", "lifetime", "packets", "loss"}
    page = (ROOT / "man" / "mpp.1").read_text()
    example = page[page.index("\nservice   "):page.index("All is well.")]
    # Those of the connection are only of a device that is enrolled.
    assert labels(example) == labels(said) | {"connection", "clock"}
    assert said.endswith("All is well.\n")


def labels(text):
    """The first words of the lines of a report."""
    return set(re.findall(r"^ {0,2}(\w[\w ]{0,10}?) +\S", text, re.M)) - {
        "All", "not"}


def test_ipv6(folder):
    with Nat("port-restricted") as nat, \
            Turnserver(folder, nat.server, SERVER, SERVER2, SERVER6):
        found = check(nat.client, f"[{SERVER6}]:{PORT}")
    v6 = found["ipv6"]
    assert (v6["udp"], v6["nat"], v6["mapping"]) == ("open", "no", "none")
    assert v6["packets"]["up"] == {"passes": 1500}
    assert "ipv4" not in found


def test_where_udp_is_dropped(folder):
    with Nat("no-udp") as nat, Turnserver(folder, nat.server, SERVER):
        found = check(nat.client, f"{SERVER}:{PORT}", code=75)
        said = run(nat.client, f"{SERVER}:{PORT}", "--timeout", "2s")
    assert found["ipv4"] == {"server": f"{SERVER}:{PORT}", "udp": "no-answer"}
    assert found["advice"] == ["udp-blocked"]
    assert said.returncode == 75
    assert f"no answer from {SERVER}:{PORT}" in said.stdout


def test_where_nobody_listens():
    found = check(None, f"127.0.0.1:{free_port()}", "--timeout", "3s",
                  code=75)
    assert found["ipv4"]["udp"] == "refused"
    assert found["advice"] == ["nobody-there"]


def test_without_a_way(folder):
    with Nat("none") as nat:
        found = check(nat.client, "[2001:db8::1]:9", code=75)
        run_in(nat.client, "ip", "route", "del", "default")
        other = check(nat.client, "192.0.2.1:9", code=75)
    assert found["ipv6"]["udp"] in ("no-answer", "no-route")
    assert other["ipv4"]["udp"] == "no-route"
    assert other["advice"] == ["no-route"]


def run_in(namespace, *command):
    subprocess.run(inside(namespace, *command), check=True, timeout=DEADLINE_S)


def test_a_link_of_1280_octets(folder):
    with Link(LINK, "mtu=1280", "seed=1") as link, \
            Turnserver(folder, link.b, B):
        found = check(link.a, f"{B}:{PORT}")
        counts = link.end()["ab"]
    assert found["ipv4"]["packets"]["up"] == {"passes": 1280, "fails": 1340}
    assert counts["too_long"] > 0
    # The service's first datagrams pass, so nothing is to be done.
    assert found["advice"] == []


def test_a_link_that_is_too_small(folder):
    with Link(LINK, "mtu=1000", "seed=1") as link, \
            Turnserver(folder, link.b, B):
        found = check(link.a, f"{B}:{PORT}")
    assert found["ipv4"]["packets"]["up"] == {"fails": 1228}
    assert found["advice"] == ["mtu-too-small"]


def test_an_interface_that_is_too_small(folder):
    """Here the kernel says it, at once."""
    with Nat("none") as nat, Turnserver(folder, nat.server, SERVER):
        run_in(nat.client, "ip", "link", "set", "inner", "mtu", "1300")
        found = check(nat.client, f"{SERVER}:{PORT}")
    assert found["ipv4"]["packets"]["up"] == {"passes": 1280, "fails": 1340}


def test_loss_is_counted(folder):
    with Link(LINK, "loss=20", "delay=20", "seed=3") as link, \
            Turnserver(folder, link.b, B):
        found = check(link.a, f"{B}:{PORT}")
        counts = link.end()
    assert counts["ab"]["lost"] > 0 and counts["ba"]["lost"] > 0
    trips = found["ipv4"]["round_trips"]
    # 20 % each way is 36 % of 20 round trips: five deviations around it.
    assert 1 <= trips["lost"] <= 18
    assert trips["min_us"] >= 40000
    assert found["advice"] == ["loss"]


def test_the_lifetime_of_a_mapping(folder):
    with Nat("port-restricted", timeout=5) as nat, \
            Turnserver(folder, nat.server, SERVER, SERVER2):
        found = check(nat.client, f"{SERVER}:{PORT}", "--lifetime")
        quick = check(nat.client, f"{SERVER}:{PORT}")
    lifetime = found["ipv4"]["lifetime"]
    assert lifetime["method"] == "response-port"
    assert 2000 <= lifetime["at_least_ms"] <= 5500
    assert 5000 <= lifetime["less_than_ms"] <= 12000
    assert found["advice"] == ["short-lifetime"]
    assert quick["ipv4"]["lifetime"] == {"method": "not-tested"}


@pytest.mark.parametrize("args,code,word", [
    (["--timeout", "0", "127.0.0.1"], 64, "a check must end"),
    (["127.0.0.1:x"], 64, "the port is not a number"),
    (["127.0.0.1", "--state", "/tmp"], 64, "not both"),
    (["127.0.0.1", "127.0.0.2"], 64, "too many arguments"),
    (["-6", "127.0.0.1"], 68, "has no IPv6 address"),
    (["-4", "[::1]"], 68, "has no IPv4 address"),
    (["--state", "/nonexistent/x"], 66, "not enrolled"),
    (["no.such.host.invalid", "--timeout", "60s"], None, "no.such.host"),
])
def test_what_cannot_be_checked(args, code, word):
    done = run(None, *args)
    if code:
        assert done.returncode == code, done.stderr
    else:       # a name server may say no, or there may be none
        assert done.returncode in (68, 75)
    assert word in done.stderr
    assert done.stdout == ""


def test_other_commands_know_no_family():
    done = subprocess.run([program("mpp"), "status", "-4"], check=False,
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 64
    assert done.stderr == "mpp: status does not take -4\n"
