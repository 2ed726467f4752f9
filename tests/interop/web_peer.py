# SPDX-License-Identifier: MIT
"""The independent client over HTTP (docs/protocol.md section 15): its socket
posts each packet, and what a response brings is what it receives."""
import http.client
import socket
import time

import mpp_peer as m

PATH = "/.well-known/mmmpresence"


class Carried:
    """Stands where mpp_peer has a UDP socket."""

    def __init__(self, port, host="127.0.0.1", tls=None, headers=None):
        self.where = (host, port)
        self.tls = tls              # an SSLContext, or None
        self.headers = headers or {}
        self.wait = None            # seconds: Prefer
        self.inbox, self.statuses, self.heads = [], [], []
        self.timeout = 20.0
        self.connection = None

    def open(self):
        host, port = self.where
        if self.tls is None:
            return http.client.HTTPConnection(host, port, timeout=90)
        return http.client.HTTPSConnection(host, port, timeout=90,
                                           context=self.tls)

    def post(self, packet):
        headers = {"Content-Type": "application/rud", **self.headers}
        if self.wait is not None:
            headers["Prefer"] = f"wait={self.wait}"
        self.connection = self.connection or self.open()
        self.connection.request("POST", PATH, packet, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def send(self, packet):
        try:
            status, head, body = self.post(bytes(packet))
        except (http.client.HTTPException, ConnectionError):
            self.close()            # an idle connection was closed meanwhile
            status, head, body = self.post(bytes(packet))
        self.statuses.append(status)
        self.heads.append(head)
        if body:
            self.inbox.append(body)

    def settimeout(self, seconds):
        self.timeout = seconds

    def recv(self, _size):
        if not self.inbox:
            time.sleep(min(self.timeout, 0.02))
            raise socket.timeout
        return self.inbox.pop(0)

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class WebClient(m.Client):
    """A device that speaks only HTTP; carried is set before it is made."""

    def __init__(self, invitation, carried, **members):
        self.carried = carried
        super().__init__(invitation, **members)

    def open_socket(self, host=None):
        self.sock = self.carried

    def waiting_status(self, seconds):
        """A Status request that waits: what it was told in the end."""
        self.sock.wait = seconds
        try:
            return self.request("PresenceStatusRequest", seconds=seconds + 60)
        finally:
            self.sock.wait = None
