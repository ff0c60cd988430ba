"""The MTA's side of the milter protocol, as little as a test needs to ask the filter very often."""

import socket
import struct
import time


class MilterClient:
    """One session with a filter at a unix socket; nothing is negotiated away, so everything is answered.

    An OSError of the constructor: nobody listens there; ConnectionError later: the filter ended the session.
    `before`: is called between the connection and the first word. `slowest`: the longest wait for an answer so far, in seconds.
    """

    def __init__(self, path, client="203.0.113.9", helo="client.far.example", before=None):
        self.slowest = 0.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(90)
        self._socket.connect(path)
        self._buffer = b""
        if before:
            before()
        self.ask(b"O", struct.pack("!III", 6, 0x1FF, 0))
        self.ask(b"C", b"[" + client.encode() + b"]\0" + b"4" + struct.pack("!H", 4711) + client.encode() + b"\0")
        if helo:
            self.helo(helo)

    def ask(self, command, content=b""):
        """Sends one command; the answer's letter and content."""
        began = time.monotonic()
        self._socket.sendall(struct.pack("!I", len(content) + 1) + command + content)
        answer = self._answer()
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answer

    def say(self, command, content=b""):
        """Like ask, as an MTA would tell its client: the text of a reply, or "" when the session may go on."""
        letter, text = self.ask(command, content)
        if letter == b"y":
            return text.rstrip(b"\0").decode()
        if letter not in b"ca":
            raise ConnectionError(f"the filter answered {letter!r} to {command!r}")
        return ""

    def _take(self, count):
        while len(self._buffer) < count:
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionError("the filter closed the connection")
            self._buffer += received
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _answer(self):
        (length,) = struct.unpack("!I", self._take(4))
        frame = self._take(length)
        return frame[:1], frame[1:]

    def mail(self, sender):
        return self.ask(b"M", f"<{sender}>".encode() + b"\0")

    def rcpt(self, recipient):
        return self.ask(b"R", f"<{recipient}>".encode() + b"\0")

    def helo(self, name):
        return self.say(b"H", name.encode() + b"\0")

    def message(self, subject):
        """From DATA to the dot; the answer to the dot."""
        for command, content in ((b"T", b""), (b"L", b"Subject\0" + subject.encode() + b"\0"), (b"N", b""), (b"B", b"Hello.\r\n")):
            said = self.say(command, content)
            if said:
                return said
        return self.say(b"E")

    def abort(self):
        """RSET: has no answer."""
        self._socket.sendall(struct.pack("!I", 1) + b"A")

    def close(self):
        try:
            self._socket.sendall(struct.pack("!I", 1) + b"Q")
        finally:
            self._socket.close()
