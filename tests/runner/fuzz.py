# SPDX-License-Identifier: MIT
"""libFuzzer targets: tests/fuzz/fuzz_NAME.c with its corpus, one input a
file, in tests/fuzz/corpus/NAME/."""
import re
import sys

from .cases import tail, verdict
from .process import BUILD, RESULTS, ROOT, in_parallel, progress, run

REPLAY_TIMEOUT_S = 300
EXECUTIONS_PER_S = 50   # a target slower than this finds nothing
EDGES = 10              # a target that reaches fewer tests nothing
FILES_AT_A_TIME = 500   # stays below the longest command line
FOLDER = ROOT / "tests" / "fuzz"
# What libFuzzer is told besides. Its search for rare features takes half of
# the time of a target that has very many of them.
OPTIONS = {"fuzz_session": ["-entropic=0"]}


def targets():
    return sorted(path.stem for path in FOLDER.glob("fuzz_*.c"))


def _binary(target):
    return BUILD / "fuzz" / "fuzz" / target


def _corpus(target):
    return FOLDER / "corpus" / target.removeprefix("fuzz_")


def _replay(target):
    """Every input of the corpus runs through the target, counted by what
    libFuzzer says to have executed."""
    name = f"fuzz/{target} corpus"
    folder = _corpus(target)
    inputs = sorted(p for p in folder.rglob("*") if p.is_file())
    if not inputs:
        return [verdict(name, False, 0.0,
                        f"{folder.relative_to(ROOT)} is empty or missing")]
    executed, seconds = 0, 0.0
    for start in range(0, len(inputs), FILES_AT_A_TIME):
        done = run([_binary(target), "-timeout=10",
                    *inputs[start:start + FILES_AT_A_TIME]], REPLAY_TIMEOUT_S,
                   RESULTS / "fuzz" / f"{target}.replay.log")
        seconds += done.seconds
        executed += len(re.findall(r"^Executed ", done.output, re.M))
        if not done.good:
            return [verdict(name, False, seconds, f"{tail(done.output, 50)}\n"
                            f"{done.why(REPLAY_TIMEOUT_S)}")]
    return [verdict(name, executed == len(inputs), seconds,
                    f"{executed} of {len(inputs)} inputs were executed")]


def _generated():
    """The corpora of programs are what their generator writes."""
    done = run([sys.executable, FOLDER / "session_corpus.py", "--check"],
               REPLAY_TIMEOUT_S, RESULTS / "fuzz" / "generated.log")
    return [verdict("fuzz/generated corpora", done.good, done.seconds,
                    tail(done.output))]


def replay_all():
    progress("fuzz corpora")
    return _generated() + in_parallel(_replay, targets())


def _figure(pattern, output):
    found = re.findall(pattern, output)
    return int(found[-1]) if found else 0


def _explore(target, seconds, corpora):
    """Fuzz for some time. New inputs are kept in the build directory."""
    kept = BUILD / "fuzz" / "corpus" / target
    kept.mkdir(parents=True, exist_ok=True)
    return run([_binary(target), f"-max_total_time={seconds}", "-timeout=10",
                "-print_final_stats=1", *OPTIONS.get(target, []),
                f"-artifact_prefix={kept.parent}/",
                kept, *corpora], seconds + 120,
               RESULTS / "fuzz" / f"{target}.explore.log")


def _judge(target, seconds):
    progress(f"fuzz {target} for {seconds} s")
    done = _explore(target, seconds, [_corpus(target)])
    executions = _figure(r"stat::number_of_executed_units:\s*(\d+)",
                         done.output)
    edges = _figure(r"cov: (\d+)", done.output)
    good = (done.good and executions >= EXECUTIONS_PER_S * seconds
            and edges >= EDGES)
    message = (f"{executions} executions, {edges} edges\n"
               f"{tail(done.output, 50)}")
    return [verdict(f"fuzz/{target} for {seconds} s", good, done.seconds,
                    message)]


def _find_planted():
    """Fuzzing finds a bug that only coverage leads to."""
    for stale in (BUILD / "fuzz" / "corpus" / "fuzz_planted").glob("*"):
        stale.unlink()
    done = _explore("fuzz_planted", 60, [])
    good = not done.timed_out and done.code != 0 and (
        "runtime error: index 4 out of bounds" in done.output)
    return [verdict("fuzz/finds a planted bug", good, done.seconds,
                    tail(done.output))]


def explore_all(seconds):
    return _find_planted() + in_parallel(
        lambda target: _judge(target, seconds), targets())
