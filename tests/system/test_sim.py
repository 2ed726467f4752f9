# SPDX-License-Identifier: MIT
"""The simulator: every scenario with many seeds, and that it sees what is
broken. Time in it is virtual, so nothing here depends on the machine."""
import json
import os
import pty
import re
import shlex
import subprocess

import pytest
from conftest import ROOT, program

TIER = os.environ.get("MPP_TIER", "")
# Fifteen scenarios: at least 200 seeds by default, 1,000 in --ci, 100,000 in
# --long; and of the ladder as many again.
SEEDS = {"": 20, "ci": 100, "long": 9100}[TIER]
LADDER_SEEDS = {"": 240, "ci": 1080, "long": 100080}[TIER]
DEADLINE_S = {"": 600, "ci": 1800, "long": 3 * 86400}[TIER]
# What each scenario must have done to its datagrams and its programs.
SCENARIOS = {
    "calm": [],
    "loss": ["lost", "duplicated", "reordered", "corrupted", "repeats",
             "copies_tried"],
    "bursts": ["lost", "duplicated", "reordered", "losts"],
    "restarts": ["crashes", "restarts", "commit_failures", "refused"],
    "roaming": ["outages", "moves", "moves_known", "unreachable", "offline_checked"],
    "hostile": ["replayed", "hijacked", "garbage", "stun", "corrupted",
                "copies_tried"],
    "mixed": ["lost", "duplicated", "reordered", "corrupted", "crashes",
              "restarts", "commit_failures", "outages", "moves", "replayed",
              "hijacked", "garbage", "stun", "copies_tried", "checked",
              "offline_checked", "by_device"],
    "nat": ["mappings", "rebinds", "filtered", "unmapped", "moves", "forged"],
    "clocks": ["clock_steps", "power_losses", "partitions", "restarts",
               "crashes", "handshakes_refused", "offline_checked"],
    "attack": ["withheld", "forged", "forged_read", "detours", "returned",
               "flooded", "replayed", "hijacked", "garbage", "challenges",
               "handshakes_checked"],
    "chaos": ["lost", "duplicated", "crashes", "commit_failures", "rebinds",
              "filtered", "clock_steps", "power_losses", "partitions",
              "withheld", "forged", "detours", "flooded", "hijacked",
              "handshakes_checked", "copies_tried", "checked"],
    "renewal": ["renewed", "lost", "duplicated", "repeats", "challenges",
                "restarts", "by_device"],
    "large": ["large", "packets_again", "forged", "replayed", "lost",
              "restarts", "moves"],
    "names": ["asked", "resolved", "unresolved", "large", "lost", "crashes",
              "moves", "replayed"],
    "tokens": ["tickets", "tokens", "minted", "revocations", "dead_tried",
               "restarts", "crashes", "commit_failures", "clock_steps",
               "forged", "replayed"],
}
# Those whose seeds take several times as long as others.
DEAR = {"names": 5, "large": 2}
KEEPALIVE = "keepalive"
KEEPALIVE_SEEDS = {"": 10, "ci": 40, "long": 1000}[TIER]
LADDER = ("ladder", 6, 4, 5)  # losses, round trips, NATs
LATENCY = "latency"
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
    assert sorted(re.findall(r"^  (\w+) ", listed, re.M)) == sorted(
        [*SCENARIOS, LATENCY, KEEPALIVE, LADDER[0]])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_seeds(scenario):
    seeds = SEEDS // DEAR.get(scenario, 1)
    r = good(scenario, "--seeds", seeds)
    assert (r["runs"], r["failed"]) == (seeds, 0)
    assert r["virtual_s"] > seeds * 1800
    assert r["published"] > seeds * 10 and r["heard"] > seeds * 10
    for name in ["datagrams", "device_days", *SCENARIOS[scenario]]:
        assert r[name] > 0, name
    if scenario == "calm":
        for name in ["lost", "repeats", "losts", "refused", "unreachable"]:
            assert r[name] == 0, name


