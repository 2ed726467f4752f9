# SPDX-License-Identifier: MIT
"""The link with faults (tests/netem/link.c) tells the truth: what it says it
did to datagrams is what a receiver finds, and as often as it was told."""
import json
import math
import subprocess
import sys

import pytest
from conftest import BUILD, DEADLINE_S, ROOT

sys.path.insert(0, str(ROOT / "tests" / "netem"))
from netem import A, B, Link, inside  # noqa: E402

LINK = BUILD / "netem" / "link"
PROBE = ROOT / "tests" / "netem" / "probe.py"
PYTHON = "/usr/bin/python3"
COUNT = 2000
SIZE = 200
PORT = 15555
SIGMAS = 5


def expect(times, of, percent):
    """Within five standard deviations of the binomial distribution."""
    share = percent / 100
    middle, width = of * share, math.sqrt(of * share * (1 - share))
    assert abs(times - middle) <= SIGMAS * width + 1, \
        f"{times} of {of}, at {percent} %"
    assert times > 0


class Receiver:
    """Takes the probes that come to the second end, or back to the first."""

    def __init__(self, link, back=False):
        self.source, self.sink = ((link.b, link.a) if back
                                  else (link.a, link.b))
        self.address = A if back else B

    def __enter__(self):
        self.process = subprocess.Popen(
            inside(self.sink, PYTHON, PROBE, "receive", self.address, PORT),
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, kind, value, trace):
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def send(self, count, size=SIZE):
        subprocess.run(inside(self.source, PYTHON, PROBE, "send",
                              self.address, PORT, count, size), check=True,
                       timeout=DEADLINE_S)

    def came(self):
        said, _ = self.process.communicate(timeout=2 * DEADLINE_S)
        return json.loads(said)


def send(link, back=False, count=COUNT, size=SIZE):
    """Datagrams from a to b, or back; gives what came."""
    with Receiver(link, back) as receiver:
        receiver.send(count, size)
        return receiver.came()


def numbers(came):
    return [number for number, _, _ in came]


def run(*settings, **how):
    """Gives (what came, the counts of that direction)."""
    with Link(LINK, *settings) as link:
        came = send(link, **how)
        counts = link.end()["ba" if how.get("back") else "ab"]
    assert counts["queue_full"] == counts["not_written"] == 0
    return came, counts


def test_without_faults_all_comes_once_and_in_order():
    came, counts = run("delay=20", "seed=1")
    assert numbers(came) == list(range(COUNT))
    assert all(whole for _, _, whole in came)
    assert counts["packets"] == counts["forwarded"] == COUNT
    times = [us for _, us, _ in came]
    assert min(times) >= 20000
    assert min(times) < 40000       # the quickest of so many: no more


def test_loss_is_what_it_was_told_and_what_it_says():
    came, counts = run("ab:loss=20", "ba:loss=3", "seed=2")
    lost = COUNT - len(came)
    assert counts["lost"] == lost
    expect(lost, COUNT, 20)
    came, counts = run("ab:loss=20", "ba:loss=3", "seed=2", back=True)
    assert counts["lost"] == COUNT - len(came)
    expect(counts["lost"], COUNT, 3)


def test_bursts_are_as_long_as_they_were_told():
    came, counts = run("burst=2", "burst-end=20", "seed=3")
    gone = sorted(set(range(COUNT)) - set(numbers(came)))
    runs = sum(n - 1 not in gone for n in gone)
    assert counts["lost_in_bursts"] == len(gone)
    assert runs <= counts["bursts"] and runs > 10
    # A burst ends with each packet with 20 %: five of them in the middle.
    assert 3.5 < len(gone) / counts["bursts"] < 6.5


def test_duplicates_reordering_and_wrong_bits():
    came, counts = run("duplicate=5", "reorder=5", "corrupt=5", "jitter=2",
                       "seed=4")
    assert len(came) - COUNT == counts["duplicated"]
    expect(counts["duplicated"], COUNT, 5)
    wrong = sum(not whole for _, _, whole in came)
    # Some of them came twice.
    assert 0 <= wrong - counts["corrupted"] <= counts["duplicated"]
    expect(counts["corrupted"], COUNT, 5)
    newest, late = -1, 0
    for number in (number for number, _, whole in came if whole):
        late += number < newest
        newest = max(newest, number)
    assert late > 0 and counts["reordered"] > 0


def test_what_is_longer_than_the_mtu_vanishes():
    fits = 1280 - 28
    with Link(LINK, "mtu=1280", "seed=5") as link:
        with Receiver(link) as receiver:
            receiver.send(50, fits)
            receiver.send(40, fits + 1)
            assert len(receiver.came()) == 50
        counts = link.end()["ab"]
    assert counts["too_long"] == 40
    assert counts["packets"] == 90


def test_a_rate_is_kept():
    # 228 octets each take 18 ms at 100 kbit/s: far more come than can go.
    with Link(LINK, "rate=100", "seed=6") as link:
        came = send(link, count=400)
        counts = link.end()["ab"]
    assert counts["queue_full"] == 400 - len(came) > 0
    assert max(us for _, us, _ in came) > 100000


def test_the_same_seed_is_the_same_fate():
    settings = ("loss=20", "duplicate=5")
    first, second, other = (
        sorted(numbers(run(*settings, f"seed={seed}")[0]))
        for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_faults_begin_with_a_signal():
    with Link(LINK, "loss=100", "delay=1", "faults=signal") as link:
        with Receiver(link) as receiver:
            receiver.send(20)
            link.begin()
            receiver.send(30)
            assert len(receiver.came()) == 20
        counts = link.end()["ab"]
    # Those that were sent before the signal came are not counted.
    assert counts["lost"] == counts["packets"] == 30


@pytest.mark.parametrize("word", ["loss", "loss=x", "colour=1", "ab:loss=-1"])
def test_a_wrong_setting_is_refused(word):
    done = subprocess.run([LINK, "a", "10.0.0.1/24", "b", "10.0.0.2/24", word],
                          check=False, capture_output=True, text=True,
                          timeout=DEADLINE_S)
    assert done.returncode == 64
    assert word in done.stderr
