# SPDX-License-Identifier: MIT
"""Devices that know an account and nothing else: the service is found by the
domain, in a network namespace with a name server of its own, and found anew
when it moves."""
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import DEADLINE_S, Mppd, program, wait_for
from test_web_service import certificate
from zones import DOMAIN, Place, Zone, run

ACCOUNT = f"alice@{DOMAIN}"
V4, V4_NEW, V4_DEAD = "10.79.1.1", "10.79.1.2", "10.79.1.9"
V6, V6_DEAD = "2001:db8::1", "2001:db8::9"
BAD = Path(__file__).with_name("bad_resolver.py")
WRONG = "MCPX-GXK2-ERHZ-XNQI-VZYE-VYNJ-OMCM-AIZA"


class Service(Mppd):
    """An mppd in a place."""

    def __init__(self, folder, place, listen, service="endpoint = x.test"):
        folder.mkdir()
        super().__init__(folder, port=15099, listen=listen, service=service)
        self.place = place

    def spawn(self):
        with open(self.stderr, "a", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                self.place.inside(self.program, "-c", self.config),
                stderr=err, stdout=err, stdin=subprocess.DEVNULL)
        return self

    def invitation(self):
        return self.ctl_json("invite", ACCOUNT)["uri"]

    def fingerprint(self):
        return self.ctl_json("status")["suites"][0]["fingerprint"]

    def publish(self, index):
        done = self.ctl("publish", ACCOUNT, "--store", f"mmm_Inbound={index}")
        assert done.returncode == 0, done.stderr

    def endpoints(self):
        return [c["endpoint"] for a in self.ctl_json("status")["accounts"]
                for d in a["devices"] for c in d["connections"]]


@pytest.fixture(name="place")
def place_(folder):
    place = Place(folder)
    place.address(f"{V4}/32", f"{V4_NEW}/32", f"{V4_DEAD}/32", f"{V6}/128",
                  f"{V6_DEAD}/128")
    # Nothing comes from the dead ones, not even that nobody is there.
    run(*place.inside("nft", "add table inet dead; add chain inet dead in "
                      "{ type filter hook input priority 0; }; "
                      f"add rule inet dead in ip daddr {V4_DEAD} drop; "
                      f"add rule inet dead in ip6 daddr {V6_DEAD} drop"))
    yield place
    place.close()


@pytest.fixture(name="start")
def start_(place, folder):
    """start(LISTEN) makes a service with the account."""
    made = []

    def start(listen=f"{V4}:15099 [{V6}]:15099", **more):
        made.append(Service(folder / f"s{len(made)}", place, listen,
                            **more).start())
        made[-1].account(ACCOUNT)
        return made[-1]
    yield start
    codes = [one.stop() for one in made if one.alive()]
    for one in made:
        one.check_sane()
    assert all(code == 0 for code in codes)


