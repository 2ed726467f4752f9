# SPDX-License-Identifier: MIT
"""Limits of a running mppd: work for strangers, handshakes and requests of
devices, copies of a device, and fresh keys."""
import json
import shutil
import sys
import time
from pathlib import Path

from conftest import wait_for
from test_client import ALICE, Subscriber, enroll, publish

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# pylint: disable=wrong-import-position
import mpp_peer as m
import pytest
from test_interop_service import SUBSCRIBE, Service, subscribed


def counters(mppd):
    return mppd.ctl_json("status")["counters"]


def answers(device, datagram, n):
    """The types of what comes back for n copies of a datagram."""
    kinds = []
    for _ in range(n):
        device.sock.send(datagram)
    try:
        while len(kinds) < n:
            kinds.append(m.read_connect(device.receive(1.0), False).kind)
    except m.Silence:
        pass
    return kinds


class Tap:
    """A socket that keeps what was sent last."""

    def __init__(self, sock):
        self.sock, self.last = sock, None

    def send(self, data):
        self.last = data
        return self.sock.send(data)

    def __getattr__(self, name):
        return getattr(self.sock, name)


def exchange(service):
    """A device, and its last first packet, which is a replay now."""
    device = subscribed(service)
    device.sock = Tap(device.sock)
    answer, _ = device.send_keyed(SUBSCRIBE, False, None)
    assert answer.kind == m.R_COMPLETE
    return device, device.sock.last


def test_too_many_handshakes_are_challenged(mppd_factory):
    """Each copy is opened and refused, or, beyond the budget, challenged."""
    service = Service(mppd_factory(limits="unproved-percent = 1").start())
    device, datagram = exchange(service)
    kinds = answers(device, datagram, 200)
    assert kinds.count(m.R_CHALLENGE) >= 100
    assert set(kinds) <= {m.R_CHALLENGE, m.R_COMPLETE}
    assert counters(service.mppd)["deferred"] >= 100
    # Who answers the Challenge comes in all the same.
    device.confirm(device.connect(SUBSCRIBE))


def test_few_are_not(mppd_factory):
    service = Service(mppd_factory(limits="unproved-percent = 100").start())
    device, datagram = exchange(service)
    for _ in range(5):
        assert answers(device, datagram, 1) == [m.R_COMPLETE]
        time.sleep(0.2)
    assert counters(service.mppd)["deferred"] == 0


def test_fresh_keys(mppd_factory, folder):
    """While the application hears of every publication, once."""
    mppd = mppd_factory(service="renew = 10s").start()
    mppd.account()
    enroll(mppd, folder / "d")
    subscriber = Subscriber(folder / "d")
    subscriber.wait("connected")
    sent = 0

    def renewed():
        nonlocal sent
        sent += 1
        publish(mppd, f"mmm_Inbound={sent}")
        time.sleep(0.3)
        return counters(mppd)["renewed"] >= 2
    wait_for(renewed, 90)
    publish(mppd, f"mmm_Inbound={sent + 1}")

    def heard():
        return [store["index"] for _, event in list(subscriber.events)
                if event["event"] == "publication"
                for store in event["stores"]]
    wait_for(lambda: heard()[-1] == sent + 1)
    # Each at most once and in order; a slow one may have been overtaken.
    assert heard() == sorted(set(heard()))
    kinds = [event["event"] for _, event in subscriber.events]
    assert kinds.count("connected") >= 3 and "lost" not in kinds
    assert counters(mppd)["keys_ended"] == 0
    assert subscriber.end()[0] == 0


# ---- devices ----

def test_an_instance_connects_six_times_in_a_minute(mppd):
    service = Service(mppd)
    device = subscribed(service)
    with pytest.raises(m.Refused) as refused:
        for _ in range(8):
            device.confirm(device.connect(SUBSCRIBE))
    assert refused.value.status == 429
    wait = m.Reader(device.extensions["RetryAfter"]).number()
    assert 1 <= wait <= 10000
    assert 5 <= counters(service.mppd)["confirmed"] <= 8


