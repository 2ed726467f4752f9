#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""probe.py send ADDRESS PORT COUNT SIZE
probe.py receive ADDRESS PORT

Numbered datagrams with the time and a checksum; the receiver says "ready",
takes them until two seconds pass without one, and prints what came as JSON:
[number, microseconds on the way, whole] for each."""
import json
import socket
import struct
import sys
import time
import zlib

HEAD = struct.Struct("!IQ")  # number, ns; the checksum of all is at the end
IDLE_S = 2
SO_RCVBUFFORCE = 33  # above the limit of the system: nothing else loses
AT_A_TIME = 20
PAUSE_S = 0.005


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def send(address, port, count, size):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rest = bytes(i * 7 & 255 for i in range(int(size) - HEAD.size - 4))
    for number in range(int(count)):
        data = HEAD.pack(number, now()) + rest
        out.sendto(data + struct.pack("!I", zlib.crc32(data)),
                   (address, int(port)))
        if number % AT_A_TIME == AT_A_TIME - 1:
            time.sleep(PAUSE_S)


def receive(address, port):
    into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    into.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    into.bind((address, int(port)))
    print("ready", flush=True)
    came = []
    into.settimeout(60)
    while True:
        try:
            data = into.recv(65536)
        except TimeoutError:
            break
        number, sent = HEAD.unpack_from(data)
        whole = struct.pack("!I", zlib.crc32(data[:-4])) == data[-4:]
        came.append((number, (now() - sent) // 1000, whole))
        into.settimeout(IDLE_S)
    print(json.dumps(came))


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])
