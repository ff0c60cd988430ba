#!/usr/bin/env python3
"""Every reply code at every stage, through Postfix and through Sendmail: the exact line a client sees.

The policy is made here: one rule for each code and stage, chosen by something the client says. What
must come out is written down here too, from what the two MTAs are known to do with a milter's reply.
"""

import sys

from rig import case
from rig.sluice import engine
from rig.smtp_client import SmtpClient, message

# code, enhanced status, default text: the table of codes that the project answers with
CODES = [
    (421, "4.3.2", "Service not available, closing transmission channel"),
    (422, "4.2.2", "Recipient's mailbox has exceeded its storage limit"),
    (431, "4.7.28", "Too many messages to this domain"),
    (432, "4.7.12", "A password transition is needed"),
    (441, "4.4.1", "No response from the recipient's server"),
    (442, "4.4.2", "Connection to the recipient's server dropped"),
    (446, "4.4.6", "Mail loop: too many hops"),
    (450, "4.7.1", "Mailbox or service busy, try again later"),
    (451, "4.3.0", "Local error in processing"),
    (452, "4.5.3", "Too many recipients"),
    (454, "4.7.0", "TLS not available at the moment"),
    (455, "4.5.4", "Parameters cannot be accommodated at the moment"),
    (471, "4.3.0", "Error of the local spam filter"),
    (500, "5.5.2", "Syntax error: line too long or control characters"),
    (501, "5.5.4", "Syntax error in parameters"),
    (502, "5.5.1", "Command not implemented"),
    (503, "5.5.1", "Bad sequence of commands"),
    (504, "5.5.2", "Command parameter not implemented"),
    (510, "5.1.8", "Invalid email address"),
    (512, "5.1.2", "DNS error: no such recipient domain"),
    (521, "5.3.2", "This host accepts no mail"),
    (523, "5.3.4", "Message is too big"),
    (524, "5.7.11", "Encryption required for this authentication mechanism"),
    (525, "5.7.13", "User account disabled"),
    (530, "5.7.0", "Must issue a STARTTLS command first, or authenticate"),
    (534, "5.7.9", "Authentication mechanism is too weak"),
    (535, "5.7.8", "Authentication credentials invalid"),
    (538, "5.7.11", "Encryption required for this authentication mechanism"),
    (541, "5.7.1", "Message rejected by the spam filter"),
    (550, "5.7.1", "Rejected for policy reasons"),
    (551, "5.1.6", "User not local"),
    (552, "5.2.2", "Mailbox is full"),
    (553, "5.1.7", "Mail address syntax not allowed"),
    (554, "5.7.1", "Transaction failed, or no SMTP service here"),
    (555, "5.5.4", "Parameters not recognized or not implemented"),
    (556, "5.1.10", "Recipient's domain accepts no mail"),
]

# What `reply_codes: rfc` answers instead of a code that no RFC has registered with this meaning; the rest stays.
REGISTERED = {422: (452, "4.2.2"), 431: (452, "4.7.28"), 441: (450, "4.4.1"), 442: (450, "4.4.2"), 446: (451, "4.4.6"),
              471: (451, "4.3.0"), 510: (550, "5.1.8"), 512: (550, "5.1.2"), 523: (552, "5.3.4"), 541: (550, "5.7.1")}

# stage -> the condition of its rules; {code} stands for the code
CONDITIONS = {
    "connect": 'client.ip == "{client}"',
    "helo": 'helo.name == "c{code}.helo.example"',
    "command": 'command.name == "X{code}"',
    "mail": 'sender.localpart == "m{code}"',
    "rcpt": 'rcpt.localpart == "r{code}"',
    "data": 'sender.localpart == "d{code}"',
    "headers": 'sender.localpart == "h{code}"',
    "end": 'sender.localpart == "e{code}"',
}


def client_of(code):
    """The address that the client of a connect rule comes from."""
    return f"127.1.{code // 100}.{code % 100}"


def text_of(code, stage):
    return f"{stage} says {code}"


def verb_of(code):
    return "disconnect" if code == 421 else "defer" if code < 500 else "reject"


def registered_policy():
    lines = ["sluice: 1", "policy: registered-codes", "defaults: {reply_codes: rfc}", "rules:"]
    for code, _, _ in CODES:
        lines += [f"  - rule: rcpt-{code}", "    stage: rcpt", f"    when: 'rcpt.localpart == \"r{code}\"'",
                  f"    then: {verb_of(code)} {code}", f'    text: "instead of {code}"']
    return "\n".join(lines) + "\n"


