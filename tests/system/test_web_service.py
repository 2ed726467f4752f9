# SPDX-License-Identifier: MIT
"""The Web Service transport of the real mppd: an independent client over HTTP,
over TLS, and through a real nginx; and everything that may be wrong with an
HTTP request."""
import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# pylint: disable=wrong-import-position
import mpp_peer as m
from web_peer import PATH, Carried, WebClient

ACCOUNT = "alice@example.com"
SUBSCRIBE = m.message("PresenceConnectRequest", Serial=1, Acknowledge=0)
RUD = {"Content-Type": "application/rud"}


def tcp_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder, name="localhost"):
    """A self-signed one; gives (certificate, key)."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext",
         f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", key,
         "-out", cert], check=True, capture_output=True)
    return cert, key


class Web:
    """A started mppd with a Web Service."""

    def __init__(self, factory, items="", limits="", **kwargs):
        self.port = tcp_port()
        listen = kwargs.pop("listen", f"127.0.0.1:{self.port}")
        self.mppd = factory(
            service=f"[web]\nlisten = {listen}\n{items}", limits=limits,
            **kwargs).start()
        self.mppd.account(ACCOUNT)

    def invitation(self, *options):
        done = self.mppd.ctl("invite", ACCOUNT, *options)
        assert done.returncode == 0, done.stderr
        return m.read_invitation(done.stdout.split()[0])

    def status(self):
        return self.mppd.api("GET", "/v1/status")[1]

    def web(self):
        return self.status()["web"]

    def counters(self):
        return self.status()["counters"]

    def connection(self):
        account = self.mppd.api("GET", f"/v1/accounts/{ACCOUNT}")[1]
        return account["devices"][0]["connections"][0]

    def publish(self, *words):
        done = self.mppd.ctl("publish", ACCOUNT, "--store", *words)
        assert done.returncode == 0, done.stderr

    def enroll(self, carried=None, *options, **members):
        """A device that is enrolled, subscribed and confirmed, by HTTP."""
        client = WebClient(self.invitation(*options),
                           carried or Carried(self.port), **members)
        client.confirm(client.connect(SUBSCRIBE, invite=True))
        return client

    def raw(self, octets, seconds=20.0):
        """All that a TCP connection answers to these octets."""
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.settimeout(seconds)
            try:
                s.sendall(octets)
                s.shutdown(socket.SHUT_WR)
            except OSError:         # it was closed in our face
                pass
            return read_all(s)

    def request(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request(method, path, body, RUD if headers is None else headers)
            answer = c.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            c.close()


def read_all(s):
    octets = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            return octets
        if not piece:
            return octets
        octets += piece


@pytest.fixture
def web(mppd_factory):
    return Web(mppd_factory)


# ---- a device that speaks only HTTP ----

def whole_life(web, carried):
    """Enrol, subscribe, wait for a publication, publish, close."""
    client = web.enroll(carried, "--publish")
    assert set(carried.statuses) <= {200, 503}, carried.statuses
    assert web.connection()["endpoint"] == ""
    answers = []
    waits = threading.Thread(
        target=lambda: answers.append(client.waiting_status(30)))
    waits.start()
    wait_for(lambda: web.counters()["web_waited"] == 1)
    began = time.monotonic()
    web.publish("mmm_Inbound=7")
    waits.join(30)
    assert time.monotonic() - began < 10
    kind, members = answers[0]
    assert kind == "PresenceStatus"
    assert [(s["Store"], s["Index"]) for s in members["StoreStatus"]] == [
        ("mmm_Inbound", 7)]
    assert "EndPoint" not in members
    # The next message acknowledges it.
    assert client.held == members["Serial"]
    assert client.request("PresenceEndpointRequest")[0] == \
        "PresenceEndpointResponse"
    assert web.connection()["acknowledged"] == members["Serial"]
    kind, members = client.request("PresencePublishRequest", StoreStatus=[
        {"Store": "mmm_Outbound", "Index": 3}])
    assert kind == "PresencePublishResponse" and "Status" not in members
    assert members["Serial"] > client.held
    client.close()
    assert carried.statuses[-1] == 204
    assert web.counters()["closed"] == 1
    assert web.counters()["notifies"] == 0      # nothing went by UDP
    return client


def test_whole_life(web):
    whole_life(web, Carried(web.port))
    counted = web.web()
    assert counted["answered"] >= 6 and counted["requests"] >= 6
    assert counted["connections"] == 1          # it was kept alive


def version_spoken(cert, port, version):
    """What a client of this version alone agrees on; None: nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cert)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(20)
        try:
            with context.wrap_socket(s, server_hostname="localhost") as tls:
                return tls.version()
        except (ssl.SSLError, ConnectionError):
            return None


