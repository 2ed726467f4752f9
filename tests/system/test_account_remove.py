# SPDX-License-Identifier: MIT
"""Removing an account with the real programs: what devices see, what asks
first, and that a kill at any moment leaves all of it or nothing."""
import os
import pty
import random
import re
import socket
import subprocess
import threading

from conftest import DEADLINE_S, program, wait_for

ALICE = "alice@example.com"
BOB = "bob@example.com"
URI = f"/v1/accounts/{ALICE}"


def mpp(*args):
    return subprocess.run([program("mpp"), *map(str, args)], text=True,
                          capture_output=True, timeout=DEADLINE_S)


def enroll(mppd, account, state):
    uri = mppd.ctl_json("invite", account)["uri"]
    done = mpp("enroll", uri, "--state", state)
    assert done.returncode == 0, done.stderr


def names(mppd):
    return [a["account"] for a in
            mppd.api("GET", "/v1/accounts")[1]["accounts"]]


def subscribe(state):
    return subprocess.Popen(
        [program("mpp"), "subscribe", "--state", str(state), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def subscribers(mppd, account):
    return [c for d in mppd.ctl_json("status", account)["devices"]
            for c in d["connections"] if c["subscribed"]]


# ---- what devices see ----

def test_devices_are_cut_off_and_may_come_back(mppd, folder):
    for account, state in ((ALICE, "phone"), (BOB, "desktop")):
        mppd.account(account)
        enroll(mppd, account, folder / state)
    old = mppd.ctl_json("publish", ALICE, "--store", "mail=9")["serial"]
    with subscribe(folder / "phone") as phone, \
            subscribe(folder / "desktop") as desktop:
        try:
            wait_for(lambda: subscribers(mppd, ALICE)
                     and subscribers(mppd, BOB))
            assert mppd.ctl_json("account", "remove", ALICE.upper(),
                                 "--yes") == {"account": ALICE}
            # 77: no permission, as for a device that was removed.
            assert phone.wait(DEADLINE_S) == 77
            assert "403" in phone.stderr.read()
            serial = mppd.ctl_json("publish", BOB, "--store", "mail=3")[
                "serial"]
            assert any(str(serial) in line for line in desktop.stdout)
            assert desktop.poll() is None
        finally:
            for device in (phone, desktop):
                device.kill()
    assert mpp("status", "--state", folder / "phone").returncode == 77
    mppd.restart()
    assert names(mppd) == [BOB]
    assert mppd.ctl("status", ALICE).returncode == 68
    mppd.account(ALICE)
    assert mpp("status", "--state", folder / "phone").returncode == 77
    new = mppd.ctl_json("publish", ALICE, "--store", "mail=1")["serial"]
    assert new > old
    enroll(mppd, ALICE, folder / "phone")
    with subscribe(folder / "phone") as phone:
        try:
            assert any(str(new) in line for line in phone.stdout)
        finally:
            phone.kill()


# ---- asking first ----

def answer_on_a_terminal(mppd, text, *args):
    """mppctl account remove with a terminal for its input."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, text)
        return mppd.ctl("account", "remove", *args, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_it_asks_on_a_terminal(mppd, folder):
    mppd.account(ALICE)
    enroll(mppd, ALICE, folder / "phone")
    mppd.ctl_json("publish", ALICE, "--store", "mail=1", "--store", "todo=1")
    question = f"Remove {ALICE} with 1 device and 2 stores? [y/N] "
    # ^D is the end of input.
    for text in (b"n\n", b"\n", b"yesterday\n", b"\x04"):
        done = answer_on_a_terminal(mppd, text, ALICE)
        assert done.returncode == 77, (text, done)
        assert done.stdout == ""
        assert done.stderr == (question + "mppctl: not confirmed: nothing "
                               "was removed\n")
    assert names(mppd) == [ALICE]
    done = answer_on_a_terminal(mppd, b"y\n", ALICE)
    assert (done.returncode, done.stdout, done.stderr) == (
        0, f"account {ALICE} removed\n", question)
    assert names(mppd) == []
    assert "account removed" in mppd.log
    done = answer_on_a_terminal(mppd, b"y\n", ALICE)
    assert done.returncode == 68 and "[y/N]" not in done.stderr
    mppd.account(ALICE)
    done = answer_on_a_terminal(mppd, b"Yes\n", ALICE, "--json")
    assert done.returncode == 0
    assert done.stdout == f'{{"account":"{ALICE}"}}\n'
    assert done.stderr == question.replace("1 device", "0 devices").replace(
        "2 stores", "0 stores")


def test_it_does_not_ask_elsewhere(mppd):
    mppd.account(ALICE)
    done = mppd.ctl("account", "remove", ALICE, input="y\n")
    assert done.returncode == 64
    assert re.fullmatch(r"mppctl: .*--yes.*\n", done.stderr)
    assert names(mppd) == [ALICE]
    assert mppd.ctl("account", "remove", "bob", "--yes").returncode == 68
    done = mppd.ctl("account", "remove", ALICE, "--yes")
    assert (done.returncode, done.stdout) == (0, f"account {ALICE} removed\n")
    assert names(mppd) == []


# ---- kill -9 ----

def ask_and_kill(mppd, wait_s):
    """Send a DELETE and kill. Gives whether it was answered with 200."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(DEADLINE_S)
        s.connect(str(mppd.socket))
        s.sendall(f"DELETE {URI} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        if wait_s is not None:
            timer = threading.Timer(wait_s, mppd.process.kill)
            timer.start()
        try:
            answer = s.recv(65536)
        except ConnectionResetError:
            answer = b""
        if wait_s is not None:
            timer.join()
        mppd.kill9()
    return answer.startswith(b"HTTP/1.1 200")


def look(mppd):
    """All that the operator sees of the account, None when it is gone."""
    status, doc, _ = mppd.api("GET", URI)
    assert status in (200, 404)
    return doc if status == 200 else None


def test_a_kill_leaves_all_or_nothing(mppd, folder):
    mppd.account(BOB)
    mppd.ctl_json("publish", BOB, "--store", "mail=1")
    bob = mppd.ctl_json("status", BOB)
    rng = random.Random(7)
    moments = [None, 0] + [rng.uniform(0, 0.02) for _ in range(6)] + [None]
    for moment in moments:
        if look(mppd) is None:
            mppd.account(ALICE)
            enroll(mppd, ALICE, folder / "phone")
            mppd.ctl_json("publish", ALICE, "--store", "mail=1",
                          "--store", "todo=1")
            mppd.ctl_json("invite", ALICE)
            # The device said goodbye.
            wait_for(lambda: not [c for d in look(mppd)["devices"]
                                  for c in d["connections"]])
        before = look(mppd)
        answered = ask_and_kill(mppd, moment)
        mppd.start()
        after = look(mppd)
        assert after in (None, before)
        assert not (answered and after is not None), moment
        if moment is None:
            assert answered
        assert mpp("status", "--state", folder / "phone").returncode == (
            77 if after is None else 0)
        assert mppd.ctl_json("status", BOB) == bob
    assert look(mppd) is None


def pool(mppd, name):
    return [p["used"] for p in mppd.api("GET", "/v1/status")[1]["pools"]
            if p["name"] == name][0]


INVITATIONS = 7000  # more deletions than fit one batch of 262144 octets


def invite_many(mppd, n):
    """On connections that stay open: http.client is too slow for so many."""
    ask = (f"POST {URI}/invitations HTTP/1.1\r\nHost: x\r\n"
           "Content-Length: 0\r\n\r\n").encode()

    def run(count):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE_S)
            s.connect(str(mppd.socket))
            text = b""
            for _ in range(count):
                s.sendall(ask)
                while not text.endswith(b"}\n"):
                    text += s.recv(65536)
                assert text.startswith(b"HTTP/1.1 201"), text
                text = b""
    threads = [threading.Thread(target=run, args=(n // 50,))
               for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * DEADLINE_S)


def test_a_large_one_is_gone_at_once_and_cleared_away_later(mppd_factory):
    mppd = mppd_factory(limits=f"invitations = {INVITATIONS}\n"
                        f"operations = {INVITATIONS}").start()
    mppd.account(ALICE)
    invite_many(mppd, INVITATIONS)
    assert pool(mppd, "invitations") == INVITATIONS
    ask_and_kill(mppd, None)  # answered, and killed while it clears away
    mppd.start()
    assert look(mppd) is None
    wait_for(lambda: pool(mppd, "accounts") == 0)
    assert pool(mppd, "invitations") == 0
    mppd.account(ALICE)
    mppd.restart()
    assert names(mppd) == [ALICE]
    assert pool(mppd, "invitations") == 0