def policy():
    lines = ["sluice: 1", "policy: code-table", "rules:"]
    for code, enhanced, _ in CODES:
        verb = verb_of(code)
        for stage, condition in CONDITIONS.items():
            lines += [f"  - rule: {stage}-{code}", f"    stage: {stage}",
                      "    when: '" + condition.format(code=code, client=client_of(code)) + "'"]
            if stage in ("connect", "helo", "mail"):
                lines.append("    reply_at: stage")
            lines += [f"    then: {verb} {code} {enhanced}", f'    text: "{text_of(code, stage)}"']
        # the same code with the catalogue's own text and status
        lines += [f"  - rule: default-{code}", "    stage: rcpt", f"    when: 'rcpt.localpart == \"default{code}\"'",
                  f"    then: {verb} {code}"]
    # a held answer: connect, helo and mail rules answer at RCPT unless told otherwise
    lines += ["  - rule: held", "    stage: helo", '    when: \'helo.name == "held.helo.example"\'',
              "    then: reject 554 5.7.1", '    text: "held until the recipient is known"']
    return "\n".join(lines) + "\n"


class PostfixWords:
    """What Postfix makes of a milter's reply: it hands it on."""

    mta_name = "postfix"
    CLOSING = (421, 521)  # Postfix hangs up after a 521 as it does after a 421
    CLOSED_AT_CONNECT = "421 mx.a.test Service unavailable - try again later"

    @staticmethod
    def with_address(line, address):
        return line


class SendmailWords:
    """What Sendmail makes of it: three codes get the address of the command in front of the text."""

    mta_name = "sendmail"
    CLOSING = (421,)
    CLOSED_AT_CONNECT = "421 4.7.0 mx.a.test closing connection"

    @staticmethod
    def with_address(line, address):
        code, enhanced, text = line.split(" ", 2)
        return f"{code} {enhanced} <{address}>... {text}" if code in ("450", "550", "553") else line


