# SPDX-License-Identifier: MIT
"""Bad input of every kind to the real programs: a clear line, the right exit
code, nothing changed, and all works afterwards.

What stands elsewhere is not repeated here:

  every mistake in a configuration     unit/conf/test_conf.c::bad
  which of them mppd says, and starts  test_mppd.py::
    nothing; a missing file              test_a_wrong_configuration_starts_…
  a port in use, a directory that is   test_mppd.py::test_a_port_in_use,
    taken, missing, open to others,      test_a_second_one_on_the_same_state,
    not permitted                        test_a_state_directory_…
  a socket that answers; a file there  test_mppd.py::test_a_second_one_on_…,
                                         test_a_file_in_the_socket_s_place_…
  a key open to others, cut short      test_mppd.py::test_a_key_that_others_…
  every mistake in a key file          unit/host/test_host_keyfile.c
  a damaged store, by each bit         unit/store/test_store_damage.c
  a store that gets full               test_mppd.py::test_a_disk_that_gets_…
  bodies, paths and octets of the      test_control.py::BAD_BODIES, BAD_NAMES,
    control API                          BAD_REQUESTS, GARBAGE
  arguments of mppctl                  test_control.py::USAGE, test_refusals
  mppctl without mppd, on a dead       test_control.py::test_no_daemon,
    socket, without permission           test_no_permission_on_the_socket
  arguments of mpp                     test_client.py::WRONG, test_tools.py::
                                         WRONG
  every mistake in an invitation       unit/loop/test_loop_uri.c::refused
  used, expired, wrong service key     test_client.py::test_a_used_invitation,
    (both fingerprints), no account      test_an_expired_…, test_a_wrong_…
  every mistake in a device's state    unit/loop/test_loop_state.c::malformed
  JSON-BCD that is none                test_decode.py::REFUSED
  datagrams of strangers; altered and  test_interop_service.py::test_stranger_…,
    replayed ones                        test_altered_and_replayed_packets_…
"""
import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import DEADLINE_S, Mppd, free_port, program, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# pylint: disable=wrong-import-position
import mpp_peer as m

ALICE = "alice@example.com"
NOBODY = 65534
SECRET = "AAAQEAYEAUDAOCAJBIFQYDIOB4"
PIN = "MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-N2DU-2T6P-RKLT-NCXC"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def content_of(path):
    """A device's Timestamp rises whenever it connects."""
    content = path.read_bytes()
    if path.name == "device.json":
        content = re.sub(rb'("Timestamp":\s*)\d+', rb"\1", content)
    return content


def tree(path):
    """Everything below: name, mode, and what is in it."""
    found = []
    for p in sorted([path, *path.rglob("*")]):
        st = p.lstat()
        content = content_of(p) if stat.S_ISREG(st.st_mode) else b""
        found.append((str(p), st.st_mode, st.st_uid,
                      hashlib.sha256(content).hexdigest()))
    return found


def one_line(text, name):
    """A single line that begins with the program's name."""
    return (re.fullmatch(rf"{name}: [^\n]+\n", text) is not None
            and not re.search(r"Sanitizer|runtime error|Assertion", text))


# ---- a running service with a device: nothing changes it ----

