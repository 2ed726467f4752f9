# SPDX-License-Identifier: MIT
"""Answers of src/dns, against those of unbound that asks the same resolver.

dns_probe has src/dns behind a UDP port, so that dig can ask both the same."""
import contextlib
import random
import re
import string
import time
from pathlib import Path

import pytest
from resolving import Nsd, Probe, Unbound, Zone, dig, dig_all

# Who tampers with signed zones, and what becomes of it: the name, what is
# done, and the extended error.
FORGED = "203.0.113.66"
BAD = {
    "tampered.example": 6,
    "expired.example": 7,
    "future.example": 8,
    "wrongds.example": 9,
    "nokeys.example": 9,
    "nosigs.example": 10,
    "nodenial.example": 12,
}
WWW = "www A 198.51.100.1\n"
# As a program asks that knows nothing newer than RFC 1035.
PLAIN = "+noedns +noadflag"


def label():
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=9))


# Every kind of record that rebuilding an answer treats in its own way, and
# some that it does not know.
KINDS = [
    ("A", "198.51.100.7"), ("AAAA", "2001:db8::7"), ("TXT", '"a" "b c"'),
    ("MX", "10 mail"), ("SRV", "0 5 4433 srv"), ("PTR", "target.elsewhere."),
    ("NAPTR", '10 20 "u" "E2U+sip" "!^.*$!sip:a@b!" .'),
    ("CAA", '0 issue "ca.example"'), ("TLSA", "3 1 1 " + "ab" * 32),
    ("SSHFP", "4 2 " + "cd" * 32), ("HINFO", '"A" "B"'), ("RP", "mbox txt"),
    ("AFSDB", "1 afs"), ("KX", "5 kx"), ("RT", "5 rt"),
    ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"),
    ("SVCB", "1 svc alpn=h2 ipv4hint=198.51.100.9 ipv6hint=2001:db8::9"),
    ("HTTPS", "1 . alpn=h3"), ("SPF", '"v=spf1"'),
    ("CNAME", "www"), ("CNAME", "www.plain.example."),
    ("CNAME", "nowhere"), ("CNAME", "www.tampered.example."),
    ("DNAME", "plain.example."), ("TYPE65333", "\\# 4 01020304"),
]


def records(count):
    """Lines of a zone, and the names and types that are in them."""
    lines, names = [], []
    for i in range(count):
        kind, data = KINDS[i % len(KINDS)]
        name = label()
        lines.append(f"{name} {kind} {data}")
        names.append((name, kind))
    return "\n".join(lines) + "\n", names


class World:
    """All servers, and what stands in the zones."""

    def __init__(self, folder):
        self.folder = Path(folder)
        text, self.names = records(75)
        many = "".join(f"many A 198.51.100.{i}\n" for i in range(1, 61))
        self.good = Zone(folder, "good.example", WWW + text + many + (
            "www AAAA 2001:db8::1\n*.wild TXT \"any\"\n"
            "deep.empty.non.terminal A 198.51.100.2\n"
            "private A 192.168.1.1\n")).sign()
        self.n3 = Zone(folder, "nsec3.example",
                       WWW + text + "*.wild TXT \"any\"\n").sign(nsec3=True)
        self.plain = Zone(folder, "plain.example", WWW + text)
        # Nobody has to be asked who is not here.
        self.root = Zone(folder, ".", "")
        self.zones = [self.root, self.good, self.n3, self.plain] + self.bad()
        self.anchor = self.folder / "anchor"
        self.anchor.write_text("".join(map(self.anchor_of, self.zones)))

    def bad(self):
        f = self.folder
        new = {name: Zone(f, name, WWW) for name in BAD}
        new["expired.example"].sign(-30, -2)
        new["future.example"].sign(2, 30)
        for name in ("tampered", "wrongds", "nokeys", "nosigs", "nodenial"):
            new[name + ".example"].sign()
        new["tampered.example"].alter(r"^(www.*)198\.51\.100\.1$",
                                      rf"\g<1>{FORGED}")
        new["nokeys.example"].alter(r"^nokeys\.example\.\s.*DNSKEY.*\n", "")
        new["nosigs.example"].alter(r"^www.*RRSIG\s+A .*\n", "")
        new["nodenial.example"].alter(r"^.*\sNSEC\s.*\n", "")
        return list(new.values())

    @staticmethod
    def anchor_of(zone):
        if zone.name != "wrongds.example":
            return zone.anchor
        return re.sub(r"[0-9a-f]{8}$", "01234567", zone.anchor, flags=re.M)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("dns"))
    with contextlib.ExitStack() as stack:
        w.nsd = stack.enter_context(Nsd(w.folder, w.zones))
        w.plain_server = stack.enter_context(Unbound(
            w.folder, "  module-config: iterator\n",
            "".join(z.stub(w.nsd.port) for z in w.zones)))
        forward = f"127.0.0.1@{w.plain_server.port}"
        w.judge = stack.enter_context(Unbound(
            w.folder, f"  ede: yes\n  val-log-level: 2\n"
            f"  trust-anchor-file: {w.anchor}\n",
            f"forward-zone:\n  name: .\n  forward-addr: {forward}\n"))
        w.items = f"forward = {forward}\ntrust-anchor = {w.anchor}\n"
        w.probe = stack.enter_context(Probe(w.folder, w.items))
        yield w


