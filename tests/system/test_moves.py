# SPDX-License-Identifier: MIT
"""The network of a device changes under it, and its connection comes along:
two network namespaces with one wire, as in test_loss, whose far end gets
another address."""
import pytest
from conftest import wait_for
# pylint: disable=unused-import
from test_loss import Device, inside, run, service, wire  # fixtures, too

ACCOUNT = "alice@example.com"
# The next heartbeat comes after 20 s; what is noticed sooner was noticed.
SOON_S = 12


def counters(service):
    return service.ctl_json("status")["counters"]


def endpoints(service):
    return [c["endpoint"] for account in service.ctl_json("status")["accounts"]
            for device in account["devices"] for c in device["connections"]]


@pytest.fixture(name="device")
def device_(service, folder):
    service.account(ACCOUNT)
    made = Device(service, ACCOUNT, folder / "device")
    wait_for(lambda: made.port)
    yield made
    code, said = made.end()
    assert (code, said) == (0, "")


def take_address(wire, address):
    """Another network: the old address is gone, there is a new one."""
    device = wire.devices
    run(*inside(device, "ip", "address", "flush", "dev", "wire"))
    run(*inside(device, "ip", "address", "add", address, "dev", "wire"))


def hears(service, device, index):
    serial = service.publish(service.http(), ACCOUNT, index)
    wait_for(lambda: device.newest() == serial, SOON_S)


def test_an_address_changes(wire, service, device):
    hears(service, device, 1)
    before = counters(service)
    for n in (3, 4, 5):
        take_address(wire, f"10.77.0.{n}/24")
        wait_for(lambda n=n: counters(service)["moved"] ==
                 before["moved"] + n - 2, SOON_S)
        assert [e.rsplit(":")[0] for e in endpoints(service)] == [
            f"10.77.0.{n}"]
        hears(service, device, n)
    after = counters(service)
    assert after["handshakes"] == before["handshakes"]
    assert after["confirmed"] == before["confirmed"]
    assert device.lost == 0


def test_another_address_is_nothing(wire, service, device):
    """One that is not used for the service: the control of "moved"."""
    hears(service, device, 1)
    before = counters(service)
    run(*inside(wire.devices, "ip", "address", "add", "10.78.0.1/24", "dev",
                "lo"))
    hears(service, device, 2)
    assert counters(service)["moved"] == before["moved"]
    assert endpoints(service)[0].startswith("10.77.0.2:")


def test_no_network_for_a_while(wire, service, device):
    """Without any address nothing can be sent, and nothing is given up."""
    hears(service, device, 1)
    before = counters(service)
    run(*inside(wire.devices, "ip", "address", "flush", "dev", "wire"))
    serial = service.publish(service.http(), ACCOUNT, 2)
    run("sleep", "1")
    assert device.newest() != serial
    run(*inside(wire.devices, "ip", "address", "add", "10.77.0.9/24", "dev",
                "wire"))
    wait_for(lambda: device.newest() == serial, SOON_S)
    assert counters(service)["moved"] == before["moved"] + 1
    assert counters(service)["handshakes"] == before["handshakes"]