class World:
    """An mppd with an account and an enrolled device."""

    def __init__(self, folder):
        self.folder = folder
        self.big = folder / "big"
        self.big.write_bytes(b"[" + b"1," * (9 << 20) + b"1]")
        self.mppd = Mppd(folder)
        self.device, self.uri = folder / "device", None

    def begin(self):
        self.mppd.start()
        self.mppd.account(ALICE)
        self.uri = self.mppd.ctl_json("invite", ALICE)["uri"]
        done = self.run(["mpp", "enroll", "--state", "{device}", "{uri}"])
        assert done.returncode == 0, done.stderr
        # Made by the first program that asks, and empty for ever.
        (self.device / "ask.lock").touch(mode=0o600)

    def names(self):
        return {"socket": self.mppd.socket, "device": self.device,
                "uri": self.uri, "folder": self.folder, "big": self.big,
                "none": self.folder / "none", "conf": self.mppd.config}

    def run(self, command, stdin=b""):
        words = []
        for word in command:
            if isinstance(word, str):
                word = word.format(**self.names()) if "{" in word else word
            words.append(word)
        if words[0] in ("mppd", "mppctl", "mpp"):
            words[0] = program(words[0])
        done = subprocess.run(
            words, input=stdin, capture_output=True, timeout=DEADLINE_S,
            env={**os.environ, "MPPCTL_SOCKET": str(self.mppd.socket),
                 "MPP_STATE": str(self.device),
                 "MPP": program("mpp"), "MPPCTL": program("mppctl"),
                 "MPPD": program("mppd")})
        done.stderr = done.stderr.decode("utf-8", "backslashreplace")
        done.stdout = done.stdout.decode("utf-8", "backslashreplace")
        return done

    def state(self, connects=False):
        """All that must not change; the store does when a device connects,
        as the time of that is kept."""
        accounts = self.mppd.api("GET", f"/v1/accounts/{ALICE}")[1]
        for device in accounts["devices"]:
            device.pop("connections")
        return (tree(self.device), [] if connects else
                tree(self.mppd.state), accounts,
                self.mppd.api("GET", "/v1/accounts")[1],
                sorted(p.name for p in self.folder.iterdir()))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("bad"))
    try:
        made.begin()
        yield made
    finally:
        code = made.mppd.stop() if made.mppd.alive() else None
    assert code == 0
    made.mppd.check_sane()


@dataclass
class Row:
    sentence: str
    command: list
    code: int
    says: str
    stdin: bytes = b""

    @property
    def connects(self):
        return '"$MPP" status' in self.sentence \
            or '"$MPP" endpoint' in self.sentence \
            or "without the right" in self.sentence


def enroll(uri):
    return ["mpp", "enroll", "--state", "{none}", uri]


def of_invitation(sentence, uri, says):
    return Row(f"an invitation: {sentence}", enroll(uri), 65,
               f"not an invitation.*{says}")


def into_closed(command, code=74):
    name = command.split()[0].strip('"$').lower()
    return Row(f"a closed output: {command}",
               ["sh", "-c", f"exec {command} >&-"], code,
               f"^{name}: cannot write")


def into_full(command):
    name = command.split()[0].strip('"$').lower()
    return Row(f"a full output: {command}",
               ["sh", "-c", f"exec {command} >/dev/full"], 74,
               f"^{name}: cannot write")


OUTPUTS = ['"$MPPD" --help', '"$MPPD" --version',
           '"$MPPD" --check-config -c {conf}',
           '"$MPPD" --print-memory -c {conf}',
           '"$MPPCTL" --help', '"$MPPCTL" --version', '"$MPPCTL" status',
           '"$MPPCTL" status --json', '"$MPPCTL" account list',
           '"$MPPCTL" account list --json',
           f'"$MPPCTL" device list {ALICE}',
           '"$MPP" --help', '"$MPP" --version', '"$MPP" status',
           '"$MPP" status --json', '"$MPP" endpoint']

