# SPDX-License-Identifier: MIT
"""Upstreams of src/dns that are silent, slow, lying, huge or gone; TLS to
them; and none at all, when names are resolved from the root on."""
import contextlib
import os
import random
import re
import socket
import string
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import DEADLINE_S, wait_for
from resolving import (PROBE, Nsd, Probe, Unbound, Zone, dig, free_port, run)

TRUE, FORGED = "198.51.100.1", "203.0.113.66"


def label():
    return "".join(random.choices(string.ascii_lowercase, k=12))


class Liar:
    """A UDP server that passes queries on to a resolver and its answers back,
    altered by `manner`."""

    def __init__(self, behind, manner="honest"):
        self.behind, self.manner = behind, manner
        self.asked = []  # the octets of every query
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            query, to = self.socket.recvfrom(65535)
            if not query:
                return
            self.asked.append(query)
            threading.Thread(target=self.answer, args=(query, to),
                             daemon=True).start()

    def answer(self, query, to):
        manner = getattr(self, f"be_{self.manner}")
        for message in manner(query):
            with contextlib.suppress(OSError):  # the test may be over
                self.socket.sendto(message, to)

    def true(self, query):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(DEADLINE_S)
            s.sendto(query, ("127.0.0.1", self.behind))
            return s.recv(65535)

    def forged(self, query):
        return self.true(query).replace(socket.inet_aton(TRUE),
                                        socket.inet_aton(FORGED))

    def be_honest(self, query):
        yield self.true(query)

    def be_forging(self, query):
        yield self.forged(query)

    def be_silent(self, _query):
        yield from ()

    def be_slow(self, query):
        time.sleep(1)
        yield self.true(query)

    def be_slow_for_some(self, query):
        if b"slow" in query:
            time.sleep(1)
        yield self.true(query)

    def be_of_another_id(self, query):
        lie = self.forged(query)
        yield struct.pack("!H", (lie[0] << 8 | lie[1]) ^ 0x5555) + lie[2:]

    def be_of_another_question(self, query):
        yield self.forged(query).replace(b"\3www", b"\3wxw")

    def be_cut_short(self, query):
        yield self.forged(query)[:40]

    def be_endless(self, query):
        """A pointer to itself where the first record's name is."""
        lie = self.forged(query)
        end = lie.index(b"\0", 12) + 5
        yield lie[:end] + struct.pack("!H", 0xc000 | end) + lie[end + 2:]

    def be_noise(self, _query):
        yield os.urandom(random.randrange(1, 512))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(DEADLINE_S)
        self.socket.close()


class World:
    def __init__(self, folder):
        self.folder = folder
        text = f"www A {TRUE}\n*.any A {TRUE}\n"
        huge = " ".join('"' + "x" * 250 + '"' for _ in range(240))
        some = "".join(f'some TXT "{i} {"y" * 240}"\n' for i in range(40))
        self.root = Zone(folder, ".", "")
        self.plain = Zone(folder, "plain.example",
                          text + f"huge TXT {huge}\n" + some)
        self.good = Zone(folder, "good.example", text).sign()
        self.zones = [self.root, self.plain, self.good]
        self.anchor = folder / "anchor"
        self.anchor.write_text(self.good.anchor)

    def items(self, *ports, **more):
        lines = {"forward": ", ".join(f"127.0.0.1@{p}" for p in ports),
                 "trust_anchor": self.anchor, **more}
        return "".join(f"{k.replace('_', '-')} = {v}\n"
                       for k, v in lines.items())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("dns"))
    with contextlib.ExitStack() as stack:
        w.nsd = stack.enter_context(Nsd(w.folder, w.zones))
        w.server = stack.enter_context(Unbound(
            w.folder, "  module-config: iterator\n",
            "".join(z.stub(w.nsd.port) for z in w.zones)))
        yield w


@contextlib.contextmanager
def asking(world, manner, **items):
    """A probe that asks a liar."""
    with Liar(world.server.port, manner) as liar, \
            Probe(world.folder, world.items(liar.port, **items)) as probe:
        yield liar, probe


def failed(answer):
    """SERVFAIL by the deadline or before, and nothing of what was found."""
    assert (answer.status, answer.ede) == ("SERVFAIL", [22])
    assert answer.sections.keys() <= {"QUESTION"}
    assert FORGED not in answer.text
    return True


