# SPDX-License-Identifier: MIT
"""A NAT between two network namespaces, by nftables. Needs root.

    with Nat("full-cone") as nat:
        ... inside(nat.client, ...) at INNER, inside(nat.server, ...) at
        SERVER and SERVER2

The server side has no route to the inner network: what is not translated is
not answered."""
import subprocess
import uuid

from netem import inside

INNER, INNER_GATE = "10.77.1.2", "10.77.1.1"
OUTER = "10.77.2.1"
SERVER, SERVER2 = "10.77.2.2", "10.77.2.3"
INNER6, INNER_GATE6 = "fd77:1::2", "fd77:1::1"
SERVER6, OUTER6 = "fd77:2::2", "fd77:2::1"

MASQUERADE = """
 chain post {
  type nat hook postrouting priority 100;
  oif wan masquerade %s
 }
"""
# Whatever comes to a port that was used goes to who used it.
FULL_CONE = """
 map used {
  type inet_service : ipv4_addr . inet_service
  flags dynamic,timeout
  timeout %ds
 }
 chain seen {
  type filter hook forward priority 0;
  iif lan meta l4proto udp update @used { udp sport : ip saddr . udp sport }
 }
 chain pre {
  type nat hook prerouting priority -100;
  iif wan meta l4proto udp dnat ip to udp dport map @used
 }
"""
# The same from hosts that were spoken to.
ADDRESS_RESTRICTED = """
 map used {
  type ipv4_addr . inet_service : ipv4_addr . inet_service
  flags dynamic,timeout
  timeout %ds
 }
 chain seen {
  type filter hook forward priority 0;
  iif lan meta l4proto udp update @used { ip daddr . udp sport : ip saddr . udp sport }
 }
 chain pre {
  type nat hook prerouting priority -100;
  iif wan meta l4proto udp dnat ip to ip saddr . udp dport map @used
 }
"""
NO_UDP = """
 chain fw {
  type filter hook forward priority 10;
  meta l4proto udp drop
 }
"""


def rules(kind, timeout):
    """What stands in the table of a kind of NAT."""
    return {
        "full-cone": FULL_CONE % timeout + MASQUERADE % "",
        "address-restricted": ADDRESS_RESTRICTED % timeout + MASQUERADE % "",
        "port-restricted": MASQUERADE % "",
        "symmetric": MASQUERADE % "fully-random",
        "none": "",
        "no-udp": NO_UDP + MASQUERADE % "",
    }[kind]


class Nat:
    """The namespaces client, nat and server, and what is between them."""

    def __init__(self, kind, timeout=120):
        word = uuid.uuid4().hex[:8]
        self.kind, self.timeout = kind, timeout
        self.client, self.nat, self.server = (
            f"mpp-{end}{word}" for end in "cns")
        self.made = []

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self._remove()

    def _make(self):
        for name in (self.client, self.nat, self.server):
            run("ip", "netns", "add", name)
            self.made.append(name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self._join(self.client, "inner", "lan")
        self._join(self.server, "outer", "wan")
        self._address(self.client, "inner", f"{INNER}/24", f"{INNER6}/64")
        self._address(self.nat, "lan", f"{INNER_GATE}/24", f"{INNER_GATE6}/64")
        self._address(self.nat, "wan", f"{OUTER}/24", f"{OUTER6}/64")
        self._address(self.server, "outer", f"{SERVER}/24", f"{SERVER2}/24",
                      f"{SERVER6}/64")
        run("ip", "-n", self.client, "route", "add", "default", "via",
            INNER_GATE)
        run("ip", "-n", self.client, "-6", "route", "add", "default", "via",
            INNER_GATE6)
        if self.kind == "none":
            run("ip", "-n", self.server, "route", "add", f"{INNER}/32", "via",
                OUTER)
        # IPv6 is not translated.
        run("ip", "-n", self.server, "-6", "route", "add", f"{INNER6}/128",
            "via", OUTER6)
        self._forward()

    def _forward(self):
        run(*inside(self.nat, "sysctl", "-qw", "net.ipv4.ip_forward=1",
                    "net.ipv6.conf.all.forwarding=1",
                    f"net.netfilter.nf_conntrack_udp_timeout={self.timeout}",
                    "net.netfilter.nf_conntrack_udp_timeout_stream="
                    f"{self.timeout}"))
        self.load(rules(self.kind, self.timeout))

    def load(self, text, table="ip nat"):
        """Put chains into a table of the NAT."""
        run(*inside(self.nat, "nft", "-f", "-"),
            data=f"table {table} {{\n{text}\n}}\n")

    def _join(self, namespace, name, peer):
        run("ip", "link", "add", name, "netns", namespace, "type", "veth",
            "peer", "name", peer, "netns", self.nat)
        run("ip", "-n", namespace, "link", "set", name, "up")
        run("ip", "-n", self.nat, "link", "set", peer, "up")

    @staticmethod
    def _address(namespace, device, *addresses):
        for address in addresses:
            # No duplicate address detection: it would take a second.
            run("ip", "-n", namespace, "addr", "add", address, "dev", device,
                *(["nodad"] if ":" in address else []))

    def _remove(self):
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def run(*command, data=None):
    subprocess.run(command, check=True, input=data, text=True, timeout=60)
