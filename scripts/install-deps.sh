#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the Debian packages that building and testing need and that are
# missing; with --run only those of building, with --ci or --long also those
# of the further checks.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

build="gcc cmake ninja-build pkg-config libssl-dev libsodium-dev liblmdb-dev
libmicrohttpd-dev libcurl4-openssl-dev libinih-dev libqrencode-dev
libunbound-dev libldns-dev dns-root-data libcmocka-dev python3"
packages="$build g++ tshark nftables iproute2 python3-pytest
python3-pytest-xdist python3-cryptography universal-ctags mandoc zbar-tools clang clang-format
libclang-rt-14-dev nsd unbound bind9-dnsutils ldnsutils coturn nginx
openssl"
case ${1-} in
"") ;;
--run) packages=$build ;;
--ci | --long) packages="$packages valgrind clang-tidy cppcheck" ;;
*)
    echo "usage: $0 [--run|--ci|--long]" >&2
    exit 64
    ;;
esac

missing=
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null) ||
        status=
    case $status in
    *installed*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install-deps: packages are missing; as root, run:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# $missing is a list of words.
# shellcheck disable=SC2086
install() {
    apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1 \
        </dev/null
}

echo "install-deps: installing$missing"
install && exit 0
echo "install-deps: not found as it is; updating the package lists"
apt-get update -q </dev/null >"$log" 2>&1 || tail -n 5 "$log" >&2
install && exit 0
tail -n 20 "$log" >&2
echo "install-deps: apt-get could not install$missing" >&2
exit 1