def test_more_when_it_is_configured(mppd_factory):
    service = Service(mppd_factory(limits="handshakes = 600").start())
    device = subscribed(service)
    for _ in range(12):
        device.confirm(device.connect(SUBSCRIBE))


def test_requests(mppd_factory):
    service = Service(mppd_factory(
        limits="requests = 1\nrequests-burst = 3").start())
    device = subscribed(service)
    statuses = [device.request("PresenceHeartbeat")[1].get("Status", 0)
                for _ in range(6)]
    assert statuses[:2] == [0, 0] and statuses[-1] == 429
    assert counters(service.mppd)["too_many"] >= 1


# ---- copies of a device ----

def device_of(mppd):
    return mppd.ctl_json("status", ALICE)["devices"][0]


def change_instance(state):
    """As another installation with the same key has it."""
    path = state / "device.json"
    document = json.loads(path.read_text())
    old = document["Instance"]
    document["Instance"] = ("A" if old[0] != "A" else "B") + old[1:]
    path.write_text(json.dumps(document))


def test_a_copied_state_directory(mppd, folder):
    """Two programs with one instance displace each other, but not for long,
    and the operator hears of it."""
    mppd.account()
    enroll(mppd, folder / "d")
    shutil.copytree(folder / "d", folder / "copy")
    both = [Subscriber(folder / name, "--keepalive", "1s")
            for name in ("d", "copy")]
    wait_for(lambda: counters(mppd)["clone_alarms"] >= 1)
    assert "replaced" in device_of(mppd)["alarms"]
    device = device_of(mppd)["device"]
    line = next(x for x in mppd.log.splitlines() if "seems to be copied" in x)
    assert "level=warn" in line and f"account={ALICE}" in line
    assert f"device={device}" in line and "endpoint=127.0.0.1" in line
    assert f"ALARM: device {device} of {ALICE}" in mppd.ctl("status").stdout
    assert "ALARM" in mppd.ctl("status", ALICE).stdout
    # One of them is told to wait.
    wait_for(lambda: any(event["event"] == "refused"
                         for s in both for _, event in list(s.events)))
    for subscriber in both:
        subscriber.end()


def test_two_instances(mppd_factory, folder):
    """With a state of its own under the same key: both are served."""
    mppd = mppd_factory().start()
    mppd.account()
    enroll(mppd, folder / "d")
    shutil.copytree(folder / "d", folder / "other")
    change_instance(folder / "other")
    both = [Subscriber(folder / name) for name in ("d", "other")]
    for subscriber in both:
        subscriber.wait("connected")
    wait_for(lambda: device_of(mppd)["alarms"] == ["instances"])
    found = device_of(mppd)["connections"]
    assert len({c["instance"] for c in found}) == 2
    assert len({c["endpoint"] for c in found}) == 2
    assert counters(mppd)["clone_alarms"] == 1
    publish(mppd, "mmm_Inbound=1")
    for subscriber in both:
        subscriber.wait("publication")
        assert subscriber.end()[0] == 0
    wait_for(lambda: device_of(mppd)["alarms"] == [])


def test_two_instances_that_are_allowed(mppd_factory, folder):
    mppd = mppd_factory(limits="instances-per-device = 2").start()
    mppd.account()
    enroll(mppd, folder / "d")
    shutil.copytree(folder / "d", folder / "other")
    change_instance(folder / "other")
    both = [Subscriber(folder / name) for name in ("d", "other")]
    for subscriber in both:
        subscriber.wait("connected")
    wait_for(lambda: len(device_of(mppd)["connections"]) == 2)
    assert device_of(mppd)["alarms"] == []
    assert counters(mppd)["clone_alarms"] == 0
    for subscriber in both:
        assert subscriber.end()[0] == 0
