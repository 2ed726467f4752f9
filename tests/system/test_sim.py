# SPDX-License-Identifier: MIT
"""The simulator: every scenario with many seeds, and that it sees what is
broken. Time in it is virtual, so nothing here depends on the machine."""
import json
import os
import re
import shlex
import subprocess

import pytest
from conftest import ROOT, program

TIER = os.environ.get("MPP_TIER", "")
# Seven scenarios: at least 200 seeds by default, 1,000 in --ci, 100,000 in
# --long.
SEEDS = {"": 30, "ci": 150, "long": 14300}[TIER]
DEADLINE_S = {"": 600, "ci": 1800, "long": 86400}[TIER]
# What each scenario must have done to its datagrams and its programs.
SCENARIOS = {
    "calm": [],
    "loss": ["lost", "duplicated", "reordered", "corrupted", "repeats",
             "copies_tried"],
    "bursts": ["lost", "duplicated", "reordered", "losts"],
    "restarts": ["crashes", "restarts", "commit_failures", "refused"],
    "roaming": ["outages", "moves", "unreachable", "offline_checked"],
    "hostile": ["replayed", "hijacked", "garbage", "corrupted",
                "copies_tried"],
    "mixed": ["lost", "duplicated", "reordered", "corrupted", "crashes",
              "restarts", "commit_failures", "outages", "moves", "replayed",
              "hijacked", "garbage", "copies_tried", "checked",
              "offline_checked", "by_device"],
}
REPRODUCE = re.compile(r"^reproduce: mppsim (.*)$", re.M)
SEED_FILE = ROOT / "tests" / "sim" / "seeds.txt"
KEPT = [line for line in SEED_FILE.read_text().splitlines()
        if line and not line.startswith("#")]


def sim(*arguments):
    return subprocess.run([program("mppsim"), *map(str, arguments)],
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL)


def good(*arguments):
    done = sim(*arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_every_scenario_is_run():
    done = sim("--list")
    assert done.returncode == 0
    listed = done.stdout.split("\n\n")[0]
    assert re.findall(r"^  (\w+) ", listed, re.M) == list(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_seeds(scenario):
    r = good(scenario, "--seeds", SEEDS)
    assert (r["runs"], r["failed"]) == (SEEDS, 0)
    assert r["virtual_s"] > SEEDS * 1800
    assert r["published"] > SEEDS * 10 and r["heard"] > SEEDS * 10
    for name in ["datagrams", "device_days", *SCENARIOS[scenario]]:
        assert r[name] > 0, name
    if scenario == "calm":
        for name in ["lost", "repeats", "losts", "refused", "unreachable"]:
            assert r[name] == 0, name


@pytest.mark.parametrize("line", KEPT)
def test_kept_seeds(line):
    assert good(*shlex.split(line))["failed"] == 0


def test_ten_thousand_publications():
    """To a hundred devices of one account; every tenth datagram is lost each
    way. The run ends only when every device holds the newest Serial of what
    it asked for and the service knows it."""
    r = good("loss", "--devices", 100, "--publications", 10000, "--set",
             "accounts=1", "--set", "publish=100ms")
    assert r["published"] >= 10000
    assert 0.09 < r["lost"] / r["datagrams"] < 0.11
    assert r["duplicated"] > 0 and r["reordered"] > 0 and r["repeats"] > 0
    # Most devices hear of most publications by themselves.
    assert r["heard"] > 100 * 10000 / 2


def test_the_seed_alone_decides():
    runs = [good("mixed", "--seed", seed) for seed in (7, 7, 8)]
    for r in runs:
        del r["cpu_s"]
    assert runs[0] == runs[1]
    assert runs[0]["digest"] != runs[2]["digest"]


PLANTED = {
    "lose-commit": r"a publisher was told of .* which is not there|"
                   r"serial went back|a store is gone|went back, to serial",
    "deaf": r"device 0 can be reached for \d+ s and lacks serial|"
            r"device 0 has not converged",
    "amplify": r"\d+ octets sent to [\d.:]+, from where \d+ came",
    "overrun": r"wrote behind its memory",
}


@pytest.mark.parametrize("what", PLANTED)
def test_planted_faults_are_found(what):
    """And the line that is printed finds them again."""
    scenario = "restarts" if what == "lose-commit" else "loss"
    done = sim(scenario, "--seed", 3, "--break", what)
    assert done.returncode == 1
    assert re.search(PLANTED[what], done.stderr), done.stderr
    assert "1 of 1 runs FAILED" in done.stdout
    again = sim(*shlex.split(REPRODUCE.search(done.stderr).group(1)))
    assert (again.returncode, again.stderr) == (1, done.stderr)
    # The same without the fault is good.
    assert sim(scenario, "--seed", 3).returncode == 0


def test_a_network_that_does_nothing_is_noticed():
    """A run in which nothing was published proves nothing."""
    done = sim("calm", "--set", "publish=1h", "--set", "duration=1s")
    assert done.returncode == 1
    assert "nothing was published" in done.stderr


def test_trace_is_readable():
    done = sim("mixed", "--seed", 2, "--trace")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for what in ["device 0 -> 1200 octets", "publication serial", "lost",
                 "service crashes", "service starts", "commit of", "moves to",
                 "restarts", "has no network"]:
        assert any(what in line for line in lines), what
    times = [float(line.split()[0]) for line in lines
             if re.match(r"\d+\.\d{6} ", line)]
    assert len(times) > 1000 and times == sorted(times)


@pytest.mark.parametrize("arguments, said", [
    ([], "give a scenario first"),
    (["nonsense"], "no such scenario; mppsim --list"),
    (["calm", "loss"], "one scenario at a time"),
    (["calm", "--seed"], "a value is missing"),
    (["calm", "--seed", "0"], "--seed 0: give a number from 1"),
    (["calm", "--seed", "x"], "give a number from 1"),
    (["calm", "--seed", "-1"], "give a number from 1"),
    (["calm", "--seeds", "99999999999999999999999"], "give a number from 1"),
    (["calm", "--devices", "0"], "devices: from 1 to 100000"),
    (["calm", "--devices", "1.5"], "devices: give devices=a number"),
    (["calm", "--days", ""], "duration: give duration=a time"),
    (["calm", "--days", "2000000000"], "duration"),
    (["calm", "--set", "loss"], "loss: give loss=a share such as 10%"),
    (["calm", "--set", "loss=10"], "loss: give loss=a share"),
    (["calm", "--set", "loss=101%"], "loss: from 0.00% to 100.00%"),
    (["calm", "--set", "delay=5"], "delay: give delay=a time such as 20ms"),
    (["calm", "--set", "delay=5parsecs"], "delay: give delay=a time"),
    (["calm", "--set", "wind=5"], "wind: no such setting"),
    (["calm", "--set", "=5"], "no such setting"),
    (["calm", "--break", "all"], "give lose-commit, deaf, amplify or overrun"),
    (["calm", "--wrong"], "no such option"),
    (["calm", "--seeds", "2", "--trace"], "--trace is for one seed"),
    (["calm", "--json", "more"], "more: not an option"),
])
def test_wrong_usage(arguments, said):
    done = sim(*arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr.startswith("mppsim: ") and said in done.stderr


def test_full_output():
    with open("/dev/full", "w") as full:
        done = subprocess.run([program("mppsim"), "--list"], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 74
    assert done.stderr == "mppsim: cannot write the output\n"
