# SPDX-License-Identifier: MIT
"""mpp discover against real name servers, good and bad ones, in a network
namespace of its own."""
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DEADLINE_S, program, wait_for
from zones import DOMAIN, Place, Zone, run

PIN = "MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME"
BAD = Path(__file__).with_name("bad_resolver.py")


@pytest.fixture(name="place")
def place_(folder):
    place = Place(folder)
    yield place
    place.close()


def discover(place, domain=DOMAIN, *options):
    """mpp discover --json; gives its exit code, document and complaint."""
    done = subprocess.run(
        place.inside(program("mpp"), "discover", domain, "--json", *options),
        capture_output=True, text=True, timeout=DEADLINE_S)
    found = json.loads(done.stdout) if done.stdout else None
    return done.returncode, found, done.stderr


def sign(place, zone, change=lambda text: text):
    """Sign the zone and serve it. Gives the file of its key."""
    keygen = run("sh", "-c", f"cd {place.folder} && ldns-keygen -a "
                 f"ECDSAP256SHA256 -k {DOMAIN}").strip()
    # It is signed as it stands in the file, with a serial of its own.
    zone.serial += 1
    zone.file.write_text(zone.file.read_text().replace(
        f"hostmaster {zone.serial - 1}", f"hostmaster {zone.serial}"))
    signed = place.folder / "signed"
    run("ldns-signzone", "-n", "-f", str(signed), str(zone.file),
        str(place.folder / keygen))
    text = change(signed.read_text())
    assert text != signed.read_text() or change(PIN) == PIN
    time.sleep(0.01)
    zone.file.write_text(text)
    zone.process.send_signal(signal.SIGHUP)
    zone.wait()
    return place.folder / f"{keygen}.key"


def unbound(place, trust):
    """A validating resolver on port 53, which knows the zone's server."""
    config = place.folder / "unbound.conf"
    config.write_text(f"""
server:
    interface: 127.0.0.1
    username: ""
    chroot: ""
    directory: "{place.folder}"
    pidfile: "{place.folder}/unbound.pid"
    use-syslog: no
    logfile: "{place.folder}/unbound.log"
    do-not-query-localhost: no
    trust-anchor-file: "{trust}"
    local-zone: "test." nodefault
    num-threads: 1
remote-control:
    control-enable: no
stub-zone:
    name: "{DOMAIN}"
    stub-addr: 127.0.0.1@5353
""")
    place.spawn("unbound", "-d", "-c", config, stdin=subprocess.DEVNULL)
    wait_for(lambda: subprocess.run(
        place.inside("dig", "+short", "+time=1", "+tries=1", "@127.0.0.1",
                     f"a.{DOMAIN}"), capture_output=True, text=True,
        timeout=DEADLINE_S).stdout == "192.0.2.1\n")


def hosts(found):
    return [one["host"].split(".")[0] for one in found["udp"]["targets"]]


def test_all_that_a_zone_says(place):
    Zone(place, f"""
_mmmpresence._udp SRV 20 0 15098 second
_mmmpresence._udp SRV 10 5 15099 first
_mmmpresence._udp TXT "v=1" "udf={PIN}"
_mmmpresence._tcp SRV 0 0 443 web
_mmmpresence._tcp TXT "path=/rud"
first A 192.0.2.1
first AAAA 2001:db8::1
second A 192.0.2.2
""")
    code, found, said = discover(place)
    assert (code, said) == (0, "")
    first, second = found["udp"]["targets"]
    assert first == {"priority": 10, "weight": 5, "host": f"first.{DOMAIN}",
                     "port": 15099, "addresses": first["addresses"]}
    assert set(first["addresses"]) == {"192.0.2.1:15099",
                                       "[2001:db8::1]:15099"}
    assert second["addresses"] == ["192.0.2.2:15098"]
    assert found["fingerprints"] == {"result": "found", "list": [PIN],
                                     "authenticated": False}
    assert found["web"]["targets"][0]["host"] == f"web.{DOMAIN}"
    assert found["web"]["path"] == "/rud"
    text = run(*place.inside(program("mpp"), "discover", f"alice@{DOMAIN}"))
    assert f"  10 5 first.{DOMAIN}:15099 = " in text
    assert f"  {PIN}\n" in text
    assert f"https://web.{DOMAIN}:443/rud" in text


def test_weights_share_the_load(place):
    Zone(place, "_mmmpresence._udp SRV 0 1 15099 a\n"
                "_mmmpresence._udp SRV 0 3 15099 b\n"
                "a A 192.0.2.1\nb A 192.0.2.2\n")
    first = [hosts(discover(place)[1])[0] for _ in range(40)]
    # Of 40, some 30 are b; none or all of them come once in 10^5.
    assert 0 < first.count("b") < 40


