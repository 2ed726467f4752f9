#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A presence service on loopback with two accounts and three devices.

Starts mppd with its embedded store in a directory of its own, enrols three
devices, each a process of its own, publishes, and prints for every
publication and device the serial, the round-trip time, the source port and
when it arrived. Arrival is what the device printed; acknowledgement is what
`mppctl status --json` says.
"""

import argparse
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ACCOUNTS = {
    "alice@example.com": ["laptop", "phone"],
    "bob@example.com": ["tablet"],
}
PUBLICATIONS = [
    ("alice@example.com", "mmm_Inbound"),
    ("alice@example.com", "mmm_Contact"),
    ("bob@example.com", "mmm_Inbound"),
    ("alice@example.com", "mmm_Inbound"),
    ("bob@example.com", "mmm_Bookmark"),
]
TABLE = "{:<13} {:<18} {:<17} {:<7} {:>16} {:>8} {:>6}  {}"


class Failure(Exception):
    """Something did not happen; the text says what."""


def free_port():
    """A UDP port that nobody uses on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Device:
    """An `mpp subscribe` process and what it has printed."""

    def __init__(self, demo, name, account):
        self.demo, self.name, self.account = demo, name, account
        self.state = os.path.join(demo.dir, name)
        self.process = None
        self.id = None
        self.connected = threading.Event()
        self.heard = {}  # serial -> time
        self.port = None

    def enroll(self):
        uri = self.demo.ctl("invite", self.account)["uri"]
        out = self.demo.run(
            [self.demo.tool("mpp"), "enroll", "--state", self.state, "-"],
            stdin=uri,
        )
        self.id = out.split()[-1]

    def subscribe(self):
        self.process = subprocess.Popen(
            [self.demo.tool("mpp"), "subscribe", "--state", self.state,
             "--lease", "30s", "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "connected":
                self.port = event["endpoint"].rsplit(":", 1)[1]
                self.connected.set()
            elif event["event"] == "publication":
                self.heard[event["serial"]] = time.time()
            self.demo.news.put(self.name)


class Demo:
    def __init__(self, options):
        self.options = options
        self.dir = tempfile.mkdtemp(prefix="mpp-demo-")
        self.port = options.port or free_port()
        self.news = queue.Queue()
        self.devices = [
            Device(self, name, account)
            for account, names in ACCOUNTS.items()
            for name in names
        ]
        self.daemon = None
        self.index = {}

    def tool(self, name):
        return os.path.join(self.options.bin, name)

    def run(self, command, stdin=""):
        done = subprocess.run(command, input=stdin, text=True, timeout=60,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command[:3])} failed with exit code "
                          f"{done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ctl(self, *words):
        command = [self.tool("mppctl"), "--socket",
                   os.path.join(self.dir, "control.sock"), *words, "--json"]
        return json.loads(self.run(command))

    def start(self):
        config = os.path.join(self.dir, "mppd.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"[service]\nlisten = 127.0.0.1:{self.port}\n"
                    f"endpoint = 127.0.0.1:{self.port}\n"
                    f"state = {self.dir}/state\n"
                    f"control = {self.dir}/control.sock\n")
        log = open(os.path.join(self.dir, "mppd.log"), "w", encoding="utf-8")
        self.daemon = subprocess.Popen(
            [self.tool("mppd"), "-c", config],
            stdin=subprocess.DEVNULL, stderr=log,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.daemon.poll() is not None:
                raise Failure("mppd ended; " + self.log_tail())
            try:
                return self.ctl("status")
            except Failure:
                time.sleep(0.05)
        raise Failure("mppd did not answer within 30 s; " + self.log_tail())

    def log_tail(self):
        path = os.path.join(self.dir, "mppd.log")
        with open(path, encoding="utf-8") as f:
            return "its log ends: " + "".join(f.readlines()[-3:]).strip()

    def enroll(self):
        for account in ACCOUNTS:
            self.ctl("account", "add", account)
        for device in self.devices:
            device.enroll()
            device.subscribe()
        deadline = time.monotonic() + self.options.timeout
        for device in self.devices:
            left = max(0, deadline - time.monotonic())
            if not device.connected.wait(left):
                raise Failure(f"{device.name} did not connect within "
                              f"{self.options.timeout} s")
            print(f"  {device.name:<7} of {device.account:<18} "
                  f"{device.id}  port {device.port}")

    def connections(self, account):
        """device id -> its connection, from mppctl status."""
        for a in self.ctl("status")["accounts"]:
            if a["account"] == account:
                return {d["device"]: d["connections"][0]
                        for d in a["devices"] if d["connections"]}
        raise Failure(f"mppctl status does not show {account}")

    def publish(self, account, store):
        index = self.index[account, store] = \
            self.index.get((account, store), 0) + 1
        sent = time.time()
        serial = self.ctl("publish", account, "--store",
                          f"{store}={index}")["serial"]
        waiting = [d for d in self.devices if d.account == account]
        if not waiting:
            raise Failure(f"{account} has no device")
        deadline = time.monotonic() + self.options.timeout
        while waiting:
            known = self.connections(account)
            for d in list(waiting):
                c = known.get(d.id)
                if c is None or c["acknowledged"] < serial or \
                        serial not in d.heard:
                    continue
                waiting.remove(d)
                clock = time.strftime("%H:%M:%S", time.localtime(sent))
                print(TABLE.format(
                    f"{clock}.{int(sent % 1 * 1000):03}", account,
                    f"{store}={index}", d.name, serial,
                    f"{c['rtt_us'] / 1000:.2f}ms",
                    c["endpoint"].rsplit(":", 1)[1],
                    f"after {(d.heard[serial] - sent) * 1000:.1f}ms"),
                    flush=True)
            if waiting and time.monotonic() > deadline:
                names = ", ".join(d.name for d in waiting)
                raise Failure(f"serial {serial} was not acknowledged by "
                              f"{names} within {self.options.timeout} s")
            if waiting:
                try:
                    self.news.get(timeout=0.05)
                except queue.Empty:
                    pass

    def hook(self):
        """For tests: a command between connecting and publishing."""
        if self.options.before_publish:
            ports = {f"PORT_{d.name.upper()}": d.port for d in self.devices}
            subprocess.run(self.options.before_publish, shell=True,
                           check=True, env={**os.environ, **ports,
                                            "PORT_SERVICE": str(self.port)})

    def stop(self):
        for p in [d.process for d in self.devices] + [self.daemon]:
            if p is None or p.poll() is not None:
                continue
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
        if not self.options.keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def play(demo):
    status = demo.start()
    print(f"mppd {status['version']} on 127.0.0.1:{demo.port}, "
          f"{status['aead']} for AES-256-GCM, store {status['store']}")
    demo.enroll()
    demo.hook()
    print(TABLE.format("PUBLISHED", "ACCOUNT", "STORE", "DEVICE", "SERIAL",
                       "RTT", "PORT", "ARRIVED"))
    n = 0
    while not demo.options.once or n < demo.options.publications:
        demo.publish(*PUBLICATIONS[n % len(PUBLICATIONS)])
        n += 1
        if not demo.options.once:
            time.sleep(2)
    counters = demo.ctl("status")["counters"]
    print(f"{n} publications, {counters['notifies']} notifications sent "
          f"({counters['repeats']} of them repetitions), every one "
          "acknowledged")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", required=True, metavar="DIR",
                        help="where mppd, mppctl and mpp are")
    parser.add_argument("--once", action="store_true",
                        help="five publications, then stop")
    parser.add_argument("--publications", type=int, metavar="N",
                        default=len(PUBLICATIONS),
                        help="how many with --once (%(default)s)")
    parser.add_argument("--timeout", type=float, default=20, metavar="S",
                        help="how long one publication may take (20)")
    parser.add_argument("--port", type=int, default=0,
                        help="UDP port; a free one if not given")
    parser.add_argument("--keep", action="store_true",
                        help="leave the directory with state and log")
    parser.add_argument("--before-publish", metavar="COMMAND",
                        help=argparse.SUPPRESS)
    return parser


def main():
    demo = Demo(arguments().parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        play(demo)
    except KeyboardInterrupt:
        print()
    except (Failure, subprocess.SubprocessError) as e:
        print(f"run.sh: {e}", file=sys.stderr)
        return 1
    finally:
        demo.stop()
        if demo.options.keep:
            print(f"state and log are in {demo.dir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
