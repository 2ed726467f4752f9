# SPDX-License-Identifier: MIT
"""Tokens that others mint: from the key to the device that comes in, and all
the ways in which it must not. The programs as they are used."""
import base64
import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import BUILD, DEADLINE_S, ROOT, program, wait_for
from test_client import ALICE, Subscriber, enroll, publish
from test_token import counters, token

sys.path.insert(0, str(ROOT / "tests" / "interop"))
# pylint: disable=wrong-import-position
import mpp_peer as m

# Where a fixture is named like what it gives.
# pylint: disable=redefined-outer-name

BOUNDS = "accounts = *@example.com\nrights = subscribe publish\nlife = 2h\n"


def make_key(path):
    done = subprocess.run([program("mppctl"), "token", "key", str(path)],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def section(name, path, bounds=BOUNDS):
    return f"[token-key {name}]\nfile = {path}\n{bounds}"


@pytest.fixture
def mesh(mppd_factory, folder):
    """An mppd that trusts two minters, with alice's account."""
    keys = [make_key(folder / f"{name}.key") for name in ("mesh", "other")]
    daemon = mppd_factory()
    daemon.config.write_text(
        daemon.config.read_text() + section("mesh", keys[0])
        + section("other", keys[1]))
    daemon.start()
    daemon.account(ALICE)
    return daemon


@pytest.fixture
def subscriber():
    made = []

    def make(*args):
        made.append(Subscriber(*args))
        return made[-1]
    yield make
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def mpp(*args, text=None):
    return subprocess.run([program("mpp"), *map(str, args)], text=True,
                          capture_output=True, timeout=DEADLINE_S,
                          input=text)


def device_id(state):
    done = mpp("id", "--state", state)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def mint(daemon, folder, device, *more, key="mesh", account=ALICE):
    """Offline, as the minter does it; gives the JSON text."""
    words = ["token", account, device]
    if "--expires" not in more:
        words += ["--expires", "1h"]
    if key is not None:
        words += ["--key", str(folder / f"{key}.key"),
                  "--endpoint", f"127.0.0.1:{daemon.port}"]
    done = daemon.ctl(*words, *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return done.stdout


def come_in(state, text):
    return mpp("enroll", "--state", state, "--token", "-", text=text)


def give(folder, text):
    """Put a token into the state of an enrolled device."""
    state = folder / "s" / "device.json"
    document = json.loads(state.read_text())
    minted = json.loads(text)
    document["Token"] = {name: minted[name]
                         for name in ("Token", "SharedSecret")}
    state.write_text(json.dumps(document))


def devices(daemon):
    return daemon.api("GET", f"/v1/accounts/{ALICE}")[1]["devices"]


# ---- coming in ----

def test_a_new_device(mesh, folder, subscriber):
    state = folder / "s"
    device = device_id(state)
    assert device_id(state) == device
    assert (state / "device.json").stat().st_mode & 0o777 == 0o600
    # A key is not an enrolment.
    done = mpp("subscribe", "--state", state)
    assert done.returncode == 66 and "not enrolled" in done.stderr
    text = mint(mesh, folder, device, "--expires", "2h", "--rights",
                "subscribe,publish")
    minted = json.loads(text)
    assert set(minted) >= {"Prefix", "Endpoints", "Token", "SharedSecret"}
    assert minted["Prefix"] == "mmm_presence"
    assert mesh.api("GET", "/v1/status")[1]["counters"]["tokens"] == 0
    done = come_in(state, text)
    assert (done.returncode, done.stdout) == (0, f"{device}\n"), done.stderr
    assert [(d["device"], d["rights"]) for d in devices(mesh)] == [
        (device, ["subscribe", "publish"])]
    assert counters(mesh)["tickets"] == 1
    # The same token again is the same device.
    assert come_in(state, text).returncode == 0
    assert len(devices(mesh)) == 1
    # It is on disk, and comes by its key from now on.
    mesh.kill9()
    mesh.start()
    one = subscriber(state)
    one.wait("connected")
    assert counters(mesh)["tickets"] == 0
    publish(mesh, "mmm_Inbound=1")
    one.wait("publication")
    done = mpp("publish", "--state", state, "--store", "mmm_Inbound=2")
    assert done.returncode == 0, done.stderr
    one.wait("publication", 2)
    for secret in (minted["Token"], minted["SharedSecret"]):
        assert secret not in mesh.log
        assert secret not in (state / "device.json").read_text()


def test_by_mppd_itself(mesh, folder):
    """The service's own key enrols, too; and says where it is."""
    device = device_id(folder / "s")
    minted = mesh.ctl_json("token", "mint", ALICE, device, "--expires", "30d")
    pins = [s["fingerprint"]
            for s in mesh.api("GET", "/v1/status")[1]["suites"]]
    assert minted["Fingerprints"] == pins
    assert minted["Endpoints"] == [f"127.0.0.1:{mesh.port}",
                                   f"[::1]:{mesh.port}"]
    assert minted["Account"] == ALICE
    path = folder / "token.json"
    path.write_text(json.dumps(minted, indent=1))
    done = mpp("enroll", "--state", folder / "s", "--token", path, "--json")
    assert json.loads(done.stdout)["device"] == device
    state = json.loads((folder / "s" / "device.json").read_text())
    assert state["Fingerprints"] == pins and state["Account"] == ALICE
    # Another service with its address would be noticed.
    assert devices(mesh)[0]["rights"] == ["subscribe"]


def refused(done, code, said):
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr and done.stderr.count("\n") == 1
    return True


def test_what_a_key_may_not(mesh, folder):
    device = device_id(folder / "s")
    mesh.account("bob@example.org")
    for text in (
            mint(mesh, folder, device, account="bob@example.org"),
            mint(mesh, folder, device, account="carol@example.com"),
            mint(mesh, folder, device, "--rights", "subscribe,reset"),
            mint(mesh, folder, device, "--expires", "121m"),
            mint(mesh, folder, "MBKY-6QMK-VOLB-ZSQS-IWN6-UHRQ-CFGX")):
        assert refused(come_in(folder / "s", text), 77, "403")
    assert devices(mesh) == []
    # The control: nothing of that.
    text = mint(mesh, folder, device, "--expires", "2h")
    assert come_in(folder / "s", text).returncode == 0
    assert len(devices(mesh)) == 1


def test_a_key_that_is_not_known(mesh, folder):
    make_key(folder / "stranger.key")
    device = device_id(folder / "s")
    text = mint(mesh, folder, device, key="stranger")
    assert refused(come_in(folder / "s", text), 77, "403")
    assert counters(mesh)["tickets"] == 0
    assert counters(mesh)["errors_clear"] == 1


def test_a_removed_device_stays_out(mesh, folder):
    state = folder / "s"
    device = device_id(state)
    text = mint(mesh, folder, device)
    assert come_in(state, text).returncode == 0
    assert mesh.ctl("device", "remove", ALICE, device).returncode == 0
    assert refused(come_in(state, text), 77, "403")
    mesh.kill9()
    mesh.start()
    assert refused(come_in(state, text), 77, "403")
    # The operator may let it in again at once.
    text = mint(mesh, folder, device, key=None)
    assert come_in(state, text).returncode == 0


def test_the_example(mesh, folder):
    """examples/mint.c, with the public library alone."""
    example = BUILD / "examples" / "mint"
    if not example.exists():
        pytest.fail(f"{example} is missing: build the target examples")
    device = device_id(folder / "s")

    def run(*words, key="mesh"):
        return subprocess.run(
            [str(example), *words], capture_output=True, text=True,
            timeout=DEADLINE_S, input=(folder / f"{key}.key").read_text())
    done = run(ALICE, device, f"127.0.0.1:{mesh.port}")
    assert (done.returncode, done.stderr) == (0, "")
    assert come_in(folder / "s", done.stdout).returncode == 0
    assert [d["device"] for d in devices(mesh)] == [device]
    (folder / "none.key").write_text("mppd token key 1\nid 0\nkey 0\n")
    done = run(ALICE, device, "h:1", key="none")
    assert refused(done, 65, "not a token key")
    assert refused(run(ALICE, "me", "h:1"), 65, "mint: ")
    assert refused(run(ALICE), 64, "usage: mint ")


# ---- revoking ----

def test_revoke_a_key(mesh, folder, subscriber):
    device = enroll(mesh, folder / "s")
    enroll(mesh, folder / "other")
    give(folder, mint(mesh, folder, device))
    one = subscriber(folder / "s")
    one.wait("connected")
    assert counters(mesh)["tickets"] == 1
    beside = subscriber(folder / "other")
    beside.wait("connected")
    done = mesh.ctl("token", "revoke", "--key", "mesh")
    assert (done.returncode, done.stdout) == (0, "tokens of mesh revoked\n")
    assert 'msg="tokens revoked" key=mesh' in mesh.log
    # It is told, and back by its key.
    one.wait("closed")
    one.wait("connected", 2)
    assert counters(mesh)["tickets"] == 1
    publish(mesh, "mmm_Inbound=1")
    one.wait("publication")
    beside.wait("publication")
    assert [e["event"] for _, e in beside.events].count("closed") == 0
    one.end(signal.SIGKILL)
    # It is on disk. A token of the other key is good.
    mesh.kill9()
    mesh.start()
    give(folder, mint(mesh, folder, device))
    two = subscriber(folder / "s")
    two.wait("connected")
    assert counters(mesh)["tickets"] == 0
    assert counters(mesh)["errors_clear"] == 1
    two.end(signal.SIGKILL)
    give(folder, mint(mesh, folder, device, key="other"))
    three = subscriber(folder / "s")
    three.wait("connected")
    assert counters(mesh)["tickets"] == 1


def test_a_key_taken_out(mesh, folder, subscriber):
    device = enroll(mesh, folder / "s")
    text = mint(mesh, folder, device)
    assert mesh.stop() == 0
    config = mesh.config.read_text()
    mesh.config.write_text(config.replace(
        section("mesh", folder / "mesh.key"), ""))
    mesh.start()
    give(folder, text)
    one = subscriber(folder / "s")
    one.wait("connected")
    assert counters(mesh)["tickets"] == 0
    one.end(signal.SIGKILL)
    assert mesh.ctl("token", "revoke", "--key", "mesh").returncode == 68
    # Put back, the same token is good.
    assert mesh.stop() == 0
    mesh.config.write_text(config)
    mesh.start()
    give(folder, text)
    two = subscriber(folder / "s")
    two.wait("connected")
    assert counters(mesh)["tickets"] == 1


def test_the_own_key(mesh, folder, subscriber):
    enroll(mesh, folder / "s")
    one = subscriber(folder / "s")
    held = wait_for(lambda: token(folder))
    one.end(signal.SIGKILL)
    assert mesh.ctl("token", "revoke", "--key", "own").returncode == 0
    two = subscriber(folder / "s")
    two.wait("connected")
    assert counters(mesh)["tickets"] == 0
    wait_for(lambda: token(folder) not in (None, held))


def test_token_life(mppd_factory, folder, subscriber):
    """What [service] token-life says, read with the service's own key."""
    daemon = mppd_factory(service="token-life = 90m")
    daemon.start()
    daemon.account(ALICE)
    enroll(daemon, folder / "s")
    one = subscriber(folder / "s")
    one.wait("connected")
    held = wait_for(lambda: token(folder))
    lines = (daemon.state / "service.key").read_text().split()
    key = bytes.fromhex(lines[lines.index("token") + 1])
    octets = base64.urlsafe_b64decode(held["Token"] + "==")
    claims = m.read_json(m.open_token(octets, key)[0])[0]
    assert claims["Expires"] - claims["Issued"] == 90 * 60 * 1000


# ---- files ----

def test_a_key_file_that_others_can_read(mppd_factory, folder):
    key = make_key(folder / "k")
    daemon = mppd_factory()
    daemon.config.write_text(daemon.config.read_text() + section("a", key))
    key.chmod(0o640)
    code, said = daemon.start_fails()
    assert code == 77 and str(key) in said and "chmod 0600" in said
    done = subprocess.run([program("mppd"), "--check-config", "-c",
                           str(daemon.config)], capture_output=True,
                          text=True, timeout=DEADLINE_S)
    assert done.returncode == 77 and done.stdout == ""
    key.chmod(0o600)
    done = subprocess.run([program("mppd"), "--check-config", "-c",
                           str(daemon.config)], capture_output=True,
                          text=True, timeout=DEADLINE_S)
    assert done.returncode == 0 and "[token-key a]\n" in done.stdout
    assert "accounts = *@example.com\n" in done.stdout
    daemon.start()


def test_two_keys_of_one_id(mppd_factory, folder):
    key = make_key(folder / "k")
    copy = folder / "copy"
    copy.write_text(key.read_text())
    copy.chmod(0o600)
    daemon = mppd_factory()
    daemon.config.write_text(daemon.config.read_text() + section("a", key)
                             + section("b", copy))
    code, said = daemon.start_fails()
    assert code == 78 and "[token-key b] and a have the same id" in said
    # Nor that of the service itself.
    daemon.write_config()
    daemon.start()
    assert daemon.stop() == 0
    own = (daemon.state / "service.key").read_text().split()
    own = own[own.index("token-id") + 1]
    lines = key.read_text().splitlines()
    key.write_text(f"{lines[0]}\nid {own}\n{lines[2]}\n")
    daemon.config.write_text(daemon.config.read_text() + section("a", key))
    code, said = daemon.start_fails()
    assert code == 78 and "the service's own" in said


BAD_KEYS = [
    # what it holds, exit code, a piece of the message
    ("", 65, "three lines"),
    ("mppd token key 1\nid 01020304\nkey 00\n", 65, "three lines"),
    ("mppd service key 2\n", 65, "three lines"),
    (None, 73, "cannot open the token key"),
]


@pytest.mark.parametrize("content, code, said", BAD_KEYS)
def test_bad_key_files(mppd_factory, folder, content, code, said):
    path = folder / "k"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    daemon = mppd_factory()
    daemon.config.write_text(daemon.config.read_text() + section("a", path))
    found, line = daemon.start_fails()
    assert found == code and said in line
    done = daemon.ctl("token", ALICE, "MBKY-6QMK-VOLB-ZSQS-IWN6-UHRQ-CFGX",
                      "--key", str(path))
    assert refused(done, code, said)


def test_a_key_file_is_never_written_over(mesh, folder):
    path = folder / "mesh.key"
    before = path.read_text()
    assert refused(mesh.ctl("token", "key", str(path)), 73, "already")
    assert path.read_text() == before
    assert not os.path.exists(f"{path}.new")


# ---- words ----

DEVICE = "MBKY-6QMK-VOLB-ZSQS-IWN6-UHRQ-CFGX"


@pytest.mark.parametrize("words, code, said", [
    (["token", ALICE], 64, "too few"),
    (["token", ALICE, DEVICE, "x"], 64, "too many"),
    (["token", "mint", ALICE], 64, "too few"),
    (["token", "nobody@example.com", DEVICE], 68, "no such account"),
    (["token", ALICE, "me"], 65, "fingerprint"),
    (["token", ALICE, DEVICE[:20]], 65, "140 bits"),
    (["token", ALICE, DEVICE, "--rights", "admin"], 64, "--rights admin"),
    (["token", ALICE, DEVICE, "--rights", "subscribe,"], 64, "--rights"),
    (["token", ALICE, DEVICE, "--expires", "0s"], 64, "--expires 0s"),
    (["token", ALICE, DEVICE, "--expires", "366d"], 64, "1s to 365d"),
    (["token", ALICE, DEVICE, "--expires", "1w"], 64, "--expires 1w"),
    (["token", ALICE, DEVICE, "--endpoint", "h:1"], 64, "--key FILE"),
    (["token", ALICE, DEVICE, "--lifetime", "5m"], 64,
     "does not take --lifetime"),
    (["token", "revoke"], 64, "too few"),
    (["token", "revoke", ALICE, "--key", "mesh"], 64, "--key NAME"),
    (["token", "revoke", "--key", "nope"], 68, "no such token key"),
    (["token", "revoke", "--key", ""], 65, "empty"),
    (["token", "key"], 64, "too few"),
    (["token", "key", "/nonexistent/k"], 73, "cannot write the token key"),
])
def test_bad_words(mesh, words, code, said):
    assert refused(mesh.ctl(*words), code, said)


@pytest.mark.parametrize("more, said", [
    (["--endpoint", "a..b"], "--endpoint a..b"),
    (["--endpoint", "h:0"], "--endpoint h:0"),
    (["--fingerprint", "MBKY-6QMK"], "--fingerprint MBKY-6QMK"),
])
def test_bad_words_for_the_device(mesh, folder, more, said):
    done = mesh.ctl("token", ALICE, DEVICE, "--key",
                    str(folder / "mesh.key"), *more)
    assert refused(done, 64, said)


GOOD = ('"Prefix":"mmm_presence","Token":"AAAA","SharedSecret":"%s"'
        % ("A" * 43))
AT = '"Account":"a","Endpoints":["127.0.0.1:9"]'


@pytest.mark.parametrize("text, said", [
    ("", "not JSON"),
    ("[]", "not an object"),
    ("{" + GOOD, "not JSON"),
    ("{" + GOOD + "}{}", "behind its end"),
    ("{}", "missing"),
    ('{"Token":"AAAA"}', "missing"),
    ('{"Token":"AAAA","Token":"AAAA"}', "twice"),
    ('{"Token":""}', "Token is not"),
    ('{"Token":7}', "Token is not"),
    ('{"Token":"%s"}' % ("A" * 684), "Token is not"),
    ('{"Token":"A*"}', "Token is not"),
    ('{"SharedSecret":"AAAA"}', "SharedSecret is not"),
    ('{"Prefix":"mmm_mail"}', "another service"),
    ('{"Account":"a\\u0007"}', "Account is not"),
    ('{"Endpoints":"h:1"}', "must be lists"),
    ('{"Endpoints":["a..b"]}', "Endpoints is not"),
    ('{"Endpoints":[%s]}' % ",".join(['"h:1"'] * 9), "Endpoints is not"),
    ('{"Fingerprints":["MBKY"]}', "Fingerprints is not"),
    ("{" + GOOD + ',"Endpoints":["h:1"]}', "without Account"),
    ("{" + GOOD + ',"Account":"a"}', "without Endpoints"),
    ("x" * 20000, "too long"),
])
def test_bad_tokens(folder, text, said):
    done = come_in(folder / "s", text)
    assert refused(done, 65, said)
    assert "AAAA" not in done.stderr


def test_a_good_looking_token_goes_nowhere(folder):
    """The control of the table: this one is sent out, and nobody answers."""
    done = mpp("enroll", "--state", folder / "s", "--timeout", "1s",
               "--token", "-", text="{" + GOOD + "," + AT + "}")
    assert done.returncode == 75, done.stderr
    # The key it has made is kept, and no more.
    state = json.loads((folder / "s" / "device.json").read_text())
    assert "Account" not in state and "Token" not in state


def test_where_the_token_is(folder):
    done = mpp("enroll", "--state", folder / "s", "--token",
               folder / "nothing")
    assert refused(done, 66, "cannot open")
    done = mpp("enroll", "--state", folder / "s", "--token", "-", "mpp://x")
    assert refused(done, 64, "takes the place of the invitation")
    done = mpp("enroll", "--state", folder / "s")
    assert refused(done, 64, "the invitation is missing")
    done = mpp("subscribe", "--state", folder / "s", "--token", "-")
    assert refused(done, 64, "does not take --token")
    done = mpp("id", "x", "--state", folder / "s")
    assert refused(done, 64, "too many arguments")


def test_an_enrolled_device_and_another_account(mesh, folder):
    state = folder / "s"
    enroll(mesh, state)
    before = (state / "device.json").read_text()
    mesh.account("bob@example.com")
    text = mint(mesh, folder, device_id(state), account="bob@example.com")
    assert refused(come_in(state, text), 73, "enrolled with")
    assert (state / "device.json").read_text() == before
