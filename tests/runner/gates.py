# SPDX-License-Identifier: MIT
"""Gates: each judges the project, and then its fixtures, every one of which
it must refuse for the reason that stands in the fixture's EXPECT: lines that
its output must hold, and behind a "!" what it must not."""
import tempfile
from pathlib import Path

from .cases import tail, verdict
from .process import (BUILD, RESULTS, ROOT, SANITIZER_ENV, in_parallel,
                      progress, run)

TIMEOUT_S = 300
GATES = ("layers.py", "lengths.py", "spdx.py", "words.py", "mutants.py",
         "headers.sh", "format.sh", "symbols.sh", "exports.sh")
# These look at what was built.
BUILT = ("symbols.sh", "exports.sh")
FIXTURES = ROOT / "tests" / "gates" / "fixtures"
ENV = {"PYTHONDONTWRITEBYTECODE": "1"}


def _run_gate(gate, root, log, *more):
    return run([ROOT / "tests" / "gates" / gate, root, *more], TIMEOUT_S,
               RESULTS / "gates" / log, ENV)


def judge_project(gate):
    done = _run_gate(gate, ROOT, f"{gate}.log")
    return [verdict(f"gate/{gate}", done.good, done.seconds,
                    tail(done.output, 40))]


def _unexpected(done, expect):
    """What differs from the fixture's EXPECT."""
    wrong = []
    if done.timed_out or done.code != 1:
        wrong.append(f"must refuse it, but: {done.why(TIMEOUT_S)}")
    for line in expect.read_text().splitlines():
        if line.startswith("!"):
            if line[1:] in done.output:
                wrong.append(f"must not say: {line[1:]}")
        elif line not in done.output:
            wrong.append(f"does not say: {line}")
    return wrong


def _compile(fixture, objdir):
    """Build a fixture's core as the release build would lay it out. Gives
    the objects."""
    objects = []
    for source in sorted(fixture.glob("src/*/*.c")):
        obj = objdir / f"{source.relative_to(fixture)}.o"
        obj.parent.mkdir(parents=True, exist_ok=True)
        done = run(["gcc", "-std=c11", "-O2", "-fPIC", "-fno-stack-protector",
                    "-c", source, "-o", obj], TIMEOUT_S,
                   RESULTS / "gates" / f"compile.{source.stem}.log")
        if not done.good:
            raise RuntimeError(f"{source}: {done.output}")
        objects.append(obj)
    return objects


def _archive(objects, lib):
    done = run(["ar", "rcs", lib, *objects], TIMEOUT_S,
               lib.with_suffix(".log"))
    if not done.good:
        raise RuntimeError(f"{lib}: {done.output}")


def judge_fixture(item):
    gate, fixture = item
    log = f"{gate}.{fixture.name}.log"
    with tempfile.TemporaryDirectory() as objdir:
        more = []
        if gate in BUILT:
            objects = _compile(fixture, Path(objdir))
            more = [objdir]
        if gate == "exports.sh":
            more = [Path(objdir) / "libmpp.a"]
            _archive(objects, *more)
        done = _run_gate(gate, fixture, log, *more)
    wrong = _unexpected(done, fixture / "EXPECT")
    message = "\n".join([*wrong, tail(done.output)])
    return [verdict(f"gate/{gate} refuses {fixture.name}", not wrong,
                    done.seconds, message)]


def _no_fixture(gate):
    return [verdict(f"gate/{gate} refuses", False, 0.0, "has no fixture")]


def run_gates():
    progress("gates")
    found = in_parallel(judge_project, GATES)
    for gate in GATES:
        folder = FIXTURES / gate.partition(".")[0]
        trees = sorted(p.parent for p in folder.glob("*/EXPECT"))
        found += (in_parallel(judge_fixture, [(gate, t) for t in trees])
                  if trees else _no_fixture(gate))
    return found


def run_overflows(preset, modes):
    """The sanitizers of a preset must stop what they are there for, and only
    that. modes: pairs of a mode of overflow.c and what must be said."""
    binary = BUILD / preset / "gates" / "overflow"
    found = []
    for mode, words in (("none", ""), *modes):
        log = RESULTS / "gates" / f"overflow.{preset}.{mode}.log"
        done = run([binary, mode], TIMEOUT_S, log, SANITIZER_ENV)
        good = done.good if mode == "none" else (
            not done.timed_out and done.code != 0 and words in done.output)
        found.append(verdict(
            f"gate/sanitizer {preset} "
            + ("lets good code run" if mode == "none" else f"stops {mode}"),
            good, done.seconds, f"{done.why(TIMEOUT_S)}\n{tail(done.output)}"))
    return found
