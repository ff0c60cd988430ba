#!/usr/bin/env python3
"""What each command prints on a running service while mail comes through Postfix, both ways: for people and as JSON.

The texts are in golden/; times, ids, ports and folders are replaced before they are compared (rig/golden.py). What the
commands are asked about is a handful of sessions with known senders; beside them a crowd sends all the time.
"""

import json
import os
import re
import sys

from rig import case, loopback
from rig.crowd import Crowd
from rig.golden import Golden, transcript
from rig.smtp_client import SmtpClient, message

POLICY = """\
sluice: 1
policy: commands
version: "7"
lists:
  blocked: {type: domain, dynamic: true}
rules:
  - rule: blocked-domain
    stage: mail
    when: sender.domain in $blocked
    then: reject 550 5.7.1
    text: "no mail from {sender.domain}"
  - rule: evil-domain
    stage: mail
    when: sender.domain == "evil.example"
    then: reject 550 5.7.1
  - rule: refused-domain
    stage: mail
    when: sender.domain == "refused.example"
    then: reject 550 5.7.1
    text: "We do not talk to {sender.domain}"
  - rule: try-out
    stage: rcpt
    mode: shadow
    when: sender.domain == "shadow.example" and helo.name != "localhost"
    then: reject 541 5.7.1
  - greylist: first-contact
    stage: rcpt
    when: sender.domain == "grey.example" and sender.address is set
    key: [sender.address, rcpt.address]
    delay: 1h
    then: defer 450 4.7.1
  - limit: per-sender
    stage: rcpt
    when: sender.domain == "limit.example" and sender.address is set
    count: messages
    key: sender.address
    max: 2/1h
    then: defer 450 4.7.1
    text: "{sender.address} has sent enough"
  - rule: no-sweets
    stage: end
    when: subject.text contains "sweets"
    then: reject 554 5.6.0
    text: "no sweets"
"""
BROKEN = POLICY.replace("subject.text contains", "subjekt.text contains")
NO_DNS = "dns: {servers: [\"127.0.0.1:1\"], timeout: 100ms}"


