#!/usr/bin/env python3
"""why, history, top and privacy on a running service behind Postfix, under load and after a restart."""

import json
import re
import subprocess
import sys

from rig import case, loopback
from rig import sluice as rig_sluice
from rig.crowd import Crowd
from rig.smtp_client import SmtpClient, message

POLICY = """\
sluice: 1
policy: history
rules:
  - rule: evil-domain
    stage: mail
    when: sender.domain == "evil.example"
    then: reject 550 5.7.1
    text: "We do not talk to {sender.domain}"
  - rule: try-out
    stage: rcpt
    mode: shadow
    when: sender.domain == "near.example"
    then: reject 541 5.7.1
  - limit: per-sender
    stage: rcpt
    when: sender.address is set
    count: messages
    key: sender.address
    max: 100000/1h
    then: defer 450 4.7.1
"""


class History(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(POLICY)
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], domains=("a.test",), users="*")

    def refuse(self, sender="bad@evil.example"):
        """A refusal seen through Postfix: its text and its id."""
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO client.far.example")
            client.say(f"MAIL FROM:<{sender}>")
            said = client.say("RCPT TO:<bob@a.test>")[-1]
        self.assertRegex(said, r"^550 5\.7\.1 .*\(id [0-9A-Z]{6}\)$")
        return said, re.search(r"\(id (\w+)\)", said).group(1)

    def ask(self, *words):
        done = self.sluice.command(*words, "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_why_tells_each_rule_and_what_it_saw(self):
        said, number = self.refuse()
        done = self.sluice.command("why", number)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("550 5.7.1 at rcpt: We do not talk to evil.example", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^  T  mail +rule +evil-domain +sender.domain=evil.example")
        self.assertRegex(done.stdout, r"(?m)^policy +history#[0-9a-f]{4}")
        self.assertRegex(done.stdout, r"(?m)^time +\d+ us in all, \d+ us waiting for the store")
        answer = self.ask("why", f"(id {number.lower()})")
        self.assertEqual(answer["rule"], "evil-domain")
        self.assertEqual(answer["trace"][-1]["result"], "T")
        self.assertEqual(self.ask("why", "bad@evil.example")["act"], "reject")

    def test_why_knows_refusals_from_before_a_restart_and_a_kill(self):
        _, first = self.refuse()
        self.assertEqual(self.ask("why", first)["rule"], "evil-domain")  # what is found is on disk, the rest may go with a kill
        self.sluice.kill()
        self.sluice.start()
        _, second = self.refuse()
        self.assertEqual(self.sluice.stop(), 0)
        self.sluice.start()
        for number in (first, second):
            self.assertEqual(self.ask("why", number)["rule"], "evil-domain")

    def test_why_finds_an_accepted_message_by_its_queue_id(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO client.far.example")
            client.say("MAIL FROM:<ann@far.example>")
            client.say("RCPT TO:<bob@a.test>")
            client.say("DATA")
            queued = client.content(message("hello"))[-1]
        number = re.search(r"queued as (\w+)", queued).group(1)
        answer = self.ask("why", number)
        self.assertEqual((answer["act"], answer["qid"], answer["from"]), ("continue", number, "<ann@far.example>"))

    def test_what_nobody_knows_is_said(self):
        done = self.sluice.command("why", "ZZZZZZ")
        self.assertEqual(done.returncode, 66)
        self.assertIn("nothing is known of `ZZZZZZ`", done.stderr)

    def test_each_command_answers_under_load(self):
        self.refuse()
        with Crowd(self.mta) as crowd:
            loopback.wait_until(lambda: crowd.sessions > 20, loopback.PATIENCE, "twenty sessions")
            for _ in range(5):
                rows = self.ask("history", "--since", "10m", "--rule", "evil-domain", "--limit", "5")["decisions"]
                self.assertEqual({row["rule"] for row in rows}, {"evil-domain"})
                self.assertLessEqual(len(rows), 5)
                self.assertEqual({row["code"] for row in self.ask("history", "--code", "550", "--stage", "rcpt")["decisions"]}, {550})
                self.assertTrue(self.ask("history", "--from", "near.example")["decisions"][0]["would"].startswith("try-out:541"))
                self.assertTrue(self.ask("history", "--all", "--from", "ann@")["decisions"])
                self.assertEqual(self.ask("history", "--client", "192.0.2.0/24")["decisions"], [])
                self.assertEqual(self.ask("top")["top"][0]["rule"], "evil-domain")
                self.assertEqual(self.ask("top", "--by", "from")["top"][0]["from"], "<bad@evil.example>")
                self.assertEqual(self.ask("top", "--by", "limit")["top"], [])
                self.assertTrue(self.ask("limits", "top"))
                self.assertEqual(self.ask("status")["state"], "attached")
            table = self.sluice.command("history", "--limit", "3").stdout.splitlines()
            self.assertEqual(table[0].split(), ["TIME", "ID", "STAGE", "ANSWER", "RULE", "CLIENT", "FROM", "TO"])
            self.assertEqual(len(table), 4)
            top = self.sluice.command("top", "--by", "code").stdout
            self.assertRegex(top, r"(?m)^ +\d+ +550$")

    def test_follow_goes_on_with_what_comes(self):
        with subprocess.Popen([rig_sluice.binary(), "history", "--follow", "--json", "-c", self.sluice.configuration],
                              stdout=subprocess.PIPE, text=True) as following:
            try:
                _, number = self.refuse()
                for line in following.stdout:
                    if json.loads(line).get("id") == number:
                        break
                else:
                    self.fail("the refusal was not told")
            finally:
                following.terminate()

    def test_privacy_finds_and_erases_one_and_leaves_the_others(self):
        _, number = self.refuse("joe@evil.example")
        _, other = self.refuse("xjoe@evil.example")
        found = self.ask("privacy", "find", "joe@evil.example")
        self.assertEqual(found["decisions"], 1)
        self.ask("privacy", "erase", "joe@evil.example")
        self.assertEqual(self.ask("privacy", "find", "joe@evil.example")["decisions"], 0)
        self.assertEqual(self.sluice.command("why", number).returncode, 66)
        self.assertEqual(self.ask("why", other)["rule"], "evil-domain")


if __name__ == "__main__":
    sys.exit(case.main())
