"""SMTP clients that send again and again while a test looks: some mail passes, some is refused."""

import threading

from . import loopback
from .smtp_client import ConnectionClosed, SmtpClient, message

SENDERS = ["ann@far.example", "bad@evil.example", "carl@near.example"]


class Crowd:
    """Use: with Crowd(mta): ...   Each client waits `pause` seconds between its sessions."""

    def __init__(self, mta, clients=4, pause=0.01):
        self._mta, self._pause = mta, pause
        self._stop = threading.Event()
        self.sessions = 0
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(loopback.PATIENCE)

    def _run(self, number):
        turn = number
        while not self._stop.is_set():
            turn += 1
            try:
                with SmtpClient(self._mta.host, self._mta.port) as client:
                    client.say("EHLO client.far.example")
                    client.say(f"MAIL FROM:<{SENDERS[turn % len(SENDERS)]}>")
                    if client.say("RCPT TO:<bob@a.test>")[-1].startswith("250") and client.say("DATA")[-1].startswith("354"):
                        client.content(message("hello"))
                    self.sessions += 1
            except (ConnectionClosed, OSError):
                pass
            self._stop.wait(self._pause)
