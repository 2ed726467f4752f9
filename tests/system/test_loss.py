# SPDX-License-Identifier: MIT
"""Five per cent of all datagrams are lost in both directions, and still the
newest state is everywhere in the end.

The service and the devices stand in two network namespaces with one wire
between them. Each end drops what it would receive, by an nftables rule with a
counter, so that neither program is told of a loss."""
import json
import subprocess
import threading
import uuid

import pytest
from conftest import DEADLINE_S, Mppd, program, wait_for

ACCOUNTS = ("alice@example.com", "bob@example.com")
DEVICES_EACH = 5
PUBLICATIONS = 200
PAUSE = 12
PERCENT = 5
PORT = 15099
ADDRESS = "10.77.0.1"


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE_S,
                          **options).stdout


def inside(name, *command):
    return ("ip", "netns", "exec", name, *command)


class Wire:
    """Two namespaces, joined; what each of them drops is counted."""

    def __init__(self):
        word = uuid.uuid4().hex[:8]
        self.service, self.devices = f"mpp-s{word}", f"mpp-d{word}"
        self.made = []

    def make(self):
        for name in (self.service, self.devices):
            run("ip", "netns", "add", name)
            self.made.append(name)
        run("ip", "link", "add", "wire", "netns", self.service, "type",
            "veth", "peer", "name", "wire", "netns", self.devices)
        for name, address in ((self.service, ADDRESS),
                              (self.devices, "10.77.0.2")):
            run(*inside(name, "ip", "address", "add", f"{address}/24", "dev",
                        "wire"))
            run(*inside(name, "ip", "link", "set", "wire", "up"))
            run(*inside(name, "nft", "add table ip loss; add chain ip loss in "
                        "{ type filter hook input priority 0; }"))

    def rule(self, name, *words):
        run(*inside(name, "nft", "add", "rule", "ip", "loss", "in", *words,
                    "counter", "drop"))

    def lose(self, percent):
        """From now on, in both directions."""
        for name, port in ((self.service, "dport"), (self.devices, "sport")):
            self.rule(name, "udp", port, str(PORT), "numgen", "random", "mod",
                      "100", "<", str(percent))

    def cut(self, port):
        """One device hears nothing any more."""
        self.rule(self.devices, "udp", "dport", port)

    def mend(self):
        for name in (self.service, self.devices):
            run(*inside(name, "nft", "flush", "chain", "ip", "loss", "in"))

    def dropped(self, name):
        """How many, by each rule in its order."""
        rules = json.loads(run(*inside(name, "nft", "-j", "list", "chain",
                                       "ip", "loss", "in")))["nftables"]
        return [part["counter"]["packets"] for rule in rules if "rule" in rule
                for part in rule["rule"]["expr"] if "counter" in part]

    def remove(self):
        for name in self.made:
            run("ip", "netns", "del", name)


class Service(Mppd):
    """An mppd in a namespace."""

    def __init__(self, folder, wire):
        super().__init__(folder, port=PORT, listen=f"{ADDRESS}:{PORT}")
        self.wire = wire

    def spawn(self):
        with open(self.stderr, "a", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                inside(self.wire.service, self.program, "-c",
                       str(self.config)),
                stderr=err, stdout=err, stdin=subprocess.DEVNULL)
        return self

    def publish(self, connection, account, index):
        """One publication by the control API; gives its serial."""
        connection.request("POST", f"/v1/accounts/{account}/publish",
                           json.dumps({"stores": [{"store": "mmm_Inbound",
                                                   "index": index}]}))
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)["serial"]


