# SPDX-License-Identifier: MIT
"""A device comes back with the token in its state: mpp and mppd as they are
used."""
import json
import signal

import pytest
from conftest import wait_for
from test_client import ALICE, Subscriber, enroll, publish

# Where a fixture is named like what it gives.
# pylint: disable=redefined-outer-name


@pytest.fixture
def alice(mppd):
    mppd.account(ALICE)
    return mppd


@pytest.fixture
def subscriber():
    made = []

    def make(*args):
        made.append(Subscriber(*args))
        return made[-1]
    yield make
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def token(folder):
    """What the state file holds; None when there is no token."""
    state = json.loads((folder / "s" / "device.json").read_text())
    return state.get("Token")


def counters(mppd):
    return mppd.api("GET", "/v1/status")[1]["counters"]


def test_comes_back_by_token(alice, folder, subscriber):
    enroll(alice, folder / "s")
    assert token(folder) is None
    one = subscriber(folder / "s")
    one.wait("connected")
    first = wait_for(lambda: token(folder))
    assert set(first) == {"Token", "SharedSecret"}
    one.end(signal.SIGKILL)
    alice.restart()
    two = subscriber(folder / "s")
    two.wait("connected")
    assert counters(alice)["tickets"] == 1
    assert counters(alice)["confirmed"] == 1
    wait_for(lambda: token(folder) not in (None, first))
    publish(alice, "mmm_Inbound=1")
    two.wait("publication")
    for secret in (first["Token"], first["SharedSecret"]):
        assert secret not in alice.log


def test_an_older_key_file_gets_a_token_key(alice, folder, subscriber):
    enroll(alice, folder / "s")
    one = subscriber(folder / "s")
    wait_for(lambda: token(folder))
    one.end()
    assert alice.stop() == 0
    path = alice.state / "service.key"
    lines = path.read_text().splitlines(keepends=True)
    assert lines[0] == "mppd service key 2\n" and len(lines) == 7
    path.write_text("mppd service key 1\n" + "".join(lines[1:5]))
    alice.start()
    again = path.read_text().splitlines(keepends=True)
    assert again[:5] == lines[:5] and len(again) == 7
    assert again[6] != lines[6]
    # The token of the old key is not known: the device key helps.
    two = subscriber(folder / "s")
    two.wait("connected")
    assert counters(alice)["tickets"] == 0
    assert counters(alice)["errors_clear"] == 1


def test_revoke(alice, folder, subscriber):
    device = enroll(alice, folder / "s")
    one = subscriber(folder / "s")
    wait_for(lambda: token(folder))
    one.end(signal.SIGKILL)
    two = subscriber(folder / "s")
    two.wait("connected")
    assert counters(alice)["tickets"] == 1
    held = wait_for(lambda: token(folder))
    done = alice.ctl("token", "revoke", ALICE, device)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tokens of {device} revoked\n"
    assert 'msg="tokens revoked"' in alice.log
    # It is back by its key, and has another token.
    two.wait("connected", 2)
    assert counters(alice)["tickets"] == 1
    given = wait_for(lambda: token(folder) not in (None, held)
                     and token(folder))
    publish(alice, "mmm_Inbound=1")
    two.wait("publication")
    # Of the whole account; the connection by key stays.
    done = alice.ctl("token", "revoke", ALICE, "--json")
    assert json.loads(done.stdout) == {"account": ALICE}
    wait_for(lambda: token(folder) not in (None, given))
    publish(alice, "mmm_Inbound=2")
    two.wait("publication", 2)
    assert len([e for _, e in two.events if e["event"] == "connected"]) == 2
    # It stands in the store.
    two.end(signal.SIGKILL)
    state = folder / "s" / "device.json"
    document = json.loads(state.read_text())
    document["Token"] = given
    alice.restart()
    state.write_text(json.dumps(document))
    three = subscriber(folder / "s")
    three.wait("connected")
    assert counters(alice)["tickets"] == 0
    assert counters(alice)["errors_clear"] == 1


@pytest.mark.parametrize("words, code, said", [
    (["nobody@example.com"], 68, "no such account"),
    ([ALICE, "MBKY-6QMK-VOLB-ZSQS-IWN6"], 68, "no such"),
    ([ALICE, "me"], 65, "fingerprint"),
    ([], 64, "too few"),
    ([ALICE, "a", "b"], 64, "too many"),
])
def test_revoke_what_is_not_there(alice, words, code, said):
    done = alice.ctl("token", "revoke", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
