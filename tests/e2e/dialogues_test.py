#!/usr/bin/env python3
"""What the shipped policies answer, as a client of a real Postfix and of a real Sendmail sees it."""

import os
import re
import sys
import time

from rig import case, loopback
from rig.smtp_client import message

POLICY = os.path.join(case.REPOSITORY, "policies", "demo", "demo.yaml")
RECORDS = {"far.example MX": "10 mail.far.example", "mail.far.example A": "203.0.113.9"}
DELAY = 3.0  # of the demo's greylist, in seconds
ID = r" \(id [0-9A-Z]{6}\)$"


class Dialogues:
    """The dialogues, for one MTA."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        dns = cls.start_name_server(RECORDS)
        cls.sluice = cls.start_sluice(POLICY, settings=f'dns: {{servers: ["{dns.address}"]}}')
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("example.com",), users=("bob", "amy"),
                                hostname="mx.example.com")

    def greeted(self, client, helo):
        self.assertEqual(client.say(f"EHLO {helo}")[-1][:3], "250")
        return client

    def inside(self):
        return self.greeted(self.connect(self.mta), "www.example.com")

    def assert_refused(self, reply, start, rule):
        """The reply is one line that begins so and ends with an id; the log has the rule under that id."""
        self.assertEqual(len(reply), 1, reply)
        self.assertTrue(reply[0].startswith(start), f"{reply[0]!r} does not begin with {start!r}")
        self.assertRegex(reply[0], ID)
        short_id = re.search(r"\(id (\w+)\)$", reply[0]).group(1)
        decision = loopback.wait_until(
            lambda: next((d for d in self.sluice.decisions() if f"(id {short_id})" in d.get("msg", "")
                          or d.get("id") == short_id), None),
            loopback.PATIENCE, f"a decision with id {short_id} in the log")
        self.assertEqual(decision["rule"], rule)
        self.assertEqual(decision["code"], start[:3])

    def let_in(self, sender, recipient, text):
        """Two sessions with the wait of the greylist between them; the last reply of the second."""
        with self.outside() as client:
            replies = client.send(sender, [recipient], text)
            self.assert_refused(replies[-1], self.line("450 4.7.1", recipient) + "greylisted, try again in",
                                "greylist/first-contact")
        time.sleep(DELAY + 0.3)
        with self.outside() as client:
            return client.send(sender, [recipient], text)[-1][-1]

    def test_a_stranger_is_greylisted_and_let_in_after_the_delay(self):
        reply = self.let_in("ann@far.example", "bob@example.com", message("first contact", to="bob@example.com"))
        self.assertEqual(reply[:3], "250")
        queue_id = self.queue_id(reply)
        self.await_mail(self.mta, "bob@example.com")
        self.assertTrue(any("Subject: first contact" in mail for mail in self.mta.mailbox("bob@example.com")))
        loopback.wait_until(lambda: queue_id in self.mta.log(), loopback.PATIENCE, "the queue id in the MTA's log")
        # the decision of the dot carries the MTA's queue id
        self.assertTrue(loopback.wait_until(lambda: any(d.get("qid") == queue_id for d in self.sluice.decisions()),
                                            loopback.PATIENCE, f"a decision with qid={queue_id}"))
        with self.outside() as client:  # known now: no delay
            self.assertEqual(client.send("ann@far.example", ["bob@example.com"], message())[-1][-1][:3], "250")

    def test_a_bad_sender_address(self):
        with self.outside() as client:
            replies = client.send("ann..lee@far.example", ["bob@example.com"], message())
        self.assert_refused(replies[-1], self.line("553 5.1.7", "bob@example.com") + "sender address:", "base/sender-syntax")

    def test_a_sender_domain_without_mail(self):
        with self.outside() as client:
            replies = client.send("ann@nowhere.example", ["bob@example.com"], message())
        self.assert_refused(replies[-1], "510 5.1.8 the domain of ann@nowhere.example cannot", "base/sender-domain")

    def test_too_big_as_declared(self):
        with self.outside() as client:
            self.assert_refused(client.say("MAIL FROM:<ann@far.example> SIZE=3000000"),
                                "523 5.3.4 a message of", "base/size-declared")

    def test_too_big_in_fact(self):
        big = message(body=("x" * 70 + "\n") * 20000)
        with self.inside() as client:
            replies = client.send("www@shop.example", ["bob@example.com"], big)
        self.assert_refused(replies[-1], "523 5.3.4 a message of", "base/size-real")

    def test_a_helo_name_that_is_not_fully_qualified(self):
        with self.outside("desktop-7") as client:
            replies = client.send("ann@far.example", ["bob@example.com"], message())
        self.assert_refused(replies[-1], "504 5.5.2 HELO desktop-7: a fully qualified", "base/helo-not-fqdn")

    def test_a_flooded_domain(self):
        with self.inside() as client:
            client.say("MAIL FROM:<www@shop.example>")
            for number in range(3):
                self.assertEqual(client.say(f"RCPT TO:<u{number}@flooded.example>")[-1][:3], "250")
            self.assert_refused(client.say("RCPT TO:<u4@flooded.example>"),
                                "431 4.7.28 too many messages to flooded.example", "limits/to-one-domain")
            self.assertEqual(client.say("RCPT TO:<amy@example.com>")[-1][:3], "250")

    def test_a_user_inside_is_not_delayed(self):
        with self.greeted(self.connect(self.mta), "desktop-7") as client:
            replies = client.send("www@shop.example", ["amy@example.com"], message("from inside"))
        self.assertEqual(replies[-1][-1][:3], "250")
        self.assertIn("Subject: from inside", self.await_mail(self.mta, "amy@example.com")[-1])


class ThroughPostfix(Dialogues, case.ServerCase):
    mta_name = "postfix"

    def outside(self, helo="mail.far.example"):
        client = self.connect(self.mta)
        client.xclient(name="mail.far.example", addr="203.0.113.9", reverse_name="mail.far.example")
        return self.greeted(client, helo)

    @staticmethod
    def line(start, _address):
        return start + " "

    @staticmethod
    def queue_id(reply):
        return re.search(r"queued as (\w+)", reply).group(1)


class ThroughSendmail(Dialogues, case.ServerCase):
    mta_name = "sendmail"

    def outside(self, helo="mail.far.example"):
        return self.greeted(self.connect(self.mta, source="127.0.0.2"), helo)

    @staticmethod
    def line(start, address):
        """Sendmail puts the recipient into 450, 550 and 553."""
        return f"{start} <{address}>... "

    @staticmethod
    def queue_id(reply):
        return reply.split()[2]


if __name__ == "__main__":
    sys.exit(case.main())