class Device:
    """An `mpp subscribe` process and the serials that it printed."""

    def __init__(self, service, account, state):
        self.account, self.serials, self.port = account, [], None
        self.lost = 0
        uri = json.loads(service.ctl("invite", account, "--json").stdout)
        mpp = inside(service.wire.devices, program("mpp"))
        self.id = run(*mpp, "enroll", "--timeout", "50s", "--state", state,
                      uri["uri"]).split()[-1]
        self.process = subprocess.Popen(
            [*mpp, "subscribe", "--json", "--state", state],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "connected":
                self.port = event["endpoint"].rsplit(":", 1)[1]
            elif event["event"] == "lost":
                self.lost += 1
            elif event["event"] == "publication":
                self.serials.append(event["serial"])

    def newest(self):
        return self.serials[-1] if self.serials else 0

    def end(self):
        """Give (exit code, stderr)."""
        self.process.terminate()
        code = self.process.wait(DEADLINE_S)
        self.thread.join(DEADLINE_S)
        return code, self.process.stderr.read()


@pytest.fixture
def wire():
    made = Wire()
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture
def service(wire, folder):
    made = Service(folder, wire).start()
    yield made
    assert made.stop() == 0
    made.check_sane()


@pytest.fixture
def devices(service, folder):
    """Enrolled and subscribed while datagrams are lost already."""
    service.wire.lose(PERCENT)
    made = []
    for account in ACCOUNTS:
        service.account(account)
        for i in range(DEVICES_EACH):
            made.append(Device(service, account,
                               folder / f"{account[0]}{i}"))
    wait_for(lambda: all(device.port for device in made))
    yield made
    for device in made:
        code, said = device.end()
        assert (code, said) == (0, "")


def acknowledged(service):
    """device -> newest serial that it has acknowledged."""
    return {device["device"]: max([c["acknowledged"] for c in
                                   device["connections"]], default=0)
            for account in service.ctl_json("status")["accounts"]
            for device in account["devices"]}


def behind(service, devices, newest):
    """Devices that are not at the newest of their account, by their own word
    or by that of the service."""
    known = acknowledged(service)
    assert set(known) == {device.id for device in devices}
    return {device.id for device in devices
            if device.newest() != newest[device.account]
            or known[device.id] != newest[device.account]}


def publish_all(service, devices):
    """Gives the newest serial of each account. Now and then it waits until
    all have it: what is lost then is not made good by something newer."""
    serials = {account: [] for account in ACCOUNTS}
    connection = service.http()
    for n in range(PUBLICATIONS):
        account = ACCOUNTS[n % len(ACCOUNTS)]
        serials[account].append(service.publish(connection, account, n + 1))
        if n % PAUSE == PAUSE - 1:
            newest = {name: row[-1] for name, row in serials.items()}
            wait_for(lambda: not behind(service, devices, newest),
                     2 * DEADLINE_S)
    connection.close()
    assert sum(map(len, serials.values())) == PUBLICATIONS > 0
    for row in serials.values():
        assert all(a < b for a, b in zip(row, row[1:]))
    return {account: row[-1] for account, row in serials.items()}


def test_the_newest_arrives_everywhere(wire, service, devices):
    assert len(devices) == len(ACCOUNTS) * DEVICES_EACH
    newest = publish_all(service, devices)
    wait_for(lambda: not behind(service, devices, newest), 2 * DEADLINE_S)
    for device in devices:
        assert device.serials == sorted(set(device.serials)), \
            "an older serial after a newer one, or one of them twice"
    lost = wire.dropped(wire.service)[0], wire.dropped(wire.devices)[0]
    counters = service.ctl_json("status")["counters"]
    print(f"lost {lost[0]} to the service, {lost[1]} to the devices; "
          f"{counters['notifies']} notifications, {counters['repeats']} of "
          f"them again")
    assert min(lost) > 0
    assert counters["repeats"] > 0

    # The control: one device that hears nothing is seen to be behind, and
    # it alone; when it hears again it gets the newest.
    deaf = devices[0]
    wire.cut(deaf.port)
    newest[deaf.account] = service.publish(service.http(), deaf.account,
                                           PUBLICATIONS + 1)
    wait_for(lambda: behind(service, devices, newest) == {deaf.id})
    wait_for(lambda: wire.dropped(wire.devices)[1] > 1)
    assert behind(service, devices, newest) == {deaf.id}
    wire.mend()
    wait_for(lambda: not behind(service, devices, newest), 2 * DEADLINE_S)
    assert deaf.serials == sorted(set(deaf.serials))
