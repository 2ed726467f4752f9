#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Build the project, run every check and count the cases; see ../test.sh."""
import argparse
import shutil
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from runner import (checks, fuzz, gates, mutants, programs, selftest,
                    system)
from runner.build import build
from runner.cases import report
from runner.process import RESULTS, progress

FUZZ_CI_S = 20
FUZZ_LONG_S = 600
STOPS = (("address", "AddressSanitizer: stack-buffer-overflow"),
         ("undefined", "runtime error: signed integer overflow"))
# What gates look at, and what is installed.
RELEASED = ("core", "exported", "mppd", "mppctl", "mpp")
RACES = (("thread", "ThreadSanitizer: data race"),)


def arguments():
    parser = argparse.ArgumentParser(prog="test.sh")
    parser.add_argument("--ci", action="store_true",
                        help="also races, memory checks, analysis, mutants, "
                        "fuzzing")
    parser.add_argument("--long", action="store_true",
                        help="as --ci with ten minutes of fuzzing a target")
    return parser.parse_args()


def default_tier(tier):
    """What every change must pass."""
    found = selftest.run_selftest()
    broken = build("release", RELEASED)
    found += broken + gates.run_gates()
    broken = build("asan-ubsan")
    found += broken
    if not broken:
        found += gates.run_overflows("asan-ubsan", STOPS)
        found += programs.run_all("asan-ubsan")
        found += system.run_system("asan-ubsan", tier)
    return found


def fuzz_tier(seconds):
    """Replay what is kept; then, unless seconds is 0, look for more."""
    if not fuzz.targets() and seconds == 0:
        return []
    broken = build("fuzz")
    if broken:
        return broken
    found = fuzz.replay_all()
    return found + fuzz.explore_all(seconds) if seconds > 0 else found


def further_tier():
    found = checks.analyze() + checks.cppcheck()
    broken = build("tsan")
    found += broken
    if not broken:
        found += gates.run_overflows("tsan", RACES)
        found += programs.run_all("tsan", "tsan/")
    broken = build("dev", checks.core_programs())
    found += broken if broken else checks.valgrind()
    return found + mutants.run_mutants()


def main():
    args = arguments()
    shutil.rmtree(RESULTS, ignore_errors=True)
    seconds = FUZZ_LONG_S if args.long else FUZZ_CI_S if args.ci else 0
    tier = "long" if args.long else "ci" if args.ci else ""
    found = default_tier(tier) + fuzz_tier(seconds)
    if args.ci or args.long:
        found += further_tier()
    progress("results are in build/results")
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