def test_a_silent_one_is_servfail_at_the_deadline(world):
    with asking(world, "silent", deadline="600ms") as (liar, probe):
        begin = time.monotonic()
        assert failed(dig(probe.port, "www.plain.example A"))
        assert 0.5 < time.monotonic() - begin < 30
        assert liar.asked
        assert probe.count()["timeout"] == 1


@pytest.mark.parametrize("manner", ["of_another_id", "of_another_question",
                                    "cut_short", "endless", "noise"])
def test_lies_are_not_believed(world, manner):
    with asking(world, manner, deadline="1s") as (liar, probe):
        assert failed(dig(probe.port, "www.plain.example A"))
        assert liar.asked
        count = probe.count()
        assert count["timeout"] + count["failed"] == 1


def test_what_was_forged_would_have_arrived(world):
    """The control of the test above; and of a signed name it is noticed."""
    with asking(world, "forging") as (_, probe):
        answer = dig(probe.port, "www.plain.example A")
        assert FORGED in answer.text and "ad" not in answer.flags
        answer = dig(probe.port, "www.good.example A")
        assert (answer.status, answer.ede) == ("SERVFAIL", [6])
        assert FORGED not in answer.text
        assert probe.count()["bogus"] == 1


def test_a_slow_one_holds_nobody_up(world):
    with asking(world, "slow_for_some") as (_, probe):
        results = {}

        def ask(name):
            results[name] = dig(probe.port, f"{name}.any.plain.example A")
            results[name].at = time.monotonic()

        slow = threading.Thread(target=ask, args=("slow",))
        slow.start()
        wait_for(lambda: _.asked)
        for name in ("a", "b", "c"):
            ask(name)
        slow.join()
        assert all(TRUE in r.text for r in results.values())
        assert results["slow"].at > max(results[n].at for n in "abc")


def test_an_unsigned_answer_for_a_signed_name(world):
    """An upstream that leaves out signatures gets nothing through."""
    unsigned = Zone(world.folder, "good.example", f"www A {FORGED}\n")
    with Nsd(world.folder, [world.root, unsigned]) as nsd, \
            Probe(world.folder, world.items(
                world.server.port,
                stub=f"good.example=127.0.0.1@{nsd.port}")) as probe:
        answer = dig(probe.port, "www.good.example A")
        assert answer.status == "SERVFAIL" and answer.ede == [9]
        assert FORGED not in answer.text
        other = world.folder / "other-anchor"
        other.write_text(world.anchor.read_text().replace("good.", "other."))
        with Probe(world.folder, world.items(
                world.server.port, insecure="good.example",
                trust_anchor=other,
                stub=f"good.example=127.0.0.1@{nsd.port}")) as insecure:
            answer = dig(insecure.port, "www.good.example A +dnssec")
            assert FORGED in answer.text and "ad" not in answer.flags


def test_huge_answers_are_cut(world):
    """A record of 60 kB, and a set of 10 kB that fits."""
    with Probe(world.folder, world.items(world.server.port)) as probe:
        answer = dig(probe.port, "huge.plain.example TXT +bufsize=20000")
        assert answer.status == "NOERROR" and "tc" in answer.flags
        assert answer.records() == []
        answer = dig(probe.port, "some.plain.example TXT +bufsize=20000")
        assert len(answer.records()) == 40, answer.text
        assert "tc" not in answer.flags
        count = probe.count()
        assert (count["resolved"], count["truncated"]) == (2, 1)


def asked(liar, name):
    return sum(name.encode() in q for q in liar.asked)


def test_the_second_is_asked_and_then_the_first_again(world):
    with Liar(world.server.port) as first, Liar(world.server.port) as second, \
            Probe(world.folder, world.items(first.port, second.port,
                                            deadline="1s")) as probe:
        def resolves():
            name = label()
            answer = dig(probe.port, f"{name}.any.plain.example A")
            assert TRUE in answer.text
            return asked(first, name), asked(second, name)

        assert [resolves() for _ in range(3)] == [(1, 0)] * 3
        first.manner = "silent"
        # Three questions wait for it in vain, then it is left alone.
        for _ in range(3):
            at_first, at_second = resolves()
            assert at_first > 0 and at_second > 0
        assert resolves() == (0, 1)
        count = probe.count()
        assert (count["upstream_down"], count["upstream_back"]) == (1, 0)
        assert count["retried"] == 3
        first.manner = "honest"
        wait_for(lambda: probe.count()["upstream_back"] == 1)
        assert resolves() == (1, 0)


