# SPDX-License-Identifier: MIT
"""mppbench: what it prints goes together, and it believes nothing that was
not counted on both sides. How fast anything is, is not tested."""
import json
import os
import re
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest
from conftest import DEADLINE_S, program

MEMBERS = {
    "ratio", "ratio_min", "ratio_max", "server_cpu_us_per_op",
    "floor_cpu_us_per_op", "ops_per_s", "p50_us", "p99_us",
    "rss_bytes_per_device", "scenario", "devices", "fanout", "window",
    "rounds", "seconds", "ops", "floor_ops", "batch", "floor_batch",
    "octets_in", "octets_out", "repeats", "extra", "late_bursts", "floor_us",
    "server_us", "cpus_used", "machine", "goal", "goal_met"}
# Enough for a thousand operations also where everything is slow.
SECONDS = "0.3"
SHORT = ["--seconds", SECONDS, "--devices", "96"]
SCENARIOS = {
    "heartbeat": (["heartbeat"], 1.6, 64),
    "publish": (["publish"], 1.8, 64),
    "publish 1:10": (["publish", "--fanout", "10"], 1.7, 60),
    "publish 1:3": (["publish", "--fanout", "3"], None, 63),
    "stun": (["stun"], 1.2, 64),
    "floor": (["floor"], None, 64),
}


def run_command(command, **options):
    """Everything is bounded inside of mppbench; sanitizers are slow. Where it
    says that it had too little time, it gets more."""
    for seconds in (SECONDS, "1.5", "6", "24"):
        done = subprocess.run(
            [seconds if word == SECONDS else word for word in command],
            capture_output=True, text=True, timeout=10 * DEADLINE_S, **options)
        if "give more --seconds" not in done.stderr:
            break
    return done


def run(*args):
    return run_command([program("mppbench"), *args])


def measure(*args):
    """A machine that stands still between two counts spoils a round, and
    mppbench says so: not three times in a row."""
    for _ in range(3):
        done = run(*args, *SHORT, "--json")
        if "these figures are worth nothing" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith('{"ratio":')
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=SCENARIOS)
def measured(request):
    args, goal, window = SCENARIOS[request.param]
    return measure(*args), args[0], goal, window


def test_members(measured):
    result, scenario, _, window = measured
    assert set(result) == MEMBERS
    assert result["scenario"] == scenario
    assert result["devices"] == 96 - 96 % result["fanout"]
    assert result["window"] == window
    assert result["rounds"] == 5
    assert result["machine"]["cpu"]
    assert result["machine"]["cores"] >= 1


def test_the_ratio_is_that_of_the_rounds(measured):
    result = measured[0]
    floor, server = result["floor_us"], result["server_us"]
    assert len(floor) == len(server) == result["rounds"]
    assert min(floor) > 0 and min(server) > 0
    ratios = [s / f for s, f in zip(server, floor)]
    for member, want in (("ratio", statistics.median(ratios)),
                         ("ratio_min", min(ratios)),
                         ("ratio_max", max(ratios)),
                         ("server_cpu_us_per_op", statistics.median(server)),
                         ("floor_cpu_us_per_op", statistics.median(floor))):
        assert result[member] == pytest.approx(want, rel=1e-4), member


def test_operations_were_done(measured):
    result = measured[0]
    assert result["ops"] >= 1000
    assert result["floor_ops"] >= 1000
    assert result["ops_per_s"] > 0
    assert 0 < result["p50_us"] <= result["p99_us"]
    assert result["rss_bytes_per_device"] > 0


def test_floor_and_scenario_are_alike(measured):
    """The same sizes, and batches of the whole burst in both."""
    result = measured[0]
    if result["scenario"] == "stun":
        assert (result["octets_in"], result["octets_out"]) == (20, 32)
    else:
        assert result["octets_in"] >= 112
        assert result["octets_out"] >= 112
    for member in ("batch", "floor_batch"):
        assert 1 <= result[member] <= 64
    if result["late_bursts"] == 0:
        assert result["batch"] > result["window"] - 1
        assert result["floor_batch"] > result["window"] - 1


