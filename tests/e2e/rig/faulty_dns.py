"""A DNS server that stands in front of another one and does to its answers what a test says.

    dns = FaultyDns(nsd.address).start()
    dns.fault("zen.example", "drop")      # every name at or below zen.example
    dns.fault(".", "delay 20")            # every name; the closest rule counts
    dns.heal()                            # no faults

Faults: `delay MS`, `drop` (no answer at all, by UDP and TCP), `servfail`, `nxdomain`, `truncate` (by UDP only a
header with TC, the answer by TCP), `garbage` (header and question, then noise), `wrongid` (an answer with
another id, nothing else), `answer ADDRESS` (an A record for whatever is asked).
"""

import ipaddress
import random
import socket
import struct
import threading

from . import loopback
from .name_server import _read_question

_SERVFAIL, _NXDOMAIN = 2, 3


def _header_only(query, end, flags, answers=0):
    """The question sent back with other flags and no records."""
    return query[:2] + struct.pack("!HHHHH", flags, 1, answers, 0, 0) + query[12:end]


class FaultyDns:
    """Runs in threads of this process until stop(). `address` is what `dns: {servers: [...]}` takes."""

    def __init__(self, upstream):
        host, port = upstream.split(":")
        self._upstream = (host, int(port))
        self.port = loopback.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._faults = {}
        self._lock = threading.Lock()
        self.questions = []  # (name, by "udp" or "tcp") of every question so far
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind(("127.0.0.1", self.port))
        self._tcp.listen(50)

    def start(self):
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()
        return self

    def stop(self):
        for one in (self._udp, self._tcp):
            try:  # wakes the thread that waits on it
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    # ---- what a test says -----------------------------------------------------------------
    def fault(self, name, what):
        with self._lock:
            self._faults[name.strip(".")] = what

    def heal(self):
        with self._lock:
            self._faults.clear()

    def asked(self, name):
        """How often a question about this name came."""
        with self._lock:
            return sum(1 for asked, _ in self.questions if asked == name)

    # ---- serving --------------------------------------------------------------------------
    def _fault_of(self, name, transport):
        labels = name.split(".")
        with self._lock:
            self.questions.append((name, transport))
            for start in range(len(labels) + 1):
                fault = self._faults.get(".".join(labels[start:]))
                if fault:
                    return fault.split()
        return ["none"]

    def _serve_udp(self):
        while True:
            try:
                query, client = self._udp.recvfrom(4096)
            except OSError:
                return
            try:
                answer, delay = self._answer(query, "udp")
            except (OSError, IndexError, struct.error, UnicodeDecodeError):
                continue
            if answer is not None and delay:
                threading.Timer(delay, self._send, (answer, client)).start()
            elif answer is not None:
                self._send(answer, client)

    def _send(self, answer, client):
        try:
            self._udp.sendto(answer, client)
        except OSError:
            pass

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection:
            connection.settimeout(60)
            try:
                while True:
                    query = _read_frame(connection)
                    answer, _ = self._answer(query, "tcp")
                    if answer is not None:
                        connection.sendall(struct.pack("!H", len(answer)) + answer)
            except (OSError, EOFError, IndexError, struct.error, UnicodeDecodeError):
                pass

    def _answer(self, query, transport):
        """(bytes or None for silence, seconds to wait)"""
        name, _, end = _read_question(query)
        word, *value = self._fault_of(name, transport)
        if word == "drop":
            return None, 0
        if word == "servfail":
            return _header_only(query, end, 0x8080 | _SERVFAIL), 0
        if word == "nxdomain":
            return _header_only(query, end, 0x8080 | _NXDOMAIN), 0
        if word == "truncate" and transport == "udp":
            return _header_only(query, end, 0x8280), 0
        if word == "garbage":
            noise = bytes(random.Random(name).randrange(256) for _ in range(40))
            return _header_only(query, end, 0x8080, 2) + noise, 0
        if word == "answer":
            record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + ipaddress.ip_address(value[0]).packed
            return _header_only(query, end, 0x8080, 1) + record, 0
        answer = self._ask(query, transport)
        if word == "wrongid":
            answer = bytes([answer[0] ^ 0x55, answer[1]]) + answer[2:]
        return answer, int(value[0]) / 1000 if word == "delay" else 0

    def _ask(self, query, transport):
        if transport == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
                upstream.settimeout(60)
                upstream.sendto(query, self._upstream)
                return upstream.recv(65535)
        with socket.create_connection(self._upstream, timeout=60) as upstream:
            upstream.sendall(struct.pack("!H", len(query)) + query)
            return _read_frame(upstream)


def _read_frame(connection):
    length, = struct.unpack("!H", _read_exactly(connection, 2))
    return _read_exactly(connection, length)


def _read_exactly(connection, count):
    data = b""
    while len(data) < count:
        received = connection.recv(count - len(data))
        if not received:
            raise EOFError
        data += received
    return data
