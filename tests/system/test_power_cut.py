# SPDX-License-Identifier: MIT
"""A power cut at any moment: what was answered is there afterwards.

One mppd works with a recorder before it (tests/recorder/recorder.c) and is
given accounts, devices and publications; each answer is noted with its time.
Then, for many moments, the state directory is built as a cut would have left
it (power.py), the real mppd is started on it, and all that had been answered
by then must be there.

kill -9 cannot show this: then the kernel still has what was never synced."""
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from bisect import bisect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import BUILD, DEADLINE_S, Mppd, program
from power import (DIR_MADE, MAPPED, OPENED, RENAMED, SYNCED, SYNCING, WROTE,
                   Disk, build, nothing, read_notes)

ACCOUNTS = ("alice@example.com", "bob@example.com")
STORES = ("mmm_Inbound", "mmm_Contact")
PUBLICATIONS = 30  # of each of two publishers
# How many moments are looked at with the least that is left, and how many
# with some of the rest.
FULL = os.environ.get("MPP_TIER", "") != ""
STRICT, TORN = {"": (60, 90), "ci": (250, 250), "long": (10 ** 9, 1000)}[
    os.environ.get("MPP_TIER", "")]
AT_A_TIME = 2


@dataclass
class Claim:
    """Something that was answered, and when (CLOCK_MONOTONIC, ns)."""
    time: int
    what: str
    name: str
    value: object = None


def sanitizer():
    """The library that must stand first in a build with a sanitizer."""
    said = subprocess.run(["ldd", program("mppd")], check=True, text=True,
                          capture_output=True).stdout
    return re.findall(r"=> (\S*/lib[at]san\.so\S*)", said)


def preload(name):
    path = BUILD / "recorder" / f"{name}.so"
    if not path.exists():
        pytest.fail(f"{path} is missing: build it first")
    return str(path.resolve())


class Recorded(Mppd):
    """An mppd with the recorder before it."""

    kill_at = 0

    def spawn(self):
        with open(self.stderr, "a", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                [self.program, "-c", str(self.config)], stderr=err,
                stdout=err, stdin=subprocess.DEVNULL, env={
                    **os.environ, "MPP_RECORD_DIR": str(self.state),
                    "MPP_RECORD_LOG": str(self.folder / "notes"),
                    "MPP_RECORD_KILL": str(self.kill_at),
                    "LD_PRELOAD": " ".join([*sanitizer(),
                                            preload("recorder")])})
        return self


class Work:
    """What the recorded mppd is given to do, and what it answered."""

    def __init__(self, mppd):
        self.mppd, self.claims, self.lock = mppd, [], threading.Lock()

    def claim(self, what, name, value=None):
        with self.lock:
            self.claims.append(Claim(time.monotonic_ns(), what, name, value))

    def fingerprints(self):
        return [suite["fingerprint"]
                for suite in self.mppd.api("GET", "/v1/status")[1]["suites"]]

    def enroll(self, account, place):
        """Both ends say that the device is enrolled."""
        uri = self.mppd.ctl_json("invite", account)["uri"]
        done = subprocess.run(
            [program("mpp"), "enroll", "--state",
             str(self.mppd.folder / place), uri], check=True, text=True,
            capture_output=True, timeout=DEADLINE_S)
        device = done.stdout.split()[-1]
        self.claim("device", device, account)
        return device

    def publish(self, account):
        for n in range(1, PUBLICATIONS + 1):
            store = STORES[n % len(STORES)]
            status, answer, _ = self.mppd.api(
                "POST", f"/v1/accounts/{account}/publish",
                {"stores": [{"store": store, "index": n}]})
            assert status == 200, answer
            self.claim("serial", account, answer["serial"])
            self.claim("index", f"{account} {store}", n)

    def run(self):
        self.claim("key", "service", self.fingerprints())
        for account in ACCOUNTS:
            self.mppd.account(account)
            self.claim("account", account)
        gone = self.enroll(ACCOUNTS[0], "gone")
        self.claim("going", gone)
        status, answer, _ = self.mppd.api(
            "DELETE", f"/v1/accounts/{ACCOUNTS[0]}/devices/{gone}")
        assert status == 200, answer
        self.claim("gone", gone)
        threads = [threading.Thread(target=self.publish, args=(account,))
                   for account in ACCOUNTS]
        for thread in threads:
            thread.start()
        for n, account in enumerate(ACCOUNTS):
            self.enroll(account, str(n))
        for thread in threads:
            thread.join(DEADLINE_S)
        assert len(self.claims) == 8 + 4 * PUBLICATIONS


@dataclass
class Recording:
    notes: list
    claims: list
    state: object