def test_a_flood_from_their_own_addresses_hinders_nobody():
    """First packets at 500 a second, half of them from the addresses of the
    devices, while these restart and have to connect: they hear of everything
    no later than twice as late as without it."""
    words = ["calm", "--seeds", "2", "--set", "duration=5m", "--set",
             "restart=30s", "--set", "publish=500ms"]
    quiet = good(*words)
    flooded = good(*words, "--set", "flood=2ms", "--set", "flood-own=50%")
    assert quiet["flooded"] == 0 and flooded["flooded"] > 200000
    assert quiet["connects"] > 40 and flooded["connects"] > 40
    assert flooded["challenges"] > 100000 and flooded["losts"] == 0
    assert flooded["p99_us"] <= 2 * quiet["p99_us"]
    # A copy that is quicker than a first packet costs one attempt.
    assert flooded["missing_max_us"] <= 2 * quiet["missing_max_us"] + 2e6


def test_ladder():
    """Every loss with every round trip behind every kind of NAT."""
    r = good("ladder", "--seeds", LADDER_SEEDS)
    cells = r["cells"]
    assert len(cells) == LADDER[1] * LADDER[2] * LADDER[3]
    assert len({(c["loss"], c["burst_ms"], c["rtt_ms"], c["nat"])
                for c in cells}) == len(cells)
    assert sum(c["runs"] for c in cells) == LADDER_SEEDS
    for c in cells:
        assert c["runs"] >= 1 and c["failed"] == 0, c
        # Nobody hears earlier than half a round trip; all within the limit.
        assert c["p50_us"] > c["rtt_ms"] * 470, c
        assert c["p50_us"] <= c["p99_us"] and c["missing_max_us"] < 120e6, c
    assert {c["nat"] for c in cells} == {"none", "full", "address", "port",
                                         "symmetric"}
    assert max(c["loss"] for c in cells) == 0.3


def test_latency_in_a_bad_network():
    """20 ms and 20 % loss each way, 1,000 devices, half a second in which is
    published: 99 % hear within 0.2 s, 99.9 % within 0.45 s, all of them
    within 1.2 s after the first publication."""
    runs = [good(LATENCY, "--seed", seed) for seed in (1, 2, 3)]
    for r in runs:
        assert r["devices"] == 1000 and r["failed"] == 0
        assert 0.19 < r["lost"] / r["datagrams"] < 0.21
        assert r["repeats"] > 100 and r["heard"] > 10 * 1000
        # Nobody hears before it can be there.
        assert 18000 < r["p50_us"] < 25000
        assert r["p99_us"] <= 200000
    # These are one device of a thousand, whose packets may be lost seven
    # times in a row: the run in the middle counts.
    assert sorted(r["p999_us"] for r in runs)[1] <= 450000
    assert sorted(r["max_us"] for r in runs)[1] <= 1200000 - 500000


def test_delays_count_after_the_warm_up():
    """A connection that is new does not know its round trip yet."""
    few = ["--devices", 100, "--set", "accounts=20"]
    warm = good(LATENCY, *few)
    cold = good(LATENCY, *few, "--set", "warm-up=0s")
    assert cold["heard"] < warm["heard"] / 5
    assert cold["p99_us"] > warm["p99_us"]


def test_ladder_table():
    done = sim("ladder", "--seed", 120, "--seeds", 3)
    assert done.returncode == 0
    rows = re.findall(r"^ +([\d.]+) % (?:each  |bursts) +(\d+) ms  (\w+) +1"
                      r" +0 ", done.stdout, re.M)
    assert rows == [("0.1", "16", "none"), ("0.1", "16", "full"),
                    ("30.0", "800", "symmetric")]
    assert "cells       3 of 120 were run" in done.stdout


