"""A filter on python3-milter, as a peer of Sluice in the benchmark: takes connect, HELO, MAIL, RCPT and the end.

    /usr/bin/python3 filter.py unix:PATH nothing|limits

nothing: every answer is "continue", as in empty_libmilter. limits: at RCPT four counters of the hour in a
dictionary (client, sender's domain, recipient, recipient's domain) and a refusal beyond the most; what is
counted is forgotten when the hour is over. Ends with SIGKILL or SIGTERM.
"""
import sys
import threading
import time

import Milter

MOST = {"client": 1_000_000, "sender": 1_000_000, "recipient": 1_000_000, "domain": 100_000_000}
WINDOW = 3600
counts = {}
lock = threading.Lock()


def is_within(key):
    """Counts one more in this hour; false beyond the most."""
    now = time.monotonic()
    with lock:
        begin, count = counts.get(key, (now, 0))
        if now - begin >= WINDOW:
            begin, count = now, 0
        counts[key] = (begin, count + 1)
    return count < MOST[key[0]]


def domain_of(path):
    return path.strip("<>").rpartition("@")[2].lower()


class Nothing(Milter.Base):
    """What is not defined here is declined when the library negotiates."""

    def connect(self, host, family, address):
        return Milter.CONTINUE

    def hello(self, name):
        return Milter.CONTINUE

    def envfrom(self, sender, *parameters):
        return Milter.CONTINUE

    def envrcpt(self, recipient, *parameters):
        return Milter.CONTINUE

    def eom(self):
        return Milter.CONTINUE


class Limits(Nothing):
    def connect(self, host, family, address):
        self.client = address[0] if address else ""
        return Milter.CONTINUE

    def envfrom(self, sender, *parameters):
        self.sender = domain_of(sender)
        return Milter.CONTINUE

    def envrcpt(self, recipient, *parameters):
        keys = (("client", self.client), ("sender", self.sender), ("recipient", recipient.lower()),
                ("domain", domain_of(recipient)))
        if all([is_within(key) for key in keys]):
            return Milter.CONTINUE
        self.setreply("450", "4.7.28", "too many messages")
        return Milter.TEMPFAIL


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in ("nothing", "limits"):
        sys.exit("usage: filter.py unix:PATH nothing|limits")
    Milter.factory = Limits if sys.argv[2] == "limits" else Nothing
    Milter.set_flags(0)
    # The library's own backlog of 20 would be measured instead of the filter.
    Milter.setbacklog(1024) if hasattr(Milter, "setbacklog") else None
    Milter.runmilter("bench", sys.argv[1], 0)


if __name__ == "__main__":
    main()