def test_more_than_may_be_outstanding(world):
    with asking(world, "silent", outstanding=2, deadline="3s") as (_, probe):
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket(
                socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)]
            for i, s in enumerate(sockets):
                s.settimeout(DEADLINE_S)
                s.sendto(struct.pack("!6H", i, 0x100, 1, 0, 0, 0) +
                         b"\1%c\5plain\7example\0\0\1\0\1" % (97 + i),
                         ("127.0.0.1", probe.port))
                time.sleep(0.1)
            times = []
            for i, s in reversed(list(enumerate(sockets))):
                answer = s.recv(65535)
                assert answer[:2] == struct.pack("!H", i)
                assert answer[3] & 15 == 2
                times.append(time.monotonic())
        assert probe.count()["overload"] == 1
        assert times[0] < min(times[1:])


# ---- TLS ----

def certificate(folder, name, ca=None):
    """A key and a certificate, by an authority or itself."""
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    sign = ["-CA", ca[1], "-CAkey", ca[0]] if ca else []
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
        f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key,
        "-out", cert, *sign)
    return key, cert


# Where the servers for TLS are, which this project's own never are.
THERE = "127.0.0.2"


class Sniffer:
    """Packets of the loopback that hold some octets, from or to THERE."""

    def __init__(self, octets):
        self.octets = octets
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(3))
        self.socket.bind(("lo", 0))
        self.socket.setblocking(False)

    def counts(self):
        """(those with the octets, all)"""
        found, n = 0, 0
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self.socket.recv(65535)
                if socket.inet_aton(THERE) in packet[26:34]:
                    n += 1
                    found += self.octets in packet
        self.socket.close()
        return found, n


@pytest.fixture(scope="module")
def tls(world):
    folder = world.folder
    ca = certificate(folder, "authority.example")
    key, cert = certificate(folder, "resolver.example", ca)
    world.ca = ca[1]
    world.other_ca = certificate(folder, "stranger.example")[1]
    port = free_port()
    with Unbound(folder, f"  module-config: iterator\n"
                 f"  interface: {THERE}@{port}\n  tls-port: {port}\n"
                 f"  tls-service-key: {key}\n  tls-service-pem: {cert}\n",
                 "".join(z.stub(world.nsd.port) for z in world.zones)):
        yield port


def by_tls(world, port, name, ca):
    return Probe(world.folder, world.items(tls="yes", ca=ca, deadline="2s",
                                           forward=f"{THERE}@{port}#{name}"))


def test_by_tls(world, tls):
    """And nothing that is asked can be read on the way."""
    secret = label()
    with by_tls(world, tls, "resolver.example", world.ca) as probe:
        answer = dig(probe.port, "www.good.example A +dnssec")
        assert answer.status == "NOERROR" and "ad" in answer.flags
        assert TRUE in answer.text
        sniffer = Sniffer(secret.encode())
        assert TRUE in dig(probe.port, f"{secret}.any.plain.example A").text
        found, n = sniffer.counts()
        assert found == 0 and n > 0
        answer = dig(probe.port, "some.plain.example TXT +bufsize=20000")
        assert len(answer.records()) == 40


@pytest.mark.parametrize("name,ca", [("another.example", "ca"),
                                     ("resolver.example", "other_ca")])
def test_no_tls_is_no_answer_and_nothing_in_the_clear(world, tls, name, ca):
    secret = label()
    with by_tls(world, tls, name, getattr(world, ca)) as probe:
        sniffer = Sniffer(secret.encode())
        assert failed(dig(probe.port, f"{secret}.any.plain.example A"))
        found, n = sniffer.counts()
        assert found == 0 and n > 0