ROWS = [
    # arguments
    *[Row(f"{name}: {what}", [name, *args], 64, says)
      for name in ("mppd", "mppctl", "mpp")
      for what, args, says in (
          ("an empty argument", [""], "."),
          ("an unknown option", ["--frobnicate"], "--frobnicate"),
          ("an unknown short option", ["-Z"], "-Z"),
          ("an unknown word", ["frobnicate"], "frobnicate"),
          ("a word of 100,000 octets", ["x" * 100000], "."),
          ("a word that is not UTF-8", [b"\xff\xfe"], "."),
          ("a word that steers the terminal", ["\x1b[2J"], "."))],
    Row("mppd: an empty file name", ["mppd", "-c", ""], 78, "No such file"),
    Row("mppd: two files", ["mppd", "-c", "{conf}", "{conf}"], 64, "."),
    Row("mppd: a directory as its configuration", ["mppd", "-c", "{folder}"],
        78, "directory"),
    Row("mppd: a device as its configuration", ["mppd", "-c", "/dev/zero"],
        78, "."),
    Row("mppd: the path of a configuration is too long",
        ["mppd", "-c", "/" + "x/" * 4000], 78, "File name too long"),

    # names and states of stores
    Row("mppctl: an account without a name", ["mppctl", "account", "add", ""],
        65, "1 to 255|empty"),
    Row("mppctl: an account's name is too long",
        ["mppctl", "account", "add", "a" * 256], 65, "255"),
    Row("mppctl: an account's name of 5000 octets",
        ["mppctl", "account", "add", "a" * 5000], 65, "."),
    Row("mppctl: an account's name is not UTF-8",
        ["mppctl", "account", "add", b"\xe9"], 65, "UTF-8"),
    Row("mppctl: an account's name holds a line end",
        ["mppctl", "account", "add", "a\nb"], 65, "."),
    Row("mppctl: the status of no name", ["mppctl", "status", ""], 65, "empty"),
    Row("mppctl: the status of an endless name",
        ["mppctl", "status", "x" * 100000], 65, "."),
    Row("mppctl: an invitation for no name", ["mppctl", "invite", ""], 65,
        "empty"),
    Row("mppctl: too many stores",
        ["mppctl", "publish", ALICE] + ["--store", "x=1"] * 129, 64,
        "more than"),
    Row("mppctl: a store's name is not UTF-8",
        ["mppctl", "publish", ALICE, "--store", b"\xff=1"], 64, "."),
    Row("mppctl: a store without a name",
        ["mppctl", "publish", ALICE, "--store", "=1"], 64, "."),
    Row("mppctl: an index in hexadecimal",
        ["mppctl", "publish", ALICE, "--store", "a=0x1"], 64, "."),
    Row("mppctl: an index with a sign",
        ["mppctl", "publish", ALICE, "--store", "a=+1"], 64, "."),
    Row("mppctl: an index with a blank",
        ["mppctl", "publish", ALICE, "--store", "a= 1"], 64, "."),
    Row("mppctl: an account that is unknown",
        ["mppctl", "publish", "bob", "--store", "a=1"], 68, "no such account"),
    Row("mppctl: a device that is unknown",
        ["mppctl", "device", "remove", ALICE,
         "MB5S-R4AJ-3FBT-7NHO-T26Z-2E6Y-WFH4"], 68, "no such device"),
    Row("mppctl: a file in the socket's place",
        ["mppctl", "--socket", "{conf}", "status"], 69, "does not answer"),
    Row("mppctl: a directory in the socket's place",
        ["mppctl", "--socket", "{folder}", "status"], 69, "does not answer"),
    Row("mpp: a store's name of 65 octets",
        ["mpp", "publish", "--store", "x" * 65 + "=1"], 64, "at most 64"),
    Row("mpp: publishing without the right",
        ["mpp", "publish", "--store", "x=1"], 77, "not allowed|right"),

    # invitations; the whole list is in test_loop_uri.c
    of_invitation("nothing", "", "."),
    of_invitation("a blank", " ", "."),
    of_invitation("a web page", "https://example.com/", "mpp://"),
    of_invitation("no host", f"mpp:///a?k={PIN}#{SECRET}", "."),
    of_invitation("port 0", f"mpp://h:0/a?k={PIN}#{SECRET}", "1 to 65535"),
    of_invitation("port 65536", f"mpp://h:65536/a?k={PIN}#{SECRET}",
                  "1 to 65535"),
    of_invitation("half an IPv6 address", f"mpp://[::1/a?k={PIN}#{SECRET}",
                  "."),
    of_invitation("no account", f"mpp://h/?k={PIN}#{SECRET}", "account"),
    of_invitation("no key", f"mpp://h/a#{SECRET}", "quote the whole URI"),
    of_invitation("a key cut short", f"mpp://h/a?k={PIN[:-2]}#{SECRET}",
                  "cut short"),
    of_invitation("no secret", f"mpp://h/a?k={PIN}", "secret"),
    of_invitation("a secret cut short", f"mpp://h/a?k={PIN}#{SECRET[:-3]}",
                  "cut short"),
    of_invitation("not UTF-8", b"mpp://h/\xff?k=x#y", "."),
    of_invitation("a line end", f"mpp://h/a\n?k={PIN}#{SECRET}", "."),
    of_invitation("100,000 octets", "mpp://h/" + "a" * 100000, "."),
    Row("an invitation from an empty input",
        ["mpp", "enroll", "--state", "{none}", "-"], 65, "."),
    Row("an invitation from a long input",
        ["mpp", "enroll", "--state", "{none}", "-"], 65, ".",
        b"mpp://h/" + b"a" * 100000),
    Row("an invitation with a NUL",
        ["mpp", "enroll", "--state", "{none}", "-"], 65, "NUL",
        f"mpp://h/a?k={PIN}#{SECRET}\0x".encode()),
    Row("an invitation in two lines",
        ["mpp", "enroll", "--state", "{none}", "-"], 65, ".",
        f"mpp://h/a?k={PIN}\n#{SECRET}\n".encode()),
    Row("an invitation for another account in the same place",
        ["mpp", "enroll", "--state", "{device}",
         f"mpp://127.0.0.1:1/bob?k={PIN}#{SECRET}"], 73, "another"),

    # the state of a device
    Row("a state directory that is a file",
        ["mpp", "status", "--state", "{conf}"], 73, "Not a directory"),
    Row("a state directory of 5000 octets",
        ["mpp", "status", "--state", "/" + "x" * 5000], 64,
        "not a directory's name"),
    Row("a device that is not enrolled",
        ["mpp", "subscribe", "--state", "{none}"], 66, "mpp enroll URI"),

    # documents
    Row("a document beyond 16 MiB", ["sh", "-c", 'exec "$MPP" decode <{big}'],
        65, "more than 16 MiB"),
    Row("a document that is a directory",
        ["sh", "-c", 'exec "$MPP" decode <{folder}'], 74, "cannot read"),
    Row("no document", ["sh", "-c", 'exec "$MPP" decode <&-'], 74,
        "cannot read"),

    *[into_closed(command) for command in OUTPUTS],
    *[into_full(command) for command in OUTPUTS],
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence[:60])
def test_it_says_so_and_nothing_changes(world, row):
    before = world.state(row.connects)
    done = world.run(row.command, row.stdin)
    assert done.returncode == row.code, (done.stdout[-500:], done.stderr)
    assert re.search(row.says, done.stderr), done.stderr
    assert one_line(done.stderr, "mpp(d|ctl)?"), done.stderr
    assert "\x1b" not in done.stderr
    assert done.stdout == ""
    assert world.state(row.connects) == before
    assert world.mppd.alive()


