#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh ROOT [LIB]: the library that is installed shows every function
# that a public header declares, and nothing else. Builds nothing; LIB is what
# the CMake target "exported" makes.
set -eu
export LC_ALL=C

root=${1:?usage: exports.sh ROOT [LIB]}
lib=${2:-$root/build/release/exported/libmpp.a}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

if [ ! -e "$lib" ]; then
    echo "exports: $lib is not built"
    exit 1
fi
nm -g --defined-only "$lib" | awk 'NF == 3 { print $3 }' |
    sort -u >"$tmp/shown"
ctags -I MPP_MUSTCHECK --languages=C --langmap=C:.h --kinds-C=p \
    -x --_xformat='%N %F' "$root"/include/mpp/*.h >"$tmp/prototypes"
cut -d ' ' -f 1 "$tmp/prototypes" | sort -u >"$tmp/declared"

# $1 names, $2 what is wrong with them.
complain() {
    while read -r name; do
        failed=1
        echo "$name: $2"
    done <"$1"
}

grep -v '^mpp_' "$tmp/shown" >"$tmp/foreign" || true
grep '^mpp_' "$tmp/shown" | comm -23 - "$tmp/declared" >"$tmp/undeclared"
comm -13 "$tmp/shown" "$tmp/declared" >"$tmp/gone"
complain "$tmp/foreign" "is shown, and its name does not begin with mpp_"
complain "$tmp/undeclared" "is shown, but no public header declares it"
complain "$tmp/gone" "is declared in a public header, but is not there"

count=$(wc -l <"$tmp/declared")
echo "exports: $count functions"
[ "$count" -gt 0 ] || failed=1
exit $failed
