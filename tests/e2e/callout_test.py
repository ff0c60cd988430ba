#!/usr/bin/env python3
"""Callouts: the shipped rules on sender.deliverable and rcpt.deliverable, through a real Postfix, with another
Postfix and servers of all manners as those that are asked."""

import os
import sys
import threading
import time

from rig import case, loopback
from rig.scripted_smtp import CLOSE, ScriptedSmtp
from rig.smtp_client import SmtpClient

SHIPPED = os.path.join(case.REPOSITORY, "policies")
POLICY = f"""\
sluice: 1
policy: asking
include: ["{SHIPPED}/senders.yaml", "{SHIPPED}/recipients.yaml"]
change: [{{rule: senders/mx-nowhere, mode: disabled}}]   # all hosts of the test are on loopback
"""
ABOUT_SENDERS = POLICY.replace(f', "{SHIPPED}/recipients.yaml"', "")
# Of each domain the address of its mail host; all hosts have the same port. Nobody is at .3.
HOSTS = {"far.example": "127.0.0.1", "near.test": "127.0.0.1", "dropping.test": "127.0.0.2", "silent.test": "127.0.0.3",
         "busy.test": "127.0.0.4", "choosy.test": "127.0.0.5", "strict.example": "127.0.0.6"}
LOCAL = ("near.test", "dropping.test", "silent.test", "busy.test", "choosy.test")


def records(hosts):
    made = {"9.113.0.203.in-addr.arpa PTR": "mail.far.example", "mail.far.example A": "203.0.113.9"}
    for domain, address in hosts.items():
        made[f"{domain} MX"] = f"10 mx.{domain}"
        made[f"mx.{domain} A"] = address
    return made


class CalloutCase(case.ServerCase):
    """A filtered Postfix whose Sluice asks the hosts of HOSTS."""

    @classmethod
    def start_filtered(cls, hosts, settings, policy=POLICY):
        dns = cls.start_name_server(records(hosts))
        cls.sluice = cls.start_sluice(policy, settings=f'dns: {{servers: ["{dns.address}"]}}\n{settings}')
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], domains=LOCAL, users="*")

    @classmethod
    def start_scripted(cls, host, port=0, **options):
        server = ScriptedSmtp(host, port, **options)
        cls._servers.append(server)
        return server.start()

    def ask(self, sender, recipient):
        """The reply to RCPT, in a session of a host with a name."""
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.xclient(name="mail.far.example", addr="203.0.113.9", reverse_name="mail.far.example")
            client.say("EHLO mail.far.example")
            client.say(f"MAIL FROM:<{sender}>")
            return client.say(f"RCPT TO:<{recipient}>")[-1]

    def outcomes(self):
        text = self.sluice.command("status").stdout
        return "\n".join(line for line in text.split("\n") if "callouts" in line or line.startswith("           "))


class Outcomes(CalloutCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The server of far.example and near.test: it knows ann and bob.
        asked = cls.start_mta("postfix", [], domains=("far.example", "near.test"), users=("ann", "bob"))
        cls.asked = asked
        cls.dropping = cls.start_scripted("127.0.0.2", asked.port, replies={"RCPT": CLOSE})
        cls.start_scripted("127.0.0.4", asked.port, replies={"RCPT": "452 4.3.1 no room at the moment"})
        cls.start_scripted("127.0.0.5", asked.port, replies={"MAIL": "550 5.7.1 we take no null senders"})
        cls.start_scripted("127.0.0.6", asked.port, replies={"CONNECT": "554 5.7.1 you are on a list"})
        cls.start_filtered(HOSTS, f"callout: {{helo: mx.a.test, allow: [127.0.0.0/8], port: {asked.port}}}")

    @classmethod
    def start_mta(cls, name, milters, **options):
        folder = "filtered" if milters else "asked"
        try:
            mta = case.MTAS[name](os.path.join(cls.folder, folder), milters=milters, **options)
        except loopback.Unavailable as reason:
            raise case.unittest.SkipTest(f"{name}: {reason}")
        cls._servers.append(mta)
        return mta.start()

    def assert_reply(self, reply, start):
        self.assertTrue(reply.startswith(start), f"{reply!r} does not begin with {start!r}; {self.outcomes()}")

    def test_a_sender_and_a_recipient_that_exist(self):
        self.assert_reply(self.ask("ann@far.example", "bob@near.test"), "250")
        self.assert_reply(self.ask("ann@far.example", "bob@near.test"), "250")  # known now
        self.assertIn("from the cache", self.outcomes())

    def test_a_sender_that_its_server_does_not_know(self):
        self.assert_reply(self.ask("gone@far.example", "bob@near.test"),
                          "510 5.1.0 the mail server of far.example does not know gone@far.example")
        self.assertIn("gone@far.example refused", self.outcomes())
        loopback.wait_until(lambda: "from=<> to=<gone@far.example>" in self.asked.log(), loopback.PATIENCE, "the question in the log")

    def test_a_recipient_that_its_server_does_not_know(self):
        self.assert_reply(self.ask("ann@far.example", "nobody@near.test"), "550 5.1.1")

    def test_a_server_that_does_not_answer(self):
        self.assert_reply(self.ask("ann@far.example", "bob@silent.test"), "441 4.4.1")

    def test_a_server_that_drops_the_connection(self):
        self.assert_reply(self.ask("ann@far.example", "bob@dropping.test"), "442 4.4.2")
        self.assertEqual(self.dropping.heard[:3], ["EHLO mx.a.test", "MAIL FROM:<>", "RCPT TO:<bob@dropping.test>"])

    def test_a_server_that_is_busy(self):
        self.assert_reply(self.ask("ann@far.example", "bob@busy.test"), "450 4.2.0")

    def test_a_server_that_refuses_the_one_who_asks_is_no_refusal(self):
        self.assert_reply(self.ask("ann@far.example", "bob@choosy.test"), "250")
        self.assert_reply(self.ask("ann@strict.example", "bob@near.test"), "250")

    def test_the_null_sender_is_not_asked_about(self):
        self.assert_reply(self.ask("", "bob@near.test"), "250")


class Deadline(CalloutCase):
    """The deadline passes, the callout goes on, the next try knows."""

    def test_the_next_try_knows(self):
        release = threading.Event()
        asked = self.start_scripted("127.0.0.1", release=release, replies={"RCPT": "550 5.1.1 no such user"})
        self.start_filtered({"far.example": "127.0.0.1"},
                            f"deadline: 1s\ncallout: {{allow: [127.0.0.0/8], port: {asked.port}}}", ABOUT_SENDERS)
        begun = time.monotonic()
        self.assertTrue(self.ask("gone@far.example", "bob@near.test").startswith("250"), self.outcomes())
        self.assertGreater(time.monotonic() - begun, 0.9)
        release.set()
        loopback.wait_until(lambda: self.ask("gone@far.example", "bob@near.test").startswith("510 5.1.0"), loopback.PATIENCE,
                            "the sender to be known as refused")
        self.assertEqual(asked.sessions, 1)


class WithoutLeave(CalloutCase):
    """Private addresses are not asked, whatever a domain's MX says."""

    def test_nobody_is_asked_on_loopback(self):
        asked = self.start_scripted("127.0.0.1", replies={"RCPT": "550 5.1.1 no such user"})
        self.start_filtered({"far.example": "127.0.0.1"}, f"callout: {{port: {asked.port}}}", ABOUT_SENDERS)
        self.assertTrue(self.ask("gone@far.example", "bob@near.test").startswith("250"), self.outcomes())
        self.assertEqual(asked.sessions, 0)


if __name__ == "__main__":
    sys.exit(case.main())
