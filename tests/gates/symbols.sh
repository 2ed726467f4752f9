#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols.sh ROOT [OBJDIR]: the core of a release build needs nothing but
# memcpy, memmove, memset and memcmp, and has no writable data. Builds nothing;
# OBJDIR is where the objects of the CMake target "core" lie. Tables of
# pointers end up in .data.rel.ro under -fPIC; that is read-only and allowed.
set -eu
export LC_ALL=C

root=${1:?usage: symbols.sh ROOT [OBJDIR]}
objdir=${2:-$root/build/release/CMakeFiles/core.dir}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

undefined() {
    nm -u "$1" | awk '{ print $NF }' |
        grep -vxE 'memcpy|memmove|memset|memcmp|_GLOBAL_OFFSET_TABLE_' || true
}

# Sections that can be written, with a size above 0.
writable() {
    size -A "$1" | awk '
        $1 ~ /^\.data\.rel\.ro/ { next }
        $1 ~ /^(\.data|\.bss|\.tdata|\.tbss|COMMON)/ && $2 > 0 {
            print $1 " of " $2 " bytes" }'
}

# Which source brings what, for the one who has to mend it.
blame() {
    undefined "$2" | sed "s|^|$1: needs |"
    writable "$2" | sed "s|^|$1: has |"
}

set --
for src in "$root"/src/base/*.c "$root"/src/jsonbcd/*.c "$root"/src/udf/*.c \
    "$root"/src/rud/*.c "$root"/src/stun/*.c "$root"/src/presence/*.c \
    "$root"/src/role/*.c; do
    [ -e "$src" ] || continue
    name=${src#"$root"/}
    obj=$objdir/$name.o
    if [ ! -e "$obj" ]; then
        echo "$name: not built"
        failed=1
        continue
    fi
    set -- "$@" "$obj"
    blame "$name" "$obj" >"$tmp/blame"
    # What one part needs another part may give: only the whole is judged.
    cat "$tmp/blame" >>"$tmp/parts"
done
if [ $# -eq 0 ]; then
    echo "symbols: no object to look at"
    exit 1
fi

ld -r -o "$tmp/core.o" "$@"
undefined "$tmp/core.o" >"$tmp/undefined"
writable "$tmp/core.o" >"$tmp/writable"
while read -r symbol; do
    failed=1
    grep -E ": needs $symbol\$" "$tmp/parts" || echo "core: needs $symbol"
done <"$tmp/undefined"
if [ -s "$tmp/writable" ]; then
    failed=1
    grep ": has " "$tmp/parts" || sed 's/^/core: has /' "$tmp/writable"
fi
echo "symbols: $# objects"
exit $failed
