#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""session_corpus.py --write | --check: the first inputs of fuzz_session, one
file a program in corpus/session/, and of fuzz_client, in corpus/client/. Steps
have the names of tests/session/steps.h. Inputs that fuzzing found may lie
beside them."""
import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
FOLDER = TESTS / "fuzz" / "corpus"


def numbers(enum):
    """The members of an enum in steps.h whose first one is 0."""
    text = (TESTS / "session" / "steps.h").read_text(encoding="utf-8")
    body = re.search(rf"enum {enum} {{(.*?)}};", text, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = [part.split("=")[0].strip() for part in body.split(",")]
    return {name: number for number, name in enumerate(names) if name}


STEP = numbers("session_step")
CHALLENGES, SMALL, ONE_SUITE, NO_TOKENS, RENEWS = 1, 2, 4, 8, 16
SUBSCRIBE, STATUS, ENDPOINT, ENROLL, ASK = range(5)
MS1, MS20, MS41, MS250, S1, S4, S11, S36 = range(8)
KNOWN, INVITED, X448 = 0x40, 0x80, 0x20
(ASK_STATUS, ASK_ENDPOINT, ASK_UNSUBSCRIBE, ASK_PUBLISH, ASK_CLOSE, ASK_AGAIN,
 ASK_GONE, ASK_SAVED) = range(8)
FORGE_RAW, FORGE_FIRST, FORGE_ANSWER, FORGE_DATA = range(4)
SOMEBODY_ELSE = 128
CUT, DEAF, NO_DISK = 4, 8, 16


def step(name, how=0, *more):
    return bytes([STEP[f"STEP_{name}"], how, *more])


def octets(name, how, data):
    return step(name, how, len(data)) + data


def wait(*spans):
    return b"".join(step("PASS", span) for span in spans)


def connect(device=0, mode=SUBSCRIBE, how=0):
    return step("CONNECT", device | mode << 2 | how)


def enrolled(device=0, how=0):
    return connect(device, SUBSCRIBE, INVITED | how) + wait(S1, S1)


def ask(device, what):
    return step("ASK", device | what << 2)


def forged(name, kind, data, device=0, how=0):
    return octets(name, device | kind << 2 | how, data)


def back(device=0, how=0):
    return ask(device, ASK_GONE) + connect(device, SUBSCRIBE, KNOWN | how)


CUT_SHORT = enrolled() + step("DEVICE", CUT)
CLOSE = bytes([128 + 17, 3, 0x41, 0x93, 0, 255])     # 403
ERROR = bytes([0, 1, 1, 128 + 17, 3, 0x41, 0x91, 0, 255, 0])
CHALLENGE = (bytes([2, 1, 1, 129, 1, 1, 131, 33, 1]) + bytes(range(32))
             + bytes([132, 20]) + bytes(20) + bytes([255, 0]))
PATH_CHALLENGE = bytes([128 + 14, 8]) + bytes(range(8)) + bytes([255])
PATH_RESPONSE = bytes([128 + 15, 8]) + bytes(range(8)) + bytes([255])

PROGRAMS = {
    # ---- every way to connect, with each suite ----
    "first_contact": (0, enrolled()),
    "first_contact_448": (0, enrolled(how=X448)),
    "immediate": (0, enrolled() + back() + wait(S1)),
    "immediate_448": (NO_TOKENS, enrolled(how=X448) + back(how=X448)
                      + wait(S1)),
    "immediate_no_tokens": (NO_TOKENS, enrolled() + back() + wait(S1)),
    "deferred": (CHALLENGES | NO_TOKENS, enrolled() + back() + wait(S1)),
    "deferred_448": (CHALLENGES | NO_TOKENS, enrolled(how=X448)
                     + back(how=X448) + wait(S1)),
    "ticketed": (0, enrolled() + step("PUBLISH", 0) + wait(S1) + back()
                 + wait(S1)),
    "ticketed_448": (0, enrolled(how=X448) + step("PUBLISH", 0) + wait(S1)
                     + back(how=X448) + wait(S1)),
    "ticketed_challenged": (CHALLENGES, enrolled() + step("PUBLISH", 0)
                            + wait(S1) + back() + wait(S1, S1)),
    "ticketed_challenged_448": (CHALLENGES, enrolled(how=X448)
                                + step("PUBLISH", 0) + wait(S1)
                                + back(how=X448) + wait(S1, S1)),
    "one_suite": (ONE_SUITE, enrolled(how=X448) + enrolled()),
    # ---- what the first message asks ----
    "asked_once": (0, enrolled() + step("PUBLISH", 8)
                   + connect(0, STATUS, KNOWN) + wait(S1)
                   + connect(0, ENDPOINT, KNOWN) + wait(S1)
                   + connect(0, ASK, KNOWN) + wait(S1) + ask(0, ASK_PUBLISH)
                   + wait(S1) + ask(0, ASK_CLOSE) + wait(S1)),
    "enroll": (0, connect(1, ENROLL, INVITED) + wait(S1)
               + ask(1, ASK_CLOSE) + wait(S1)),
    "not_invited": (0, connect(0) + wait(S1, S4)),
    "requests": (0, enrolled() + ask(0, ASK_STATUS) + ask(0, ASK_ENDPOINT)
                 + ask(0, ASK_PUBLISH) + wait(S1) + ask(0, ASK_UNSUBSCRIBE)
                 + wait(S1) + step("PUBLISH") + wait(S1)
                 + ask(0, ASK_CLOSE) + wait(S1)),
    # ---- the life of a connection ----
    "overdue": (0, CUT_SHORT + wait(S11, S1, S1, S1, S1) + step("DEVICE", 0)
                + wait(S11)),
    "overdue_states": (0, CUT_SHORT + wait(S4) + wait(MS250) * 44),
    "closed_and_forgotten": (0, CUT_SHORT + ask(0, ASK_GONE)
                             + wait(S11, S4, S1, S36)),
    "unconfirmed": (0, connect(0, SUBSCRIBE, INVITED) + wait(MS41)
                    + step("DELIVER", 0) + step("DEVICE", CUT)
                    + wait(MS41, S11, S1)),
    "confirming": (0, connect(0, SUBSCRIBE, INVITED) + wait(MS20, MS20, MS20)
                   + wait(MS20) + step("LOSE", 0) + step("DEVICE", CUT)
                   + wait(MS20, S1, S11)),
    "confirming_lost": (0, connect(0, SUBSCRIBE, INVITED) + wait(MS20) * 4
                        + step("DEVICE", CUT) + wait(S11)),
    "wall_clock": (0, enrolled() + step("CLOCK", 128 | S36) + back()
                   + wait(S1, S1) + step("CLOCK", S36)
                   + back() + wait(S1, S1)),
    "token_expired": (0, enrolled() + step("PUBLISH") + wait(S1)
                      + step("CLOCK", S36) + back() + wait(S1, S1)),
    # ---- publications ----
    "published": (0, enrolled() + enrolled(1) + enrolled(2)
                  + step("PUBLISH", 0) + wait(MS41)
                  + step("PUBLISH", 8) + wait(S1) + step("PUBLISH", 2)
                  + step("PUBLISH", 4) + step("PUBLISH", 20) + wait(S1)),
    "published_lost": (0, enrolled() + step("PUBLISH") + wait(MS1, MS1)
                       + step("LOSE", 0) + wait(MS250) + step("PUBLISH")
                       + wait(MS20, MS1) + step("DUPLICATE", 0)
                       + step("LOSE", 1) + wait(S1)),
    "acknowledgement_lost": (0, enrolled() + step("PUBLISH") + wait(MS1, MS20)
                             + step("LOSE", 0) + step("LOSE", 0) + wait(S4)),
    "many_stores": (0, enrolled() + b"".join(
        step("PUBLISH", 32 | k << 6 | 8) + wait(MS1) for k in range(4))
        + wait(S1) + back() + wait(S1)),
    "deaf": (0, enrolled() + step("DEVICE", DEAF)
             + (step("PUBLISH") + wait(MS250)) * 8 + step("DEVICE", 0)
             + wait(S1)),
    # ---- state of many packets ----
    "many_packets": (0, enrolled() + step("MANY") + wait(S1) + step("MANY")
                     + wait(MS1, MS1) + step("LOSE", 0) + wait(S1)
                     + step("MANY") + wait(MS1, MS1) + step("DELIVER", 1)
                     + step("DUPLICATE", 0) + wait(S1) + step("MANY")
                     + wait(MS1, MS1) + step("CORRUPT", 1, 0, 80, 2)
                     + wait(S1)),
    "many_packets_moving": (0, enrolled() + step("MANY") + wait(MS1, MS1)
                            + step("LOSE", 1) + step("PUBLISH") + wait(MS250)
                            + step("MANY") + step("MOVE", 4) + wait(MS1)
                            + ask(0, ASK_STATUS) + wait(S4)),
    "many_packets_at_first": (0, step("MANY") + wait(MS20) + enrolled()
                              + enrolled(1) + back() + wait(S4)),
    "no_snapshot": (0, enrolled() + enrolled(1) + enrolled(1, X448)
                    + enrolled(0, X448) + step("MANY") + wait(S4)),
    # ---- the store ----
    "store_fails": (0, enrolled() + step("STORE", 1) + step("PUBLISH")
                    + ask(0, ASK_PUBLISH) + wait(S1) + step("STORE", 0)
                    + step("PUBLISH") + wait(S1)),
    "serial_of_what_failed": (0, step("PUBLISH") + wait(MS20)
                              + step("STORE", 1) + step("PUBLISH")
                              + wait(MS20) + step("STORE", 0)
                              + step("PUBLISH", 6) + wait(MS20)),
    "enrolment_fails": (0, connect(0, SUBSCRIBE, INVITED) + wait(MS20, MS20)
                        + step("STORE", 1) + wait(S1, S1) + step("STORE", 0)
                        + wait(S4, S4)),
    "store_stalls": (0, enrolled() + step("STORE", 2)
                     + step("PUBLISH") * 4 + ask(0, ASK_PUBLISH) + wait(S1)
                     + step("RESTART", 0) + step("STORE", 0) + wait(S4)),
    "crash": (0, enrolled() + step("PUBLISH") + step("RESTART", 1)
              + wait(S11) + step("PUBLISH") + wait(S1)),
    "crash_and_ticket": (0, enrolled() + step("PUBLISH") + wait(S1)
                         + step("RESTART", 0) + ask(0, ASK_STATUS)
                         + wait(S4)),
    "no_disk": (0, step("DEVICE", NO_DISK) + connect(0, SUBSCRIBE, INVITED)
                + wait(S4) + step("DEVICE", 0) + ask(0, ASK_SAVED)
                + wait(S1, S1)),
    # ---- the operator ----
    "device_removed": (0, enrolled() + step("REMOVE_DEVICE") + wait(S1, S4)),
    "account_removed": (0, enrolled() + step("PUBLISH")
                        + step("REMOVE_ACCOUNT") + wait(S1)
                        + step("ADD_ACCOUNT") + wait(S1) + enrolled()
                        + step("PUBLISH") + wait(S1)),
    "revoked": (0, enrolled() + step("PUBLISH") + wait(S1) + back()
                + wait(S1) + step("REVOKE") + wait(S1, S1)
                + step("REVOKE", 2) + wait(S1)),
    "revoked_before": (0, enrolled() + step("PUBLISH") + wait(S1)
                       + step("REVOKE", 2) + wait(MS20) + back()
                       + wait(S1, S1)),
    "second_account": (0, step("ADD_ACCOUNT", 1) + enrolled(2)
                       + step("PUBLISH", 1) + wait(S1)),
    "small": (SMALL, enrolled() + enrolled(1) + enrolled(2, X448)
              + step("PUBLISH", 8) * 3 + wait(S1)
              + b"".join(step("PUBLISH", 32 | k << 6) for k in range(4))
              + wait(S4)),
    # ---- paths ----
    "moved": (0, enrolled() + step("MOVE", 4) + ask(0, ASK_STATUS)
              + wait(MS41, S1, S1)),
    "moved_knowingly": (0, enrolled() + step("PUBLISH") + wait(S1)
                        + step("MOVE", 4 | 16) + step("PUBLISH") + wait(S1, S1)
                        + step("MOVE", 12 | 16) + wait(MS20)
                        + step("MOVE", 8 | 16) + wait(S1, S4)),
    "renewed": (RENEWS, enrolled() + step("PUBLISH") + wait(S36)
                + step("PUBLISH") + wait(S1, S4)),
    "moved_twice": (0, enrolled() + step("MOVE", 4) + ask(0, ASK_STATUS)
                    + wait(MS41) + step("MOVE", 8) + ask(0, ASK_ENDPOINT)
                    + wait(S1, S4)),
    "path_taken": (0, enrolled() + ask(0, ASK_STATUS) + step("LOSE", 0)
                   + step("REPLAY", SOMEBODY_ELSE | 7)
                   + step("REPLAY", SOMEBODY_ELSE | 8) + wait(S1)
                   + b"".join(step("REPLAY", SOMEBODY_ELSE | k)
                              for k in range(16)) + wait(S1)),
    # ---- the network ----
    "replayed": (0, enrolled() + step("PUBLISH") + wait(S1)
                 + b"".join(step("REPLAY", k) for k in range(16)) + wait(S1)),
    "reordered": (0, connect(0, SUBSCRIBE, INVITED) + wait(MS20)
                  + step("DUPLICATE", 0) + step("DELIVER", 1) + wait(MS20)
                  + step("DUPLICATE", 0) + step("DELIVER", 1) + wait(S1)
                  + ask(0, ASK_STATUS) + step("PUBLISH") + wait(MS1, MS1)
                  + step("DELIVER", 1) + step("DELIVER", 0) + wait(S1)),
    "corrupted": (0, connect(0, SUBSCRIBE, INVITED)
                  + b"".join(step("CORRUPT", 0, 0, at, 3) + wait(MS20)
                             for at in (16, 60, 5, 40)) + wait(S1, S1)
                  + step("PUBLISH") + wait(MS1)
                  + step("CORRUPT", 0, 0, 70, 1) + wait(S1)),
    "corrupted_twice": (0, connect(0, SUBSCRIBE, INVITED) + wait(MS20)
                        + step("CORRUPT", 0, 0, 18, 6) + wait(MS20, S1)
                        + step("CORRUPT", 0, 0, 17, 1) + wait(S4)),
    # ---- forgeries ----
    "strangers": (0, enrolled()
                  + b"".join(forged("STRANGER", kind, bytes(range(64)), how=h)
                             for kind in range(4) for h in (0, 128))
                  + forged("STRANGER", FORGE_FIRST,
                           bytes([2, 1, 0, 16]) + bytes(range(16))
                           + bytes([129, 1, 1, 255, 0]))
                  + forged("STRANGER", FORGE_RAW, b"short") + wait(MS41)),
    "padding": (NO_TOKENS, enrolled() + back() + step("DELIVER", 1)
                + step("CORRUPT", 0, 4, 0xAF, 0) + wait(S1, S1)),
    "answer_corrupted": (0, connect(0, SUBSCRIBE, INVITED) + wait(MS20) * 3
                         + step("CORRUPT", 0, 0, 18, 1) + wait(MS20, S1)
                         + wait(S1)),
    "reset_corrupted": (0, enrolled() + step("RESTART") + ask(0, ASK_STATUS)
                        + wait(MS20) + step("CORRUPT", 0, 0, 2, 0)
                        + wait(MS20, S1)),
    "data_corrupted": (0, enrolled() + ask(0, ASK_STATUS)
                       + step("CORRUPT", 0, 0, 40, 1) + wait(MS250)
                       + ask(0, ASK_STATUS) + step("CORRUPT", 0, 0, 90, 1)
                       + wait(S1)),
    "reset": (0, enrolled() + forged("ON_PATH", FORGE_RAW, bytes(range(40)))
              + step("RESTART") + ask(0, ASK_STATUS) + wait(MS250, S4)),
    "on_path": (0, connect(0, SUBSCRIBE, INVITED)
                + forged("ON_PATH", FORGE_ANSWER, CHALLENGE) + wait(MS20)
                + forged("ON_PATH", FORGE_ANSWER, ERROR) + wait(MS20)
                + forged("ON_PATH", FORGE_ANSWER, bytes([3, 1, 1, 255, 0x40,
                                                         200]) + bytes(200))
                + wait(S1, S1) + forged("ON_PATH", FORGE_DATA, bytes(100))
                + forged("ON_PATH", FORGE_DATA, bytes(24)) + wait(S1)),
    "on_path_of_ticket": (0, enrolled() + step("PUBLISH") + wait(S1) + back()
                          + forged("ON_PATH", FORGE_ANSWER, ERROR)
                          + forged("ON_PATH", FORGE_ANSWER, CHALLENGE)
                          + wait(S1, S1)),
    "key_changed": (NO_TOKENS, enrolled() + back()
                    + forged("ON_PATH", FORGE_ANSWER, CHALLENGE)
                    + wait(S1, S1)),
    # ---- odd things by one who has the keys ----
    "odd_client": (0, enrolled() + octets("ODD_CLIENT", 0, CLOSE) + wait(S1)),
    "odd_client_unread": (0, enrolled()
                          + octets("ODD_CLIENT", 8, b"\xff{nothing")
                          + octets("ODD_CLIENT", 4, PATH_CHALLENGE)
                          + octets("ODD_CLIENT", 12, PATH_RESPONSE)
                          + octets("ODD_CLIENT", 8, b"\xff") + wait(S1)),
    "odd_service": (0, enrolled() + octets("ODD_SERVICE", 8, PATH_CHALLENGE)
                    + octets("ODD_SERVICE", 4, b"\xff{nothing")
                    + octets("ODD_SERVICE", 8, b"\xff") + wait(S1)
                    + octets("ODD_SERVICE", 0, CLOSE) + wait(S1, S4)),
}


SITUATIONS = 8       # of fuzz_client


def on_path(situation):
    """Every kind of forgery, each with several contents."""
    contents = [b"", bytes(24), bytes(range(40)), CHALLENGE, ERROR,
                bytes([3, 1, 1, 255, 0x40, 200]) + bytes(200), bytes(1100)]
    return bytes([situation]) + b"".join(
        bytes([kind]) + len(data).to_bytes(2, "big") + data
        for kind in range(4) for data in contents)


def files():
    made = {f"session/{name}": bytes([how]) + steps
            for name, (how, steps) in PROGRAMS.items()}
    made.update({f"client/situation_{n}": on_path(n)
                 for n in range(SITUATIONS)})
    return made


def main():
    if sys.argv[1:] == ["--write"]:
        for name, data in files().items():
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_bytes(data)
        return 0
    if sys.argv[1:] != ["--check"]:
        print(__doc__, file=sys.stderr)
        return 64
    stale = [name for name, data in files().items()
             if not (FOLDER / name).is_file()
             or (FOLDER / name).read_bytes() != data]
    if stale:
        print(f"{', '.join(stale)}: not what this program writes; run "
              "session_corpus.py --write")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