class CodeTable:
    """The table, for one MTA; the class of words above is mixed in."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(policy(), settings="reply: {id: false}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("any.test",), users="*")

    def for_each_code(self, stage, check):
        """Calls check(code, line) for every code; a failure of one does not hide the others."""
        for code, enhanced, _ in CODES:
            with self.subTest(code=code, stage=stage):
                check(code, f"{code} {enhanced} {text_of(code, stage)}")

    def greeted(self, helo="client.far.example", source=None):
        client = SmtpClient(self.mta.host, self.mta.port, source=source)
        self.assertEqual(client.banner[-1][:3], "220")
        self.assertEqual(client.say(f"EHLO {helo}")[-1][:3], "250")
        return client

    def check_connect(self, code, line):
        """Sluice says it at MAIL, where both MTAs keep the text; `disconnect` at once, in the MTA's own words."""
        with SmtpClient(self.mta.host, self.mta.port, source=client_of(code)) as client:
            if code == 421:
                self.assertEqual(client.banner, [self.CLOSED_AT_CONNECT])
                self.assertTrue(client.is_closed())
                return
            self.assertEqual(client.banner[-1][:3], "220")
            self.assertEqual(client.say("EHLO client.far.example")[-1][:3], "250")
            self.check_lasting(client, code, line)

    def check_helo(self, code, line):
        """As at connect, but `disconnect` keeps its text."""
        with SmtpClient(self.mta.host, self.mta.port) as client:
            reply = client.say(f"EHLO c{code}.helo.example")
            if code == 421:
                self.assertEqual(reply, [line])
                self.assertTrue(client.is_closed())
                return
            self.assertEqual(reply[-1][:3], "250")
            self.check_lasting(client, code, line)

    def check_lasting(self, client, code, line):
        """A verdict of connect or helo meets every MAIL of the connection."""
        expected = [self.with_address(line, "ann@far.example")]
        self.assertEqual(client.say("MAIL FROM:<ann@far.example>"), expected)
        if code not in self.CLOSING:
            self.assertEqual(client.say("MAIL FROM:<ann@far.example>"), expected)

    def check_unknown_command(self, code, line):
        with self.greeted() as client:
            self.assertEqual(client.say(f"X{code}"), [line])
            self.check_goes_on(client, code, "NOOP")

    def check_mail(self, code, line):
        with self.greeted() as client:
            sender = f"m{code}@far.example"
            self.assertEqual(client.say(f"MAIL FROM:<{sender}>"), [self.with_address(line, sender)])
            self.check_goes_on(client, code, "MAIL FROM:<ann@far.example>")

    def check_rcpt(self, code, line):
        with self.greeted() as client:
            client.say("MAIL FROM:<ann@far.example>")
            self.assertEqual(client.say("RCPT TO:<bob@any.test>")[-1][:3], "250")
            recipient = f"r{code}@any.test"
            self.assertEqual(client.say(f"RCPT TO:<{recipient}>"), [self.with_address(line, recipient)])
            self.check_goes_on(client, code, "DATA", "354")

    def check_data(self, code, line):
        """Said at DATA by the wire engine, and the session goes on with another RCPT. Behind the dot on libmilter, which
        would never answer that RCPT; 421 is said at once."""
        with self.greeted() as client:
            client.say(f"MAIL FROM:<d{code}@far.example>")
            client.say("RCPT TO:<bob@any.test>")
            reply = client.say("DATA")
            if code != 421 and engine() == "libmilter":
                self.assertEqual(reply[-1][:3], "354")
                reply = client.content(message())
            self.assertEqual(reply, [line])
            if engine() == "wire":
                self.check_goes_on(client, code, "RCPT TO:<eve@any.test>")
            self.check_goes_on(client, code, "RSET")

    def check_content(self, code, line, letter):
        with self.greeted() as client:
            replies = client.send(f"{letter}{code}@far.example", ["bob@any.test"], message())
            self.assertEqual(replies[-1], [line])
            self.check_goes_on(client, code, "MAIL FROM:<ann@far.example>")

    def check_goes_on(self, client, code, command, expected="250"):
        """After a closing code the connection is at its end; after every other one it goes on with `command`."""
        if code in self.CLOSING:
            self.assertTrue(client.is_closed(), f"{code} must close the connection")
        else:
            self.assertEqual(client.say(command)[-1][:3], expected)

    def test_connect(self):
        self.for_each_code("connect", self.check_connect)

    def test_helo(self):
        self.for_each_code("helo", self.check_helo)

    def test_unknown_command(self):
        self.for_each_code("command", self.check_unknown_command)

    def test_mail(self):
        self.for_each_code("mail", self.check_mail)

    def test_rcpt(self):
        self.for_each_code("rcpt", self.check_rcpt)

    def test_data(self):
        self.for_each_code("data", self.check_data)

    def test_headers(self):
        self.for_each_code("headers", lambda code, line: self.check_content(code, line, "h"))

    def test_end(self):
        self.for_each_code("end", lambda code, line: self.check_content(code, line, "e"))

    def check_default_text(self, code, line):
        with self.greeted() as client:
            client.say("MAIL FROM:<ann@far.example>")
            recipient = f"default{code}@any.test"
            self.assertEqual(client.say(f"RCPT TO:<{recipient}>"), [self.with_address(line, recipient)])

    def test_default_text(self):
        for code, enhanced, text in CODES:
            with self.subTest(code=code):
                self.check_default_text(code, f"{code} {enhanced} {text}")

    def test_held_answer(self):
        with self.greeted("held.helo.example") as client:
            self.assertEqual(client.say("MAIL FROM:<ann@far.example>")[-1][:3], "250")
            for recipient in ("bob@any.test", "alice@any.test"):
                self.assertEqual(client.say(f"RCPT TO:<{recipient}>"),
                                 ["554 5.7.1 held until the recipient is known"])


class RegisteredCodes:
    """The same codes for a site that wants registered ones only."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(registered_policy(), settings="reply: {id: false}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("any.test",), users="*")

    def test_every_code(self):
        for code, enhanced, _ in CODES:
            with self.subTest(code=code), SmtpClient(self.mta.host, self.mta.port) as client:
                said, status = REGISTERED.get(code, (code, enhanced))
                client.say("EHLO client.far.example")
                client.say("MAIL FROM:<ann@far.example>")
                recipient = f"r{code}@any.test"
                self.assertEqual(client.say(f"RCPT TO:<{recipient}>"),
                                 [self.with_address(f"{said} {status} instead of {code}", recipient)])


class RegisteredThroughPostfix(PostfixWords, RegisteredCodes, case.ServerCase):
    pass


class RegisteredThroughSendmail(SendmailWords, RegisteredCodes, case.ServerCase):
    pass


class ThroughPostfix(PostfixWords, CodeTable, case.ServerCase):
    pass


class ThroughSendmail(SendmailWords, CodeTable, case.ServerCase):
    pass


if __name__ == "__main__":
    sys.exit(case.main())
