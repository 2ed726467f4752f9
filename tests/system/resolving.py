# SPDX-License-Identifier: MIT
"""Zones that are signed here and now, servers for them, and dig.

All of it is on the loopback, on free ports:

    nsd          the zones, as their owner serves them (some in bad faith)
    unbound      "plain": asks nsd and believes everything
    unbound      "judge": asks plain, and validates: what is right
    dns_probe    src/dns of this project, asks plain: what is tested
"""
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from conftest import BUILD, DEADLINE_S, wait_for

PROBE = BUILD / "dns" / "dns_probe"
# The longest answer that dig is told to take; so nothing is cut but by choice.
SIZE = 4096


def free_port():
    """A port that is free for UDP and TCP."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def run(*command, cwd=None):
    done = subprocess.run([str(c) for c in command], cwd=cwd,
                          capture_output=True, text=True, check=True,
                          timeout=DEADLINE_S)
    return done.stdout


HEAD = """$ORIGIN {origin}
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A {address}
"""


def stamp(days):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 86400 * days))


class Zone:
    """A zone in a folder. `anchor` are the DS records to begin with."""

    def __init__(self, folder, name, text, address="198.51.100.53"):
        self.folder, self.name = Path(folder), name
        self.file = self.folder / f"{name.strip('.') or 'root'}.zone"
        self.file.write_text(HEAD.format(
            origin=name.strip(".") + ".", address=address) + text)
        self.anchor = ""
        self.keys = None

    def sign(self, first=-1, last=30, nsec3=False):
        """Sign it, by a key of its own."""
        if self.keys is None:
            self.keys = [run("ldns-keygen", *kind, "-a", "ED25519", self.name,
                             cwd=self.folder).strip() for kind in ([], ["-k"])]
        run("ldns-signzone", *(["-n"] if nsec3 else []), "-i", stamp(first),
            "-e", stamp(last), self.file.name, *self.keys, cwd=self.folder)
        self.file = self.folder / f"{self.file.name}.signed"
        self.anchor = (self.folder / f"{self.keys[1]}.ds").read_text()
        return self

    def alter(self, pattern, text):
        """As whoever forges an answer does."""
        before = self.file.read_text()
        after = re.sub(pattern, text, before, flags=re.M)
        assert after != before, f"nothing to alter by {pattern}"
        self.file.write_text(after)
        return self

    def stub(self, port):
        return f"stub-zone:\n  name: {self.name}\n  stub-addr: 127.0.0.1@{port}\n"


class Server:
    """A process; ended by its number."""

    def __init__(self, command, log, inside=(), **how):
        self.log = Path(log)
        self.process = subprocess.Popen(
            [*inside, *map(str, command)], stdout=how.pop("stdout", None)
            or open(self.log, "ab"), stderr=open(self.log, "ab"), **how)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.end()


def answers(port, name=".", address="127.0.0.1", inside=()):
    """Does a server answer at all?"""
    done = subprocess.run([*inside, "dig", f"@{address}", "-p", str(port),
                           "+tries=1", "+time=1", name, "SOA"],
                          capture_output=True, text=True)
    return "->>HEADER<<-" in done.stdout


class Nsd(Server):
    def __init__(self, folder, zones, port=None, address="127.0.0.1",
                 inside=()):
        self.port = port or free_port()
        everywhere = [address] if isinstance(address, str) else address
        address = everywhere[0]
        own = f"{address}-{self.port}"
        listen = "".join(f"  ip-address: {a}@{self.port}\n"
                         for a in everywhere)
        config = Path(folder) / f"nsd-{own}.conf"
        config.write_text(f"""server:
{listen}  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd-{own}.pid"
  xfrdfile: "{folder}/xfrd-{own}"
  zonelistfile: "{folder}/zonelist-{own}"
  username: ""
  chroot: ""
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
""" + "".join(f"zone:\n  name: {z.name}\n  zonefile: {z.file}\n"
              for z in zones))
        super().__init__(["nsd", "-d", "-c", config], f"{folder}/nsd.log",
                         inside)
        wait_for(lambda: answers(self.port, zones[0].name, address, inside))


class Unbound(Server):
    """@param server  more lines of its section server
    @param rest  more sections"""

    def __init__(self, folder, server="", rest="", port=None):
        self.port = port or free_port()
        config = Path(folder) / f"unbound-{self.port}.conf"
        config.write_text(f"""server:
  interface: 127.0.0.1@{self.port}
  directory: "{folder}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  edns-buffer-size: {SIZE}
  max-udp-size: {SIZE}
  aggressive-nsec: no
  qname-minimisation: no
{server}
remote-control:
  control-enable: no
{rest}""")
        super().__init__(["unbound", "-d", "-p", "-c", config],
                         f"{folder}/unbound.log")
        wait_for(lambda: answers(self.port))


class Probe(Server):
    """@param items  lines of section [dns]"""

    def __init__(self, folder, items, port=None, shift=0, inside=()):
        self.port = port or free_port()
        config = Path(folder) / f"probe-{self.port}.conf"
        config.write_text("[dns]\n" + items)
        super().__init__([PROBE, config, f"127.0.0.1:{self.port}", str(shift)],
                         f"{folder}/probe.log", inside, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", \
            self.log.read_text()

    def count(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        lines = iter(self.process.stdout.readline, ".\n")
        return {k: int(v) for k, v in (line.split() for line in lines)}

    def end(self):
        """It must end well: sanitizers speak at the end."""
        if self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(DEADLINE_S) == 0, self.log.read_text()


class Answer:
    """What dig printed of one answer."""

    def __init__(self, text):
        self.text = text
        head = re.search(r"status: (\w+)", text)
        self.status = head.group(1) if head else "NONE"
        flags = re.search(r"^;; flags: ([a-z ]*);", text, re.M)
        self.flags = set(flags.group(1).split()) if flags else set()
        self.ede = [int(n) for n in re.findall(r"^; EDE: (\d+)", text, re.M)]
        self.edns = re.search(r"EDNS: version: \d+, flags:([a-z ]*);", text)
        self.sections = {}
        part = None
        for line in text.splitlines():
            title = re.match(r";; (\w+) SECTION:", line)
            if title:
                part = self.sections.setdefault(title.group(1), [])
            elif line and not line.startswith(";") and part is not None:
                owner, _, rest = line.split(None, 2)
                part.append(f"{owner.lower()} {' '.join(rest.split())}")
        for part in self.sections.values():
            part.sort()

    def records(self, kind="ANSWER"):
        return self.sections.get(kind, [])

    def seen(self):
        """All that another resolver must say too; times to live go on, and
        texts of errors are for people."""
        # Bogus for no special reason; unbound says 5 behind a CNAME.
        ede = sorted({5: 6}.get(n, n) for n in self.ede)
        return (self.status, self.flags, ede,
                self.edns and self.edns.group(1).strip(),
                self.records(), self.records("AUTHORITY"))


def dig_all(port, lines, inside=()):
    """dig, each line of it: "NAME TYPE +option …"."""
    options = "+tries=1 +time=10 +ignore +nocookie +qr"
    edns = f"+bufsize={SIZE}"
    text = "\n".join(
        f"@127.0.0.1 -p {port} {options} "
        f"{'' if '+noedns' in line else edns} {line} +notcp" for line in lines)
    done = subprocess.run([*inside, "dig", "-f", "-"], input=text, text=True,
                          capture_output=True, timeout=DEADLINE_S)
    parts = re.split(r"^;; Sending:$", done.stdout, flags=re.M)[1:]
    assert len(parts) == len(lines), done.stdout[-2000:] + done.stderr
    # What was sent is first; the answer follows, if there was one.
    return [Answer(p.split(";; Got answer:", 1)[-1]
                   if ";; Got answer:" in p else "") for p in parts]


def dig(port, line, inside=()):
    return dig_all(port, [line], inside)[0]
