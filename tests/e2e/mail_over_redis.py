"""Mail through a real MTA while Redis, which keeps the limits and greylists, has its accidents.

    mail_over_redis.py [--mta postfix|sendmail] [--rounds N] [--rate SESSIONS_PER_SECOND] [NAME ...]

Each accident (all, or those whose name contains a NAME) runs N times under mail load; a line of the table
for each: sessions, mails accepted, refused by the limit, greylisted, 5yz answers, other 4yz, sessions
dropped, mails lost and doubled, the slowest answer before and from the accident on, how far the limit was
overshot. Exit 0: no 5yz or other 4yz, nothing dropped, lost or doubled, no limit overshot by more than one
burst, and no answer later than the slowest before plus 150 ms plus the client's timeout of 100 ms.
"""

import argparse
import os
import re
import shutil
import sys
import threading
import time

from rig import loopback, redis
from rig.postfix import Postfix
from rig.sendmail import Sendmail
from rig.sluice import Sluice
from rig.smtp_client import ConnectionClosed, SmtpClient, message

BURST = 60
POLICY = f"""\
sluice: 1
policy: outages
rules:
  - limit: burst
    stage: mail
    when: sender.address is set and sender.domain == "spam.example"
    key: sender.address
    count: messages
    max: {BURST}/1h
    then: defer 450 4.7.28
    text: "limit reached"
  - limit: everybody
    stage: rcpt
    key: rcpt.address
    count: recipients
    max: 1000000/1h
    then: defer 450 4.7.28
    text: "limit reached"
  - greylist: contact
    stage: rcpt
    when: sender.address is set and sender.domain == "grey.example"
    key: [sender.address, rcpt.address]
    delay: 1s
    retry_within: 1h
    remember: 1d
    then: defer 450 4.7.1
    text: "greylisted"
"""
CLIENTS = 8
TIMEOUT_MS, ALLOWED_MS = 100, 150