def temporary():
    """In memory, where that can be: what is safe is known from the notes, so
    nothing here needs a disk, and a sync of a busy one takes long."""
    return tempfile.mkdtemp(
        prefix="mpp-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK)
        else "/tmp")


@pytest.fixture
def folder():
    path = Path(temporary())
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def recording():
    folder = Path(temporary())
    try:
        yield record(folder)
    finally:
        shutil.rmtree(folder)


def record(folder):
    mppd = Recorded(folder).start()
    work = Work(mppd)
    try:
        work.run()
    finally:
        assert mppd.stop() == 0
    mppd.check_sane()
    return Recording(read_notes(folder / "notes"), work.claims, mppd.state)


def disk_at(recording, point, blind=""):
    """After the first `point` notes."""
    disk = Disk(recording.state, blind)
    for note in recording.notes[:point]:
        disk.do(note)
    assert disk.strange == []
    return disk


def due(recording, point):
    """What had been answered before the note that did not happen any more."""
    notes = recording.notes
    end = notes[point].time if point < len(notes) else float("inf")
    return [claim for claim in recording.claims if claim.time < end]


def look(status):
    """What a started mppd has, in the words of the claims."""
    found = {("key", "service"): [s["fingerprint"] for s in status["suites"]]}
    for account in status["accounts"]:
        name = account["account"]
        found["account", name] = None
        found["serial", name] = account["serial"]
        for store in account["stores"]:
            found["index", f"{name} {store['store']}"] = store["index"]
        for device in account["devices"]:
            found["device", device["device"]] = name
    return found


def lost(claims, found):
    """What was answered and is not there. A device that is being removed may
    be there or not."""
    going = {c.name for c in claims if c.what == "going"}
    wrong = []
    for claim in claims:
        have = found.get((claim.what, claim.name))
        if claim.what == "gone":
            good = ("device", claim.name) not in found
        elif claim.what == "going" or claim.name in going:
            continue
        elif claim.what in ("serial", "index"):
            good = have is not None and have >= claim.value
        else:
            good = (claim.what, claim.name) in found and have == claim.value
        if not good:
            wrong.append(f"{claim.what} {claim.name}: {claim.value} was "
                         f"answered, {have} is there")
    return wrong


def next_serials(mppd, claims, found):
    """A publication after the cut has a serial above all that were given."""
    wrong = []
    for what, account in list(found):
        if what != "account":
            continue
        status, answer, _ = mppd.api(
            "POST", f"/v1/accounts/{account}/publish",
            {"stores": [{"store": STORES[0], "index": 10 ** 6}]})
        given = [c.value for c in claims
                 if c.what == "serial" and c.name == account]
        if status != 200 or answer["serial"] <= max(given, default=0):
            wrong.append(f"{account}: serial {answer} after {given[-1:]}")
    return wrong


def after(recording, point, contents, folder):
    """Start mppd on what was left. Gives complaints; none: all is well."""
    mppd = Mppd(folder)
    build(contents, mppd.state)
    claims = due(recording, point)
    try:
        mppd.start()
        found = look(mppd.api("GET", "/v1/status")[1])
        wrong = lost(claims, found) + next_serials(mppd, claims, found)
        mppd.check_sane()
    except pytest.fail.Exception as failure:
        return [f"mppd does not start: {failure}"]
    finally:
        if mppd.alive():
            mppd.kill9()
    return wrong


def spread(numbers, count):
    """At most so many of them, evenly, the first and last among them."""
    if len(numbers) <= count:
        return list(numbers)
    step = (len(numbers) - 1) / (count - 1)
    return [numbers[round(i * step)] for i in range(count)]


