"""A small SMTP client that hides nothing: it returns the very lines the server sent."""

import base64
import socket
import ssl


class ConnectionClosed(Exception):
    """The server closed the connection before a whole reply was there."""


class SmtpClient:
    """One SMTP connection. Each command returns the reply as a list of lines without CR LF.

    `source` is the address to bind, so that the server sees another client (any of 127.0.0.0/8
    works without privileges). `dialogue` collects what was said, as ("C" | "S", line) pairs.
    """

    def __init__(self, host, port, source=None, timeout=90.0):
        self.dialogue = []
        self.timeout = timeout
        self._buffer = b""
        self._socket = socket.create_connection(
            (host, port), timeout=timeout, source_address=(source, 0) if source else None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.banner = self.read_reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    # ---- lines ----------------------------------------------------------------------------
    def _read_line(self):
        while b"\r\n" not in self._buffer:
            received = self._socket.recv(4096)
            if not received:
                raise ConnectionClosed(f"after: {self.dialogue[-1:]}")
            self._buffer += received
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line.decode("utf-8", errors="replace")

    def read_reply(self):
        """Reads one reply, all its lines."""
        lines = []
        while True:
            line = self._read_line()
            lines.append(line)
            self.dialogue.append(("S", line))
            if len(line) < 4 or line[3] != "-":
                return lines

    def write(self, data):
        """Sends bytes as they are (for lines that no client should send)."""
        self._socket.sendall(data)

    def say(self, command):
        """Sends one command and returns the lines of its reply."""
        self.dialogue.append(("C", command))
        self.write(command.encode("utf-8") + b"\r\n")
        return self.read_reply()

    def is_closed(self):
        """True when the server has closed: no more bytes come, the stream is at its end."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except (TimeoutError, ssl.SSLError):
            return False

    # ---- what takes more than one line ----------------------------------------------------
    def xclient(self, **attributes):
        """Postfix's XCLIENT: NAME=, ADDR=, REVERSE_NAME=, LOGIN=, ... The server greets again."""
        words = " ".join(f"{name.upper()}={value}" for name, value in attributes.items())
        return self.say(f"XCLIENT {words}")

    def starttls(self):
        """STARTTLS without looking at the certificate; returns the reply to STARTTLS."""
        reply = self.say("STARTTLS")
        if reply[-1].startswith("220"):
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket)
        return reply

    def auth_plain(self, user, password):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.say(f"AUTH PLAIN {token}")

    def auth_login(self, user, password):
        reply = self.say("AUTH LOGIN")
        for word in (user, password):
            if not reply[-1].startswith("334"):
                return reply
            reply = self.say(base64.b64encode(word.encode()).decode())
        return reply

    def content(self, text):
        """Sends a message after a 354: dots stuffed, line ends made CR LF, the final dot; its reply."""
        lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
        stuffed = "".join(("." + line if line.startswith(".") else line) + "\r\n" for line in lines)
        self.dialogue.append(("C", f"({len(lines)} lines) ."))
        self.write(stuffed.encode("utf-8") + b".\r\n")
        return self.read_reply()

    def send(self, sender, recipients, text, options=""):
        """A whole transaction. Returns the replies so far, ending with the first one that is not 2yz or 3yz."""
        replies = [self.say(f"MAIL FROM:<{sender}>{options}")]
        for recipient in recipients:
            if replies[-1][-1][0] != "2":
                return replies
            replies.append(self.say(f"RCPT TO:<{recipient}>"))
        if replies[-1][-1][0] == "2":
            replies.append(self.say("DATA"))
        if replies[-1][-1].startswith("354"):
            replies.append(self.content(text))
        return replies


def message(subject="a test", sender="ann@far.example", to="bob@a.test", headers=(), body="Hello.\n"):
    """A plain message with the fields that every message should have."""
    fields = [f"From: {sender}", f"To: {to}", f"Subject: {subject}",
              "Date: Mon, 23 Nov 2026 10:00:00 +0000", "Message-ID: <1@far.example>", *headers]
    return "\n".join(fields) + "\n\n" + body