def compare(world, questions):
    """Ask both; the first ask of each fills the caches."""
    mine = dig_all(world.probe.port, questions)
    right = dig_all(world.judge.port, questions)
    wrong = [f"{q}\n  unbound {r.seen()}\n  here    {m.seen()}"
             for q, m, r in zip(questions, mine, right)
             if m.seen() != r.seen() or r.status == "NONE"]
    assert not wrong, "\n".join(wrong)
    return mine


def every_question(world):
    """More than 500, nearly all of names that were made at start."""
    out = []
    for zone in (world.good, world.n3, world.plain):
        for i, (name, kind) in enumerate(world.names):
            option = ("+dnssec", "", "+adflag", "+cd", PLAIN)
            full = f"{name}.{zone.name}"
            out.append(f"{full} {kind} {option[i % 5]}")
            other = {"CNAME": "A", "DNAME": "A"}.get(
                kind, random.choice(["A", "TXT", "MX"]))
            below = "www." if kind == "DNAME" else ""
            out.append(f"{below}{full} {other} {option[(i + i // 25 + 1) % 5]}")
        for option in ("+dnssec", "", PLAIN):
            for rest in ("SOA", "NS", "DNSKEY", "DS", "NSEC", "NSEC3PARAM",
                         "A"):
                out.append(f"{zone.name} {rest} {option}")
            for name in (label(), f"{label()}.wild", "wild", "WWW",
                         "empty.non.terminal", f"{label()}.{label()}"):
                out.append(f"{name}.{zone.name} TXT {option}")
    return out


def test_five_hundred_names_and_types(world):
    questions = every_question(world)
    assert len(questions) >= 500
    answers = compare(world, questions)
    # All kinds of answers were among them.
    assert sum(a.edns is None for a in answers) > 50
    assert sum("ad" in a.flags for a in answers) > 50
    assert {a.status for a in answers} >= {"NOERROR", "NXDOMAIN", "SERVFAIL"}
    assert sum("tc" in a.flags for a in answers) == 0


@pytest.mark.parametrize("name,ede", BAD.items())
def test_bogus_names_say_why(world, name, ede):
    kind = "MX" if name == "nodenial.example" else "A"
    answer, = compare(world, [f"www.{name} {kind} +dnssec"])
    assert (answer.status, answer.ede) == ("SERVFAIL", [ede])
    assert answer.sections.keys() <= {"QUESTION"}


def test_forged_data_never_reaches_a_device(world):
    question = "www.tampered.example A"
    for option in ("", "+dnssec", "+adflag", PLAIN, "+dnssec"):
        answer = dig(world.probe.port, f"{question} {option}")
        assert answer.status == "SERVFAIL"
        assert FORGED not in answer.text
        assert answer.records() == [] and "ad" not in answer.flags
    # By a name of a zone that is good, too.
    alias = next(n for n, k in zip(world.names, KINDS * 9)
                 if k[1] == "www.tampered.example.")[0]
    answer = dig(world.probe.port, f"{alias}.plain.example A")
    assert answer.status == "SERVFAIL" and FORGED not in answer.text
    # It is there for those who validate for themselves.
    answer = dig(world.probe.port, f"{question} +cd")
    assert answer.status == "NOERROR" and FORGED in answer.text
    assert "ad" not in answer.flags


def test_private_addresses_of_public_names(world):
    with Probe(world.folder, world.items + "private-ok = good.example\n") as ok:
        question = "private.good.example A"
        assert dig(ok.port, question).records() == \
            ["private.good.example. IN A 192.168.1.1"]
        answer = dig(world.probe.port, question)
        assert (answer.status, answer.ede) == ("REFUSED", [15])
        assert "192.168" not in answer.text
        answer = dig(world.probe.port, f"{question} +cd")
        assert "192.168" not in answer.text
        assert world.probe.count()["blocked"] == 2
        assert ok.count()["blocked"] == 0


def test_what_is_not_resolved(world):
    for question, status, ede in (
            ("localhost A", "NXDOMAIN", [15]),
            ("a.onion A", "NXDOMAIN", [15]),
            ("1.1.168.192.in-addr.arpa PTR", "NXDOMAIN", [15]),
            ("www.good.example TYPE253", "NOTIMP", [21]),
            ("www.good.example A +norec", "REFUSED", [20]),
            ("version.bind TXT CH", "REFUSED", [21]),
            ("www.good.example A +edns=1 +noednsneg", "BADVERS", [])):
        answer = dig(world.probe.port, question)
        assert (question, answer.status, answer.ede) == (question, status, ede)


def test_long_answers_are_cut_with_tc(world):
    """60 addresses and their signature need more than 512 octets."""
    for size in (512, 900, 1400):
        answer = dig(world.probe.port, f"many.good.example A +bufsize={size}")
        whole = len(answer.records()) == 60
        assert whole != ("tc" in answer.flags)
        assert len(answer.records()) in (0, 60)
        received = int(re.search(r"MSG SIZE\s+rcvd: (\d+)", answer.text)[1])
        assert received <= size
    assert world.probe.count()["truncated"] == 2


def test_an_hour_of_another_clock_changes_nothing(world):
    """Validation is by the service's clock; the time that src/dns is told is
    for deadlines only."""
    with Probe(world.folder, world.items, shift=40 * 365 * 86400) as p:
        answer = dig(p.port, "www.good.example A +dnssec")
        assert answer.status == "NOERROR" and "ad" in answer.flags
        answer = dig(p.port, "www.expired.example A")
        assert (answer.status, answer.ede) == ("SERVFAIL", [7])
