# SPDX-License-Identifier: MIT
"""The n-th system call or allocation of the real programs fails, for n = 1, 2,
… until none is reached any more (tests/recorder/failing.c).

In this way single functions are tested in tests/unit: the store
(store/test_store_faults.c), the key file (host/test_host_keyfile_faults.c),
the state of a device (loop/test_loop_state_faults.c), batches of datagrams
(host/test_host_udp_faults.c), the cryptography (crypto/test_crypto_alloc.c).
Here it is what the programs make of it as a whole."""
import errno
import http.client
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import DEADLINE_S, Mppd, program, wait_for
from failing import PART, Control, FailingMppd

ALICE = "alice@example.com"
FULL = os.environ.get("MPP_TIER", "") != ""
AT_A_TIME = 2
DEVICES = 3
# The first allocations make the default context of OpenSSL, which version 3.0
# takes for made when one of them fails: it crashes when the first algorithm
# is fetched. Nothing outside of it can know.
OPENSSL_OWN = 60
CLEAR = re.compile(r"mppd?: \S.*\n")


def tree(path):
    return sorted(p.name for p in path.iterdir()) if path.exists() else []


def words_of_a_sanitizer(text):
    return [w for w in ("Sanitizer", "runtime error", "Assertion")
            if w in text]


# ---- system calls while it serves ----

class Subscriber:
    """mpp subscribe --json; its serials as they come."""

    def __init__(self, mppd, state):
        self.lines = state.with_suffix(".lines")
        uri = mppd.ctl_json("invite", ALICE)["uri"]
        subprocess.run([program("mpp"), "enroll", "--state", state, uri],
                       check=True, capture_output=True, timeout=DEADLINE_S)
        with open(self.lines, "wb") as out:
            self.process = subprocess.Popen(
                [program("mpp"), "subscribe", "--json", "--state", state],
                stdin=subprocess.DEVNULL, stdout=out)
        wait_for(lambda: "connected" in self.lines.read_text())

    def serials(self):
        return [json.loads(line)["serial"] for line in
                self.lines.read_text().splitlines() if "serial" in line]

    def end(self):
        """Gives the exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE_S)


class Service(FailingMppd):
    """An mppd of which calls can fail, and devices that hear of it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.devices, self.index = [], 0
        self.start()
        self.account(ALICE)
        for n in range(DEVICES):
            self.devices.append(Subscriber(self, self.folder / f"s{n}"))

    def publish(self):
        """Gives the serial."""
        self.index += 1
        status, answer, _ = self.api(
            "POST", f"/v1/accounts/{ALICE}/publish",
            {"stores": [{"store": "mmm_Inbound", "index": self.index}]})
        assert status == 200, answer
        return answer["serial"]

    def arrived(self, serial):
        """Every device has printed it last, and acknowledged it."""
        account = self.api("GET", f"/v1/accounts/{ALICE}")[1]
        told = [c["acknowledged"] for d in account["devices"]
                for c in d["connections"]]
        return told == DEVICES * [serial] and all(
            device.serials()[-1:] == [serial] for device in self.devices)

    def udp(self):
        return self.api("GET", "/v1/status")[1]["udp"]

    def end(self):
        for device in self.devices:
            serials = device.serials()
            assert device.end() == 0
            assert serials == sorted(set(serials)) and serials
        assert self.alive(), self.log
        assert self.stop() == 0, self.log
        self.check_sane()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    made = Service(tmp_path_factory.mktemp("faults"))
    yield made
    made.end()


# The counter that must rise by one for each that failed, or none.
CALLS = [
    ("send", errno.EAGAIN, None),
    ("send", errno.ENOBUFS, None),
    ("send", errno.EINTR, None),
    ("send", errno.EPERM, "send_errors"),
    ("send", errno.ENETUNREACH, "send_errors"),
    ("send", PART, None),
    ("receive", errno.EAGAIN, None),
    ("receive", errno.EINTR, None),
    ("receive", errno.ENOBUFS, "receive_errors"),
    ("receive", errno.ECONNREFUSED, "receive_errors"),
    ("receive", PART, None),
    ("wait", errno.EINTR, None),
    ("wait", PART, None),
]


