#!/usr/bin/env python3
"""Changes to headers of which a message has several of one name: what is delivered is what a model says, on both MTAs.

SLUICE_HEADER_EDITS: how many random messages each MTA gets (40); SLUICE_SEED: where the generator begins.
"""

import os
import random
import sys

from rig import case, loopback
from rig.smtp_client import SmtpClient

CASES = int(os.environ.get("SLUICE_HEADER_EDITS", "40"))
SEED = int(os.environ.get("SLUICE_SEED", "20261125"))
NAMES = ["X-A", "X-B", "X-Sluice-C"]
MOST = 30  # fields of one message


def random_fields(rng):
    """Fields of few names in any order; none, some folded, some empty."""
    values = ["one", "two", "", "a: b", "folded\n\tonce", "=?utf-8?q?=C3=BC?=", "x" * 200]
    return [(rng.choice(NAMES), rng.choice(values)) for _ in range(rng.randrange(MOST + 1))]


def random_edits(rng):
    verbs = ["header", "insert header", "set header", "remove header"]
    return [(rng.choice(verbs), rng.choice(NAMES), f"new {n}") for n in range(rng.randrange(1, 6))]


def action(edit):
    verb, name, value = edit
    return f"{verb} {name}" if verb == "remove header" else f'{verb} {name} = "{value}"'


def edited(fields, edits):
    """The model: each action works on the list as the one before it has left it."""
    fields = [list(field) for field in fields]
    for verb, name, value in edits:
        first = next((field for field in fields if field[0] == name), None)
        if verb == "remove header":
            fields = [field for field in fields if field[0] != name]
        elif verb == "set header" and first is not None:
            first[1] = value
        else:
            fields.insert(0 if verb == "insert header" else len(fields), [name, value])
    return [tuple(field) for field in fields]


def policy(cases):
    text = "sluice: 1\npolicy: edits\nrules:\n"
    for number, (_, edits) in enumerate(cases):
        text += f"  - rule: case{number}\n    stage: end\n    when: 'header(\"X-Case\") == \"{number}\"'\n    then:\n"
        text += "".join(f"      - {action(edit)}\n" for edit in edits)
    return text


def own_fields(mail):
    """The fields of NAMES in a delivered message, unfolded."""
    fields = []
    for line in mail.split("\n\n", 1)[0].split("\n"):
        if line[:1] in " \t" and fields:
            fields[-1][1] += "\n" + line
        elif ":" in line:
            name, value = line.split(":", 1)
            fields.append([name, value[1:] if value.startswith(" ") else value])
    return [(name, value) for name, value in fields if name in NAMES]


class HeaderEdits:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(SEED)
        cls.cases = [(random_fields(rng), random_edits(rng)) for _ in range(CASES)]
        cls.sluice = cls.start_sluice(policy(cls.cases))
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("a.test",), users="*")

    def send(self, client, number, fields):
        lines = [f"{name}: {value}" for name, value in fields]
        text = "\n".join(["From: ann@far.example", f"Subject: case {number}", f"X-Case: {number}", *lines, "", "body", ""])
        return client.send("ann@far.example", ["bob@a.test"], text)[-1]

    def test_random_edits_of_random_fields_give_what_the_model_says(self):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO mail.far.example")
            for number, (fields, _) in enumerate(self.cases):
                self.assertEqual(self.send(client, number, fields)[-1][:3], "250", f"case {number}")
        mails = loopback.wait_until(lambda: self.all_delivered(), 3 * loopback.PATIENCE, f"{CASES} messages")
        for number, (fields, edits) in enumerate(self.cases):
            with self.subTest(case=number, edits=[action(e) for e in edits], fields=fields):
                self.assertEqual(self.comparable(own_fields(mails[number])), self.comparable(edited(fields, edits)))

    def all_delivered(self):
        mails = {}
        for mail in self.mta.mailbox("bob@a.test"):
            for number in range(CASES):
                if f"\nSubject: case {number}\n" in mail:
                    mails[number] = mail
        return mails if len(mails) == CASES else None

    @staticmethod
    def comparable(fields):
        """Folding is the MTA's own; the text is not."""
        return [(name, " ".join(value.split())) for name, value in fields]


class ThroughPostfix(HeaderEdits, case.ServerCase):
    mta_name = "postfix"


class ThroughSendmail(HeaderEdits, case.ServerCase):
    mta_name = "sendmail"


if __name__ == "__main__":
    sys.exit(case.main())
