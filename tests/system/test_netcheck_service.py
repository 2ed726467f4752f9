# SPDX-License-Identifier: MIT
"""mpp netcheck of a real mppd: the NAT behaviour that its four sockets show,
answers of every size, the connection of an enrolled device, its clock, and
what it has learnt."""
import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from conftest import BUILD, DEADLINE_S, ROOT, Mppd, free_port, program

sys.path.insert(0, str(ROOT / "tests" / "netem"))
from nat import INNER_GATE, SERVER, SERVER2, SERVER6, Nat  # noqa: E402
from netem import A, B, Link, inside  # noqa: E402

LINK = BUILD / "netem" / "link"
PORT = 15099
B2 = "10.79.0.3"
ALICE = "alice@example.com"


class There(Mppd):
    """An mppd in a namespace."""

    def __init__(self, folder, namespace, *addresses, stun="", service=""):
        self.namespace = namespace
        listen = " ".join(f"{address}:{PORT}" for address in addresses)
        super().__init__(folder, port=PORT, listen=listen,
                         service=service, limits=f"[stun]\n{stun}\n")

    def spawn(self):
        with open(self.stderr, "a") as err:
            self.process = subprocess.Popen(
                inside(self.namespace, self.program, "-c", self.config),
                stderr=err, stdout=err, stdin=subprocess.DEVNULL)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if self.alive():
            assert self.stop() == 0, self.log
        self.check_sane()


def mpp(namespace, *args, code=0):
    done = subprocess.run(
        inside(namespace, program("mpp"), *args), check=False,
        capture_output=True, text=True, timeout=2 * DEADLINE_S)
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.returncode == code, done.stderr + done.stdout
    return done


def check(namespace, *args, code=0):
    return json.loads(mpp(namespace, "netcheck", *args, "--json",
                          code=code).stdout)


def enroll(mppd, namespace, state, web=None):
    mppd.account(ALICE)
    done = mppd.ctl("invite", ALICE)
    uri = re.search(r"mpp://\S+", done.stdout).group()
    if web:
        uri = uri.replace("#", f"&w={web}#")
    mpp(namespace, "enroll", uri, "--state", state)


ALTERNATE = f"alternate = {SERVER2}:{PORT + 1}"


@pytest.mark.parametrize("kind,mapping,filtering", [
    ("full-cone", "endpoint-independent", "endpoint-independent"),
    ("port-restricted", "endpoint-independent", "address-and-port-dependent"),
    ("symmetric", "address-and-port-dependent", "address-and-port-dependent"),
])
def test_an_mppd_with_two_addresses_names_nats(folder, kind, mapping,
                                               filtering):
    with Nat(kind) as nat, There(folder, nat.server, SERVER,
                                 stun=ALTERNATE) as mppd:
        v4 = check(nat.client, SERVER)["ipv4"]
        counters = mppd.ctl_json("status")["counters"]
    assert v4["alternate"] is True
    assert (v4["mapping"], v4["filtering"]) == (mapping, filtering)
    assert v4["packets"] == {"up": {"passes": 1480}, "down": {"passes": 1480}}
    assert v4["round_trips"]["lost"] == 0
    # What a check sends is within what a service answers.
    assert counters["stun"] > 25
    assert counters["stun_limited"] == 0


def test_the_lifetime_by_an_mppd(folder):
    with Nat("port-restricted", timeout=5) as nat, \
            There(folder, nat.server, SERVER, stun=ALTERNATE):
        lifetime = check(nat.client, SERVER, "--lifetime")["ipv4"]["lifetime"]
    assert lifetime["method"] == "response-port"
    assert 2000 <= lifetime["at_least_ms"] <= 5500
    assert 5000 <= lifetime["less_than_ms"] <= 12000