def run_all(recording, points, left, folder):
    """left(point): contents. Gives "point: complaint" for all of them."""
    def one(item):
        n, point = item
        place = folder / str(n)
        place.mkdir()
        return [f"after {point} notes: {line}" for line in
                after(recording, point, left(point), place)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return [line for lines in pool.map(one, enumerate(points))
                for line in lines]


def test_the_recorder_sees_everything(recording):
    """Its notes give the directory as it is, octet for octet."""
    kinds = [note.kind for note in recording.notes]
    assert kinds.count(WROTE) > 2 * PUBLICATIONS
    assert kinds.count(SYNCED) > PUBLICATIONS
    assert any(note.flags & SYNCING for note in recording.notes
               if note.kind == WROTE)
    disk = disk_at(recording, len(kinds))
    # LMDB's table of readers, which is made anew at each start.
    assert MAPPED in kinds and disk.unseen() == {"store.mdb-lock"}
    known = disk.now()
    there = {path.name: path.read_bytes()
             for path in recording.state.iterdir()}
    assert set(known) == set(there)
    assert len(there["store.mdb"]) > 8192
    for name in set(known) - disk.unseen():
        assert known[name] == there[name], name


def test_the_least_that_is_left(recording, folder):
    """Only what was synced is there: before and behind each sync, and each
    write that is one."""
    marks = {0, len(recording.notes)}
    for n, note in enumerate(recording.notes):
        if note.kind == SYNCED or (note.kind == WROTE
                                   and note.flags & SYNCING):
            marks |= {n, n + 1}
    # What happens but once happens at the start.
    points = sorted(marks)
    points = points[:16] + spread(points[16:], STRICT - 16)
    wrong = run_all(recording, points, lambda point: disk_at(
        recording, point).after_cut(nothing), folder)
    assert len(points) >= 30
    assert not wrong, "\n".join(wrong[:20])


def torn(recording, point, dice):
    """Some of what was not synced is there as well, the next note too, as it
    was just being done."""
    chance = dice.choice((0.1, 0.5, 0.9, 1))
    disk = disk_at(recording, point)
    if point < len(recording.notes):
        note = recording.notes[point]
        if note.kind == WROTE:
            note = replace(note, flags=note.flags & ~SYNCING)
        if note.kind != SYNCED:
            disk.do(note)
    return disk.after_cut(lambda: dice.random() < chance)


def test_some_of_the_rest_is_left(recording, folder):
    """Any part of what was not synced may be there, in sectors."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    total = len(recording.notes)
    points = [dice.randrange(30) if n % 4 == 0 else dice.randrange(total + 1)
              for n in range(TORN)]
    rolls = {}

    def left(point):
        rolls[point] = rolls.get(point, 0) + 1
        return torn(recording, point,
                    random.Random(f"{seed} {point} {rolls[point]}"))
    wrong = run_all(recording, points, left, folder)
    assert not wrong, "\n".join(wrong[:20])


def start_twice(mppd, kill_at):
    """A first start is killed behind a note; then a second one answers.
    Gives what is known then."""
    mppd.kill_at = kill_at
    mppd.spawn()
    assert mppd.process.wait(DEADLINE_S) == -signal.SIGKILL, mppd.log
    mppd.kill_at = 0
    mppd.start()
    work = Work(mppd)
    work.claim("key", "service", work.fingerprints())
    mppd.account(ACCOUNTS[0])
    work.claim("account", ACCOUNTS[0])
    mppd.kill9()
    return Recording(read_notes(mppd.folder / "notes"), work.claims,
                     mppd.state)


def notes_of_a_start(recording):
    """How many there are before a start is ready, and behind which of them
    to kill it: behind each change of a name, and some others."""
    ready = min(claim.time for claim in recording.claims)
    count = bisect([note.time for note in recording.notes], ready)
    names = (RENAMED, DIR_MADE)
    return count, [n for n in range(1, count + 1)
                   if FULL or n % 7 == 0 or recording.notes[n - 1].kind
                   in names or (recording.notes[n - 1].kind == OPENED and
                                recording.notes[n - 1].flags & os.O_EXCL)]


def test_a_start_that_was_killed_and_then_a_cut(recording, folder):
    """What a start that was killed did not sync is not taken for safe."""
    count, points = notes_of_a_start(recording)

    def one(kill_at):
        place = folder / str(kill_at)
        (place / "after").mkdir(parents=True)
        found = start_twice(Recorded(place), kill_at)
        point = len(found.notes)
        left = disk_at(found, point).after_cut(nothing)
        return [f"killed at note {kill_at}: {line}" for line in
                after(found, point, left, place / "after")]
    print(f"killed at {len(points)} of {count} notes")
    assert 20 < count < 99 and len(points) > 6
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        wrong = [line for lines in pool.map(one, points) for line in lines]
    assert not wrong, "\n".join(wrong[:20])


def moments(recording):
    """Behind each answer to a publisher, before anything else happens; from
    the last one on."""
    times = [note.time for note in recording.notes]
    points = {bisect(times, claim.time) for claim in recording.claims
              if claim.what == "serial"}
    return sorted(points, reverse=True)


@pytest.mark.parametrize("blind", ["fno", "f", "n", "o"])
def test_a_sync_that_is_missing_is_seen(recording, folder, blind):
    """The control: as if these syncs had not been done, of files, of names,
    by descriptors opened with O_DSYNC; then something is lost."""
    points = moments(recording)
    assert len(points) > PUBLICATIONS
    for point in points:
        left = disk_at(recording, point, blind).after_cut(nothing)
        whole = disk_at(recording, point).after_cut(nothing)
        places = folder / f"{point}", folder / f"{point}-blind"
        for place in places:
            place.mkdir()
        assert after(recording, point, whole, places[0]) == []
        wrong = after(recording, point, left, places[1])
        if wrong:
            print(f"after {point} notes: {wrong[0]}")
            return
    pytest.fail("nothing was lost")