def test_an_alias(place):
    Zone(place, "_mmmpresence._udp CNAME elsewhere\n"
                "elsewhere SRV 0 0 15099 a\na A 192.0.2.1\n"
                f'elsewhere TXT "udf={PIN}"\n')
    code, found, _ = discover(place)
    assert (code, hosts(found)) == (0, ["a"])
    assert found["fingerprints"]["list"] == [PIN]


def test_a_hundred_records(place):
    """The answer does not fit a datagram, and 16 of the lowest priority are
    taken."""
    Zone(place, "".join(f"_mmmpresence._udp SRV {n} 0 15099 h{n}\n"
                        f"h{n} A 192.0.2.{n}\n" for n in range(100)))
    code, found, _ = discover(place)
    assert (code, hosts(found)) == (0, [f"h{n}" for n in range(16)])


def test_too_many_records(place):
    Zone(place, "".join(f"_mmmpresence._udp SRV 0 0 {n + 1} h\n"
                        for n in range(129)))
    code, found, said = discover(place)
    assert (code, found["udp"]["result"]) == (65, "unusable")
    assert "more than 128" in said


@pytest.mark.parametrize("domain", [DOMAIN, f"missing.{DOMAIN}"])
def test_no_records(place, domain):
    Zone(place, "")
    code, found, said = discover(place, domain)
    assert (code, found["udp"]["result"]) == (68, "none")
    assert f"_mmmpresence._udp.{domain}" in said
    assert f"mppctl dns-records {domain}" in said


def test_not_offered(place):
    Zone(place, "_mmmpresence._udp SRV 0 0 0 .\n")
    code, found, said = discover(place)
    assert (code, found["udp"]["result"]) == (69, "not offered")
    assert "does not offer" in said


def test_an_address_is_no_target(place):
    zone = Zone(place, "_mmmpresence._udp SRV 0 0 15099 192.0.2.1.\n")
    code, found, said = discover(place)
    assert (code, found["udp"]["unusable"]) == (65, 1)
    assert "not an address" in said
    zone.change("_mmmpresence._udp SRV 0 0 15099 192.0.2.1.\n"
                "_mmmpresence._udp SRV 0 0 15099 a\na A 192.0.2.2\n")
    code, found, said = discover(place)
    assert (code, hosts(found), said) == (0, ["a"], "")
    assert found["udp"]["unusable"] == 1


def test_a_target_without_an_address(place):
    Zone(place, "_mmmpresence._udp SRV 0 0 15099 a\n")
    code, found, said = discover(place)
    assert (code, found["udp"]["targets"][0]["addresses"]) == (68, [])
    assert f"a.{DOMAIN}" in said


@pytest.mark.parametrize("text, why", [
    (f"udf={PIN[:-1]}", "less than 140 bits"),
    ("udf=hello", "does not begin with M"),
])
def test_a_bad_fingerprint(place, text, why):
    Zone(place, "_mmmpresence._udp SRV 0 0 15099 a\na A 192.0.2.1\n"
                f'_mmmpresence._udp TXT "{text}"\n')
    code, found, said = discover(place)
    assert (code, found["fingerprints"]["result"]) == (65, "unusable")
    assert why in said


@pytest.mark.parametrize("how, code, result", [
    ("servfail", 75, "no answer"),
    ("silent", 75, "no answer"),
    ("question", 75, "no answer"),
    ("owner", 68, "none"),
    ("noise", 75, "no answer"),
    ("edns", 0, "found"),
    ("text", 75, "found"),
])
def test_a_bad_resolver(place, how, code, result):
    server = place.spawn(sys.executable, BAD, how, stdout=subprocess.PIPE,
                         text=True)
    assert server.stdout.readline() == "ready\n"
    got, found, said = discover(place, DOMAIN, "--timeout", "60s")
    assert found["udp"]["result"] == result, said
    assert "evil" not in json.dumps(found)
    if how == "edns":
        assert hosts(found) == ["plain"]
        # The name of the target has no address there.
        assert got == 68
    else:
        assert got == code, said
    assert found["fingerprints"]["list"] == []
    server.stdout.close()


@pytest.mark.parametrize("how", ["silent", "cut"])
def test_the_wait_is_bounded(place, how):
    server = place.spawn(sys.executable, BAD, how, stdout=subprocess.PIPE,
                         text=True)
    assert server.stdout.readline() == "ready\n"
    begin = time.monotonic()
    code, found, said = discover(place, DOMAIN, "--timeout", "1s")
    assert (code, found) == (75, None)
    assert "did not answer" in said
    assert time.monotonic() - begin < 30  # of a program that ended at once
    server.stdout.close()