def test_the_goal(measured):
    result, _, goal, _ = measured
    assert result["goal"] == goal
    assert result["goal_met"] is (None if goal is None
                                  else result["ratio"] <= goal)


def test_text():
    done = run("heartbeat", *SHORT)
    assert done.returncode == 0, done.stderr
    ratio = float(re.search(r"^ratio +([0-9.]+)", done.stdout, re.M).group(1))
    verdict = re.search(r"^goal 1\.6: (met|missed)$", done.stdout,
                        re.M).group(1)
    # What is printed is rounded.
    assert verdict == ("met" if ratio <= 1.6 else "missed") \
        or abs(ratio - 1.6) < 0.001
    assert "floor " in done.stdout


def test_one_processor():
    """Server and devices can share one."""
    done = run_command(["taskset", "-c", first_cpu(), program("mppbench"),
                        "heartbeat", *SHORT, "--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cpus_used"] == 1


def first_cpu():
    return str(min(os.sched_getaffinity(0)))


def test_fewer_devices_than_a_burst():
    done = run("heartbeat", "--seconds", SECONDS, "--devices", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["window"] == 3


FIGURES = {"cpu_us_per_answer", "answers_per_s", "p50_us", "p99_us"}


@pytest.fixture(scope="module")
def resolved():
    return measure("dns")


def test_dns_members(resolved):
    assert set(resolved) == FIGURES | {
        "ratio", "ratio_min", "ratio_max", "scenario", "devices", "window",
        "names", "rounds", "seconds", "ops", "unbound_ops", "repeats",
        "unbound_repeats", "octets_in", "octets_out", "unbound_octets_in",
        "unbound_octets_out", "cpus_used", "machine", "goal", "goal_met"}
    assert resolved["scenario"] == "dns"
    assert (resolved["devices"], resolved["window"]) == (96, 64)
    assert resolved["goal"] is None and resolved["goal_met"] is None


def test_dns_ratios_are_those_of_the_rounds(resolved):
    for name in FIGURES:
        figure = resolved[name]
        service, unbound = figure["service"], figure["unbound"]
        assert len(service) == len(unbound) == resolved["rounds"] == 5
        assert min(service) > 0 and min(unbound) > 0
        ratios = [s / u for s, u in zip(service, unbound)]
        for member, want in (("ratio", statistics.median(ratios)),
                             ("ratio_min", min(ratios)),
                             ("ratio_max", max(ratios))):
            assert figure[member] == pytest.approx(want, rel=1e-4), name
    for member in ("ratio", "ratio_min", "ratio_max"):
        assert resolved[member] == resolved["cpu_us_per_answer"][member]


def test_dns_names_were_resolved(resolved):
    """In each round, sealed on one side only; answers are padded there."""
    assert resolved["names"] == 1000
    for member in ("ops", "unbound_ops"):
        assert resolved[member] >= 5 * resolved["window"]
    assert resolved["octets_in"] >= 112
    assert resolved["octets_out"] >= 468
    assert resolved["unbound_octets_in"] < 48
    assert resolved["unbound_octets_out"] < 64
    for p50, p99 in zip(resolved["p50_us"]["service"],
                        resolved["p99_us"]["service"]):
        assert 0 < p50 <= p99


def test_dns_text():
    done = run("dns", *SHORT)
    assert done.returncode == 0, done.stderr
    for title in ("CPU us/answer", "answers/s", "p50 us", "p99 us"):
        rows = re.search(rf"^{title} +service +[0-9.]+ .*\n"
                         r" +unbound +[0-9.]+ .*\n +ratio +[0-9.]+ ",
                         done.stdout, re.M)
        assert rows, done.stdout


def test_dns_leaves_nothing(tmp_path):
    """No file, and no process that was started from one."""
    done = run_command([program("mppbench"), "dns", *SHORT],
                       env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert commands_with(str(tmp_path)) == []


def commands_with(text):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


@pytest.mark.parametrize("there,missing", [([], "nsd"), (["nsd"], "unbound")])
def test_dns_says_what_to_install(tmp_path, there, missing):
    for name in there:
        (tmp_path / name).symlink_to(shutil.which(name))
    done = subprocess.run([program("mppbench"), "dns", *SHORT],
                          capture_output=True, text=True,
                          timeout=5 * DEADLINE_S,
                          env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 71
    assert done.stdout == ""
    assert f"there is no {missing}: install the package {missing}" \
        in done.stderr


UNAUTHENTIC = "datagrams that did not authenticate: the server counted"


@pytest.mark.parametrize("scenario,how,why", [
    ("heartbeat", "deaf", "only 0 of 64 operations of a burst were done"),
    # The devices do hear of publications; their acknowledgements are missing.
    ("publish", "deaf", "operations: the server counted 0,"),
    ("stun", "deaf", "only 0 of 64 operations of a burst were done"),
    ("stun", "forge", "datagrams that a device refused"),
    ("stun", "miscount", "operations: the server counted"),
    ("dns", "deaf", "lost its connection"),
    ("dns", "forge", "bench.example from the service"),
    ("dns", "miscount", "answers: the server counted"),
    ("heartbeat", "forge", UNAUTHENTIC),
    ("publish", "forge", UNAUTHENTIC),
    ("heartbeat", "miscount", "operations: the server counted"),
    ("publish", "miscount", "operations: the server counted"),
])
def test_what_is_broken_is_not_measured(scenario, how, why):
    done = run(scenario, "--break", how, *SHORT, "--json")
    assert done.returncode == 70, done.stdout
    assert done.stdout == ""
    assert done.stderr.startswith("mppbench: ")
    assert why in done.stderr


def test_a_floor_that_miscounts_is_not_measured():
    done = run("floor", "--break", "miscount", *SHORT)
    assert done.returncode == 70
    assert "the server counted" in done.stderr


def test_too_few_operations_are_not_measured():
    """One at a time, and hardly any time."""
    done = run("publish", "--devices", "1", "--window", "1", "--seconds",
               "0.05")
    if done.returncode == 0:
        ops = re.search(r"^operations (\d+)", done.stdout, re.M).group(1)
        assert int(ops) >= 1000
    else:
        assert done.returncode == 70
        assert "give more --seconds" in done.stderr


@pytest.mark.parametrize("args,why", [
    ([], "say what to measure: floor, heartbeat, publish, stun or dns"),
    (["disk"], "there are floor, heartbeat, publish, stun and dns"),
    (["floor", "publish"], "too many arguments: publish"),
    (["floor", "--seconds", "0"], "from 0.05 to 3600"),
    (["floor", "--seconds", "nan"], "from 0.05 to 3600"),
    (["floor", "--seconds", "1s"], "from 0.05 to 3600"),
    (["floor", "--rounds", "4"], "from 5 to 1000"),
    (["floor", "--devices", "0"], "from 1 to 1000000"),
    (["floor", "--devices", "-1"], "from 1 to 1000000"),
    (["floor", "--window", "65"], "from 1 to 64"),
    (["dns", "--fanout", "2"], "only publish takes --fanout"),
    (["floor", "--fanout", "2"], "only publish takes --fanout"),
    (["publish", "--fanout", "65"], "from 1 to 64"),
    (["publish", "--fanout", "10", "--devices", "9"], "at least --fanout"),
    (["floor", "--break", "all"], "deaf, forge or miscount"),
    (["floor", "--fast"], "no such option"),
    (["floor", "--rounds"], "a value is missing"),
])
def test_bad_options(args, why):
    done = run(*args)
    assert done.returncode == 64, done.stderr
    assert done.stdout == ""
    assert why in done.stderr