def test_after_all_of_it_all_works(world):
    """The control: the same world can be changed."""
    before = world.state()
    done = world.run(["mpp", "status"])
    assert done.returncode == 0, done.stderr
    done = world.run(["mppctl", "publish", ALICE, "--store", "x=1"])
    assert done.returncode == 0, done.stderr
    assert world.state() != before
    assert world.mppd.ctl("status").returncode == 0


# ---- datagrams inside of a connection ----

TEXT = m.write_json(m.message("PresenceHeartbeat", Serial=7))
BINARY = m.write_jsonb(m.message("PresenceHeartbeat", Serial=7))

# A sentence, the extension list, the message, the counter that rises.
INSIDE = [
    ("an extension twice",
     bytes([128 + 13]) + b"\x80" + bytes([128 + 13]) + b"\x80\xff", BINARY,
     "malformed"),
    ("an extension that is longer than the packet",
     bytes([128 + 13]) + b"\x81\xff", b"", "malformed"),
    ("a list without an end", b"", b"", "malformed"),
    ("JSON cut short", b"\xff", TEXT[:-1], "malformed"),
    ("JSON-B cut short", b"\xff", BINARY[:-1], "malformed"),
    ("a member twice", b"\xff",
     b'{"PresenceHeartbeat":{"Serial":7,"Serial":8}}', "malformed"),
    ("nested 17 deep", b"\xff",
     b'{"PresenceHeartbeat":{"X":' + b"[" * 17 + b"]" * 17 + b"}}",
     "malformed"),
    ("not UTF-8", b"\xff", b'{"PresenceHeartbeat":{"Serial":7,"X":"\xff"}}',
     "malformed"),
    ("an array", b"\xff", b"[1]", "malformed"),
    ("a string", b"\xff", b'"PresenceHeartbeat"', "malformed"),
    ("two types in one", b"\xff",
     b'{"PresenceHeartbeat":{"Serial":7},"PresenceAcknowledge":{}}',
     "malformed"),
    ("a serial that is a text", b"\xff",
     b'{"PresenceHeartbeat":{"Serial":"7"}}', "malformed"),
    ("a negative serial", b"\xff", b'{"PresenceHeartbeat":{"Serial":-7}}',
     "malformed"),
    ("a length of 2^63", b"\xff", b'{"PresenceHeartbeat":\x87'
     + b"\x80" + bytes(7), "malformed"),
    ("words", b"\xff", b"GET / HTTP/1.1", "malformed"),
]


