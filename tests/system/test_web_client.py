# SPDX-License-Identifier: MIT
"""A real device in a network that drops all UDP, IPv4 and IPv6: it enrols,
subscribes, asks and publishes over HTTP, goes to UDP when that is open again,
and back, and hears each publication once."""
import contextlib
import ctypes
import http.server
import json
import subprocess
import threading
import time
import uuid

import pytest
from conftest import program, wait_for
# pylint: disable=unused-import,redefined-outer-name
from test_web_service import Web, certificate, nginx  # fixtures, too

ACCOUNT = "alice@example.com"
LONG_S = 90


def run(*command):
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def enter(path):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as namespace:
        if libc.setns(namespace.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")


@pytest.fixture(name="network")
def network_():
    """A network of our own, in which all that the test starts is."""
    name = f"mpp-w{uuid.uuid4().hex[:8]}"
    run("ip", "netns", "add", name)
    own = "/proc/self/task/{}/ns/net".format(threading.get_native_id())
    with open(own, "rb") as before:
        try:
            run("ip", "-n", name, "link", "set", "lo", "up")
            enter(f"/run/netns/{name}")
            yield name
        finally:
            enter(f"/proc/self/fd/{before.fileno()}")
            run("ip", "netns", "del", name)


def cut():
    run("nft", "add table inet cut; add chain inet cut in { type filter hook "
        "input priority 0; }; add rule inet cut in meta l4proto udp drop")


def lift():
    run("nft", "delete table inet cut")


class Device:
    def __init__(self, folder, *options):
        self.state = folder / "device"
        self.options = list(map(str, options))
        self.events, self.process = [], None

    def mpp(self, *words, code=0):
        done = subprocess.run(
            [program("mpp"), *words, "--state", self.state, *self.options],
            capture_output=True, text=True, timeout=LONG_S, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def subscribe(self, *words):
        self.process = subprocess.Popen(
            [program("mpp"), "subscribe", "--state", self.state, "--json",
             *self.options, *words], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()
        wait_for(lambda: self.of("connected"))

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def of(self, kind):
        return [e for e in self.events if e["event"] == kind]

    def indexes(self):
        return [s["index"] for e in self.of("publication")
                for s in e["stores"]]

    def transports(self):
        return [e["transport"] for e in self.of("transport")]

    def end(self):
        self.process.terminate()
        code = self.process.wait(LONG_S)
        assert (code, self.process.stderr.read()) == (0, "")


@pytest.fixture(name="tls")
def tls_(network, mppd_factory, folder):
    """mppd with a Web Service that speaks TLS itself, which invitations name,
    in a network without UDP."""
    # pylint: disable=unused-argument
    cert, key = certificate(folder)
    cut()
    made = Web.__new__(Web)
    Web.__init__(made, port_first(mppd_factory, cert, key))
    made.ca = cert
    yield made


def port_first(factory, cert, key):
    """The port is drawn before the URL is written."""
    def make(service, **kwargs):
        port = service.rsplit(":", 1)[1].split()[0]
        return factory(service=service + f"url = https://localhost:{port}\n"
                       f"certificate = {cert}\nkey = {key}\n", **kwargs)
    return make


def invite(web):
    done = web.mppd.ctl("invite", ACCOUNT, "--publish")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


class Publisher:
    def __init__(self, web, device):
        self.web, self.device, self.n = web, device, 0

    def publish(self, count):
        """Each is heard before the next. Gives how long the slowest took."""
        slowest = 0
        for _ in range(count):
            self.n += 1
            began = time.monotonic()
            self.web.publish(f"mmm_Inbound={self.n}")
            wait_for(lambda: self.n in self.device.indexes(), LONG_S)
            slowest = max(slowest, time.monotonic() - began)
        return slowest

    def check(self):
        assert self.device.indexes() == list(range(1, self.n + 1))
        serials = [e["serial"] for e in self.device.of("publication")]
        assert serials == sorted(set(serials))


def there_and_back(web, device):
    """200 publications across both changes."""
    publisher = Publisher(web, device)
    wait_for(lambda: device.transports() == ["web"])
    assert publisher.publish(70) < 20
    lift()
    wait_for(lambda: device.transports() == ["web", "udp"], LONG_S)
    posts = web.counters()["web"]
    publisher.publish(60)
    assert web.counters()["web"] == posts
    cut()
    publisher.publish(1)
    assert device.transports() == ["web", "udp", "web"]
    publisher.publish(69)
    publisher.check()
    assert publisher.n == 200
    assert not device.of("lost")
    assert len(device.of("connected")) == 1
    lift()


def test_without_udp_and_with_it_again(tls, folder):
    device = Device(folder, "--web-ca", tls.ca)
    device.mpp("enroll", invite(tls))
    device.subscribe("--keepalive", "2s")
    there_and_back(tls, device)
    device.end()


def test_the_same_through_nginx_with_tls(network, mppd_factory, folder, nginx):
    # pylint: disable=unused-argument
    web = Web(mppd_factory)
    cert, key = certificate(folder)
    port = nginx(web, cert, key)
    cut()
    device = Device(folder, "--web-ca", cert, "--web-url",
                    f"https://localhost:{port}")
    device.mpp("enroll", invite(web))
    device.subscribe("--keepalive", "2s")
    there_and_back(web, device)
    device.end()


def test_everything_else_without_udp(tls, folder):
    device = Device(folder, "--web-ca", tls.ca, "--timeout", "60s")
    device.mpp("enroll", invite(tls))
    device.mpp("publish", "--store", "mmm_Inbound=5", "--json")
    said = json.loads(device.mpp("status", "--json"))
    assert said["transport"] == "web"
    assert [(s["store"], s["index"]) for s in said["stores"]] == [
        ("mmm_Inbound", 5)]
    said = json.loads(device.mpp("endpoint", "--json"))
    assert said["transport"] == "web" and "time" in said
    assert "endpoint" not in said
    assert "HTTP" in device.mpp("status")
    # Whoever wants UDP alone gets no answer; the web alone needs no datagram.
    device.options[-1] = "4s"
    assert "UDP" in device.mpp("status", "--transport", "udp", code=75)
    device.options[-1] = "60s"
    device.mpp("status", "--transport", "web")
    lift()
    said = json.loads(device.mpp("status", "--json"))
    assert said["transport"] == "udp"


def test_a_certificate_that_is_not_trusted_is_no_service(tls, folder):
    device = Device(folder, "--timeout", "8s")
    said = device.mpp("enroll", invite(tls), code=75)
    assert "certificate" in said
    device.options += ["--web-ca", str(folder / "nothing")]
    assert "nothing" in device.mpp("enroll", invite(tls), code=66)
    device.options = ["--web-ca", str(tls.ca), "--timeout", "60s"]
    device.mpp("enroll", invite(tls))
    assert json.loads((device.state / "device.json").read_text())["Web"] == [
        f"https://localhost:{tls.port}/.well-known/mmmpresence"]


class Impostor(http.server.BaseHTTPRequestHandler):
    """Answers as its path says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        # pylint: disable=invalid-name
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        if self.path == "/elsewhere":
            self.send_response(307)
            self.send_header("Location", self.server.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Content-Type", "application/rud")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 4096)
                    self.server.octets += 4096
        else:
            time.sleep(LONG_S)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def impostor(elsewhere):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    server.daemon_threads, server.block_on_close = True, False
    server.asked, server.octets = [], 0
    server.elsewhere = elsewhere
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def test_urls_are_tried_in_turn(network, mppd_factory, folder):
    """One that redirects, one whose answer never ends, one that is silent, and
    the service."""
    # pylint: disable=unused-argument
    web = Web(mppd_factory)
    device = Device(folder, "--timeout", "60s")
    device.mpp("enroll", invite(web))
    cut()
    state = device.state / "device.json"
    real = f"http://127.0.0.1:{web.port}/.well-known/mmmpresence"
    with impostor(real) as server:
        at = f"http://127.0.0.1:{server.server_port}"
        kept = json.loads(state.read_text())
        kept["Web"] = [f"{at}/elsewhere", f"{at}/endless", f"{at}/silent",
                       real]
        state.write_text(json.dumps(kept))
        said = device.mpp("status", "--json", "--transport", "web")
        assert json.loads(said)["transport"] == "web"
        assert server.asked == ["/elsewhere", "/endless", "/silent"]
        # 64 KiB, and what the kernel holds on both sides.
        assert 65536 < server.octets < 32 << 20


def test_wrong_options_are_refused(folder):
    device = Device(folder)
    assert "auto, udp or web" in device.mpp("status", "--transport", "tcp",
                                            code=64)
    assert "tokens are for UDP" in device.mpp(
        "enroll", "--token", "-", "--transport", "web", code=64)
    assert "does not take" in device.mpp("id", "--transport", "web", code=64)