class Traffic:
    """Sessions from several clients at a steady rate: a spammer at its limit, strangers that are
    greylisted and come back, and regular senders. What was answered, and how late."""

    def __init__(self, mta, rate):
        self.mta, self._pause = mta, CLIENTS / rate
        self.accepted, self.greylisted = {}, {}
        self.sessions = self.limited = self.spam = 0
        self.hard, self.soft, self.dropped = [], [], []
        self.slowest = {"before": (0.0, ""), "after": (0.0, "")}
        self.late = []  # answers: ms, seconds after the accident, words
        self.phase, self.accident_at = "before", None
        self._lock, self._going = threading.Lock(), True
        self._number = 0
        self._threads = [threading.Thread(target=self._client, args=(i,)) for i in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _client(self, which):
        strangers = []
        while self._going:
            begun = time.monotonic()
            with self._lock:
                self._number += 1
                number = self._number
            if number % 3 == 0:
                sender = "one@spam.example"
            elif number % 3 == 1:
                due = [s for s in strangers if s[1] <= begun]
                sender = due[0][0] if due else f"s{number}@grey.example"
            else:
                sender = f"ann{number % 50}@far.example"
            try:
                verdict = self._session(number, sender)
            except (OSError, ConnectionClosed) as error:
                with self._lock:
                    self.dropped.append(f"{number}: {error!r}")
                continue
            strangers = [s for s in strangers if s[0] != sender]
            if verdict == "greylisted":
                strangers.append((sender, time.monotonic() + 1.3))
            time.sleep(max(0.0, begun + self._pause - time.monotonic()))

    def _say(self, say, words):
        phase, begun = self.phase, time.monotonic()
        line = say(words)[-1]
        took, words = time.monotonic() - begun, words.split("\n")[0]
        with self._lock:
            self.slowest[phase] = max(self.slowest[phase], (took, words))
            if phase == "after" and took * 1000 > ALLOWED_MS:
                self.late.append((round(took * 1000), round(begun - self.accident_at, 2), words))
        return line

    def _session(self, number, sender):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            line = self._say(client.say, "EHLO client.far.example")
            for words in (f"MAIL FROM:<{sender}>", "RCPT TO:<bob@a.test>", "DATA"):
                if line[0] in "23":
                    line = self._say(client.say, words)
            if line.startswith("354"):
                line = self._say(client.content, message(f"number {number}"))
        return self._judge(number, sender, line)

    def _judge(self, number, sender, line):
        with self._lock:
            self.sessions += 1
            if line.startswith("250"):
                self.accepted[number] = sender
                self.spam += sender == "one@spam.example"
                return "accepted"
            if "limit reached" in line and sender == "one@spam.example":
                self.limited += 1
            elif "greylisted" in line and sender.endswith("@grey.example"):
                self.greylisted[sender] = self.greylisted.get(sender, 0) + 1
                return "greylisted"
            else:
                (self.hard if line[0] == "5" else self.soft).append(f"{sender}: {line}")
        return "refused"

    def finish(self):
        self._going = False
        for thread in self._threads:
            thread.join()
        try:
            loopback.wait_until(lambda: len(self.mta.mailbox("bob@a.test")) >= len(self.accepted), loopback.PATIENCE, "deliveries")
        except loopback.RigError:
            pass  # counted below
        delivered = [int(re.search(r"^Subject: number (\d+)", mail, re.M).group(1))
                     for mail in self.mta.mailbox("bob@a.test")]
        return len(set(self.accepted) - set(delivered)), len(delivered) - len(set(delivered))


# ---- accidents: (name, kind of Redis, seconds of mail after it, what happens) ------------------------

def _sentinel_planned(setup):
    old = setup.master()
    setup.fail_over()
    setup.settled(old)


def _sentinel_killed(setup):
    old = setup.master()
    old.kill()
    setup.settled(old)


def _sentinel_frozen(setup):
    old = setup.master()
    old.freeze()
    setup.settled(old)
    old.thaw()


def _busiest(setup):
    """The master that has most of the keys."""
    return max((s for s in setup.servers if s.role() == "master"), key=lambda s: s.ask("DBSIZE"))


def _cluster_settled(setup, old):
    port = str(old.port)
    others = [s for s in setup.servers if s is not old]
    loopback.wait_until(lambda: all(str(entry[2][1]) != port for entry in others[0].ask("CLUSTER", "SLOTS")), 40,
                        "another master")


def _cluster_planned(setup):
    old = _busiest(setup)
    setup.fail_over(old)
    _cluster_settled(setup, old)


def _cluster_killed(setup):
    old = _busiest(setup)
    old.kill()
    _cluster_settled(setup, old)


def _cluster_frozen(setup):
    old = _busiest(setup)
    old.freeze()
    _cluster_settled(setup, old)
    old.thaw()


def _move_slot(setup, key):
    source, target = setup.begin_move(key)
    time.sleep(1)
    setup.finish_move(key, source, target)


def _cluster_slot_moved(setup):
    _move_slot(setup, _busiest(setup).ask("RANDOMKEY"))


def _cluster_hot_slot_moved(setup):
    """The slot that every session needs: that of the recipient's limit."""
    masters = [s for s in setup.servers if s.role() == "master"]
    _move_slot(setup, next(key for server in masters for key in server.ask("KEYS", "sl:{??}l" + 20 * "?")
                           if "everybody" in server.ask("GET", key)))


def _scripts_flushed(setup):
    for server in setup.servers:
        server.ask("SCRIPT", "FLUSH")


def _out_of_memory(setup):
    setup.master.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    setup.master.ask("CONFIG", "SET", "maxmemory", "100kb")
    time.sleep(3)
    setup.master.ask("CONFIG", "SET", "maxmemory", "0")


def _password_revoked(setup):
    setup.master.ask("ACL", "SETUSER", redis.USER, "resetpass", ">another one")
    for link in setup.master.ask("CLIENT", "LIST").splitlines():
        if f"user={redis.USER}" in link:
            setup.master.ask("CLIENT", "KILL", "ID", link.split()[0].removeprefix("id="))


ACCIDENTS = [
    ("sentinel-planned", redis.Watched, 4, _sentinel_planned),
    ("sentinel-killed", redis.Watched, 4, _sentinel_killed),
    ("sentinel-frozen", redis.Watched, 4, _sentinel_frozen),
    ("cluster-planned", redis.Clustered, 4, _cluster_planned),
    ("cluster-killed", redis.Clustered, 4, _cluster_killed),
    ("cluster-frozen", redis.Clustered, 4, _cluster_frozen),
    ("cluster-slot-moved", redis.Clustered, 4, _cluster_slot_moved),
    ("cluster-hot-slot-moved", redis.Clustered, 4, _cluster_hot_slot_moved),
    ("cluster-scripts-flushed", redis.Clustered, 4, _scripts_flushed),
    ("single-out-of-memory", redis.Single, 4, _out_of_memory),
    ("single-password-revoked", redis.Single, 7, _password_revoked),
    ("single-killed", redis.Single, 4, lambda setup: setup.master.kill()),
]
HEAD = (f"{'':34}{'sessions':>9}{'accepted':>9}{'limited':>8}{'greyed':>7}{'5yz':>4}{'4yz':>4}{'drop':>5}{'lost':>5}"
        f"{'twice':>6}{'before ms':>10}{'slowest ms':>11}{'overshoot':>10}")


class Round:
    """One accident under load. `faults` is empty when all held."""

    def __init__(self, mta_class, accident, rate, patience_ms=0):
        self.name, kind, seconds, happen = accident
        self.faults = []
        folder = loopback.make_folder("sluice-redis-")
        servers = []
        try:
            setup = kind(f"{folder}/redis")
            servers.append(setup)
            setup.start()
            sluice = Sluice(f"{folder}/sluice", POLICY, self._settings(folder, setup))
            servers.append(sluice)
            sluice.start()
            mta = mta_class(f"{folder}/mta", milters=[sluice.spec], domains=("a.test",), users="*")
            servers.append(mta)
            mta.start()
            traffic = Traffic(mta, rate)
            time.sleep(4)
            traffic.accident_at, traffic.phase = time.monotonic(), "after"
            happen(setup)
            time.sleep(seconds)
            lost, twice = traffic.finish()
            self._take(traffic, lost, twice, patience_ms, sluice)
        finally:
            for server in reversed(servers):
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _settings(folder, setup):
        with open(f"{folder}/pepper", "wb") as file:
            file.write(os.urandom(32))
        os.chmod(f"{folder}/pepper", 0o600)
        return (f"reply: {{id: false}}\nstore: redis\npepper_file: {folder}/pepper\nredis: {{{setup.settings}, "
                f"username: {redis.USER}, password_file: {redis.password_file(folder)}, timeout: {TIMEOUT_MS}ms}}")

    def _take(self, traffic, lost, twice, patience_ms, sluice):
        before, slowest = (traffic.slowest[phase][0] * 1000 for phase in ("before", "after"))
        overshoot = max(0, traffic.spam - BURST)
        self.row = (f"{self.name:34}{traffic.sessions:9}{len(traffic.accepted):9}{traffic.limited:8}"
                    f"{sum(traffic.greylisted.values()):7}{len(traffic.hard):4}{len(traffic.soft):4}{len(traffic.dropped):5}"
                    f"{lost:5}{twice:6}{before:10.0f}{slowest:11.0f}{overshoot:10}")
        if traffic.hard or traffic.soft or traffic.dropped:
            self.faults.append(f"answers: {traffic.hard[:3] + traffic.soft[:3] + traffic.dropped[:3]}")
        if lost or twice:
            self.faults.append(f"{lost} mails lost, {twice} doubled")
        if overshoot > BURST:
            self.faults.append(f"{traffic.spam} mails within a limit of {BURST}")
        if slowest > before + TIMEOUT_MS + ALLOWED_MS + patience_ms:
            self.faults.append(f"the answer to `{traffic.slowest['after'][1]}` took {slowest:.0f} ms, "
                               f"before the accident {before:.0f} ms")
            self.faults.append(f"later than {ALLOWED_MS} ms (ms, seconds after the accident began, words): "
                               f"{sorted(traffic.late, reverse=True)[:8]}")
            self.faults.append(f"longest in Sluice: {_longest_decisions(sluice)}")
        if self.faults:
            self.faults.append(loopback.tail(sluice._log, 5))


def _longest_decisions(sluice, count=3):
    """Milliseconds and beginnings of the lines of the log with the longest `dur_us`."""
    with open(sluice._log, encoding="utf-8", errors="replace") as log:
        found = [(int(at.group(1)) / 1000, line[:160]) for line in log if (at := re.search(r"dur_us=(\d+)", line))]
    return sorted(found, reverse=True)[:count]


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--mta", choices=["postfix", "sendmail"], default="postfix")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--rate", type=float, default=40)
    words.add_argument("names", nargs="*")
    asked = words.parse_args()
    mta_class = {"postfix": Postfix, "sendmail": Sendmail}[asked.mta]
    chosen = [a for a in ACCIDENTS if not asked.names or any(name in a[0] for name in asked.names)]
    print(HEAD, flush=True)
    failed = 0
    for accident in chosen:
        for _ in range(asked.rounds):
            done = Round(mta_class, accident, asked.rate)
            print(done.row, flush=True)
            for fault in done.faults:
                print("   ", fault, flush=True)
            failed += bool(done.faults)
    print(f"{len(chosen) * asked.rounds} rounds through {asked.mta}, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