@pytest.fixture(scope="module")
def connected(world):
    """A connection of the independent client, which may say anything."""
    uri = world.mppd.ctl_json("invite", ALICE)["uri"]
    client = m.Client(m.read_invitation(uri))
    subscribe = m.message("PresenceConnectRequest", Serial=1, Acknowledge=0)
    client.connect(None, invite=True)
    client.confirm(None)
    client.close()
    client.confirm(client.connect(subscribe))
    return client


def counters(world):
    return world.mppd.api("GET", "/v1/status")[1]["counters"]


def send_plain(client, plain):
    header = m.Header(client.index, m.FINAL)
    client.index += 1
    client.sock.send(m.seal_packet(client.tx, client.service_id, header,
                                   m.padded(plain)))


@pytest.mark.parametrize("row", INSIDE, ids=lambda row: row[0])
def test_a_bad_message_of_a_device(world, connected, row):
    """It is counted, and the connection goes on."""
    _, extensions, said, counter = row
    before, state = counters(world), world.state(connects=True)
    plain = extensions + said if extensions else b"\x8d\x81"
    send_plain(connected, plain)
    wait_for(lambda: counters(world)[counter] > before[counter])
    after = counters(world)
    assert after[counter] == before[counter] + 1
    for name in before:
        if name.startswith("drop_") or name == "publications":
            assert after[name] == before[name], name
    assert connected.request("PresenceHeartbeat")[0] == "PresenceStatus"
    assert world.state(connects=True) == state


def hello(**changes):
    extensions = changes.pop("extensions", None)
    head = m.initiator_head(changes.get("kind", m.HELLO), 0,
                            changes.get("reply", m.fresh_id()),
                            {"Suites": b"\x01"},
                            changes.get("version", 1))
    if extensions is not None:
        head = (bytes(16) + bytes([m.HELLO]) + m.put_int(1) + m.put_int(0)
                + m.put_bytes(m.fresh_id()) + extensions)
    return m.pad(head + b"\x00", changes.get("size", 1200))


SUITES = bytes([128 + 1]) + m.put_bytes(b"\x01")

# A sentence, a datagram of a stranger, the counter that rises.
OUTSIDE = [
    ("an extension twice", hello(extensions=SUITES * 2 + b"\xff"),
     "drop_malformed"),
    ("a list without an end", m.pad(hello()[:39]), "drop_malformed"),
    ("a tag without an end", hello(extensions=b"\x01" * 20 + b"\xff"),
     "drop_malformed"),
    ("an extension longer than the datagram",
     hello(extensions=b"\x81\x21\xff\xff\xff"), "drop_malformed"),
    ("a reply identifier of zeros", hello(reply=bytes(16)),
     "drop_type"),
    ("a reply identifier of 15 octets", hello(reply=bytes(range(1, 16))),
     "drop_malformed"),
    ("a type that is not there", hello(kind=99), "drop_type"),
    ("one octet too short", hello()[:1199], "drop_short|drop_malformed"),
    ("one octet", b"x", "drop_short"),
    ("nothing", b"", "drop_short"),
    ("zeros", bytes(1200), "drop_malformed|drop_type"),
    ("ones", b"\xff" * 1200, "drop_stranger"),
]