def test_the_sizes_of_both_ways(folder):
    with Link(LINK, "ab:mtu=1420", "ba:mtu=1280", "seed=1") as link:
        device = json.loads(subprocess.run(
            inside(link.b, "ip", "-j", "addr", "show", "to", B), check=True,
            capture_output=True, text=True).stdout)[0]["ifname"]
        subprocess.run(inside(link.b, "ip", "addr", "add", f"{B2}/24", "dev",
                              device), check=True)
        with There(folder, link.b, B, stun=f"alternate = {B2}:{PORT + 1}"):
            found = check(link.a, B)["ipv4"]
    assert found["local"].startswith(f"{A}:")
    assert found["packets"]["up"] == {"passes": 1420, "fails": 1440}
    down = found["packets"]["down"]
    assert 1260 <= down["passes"] <= 1280 and down["fails"] == 1340


def test_an_enrolled_device_is_told_of_its_connection_and_clock(folder):
    state = folder / "device"
    with Nat("port-restricted") as nat, \
            There(folder, nat.server, SERVER, f"[{SERVER6}]") as mppd:
        enroll(mppd, nat.client, state)
        found = check(nat.client, "--state", state)
        said = mpp(nat.client, "netcheck", "--state", state, "-4").stdout
    assert found["service"] == f"{SERVER}:{PORT}"
    assert found["connection"]["works"] is True
    assert 0 < found["connection"]["after_us"] < DEADLINE_S * 1000000
    # Both are this machine's, and are told in whole seconds.
    assert -2500 <= found["clock_ahead_ms"] <= 2500
    assert found["ipv4"]["udp"] == found["ipv6"]["udp"] == "open"
    assert (found["ipv4"]["nat"], found["ipv6"]["nat"]) == ("yes", "no")
    assert found["ipv4"]["alternate"] is False
    assert found["advice"] == []
    assert "\nconnection    works, after " in said
    assert "\nclock         the service's is " in said
    assert said.endswith("\nIPv6\n  not tested\n\nAll is well.\n")


def test_a_service_without_stun(folder):
    state = folder / "device"
    with Nat("port-restricted") as nat, \
            There(folder, nat.server, SERVER, stun="enabled = no") as mppd:
        enroll(mppd, nat.client, state)
        found = check(nat.client, "--state", state)
        named = check(nat.client, SERVER, "--timeout", "2s", code=75)
    assert found["connection"]["works"] is True
    assert found["ipv4"]["udp"] == "no-answer"
    assert found["advice"] == ["no-stun"]
    assert named["advice"] == ["udp-blocked"]
    assert "connection" not in named


def test_a_removed_device(folder):
    state = folder / "device"
    with Nat("port-restricted") as nat, \
            There(folder, nat.server, SERVER) as mppd:
        enroll(mppd, nat.client, state)
        assert mppd.ctl("account", "remove", ALICE, "--yes").returncode == 0
        found = check(nat.client, "--state", state)
        said = mpp(nat.client, "netcheck", "--state", state).stdout
    assert found["connection"]["works"] is False
    assert found["advice"] == ["no-connection"]
    assert found["ipv4"]["udp"] == "open"
    assert f"\nconnection    {found['connection']['why']}" in said


def test_without_udp_a_device_is_not_connected(folder):
    state = folder / "device"
    with Nat("port-restricted") as nat, \
            There(folder, nat.server, SERVER) as mppd:
        enroll(mppd, nat.client, state)
        nat.load("chain fw {\n type filter hook forward priority 10;\n"
                 " meta l4proto udp drop\n}")
        found = check(nat.client, "--state", state, code=75)
    assert found["connection"]["works"] is False
    assert found["ipv4"]["udp"] == "no-answer"
    assert found["advice"] == ["udp-blocked"]


