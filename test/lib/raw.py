# SPDX-License-Identifier: Apache-2.0
"""Kafka's wire, byte by byte: for what no client library would send."""
import socket
import struct

import broker


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Raw:
    """A connection that sends what it is told to."""

    def __init__(self, address, client="raw"):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), broker.DEADLINE_S)
        self.client = client

    def send(self, key, version, body, correlation=0):
        request = struct.pack(">hhi", key, version, correlation) + text(self.client) + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)

    def receive(self):
        """A reply after its correlation id; None when the broker closed."""
        size = self.exactly(4)
        return size and self.exactly(struct.unpack(">i", size)[0])[4:]

    def exactly(self, size):
        got = b""
        while len(got) < size:
            piece = self.socket.recv(size - len(got))
            if not piece:
                return None
            got += piece
        return got
