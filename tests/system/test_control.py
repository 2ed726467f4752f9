# SPDX-License-Identifier: MIT
"""The control API and mppctl against a real mppd."""
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from conftest import DEADLINE_S, program, wait_for

ALICE = "alice@example.com"


# ---- looking ----

def test_status(mppd):
    status, doc, headers = mppd.api("GET", "/v1/status")
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert list(doc) == [
        "version", "uptime_s", "crypto", "aead", "suites", "listen",
        "endpoints", "urls", "store", "counters", "udp", "pools", "accounts",
        "truncated"]
    assert [s["suite"] for s in doc["suites"]] == [1, 2]
    for suite in doc["suites"]:
        # 260 bits are 52 characters in groups of four.
        assert re.fullmatch(r"M[A-Z2-7]{3}(-[A-Z2-7]{4}){12}",
                            suite["fingerprint"])
    assert doc["listen"] == [f"127.0.0.1:{mppd.port}", f"[::1]:{mppd.port}"]
    assert doc["store"] == "lmdb"
    assert doc["truncated"] is False
    assert doc["accounts"] == []
    pools = {p["name"]: p for p in doc["pools"]}
    assert pools["accounts"]["limit"] == 256
    assert all(p["bytes_each"] > 0 for p in doc["pools"])
    assert doc["counters"]["received"] == 0