def name_of(row):
    return f"{row[0]}-{errno.errorcode.get(row[1], 'part')}"


@pytest.mark.parametrize("row", CALLS, ids=name_of)
def test_a_call_fails_while_it_serves(service, row):
    """Every publication arrives everywhere and is acknowledged, whichever
    call of its way failed; it is counted."""
    kind, error, counter = row
    before, tried = service.udp(), 0
    for n in range(1, 300):
        service.control.arm(kind, n, error)
        serial = service.publish()
        wait_for(lambda: service.arrived(serial))
        if not service.control.disarm():
            break
        tried += 1
    print(f"{tried} calls failed")
    assert 0 < tried < 299
    after = service.udp()
    for name in ("send_errors", "send_full", "receive_errors"):
        assert after[name] - before[name] == (tried if name == counter
                                              else 0), name


# ---- allocations ----

def is_of_others(mppd, n):
    """Whether it was OpenSSL that crashed, or the sanitizer that got no
    memory for itself."""
    return ("CHECK failed: sanitizer_" in mppd.log
            or (mppd.process.poll() is not None and n <= OPENSSL_OWN
                and mppd.process.returncode < 64))


def start(folder, n, kind, error):
    """Start an mppd of which the n-th call of a kind fails, and look how it
    ends or serves. Gives complaints, and whether the call was reached."""
    (folder / "d").mkdir(parents=True)
    mppd = FailingMppd(folder / "d")
    # OpenSSL itself leaks when it gets no memory.
    mppd.control.leaks = kind != "allocation"
    mppd.control.arm(kind, n, error)
    mppd.spawn()
    wait_for(lambda: mppd.process.poll() is not None
             or "msg=ready" in mppd.log)
    if kind == "allocation" and is_of_others(mppd, n):
        return [], mppd.control.disarm()
    wrong, key = [], None
    if mppd.process.poll() is None:
        failed = mppd.control.disarm()
        key = fingerprint(mppd)
        code = mppd.stop()
        if code != 0:
            wrong.append(f"ended with {code}")
    else:
        failed = mppd.control.disarm()
        code = mppd.process.returncode
        last = mppd.log.splitlines(keepends=True)[-1:]
        if not 64 <= code <= 78 or not last or not CLEAR.fullmatch(last[0]):
            wrong.append(f"exit code {code}, says {last}")
    wrong += words_of_a_sanitizer(mppd.log)
    wrong += starts_well(mppd, key)
    return [f"{kind} {n}, {os.strerror(error)}: {w}\n{mppd.log[-1500:]}"
            for w in wrong], failed


def fingerprint(mppd):
    return [s["fingerprint"] for s in
            mppd.api("GET", "/v1/status")[1]["suites"]]


def starts_well(failed, key):
    """On what it left the next one starts, with the key that it had."""
    mppd = Mppd(failed.folder)
    mppd.stderr = failed.folder / "stderr-again"
    mppd.port, mppd.state = failed.port, failed.state
    mppd.start()
    wrong = []
    if key is not None and fingerprint(mppd) != key:
        wrong.append("the next start has another key")
    if mppd.api("POST", "/v1/accounts", {"account": ALICE})[0] != 201:
        wrong.append("the next start does not serve")
    wrong += [f"left behind: {name}" for name in tree(mppd.state)
              if name.endswith(".new")]
    mppd.kill9()
    return wrong


def spread(first, last, count):
    """So many numbers from first to last, both among them."""
    return sorted({first + round(i * (last - first) / (count - 1))
                   for i in range(count)})


def start_all(folder, kind, error, numbers):
    """Gives complaints, and how many calls failed."""
    def one(n):
        return start(folder / f"{n}", n, kind, error)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(one, numbers))
    return [w for wrong, _ in found for w in wrong], \
        [n for n, (_, failed) in zip(numbers, found) if failed]


def calls_of_a_start(folder, kind):
    (folder / "count").mkdir()
    mppd = FailingMppd(folder / "count").start()
    count = mppd.control.calls(kind)
    assert mppd.stop() == 0
    return count


