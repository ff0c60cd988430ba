#!/usr/bin/env python3
"""The long proofs, with real servers and as many rounds as one likes (each has a script in scripts/).

    proofs.py kills N       N times kill -9 at a random moment of live traffic: no mail lost, none twice,
                            none delivered that the policy refuses
    proofs.py reloads N     N reloads under traffic, every tenth with a broken file: no session dropped,
                            every session sees one policy only
    proofs.py signals N     N pairs of SIGUSR1 and SIGHUP under traffic: the process lives, every SIGHUP counts
"""

import os
import random
import re
import shutil
import signal
import sys
import threading
import time

from rig import loopback
from rig.postfix import Postfix
from rig.sluice import Sluice
from rig.smtp_client import ConnectionClosed, SmtpClient, message

POLICY = """\
sluice: 1
policy: proof
rules:
  - rule: refused
    stage: rcpt
    when: rcpt.localpart == "never"
    then: reject 550 5.7.1
    text: "generation {generation}"
  - rule: also-refused
    stage: end
    when: subject.text contains "never"
    then: reject 541 5.7.1
    text: "generation {generation}"
"""
CLIENTS = 4


def policy(generation, rules=""):
    return (POLICY + rules).replace("{generation}", str(generation))


class Proof:
    """Traffic from several clients, and what became of it.

    keeps_socket   the filter's socket is made here and inherited by each process, as from systemd.
    rules          further rules of the policy.
    """

    def __init__(self, folder, keeps_socket=False, rules=""):
        self.sluice = Sluice(os.path.join(folder, "sluice"), policy(0, rules), "reply: {id: false}")
        self.sluice.start_on_inherited_socket() if keeps_socket else self.sluice.start()
        self.mta = Postfix(os.path.join(folder, "postfix"), milters=[self.sluice.spec], domains=("a.test",), users="*").start()
        self.accepted, self.refused, self.deferred, self.dropped, self.wrong = set(), 0, 0, [], []
        self._lock = threading.Lock()
        self._going = True
        self._number = 0
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _next(self):
        with self._lock:
            self._number += 1
            return self._number

    def _client(self):
        while self._going:
            number = self._next()
            try:
                self._session(number)
            except (OSError, ConnectionClosed) as error:
                with self._lock:
                    self.dropped.append(f"{number}: {error!r}")

    def _session(self, number):
        subject = f"never {number}" if number % 7 == 0 else f"number {number}"
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO client.far.example")
            first = last = client.say("MAIL FROM:<ann@far.example>")[-1]
            if not last.startswith("250"):
                self._judge(number, subject, first, last)
                return
            first = client.say("RCPT TO:<never@a.test>")[-1]
            time.sleep(random.uniform(0, 0.01))
            second = client.say("RCPT TO:<bob@a.test>")[-1]
            last = second
            if second.startswith("250"):
                last = client.say("DATA")[-1]
            if last.startswith("354"):
                last = client.content(message(subject))[-1]
        self._judge(number, subject, first, last)

    def _judge(self, number, subject, first, last):
        """Every answer is one of the policy's own, or the MTA's temporary one for a filter that is away."""
        generations = set(re.findall(r"generation (\d+)", f"{first} {last}"))
        with self._lock:
            if last.startswith("250"):
                self.accepted.add(number)
                if first[:3] not in ("550", "451") or "never" in subject:
                    self.wrong.append((number, first, last))
            elif last.startswith("541") and "never" in subject:
                self.refused += 1
            elif last.startswith("451"):
                self.deferred += 1
            else:
                self.wrong.append((number, first, last))
            if len(generations) > 1:
                self.wrong.append((number, first, last))

    def finish(self):
        """Stops the traffic, waits for the deliveries, and counts them; prints all, true when all is well."""
        self._going = False
        for thread in self._threads:
            thread.join()
        try:
            loopback.wait_until(lambda: len(self.mta.mailbox("bob@a.test")) >= len(self.accepted), loopback.PATIENCE, "all deliveries")
        except loopback.RigError as error:
            print(error)
        delivered = [int(re.search(r"^Subject: (?:number|never) (\d+)", mail, re.M).group(1))
                     for mail in self.mta.mailbox("bob@a.test")]
        lost = self.accepted - set(delivered)
        twice = len(delivered) - len(set(delivered))
        slipped = len([mail for mail in self.mta.mailbox("bob@a.test") if "Subject: never" in mail])
        print(f"messages {self._number}, accepted {len(self.accepted)}, refused {self.refused}, deferred {self.deferred}; "
              f"lost {len(lost)}, twice {twice}, slipped through {slipped}, sessions dropped {len(self.dropped)}, "
              f"wrong answers {len(self.wrong)}")
        for what in (self.dropped[:5] + self.wrong[:5]):
            print("  ", what)
        self.mta.stop()
        self.sluice.stop()
        return not (lost or twice or slipped or self.dropped or self.wrong)


def kills(proof, rounds):
    slowest = 0.0
    for _ in range(rounds):
        time.sleep(random.uniform(0.05, 0.3))
        proof.sluice.kill()
        began = time.monotonic()
        proof.sluice.start()
        slowest = max(slowest, time.monotonic() - began)
    print(f"{rounds} kills, slowest return to service {slowest * 1000:.0f} ms")
    return True


def reloads(proof, rounds):
    failures = 0
    for generation in range(1, rounds + 1):
        broken = generation % 10 == 0
        proof.sluice.write_policy(policy(generation) + ("  - rule: x\n    stage: nowhere\n" if broken else ""))
        code = proof.sluice.command("reload").returncode
        failures += (code != 78) if broken else (code != 0)
    print(f"{rounds} reloads, {failures} with another exit code than they should have")
    return failures == 0 and proof.deferred == 0


def signals(proof, rounds):
    for generation in range(1, rounds + 1):
        proof.sluice.write_policy(policy(generation))
        os.kill(proof.sluice.pid, signal.SIGUSR1)
        os.kill(proof.sluice.pid, signal.SIGHUP)
        time.sleep(0.005)
    line = f"550 5.7.1 generation {rounds}"

    def last_is_in_force():
        with SmtpClient(proof.mta.host, proof.mta.port) as client:
            client.say("EHLO client.far.example")
            client.say("MAIL FROM:<ann@far.example>")
            return client.say("RCPT TO:<never@a.test>")[-1] == line
    try:
        loopback.wait_until(last_is_in_force, loopback.PATIENCE, "the policy of the last SIGHUP")
    except loopback.RigError as error:
        print(error)
        return False
    print(f"{rounds} pairs of SIGUSR1 and SIGHUP, still running: {proof.sluice.is_running()}")
    return proof.sluice.is_running() and proof.deferred == 0


PROOFS = {"kills": kills, "reloads": reloads, "signals": signals}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in PROOFS:
        print(__doc__, file=sys.stderr)
        return 64
    folder = loopback.make_folder("sluice-proof-")
    try:
        proof = Proof(folder)
        held = False
        try:
            held = PROOFS[sys.argv[1]](proof, int(sys.argv[2]))
        finally:
            held = proof.finish() and held
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("holds" if held else "FAILED")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
