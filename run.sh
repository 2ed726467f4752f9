#!/bin/sh
# SPDX-License-Identifier: MIT
# Build, start a presence service on loopback, enrol three devices in two
# accounts, publish, and show who got what and when.
#
#   ./run.sh          until Ctrl-C
#   ./run.sh --once   five publications, then stop; exit code 0 only if every
#                     one arrived at every device and was acknowledged
#
# Further options go to scripts/demo.py (see its --help).
set -eu
cd "$(dirname "$0")"
scripts/install-deps.sh --run
mkdir -p build
# A build without changes is quiet and takes a second.
build() {
	cmake --preset release &&
		cmake --build --preset release --target mppd mppctl mpp
}
[ -e build/release/bin/mpp ] || echo "run.sh: building; this takes a minute"
if ! build >build/run.log 2>&1; then
	cat build/run.log >&2
	echo "run.sh: the build failed; the lines above say why" >&2
	exit 70
fi
exec /usr/bin/python3 scripts/demo.py --bin build/release/bin "$@"