def test_an_allocation_fails_at_the_start(folder):
    """It serves, or says why not in one line; never does it crash. Most are
    the cryptographic library's own; the last ones are those of the daemon and
    of the HTTP server."""
    count = calls_of_a_start(folder, "allocation")
    numbers = sorted({1, 2, 3, *range(OPENSSL_OWN + 1, 200 if FULL else 64),
                      *spread(OPENSSL_OWN + 1, count, 300 if FULL else 12),
                      *range(count - (300 if FULL else 24), count + 1),
                      count + 10000})
    wrong, failed = start_all(folder, "allocation", errno.ENOMEM, numbers)
    print(f"{len(failed)} of {count} allocations failed: {failed}")
    assert not wrong, "\n".join(wrong[:5])
    assert len(failed) >= len(numbers) - 5
    assert count + 10000 not in failed


FILES = [("open", errno.EMFILE), ("write", errno.ENOSPC), ("write", PART),
         ("sync", errno.EIO), ("rename", errno.EIO)]
if FULL:
    FILES += [("open", errno.ENOSPC), ("write", errno.EIO),
              ("rename", errno.ENOSPC)]


@pytest.mark.parametrize("row", FILES, ids=name_of)
def test_a_file_fails_at_the_start(folder, row):
    """Each call on each file of the state directory, while it is made."""
    kind, error = row
    numbers = range(1, calls_of_a_start(folder, kind) + 2)
    wrong, failed = start_all(folder, kind, error, numbers)
    print(f"{len(failed)} calls failed")
    assert not wrong, "\n".join(wrong[:5])
    assert failed == list(numbers)[:-1] and failed


def requests(mppd, n):
    """Some of each kind. Gives what is wrong with the answers; a connection
    that is closed without one is no mistake when there is no memory, one that
    says nothing is."""
    wrong = []
    for method, path, body in (
            ("POST", "/v1/accounts", {"account": f"a{n}"}),
            ("GET", "/v1/status", None),
            ("POST", f"/v1/accounts/{ALICE}/invitations", {}),
            ("POST", f"/v1/accounts/{ALICE}/publish",
             {"stores": [{"store": "mmm_Contact", "index": n}]})):
        try:
            status, answer, _ = mppd.api(method, path, body)
        except TimeoutError:
            wrong.append(f"{method} {path}: no answer")
        except (OSError, http.client.HTTPException):
            continue
        else:
            if status >= 300 and not answer["error"]["message"]:
                wrong.append(f"{method} {path}: {status} {answer}")
    return wrong


def test_an_allocation_fails_while_it_serves(service):
    """Of each request of some, and what it causes."""
    wrong, tried = [], 0
    for n in range(1, 1000):
        service.control.arm("allocation", n, errno.ENOMEM)
        wrong += requests(service, n)
        if not service.control.disarm():
            break
        tried += 1
        assert service.alive(), service.log
        assert not wrong, f"allocation {n}: {wrong}"
    print(f"{tried} allocations failed")
    assert 20 < tried < 999
    # And then all works.
    serial = service.publish()
    wait_for(lambda: service.arrived(serial))


# ---- the client ----

@pytest.mark.parametrize("row", FILES if FULL else FILES[1:], ids=name_of)
def test_a_file_fails_while_a_device_enrols(mppd, folder, row):
    """It is enrolled, or it says why not; with the same invitation it is in
    the end."""
    kind, error = row
    mppd.account(ALICE)
    tried = 0
    for n in range(1, 200):
        control, state = Control(folder / "control"), folder / f"s{n}"
        command = [program("mpp"), "enroll", "--state", str(state),
                   mppd.ctl_json("invite", ALICE)["uri"]]
        control.arm(kind, n, error)
        done = subprocess.run(command, text=True, capture_output=True,
                              env=control.environment(state),
                              timeout=DEADLINE_S)
        failed = control.disarm()
        assert not words_of_a_sanitizer(done.stderr), done.stderr
        if done.returncode != 0:
            assert 64 <= done.returncode <= 78
            assert CLEAR.fullmatch(done.stderr), done.stderr
        elif not failed:
            break
        assert failed, done.stderr
        tried += 1
        again = subprocess.run(command, text=True, capture_output=True,
                               timeout=DEADLINE_S)
        assert again.returncode == 0, (n, done.stderr, again.stderr)
        assert "device.json.new" not in tree(state)
    print(f"{tried} calls failed")
    assert 0 < tried < 199
