# SPDX-License-Identifier: MIT
"""A network namespace with a name server (nsd) of its own, and programs in it
that ask it. Needs root."""
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

from conftest import DEADLINE_S, wait_for

DOMAIN = "example.test"
KEEP = object()


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          timeout=DEADLINE_S).stdout


class Place:
    """A namespace whose resolv.conf names 127.0.0.1 and has these options."""

    def __init__(self, folder, options=""):
        self.name = f"mpp-d{uuid.uuid4().hex[:8]}"
        self.folder = Path(folder)
        self.etc = Path("/etc/netns") / self.name
        self.servers = []
        run("ip", "netns", "add", self.name)
        run(*self.inside("ip", "link", "set", "lo", "up"))
        self.etc.mkdir(parents=True)
        (self.etc / "resolv.conf").write_text(
            f"nameserver 127.0.0.1\n{options}\n")
        # What the machine's own names and files say is not asked.
        (self.etc / "nsswitch.conf").write_text("hosts: dns\n")

    def inside(self, *command):
        return ("ip", "netns", "exec", self.name, *map(str, command))

    def address(self, *addresses):
        for one in addresses:
            run(*self.inside("ip", "address", "add", one, "dev", "lo",
                             *(["nodad"] if ":" in one else [])))

    def spawn(self, *command, **kwargs):
        process = subprocess.Popen(self.inside(*command), **kwargs)
        self.servers.append(process)
        return process

    def close(self):
        for process in self.servers:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(DEADLINE_S)
        run("ip", "netns", "del", self.name)
        shutil.rmtree(self.etc)


class Zone:
    """nsd in a place, with one zone."""

    def __init__(self, place, records="", port=53, domain=DOMAIN):
        self.place, self.domain, self.serial = place, domain, 1
        self.port = port
        self.file = place.folder / "zone"
        self.write(records)
        config = place.folder / "nsd.conf"
        config.write_text(f"""
server:
    ip-address: 127.0.0.1@{port}
    username: root
    zonesdir: "{place.folder}"
    database: ""
    pidfile: "{place.folder}/nsd.pid"
    xfrdfile: "{place.folder}/xfrd.state"
    zonelistfile: "{place.folder}/zone.list"
    cookie-secret-file: "{place.folder}/cookie"
    logfile: "{place.folder}/nsd.log"
    server-count: 1
    xfrdir: "{place.folder}"
remote-control:
    control-enable: no
zone:
    name: {domain}
    zonefile: "{self.file}"
""")
        self.process = place.spawn("nsd", "-d", "-c", config,
                                   stdin=subprocess.DEVNULL)
        self.wait()

    def write(self, records):
        """Replace the zone's file; not read before reload()."""
        self.serial += 1
        self.file.write_text(
            f"$ORIGIN {self.domain}.\n$TTL 1\n"
            f"@ SOA ns hostmaster {self.serial} 3600 600 86400 1\n"
            f"@ NS ns\nns A 127.0.0.1\n{records}\n")

    def dig(self, *question):
        return run(*self.place.inside("dig", "+short", "+time=1", "+tries=1",
                                      f"-p{self.port}", "@127.0.0.1",
                                      *question)).split("\n")[:-1]

    def _serves(self):
        try:
            soa = self.dig(self.domain, "SOA")
        except subprocess.CalledProcessError:
            return False
        return bool(soa) and soa[0].split()[2:3] == [str(self.serial)]

    def wait(self):
        def ready():
            assert self.process.poll() is None, (
                self.place.folder / "nsd.log").read_text()
            return self._serves()
        wait_for(ready)

    def change(self, records):
        time.sleep(0.01)  # the file's time must differ
        self.write(records)
        self.process.send_signal(signal.SIGHUP)
        self.wait()
