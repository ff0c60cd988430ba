"""The MTA's side of the milter protocol, as little as a test needs to ask the filter very often."""

import socket
import struct


class MilterClient:
    """One session with a filter at a unix socket; nothing is negotiated away, so everything is answered."""

    def __init__(self, path, client="203.0.113.9"):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(20)
        self._socket.connect(path)
        self._buffer = b""
        self.ask(b"O", struct.pack("!III", 6, 0x1FF, 0))
        self.ask(b"C", b"[" + client.encode() + b"]\0" + b"4" + struct.pack("!H", 4711) + client.encode() + b"\0")
        self.ask(b"H", b"client.far.example\0")

    def ask(self, command, content=b""):
        """Sends one command; the answer's letter and content."""
        self._socket.sendall(struct.pack("!I", len(content) + 1) + command + content)
        return self._answer()

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

    def close(self):
        self._socket.close()