class Device:
    def __init__(self, place, folder, name="device"):
        self.place, self.folder = place, folder
        self.state = folder / name
        self.events, self.process, self.thread = [], None, None

    def mpp(self, command, *args, stdin="", timeout="60s"):
        return subprocess.run(
            self.place.inside(program("mpp"), command, "--state", self.state,
                              "--timeout", timeout, *args),
            input=stdin, capture_output=True, text=True,
            timeout=2 * DEADLINE_S)

    def enroll(self, secret, *args, **more):
        return self.mpp("enroll", ACCOUNT, "--invitation", "-", *args,
                        stdin=secret + "\n", **more)

    def known(self):
        return json.loads((self.state / "device.json").read_text())

    def status(self, **kwargs):
        done = self.mpp("status", "--json", **kwargs)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def subscribe(self):
        self.process = subprocess.Popen(
            self.place.inside(program("mpp"), "subscribe", "--json", "--state",
                              self.state, "--lease", "10s", "--keepalive",
                              "2s"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def indexes(self):
        return [store["index"] for event in self.events
                if event["event"] == "publication"
                for store in event["stores"]]

    def end(self):
        self.process.terminate()
        assert self.process.wait(DEADLINE_S) == 0
        self.thread.join(DEADLINE_S)
        self.process.stdout.close()


@pytest.fixture(name="device")
def device_(place, folder):
    made = Device(place, folder)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end()


def secret_of(uri):
    return uri.split("#")[1]


def zone_of(service, records):
    return records + (f'_mmmpresence._udp TXT "udf={service.fingerprint()}"\n'
                      if service else "")


BOTH = ("_mmmpresence._udp SRV 0 0 15099 a\n"
        f"a A {V4}\na AAAA {V6}\n")


def test_found_by_name(place, start, device):
    service = start()
    Zone(place, zone_of(service, BOTH
                        + "_mmmpresence._tcp SRV 0 0 8443 web\n"
                        '_mmmpresence._tcp TXT "path=/mpp"\n'))
    done = device.enroll(secret_of(service.invitation()))
    assert (done.returncode, done.stderr) == (0, "")
    known = device.known()
    assert known["Web"] == [f"https://web.{DOMAIN}:8443/mpp"]
    assert known["Domain"] == DOMAIN
    assert known["Discovered"] == [f"a.{DOMAIN}:15099"]
    assert known["Endpoints"] == []
    assert known["Fingerprints"] == [service.fingerprint()]
    assert device.status()["domain"] == DOMAIN
    said = device.mpp("status").stdout
    assert f"domain     {DOMAIN}\n" in said
    # What was found is what is checked.
    report = device.mpp("netcheck", "--json")
    assert report.stderr == ""
    assert json.loads(report.stdout)["service"] == f"a.{DOMAIN}:15099"


def test_without_udp(place, start, device, folder):
    """The Web Service that the zone names serves, when nothing answers where
    UDP should be; and no URL but the zone's was given."""
    cert, key = certificate(folder, f"web.{DOMAIN}")
    service = start(service="endpoint = x.test\n[web]\n"
                    f"listen = {V4}:8443\ncertificate = {cert}\nkey = {key}")
    Zone(place, zone_of(service, "_mmmpresence._udp SRV 0 0 15099 dead\n"
                        "_mmmpresence._tcp SRV 0 0 8443 web\n"
                        f"dead A {V4_DEAD}\nweb A {V4}\n"))
    secret = secret_of(service.invitation())
    assert device.enroll(secret, "--web-ca", cert, "--transport", "udp",
                         timeout="6s").returncode == 75
    done = device.enroll(secret, "--web-ca", cert)
    assert done.returncode == 0, done.stderr
    assert device.known()["Web"] == [
        f"https://web.{DOMAIN}:8443/.well-known/mmmpresence"]
    said = device.mpp("status", "--json", "--web-ca", cert)
    assert json.loads(said.stdout)["transport"] == "web", said.stderr


def test_a_secret_from_a_file(place, start, device, folder):
    service = start()
    Zone(place, zone_of(service, BOTH))
    file = folder / "invitation"
    file.write_text(service.invitation() + "\n")
    done = device.mpp("enroll", ACCOUNT, "--invitation", file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["event"] == "enrolled"
    # Its endpoint stays behind what the domain says.
    assert device.known()["Endpoints"] == ["x.test:15099"]
    assert device.known()["Domain"] == DOMAIN


@pytest.mark.parametrize("records, family", [
    (f"a A {V4}\n", V4), (f"a AAAA {V6}\n", f"[{V6}]")])
def test_one_family(place, start, device, records, family):
    service = start()
    Zone(place, zone_of(service, "_mmmpresence._udp SRV 0 0 15099 a\n"
                        + records))
    assert device.enroll(secret_of(service.invitation())).returncode == 0
    assert device.status()["endpoint"].rsplit(":", 1)[0].count(
        ":") == family.strip("[]").count(":")


def test_the_first_target_is_dead(place, start, device):
    """And it is the one that the zone prefers."""
    service = start()
    Zone(place, zone_of(service, "_mmmpresence._udp SRV 0 0 15099 dead\n"
                        "_mmmpresence._udp SRV 1 0 15099 a\n"
                        f"dead A {V4_DEAD}\na A {V4}\n"))
    assert device.enroll(secret_of(service.invitation())).returncode == 0
    assert device.known()["Discovered"] == [f"dead.{DOMAIN}:15099",
                                            f"a.{DOMAIN}:15099"]
    device.status()


def test_dead_ipv6_and_live_ipv4(place, start, device):
    """Happy eyeballs: IPv6 comes first, is silent, and costs little."""
    service = start()
    Zone(place, zone_of(service, "_mmmpresence._udp SRV 0 0 15099 a\n"
                        f"a AAAA {V6_DEAD}\na A {V4}\n"))
    assert device.enroll(secret_of(service.invitation())).returncode == 0
    device.subscribe()
    wait_for(service.endpoints)
    assert service.endpoints()[0].startswith("10.79.1.")
    counters = json.loads(run(*place.inside(
        "nft", "-j", "list", "chain", "inet", "dead", "in")))
    assert counters["nftables"]  # the rule that makes it dead is there
    service.publish(1)
    wait_for(lambda: device.indexes() == [1])


def test_moved_while_connected(place, start, device):
    service = start(f"{V4}:15099")
    zone = Zone(place, zone_of(service, BOTH.replace(f"a AAAA {V6}\n", "")))
    assert device.enroll(secret_of(service.invitation())).returncode == 0
    device.subscribe()
    wait_for(service.endpoints)
    service.publish(1)
    wait_for(lambda: device.indexes() == [1])
    zone.change("_mmmpresence._udp SRV 0 0 15098 b\n" f"b A {V4_NEW}\n")
    assert service.stop() == 0
    service.write_config(f"{V4_NEW}:15098", service="endpoint = x.test")
    service.start()
    # What is published before the device has found it is not lost.
    service.publish(2)
    wait_for(lambda: device.indexes() == [1, 2], 3 * DEADLINE_S)
    service.publish(3)
    wait_for(lambda: device.indexes() == [1, 2, 3])
    device.end()
    assert device.known()["Discovered"] == [f"b.{DOMAIN}:15098"]
    assert device.known()["Domain"] == DOMAIN


def test_moved_when_it_is_missed(place, start, device):
    """The records change only after the device has looked for it in vain."""
    service = start(f"{V4}:15099")
    zone = Zone(place, zone_of(service, BOTH.replace(f"a AAAA {V6}\n", "")))
    assert device.enroll(secret_of(service.invitation())).returncode == 0
    device.subscribe()
    wait_for(service.endpoints)
    assert service.stop() == 0
    wait_for(lambda: any(event["event"] == "lost" for event in device.events),
             3 * DEADLINE_S)
    time.sleep(1)  # it has asked by now; if not, this shows less
    zone.change("_mmmpresence._udp SRV 0 0 15098 b\n" f"b A {V4_NEW}\n")
    service.write_config(f"{V4_NEW}:15098", service="endpoint = x.test")
    service.start()
    service.publish(1)
    wait_for(lambda: device.indexes() == [1], 3 * DEADLINE_S)


def test_a_wrong_fingerprint(place, start, device):
    service = start()
    zone = Zone(place, BOTH + f'_mmmpresence._udp TXT "udf={WRONG}"\n')
    uri = service.invitation()
    done = device.enroll(secret_of(uri))
    assert done.returncode == 76
    assert "ANOTHER KEY" in done.stderr and WRONG in done.stderr
    # Any of several is enough.
    zone.change(zone_of(service, BOTH
                        + f'_mmmpresence._udp TXT "udf={WRONG}"\n'))
    other = Device(device.place, device.folder, "other")
    assert other.enroll(secret_of(uri)).returncode == 0


def test_an_invitation_says_more_than_the_zone(place, start, device):
    """The fingerprints of its URI count, whatever the DNS says."""
    service = start()
    Zone(place, BOTH + f'_mmmpresence._udp TXT "udf={WRONG}"\n')
    assert device.enroll(service.invitation()).returncode == 0


@pytest.mark.parametrize("digits, code", [(28, 0), (27, 65)])
def test_a_short_fingerprint(place, start, device, digits, code):
    service = start()
    pin = service.fingerprint().replace("-", "")[:digits]
    Zone(place, BOTH + f'_mmmpresence._udp TXT "udf={pin}"\n')
    done = device.enroll(secret_of(service.invitation()))
    assert done.returncode == code
    assert code == 0 or "less than 140 bits" in done.stderr
    assert device.state.exists() is (code == 0)
    if code == 0:
        # The key that it learnt has this fingerprint, and is used at once.
        before = service.ctl_json("status")["counters"]["challenges"]
        device.status()
        after = service.ctl_json("status")["counters"]["challenges"]
        assert after == before > 0


def test_trust_on_first_use(place, start, device):
    service = start(f"{V4}:15099")
    zone = Zone(place, BOTH)
    done = device.enroll(secret_of(service.invitation()), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["trusted"] == service.fingerprint()
    assert service.fingerprint() in done.stderr
    device.status()
    # Another service under the same name, also when the zone vouches for it.
    assert service.stop() == 0
    other = start(f"{V4}:15099")
    zone.change(zone_of(other, BOTH))
    for command in (("status",), ("enroll", ACCOUNT)):
        done = device.mpp(*command)
        assert done.returncode == 76, done.stderr
        assert "ANOTHER KEY" in done.stderr
        assert other.fingerprint() in done.stderr


def test_nothing_lets_it_in(place, start, device):
    service = start()
    Zone(place, zone_of(service, BOTH))
    done = device.mpp("enroll", ACCOUNT)
    assert done.returncode == 77
    assert "--invitation FILE" in done.stderr
    assert not device.state.exists()


def test_an_enrolled_device_learns_its_domain(place, start, device):
    service = start()
    Zone(place, zone_of(service, BOTH))
    uri = service.invitation().replace("x.test:15099", f"{V4}:15099")
    assert device.mpp("enroll", "-", stdin=uri + "\n").returncode == 0
    assert "Domain" not in device.known()
    pins = device.known()["Fingerprints"]
    done = device.mpp("enroll", ACCOUNT)
    assert (done.returncode, done.stderr) == (0, "")
    assert device.known()["Domain"] == DOMAIN
    assert device.known()["Endpoints"] == [f"{V4}:15099"]
    assert device.known()["Fingerprints"] == pins


def test_an_address_that_is_known_needs_no_dns(place, start, device):
    service = start()
    zone = Zone(place, zone_of(service, BOTH))
    uri = service.invitation().replace("x.test:15099", f"{V4}:15099")
    assert device.enroll(uri).returncode == 0
    zone.process.terminate()
    zone.process.wait(DEADLINE_S)
    # Silence, not a refusal.
    run(*place.inside("nft", "add rule inet dead in udp dport 53 drop"))
    # Not after 15 s, when the domain is given up.
    assert device.status(timeout="14s")["domain"] == DOMAIN


def test_by_token(place, start, device, folder):
    service = start()
    Zone(place, zone_of(service, BOTH))
    name = device.mpp("id", timeout="1s")
    if name.returncode != 0:  # it takes no time
        name = subprocess.run(
            place.inside(program("mpp"), "id", "--state", device.state),
            capture_output=True, text=True, timeout=DEADLINE_S)
    token = service.ctl("token", ACCOUNT, name.stdout.strip())
    assert token.returncode == 0, token.stderr
    grant = json.loads(token.stdout)
    del grant["Endpoints"], grant["Fingerprints"]
    file = folder / "token"
    file.write_text(json.dumps(grant))
    done = device.mpp("enroll", ACCOUNT, "--token", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert device.known()["Domain"] == DOMAIN
    grant["Account"] = f"bob@{DOMAIN}"
    file.write_text(json.dumps(grant))
    assert device.mpp("enroll", ACCOUNT, "--token", file).returncode == 65


@pytest.mark.parametrize("records, code, why", [
    ("", 68, "mppctl dns-records"),
    ("_mmmpresence._udp SRV 0 0 0 .\n", 69, "does not offer"),
    ("_mmmpresence._udp SRV 0 0 15099 10.0.0.1.\n", 65, "not an address"),
])
def test_what_a_zone_lacks(place, device, records, code, why):
    Zone(place, records)
    done = device.enroll("AAAQEAYEAUDAOCAJBIFQYDIOB4")
    assert done.returncode == code
    assert why in done.stderr
    assert not device.state.exists()


def test_no_answer_is_no_leave_to_trust(place, device):
    """Whether there is a fingerprint must be known, else whoever keeps its
    record away would choose the key."""
    bad = place.spawn(sys.executable, BAD, "text", stdout=subprocess.PIPE,
                      text=True)
    assert bad.stdout.readline() == "ready\n"
    done = device.enroll("AAAQEAYEAUDAOCAJBIFQYDIOB4")
    bad.stdout.close()
    assert done.returncode == 75
    assert "TXT" in done.stderr
    assert not device.state.exists()


@pytest.mark.parametrize("args, code, why", [
    (("alice",), 65, "mpp://"),
    (("@example.test",), 65, "mpp://"),
    (("alice@",), 65, "host is missing"),
    (("alice@127.0.0.1",), 65, "not an address"),
    (("alice@[::1]",), 65, "no address"),
    ((ACCOUNT, "--invitation", "-", "--token", "-"), 64, "not both"),
    ((ACCOUNT, "--invitation", "/nonexistent"), 66, "cannot open"),
    (("--invitation", "-", "mpp://h/a"), 64, "goes with"),
    (("--token", "-", "mpp://h/a"), 64, "takes the place"),
    ((ACCOUNT, "--invitation", "-"), 65, "neither"),
])
def test_what_is_no_name(place, device, args, code, why):
    done = device.mpp("enroll", *args, stdin="XYZ\n")
    assert done.returncode == code
    assert why in done.stderr
    assert not device.state.exists()


def test_an_invitation_for_another(place, start, device):
    service = start()
    Zone(place, zone_of(service, BOTH))
    uri = service.invitation().replace("alice", "bob")
    done = device.enroll(uri)
    assert done.returncode == 65
    assert "another account" in done.stderr