def test_keepalive():
    """Each NAT's life is found by 8 probes, nine tenths of it are used, and
    then no publication is lost."""
    r = good(KEEPALIVE, "--seeds", KEEPALIVE_SEEDS)
    rows = r["keepalive"]
    assert [row["nat_s"] for row in rows] == [15, 30, 60, 120, 300]
    for row in rows:
        life = row["nat_s"] * 1000
        assert row["devices"] == KEEPALIVE_SEEDS, row
        assert life * 0.9 <= row["least_ms"] <= row["most_ms"] < life, row
        assert 1 <= row["probes"] <= 8 and row["lost"] == 0, row
        assert row["heard"] > KEEPALIVE_SEEDS * 10, row
    # Publications have come in the middle of a probe, too.
    assert sum(row["restarted"] for row in rows) > 0
    assert (r["lost"], r["losts"]) == (0, 0) and r["unmapped"] > 0


def test_keepalive_table():
    done = sim(KEEPALIVE, "--seed", 2)
    assert done.returncode == 0
    rows = re.findall(r"^ +(\d+) s +1 +([\d.]+) s +([\d.]+) s +(\d)",
                      done.stdout, re.M)
    assert [row[0] for row in rows] == ["15", "30", "60", "120", "300"]
    assert rows[0][1:] == ("14.0", "14.0", "4")


@pytest.mark.parametrize("setting, said", [
    ("keepalive=20s", "device 0 is silent for 20000 ms, and its NAT lasts"),
    ("lease=2m", "device 3 is silent for"),
    ("duration=1h", "heard nothing since: give more days"),
    ("rebind=5m", "and hears of something only when it speaks"),
])
def test_what_keepalive_must_find(setting, said):
    done = sim(KEEPALIVE, "--seed", 2, "--set", setting)
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_a_thousand_come_back_spread():
    """All notice a crash within twenty seconds; at 50 a second they may take
    twenty more, and nobody does later."""
    crash = ["calm", "--seed", 3, "--devices", 1000, *settings(
        crash="1m", duration="3m", publish="30s", by_device="0%", down="1s",
        accounts=1000, keepalive="20s")]
    spread = good(*crash, *settings(reconnect_rate=50))
    assert spread["crashes"] == 2 and spread["losts"] > 1900
    assert 15e6 < spread["back_max_us"] <= 20e6
    at_once = good(*crash, *settings(reconnect_rate=1000000))
    assert at_once["back_max_us"] <= 1000
    assert spread["back_peak"] < at_once["back_peak"] / 2


QUIET = ["calm", "--seed", 5]
NAT = [*QUIET, "--set", "nat=port", "--set", "rebind=0s"]


def settings(**given):
    return [word for name, value in given.items()
            for word in ("--set", f"{name.replace('_', '-')}={value}")]


def test_a_mapping_lives_as_long_as_it_is_used():
    """Heartbeats are 20 s apart."""
    nat = [*NAT, *settings(keepalive="20s")]
    lives = good(*nat, *settings(nat_timeout="21s", nat_timeout_max="21s"))
    assert (lives["mappings"], lives["connects"], lives["unmapped"]) == (5, 5, 0)
    dies = good(*nat, *settings(nat_timeout="15s", nat_timeout_max="15s",
                                nat_preserve="0%"))
    assert dies["mappings"] > 300 and dies["unmapped"] > 0
    assert dies["failed"] == 0 and dies["heard"] >= lives["heard"] / 2
    same = good(*nat, *settings(nat_timeout="15s", nat_timeout_max="15s",
                                nat_preserve="100%"))
    assert same["mappings"] > 300 and same["unmapped"] > 0
    assert same["connects"] == 5  # the same port: nothing to see
    # Between two heartbeats only publications come, and count if they may.
    comes = good(*nat, *settings(nat_timeout="19s", nat_timeout_max="19s",
                                 nat_incoming="100%", publish="2s"))
    assert comes["mappings"] < same["mappings"] / 5


def test_nats_differ_in_what_they_let_in():
    """Forged datagrams come from the service's address, from another port of
    it, and from another host, to which the device has sent sometimes."""
    r = {kind: good(*QUIET, *settings(nat=kind, nat_timeout="5m", forge="60%",
                                      nat_elsewhere="5m"))
         for kind in ["none", "full", "address", "port", "symmetric"]}
    assert all(r[kind]["forged"] > 200 for kind in r)
    assert r["none"]["mappings"] == 0 and r["full"]["mappings"] == 5
    assert r["symmetric"]["mappings"] > 5
    let_in = [r[kind]["filtered"] for kind in r]
    assert let_in[:2] == [0, 0]
    assert 0 < let_in[2] < let_in[3] < let_in[4], let_in