def test_a_server_that_speaks_no_tls(world):
    """With the control: without TLS it is asked, and seen."""
    secret = label()
    port = free_port()
    with Unbound(world.folder, f"  module-config: iterator\n"
                 f"  interface: {THERE}@{port}\n",
                 "".join(z.stub(world.nsd.port) for z in world.zones)):
        with by_tls(world, port, "resolver.example",
                    "/etc/ssl/certs/ca-certificates.crt") as probe:
            sniffer = Sniffer(secret.encode())
            assert failed(dig(probe.port, f"{secret}.any.plain.example A"))
            found, n = sniffer.counts()
            assert found == 0 and n > 0
        with Probe(world.folder, world.items(
                forward=f"{THERE}@{port}")) as probe:
            sniffer = Sniffer(secret.encode())
            assert TRUE in dig(probe.port,
                               f"{secret}.any.plain.example A").text
            assert sniffer.counts()[0] > 0


# ---- from the root ----

# Any of the root's servers may be asked.
ROOTS = re.findall(r"\s(?:A|AAAA)\s+(\S+)",
                   Path("/usr/share/dns/root.hints").read_text())
ROOT, TLD, LEAF = ROOTS[0], "198.51.100.10", "198.51.100.11"


@pytest.fixture
def alone():
    """A network namespace in which the root's servers are on the
    loopback."""
    name = f"mppdns{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        for address in (*ROOTS, TLD, LEAF):
            run("ip", "-n", name, "addr", "add", address, "dev", "lo",
                *(["nodad"] if ":" in address else []))
        yield ["ip", "netns", "exec", name]
    finally:
        run("ip", "netns", "del", name)


def test_from_the_root_on(tmp_path, alone):
    """Root, example., and zones below it: signed, unsigned, and with a DS of
    another key."""
    def below(name):
        return Zone(tmp_path, f"{name}.example", f"www A {TRUE}\n", LEAF)

    signed, wrong = below("signed").sign(), below("wrong").sign()
    unsigned = below("unsigned")
    wrong_ds = re.sub(r"[0-9a-f]{8}$", "01234567", wrong.anchor, flags=re.M)
    leaf = "".join(f"{z.name}. NS ns.{z.name}.\nns.{z.name}. A {LEAF}\n"
                   for z in (signed, wrong, unsigned))
    tld = Zone(tmp_path, "example", leaf + signed.anchor + wrong_ds,
               TLD).sign()
    root = Zone(tmp_path, ".", f"example. NS ns.example.\n"
                f"ns.example. A {TLD}\n{tld.anchor}", ROOT).sign()
    anchor = tmp_path / "anchor"
    anchor.write_text(root.anchor)
    with contextlib.ExitStack() as stack:
        for zones, address in (([root], ROOTS), ([tld], TLD),
                               ([signed, wrong, unsigned], LEAF)):
            stack.enter_context(Nsd(tmp_path, zones, 53, address, alone))
        probe = stack.enter_context(Probe(tmp_path, f"trust-anchor = {anchor}\n"
                                          "deadline = 30s\n", inside=alone))
        answer = dig(probe.port, "www.signed.example A +dnssec", alone)
        assert TRUE in answer.text and "ad" in answer.flags
        answer = dig(probe.port, "www.unsigned.example A +dnssec", alone)
        assert TRUE in answer.text and "ad" not in answer.flags
        answer = dig(probe.port, "www.wrong.example A +dnssec", alone)
        assert answer.status == "SERVFAIL" and answer.records() == []


# ---- what keeps it from starting ----

@pytest.mark.parametrize("items,says", [
    ("trust-anchor = /nonexistent/anchor\n", "trust-anchor = /nonexistent"),
    ("trust-anchor = {noise}\n", "DS and DNSKEY records"),
    ('trust-anchor = /a"b\n', "without quotes"),
    ("trust-anchor = {anchor}\nforward = 127.0.0.1#a.example\ntls = yes\n"
     "ca = {noise}\n", "certificates in PEM"),
    ("trust-anchor = {anchor}\nforward = 127.0.0.1#a.example\ntls = yes\n"
     "ca = /nonexistent/ca\n", "ca = /nonexistent/ca"),
])
def test_it_does_not_start(tmp_path, world, items, says):
    noise = tmp_path / "noise"
    noise.write_text("example. IN DS what?\n")
    config = tmp_path / "probe.conf"
    config.write_text("[dns]\n" + items.format(noise=noise,
                                               anchor=world.anchor))
    done = subprocess.run([PROBE, config, "127.0.0.1:1"], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL,
                          timeout=DEADLINE_S)
    assert done.returncode == 78 and says in done.stderr
