# SPDX-License-Identifier: MIT
"""The real mppd and real clients over a link that loses a fifth of all packets
each way: everything that is published arrives, and bench/latency.py, which
measures how soon, counts what it should. How soon is not judged here: that
would judge the machine."""
import json
import subprocess

import pytest
from conftest import BUILD, ROOT

LATENCY = ROOT / "bench" / "latency.py"
PYTHON = "/usr/bin/python3"
WITHIN_S = 300


def run(*words):
    return subprocess.run([PYTHON, LATENCY, "--build", BUILD, *words],
                          capture_output=True, text=True, timeout=WITHIN_S,
                          stdin=subprocess.DEVNULL, check=False)


@pytest.fixture(scope="module")
def found():
    done = run("--devices", "60", "--accounts", "6", "--rounds", "4",
               "--warm-up", "2", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_everything_arrives(found):
    assert (found["heard"], found["lost"]) == (60 * 4, 0)
    # Acknowledgements of the last ones may still be under way.
    assert found["notifies"] >= found["acknowledged"] > 60 * 3
    assert found["notifies"] >= 60 * 4
    assert found["repeats"] > 0


def test_the_link_did_lose_a_fifth(found):
    for way in ("ab", "ba"):
        link = found["link"][way]
        assert link["packets"] > 200
        assert 0.1 < link["lost"] / link["packets"] < 0.3
        assert link["queue_full"] == link["not_written"] == 0


def test_figures_are_in_order(found):
    # Not before it can be there, whatever the machine.
    assert found["median_s"] >= 0.020
    assert (found["median_s"] <= found["p99_s"] <= found["p999_s"]
            <= found["max_s"])
    assert found["all_worst_s"] >= found["all_s"] >= 0.4
    # With another number of devices there is no goal.
    assert found["goals"] == {}


def test_a_goal_is_printed_as_met_or_missed():
    done = run("--devices", "1000", "--accounts", "4", "--rounds", "1",
               "--warm-up", "0")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "goal" in line]
    assert len(lines) == 3
    for line, goal in zip(lines, (0.20, 0.45, 1.2)):
        value = float(line.split(" s ")[0].split()[-1])
        assert line.endswith("met" if value <= goal else "MISSED"), line


@pytest.mark.parametrize("words", [
    ["--devices", "0"], ["--devices", "5", "--accounts", "6"],
    ["--rounds", "0"], ["--loss", "x"]])
def test_wrong_usage(words):
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_link_that_carries_nothing_is_no_measurement():
    """The control: all is lost."""
    done = run("--devices", "2", "--accounts", "1", "--rounds", "1",
               "--warm-up", "1", "--loss", "100", "--patience", "3")
    assert done.returncode == 70
    assert "a publication to warm up was lost" in done.stderr