@pytest.mark.parametrize("row", OUTSIDE, ids=lambda row: row[0])
def test_a_bad_datagram_of_a_stranger(world, row):
    """It is counted by its reason and not answered."""
    before, state = counters(world), world.state()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", world.mppd.port))
        sock.send(row[1])
        wait_for(lambda: counters(world)["received"] > before["received"])
        # The control: what is answered comes behind it.
        sock.send(hello())
        sock.settimeout(DEADLINE_S)
        assert sock.recv(2048)[16] == m.R_CHALLENGE
        sock.settimeout(0.05)
        with pytest.raises(socket.timeout):
            sock.recv(2048)
    after = counters(world)
    rose = [name for name in after if name.startswith("drop_")
            and after[name] != before[name]]
    assert len(rose) == 1 and rose[0] in row[2].split("|")
    assert after[rose[0]] == before[rose[0]] + 1
    assert world.state() == state


# ---- files that mppd finds ----

def put_key(text):
    def change(mppd):
        (mppd.state / "service.key").write_text(text)
    return change


def remove_then(make):
    """Something else in the place of a file."""
    def change(mppd, name):
        path = mppd.state / name
        path.unlink()
        make(path)
    return change


def of_nobody(mppd):
    os.chown(mppd.state / "service.key", NOBODY, NOBODY)


def as_directory(name):
    return lambda mppd: remove_then(Path.mkdir)(mppd, name)


def as_pipe(name):
    return lambda mppd: remove_then(os.mkfifo)(mppd, name)


def as_link(name):
    def change(mppd):
        path = mppd.state / name
        shutil.move(path, mppd.folder / "elsewhere")
        path.symlink_to(mppd.folder / "elsewhere")
    return change


def as_text(name, text):
    return lambda mppd: (mppd.state / name).write_bytes(text)


# A sentence, what happens while it is stopped, the exit code, what is said.
FILES = [
    ("a key of a newer version", put_key("mppd service key 3\nx\n"), 65,
     "newer version"),
    ("a key that is empty", put_key(""), 65, "damaged"),
    ("a key that is something else", put_key("hello\n" * 10), 65, "damaged"),
    ("a key that is far too long", put_key("x" * 100000), 65, "damaged"),
    ("a key of somebody else", of_nobody, 77, "chown"),
    ("a directory for a key", as_directory("service.key"), 65,
     "not a regular file"),
    ("a pipe for a key", as_pipe("service.key"), 65, "not a regular file"),
    ("a directory for a store", as_directory("store.mdb"), 74,
     "not a regular file"),
    ("a pipe for a store", as_pipe("store.mdb"), 74, "not a regular file"),
    ("a link for a store", as_link("store.mdb"), 74, "not a regular file"),
    ("an empty store", as_text("store.mdb", b""), 65, "damaged"),
    ("a store of text", as_text("store.mdb", b"hello\n" * 5000), 65,
     "damaged"),
    ("a store of zeros", as_text("store.mdb", bytes(65536)), 65, "damaged"),
    ("a store of one octet", as_text("store.mdb", b"x"), 65, "damaged"),
]


@root_only
@pytest.mark.parametrize("row", FILES, ids=lambda row: row[0])
def test_a_bad_file_in_the_state_directory(mppd, row):
    """It is said, left as it is, and when it is put back all is there."""
    mppd.account(ALICE)
    assert mppd.stop() == 0
    copy = mppd.folder / "copy"
    shutil.copytree(mppd.state, copy)
    row[1](mppd)
    before = [e for e in tree(mppd.state) if "lock" not in e[0]]
    code, line = mppd.start_fails()
    assert code == row[2], line
    assert re.search(row[3], line) and line.startswith("mppd: ")
    assert str(mppd.state) in line
    assert [e for e in tree(mppd.state) if "lock" not in e[0]] == before
    assert not mppd.socket.exists()
    shutil.rmtree(mppd.state)
    copy.rename(mppd.state)
    mppd.start()
    assert mppd.api("GET", f"/v1/accounts/{ALICE}")[0] == 200


