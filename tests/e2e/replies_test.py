#!/usr/bin/env python3
"""Reply texts that MTAs and libmilter are known to spoil arrive whole, through both MTAs."""

import sys

from rig import case
from rig.smtp_client import SmtpClient

LONG = " ".join(f"word{number:03}" for number in range(120))  # 959 characters
RULES = {
    "percent": ("reject 554 5.7.1", "100% sure, %s and %% too"),
    "digits": ("reject 554 5.7.1", "4.7.1 is how this text begins"),
    "long": ("reject 554 5.7.1", LONG),
    "umlaut": ("defer 452 4.5.3", "Gr\u00fc\u00dfe aus K\u00f6ln"),
    "given": ("reject 551 5.1.6", "ask {rcpt.localpart} at {sender.domain}"),
}


def policy():
    lines = ["sluice: 1", "policy: replies", 'defaults: {help: "https://help.example/{rule}"}', "rules:"]
    for name, (action, text) in RULES.items():
        lines += [f"  - rule: {name}", "    stage: rcpt", f"    when: 'rcpt.localpart == \"{name}\"'",
                  f"    then: {action}", f'    text: "{text}"']
    return "\n".join(lines) + "\n"


class Replies:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(policy(), settings="reply: {id: false}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("a.test",), users="*")

    def reply(self, name):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO mail.far.example")
            client.say("MAIL FROM:<ann@far.example>")
            return client.say(f"RCPT TO:<{name}@a.test>")

    def test_percent_signs(self):
        self.assertEqual(self.reply("percent"), ["554-5.7.1 100% sure, %s and %% too",
                                                 "554 5.7.1 https://help.example/percent"])

    def test_a_text_that_begins_like_a_status(self):
        self.assertEqual(self.reply("digits")[0], "554-5.7.1 4.7.1 is how this text begins")

    def test_a_long_text_is_wrapped_at_word_ends(self):
        reply = self.reply("long")
        self.assertEqual(reply[-1], "554 5.7.1 https://help.example/long")
        self.assertTrue(all(line.startswith("554-5.7.1 ") and len(line) <= 412 for line in reply[:-1]), reply)
        self.assertEqual(" ".join(line[len("554-5.7.1 "):] for line in reply[:-1]), LONG)

    def test_what_is_not_ascii_is_a_question_mark(self):
        self.assertEqual(self.reply("umlaut")[0], "452-4.5.3 Gr??e aus K?ln")

    def test_values_in_the_text(self):
        self.assertEqual(self.reply("given")[0], "551-5.1.6 ask given at far.example")


class ThroughPostfix(Replies, case.ServerCase):
    mta_name = "postfix"


class ThroughSendmail(Replies, case.ServerCase):
    mta_name = "sendmail"


if __name__ == "__main__":
    sys.exit(case.main())
