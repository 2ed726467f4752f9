# SPDX-License-Identifier: MIT
"""Names by the service: mpp dig and mpp dns-stub against a real mppd, which
asks a real nsd; and dig, which asks the stub."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from conftest import BUILD, DEADLINE_S, Mppd, free_port, program, wait_for
from resolving import Answer, Nsd, Zone, dig
from test_client import enroll, invite, mpp

FORGED = "203.0.113.66"
LONG = [f'long TXT "{i:03d}{"x" * 180}"' for i in range(40)]
PLAIN = "www A 198.51.100.1\nwww AAAA 2001:db8::1\n" + "\n".join(LONG) + "\n"
# Whoever asks there gets no answer.
SILENT = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SILENT.bind(("127.0.0.1", 0))
QUERY = bytes.fromhex("0100000100000000000003777777057369676e65076578616d706c65"
                      "0000010001")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("names")


@pytest.fixture(scope="module")
def nsd(place):
    signed = Zone(place, "signe.example", PLAIN).sign()
    bad = Zone(place, "bad.example", "www A 198.51.100.1\n").sign()
    bad.alter(r"(IN\s+A\s+)198\.51\.100\.1$", rf"\g<1>{FORGED}")
    plain = Zone(place, "plain.example", PLAIN)
    reverse = Zone(place, "100.51.198.in-addr.arpa", "1 PTR www.signe.example.\n")
    (place / "anchors").write_text(signed.anchor + bad.anchor)
    with Nsd(place, [signed, bad, plain, reverse]) as server:
        yield server


def dns_section(place, port):
    zones = ("signe.example", "bad.example", "plain.example",
             "100.51.198.in-addr.arpa")
    stubs = " ".join(f"{zone}=127.0.0.1@{port}" for zone in zones)
    stubs += f" silent.example=127.0.0.1@{SILENT.getsockname()[1]}"
    return (f"[dns]\nenabled = yes\ntrust-anchor = {place}/anchors\n"
            f"stub = {stubs}\n")


@pytest.fixture(scope="module")
def service(place, nsd):
    folder = place / "d"
    folder.mkdir()
    daemon = Mppd(folder, limits="resolves-per-second = 200\nrequests = 1000\n"
                  "requests-burst = 10000\nhandshakes = 10000\n"
                  + dns_section(place, nsd.port)).start()
    daemon.account()
    enroll(daemon, place / "device")
    enroll(daemon, place / "stub")
    yield daemon
    if daemon.alive():
        assert daemon.stop() == 0
    daemon.check_sane()


def ask(place, *args, code=0):
    done = mpp("dig", "--state", place / "device", *args)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


class Stub:
    """mpp dns-stub on a free port."""

    def __init__(self, state, *args, listen=None):
        listen = listen or (f"127.0.0.1:{free_port()}",)
        where = [w for at in listen for w in ("--listen", at)]
        self.process = subprocess.Popen(
            [program("mpp"), "dns-stub", "--json", "--state", str(state),
             *where, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        self.events = []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        self.port = int(self.wait("listening")["address"].rsplit(":", 1)[1])

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def wait(self, kind, count=1):
        def found():
            rows = [e for e in list(self.events) if e["event"] == kind]
            return rows[count - 1] if len(rows) >= count else None
        return wait_for(found)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        self.thread.join(DEADLINE_S)
        assert code == 0, self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.end()

    def tcp(self):
        sock = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        sock.settimeout(DEADLINE_S)
        return sock

    def udp(self, message, seconds=DEADLINE_S):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(seconds)
            sock.sendto(message, ("127.0.0.1", self.port))
            try:
                return sock.recv(65535)
            except TimeoutError:
                return None


@pytest.fixture(scope="module")
def stub(service, place):
    with Stub(place / "stub") as running:
        running.wait("connected")
        yield running


def message(number, rest=QUERY):
    return struct.pack("!H", number) + rest


def framed(text):
    return struct.pack("!H", len(text)) + text


def read_framed(sock):
    def exactly(n):
        out = b""
        while len(out) < n:
            more = sock.recv(n - len(out))
            if not more:
                return None
            out += more
        return out
    head = exactly(2)
    return head and exactly(struct.unpack("!H", head)[0])


# ---- mpp dig ----

def test_dig_prints_as_dig_does(service, place):
    got = Answer(ask(place, "www.signe.example"))
    assert got.status == "NOERROR"
    assert got.flags == {"qr", "rd", "ra", "ad"}
    assert got.records() == ["www.signe.example. IN A 198.51.100.1"]
    assert re.search(r"^;www\.signe\.example\.\s+IN\s+A$", got.text, re.M)
    assert re.search(r"^;; Query time: \d+ msec$", got.text, re.M)
    assert "RRSIG" not in got.text
    got = Answer(ask(place, "www.signe.example", "AAAA", "+dnssec"))
    assert "www.signe.example. IN AAAA 2001:db8::1" in got.records()
    assert "RRSIG" in got.text and "do" in got.edns.group(1)


def test_dig_tells_secure_insecure_and_bogus_apart(service, place):
    assert "ad" not in Answer(ask(place, "www.plain.example")).flags
    bogus = Answer(ask(place, "www.bad.example"))
    assert (bogus.status, bogus.ede) == ("SERVFAIL", [6])
    assert FORGED not in bogus.text and not bogus.records()
    unchecked = Answer(ask(place, "www.bad.example", "+cd"))
    assert FORGED in unchecked.text and "ad" not in unchecked.flags
    none = Answer(ask(place, "none.signe.example"))
    assert none.status == "NXDOMAIN"
    assert "SOA" in "".join(none.records("AUTHORITY"))


DECADE_S = 10 * 365 * 86400


@pytest.mark.parametrize("behind", [DECADE_S, -DECADE_S],
                         ids=["behind", "ahead"])
def test_a_device_whose_clock_is_wrong(service, tmp_path, behind):
    """It connects, and gets what was validated by the service's clock: the
    signatures hold for a month. netcheck says what is wrong."""
    shim = BUILD / "recorder" / "wrongclock.so"
    options = os.environ.get("ASAN_OPTIONS", "")
    env = {**os.environ, "LD_PRELOAD": str(shim.resolve()),
           "MPP_CLOCK_BEHIND": str(behind),
           "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}
    state = ("--state", tmp_path / "device")
    assert shim.exists()
    done = mpp("enroll", invite(service), *state, env=env)
    assert done.returncode == 0, done.stderr
    good = Answer(mpp("dig", *state, "www.signe.example", env=env).stdout)
    assert good.status == "NOERROR" and "ad" in good.flags
    bad = Answer(mpp("dig", *state, "www.bad.example", env=env).stdout)
    assert (bad.status, bad.ede) == ("SERVFAIL", [6])
    report = json.loads(mpp("netcheck", "--json", *state, env=env).stdout)
    assert abs(report["clock_ahead_ms"] / 1000 - behind) < 60
    assert "clock" in report["advice"]


def test_dig_in_short_and_in_reverse(service, place):
    assert ask(place, "www.signe.example", "AAAA", "+short") == "2001:db8::1\n"
    assert ask(place, "-x", "198.51.100.1", "--short") == "www.signe.example.\n"
    assert len(ask(place, "long.plain.example", "TXT", "+short")) > 40 * 180


def test_dig_as_json(service, place):
    got = json.loads(ask(place, "www.signe.example", "--json"))
    assert got["event"] == "resolved" and got["status"] == "NOERROR"
    assert "ad" in got["flags"]
    assert got["question"] == [{"name": "www.signe.example.", "type": "A"}]
    assert got["answer"][0]["data"] == "198.51.100.1"
    bogus = json.loads(ask(place, "www.bad.example", "--json"))
    assert bogus["edns"]["ede"][0]["code"] == 6
    assert bogus["edns"]["ede"][0]["name"] == "DNSSEC Bogus"
    long = json.loads(ask(place, "long.signe.example", "TXT", "--json"))
    assert len(long["answer"]) == 40 and long["octets"] > 7000


@pytest.mark.parametrize("args, said", [
    ((), "the name is missing"),
    (("a..b",), "no name of the DNS"),
    (("x" * 64 + ".example",), "no name of the DNS"),
    (("a.example", "NONSENSE"), "no type"),
    (("a.example", "A", "B"), "too many arguments"),
    (("-x", "a.example"), "no address"),
    (("@127.0.0.1", "a.example"), "no other"),
    (("a.example", "+trace"), "only +short"),
    (("a.example", "--listen", "127.0.0.1:1"), "does not take --listen")])
def test_dig_refuses(service, place, args, said):
    assert said in ask(place, *args, code=64)


def test_dig_where_no_names_are_resolved(mppd, folder):
    mppd.account()
    enroll(mppd, folder / "device")
    done = mpp("dig", "www.example", "--state", folder / "device")
    assert done.returncode == 77
    assert "resolves no names" in done.stderr
    assert "dns" not in mppd.ctl_json("status")


def test_what_is_counted(service, place):
    def counts():
        status = service.ctl_json("status")
        return status["counters"]["resolves_answered"], status["dns"]["bogus"]
    before = counts()
    ask(place, "www.bad.example")
    after = counts()
    assert after == (before[0] + 1, before[1] + 1)


def test_a_resolver_that_is_silent(service, place):
    """The device hears of it in time: SERVFAIL, and why."""
    got = Answer(ask(place, "www.silent.example", "--timeout", "30s"))
    assert got.status == "SERVFAIL" and got.ede == [22]


# ---- mpp dns-stub ----

@pytest.mark.parametrize("options", ["", "+tcp", "+noedns", "+dnssec",
                                     "+tcp +noedns"])
@pytest.mark.parametrize("name", [
    "www.signe.example A", "www.plain.example AAAA", "none.signe.example A",
    "www.bad.example A", "www.signe.example MX"])
def test_programs_ask_the_stub(stub, place, name, options):
    """What dig is told by the stub is what mpp dig is told."""
    got = run_dig(stub, f"{name} {options}")
    own = Answer(ask(place, *name.split(),
                     *(["+dnssec"] if "dnssec" in options else [])))
    def solid(answer):
        """dig puts blanks into signatures."""
        return sorted("".join(r.split()) for r in answer.records())
    assert (got.status, solid(got)) == (own.status, solid(own))
    assert (got.edns is None) == ("+noedns" in options)
    if "+noedns" not in options:
        assert got.ede == own.ede


def run_dig(stub, line):
    done = subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(stub.port), "+tries=1", "+time=20",
         "+nocookie", *line.split()], capture_output=True, text=True,
        timeout=DEADLINE_S)
    return Answer(done.stdout)


def test_long_answers_are_cut_for_udp_and_whole_by_tcp(stub):
    cut = run_dig(stub, "long.signe.example TXT +bufsize=1232 +ignore")
    assert "tc" in cut.flags and not cut.records()
    bare = run_dig(stub, "long.signe.example TXT +noedns +ignore")
    assert "tc" in bare.flags and bare.edns is None
    whole = run_dig(stub, "long.signe.example TXT +tcp")
    assert "tc" not in whole.flags and len(whole.records()) == 40
    udp = run_dig(stub, "long.signe.example TXT +bufsize=16000 +notcp")
    assert "tc" not in udp.flags and len(udp.records()) == 40


def test_pipelined_questions_have_their_own_answers(stub):
    with stub.tcp() as sock:
        sock.sendall(b"".join(framed(message(n)) for n in range(100, 140)))
        got = [read_framed(sock) for _ in range(40)]
        ids = sorted(struct.unpack("!H", g[:2])[0] for g in got)
        assert ids == list(range(100, 140))
        assert all(g[3] & 15 == 0 for g in got)
        # The same in pieces, on the same connection.
        for octet in framed(message(7)):
            sock.sendall(bytes([octet]))
            time.sleep(0.001)
        assert read_framed(sock)[:2] == b"\0\7"


def test_a_peer_that_says_no_more_gets_its_answers(stub):
    with stub.tcp() as sock:
        sock.sendall(framed(message(9)))
        sock.shutdown(socket.SHUT_WR)
        assert read_framed(sock)[:2] == b"\0\x09"
        assert sock.recv(1) == b""


@pytest.mark.parametrize("rest, code", [
    (QUERY[:-1], 1),                                   # cut short
    (QUERY + b"x", 1),                                 # more behind it
    (QUERY[:2] + b"\0\2" + QUERY[4:], 1),              # two questions
    (QUERY[:2] + b"\0\0" + QUERY[4:10], 1),            # none
    (QUERY[:10] + b"\xc0\x0c\0\1\0\1", None),          # a name in itself
    (b"\x28" + QUERY[1:], 4),                          # UPDATE
    (QUERY[:10] + b"\x3f" + QUERY[11:], 1),            # a label that lies
])
def test_bad_queries_get_an_error(stub, rest, code):
    got = stub.udp(message(0x1234, rest))
    assert got[:2] == b"\x12\x34" and got[2] & 0x80
    assert code is None or got[3] & 15 == code
    with stub.tcp() as sock:
        sock.sendall(framed(message(0x1235, rest)))
        assert read_framed(sock)[:2] == b"\x12\x35"


def test_answers_are_never_answered(stub):
    assert stub.udp(message(1, b"\x81" + QUERY[1:]), seconds=0.5) is None
    assert stub.udp(b"\0\1\1", seconds=0.5) is None
    with stub.tcp() as sock:
        sock.sendall(framed(message(1, b"\x81" + QUERY[1:])))
        assert sock.recv(1) == b""
    assert stub.udp(message(1)) is not None


def test_a_length_that_lies_ends_the_connection(stub):
    with stub.tcp() as sock:
        sock.sendall(b"\xff\xff" + b"x" * 100)
        assert sock.recv(1) == b""
    assert stub.udp(message(1)) is not None


def test_more_connections_than_there_is_room_for(stub):
    many = [stub.tcp() for _ in range(100)]
    try:
        many[-1].sendall(framed(message(5)))
        assert read_framed(many[-1])[:2] == b"\0\5"
    finally:
        for sock in many:
            sock.close()


def test_who_sends_nothing_whole_is_closed(stub):
    with stub.tcp() as sock:
        begin = time.monotonic()
        sock.sendall(b"\0")
        assert sock.recv(1) == b""
        assert time.monotonic() - begin > 8


def test_a_service_that_is_away(place, nsd, mppd_factory, tmp_path):
    """SERVFAIL at once, not silence; and names again when it is back."""
    daemon = mppd_factory(limits=dns_section(place, nsd.port)).start()
    daemon.account()
    enroll(daemon, tmp_path / "device")
    with Stub(tmp_path / "device") as own:
        own.wait("connected")
        assert run_dig(own, "www.signe.example A").status == "NOERROR"
        daemon.kill9()
        begin = time.monotonic()
        got = run_dig(own, "www.signe.example A")
        assert got.status == "SERVFAIL" and got.ede == [23]
        assert time.monotonic() - begin < 15
        daemon.start()
        own.wait("connected", 2)
        assert run_dig(own, "www.signe.example A").status == "NOERROR"


def test_the_stub_beside_other_programs(place, nsd, mppd_factory,
                                        tmp_path):
    """What a device asks beside it does not displace it, nor raise the alarm
    of a copied key; and it survives a service that says goodbye."""
    daemon = mppd_factory(limits=dns_section(place, nsd.port)).start()
    daemon.account()
    state = tmp_path / "device"
    uri = invite(daemon, "alice@example.com", "--publish")
    assert mpp("enroll", uri, "--state", state).returncode == 0
    with Stub(state) as own:
        own.wait("connected")
        for words in (["publish", "--store", "a=1"], ["status"], ["endpoint"],
                      ["dig", "+short", "www.signe.example", "A"]):
            assert mpp(*words, "--state", state).returncode == 0, words
        assert run_dig(own, "www.signe.example A").status == "NOERROR"
        assert [e["event"] for e in own.events].count("lost") == 0
        counters = daemon.api("GET", "/v1/status")[1]["counters"]
        # mpp enroll, the stub, and one of each.
        assert counters["handshakes"] == 6 and counters["clone_alarms"] == 0
        # A second one would displace the first again and again.
        done = mpp("dns-stub", "--state", state, "--listen",
                   f"127.0.0.1:{free_port()}")
        assert done.returncode == 75 and "keeps a connection" in done.stderr
        assert daemon.stop() == 0
        daemon.start()
        own.wait("connected", 2)
        assert run_dig(own, "www.signe.example A").status == "NOERROR"


@pytest.mark.parametrize("args, said", [
    (("--listen", "192.0.2.1:5353"), "--allow-remote"),
    (("--listen", "0.0.0.0:5353"), "each address by itself"),
    (("--listen", "[::]:5353"), "each address by itself"),
    (("--listen", "localhost:5353"), "--listen localhost:5353"),
    (("extra",), "too many arguments")])
def test_where_the_stub_does_not_listen(place, service, args, said):
    done = mpp("dns-stub", "--state", place / "device", *args)
    assert done.returncode == 64 and said in done.stderr


def test_a_port_that_is_taken(place, service, stub):
    done = mpp("dns-stub", "--state", place / "device", "--listen",
               f"127.0.0.1:{stub.port}")
    assert done.returncode == 71 and "cannot listen" in done.stderr


def test_both_families(place, service):
    port = free_port()
    with Stub(place / "device",
              listen=(f"[::1]:{port}", f"127.0.0.1:{port}")) as own:
        own.wait("listening", 2)
        done = subprocess.run(
            ["dig", "@::1", "-p", str(own.port), "+tries=1", "+time=20",
             "www.signe.example", "A"], capture_output=True, text=True)
        assert Answer(done.stdout).status == "NOERROR"