def test_a_lost_timestamp_is_made_good():
    """Power and the newest write are lost, the clock is behind: refused, with
    the Timestamp from which to go on."""
    lost = good(*QUIET, *settings(restart="1m", power_loss="50%"))
    assert lost["power_losses"] > 20 and lost["handshakes_refused"] > 10
    kept = good(*QUIET, *settings(restart="1m"))
    assert kept["restarts"] > 20 and kept["handshakes_refused"] == 0


def test_partition_takes_its_share():
    r = good(*QUIET, *settings(partition="4m", partition_for="3m",
                               partition_share="100%"))
    assert r["partitions"] > 1
    assert r["losts"] >= 5 and r["offline_checked"] >= 5
    none = good(*QUIET, *settings(partition="4m", partition_share="0%"))
    assert none["partitions"] > 1 and none["losts"] == 0


def test_a_flood_hinders_nobody():
    r = good(*QUIET, *settings(flood="100ms", duration="10m"))
    assert r["flooded"] > 4000 and r["challenges"] > 2000
    assert (r["connects"], r["losts"]) == (5, 0)
    assert r["missing_max_us"] < 1e6


def test_a_stolen_service_key_changes_no_connection():
    """He writes first messages in the name of devices; they cannot be
    confirmed without the device's own key."""
    r = good(*QUIET, *settings(thief="3s"))
    assert r["thefts"] > 300 and r["handshakes_checked"] >= r["thefts"]
    assert (r["connects"], r["losts"], r["failed"]) == (5, 0, 0)


@pytest.mark.parametrize("scenario", ["attack", "chaos"])
def test_tokens_under_attack(scenario):
    """What holds for the keys of devices holds when they come by tokens."""
    r = good(scenario, "--seeds", 20, *settings(
        tokens="1", minted="30%", revoke="4m"))
    assert r["tickets"] > 0 and r["revocations"] > 0 and r["minted"] > 0
    # Without, nobody has one.
    r = good(scenario, "--seeds", 1)
    assert r["tickets"] == r["tickets_sent"] == r["tokens"] == 0


EXAMPLE = ROOT / "tests" / "sim" / "phones.scenario"


def test_scenario_file():
    """The same as on the command line, and what is printed runs it again."""
    r = good("--file", EXAMPLE, "--seed", 3)
    lines = [line.split("#")[0].replace(" ", "")
             for line in EXAMPLE.read_text().splitlines()]
    words = [word for line in lines if line and "scenario=" not in line
             for word in ("--set", line)]
    base = [line.split("=")[1] for line in lines if "scenario=" in line]
    same = good(*base, "--seed", 3, *words)
    assert r["digest"] == same["digest"] and r["scenario"] == "file"
    assert r["rebinds"] > 0 and r["outages"] > 0
    assert good("roaming", "--seed", 3)["digest"] != r["digest"]


def test_a_failing_scenario_file_is_said_again(tmp_path):
    path = tmp_path / "it's mine"
    path.write_text("loss = 5%\n")
    done = sim("--file", path, "--seed", 3, "--break", "deaf")
    assert done.returncode == 1
    again = shlex.split(REPRODUCE.search(done.stderr).group(1))
    assert again[:2] == ["--file", str(path)]
    assert sim(*again).stderr == done.stderr


@pytest.mark.parametrize("text, said", [
    ("loss", "1: loss: give name=value, or # and a comment"),
    ("=5", "1: =5: give name=value"),
    ("# x\n\nloss = 10", "3: loss: give loss=a share such as 10%"),
    ("delay=5s\ndelay=6s", "2: delay stands here for the second time"),
    ("jitter=11s", "1: jitter: from 0ms to 10s"),
    ("nat=cone", "1: nat: give nat=one of none full address port"),
    ("wind=5", "1: wind: no such setting; mppsim --list"),
    ("scenario=storm", "1: scenario=storm: no such scenario; mppsim --list"),
    ("scenario=ladder", "1: scenario=ladder: many scenarios"),
    ("loss=1%\nscenario=calm", "2: scenario=calm: give it before"),
    ("loss=" + "1" * 300, "1: 305 octets; a line has at most 200"),
    ("loss=\0", "1: an octet of zero; give text"),
])
def test_wrong_scenario_file(tmp_path, text, said):
    path = tmp_path / "wrong"
    path.write_text(text)
    done = sim("--file", path)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith(f"mppsim: {path}:{said}"), done.stderr


