#!/usr/bin/env python3
"""What the MTAs tell about client, login, TLS and addresses reaches the rules: facts shown in a reply."""

import os
import sys

from rig import case
from rig.smtp_client import SmtpClient

SHOWN = ["client.ip", "client.rdns", "helo.name", "sender.address", "sender.is_null", "mail.size", "mail.body",
         "rcpt.address", "rcpt.count", "auth.user", "auth.method", "tls.active", "tls.version", "server.port"]
POLICY = """\
sluice: 1
policy: facts
rules:
  - rule: tell
    stage: rcpt
    when: rcpt.localpart == "tell"
    then: reject 554 5.7.1
    text: "%s"
  - limit: harvest
    stage: rcpt
    when: client.ip == "127.0.0.3"
    key: client.ip
    count: failures
    max: 3/1h
    then: defer 452 4.7.28
    text: "too many unknown recipients"
""" % " ".join(f"{fact}={{{fact}}}" for fact in SHOWN)


def told(reply):
    """The facts that a reply shows, by name."""
    assert reply[0].startswith("554"), reply
    words = " ".join(line[4:].split(" ", 1)[1] for line in reply).split()
    return dict(word.split("=", 1) for word in words)


class Facts:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(POLICY, settings="reply: {id: false}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("a.test",), users=("bob", "tell"),
                                tls=True, sasl={"carol": "secret"})

    def ask(self, client, sender="<ann@far.example>", options="", before=()):
        client.say(f"MAIL FROM:{sender}{options}")
        for recipient in before:
            client.say(f"RCPT TO:<{recipient}>")
        return told(client.say("RCPT TO:<tell@a.test>"))

    def test_a_plain_session(self):
        with SmtpClient(self.mta.host, self.mta.port, source="127.0.0.2") as client:
            client.say("EHLO mail.far.example")
            facts = self.ask(client, options=" SIZE=2048 BODY=8BITMIME", before=["bob@a.test"])
        self.assertEqual(facts, {
            "client.ip": "127.0.0.2", "client.rdns": "-", "helo.name": "mail.far.example", "sender.address": "ann@far.example",
            "sender.is_null": "false", "mail.size": "2kB", "mail.body": "8bitmime", "rcpt.address": "tell@a.test",
            "rcpt.count": "2", "auth.user": "-", "auth.method": "-", "tls.active": "false", "tls.version": "-",
            "server.port": str(self.mta.port)})

    def test_the_null_sender(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO mail.far.example")
            facts = self.ask(client, sender="<>")
        self.assertEqual((facts["sender.is_null"], facts["sender.address"], facts["mail.size"]), ("true", "-", "-"))

    def test_tls_and_login(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO before.example")
            self.assertEqual(client.starttls()[-1][:3], "220")
            client.say("EHLO after.example")
            self.assertEqual(client.auth_plain(self.login, "wrong")[-1][:3], "535")
            self.assertEqual(client.auth_plain(self.login, "secret")[-1][:3], "235")
            facts = self.ask(client, sender="<carol@far.example>")
        self.assertEqual(facts["helo.name"], "after.example")
        self.assertEqual((facts["tls.active"], facts["tls.version"]), ("true", "TLSv1.3"))
        self.assertEqual((facts["auth.user"].split("@")[0], facts["auth.method"].upper()), ("carol", "PLAIN"))

    def test_helo_after_tls_replaces_the_first_one(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO before.example")
            self.assertEqual(self.ask(client)["helo.name"], "before.example")
            client.say("EHLO after.example")
            self.assertEqual(self.ask(client)["helo.name"], "after.example")


class ThroughPostfix(Facts, case.ServerCase):
    mta_name = "postfix"
    login = "carol@mx.a.test"

    def test_a_client_by_name(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.xclient(name="mail.far.example", addr="203.0.113.9", reverse_name="mail.far.example")
            client.say("EHLO mail.far.example")
            facts = self.ask(client)
        self.assertEqual((facts["client.ip"], facts["client.rdns"]), ("203.0.113.9", "mail.far.example"))

    def test_a_client_whose_name_does_not_lead_back(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.xclient(name="[UNAVAILABLE]", addr="203.0.113.9", reverse_name="forged.far.example")
            client.say("EHLO mail.far.example")
            self.assertEqual(self.ask(client)["client.rdns"], "-")

    @case.unittest.skipUnless(os.path.exists("/proc/net/if_inet6"), "no IPv6 here")
    def test_a_client_with_ipv6(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.xclient(name="mail6.far.example", addr="IPV6:2001:db8::9", reverse_name="mail6.far.example")
            client.say("EHLO mail6.far.example")
            self.assertEqual(self.ask(client)["client.ip"], "2001:db8::9")

    def test_recipients_that_the_mta_refuses_are_counted(self):
        with SmtpClient(self.mta.host, self.mta.port, source="127.0.0.3") as client:
            client.say("EHLO guesser.example")
            client.say("MAIL FROM:<ann@far.example>")
            for number in range(3):
                self.assertEqual(client.say(f"RCPT TO:<guess{number}@a.test>")[-1][:9], "550 5.1.1")
            client.say("RCPT TO:<guess4@a.test>")
            self.assertEqual(client.say("RCPT TO:<bob@a.test>"), ["452 4.7.28 too many unknown recipients"])


class ThroughSendmail(Facts, case.ServerCase):
    mta_name = "sendmail"
    login = "carol"


if __name__ == "__main__":
    sys.exit(case.main())
