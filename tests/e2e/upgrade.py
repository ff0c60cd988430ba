#!/usr/bin/env python3
"""Restarts and reloads under load, with the listening socket kept open by somebody else, as systemd does.

    upgrade.py RESTARTS RELOADS     prints what was counted; 0 when nothing was refused, cut or answered by two policies

Two kinds of load are on the one socket all the time: clients that speak the milter protocol, two messages in each
session, and SMTP clients behind a real Postfix. The policy names its generation in refusals at HELO, at RCPT and at
the dot, and each reload brings another one: whoever is told of two generations in one session has seen two policies.
"""

import random
import re
import shutil
import sys
import threading
import time

from proofs import Proof, policy
from rig import loopback
from rig.milter_client import MilterClient

GREETED = """\
  - rule: greeted
    stage: helo
    when: helo.name == "never.example"
    then: reject 550 5.7.1
    text: "generation {generation}"
"""
FILTER_CLIENTS = 6


class FilterCrowd:
    """Clients that ask the filter itself, and what became of their sessions."""

    def __init__(self, path):
        self._path = path
        self.sessions, self.refused, self.cut, self.mixed, self.wrong = 0, [], [], [], []
        self.slowest = 0.0
        self._lock = threading.Lock()
        self._going = True
        self._threads = [threading.Thread(target=self._run) for _ in range(FILTER_CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        while self._going:
            try:
                client = MilterClient(self._path, helo=None)
            except (OSError, ConnectionError) as error:
                with self._lock:
                    self.refused.append(repr(error))
                continue
            try:
                said = self._session(client)
                client.close()
            except (OSError, ConnectionError) as error:
                with self._lock:
                    self.cut.append(repr(error))
                continue
            self._judge(client, said)

    def _session(self, client):
        client.helo("never.example")  # what is decided here is said at RCPT
        client.say(b"M", b"<ann@far.example>\0")
        said = [client.say(b"R", b"<bob@a.test>\0")]
        time.sleep(random.uniform(0, 0.05))
        client.abort()
        client.helo("client.far.example")
        for _ in range(2):
            time.sleep(random.uniform(0, 0.05))
            client.say(b"M", b"<ann@far.example>\0")
            said.append(client.say(b"R", b"<never@a.test>\0"))
            client.say(b"R", b"<bob@a.test>\0")
            time.sleep(random.uniform(0, 0.05))
            said.append(client.message("never this"))
        return said

    def _judge(self, client, said):
        generations = [re.findall(r"generation (\d+)$", text) for text in said]
        with self._lock:
            self.sessions += 1
            self.slowest = max(self.slowest, client.slowest)
            if any(len(found) != 1 for found in generations):
                self.wrong.append(said)
            elif len({found[0] for found in generations}) > 1:
                self.mixed.append(said)

    def finish(self):
        self._going = False
        for thread in self._threads:
            thread.join()


class Upgrade:
    """The load, and what is done to the service meanwhile."""

    def __init__(self, folder):
        self.proof = Proof(folder, keeps_socket=True, rules=GREETED)
        self.sluice = self.proof.sluice
        self.crowd = FilterCrowd(self.sluice.socket)
        self.generation, self.reloads, self.restarts, self.slowest_return = 0, 0, 0, 0.0
        self.wrong = []

    def reload(self):
        """Every tenth file is a broken one."""
        self.generation += 1
        broken = self.generation % 10 == 0
        self.sluice.write_policy(policy(self.generation, GREETED) + ("  - rule: x\n    stage: nowhere\n" if broken else ""))
        done = self.sluice.command("reload")
        if done.returncode != (78 if broken else 0):
            self.wrong.append(f"reload ended with {done.returncode}: {done.stdout}{done.stderr}")
        self.reloads += 1

    def restart(self):
        """As `systemctl restart`: the old process has ended before the new one begins."""
        if self.generation % 10 == 0:  # a broken file stands there, with which nothing could start
            self.generation += 1
            self.sluice.write_policy(policy(self.generation, GREETED))
        began = time.monotonic()
        code = self.sluice.stop()
        if code != 0:
            self.wrong.append(f"the service ended with {code}")
        self.sluice.start_on_inherited_socket()
        loopback.wait_until(lambda: self.sluice.command("status").returncode == 0, loopback.PATIENCE, "the service after a restart")
        self.slowest_return = max(self.slowest_return, time.monotonic() - began)
        self.restarts += 1

    def run(self, restarts, reloads):
        for number in range(restarts):
            for _ in range(reloads * (number + 1) // restarts - reloads * number // restarts):
                self.reload()
            time.sleep(random.uniform(0, 0.1))
            self.restart()

    def finish(self):
        """Ends the load and counts; true when all is well."""
        self.crowd.finish()
        smtp_is_well = self.proof.finish()
        crowd = self.crowd
        print(f"{self.restarts} restarts, {self.reloads} reloads; milter sessions {crowd.sessions}, refused {len(crowd.refused)}, "
              f"cut {len(crowd.cut)}, of two policies {len(crowd.mixed)}, wrong answers {len(crowd.wrong)}; "
              f"SMTP sessions deferred {self.proof.deferred}; slowest answer {crowd.slowest * 1000:.0f} ms, "
              f"slowest restart {self.slowest_return * 1000:.0f} ms")
        bad = self.wrong + crowd.refused + crowd.cut + crowd.mixed + crowd.wrong
        for what in bad[:8]:
            print("  ", what)
        return smtp_is_well and self.proof.deferred == 0 and crowd.sessions > 0 and not bad


def prove(restarts, reloads):
    folder = loopback.make_folder("sluice-proof-")
    try:
        upgrade = Upgrade(folder)
        try:
            upgrade.run(restarts, reloads)
        finally:
            held = upgrade.finish()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return held


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 64
    held = prove(int(sys.argv[1]), int(sys.argv[2]))
    print("holds" if held else "FAILED")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
