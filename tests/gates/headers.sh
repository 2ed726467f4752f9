#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh ROOT: each public header compiles alone, twice in a row, as C11
# and as C++17, without a warning.
set -eu
root=${1:?usage: headers.sh ROOT}
failed=0
count=0

# $1 header, then the compiler.
alone() {
    header=$1
    shift
    if ! printf '#include <mpp/%s>\n#include <mpp/%s>\n' "$header" "$header" |
        "$@" -fsyntax-only -Wall -Wextra -Wpedantic -Werror \
            -I "$root/include" - 2>&1; then
        echo "include/mpp/$header: does not compile alone with $1 $2"
        failed=1
    fi
}

for path in "$root"/include/mpp/*.h; do
    [ -e "$path" ] || continue
    count=$((count + 1))
    alone "${path##*/}" gcc -std=c11 -x c
    alone "${path##*/}" g++ -std=c++17 -x c++
done
echo "headers: $count headers"
[ "$count" -gt 0 ] || failed=1
exit $failed