def test_what_a_resolver_has_validated(place):
    """A signed zone on nsd behind unbound, which validates. It is believed
    where resolv.conf says so, and not else."""
    zone = Zone(place, f"""
_mmmpresence._udp SRV 0 0 15099 a
_mmmpresence._udp TXT "udf={PIN}"
a A 192.0.2.1
""", port=5353)
    trust = sign(place, zone)
    unbound(place, trust)
    code, found, said = discover(place)
    assert (code, said) == (0, "")
    assert found["udp"]["authenticated"] is False
    conf = place.etc / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions trust-ad\n")
    code, found, said = discover(place)
    assert (code, said) == (0, "")
    assert found["udp"]["authenticated"] is True
    assert found["fingerprints"]["authenticated"] is True
    text = run(*place.inside(program("mpp"), "discover", DOMAIN))
    assert text.count("found, authenticated") == 2


def test_a_signature_that_is_wrong(place):
    """What was changed behind the signer's back is nobody's word."""
    zone = Zone(place, "_mmmpresence._udp SRV 0 0 15099 a\n"
                f'_mmmpresence._udp TXT "udf={PIN}"\na A 192.0.2.1\n',
                port=5353)
    trust = sign(place, zone, lambda text: text.replace(PIN, PIN[:-1] + "A"))
    unbound(place, trust)
    code, found, said = discover(place)
    assert code == 75
    assert found["udp"]["result"] == "found"
    assert found["fingerprints"] == {"result": "no answer", "list": [],
                                     "authenticated": False}
    assert "TXT" in said


def test_nobody_to_ask(place):
    code, found, said = discover(place)
    assert (code, found["udp"]["result"]) == (75, "no answer")
    assert "try again" in said


@pytest.mark.parametrize("name", ["", "127.0.0.1", "a..b", "x" * 64,
                                  "[::1]", "example.test:53", "a b",
                                  ".".join(["a" * 60] * 4)])
def test_what_is_no_domain(place, name):
    code, found, said = discover(place, name)
    assert (code, found) == (65, None)
    assert said.startswith("mpp: ")


def test_records_as_mppctl_prints_them(place, mppd_factory):
    """A server takes them, and a device finds what the service has."""
    mppd = mppd_factory(
        listen="127.0.0.1:15097 [::1]:15097",
        service="endpoint = a.example.test:15099 192.0.2.1:15098"
                " [2001:db8::1]:15098 192.0.2.2:15098"
                " 192.0.2.1:15097").start()
    done = mppd.ctl("dns-records", DOMAIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" IN A 192.0.2.1\n") == 1
    Zone(place, done.stdout + "a A 192.0.2.9\n")
    code, found, said = discover(place)
    assert (code, said) == (0, "")
    assert [(one["host"], one["port"], sorted(one["addresses"]))
            for one in found["udp"]["targets"]] == [
        ("a.example.test", 15099, ["192.0.2.9:15099"]),
        ("mmmpresence.example.test", 15098, [
            "192.0.2.1:15098", "192.0.2.2:15098", "[2001:db8::1]:15098"]),
        ("mmmpresence.example.test", 15097, [
            "192.0.2.1:15097", "192.0.2.2:15097", "[2001:db8::1]:15097"])]
    assert sorted(found["fingerprints"]["list"]) == sorted(
        suite["fingerprint"] for suite in mppd.ctl_json("status")["suites"])
    records = mppd.ctl_json("dns-records", DOMAIN)["records"]
    assert [f"{r['name']}. 300 IN {r['type']} {r['data']}"
            for r in records] == done.stdout.splitlines()
    assert mppd.ctl("dns-records", "192.0.2.1").returncode == 64


@pytest.mark.parametrize("urls, path, left", [
    ("https://web.example.test", "/.well-known/mmmpresence", False),
    ("https://web.example.test:8443/mpp https://two.example.test/mpp"
     " https://two.example.test/other https://192.0.2.1/mpp", "/mpp", True),
])
def test_records_of_a_web_service(place, mppd_factory, urls, path, left):
    mppd = mppd_factory(
        service=f"endpoint = a.example.test\n[web]\nurl = {urls}").start()
    done = mppd.ctl("dns-records", DOMAIN)
    assert done.returncode == 0
    assert ("left out" in done.stderr) is left
    assert ("path=" in done.stdout) is (path == "/mpp")
    assert "192.0.2.1" not in done.stdout
    Zone(place, done.stdout + "a A 192.0.2.9\n")
    code, found, said = discover(place)
    assert (code, said) == (0, "")
    assert found["web"]["path"] == path
    targets = [(one["priority"], one["host"], one["port"])
               for one in found["web"]["targets"]]
    assert targets == ([(10, "web.example.test", 8443),
                        (20, "two.example.test", 443)] if left else
                       [(10, "web.example.test", 443)])


def test_a_host_that_only_this_machine_knows(mppd_factory):
    mppd = mppd_factory(service="endpoint = presence:15099").start()
    done = mppd.ctl("dns-records", DOMAIN)
    assert done.returncode == 0
    assert "set [service] endpoint" in done.stderr
