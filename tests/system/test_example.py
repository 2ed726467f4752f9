# SPDX-License-Identifier: MIT
"""examples/smallest_client.c, as CMake builds it, against a real mppd."""
import subprocess

import pytest
from conftest import BUILD, DEADLINE_S, program, wait_for

ALICE = "alice@example.com"


def example():
    path = BUILD / "examples" / "smallest_client"
    if not path.exists():
        pytest.fail(f"{path} is missing: build the target examples")
    return str(path)


def run(*args):
    return subprocess.run([example(), *map(str, args)], capture_output=True,
                          text=True, timeout=DEADLINE_S)


@pytest.fixture
def state(mppd, folder):
    """The state directory of an enrolled device."""
    mppd.account(ALICE)
    uri = mppd.ctl_json("invite", ALICE)["uri"]
    done = subprocess.run(
        [program("mpp"), "enroll", "-", "--state", str(folder / "s")],
        input=uri, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return folder / "s"


def subscribed(mppd):
    return any(c["subscribed"]
               for d in mppd.ctl_json("status", ALICE)["devices"]
               for c in d["connections"])


def test_it_prints_one_publication_and_ends(mppd, state):
    process = subprocess.Popen([example(), str(state)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: subscribed(mppd))
        assert process.poll() is None
        done = mppd.ctl_json("publish", ALICE, "--store", "mmm_Inbound=42")
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert (out, err) == (f"serial {done['serial']}: mmm_Inbound=42\n", "")
    assert process.returncode == 0


def test_a_device_that_is_not_enrolled(folder):
    done = run(folder / "nothing")
    assert done.returncode == 66
    assert done.stdout == ""
    assert str(folder / "nothing") in done.stderr


@pytest.mark.parametrize("args", [(), ("a", "b"), ("--help",)])
def test_usage(args):
    done = run(*args)
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr == "usage: smallest_client STATE-DIRECTORY\n"
