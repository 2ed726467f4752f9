# SPDX-License-Identifier: MIT
"""docs/security.md names a proof for each promise: every one is there, runs,
and, where it is a case of a unit test, passes."""
import re
import subprocess
import sys
from functools import lru_cache

import pytest
from conftest import BUILD, ROOT, program

sys.path.insert(0, str(ROOT / "tests" / "mutants"))

# pylint: disable=wrong-import-position
from mutants import MUTANTS

PAGE = ROOT / "docs" / "security.md"
SPAN = re.compile(r"`([^`]+)`")
UNIT = re.compile(r"([a-z0-9]+)/(test_\w+)::(\w+)")
SYSTEM = re.compile(r"system/(test_\w+\.py)::(\w+)")
MUTANT = "mutant: "
SIM = "mppsim "
# The example of the page that is none.
NOT_ONE = "system/test_mppd.py::test_help"


def rows(text):
    """The rows of all tables, as (heading, cells)."""
    heading, found = "", []
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.strip("# ")
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not re.fullmatch(r"[-| ]+", line):
            found.append((heading, cells))
    return found


def proofs(text):
    """Whatever looks like the name of a proof."""
    return [span for span in SPAN.findall(text)
            if "::" in span or span.startswith((MUTANT, SIM))]


@lru_cache
def passed(folder, name):
    """The cases of a unit test that were run and passed."""
    path = BUILD / "tests" / name
    if not path.exists() or not (ROOT / "tests" / "unit" / folder /
                                 f"{name}.c").exists():
        return frozenset()
    done = subprocess.run([path], capture_output=True, text=True,
                          timeout=600, stdin=subprocess.DEVNULL)
    return frozenset(re.findall(r"^\[ +OK \] (\w+)$",
                                done.stdout + done.stderr, re.M))


@lru_cache
def collected(name):
    """The tests that pytest finds in a file."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p",
         "no:cacheprovider", ROOT / "tests" / "system" / name],
        capture_output=True, text=True, timeout=300, cwd=ROOT)
    return frozenset(re.findall(r"::(\w+)", done.stdout))


@lru_cache
def scenarios():
    said = subprocess.run([program("mppsim"), "--list"], capture_output=True,
                          text=True, timeout=60).stdout
    return frozenset(re.findall(r"^  (\w+) ", said, re.M))


def wrong(proof):
    """Why it proves nothing; None when it does."""
    if proof.startswith(MUTANT):
        names = [m[0] for m in MUTANTS]
        return (None if proof[len(MUTANT):] in names
                else "there is no such mutant")
    if proof.startswith(SIM):
        return (None if proof[len(SIM):] in scenarios()
                else "there is no such scenario")
    if match := SYSTEM.fullmatch(proof):
        return (None if match[2] in collected(match[1])
                else "pytest does not find it")
    if match := UNIT.fullmatch(proof):
        return (None if match[3] in passed(match[1], match[2])
                else "it did not run and pass")
    return "it names nothing"


def claimed():
    text = PAGE.read_text()
    return sorted(set(proofs(text)) - {NOT_ONE})


def test_the_page_is_read():
    assert len(claimed()) > 100
    kinds = {kind: sum(1 for p in claimed() if test(p)) for kind, test in {
        "unit": UNIT.fullmatch, "system": SYSTEM.fullmatch,
        "mutant": lambda p: p.startswith(MUTANT),
        "mppsim": lambda p: p.startswith(SIM)}.items()}
    assert sum(kinds.values()) == len(claimed()), kinds
    assert min(kinds.values()) >= 5, kinds


@pytest.mark.parametrize("proof", claimed())
def test_what_is_named_proves_it(proof):
    assert wrong(proof) is None


@pytest.mark.parametrize("proof", [
    NOT_ONE, "system/test_none.py::test_help", "role/test_admit::test_none",
    "role/test_none::test_lengths", "host/test_admit::test_lengths",
    "mutant: nothing is broken", "mppsim nothing", "elsewhere::test"])
def test_what_is_not_there_is_noticed(proof):
    assert wrong(proof) is not None


@pytest.mark.parametrize("heading,least", [
    ("What is promised", 8), ("Threats and answers", 20),
    ("Holes that others had", 9), ("What an operator can rely on", 4)])
def test_every_row_has_a_proof(heading, least):
    found = [cells for where, cells in rows(PAGE.read_text())
             if where == heading][1:]
    assert len(found) >= least
    for cells in found:
        assert proofs(cells[-1]), cells


def test_the_promises_are_those_of_the_specification():
    """Numbers 1 to 8, each once."""
    numbers = [cells[0] for where, cells in rows(PAGE.read_text())
               if where == "What is promised"][1:]
    assert numbers == [str(n) for n in range(1, 9)]


def test_mutants_of_the_page_break_something():
    """Their text stands in the file once: else they would break nothing."""
    for name, path, old, new, tests in MUTANTS:
        if MUTANT + name in claimed():
            assert (ROOT / path).read_text().count(old) == 1, name
            assert old != new and tests, name