@contextlib.contextmanager
def old_server(cert, key):
    """Speaks TLS 1.1 once; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with context.wrap_socket(listener.accept()[0], server_side=True):
                pass
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_over_tls(mppd_factory, folder):
    cert, key = certificate(folder)
    web = Web(mppd_factory, f"certificate = {cert}\nkey = {key}")
    context = ssl.create_default_context(cafile=cert)
    carried = Carried(web.port, host="localhost", tls=context)
    whole_life(web, carried)
    # Nothing older than TLS 1.2, and no clear text on this port.
    assert version_spoken(cert, web.port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert version_spoken(cert, web.port, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert version_spoken(cert, web.port, ssl.TLSVersion.TLSv1_1) is None
    with old_server(cert, key) as port:
        assert version_spoken(cert, port, ssl.TLSVersion.TLSv1_1) == "TLSv1.1"
    assert b"HTTP" not in web.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


@pytest.fixture
def nginx(folder):
    """start(web, …) runs nginx with the configuration that is installed, with
    its names replaced by those of the test; gives its port."""
    running = []

    def start(web, cert, key):
        port = tcp_port()
        site = (ROOT / "packaging" / "nginx" / "mppd.conf").read_text()
        for old, new in (
                ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
                ("listen [::]:443 ssl;", ""),
                ("presence.example.com", "localhost"),
                ("/etc/ssl/certs/presence.pem", str(cert)),
                ("/etc/ssl/private/presence.key", str(key)),
                ("127.0.0.1:15080", f"127.0.0.1:{web.port}")):
            assert old in site, old
            site = site.replace(old, new)
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
            f"error_log {folder}/nginx.log;\n"
            "events { worker_connections 256; }\n"
            f"http {{\naccess_log {folder}/access.log;\n"
            f"client_body_temp_path {folder}/body;\n"
            f"proxy_temp_path {folder}/proxy;\n"
            f"fastcgi_temp_path {folder}/fastcgi;\n"
            f"uwsgi_temp_path {folder}/uwsgi;\n"
            f"scgi_temp_path {folder}/scgi;\n{site}\n}}\n")
        process = subprocess.Popen([NGINX, "-c", config, "-p", folder,
                                    "-e", folder / "nginx.log"])
        running.append(process)

        def answers():
            assert process.poll() is None, (folder / "nginx.log").read_text()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_for(answers)
        return port
    yield start
    for process in running:
        process.terminate()
        process.wait(30)


def test_through_nginx(mppd_factory, folder, nginx):
    """With TLS at nginx, and the address of the device where mppd counts it."""
    cert, key = certificate(folder)
    web = Web(mppd_factory, "trust-forwarded = 127.0.0.1")
    port = nginx(web, cert, key)
    context = ssl.create_default_context(cafile=cert)
    whole_life(web, Carried(port, host="localhost", tls=context))
    # nginx knows one path and the limit of a body, too.
    c = http.client.HTTPSConnection("localhost", port, context=context)
    c.request("GET", "/")
    assert c.getresponse().status == 404
    c.close()
    c = http.client.HTTPSConnection("localhost", port, context=context)
    c.request("POST", PATH, b"x" * 70000, RUD)
    assert c.getresponse().status == 413
    c.close()


# ---- bad requests ----

def test_bad_requests(web):
    """Each is answered as the document says, counted, and changes nothing."""
    long = str(65537)
    rows = [
        # sentence, method, path, body, headers, status, counter
        ("another path", "POST", "/", b"x", RUD, 404, "bad_path"),
        ("below it", "POST", PATH + "/a", b"x", RUD, 404, "bad_path"),
        ("escaped otherwise", "POST", PATH.upper(), b"x", RUD, 404,
         "bad_path"),
        ("GET", "GET", PATH, None, {}, 405, "bad_method"),
        ("HEAD", "HEAD", PATH, None, {}, 405, "bad_method"),
        ("PUT", "PUT", PATH, b"x", RUD, 405, "bad_method"),
        ("a method of nobody", "DANCE", PATH, None, {}, 405, "bad_method"),
        ("no type", "POST", PATH, b"x", {}, 415, "bad_type"),
        ("another type", "POST", PATH, b"x",
         {"Content-Type": "application/json"}, 415, "bad_type"),
        ("a longer type", "POST", PATH, b"x",
         {"Content-Type": "application/rude"}, 415, "bad_type"),
        ("something else expected", "POST", PATH, b"x",
         {**RUD, "Expect": "dancing"}, 417, "bad_expect"),
        ("too long", "POST", PATH, b"x" * 65537, RUD, 413, "too_long"),
        ("empty", "POST", PATH, b"", RUD, 400, "bad_packet"),
        ("short", "POST", PATH, b"x" * 47, RUD, 400, "bad_packet"),
        ("noise", "POST", PATH, os.urandom(1200), RUD, 400, "bad_packet"),
        ("as long as may be", "POST", PATH, b"\xff" * 65536, RUD, 400,
         "bad_packet"),
        ("zeros", "POST", PATH, bytes(1200), RUD, 400, "bad_packet"),
        ("with parameters", "POST", PATH, bytes(1200),
         {"Content-Type": "Application/RUD; charset=utf-8"}, 400,
         "bad_packet"),
    ]
    before = web.web()
    for sentence, method, path, body, headers, status, counter in rows:
        got, head, octets = web.request(method, path, body, headers)
        assert (got, octets) == (status, b""), sentence
        after = web.web()
        assert after[counter] == before[counter] + 1, sentence
        before = after
        if status == 405:
            assert head["Allow"] == "POST", sentence
        assert head["Cache-Control"] == "no-store", sentence
        assert web.mppd.alive(), sentence
    assert web.counters()["handshakes"] == 0
    # Said to be longer than it is; not even waited for.
    answer = web.raw(f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: "
                     f"application/rud\r\nContent-Length: {long}\r\n\r\n"
                     .encode())
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_bad_http(web):
    """What is no HTTP is not answered as if it were, and the rest goes on."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\n".encode()
    rud = b"Content-Type: application/rud\r\n"
    for sentence, octets in (
            ("noise", os.urandom(500)),
            ("TLS to a port without", bytes.fromhex("16030100a5010000a1")),
            ("a length that is none",
             head + rud + b"Content-Length: x\r\n\r\n"),
            ("a negative length", head + rud + b"Content-Length: -1\r\n\r\n"),
            ("a head without an end", head + b"A: " + b"a" * 100000),
            ("many lines", head + b"A: b\r\n" * 20000),
            ("a chunk that lies", head + rud +
             b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx")):
        answer = web.raw(octets)
        assert not answer or answer.startswith(b"HTTP/1.1 4"), (
            sentence, answer)
        assert web.mppd.alive(), sentence
    assert web.request("POST", PATH, bytes(1200))[0] == 400


def test_chunked(web):
    """A body in chunks is a body; one that is too long is 413, and one that
    has no end is cut."""
    head = (f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/rud"
            "\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    chunk = b"1000\r\n" + b"\xff" * 4096 + b"\r\n"
    assert web.raw(head + chunk + b"0\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert web.raw(head + 17 * chunk + b"0\r\n\r\n").startswith(
        b"HTTP/1.1 413 ")
    before = web.web()["too_long"]
    sent = 0
    with socket.create_connection(("127.0.0.1", web.port)) as s:
        s.settimeout(20)
        with pytest.raises(ConnectionError):
            s.sendall(head)
            for _ in range(100000):
                s.sendall(chunk)
                sent += len(chunk)
    assert sent < 40 << 20
    assert web.web()["too_long"] == before + 1
    assert web.mppd.alive()


def test_expect_continue(web):
    """A body that waits to be asked for is asked for."""
    with socket.create_connection(("127.0.0.1", web.port)) as s:
        s.settimeout(20)
        s.sendall(f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: "
                  "application/rud\r\nContent-Length: 1200\r\n"
                  "Expect: 100-continue\r\n\r\n".encode())
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(bytes(1200))
        assert s.recv(1000).startswith(b"HTTP/1.1 400 ")


# ---- slow and many ----

def test_slow_senders(mppd_factory):
    """Whoever sends an octet now and then does not keep a connection; one that
    is idle is closed, too; a waiting request is not."""
    web = Web(mppd_factory, "timeout = 1s")
    client = web.enroll()
    answers = []
    waits = threading.Thread(
        target=lambda: answers.append(client.waiting_status(6)))
    waits.start()
    wait_for(lambda: web.counters()["web_waited"] == 1)
    whole = (f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: "
             "application/rud\r\nContent-Length: 1000\r\n\r\n").encode()
    for begin in (b"", whole):
        with socket.create_connection(("127.0.0.1", web.port)) as s:
            s.settimeout(0.3)
            s.sendall(begin)
            began = time.monotonic()
            closed = False
            while not closed and time.monotonic() - began < 30:
                try:
                    s.sendall(b"P")
                    closed = s.recv(100) == b""
                except socket.timeout:
                    pass
                except ConnectionError:
                    closed = True
            assert closed
    assert web.web()["slow"] >= 2
    waits.join(60)
    assert answers[0][0] == "PresenceStatus"
    assert "StoreStatus" not in answers[0][1]


def test_ninth_stranger(web):
    """Eight connections of an address that has authenticated nothing; a device
    that has is not counted, and its connection goes on."""
    client = web.enroll()
    strangers = []
    for _ in range(8):
        strangers.append(
            socket.create_connection(("127.0.0.1", web.port)))
    wait_for(lambda: web.web()["connections"] == 9)
    with socket.create_connection(("127.0.0.1", web.port)) as ninth:
        ninth.settimeout(20)
        assert read_all(ninth) == b""
    assert web.web()["refused"] == 1
    assert client.request("PresenceHeartbeat")[0] == "PresenceStatus"
    for s in strangers:
        s.close()

    def welcome():
        try:
            return web.request("POST", PATH, bytes(1200))[0] == 400
        except (OSError, http.client.HTTPException):
            return False
    wait_for(welcome)


def test_all_connections(mppd_factory):
    web = Web(mppd_factory, limits="web-connections = 3")
    held = [socket.create_connection(("127.0.0.1", web.port))
            for _ in range(3)]
    wait_for(lambda: web.web()["connections"] == 3)
    with socket.create_connection(("127.0.0.1", web.port)) as fourth:
        fourth.settimeout(20)
        assert read_all(fourth) == b""
    for s in held:
        s.close()


def test_forwarded(mppd_factory):
    """X-Forwarded-For counts from a proxy that is named, its last address
    only, and from nobody else: the Challenge says whose address it was."""
    def challenged(web, first, second):
        """Is a Challenge for the first header good with the second?"""
        carried = Carried(web.port)
        client = WebClient(web.invitation(), carried)
        carried.headers = first
        challenge, _ = client.take_challenge(client.hello())
        carried.headers = second
        answer, _ = client.send_keyed(SUBSCRIBE, True, challenge)
        return answer.kind == m.R_COMPLETE

    a = {"X-Forwarded-For": "192.0.2.1"}
    b = {"X-Forwarded-For": "192.0.2.2"}
    spoofed = {"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}
    v6 = {"X-Forwarded-For": "192.0.2.1, 2001:db8::1"}
    trusting = Web(mppd_factory, "trust-forwarded = 127.0.0.1 ::1")
    assert challenged(trusting, a, a)
    assert not challenged(trusting, a, b)
    assert not challenged(trusting, a, spoofed)
    assert challenged(trusting, b, spoofed)
    assert challenged(trusting, v6, {"X-Forwarded-For": "2001:DB8:0::1"})
    strict = Web(mppd_factory)
    assert challenged(strict, a, b)


# ---- waiting ----

def status_request(client):
    """A sealed Status request that says what the device holds."""
    client.serial += 1
    header = m.Header(client.index, m.FINAL)
    client.index += 1
    return m.seal_packet(client.tx, client.service_id, header, m.padded(
        m.put_list({}) + client.encode(m.message(
            "PresenceStatusRequest", Serial=client.serial,
            Acknowledge=client.held))))


def test_replay_and_gone(web):
    """409 for what was seen, 410 with the reset for what is no more."""
    client = web.enroll()
    sock = client.sock
    client.send(m.message("PresenceHeartbeat", Serial=70))
    assert sock.statuses[-1] == 200
    client.index -= 1
    client.send(m.message("PresenceHeartbeat", Serial=70))
    assert sock.statuses[-1] == 409
    assert web.web()["replayed"] == 1
    web.mppd.restart()
    sock.inbox.clear()
    client.index += 1
    client.send(m.message("PresenceHeartbeat", Serial=71))
    assert sock.statuses[-1] == 410
    assert sock.inbox[0][-16:] == client.extensions["ResetToken"]
    assert web.web()["gone"] == 1


def test_peer_leaves(web):
    """A request whose peer is gone does not wait any longer."""
    client = web.enroll()
    body = status_request(client)
    with socket.create_connection(("127.0.0.1", web.port)) as s:
        s.sendall(f"POST {PATH} HTTP/1.1\r\nHost: a\r\nPrefer: wait=40\r\n"
                  f"Content-Type: application/rud\r\nContent-Length: "
                  f"{len(body)}\r\n\r\n".encode() + body)
        wait_for(lambda: web.counters()["web_waited"] == 1)
    wait_for(lambda: web.web()["left"] == 1)
    assert web.counters()["web_gone"] == 1
    pools = {p["name"]: p["used"] for p in web.status()["pools"]}
    assert pools["held"] == 0


def test_removed_while_waiting(web):
    """A device that waits hears that it was removed."""
    client = web.enroll()
    sock = client.sock
    body = status_request(client)
    sock.wait = 30
    got = []
    waits = threading.Thread(target=lambda: got.append(sock.post(body)))
    waits.start()
    wait_for(lambda: web.counters()["web_waited"] == 1)
    account = web.mppd.api("GET", f"/v1/accounts/{ACCOUNT}")[1]
    device = account["devices"][0]["device"]
    assert web.mppd.ctl("device", "remove", ACCOUNT,
                        device).returncode == 0
    waits.join(30)
    status, _, packet = got[0]
    assert status == 200
    _, plain = m.open_packet(client.rx, packet)
    extensions, said, _ = m.read_plain(plain)
    assert m.get_close(extensions["Close"])[0] == 403 and said is None
    sock.wait = None
    assert sock.post(status_request(client))[0] == 410


def test_stops_while_waiting(web):
    """SIGTERM does not wait for those who wait."""
    client = web.enroll()
    body = status_request(client)
    got = []
    client.sock.wait = 40
    waits = threading.Thread(target=lambda: got.append(
        client.sock.post(body)[0]), daemon=True)
    waits.start()
    wait_for(lambda: web.counters()["web_waited"] == 1)
    began = time.monotonic()
    assert web.mppd.stop() == 0
    assert time.monotonic() - began < 4
    waits.join(10)
    assert got == [503]


# ---- the configuration ----

def test_configuration(mppd_factory, folder):
    """No TLS beyond this machine unless a proxy is said to be in front."""
    cert, key = certificate(folder)
    other = folder / "other"
    other.mkdir()
    wrong = certificate(other)[1]
    rows = [
        ("listen = 0.0.0.0:15081", 78, "without TLS"),
        ("listen = [::]:15081", 78, "without TLS"),
        (f"listen = 127.0.0.1:15081\ncertificate = {cert}", 78, "together"),
        (f"listen = 127.0.0.1:15081\nkey = {key}", 78, "together"),
        (f"listen = 127.0.0.1:15081\ncertificate = {cert}\nkey = {wrong}", 78,
         "do not go together"),
        (f"listen = 127.0.0.1:15081\ncertificate = {folder}/no\nkey = {key}",
         66, "cannot read"),
        ("url = http://h.example", 78, "not https"),
        ("url = https://h.example/?a", 78, "other characters"),
        ("trust-forwarded = proxy.example", 78, "IP addresses"),
        ("timeout = 0s", 78, "duration"),
    ]
    for items, code, piece in rows:
        mppd = mppd_factory(service=f"[web]\n{items}")
        got, line = mppd.start_fails()
        assert got == code and piece in line, (items, got, line)
    port = tcp_port()
    mppd = mppd_factory(service=f"[web]\nlisten = 0.0.0.0:{port}\n"
                        "behind-proxy = yes\n").start()
    assert f"web=0.0.0.0:{port}" in mppd.log
    busy = mppd_factory(service=f"[web]\nlisten = 127.0.0.1:{port}")
    got, line = busy.start_fails()
    assert got == 71 and "[web] listen" in line


def test_invitation_names_it(mppd_factory):
    web = Web(mppd_factory,
              "url = https://presence.example https://b.example:8443/x")
    uri = web.mppd.ctl("invite", ACCOUNT).stdout.split()[0]
    assert "&w=https://presence.example&w=https://b.example:8443/x#" in uri
