#!/usr/bin/env python3
"""What rules do to a message shows in the mailbox and in the queue, through both MTAs."""

import sys

from rig import case, loopback
from rig.smtp_client import SmtpClient, message

POLICY = """\
sluice: 1
policy: message
rules:
  - rule: mark
    stage: headers
    when: subject.text contains "mark me"
    then:
      - header X-Sluice-Mark = "hops {received.count}"
      - subject prefix "[CHECK] "
  - rule: hold
    stage: end
    when: subject.text contains "hold me"
    then: quarantine "held by rule"
  - rule: drop
    stage: end
    when: subject.text contains "drop me"
    then: discard
  - rule: body
    stage: end
    when: body.text contains "forbidden word"
    then: reject 541 5.7.1
    text: "the body has the forbidden word"
  - rule: big
    stage: end
    when: msg.size > 100kB
    then: reject 523 5.3.4
"""


class Messages:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(POLICY, settings="reply: {id: false}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("a.test",), users="*")

    def send(self, subject, body="Hello.\n", recipient="bob@a.test"):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO mail.far.example")
            return client.send("ann@far.example", [recipient], message(subject, body=body))[-1]

    def delivered(self, subject):
        """The one message in the mailbox with that subject, once it is there."""
        def look():
            return [mail for mail in self.mta.mailbox("bob@a.test") if f"Subject: {subject}\n" in mail]
        found = loopback.wait_until(look, loopback.PATIENCE, f"a message with subject {subject}")
        self.assertEqual(len(found), 1)
        return found[0]

    def count(self, part):
        return len([mail for mail in self.mta.mailbox("bob@a.test") if part in mail])

    def test_an_untouched_message_arrives_as_it_was_sent(self):
        body = "first\n.second begins with a dot\n\nlast\n"
        self.assertEqual(self.send("as it was", body)[-1][:3], "250")
        mail = self.delivered("as it was")
        self.assertTrue(mail.endswith("\n\n" + body), mail)
        self.assertNotIn("X-Sluice", mail)

    def test_header_and_subject(self):
        self.assertEqual(self.send("mark me")[-1][:3], "250")
        mail = self.delivered("[CHECK] mark me")
        # the field of this MTA is added after the milter has seen the message
        self.assertIn("\nX-Sluice-Mark: hops 0\n", mail)
        self.assertEqual(mail.count("\nSubject: "), 1)

    def test_quarantine_holds_the_message(self):
        self.assertEqual(self.send("hold me")[-1][:3], "250")
        loopback.wait_until(self.is_held, loopback.PATIENCE, "a held message in the queue")
        self.assertEqual(self.count("hold me"), 0)

    def test_discard_tells_the_client_that_all_is_well(self):
        self.assertEqual(self.send("drop me")[-1][:3], "250")
        self.assertEqual(self.send("after the dropped one")[-1][:3], "250")
        self.delivered("after the dropped one")
        self.assertEqual(self.count("drop me"), 0)

    def test_a_rule_reads_the_body(self):
        self.assertEqual(self.send("a letter", "There is a forbidden word in it.\n"),
                         ["541 5.7.1 the body has the forbidden word"])

    def test_a_rule_reads_the_real_size(self):
        self.assertEqual(self.send("big", "x" * 60 + "\n" + ("y" * 70 + "\n") * 2000)[-1][:9], "523 5.3.4")


class ThroughPostfix(Messages, case.ServerCase):
    mta_name = "postfix"

    def is_held(self):
        return "!" in self.mta.queue()


class ThroughSendmail(Messages, case.ServerCase):
    mta_name = "sendmail"

    def is_held(self):
        return "held by rule" in self.mta.log()


if __name__ == "__main__":
    sys.exit(case.main())
