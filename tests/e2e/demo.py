#!/usr/bin/env python3
"""The demo behind `scripts/demo`: a private Postfix with Sluice, real sessions, and why each ended as it did.

    demo.py start BINARY [--once]     plays the sessions; leaves everything running unless --once
    demo.py stop                      ends what an earlier start left running

Everything lies in one folder, $SLUICE_DEMO (default /var/lib/sluice-demo). Nothing printed is prepared:
replies come from the socket, rules from the decision log, queue ids from Postfix's log, mail from the mailbox.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from rig import case, loopback
from rig.postfix import Postfix
from rig.sluice import Sluice
from rig.smtp_client import SmtpClient, message

FOLDER = os.environ.get("SLUICE_DEMO", "/var/lib/sluice-demo")
POLICY = os.path.join(case.REPOSITORY, "policies", "demo", "demo.yaml")
RUNNING = os.path.join(FOLDER, "running.json")
DELAY = 3  # seconds, of the demo policy's greylist
DOMAIN = "example.com"
RECORDS = {"far.example MX": "10 mail.far.example", "mail.far.example A": "203.0.113.9"}
OUTSIDE = {"name": "mail.far.example", "addr": "203.0.113.9", "reverse_name": "mail.far.example"}


class Demo:
    def __init__(self):
        self.dns = self.sluice = self.postfix = None
        self.failures = 0

    # ---- servers --------------------------------------------------------------------------
    def start(self):
        make_folder()
        port = loopback.free_port()
        self.dns = subprocess.Popen(
            [sys.executable, "-B", os.path.join(os.path.dirname(__file__), "rig", "name_server.py"),
             str(port), json.dumps(RECORDS)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        self.sluice = Sluice(os.path.join(FOLDER, "sluice"), POLICY, f'dns: {{servers: ["127.0.0.1:{port}"]}}').start()
        self.postfix = Postfix(os.path.join(FOLDER, "postfix"), milters=[self.sluice.spec], domains=(DOMAIN,),
                               users=("bob",), hostname=f"mx.{DOMAIN}", settings={"mynetworks": "127.0.0.0/8"},
                               port=None if loopback.accepts("127.0.0.1", 2525) else 2525).start()
        processes = {"name server": self.dns.pid, "sluice": self.sluice.pid, "postfix": self.postfix.pid}
        with open(RUNNING, "w", encoding="ascii") as file:
            json.dump({name: [pid, started(pid)] for name, pid in processes.items()}, file)

    # ---- sessions -------------------------------------------------------------------------
    def play(self, title, expected, commands, outside=True):
        """One session: commands in order until one is refused. `expected` is the code of the last reply."""
        heading(title)
        known = len(self.sluice.decisions())
        with SmtpClient(self.postfix.host, self.postfix.port) as client:
            if outside:
                client.xclient(**OUTSIDE)
                client.dialogue.clear()
                print(f"     client: {OUTSIDE['name']} [{OUTSIDE['addr']}] (Postfix is told so by XCLIENT)")
            else:
                print("     client: this host [127.0.0.1]")
            reply = []
            for command in commands:
                reply = client.content(command[1]) if isinstance(command, tuple) else client.say(command)
                if reply[-1][0] in "45":
                    break
            client.say("QUIT")
            show(client.dialogue)
        if not reply[-1].startswith(str(expected)):
            self.failures += 1
            print(f"     !! expected was {expected}")
        self.explain(known, refused=reply[-1][0] in "45")
        return reply[-1]

    def explain(self, known, refused):
        def decision():
            new = self.sluice.decisions()[known:]
            return [d for d in new if d.get("rule", "-") not in ("", "-")] if refused else new
        try:
            last = loopback.wait_until(decision, loopback.PATIENCE, "a decision in Sluice's log")[-1]
        except loopback.RigError as error:
            self.failures += 1
            print(f"     !! {error}")
            return
        words = [f"{name}={last[name]}" for name in ("stage", "act", "code", "ecode", "rule", "policy", "qid", "client", "from", "to")
                 if last.get(name, "-") not in ("", "-")]
        print("  => " + " ".join(words))

    def delivered(self, reply):
        """Follows one accepted message: its line in Postfix's log and what lies in the mailbox."""
        queue_id = re.search(r"queued as (\w+)", reply).group(1)
        loopback.wait_until(lambda: f"{queue_id}: removed" in self.postfix.log(), loopback.PATIENCE, f"{queue_id} to be delivered")
        for line in self.postfix.log().splitlines():
            if f"{queue_id}: to=" in line:
                print(f"     Postfix: {line[line.index(queue_id):]}")
        print(f"     the mailbox of bob@{DOMAIN} has {len(self.postfix.mailbox('bob@' + DOMAIN))} message(s); the newest:")
        for line in self.postfix.mailbox(f"bob@{DOMAIN}")[-1].rstrip().splitlines():
            print(f"       | {line}")

    def sessions(self):
        bob, mail = f"RCPT TO:<bob@{DOMAIN}>", "MAIL FROM:<ann@far.example>"
        letter = message("lunch", to=f"bob@{DOMAIN}", body="Friday, as always?\n")
        first = ["EHLO mail.far.example", mail, bob, "DATA", ("content", letter)]
        self.play("A stranger is asked to come back", 450, first)
        print(f"\n     ... {DELAY} seconds later (a real site: 5 minutes)")
        time.sleep(DELAY + 0.3)
        self.delivered(self.play("It comes back, and is let in", 250, first))
        self.play("A sender address that nobody could answer", 553,
                  ["EHLO mail.far.example", "MAIL FROM:<ann..lee@far.example>", bob])
        self.play("A message that is too big, by its own word", 523, ["EHLO mail.far.example", mail + " SIZE=3000000"])
        self.play("A PC that has no full name", 504, ["EHLO desktop-7", mail, bob])
        self.play("A web form of ours floods one domain", 431,
                  ["EHLO www.example.com", "MAIL FROM:<www@example.com>",
                   *(f"RCPT TO:<user{number}@flooded.example>" for number in range(1, 5))], outside=False)
        self.delivered(self.play("Good mail from a sender that is known now", 250,
                                 ["EHLO mail.far.example", mail, bob, "DATA",
                                  ("content", message("thanks", to=f"bob@{DOMAIN}", body="It was good.\n"))]))

    def farewell(self):
        folder, port, binary = self.sluice.folder, self.postfix.port, os.environ["SLUICE_BIN"]
        print(f"""
The demo goes on running.
  talk to Postfix      telnet 127.0.0.1 {port}      (you are inside; to be a stranger say first:
                       XCLIENT ADDR=203.0.113.77 NAME=mail.other.example)
  recipients           bob@{DOMAIN}; everything for other domains is thrown away
  Sluice's log         {folder}/sluice.log
  Postfix's log        {self.postfix.folder}/log/maillog
  the policy           {POLICY} (includes ../site.yaml)
  ask Sluice           {binary} status -c {self.sluice.configuration}
  stop it              scripts/demo stop""")