class Commands(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(POLICY, settings=NO_DNS)
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], domains=("a.test",), users="*")
        cls.golden = Golden(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))
        cls.golden.name("<folder>", cls.folder)
        cls.golden.name("<engine>", f"engine {os.environ.get('SLUICE_ENGINE', 'libmilter')}")
        cls.golden.name('"<engine>"', f'"{os.environ.get("SLUICE_ENGINE", "libmilter")}"')
        crowd = Crowd(cls.mta)
        crowd.__enter__()
        cls.addClassCleanup(crowd.__exit__, None, None, None)
        loopback.wait_until(lambda: crowd.sessions > 30, 3 * loopback.PATIENCE, "thirty sessions")
        cls.ids = {}
        for name, sender, subject in (("LISA-1", "lisa@refused.example", "hello"), ("LISA-2", "lisa@refused.example", "hello"),
                                      ("LOIS-1", "lois@refused.example", "hello"), ("GRETE1", "grete@grey.example", "hello"),
                                      ("SHAWN1", "shawn@shadow.example", "hello"), ("SUSAN1", "susan@plain.example", "eat sweets"),
                                      ("PAUL-1", "paul@plain.example", "hello"), ("MAXIM1", "max@limit.example", "one"),
                                      ("MAXIM2", "max@limit.example", "two"), ("MAXIM3", "max@limit.example", "three")):
            cls.send(name, sender, subject)
        # Now: other tests send more, and the rules stand there by how often they answered.
        cls.status = transcript(cls.sluice, [("status",)], cls.golden.all_numbers)

    @classmethod
    def send(cls, name, sender, subject="hello"):
        """What Postfix told the client last; the id and the queue id of it are remembered by name."""
        with SmtpClient(cls.mta.host, cls.mta.port) as client:
            client.say("EHLO client.far.example")
            said = client.send(sender, ["bob@a.test"], message(subject))[-1][-1]
        if number := re.search(r"\(id (\w{6})\)$", said):
            cls.ids[name] = number.group(1)
            cls.golden.name(name, number.group(1))
        if queue_id := cls.queue_id_of(sender, said):
            cls.ids[name + ".queue"] = queue_id
            cls.golden.name(f"<{name}>", queue_id)
        return said

    @classmethod
    def queue_id_of(cls, sender, said):
        """As the admin finds it: in the reply, or for what was refused at the dot in Postfix's log."""
        if found := re.search(r"queued as (\w+)$", said):
            return found.group(1)
        if not said.startswith("554"):
            return None

        def logged():
            with open(cls.mta._log, encoding="utf-8") as log:
                return re.findall(rf" (\w+): milter-reject: END-OF-MESSAGE .*from=<{re.escape(sender)}>", log.read())
        return loopback.wait_until(logged, loopback.PATIENCE, "the refusal in Postfix's log")[-1]

    def check(self, name, *commands, plain=None):
        self.golden.check(self, name, transcript(self.sluice, commands, plain or self.golden.plain))

    def test_status(self):
        self.golden.check(self, "status", self.status)

    def test_top(self):
        self.check("top", ("top", "--by", "from", "--rule", "refused-domain", "--stage", "rcpt", "--limit", "3"),
                   ("top", "--by", "limit"), ("top", "--by", "code", "--rule", "no-sweets"), ("top", "--by", "weather"))
        self.check("top-all", ("top", "--limit", "2"), plain=self.golden.all_numbers)

    def test_history(self):
        self.check("history", ("history", "--from", "refused.example"), ("history", "--from", "shadow.example", "--all"),
                   ("history", "--rule", "no-sweets"), ("history", "--from", "nobody@"), ("history", "--code", "5yz"))

    def test_why(self):
        self.check("why-id", ("why", self.ids["LISA-1"]))
        self.check("why-queue-id", ("why", self.ids["PAUL-1.queue"]))
        self.check("why-address", ("why", "lisa@refused.example"))
        self.check("why-content", ("why", self.ids["SUSAN1"]))
        self.check("why-limit", ("why", self.ids["MAXIM3"]))
        self.check("why-greylist", ("why", "grete@grey.example"))
        self.check("why-nothing", ("why", "ZZZZZZ"))

    def test_why_finds_one_refusal_by_all_its_names(self):
        def asked(what):
            done = self.sluice.command("why", what, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)
        by_id = asked(self.ids["SUSAN1"])
        self.assertEqual(by_id["rule"], "no-sweets")
        self.assertEqual(asked(self.ids["SUSAN1.queue"]), by_id)
        self.assertEqual(asked(by_id["sid"]), by_id)
        self.assertEqual(asked("<susan@plain.example>")["key"], by_id["key"])

    def test_shadow(self):
        self.check("shadow", ("shadow",), plain=lambda text: re.sub(
            r'(?m)^[\d,]+(?= decisions)|(?<="decisions": )\d+', "N", self.golden.plain(text)))

    def test_reload(self):
        try:
            self.sluice.write_policy(BROKEN)
            self.check("reload-broken", ("reload",))
        finally:
            self.sluice.write_policy(POLICY)
        self.check("reload", ("reload",), plain=self.golden.all_numbers)

    def test_limits(self):
        self.check("limits", ("limits", "show", "--filter", "max@limit.example"), ("limits", "top"),
                   ("limits", "grant", "per-sender sender.address=max@limit.example", "2", "--for", "30m"),
                   ("limits", "reset", "max@limit.example"), ("limits", "grant", "nothing", "3"), ("limits", "grant", "nothing", "some"))

    def test_greylist(self):
        self.check("greylist", ("greylist", "show", "--filter", "grete@"), ("greylist", "forget", "grete@"))

    def test_whom_greylist_allows_need_not_wait(self):
        name = "first-contact sender.address=gustav@grey.example rcpt.address=bob@a.test"
        self.assertIn("450", self.send("GUSTA1", "gustav@grey.example"))
        self.check("greylist-allow", ("greylist", "allow", name), ("greylist", "allow", "gustav@", "--for", "60d"),
                   ("greylist", "show", "--filter", "gustav@"), ("greylist", "allow", "nothing"),
                   ("greylist", "allow", "first-contact", "sender.address=gitta@grey.example", "rcpt.address=bob@a.test"),
                   ("greylist", "allow", "first-contact sender.address=nobody@grey.example"))
        self.assertIn("queued as", self.send("GUSTA2", "gustav@grey.example"))
        self.assertIn("queued as", self.send("GITTA1", "gitta@grey.example"))

    def test_list(self):
        self.check("list", ("list", "show"), ("list", "add", "blocked", "Later.example", "--for", "2h"), ("list", "show"))
        self.assertIn("no mail from later.example", self.send("LATE-1", "ann@later.example"))
        self.check("list-removed", ("list", "remove", "blocked", "later.example"), ("list", "show"), ("list", "add", "nothing", "x"))
        self.assertIn("queued as", self.send("LATE-2", "ann@later.example"))

    def test_privacy(self):
        self.send("PETRA1", "petra@grey.example")
        self.check("privacy-find", ("privacy", "find", "petra@grey.example"), ("privacy", "find", "nobody"))
        self.check("privacy-erase", ("privacy", "erase", "petra@grey.example"))


if __name__ == "__main__":
    sys.exit(case.main())