def test_no_scenario_file(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        done = sim("--file", path)
        assert (done.returncode, done.stdout) == (66, "")
        assert done.stderr.startswith(f"mppsim: {path}: ")


def listed_settings():
    """name: (what it is, default, range or words)"""
    text = sim("--list").stdout.split("default, range:\n")[1]
    return {m[1]: (m[2], m[3], m[4]) for m in re.finditer(
        r"^  (\S+) +(.*)\n +(\S+), (.*)$", text, re.M)}


def test_every_setting_is_documented():
    listed = listed_settings()
    assert len(listed) > 40
    document = (ROOT / "docs" / "simulator.md").read_text()
    manual = (ROOT / "man" / "mppsim.1").read_text()
    for name, (what, value, allowed) in listed.items():
        assert f"| `{name}` | {value} | {allowed} | {what} |" in document, name
        assert re.search(rf"^\.It Cm {name}$", manual, re.M), name
    assert document.count("\n| `") == len(listed) + len(SCENARIOS) + 3


def test_commands_of_the_document():
    text = (ROOT / "docs" / "simulator.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    lines = "".join(blocks).splitlines()
    assert len(lines) == 5
    for line in lines:
        name, *words = shlex.split(line, comments=True)
        done = subprocess.run([program(name), *words], capture_output=True,
                              text=True, timeout=DEADLINE_S, cwd=ROOT)
        assert done.returncode == 0, line + done.stderr
        assert "every invariant held" in done.stdout, line


def test_progress_only_on_a_terminal():
    command = [program("mppsim"), "calm", "--devices", "100", "--days", "1"]
    mine, its = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its,
                          stdin=subprocess.DEVNULL) as child:
        os.close(its)
        shown = b""
        while b"virtual hours" not in shown:
            shown += os.read(mine, 100)
        child.kill()
    os.close(mine)
    assert re.search(rb"\r[\d.]+ of 24.0 virtual hours", shown)
    done = sim("calm")
    assert (done.returncode, done.stderr) == (0, "")


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
        del r["cpu_s"], r["device_days_per_cpu_minute"]
    assert runs[0] == runs[1]
    assert runs[0]["digest"] != runs[2]["digest"]


PLANTED = {
    "lose-commit": r"a publisher was told of .* which is not there|"
                   r"serial went back|a store is gone|went back, to serial",
    "deaf": r"device 0 can be reached for \d+ s and lacks serial|"
            r"device 0 has not converged",
    "amplify": r"\d+ octets sent to [\d.:]+, from where \d+ came",
    "overrun": r"wrote behind its memory",
    "wall": r"device 0 can be reached for \d+ s and lacks serial",
    "untold": r"an identifier of its network \d+ is seen in network \d+",
}
PLANTED_IN = {"lose-commit": "restarts", "wall": "nat", "untold": "roaming"}


@pytest.mark.parametrize("what", PLANTED)
def test_planted_faults_are_found(what):
    """And the line that is printed finds them again."""
    scenario = PLANTED_IN.get(what, "loss")
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
    (["calm", "--break", "all"],
     "give lose-commit, deaf, amplify, overrun, wall or untold"),
    (["calm", "--set", "nat=cone"],
     "nat: give nat=one of none full address port symmetric random"),
    (["calm", "--set", "nat"], "nat: give nat=one of none full"),
    (["calm", "--file", "x"], "--file: give it first, and no scenario"),
    (["--file"], "a value is missing"),
    (["ladder", "--set", "loss=5%"], "loss: the ladder decides this itself"),
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