def make_folder():
    """An empty folder for this run. One that is there already is emptied only if a demo made it."""
    mark = os.path.join(FOLDER, "made-by-sluice-demo")
    if os.path.exists(FOLDER) and os.listdir(FOLDER) and not os.path.exists(mark):
        raise loopback.RigError(f"{FOLDER} exists and is not a demo's; name another one in SLUICE_DEMO")
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER, mode=0o755)
    with open(mark, "w", encoding="ascii"):
        pass


def heading(title):
    print(f"\n---- {title} " + "-" * max(3, 92 - len(title)))


def show(dialogue):
    """The dialogue, with an EHLO reply cut to its first and last line."""
    for position, (who, line) in enumerate(dialogue):
        between = (who == "S" and line[3:4] == "-" and position > 0 and dialogue[position - 1][0] == "S")
        if not between:
            print(f"     {who}: {line}")


def started(pid):
    """The start time of a process as the kernel counts it: with the pid it names one process for good."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def stop():
    """Ends the processes of an earlier start, the MTA first."""
    try:
        with open(RUNNING, encoding="ascii") as file:
            processes = json.load(file)
    except OSError:
        return False
    for name in ("postfix", "sluice", "name server"):
        pid, start_time = processes[name]
        if started(pid) != start_time:
            continue
        os.kill(pid, signal.SIGTERM)
        try:
            loopback.wait_until(lambda pid=pid, start_time=start_time: _is_over(pid, start_time), 35, f"the end of {name}")
        except loopback.RigError:
            os.kill(pid, signal.SIGKILL)
        print(f"stopped {name} ({pid})")
    os.unlink(RUNNING)
    return True


def _is_over(pid, start_time):
    try:  # our own children stay as zombies until they are waited for
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return started(pid) != start_time


def main():
    sys.stdout.reconfigure(line_buffering=True)
    if sys.argv[1:] == ["stop"]:
        if not stop():
            print("the demo is not running")
        return 0
    os.environ["SLUICE_BIN"] = os.path.abspath(sys.argv[2])
    once = "--once" in sys.argv
    if stop():
        print("(a demo was running; it was stopped)")
    demo = Demo()
    complete = False
    try:
        demo.start()
        demo.sessions()
        complete = True
    except (loopback.Unavailable, loopback.RigError, subprocess.CalledProcessError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        if once or not complete:
            stop()
    if not once:
        demo.farewell()
    return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(main())
