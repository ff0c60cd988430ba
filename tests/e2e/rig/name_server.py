"""A DNS server on a loopback port that knows only what a test tells it (RFC 1035, UDP).

Records are written as in policy tests: {"far.example MX": "10 mail.far.example", "far.example A":
["192.0.2.1"]}. A name of which nothing is given does not exist (NXDOMAIN); other types of a known
name have no data.
"""

import ipaddress
import json
import socket
import struct
import sys
import threading

_TYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
_NAME_ERROR = 3
_TTL = 1


def _encode_name(name):
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _encode_value(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "MX":
        preference, host = value.split()
        return struct.pack("!H", int(preference)) + _encode_name(host)
    if kind == "TXT":
        text = value.encode()
        pieces = [text[i:i + 255] for i in range(0, len(text), 255)] or [b""]
        return b"".join(bytes([len(piece)]) + piece for piece in pieces)
    return _encode_name(value)


def _read_question(packet):
    """(name, type, end of the question section) of a query with one question."""
    position, labels = 12, []
    while packet[position]:
        length = packet[position]
        labels.append(packet[position + 1:position + 1 + length].decode("ascii").lower())
        position += 1 + length
    kind, _ = struct.unpack("!HH", packet[position + 1:position + 5])
    return ".".join(labels), kind, position + 5


class NameServer:
    """Answers in a thread of its own until stop(). `address` is what `dns: {servers: [...]}` takes."""

    def __init__(self, records, port=0):
        self._records = {}
        for key, values in records.items():
            name, kind = key.lower().rstrip(".").split()
            values = [values] if isinstance(values, str) else values
            self._records.setdefault(name, {})[_TYPES[kind.upper()]] = [_encode_value(kind.upper(), v) for v in values]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self.questions = []  # (name, type number) of every question so far

    def start(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        while True:
            try:
                packet, client = self._socket.recvfrom(4096)
            except OSError:
                return
            try:
                self._socket.sendto(self._answer(packet), client)
            except (IndexError, struct.error, UnicodeDecodeError):
                pass  # not a question

    def _answer(self, packet):
        name, kind, end = _read_question(packet)
        self.questions.append((name, kind))
        known = self._records.get(name)
        values = (known or {}).get(kind, [])
        code = 0 if known is not None else _NAME_ERROR
        # response, authoritative, recursion available
        header = packet[:2] + struct.pack("!HHHHH", 0x8480 | (packet[2] & 1) << 8 | code, 1, len(values), 0, 0)
        answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, _TTL, len(value)) + value for value in values)
        return header + packet[12:end] + answers

    def stop(self):
        try:  # wakes the thread in recvfrom; closing alone would not
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()


if __name__ == "__main__":  # PORT RECORDS-AS-JSON: for the demo, which outlives its script
    NameServer(json.loads(sys.argv[2]), int(sys.argv[1])).serve()
