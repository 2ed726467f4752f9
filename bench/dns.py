#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""dns.py [ROUNDS [SECONDS]]: src/dns beside plain unbound, answers from the
cache.

Both ask the same resolver and validate the same signed zone; a thousand names
are asked until all of them are known. Then both are asked in turn, 64 at a time
and one at a time. dns_probe has src/dns behind a UDP port, so that both do the
same I/O. Needs a build without sanitizers: MPP_BUILD_DIR=build/release."""
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))

from conftest import BUILD  # noqa: E402
from resolving import Nsd, Probe, Unbound, Zone  # noqa: E402

NAMES = 1000


def load(port, seconds, window):
    """(answers a second, p50, p99)"""
    done = subprocess.run([BUILD / "bench" / "dns_load", str(port), str(NAMES),
                           str(seconds), str(window)], capture_output=True,
                          text=True, check=True)
    return tuple(map(float, done.stdout.split()))


def spread(values, digits):
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f} to {max(values):.{digits}f})")


def measure(here, there, rounds, seconds):
    for window in (64, 1):
        pairs = [(load(here, seconds, window), load(there, seconds, window))
                 for _ in range(rounds)]
        print(f"{window} at a time, {rounds} rounds of {seconds} s each:")
        for name, i in (("answers/s", 0), ("p50 us", 1), ("p99 us", 2)):
            print(f"  {name:10} src/dns {spread([p[0][i] for p in pairs], 0)}"
                  f"  unbound {spread([p[1][i] for p in pairs], 0)}"
                  f"  ratio {spread([p[0][i] / p[1][i] for p in pairs], 2)}")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = "".join(f"n{i} A 198.51.100.{i % 250}\n" for i in range(NAMES))
        zone = Zone(folder, "bench.example", text).sign()
        root = Zone(folder, ".", "")
        anchor = folder / "anchor"
        anchor.write_text(zone.anchor)
        with Nsd(folder, [root, zone]) as nsd, \
                Unbound(folder, "  module-config: iterator\n",
                        root.stub(nsd.port) + zone.stub(nsd.port)) as plain, \
                Unbound(folder, f"  trust-anchor-file: {anchor}\n",
                        "forward-zone:\n  name: .\n"
                        f"  forward-addr: 127.0.0.1@{plain.port}\n") as there, \
                Probe(folder, f"forward = 127.0.0.1@{plain.port}\n"
                      f"trust-anchor = {anchor}\n") as here:
            for port in (here.port, there.port):
                load(port, 2, 16)
            measure(here.port, there.port, rounds, seconds)


if __name__ == "__main__":
    main()