def fingerprint(namespace, key):
    """That of the network, as a device makes it: the first octets of HMAC over
    family, interface, gateway and its hardware address."""
    arp = subprocess.run(inside(namespace, "cat", "/proc/net/arp"), check=True,
                         capture_output=True, text=True).stdout
    mac = re.search(rf"^{re.escape(INNER_GATE)} .*?((\w\w:){{5}}\w\w)", arp,
                    re.M).group(1)
    gate = bytes(map(int, INNER_GATE.split(".")))
    data = (b"\4" + b"inner".ljust(16, b"\0") + gate.ljust(16, b"\0") +
            mac.encode().ljust(64, b"\0"))
    return hmac.new(key, data, hashlib.sha512).digest()[:8]


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize("right", [True, False])
def test_what_was_learnt_in_this_network_is_said(folder, right):
    state = folder / "device"
    key = bytes(range(1, 33))
    with Nat("port-restricted") as nat, \
            There(folder, nat.server, SERVER) as mppd:
        enroll(mppd, nat.client, state)
        network = fingerprint(nat.client, key if right else key[::-1])
        path = state / "device.json"
        document = json.loads(path.read_text())
        document["Keepalive"] = {
            "Key": b64(key), "Learnt": [
                {"Network": b64(network), "Low": 21000, "High": 28000}]}
        path.write_text(json.dumps(document))
        found = check(nat.client, "--state", state)
        said = mpp(nat.client, "netcheck", "--state", state).stdout
    if right:
        assert found["ipv4"]["lifetime"] == {
            "method": "learnt", "at_least_ms": 21000, "less_than_ms": 28000}
        assert found["advice"] == ["short-lifetime"]
        assert ("lifetime    between 21 s and 28 s, learnt by this device in "
                "this network\n") in said
    else:
        assert found["ipv4"]["lifetime"] == {"method": "not-tested"}


WEB = f"[web]\nlisten = 127.0.0.1:{PORT}\n"
WEB_URL = f"http://127.0.0.1:{PORT}"
DROP_UDP = """table inet fw {
 chain in {
  type filter hook input priority 0;
  meta l4proto udp drop
 }
}
"""


def test_the_web_service_where_udp_is_blocked(folder):
    """Service and device in one namespace, because plain HTTP is good on the
    loopback only."""
    state = folder / "device"
    with Nat("none") as nat, \
            There(folder, nat.client, "127.0.0.1", service=WEB) as mppd:
        enroll(mppd, nat.client, state, WEB_URL)
        before = check(nat.client, "--state", state)
        said = mpp(nat.client, "netcheck", "--state", state).stdout
        subprocess.run(inside(nat.client, "nft", "-f", "-"), check=True,
                       input=DROP_UDP, text=True, timeout=DEADLINE_S)
        after = check(nat.client, "--state", state)
    url = f"{WEB_URL}/.well-known/mmmpresence"
    assert before["web"]["url"] == url
    assert before["web"]["works"] is True
    assert before["advice"] == []
    assert re.search(rf"\nweb +works, after [0-9.]+ ms: {url}\n", said)
    assert after["web"]["works"] is True
    assert after["ipv4"]["udp"] == "no-answer"
    assert after["advice"] == ["udp-blocked-web"]


class Other(BaseHTTPRequestHandler):
    """What is no service of ours."""

    def do_POST(self):  # pylint: disable=invalid-name
        self.send_response(302)
        self.send_header("Location", WEB_URL)
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.mark.parametrize("there", [True, False])
def test_a_web_service_that_is_none(mppd, folder, there):
    state = folder / "device"
    mppd.account(ALICE)
    server = HTTPServer(("127.0.0.1", 0), Other)
    port = server.server_port if there else free_port()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        uri = re.search(r"mpp://\S+", mppd.ctl("invite", ALICE).stdout).group()
        uri = uri.replace("#", f"&w=http://127.0.0.1:{port}#")
        for args in (["enroll", uri], ["netcheck", "--json"]):
            done = subprocess.run(
                [program("mpp"), *args, "--state", state], check=False,
                capture_output=True, text=True, timeout=DEADLINE_S)
            assert done.returncode == 0, done.stderr
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    found = json.loads(done.stdout)
    assert found["web"]["works"] is False
    why = found["web"]["why"]
    assert why == "answers 302, which the service does not" if there \
        else "onnect" in why
    assert "web-dead" in found["advice"]
