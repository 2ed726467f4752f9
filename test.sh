#!/bin/sh
# SPDX-License-Identifier: MIT
# Build and test everything.
#
#   ./test.sh          what every change must pass
#   ./test.sh --ci     and races, memory checks, static analysis, mutants (small
#                      breaks that tests must catch), some fuzzing
#   ./test.sh --long   the same with ten minutes of fuzzing a target
#
# Results, logs and XML files are left in build/results. The last line is
# "N passed, N failed, N skipped"; the exit code is 0 if all is well.
set -eu
cd "$(dirname "$0")"
scripts/install-deps.sh "$@"
exec /usr/bin/python3 tests/run_tests.py "$@"
