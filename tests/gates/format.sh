#!/bin/sh
# SPDX-License-Identifier: MIT
# format.sh ROOT: .c and .h files are as clang-format 14 would write them.
# Mend with: find src include tests examples -path tests/gates/fixtures \
#   -prune -o -name '*.[ch]' -print0 | xargs -0 clang-format -i
set -eu
root=${1:?usage: format.sh ROOT}
cd "$root"
list=$(mktemp)
out=$(mktemp)
trap 'rm -f "$list" "$out"' EXIT
for top in src include tests examples; do
    [ -d "$top" ] || continue
    find "$top" -path tests/gates/fixtures -prune -o \
        -type f -name '*.[ch]' -print0
done >"$list"
count=$(tr -dc '\0' <"$list" | wc -c)
echo "format: $count files"
[ "$count" -gt 0 ] || exit 1
xargs -0 clang-format --style=file --dry-run -Werror --ferror-limit=1 \
    <"$list" >"$out" 2>&1 && exit 0
grep -E 'error|arning' "$out" || cat "$out"
exit 1