def test_counters_count_what_strangers_send(mppd):
    for family, host in ((socket.AF_INET, "127.0.0.1"),
                         (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.sendto(b"short", (host, mppd.port))
            s.sendto(b"x" * 200, (host, mppd.port))
            s.sendto(b"x" * 1665, (host, mppd.port))
    doc = {}

    def came():
        doc.update(mppd.api("GET", "/v1/status")[1])
        return doc["udp"]["received"] == 6
    wait_for(came)
    assert doc["udp"]["too_long"] == 2
    assert doc["counters"]["received"] == 4
    assert doc["counters"]["drop_short"] == 2
    assert doc["counters"]["drop_stranger"] == 2


def test_head_gives_headers_only(mppd):
    connection = mppd.http()
    connection.request("HEAD", "/v1/accounts")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b""
    assert int(answer.headers["Content-Length"]) > 10


# ---- accounts ----

def test_accounts_are_added_once(mppd):
    assert mppd.api("POST", "/v1/accounts", {"account": "Alice@Example.com"}
                    )[:2] == (201, {"account": ALICE})
    status, doc, _ = mppd.api("POST", "/v1/accounts", {"account": ALICE})
    assert status == 409
    assert doc["error"]["code"] == "account_exists"
    assert mppd.api("GET", "/v1/accounts")[1] == {"accounts": [
        {"account": ALICE, "serial": 0, "stores": 0, "devices": 0}]}
    for name in (ALICE, "ALICE%40example.com"):
        assert mppd.api("GET", f"/v1/accounts/{name}")[:2] == (200, {
            "account": ALICE, "serial": 0, "stores": [], "devices": []})
    assert mppd.api("GET", "/v1/accounts/bob")[0] == 404


def test_an_answer_does_not_wait_for_anything_else(mppd):
    """The first request of a connection is answered as soon as the disk has
    it, not when a timer happens to run out."""
    for i in range(3):
        before = time.monotonic()
        assert mppd.api("POST", "/v1/accounts", {"account": f"a{i}"})[0] == 201
        assert time.monotonic() - before < 10


BAD_NAMES = ["", "a b", "a\tb", "a\nb", "a/b", "a?b", "a#b", "a%b", "\u0000",
             "a\u007f", "x" * 256, "\u00e4" * 128]


def test_bad_account_names(mppd):
    for name in BAD_NAMES:
        status, doc, _ = mppd.api("POST", "/v1/accounts", {"account": name})
        assert status == 400, ascii(name)
        assert doc["error"]["message"]
    assert mppd.api("GET", "/v1/accounts")[1] == {"accounts": []}
    assert mppd.api("POST", "/v1/accounts", {"account": "x" * 255})[0] == 201


# ---- bodies ----

P = "/v1/accounts/alice@example.com/publish"
I = "/v1/accounts/alice@example.com/invitations"
A = "/v1/accounts"
STORE = '{"store":"s","index":1}'

# A sentence, where to, the body, a piece of the message.
BAD_BODIES = [
    ("nothing", A, "", "not JSON"),
    ("white space", A, "  \n", "not JSON"),
    ("not JSON", A, "account=alice", "not JSON"),
    ("an object that does not end", A, '{"account":"a"', "not JSON"),
    ("a string that does not end", A, '{"account":"a', "not JSON"),
    ("a comma too many", A, '{"account":"a",}', "not JSON"),
    ("no quotes", A, "{account:1}", "not JSON"),
    ("single quotes", A, "{'account':'a'}", "not JSON"),
    ("not UTF-8", A, b'{"account":"\xff"}', "not JSON"),
    ("a lone surrogate", A, '{"account":"\\ud800"}', "not JSON"),
    ("a NUL", A, b'{"account":"a\0"}', "not JSON"),
    ("a byte order mark", A, b'\xef\xbb\xbf{"account":"a"}', "not JSON"),
    ("UTF-16", A, '{"account":"a"}'.encode("utf-16"), "not JSON"),
    ("JSON-B", A, b'{\x80\x07account\x80\x01a}', "not JSON"),
    ("a comment", A, '{"account":"a"} // x', "behind its object"),
    ("two documents", A, '{"account":"a"}{"account":"b"}',
     "behind its object"),
    ("an array", A, '["account"]', "not a JSON object"),
    ("a string", A, '"account"', "not a JSON object"),
    ("null", A, "null", "not a JSON object"),
    ("deep nesting", A, '{"account":' + "[" * 100 + "]" * 100 + "}",
     "octets"),
    ("deep nesting at the front", A, "[" * 30000, "not a JSON object"),
    ("no member", A, "{}", '"account" is missing'),
    ("an unknown member", A, '{"account":"a","x":1}',
     'allowed are "account"'),
    ("a member in capitals", A, '{"Account":"a"}', 'allowed are "account"'),
    ("a member twice", A, '{"account":"a","account":"b"}', "twice"),
    ("a member twice, once escaped", A,
     '{"account":"a","\\u0061ccount":"b"}', "twice"),
    ("a number for a name", A, '{"account":1}', "string"),
    ("null for a name", A, '{"account":null}', "string"),
    ("an object for a name", A, '{"account":{}}', "string"),

    ("nothing to publish", P, "", "not JSON"),
    ("no stores", P, "{}", '"stores" is missing'),
    ("an empty list", P, '{"stores":[]}', "must not be empty"),
    ("stores as an object", P, '{"stores":{}}', "must be an array"),
    ("a store as a string", P, '{"stores":["s"]}', "holds objects"),
    ("a store in an array", P, '{"stores":[[]]}', "holds objects"),
    ("a store without index", P, '{"stores":[{"store":"s"}]}', "needs"),
    ("a store without name", P, '{"stores":[{"index":1}]}', "needs"),
    ("a store with more", P, '{"stores":[{"store":"s","index":1,"x":1}]}',
     'allowed are "store", "index", "digest"'),
    ("an index twice", P, '{"stores":[{"store":"s","index":1,"index":1}]}',
     "twice"),
    ("an empty name", P, '{"stores":[{"store":"","index":1}]}', "empty"),
    ("a long name", P,
     '{"stores":[{"store":"%s","index":1}]}' % ("s" * 65), "64 octets"),
    ("a negative index", P, '{"stores":[{"store":"s","index":-1}]}',
     "integer"),
    ("a broken index", P, '{"stores":[{"store":"s","index":1.5}]}',
     "integer"),
    ("an index as a string", P, '{"stores":[{"store":"s","index":"1"}]}',
     "integer"),
    ("an index of 2^53", P,
     '{"stores":[{"store":"s","index":9007199254740992}]}',
     "9007199254740991"),
    ("an index of 2^64", P,
     '{"stores":[{"store":"s","index":18446744073709551616}]}', "integer"),
    ("a digest that is no base64url", P,
     '{"stores":[{"store":"s","index":1,"digest":"a+/b"}]}', "base64url"),
    ("a digest that is a number", P,
     '{"stores":[{"store":"s","index":1,"digest":1}]}', "base64url"),
    ("a long digest", P,
     '{"stores":[{"store":"s","index":1,"digest":"%s"}]}' % ("A" * 88),
     "64 octets"),
    ("a store twice", P, '{"stores":[%s,%s]}' % (STORE, STORE), "once"),
    ("129 stores", P, '{"stores":[%s]}' % ",".join(
        '{"store":"s%d","index":1}' % i for i in range(129)), "at most 128"),
    ("reset as a number", P, '{"stores":[%s],"reset":1}' % STORE,
     "true or false"),
    ("reset twice", P, '{"reset":true,"stores":[%s],"reset":true}' % STORE,
     "twice"),

    ("a lifetime of nothing", I, '{"lifetime_s":0}', "from 1 to 900"),
    ("a lifetime too long", I, '{"lifetime_s":901}', "from 1 to 900"),
    ("a lifetime in words", I, '{"lifetime_s":"15m"}', "from 1 to 900"),
    ("a negative lifetime", I, '{"lifetime_s":-5}', "from 1 to 900"),
    ("no rights", I, '{"rights":[]}', "must not be empty"),
    ("unknown rights", I, '{"rights":["admin"]}', '"subscribe"'),
    ("rights as a word", I, '{"rights":"publish"}', "must be an array"),
    ("rights as a number", I, '{"rights":[1]}', '"subscribe"'),
    ("an unknown member of an invitation", I, '{"lifetime":5}',
     'allowed are "lifetime_s", "rights"'),
    ("an array for an invitation", I, "[]", "not a JSON object"),
]


def test_bad_bodies(mppd):
    mppd.account(ALICE)
    for sentence, path, body, piece in BAD_BODIES:
        status, doc, _ = mppd.api("POST", path, body)
        assert status == 400, (sentence, status, doc)
        assert list(doc) == ["error"] and set(doc["error"]) == {
            "code", "message"}, sentence
        assert piece in doc["error"]["message"], (sentence, doc)
        assert mppd.alive(), sentence
    # And nothing of it has happened.
    assert mppd.api("GET", f"/v1/accounts/{ALICE}")[1] == {
        "account": ALICE, "serial": 0, "stores": [], "devices": []}
    assert len(mppd.api("GET", "/v1/accounts")[1]["accounts"]) == 1
    status = mppd.api("GET", "/v1/status")[1]
    assert {p["name"]: p["used"] for p in status["pools"]} == {
        "bindings": 0, "half_open": 0, "paths": 0, "probes": 0,
        "devices": 0, "accounts": 1, "stores": 0, "invitations": 0,
        "operations": 0, "snapshots": 0, "held": 0,
        "resolves": 0}


def test_large_bodies(mppd):
    body = json.dumps({"account": ALICE}).encode()
    assert mppd.api("POST", A, body + b" " * (65537 - len(body)))[0] == 413
    assert mppd.api("GET", "/v1/accounts")[1] == {"accounts": []}
    assert mppd.api("POST", A, body + b" " * (65536 - len(body)))[0] == 201


# ---- paths and methods ----

BAD_REQUESTS = [
    # method, path, status
    ("GET", "/", 404), ("GET", "/v1", 404), ("GET", "/v1/", 404),
    ("GET", "/v2/status", 404), ("GET", "//v1/status", 404),
    ("GET", "/v1/status/", 404), ("GET", "/v1//accounts", 404),
    ("GET", "/v1/accounts/", 404), ("GET", "/v1/accounts/a/b", 404),
    ("GET", "/V1/status", 404), ("GET", "/v1/status%00", 404),
    ("GET", "/v1/../v1/status", 404),
    ("POST", "/v1/accounts/nobody/publish/x", 404),
    ("POST", "/v1/status", 405), ("DELETE", "/v1/status", 405),
    ("PUT", "/v1/accounts", 405), ("DELETE", "/v1/accounts/x", 404),
    ("DELETE", "/v1/accounts", 405), ("PUT", "/v1/accounts/x", 405),
    ("GET", "/v1/accounts/x/publish", 405),
    ("GET", "/v1/accounts/x/invitations", 405),
    ("POST", "/v1/accounts/x/devices/y", 405), ("BREW", "/v1/status", 405),
    ("GET", "/v1/accounts/%", 400), ("GET", "/v1/accounts/%4", 400),
    ("GET", "/v1/accounts/%zz", 400), ("GET", "/v1/status?x=1", 400),
    ("GET", "/v1/accounts/a%2Fb", 404), ("GET", "/v1/accounts/%00", 404),
    ("GET", "/v1/accounts/%ff", 404), ("GET", "/v1/accounts/" + "x" * 300,
                                       404),
    ("POST", "/v1/accounts/nobody/invitations", 404),
    ("DELETE", "/v1/accounts/nobody/devices/MB5S-R4AJ-3FBT-7NHO-T26Z", 404),
    ("DELETE", "/v1/accounts/nobody/tokens", 404),
    ("DELETE", "/v1/accounts/nobody/devices/me/tokens", 400),
    ("GET", "/v1/accounts/nobody/tokens", 405),
]


def test_bad_requests(mppd):
    for method, path, wanted in BAD_REQUESTS:
        status, doc, headers = mppd.api(method, path)
        assert status == wanted, (method, path, doc)
        assert doc["error"]["code"] and doc["error"]["message"]
        assert ("Allow" in headers) == (status == 405), (method, path)
    assert mppd.api("PUT", "/v1/accounts")[2]["Allow"] == "GET, HEAD, POST"
    assert mppd.api("GET", "/v1/status", "{}")[0] == 400
    assert mppd.api("GET", "/v1/status")[0] == 200


GARBAGE = [
    b"\0" * 100, b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"\xff\xfe\xfd" * 50, b"GET /v1/status HTTP/1.1\r\n",
    b"GET " + b"/" * 70000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: "
    b"99999999999999999999999\r\n\r\n",
    b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
    b"\r\n\r\nzz\r\n",
    b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
    b"\r\n\r\nffffffffffffffff\r\n{}",
]


def test_garbage_on_the_socket(mppd):
    for octets in GARBAGE:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE_S)
            s.connect(str(mppd.socket))
            try:
                s.sendall(octets)
                s.shutdown(socket.SHUT_WR)
                s.settimeout(1)  # it may wait for more
                answer = s.recv(65536)
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                answer = b""
            assert not answer.startswith(b"HTTP/1.1 2"), octets[:60]
    assert mppd.api("GET", "/v1/status")[0] == 200


def test_peers_that_leave_early(mppd):
    """Their changes are made or not; nothing is left behind."""
    for i in range(50):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(mppd.socket))
            body = json.dumps({"account": f"gone{i}"}).encode()
            s.sendall(b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            time.sleep(i % 3 / 100)

    def quiet():
        pools = mppd.api("GET", "/v1/status")[1]["pools"]
        return [p["used"] for p in pools if p["name"] == "operations"] == [0]
    wait_for(quiet)
    mppd.account(ALICE)
    names = [a["account"] for a in
             mppd.api("GET", "/v1/accounts")[1]["accounts"]]
    assert set(names) <= {ALICE} | {f"gone{i}" for i in range(50)}
    assert len(names) > 1


def test_many_at_once(mppd):
    """More requests at a time than connections are served."""
    codes = []

    def add(n):
        codes.append(mppd.api("POST", A, {"account": f"a{n}"})[0])
    threads = [threading.Thread(target=add, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert codes == [201] * 100
    assert len(mppd.api("GET", "/v1/accounts")[1]["accounts"]) == 100


# ---- publishing and inviting ----

def test_publish(mppd):
    mppd.account(ALICE)
    first = mppd.ctl_json("publish", ALICE, "--store", "mail=5:00ff",
                          "--store", "a=b=2")
    doc = mppd.ctl_json("status", ALICE)
    assert doc["serial"] == first["serial"]
    assert {s["store"]: (s["index"], s.get("digest"))
            for s in doc["stores"]} == {"mail": (5, "AP8"), "a=b": (2, None)}
    second = mppd.ctl_json("publish", ALICE, "--store", "mail=6",
                           "--store", "a=b=1")
    assert second["serial"] > first["serial"]
    assert second["skipped"] == ["a=b"]
    third = mppd.ctl_json("publish", ALICE, "--store", "a=b=1", "--reset")
    assert third["serial"] > second["serial"] and third["skipped"] == []
    mppd.restart()
    doc = mppd.ctl_json("status", ALICE)
    assert doc["serial"] == third["serial"]
    assert {s["store"]: s["index"] for s in doc["stores"]} == {
        "mail": 6, "a=b": 1}


def test_what_was_answered_survives_a_kill(mppd):
    mppd.account(ALICE)
    serial = mppd.ctl_json("publish", ALICE, "--store", "mail=7")["serial"]
    fingerprints = mppd.api("GET", "/v1/status")[1]["suites"]
    mppd.kill9()
    mppd.start()
    assert mppd.ctl_json("status", ALICE)["serial"] == serial
    assert mppd.api("GET", "/v1/status")[1]["suites"] == fingerprints


def test_invite(mppd):
    mppd.account(ALICE)
    doc = mppd.ctl_json("invite", ALICE, "--lifetime", "90s", "--publish")
    expires = time.mktime(time.strptime(doc["expires"], "%Y-%m-%dT%H:%M:%SZ")
                          ) - time.timezone
    assert 0 < expires - time.time() <= 90
    pins = [s["fingerprint"] for s in mppd.api("GET", "/v1/status")[1]["suites"]]
    match = re.fullmatch(
        rf"mpp://127\.0\.0\.1:{mppd.port}/alice@example\.com"
        rf"\?k=({pins[0]})&k=({pins[1]})&e=%5B::1%5D:{mppd.port}"
        rf"#([A-Z2-7]{{26}})", doc["uri"])
    assert match, doc["uri"]
    done = mppd.ctl("invite", ALICE)
    assert done.returncode == 0
    assert done.stdout.startswith("mpp://") and done.stdout.count("\n") == 1
    assert "for one device, until 20" in done.stderr
    # What opens the account is nowhere in the log.
    for uri in (doc["uri"], done.stdout.strip()):
        assert uri.split("#")[1] not in mppd.log
    assert "invitation minted" in mppd.log


def test_the_name_in_an_invitation_is_encoded(mppd):
    mppd.account("j\u00fcrgen+x&y@example.com")
    uri = mppd.ctl_json("invite", "J\u00fcrgen+x&y@example.com")["uri"]
    assert "/j%C3%BCrgen%2Bx%26y@example.com?k=" in uri


# ---- devices ----

def enroll(mppd, state, *args):
    """Enrol a device; gives its id."""
    uri = mppd.ctl_json("invite", ALICE, *args)["uri"]
    done = subprocess.run([program("mpp"), "enroll", uri, "--state", state],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_devices_are_shown_and_removed(mppd, folder):
    mppd.account(ALICE)
    phone = enroll(mppd, folder / "phone", "--publish")
    tablet = enroll(mppd, folder / "tablet")
    devices = {d["device"]: d for d in mppd.ctl_json("status", ALICE)["devices"]}
    assert set(devices) == {phone, tablet}
    assert devices[phone]["rights"] == ["subscribe", "publish"]
    assert devices[tablet]["rights"] == ["subscribe"]
    assert phone in mppd.ctl("status", ALICE).stdout
    done = mppd.ctl("device", "remove", ALICE, phone.lower())
    assert done.returncode == 0, done.stderr
    assert mppd.ctl("device", "remove", ALICE, phone).returncode == 68
    mppd.restart()
    assert [d["device"] for d in mppd.ctl_json("status", ALICE)["devices"]
            ] == [tablet]
    done = subprocess.run([program("mpp"), "status", "--state",
                           folder / "phone", "--timeout", "5s"],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 77, done


def test_a_subscriber_hears_what_is_published(mppd, folder):
    mppd.account(ALICE)
    enroll(mppd, folder / "phone")
    with subprocess.Popen(
            [program("mpp"), "subscribe", "--state", folder / "phone",
             "--json", "--store", "mail"], stdout=subprocess.PIPE,
            text=True) as device:
        wait_for(lambda: [
            c for d in mppd.ctl_json("status", ALICE)["devices"]
            for c in d["connections"] if c["subscribed"]])
        mppd.ctl_json("publish", ALICE, "--store", "todo=1")
        serial = mppd.ctl_json("publish", ALICE, "--store", "mail=3")["serial"]
        for line in device.stdout:
            if '"mail"' in line:
                break
        assert str(serial) in line
        wait_for(lambda: mppd.ctl_json("status", ALICE)["devices"][0][
            "connections"][0]["acknowledged"] == serial)
        device.terminate()
        device.wait(DEADLINE_S)


# ---- mppctl ----

def test_human_output(mppd):
    mppd.account(ALICE)
    mppd.ctl("publish", ALICE, "--store", "mail=5", "--store", "calendar=12")
    lines = mppd.ctl("status", ALICE).stdout.splitlines()
    assert lines[0].startswith("account alice@example.com, serial 1")
    assert lines[2].split() == ["STORE", "INDEX", "SERIAL", "DIGEST"]
    rows = lines[3:5]
    assert [row.split()[:2] for row in rows] == [["mail", "5"],
                                                ["calendar", "12"]]
    # Aligned: names to the left, numbers to the right.
    assert rows[0].index("5") == rows[1].index("2") > 9
    out = mppd.ctl("status").stdout
    assert out.startswith("mppd ") and "AEAD by" in out
    assert f"listening on 127.0.0.1:{mppd.port}" in out
    out = mppd.ctl("account", "list").stdout.splitlines()
    assert out[1].split()[:3] == [ALICE, "2", "0"]


def test_a_store_s_name_does_not_write_on_the_terminal(mppd):
    mppd.account(ALICE)
    assert mppd.api("POST", P, {"stores": [
        {"store": "\x1b[2Jx", "index": 1}]})[0] == 200
    out = mppd.ctl("status", ALICE).stdout
    assert "\x1b" not in out and "?[2Jx" in out


USAGE = [
    [], ["frobnicate"], ["account"], ["account", "add"],
    ["account", "add", "a", "b"], ["account", "remove"],
    ["account", "remove", "a"], ["account", "remove", "a", "b", "--yes"],
    ["account", "add", "a", "--yes"], ["account", "list", "x"], ["invite"],
    ["invite", "a", "--lifetime", "16m"], ["invite", "a", "--lifetime", "0s"],
    ["invite", "a", "--lifetime", "5"], ["invite", "a", "--lifetime", "1h"],
    ["invite", "a", "--store", "x=1"], ["publish", "a"],
    ["publish", "a", "--store", "x"], ["publish", "a", "--store", "=1"],
    ["publish", "a", "--store", "x="], ["publish", "a", "--store", "x=-1"],
    ["publish", "a", "--store", "x=1:"], ["publish", "a", "--store", "x=1:0"],
    ["publish", "a", "--store", "x=1:0g"],
    ["publish", "a", "--store", "x=1:" + "00" * 65],
    ["publish", "a", "--store", "x" * 65 + "=1"],
    ["publish", "a", "--store", "x=9007199254740992"],
    ["publish", "a", "--store", "x=99999999999999999999"],
    ["publish", "a", "--store"], ["status", "a", "b"], ["status", "--reset"],
    ["--nonsense"], ["device", "remove", "a"], ["device", "add", "a", "b"],
    ["status", "--socket", ""], ["status", "--socket", "/" + "x" * 107],
]


@pytest.mark.parametrize("args", USAGE, ids=" ".join)
def test_usage_errors(args):
    done = subprocess.run([program("mppctl"), *args], capture_output=True,
                          text=True, timeout=DEADLINE_S,
                          env={"MPPCTL_SOCKET": "/nonexistent/socket"})
    assert done.returncode == 64, done.stderr
    assert done.stdout == ""
    if args:
        assert re.fullmatch(r"mppctl: .+\n", done.stderr)


def test_refusals(mppd):
    mppd.account(ALICE)
    for code, args in [
            (65, ["account", "add", ALICE]), (65, ["account", "add", "a b"]),
            (68, ["status", "bob"]), (68, ["invite", "bob"]),
            (68, ["account", "remove", "bob", "--yes"]),
            (68, ["publish", "bob", "--store", "x=1"]),
            (65, ["publish", ALICE, "--store", "x=1", "--store", "x=2"]),
            (68, ["device", "remove", ALICE,
                  "MB5S-R4AJ-3FBT-7NHO-T26Z-2E6Y-WFH4"]),
            (65, ["device", "remove", ALICE, "phone"]),
            (65, ["device", "remove", ALICE, "not!base32" * 4]),
            (65, ["device", "remove", ALICE, "MB5S-R4AJ"]),
            (68, ["device", "remove", "bob",
                  "MB5S-R4AJ-3FBT-7NHO-T26Z-2E6Y-WFH4"])]:
        done = mppd.ctl(*args)
        assert done.returncode == code, (args, done)
        assert re.fullmatch(r"mppctl: .+\n", done.stderr) and not done.stdout


def test_no_daemon(mppd):
    assert mppd.stop() == 0
    assert not mppd.socket.exists()
    done = mppd.ctl("status")
    assert done.returncode == 69
    assert str(mppd.socket) in done.stderr and "running" in done.stderr
    # A socket that nobody serves is no better.
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(mppd.socket))
    assert mppd.ctl("status").returncode == 69


def test_mppctl_reads_its_socket_from_the_environment(mppd):
    done = subprocess.run([program("mppctl"), "account", "list"],
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          env={"MPPCTL_SOCKET": str(mppd.socket),
                               "http_proxy": "http://192.0.2.1:1/"})
    assert done.returncode == 0, done.stderr


def test_something_else_on_the_socket(folder):
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve():
            peer = server.accept()[0]
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            peer.close()
        thread = threading.Thread(target=serve)
        thread.start()
        done = subprocess.run([program("mppctl"), "--socket", path, "status"],
                              capture_output=True, text=True,
                              timeout=DEADLINE_S)
        thread.join(DEADLINE_S)
    assert done.returncode == 70
    assert "is no mppd" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_no_permission_on_the_socket(mppd, folder):
    copy = folder / "mppctl"
    copy.write_bytes(open(program("mppctl"), "rb").read())
    copy.chmod(0o755)
    assert mppd.socket.stat().st_mode & 0o7777 == 0o660
    done = subprocess.run([copy, "--socket", mppd.socket, "status"],
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          user=65534, group=65534, extra_groups=[])
    assert done.returncode == 77, done.stderr
    assert "no permission" in done.stderr


def test_output_that_cannot_be_written(mppd):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [program("mppctl"), "--socket", mppd.socket, "status"],
            stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=DEADLINE_S)
    assert done.returncode == 74


def test_help_and_version():
    for name in ("mppctl", "mppd"):
        done = subprocess.run([program(name), "--version"], text=True,
                              capture_output=True, timeout=DEADLINE_S)
        assert done.returncode == 0
        assert re.fullmatch(rf"{name} \d+\.\d+\.\d+\n", done.stdout)
        done = subprocess.run([program(name), "--help"], text=True,
                              capture_output=True, timeout=DEADLINE_S)
        assert done.returncode == 0 and done.stderr == ""
        assert "Exit codes" in done.stdout
