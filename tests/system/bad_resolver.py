# SPDX-License-Identifier: MIT
"""bad_resolver.py HOW: a name server at 127.0.0.1 port 53 that does not do what
it should, for tests. It says "ready" when it can be asked, and answers nothing
with silent, else:

servfail   every question with SERVFAIL
question   another question
owner      the question with records of another name
cut        nothing over UDP but "ask over TCP", where it is silent
noise      the question, then octets that are no records
edns       FORMERR whenever there is EDNS, else one SRV record
text       SRV rightly, and TXT with SERVFAIL: what a resolver does that finds a
           signature wrong"""
import socket
import struct
import sys
import threading

SRV, TXT, CLASS_IN, OPT = 33, 16, 1, 41
FORMERR, SERVFAIL = 1, 2


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".")) + b"\0"


def question_end(query):
    at = 12
    while query[at]:
        at += 1 + query[at]
    return at + 5


def srv(owner, target="evil.test"):
    data = struct.pack(">HHH", 0, 0, 15099) + wire(target)
    return owner + struct.pack(">HHIH", SRV, CLASS_IN, 60, len(data)) + data


def head(query, flags, questions, answers):
    return query[:2] + struct.pack(">HHHHH", 0x8180 | flags, questions,
                                   answers, 0, 0)


def answer(how, query):
    end = question_end(query)
    question = query[12:end]
    if how == "servfail":
        return head(query, SERVFAIL, 1, 0) + question
    if how == "question":
        other = wire("_mmmpresence._udp.evil.test") + question[-4:]
        return head(query, 0, 1, 1) + other + srv(b"\xc0\x0c")
    if how == "owner":
        return head(query, 0, 1, 1) + question + srv(
            wire("_mmmpresence._udp.evil.test"))
    if how == "cut":
        return head(query, 0x0200, 1, 0) + question
    if how == "noise":
        return head(query, 0, 1, 5) + question + bytes(range(200))
    edns = struct.unpack(">H", query[10:12])[0] > 0
    if how == "edns" and edns:
        return head(query, FORMERR, 1, 0) + question
    if how == "text" and struct.unpack(">H", question[-4:-2])[0] == TXT:
        return head(query, SERVFAIL, 1, 0) + question
    if struct.unpack(">H", question[-4:-2])[0] != SRV:
        return head(query, 0, 1, 0) + question
    return head(query, 0, 1, 1) + question + srv(b"\xc0\x0c",
                                                 "plain.example.test")


def hold(listener):
    held = []
    while True:
        held.append(listener.accept())


def main():
    how = sys.argv[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 53))
    tcp = socket.create_server(("127.0.0.1", 53))
    threading.Thread(target=hold, args=(tcp,), daemon=True).start()
    print("ready", flush=True)
    while True:
        query, peer = udp.recvfrom(4096)
        if how != "silent":
            udp.sendto(answer(how, query), peer)


if __name__ == "__main__":
    main()