def test_a_configuration_that_is_not_permitted(mppd_factory):
    """Read by somebody who may not."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    mppd = mppd_factory()
    copy = mppd.folder / "mppd"
    shutil.copy(mppd.program, copy)
    copy.chmod(0o755)
    mppd.config.chmod(0o600)
    done = subprocess.run([copy, "-c", mppd.config], text=True,
                          capture_output=True, timeout=DEADLINE_S,
                          user=NOBODY, group=NOBODY, extra_groups=[])
    assert done.returncode == 78
    assert one_line(done.stderr, "mppd") and "Permission" in done.stderr
    assert not mppd.state.exists() and not mppd.socket.exists()


# A sentence, the file, the line that is named, what is said.
CONFIGS = [
    ("an unknown section", b"[srevice]\n", 1, r"srevice.*;"),
    ("an item twice", b"[log]\nlevel = info\nlevel = warn\n", 3, "twice|line"),
    ("a number with letters", b"[limits]\naccounts = 12x\n", 2,
     "12x; a number"),
    ("a number out of range", b"[limits]\naccounts = 0\n", 2, "from 1"),
    ("a duration without unit", b"[service]\nlease = 60\n", 2, "a duration"),
    ("a size in small letters", b"[limits]\nstore-size = 1g\n", 2, "a size"),
    ("neither yes nor no", b"[service]\nalways-challenge = 1\n", 2,
     "yes or no"),
    ("an address that is none", b"[service]\nlisten = 1.2.3\n", 2,
     "not an IP address"),
    ("no '='", b"[log]\nlevel info\n", 2, "'='"),
    ("a line that is too long", b"[log]\n# " + b"x" * 400 + b"\n", 2,
     "at most 190"),
    ("not UTF-8", b"[log]\n# \xe9\n", 2, "not UTF-8"),
    ("a NUL", b"[log]\nlevel = in\0fo\n", 2, "."),
    ("a relative path", b"[service]\nstate = here\n", 2, "from the root"),
]


@pytest.mark.parametrize("row", CONFIGS, ids=lambda row: row[0])
def test_a_wrong_configuration(mppd_factory, row):
    """File and line, what was found, what is allowed; nothing is started."""
    mppd = mppd_factory()
    mppd.config.write_bytes(row[1])
    for args in (["-c"], ["--check-config", "-c"]):
        done = subprocess.run([mppd.program, *args, mppd.config],
                              capture_output=True, timeout=DEADLINE_S)
        said = done.stderr.decode("utf-8")
        assert done.returncode == 78, said
        assert said.startswith(f"mppd: {mppd.config}:{row[2]}: ")
        assert re.search(row[3], said) and one_line(said, "mppd")
        assert done.stdout == b""
    assert [p.name for p in mppd.folder.iterdir()] == ["mppd.conf"]


def test_a_configuration_without_end(mppd_factory):
    mppd = mppd_factory()
    mppd.config.write_bytes(b"\n" * 70000)
    code, line = mppd.start_fails()
    assert code == 78 and "longer than 65536" in line


# ---- full disks ----

@pytest.fixture
def small_disk(folder):
    """A file system of 64 pages."""
    path = folder / "disk"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o",
                           "size=256k,mode=0755", "mpptest", path],
                          check=False, timeout=DEADLINE_S)
    if done.returncode != 0:
        pytest.skip("mounting is not permitted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True, timeout=DEADLINE_S)


def fill(disk, free):
    """Leave so many pages."""
    (disk / "filler").unlink(missing_ok=True)
    pages = os.statvfs(disk).f_bavail - free
    (disk / "filler").write_bytes(bytes(4096 * max(pages, 0)))


def is_written(disk):
    return sorted(p.name for p in disk.rglob("*") if p.name != "filler")


@root_only
def test_a_disk_that_gets_full_while_mppd_starts(mppd_factory, small_disk):
    """With one page more each time, until it starts. It says what it could
    not write; no half of it stays; with room again it starts."""
    said = set()
    for free in range(0, 30):
        mppd = mppd_factory()
        mppd.state = small_disk / "state"
        mppd.write_config()
        fill(small_disk, free)
        mppd.spawn()
        wait_for(lambda: mppd.process.poll() is not None
                 or "msg=ready" in mppd.log)
        if mppd.process.poll() is None:
            break
        line = mppd.log.splitlines()[-1]
        assert mppd.process.returncode == 74, line
        assert line.startswith("mppd: ") and str(mppd.state) in line
        assert re.search("No space left|disk is full", line), line
        said.add("key" if "service key" in line else "store")
        assert [n for n in is_written(small_disk) if ".new" in n] == []
        mppd.process = None
        shutil.rmtree(small_disk / "state", ignore_errors=True)
    assert said == {"key", "store"}
    assert mppd.stop() == 0
    (small_disk / "filler").unlink()
    mppd.start()
    assert mppd.ctl("status").returncode == 0


@root_only
def test_a_disk_that_is_full_for_a_device(world, small_disk):
    """It is not enrolled, says why, and is with the same invitation when
    there is room."""
    uri = world.mppd.ctl_json("invite", ALICE)["uri"]
    failed = 0
    for free in range(0, 10):
        fill(small_disk, free)
        done = world.run(["mpp", "enroll", "--state",
                          str(small_disk / "device"), uri])
        if done.returncode == 0:
            break
        failed += 1
        assert done.returncode in (73, 74), done.stderr
        assert "No space left" in done.stderr
        assert one_line(done.stderr, "mpp"), done.stderr
        assert "device.json.new" not in is_written(small_disk)
    assert 0 < failed < 9
    assert world.run(["mpp", "status", "--state",
                      str(small_disk / "device")]).returncode == 0


# ---- what a device finds of its own state ----

STATES = [
    ("of a later version", lambda p: p.write_text(
        re.sub(r'("Version":\s*)1', r"\g<1>2", p.read_text())), 65,
     "another program version"),
    ("empty", lambda p: p.write_text(""), 65, "damaged"),
    ("not JSON", lambda p: p.write_bytes(b"\xff\xfe\x00"), 65, "damaged"),
    ("far too long", lambda p: p.write_bytes(b"{" * 100000), 77, "too big"),
    ("open to its group", lambda p: p.chmod(0o640), 77, "chmod 600"),
    ("a directory", lambda p: (p.unlink(), p.mkdir()), 77, "not a file"),
    ("a pipe", lambda p: (p.unlink(), os.mkfifo(p)), 77, "not a file"),
    ("a link", lambda p: (p.rename(p.with_name("x")),
                          p.symlink_to("x")), 77, "symbolic link"),
]


@pytest.mark.parametrize("row", STATES, ids=lambda row: row[0])
def test_a_bad_state_of_a_device(world, folder, row):
    """Every command says so and leaves it as it is."""
    place = folder / "d"
    shutil.copytree(world.device, place)
    row[1](place / "device.json")
    before, state = tree(place), world.state()
    for command in (["status"], ["subscribe"], ["endpoint"], ["unsubscribe"],
                    ["publish", "--store", "a=1"], ["enroll", "{uri}"]):
        done = world.run(["mpp", *command, "--state", str(place)])
        assert done.returncode == row[2], (command, done.stderr)
        assert re.search(row[3], done.stderr), done.stderr
        assert one_line(done.stderr, "mpp")
        assert [e for e in tree(place) if "lock" not in e[0]] == [
            e for e in before if "lock" not in e[0]]
    assert world.state() == state


# ---- a service that is somebody else's ----

def test_something_else_on_the_port(world, folder):
    """It takes the datagrams and answers with rubbish."""
    port = free_port()
    rubbish = [b"", b"x", bytes(1200), b"\xff" * 1200, b"HTTP/1.1 200 OK\r\n"]
    uri = f"mpp://127.0.0.1:{port}/{ALICE}?k={PIN}#{SECRET}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        other.settimeout(0.2)
        process = subprocess.Popen(
            [program("mpp"), "enroll", "--timeout", "2s", "--state",
             folder / "s", uri], stderr=subprocess.PIPE, text=True)
        answered, end = 0, time.monotonic() + DEADLINE_S
        while process.poll() is None and time.monotonic() < end:
            try:
                peer = other.recvfrom(2048)[1]
            except socket.timeout:
                continue
            for answer in rubbish:
                other.sendto(answer, peer)
                answered += 1
        said = process.communicate()[1]
    assert answered >= len(rubbish)
    assert process.returncode == 75
    assert one_line(said, "mpp") and f"127.0.0.1:{port}" in said
