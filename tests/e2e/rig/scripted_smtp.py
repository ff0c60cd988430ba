"""An SMTP server that answers what a test tells it, for tests of those who ask other servers."""

import socket
import threading

CLOSE = None  # instead of a reply: the connection is closed


class ScriptedSmtp:
    """Answers each verb with its entry of `replies`, else with 250. Use: s = ScriptedSmtp(...).start(); ...; s.stop()

    replies  {"RCPT": "450 4.2.0 busy", "MAIL": CLOSE}; "CONNECT" is the greeting.
    release  a threading.Event: nothing is said before it is set.
    `heard` has the commands of all sessions.
    """

    def __init__(self, host="127.0.0.1", port=0, replies=None, release=None):
        self._replies = {"CONNECT": "220 scripted.test ESMTP", "QUIT": "221 2.0.0 Bye", **(replies or {})}
        self._release = release
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen(64)
        self.port = self._socket.getsockname()[1]
        self.heard = []
        self.sessions = 0

    def start(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._play, args=(client,), daemon=True).start()

    def _play(self, client):
        client.settimeout(60)
        if self._release is not None:
            self._release.wait(60)
        with client, client.makefile("rwb") as stream:
            line = "CONNECT"
            while line:
                reply = self._replies.get(line[:7].split(" ")[0].split(":")[0].upper(), "250 2.0.0 Ok")
                if reply is CLOSE:
                    return
                try:
                    stream.write(reply.encode() + b"\r\n")
                    stream.flush()
                    line = stream.readline().decode("utf-8", "replace").rstrip("\r\n")
                except OSError:
                    return
                if line:
                    self.heard.append(line)

    def stop(self):
        try:  # wakes the thread in accept; closing alone would not
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
