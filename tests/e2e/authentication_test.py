#!/usr/bin/env python3
"""Mail that a real opendkim has signed is verified, DMARC refuses what is forged, and the delivered message says so."""

import re
import sys

from rig import case, loopback
from rig.opendkim import OpenDkim
from rig.postfix import Postfix
from rig.smtp_client import SmtpClient, message

POLICY = """\
sluice: 1
policy: authentication
rules:
  - rule: dmarc
    stage: end
    when: dmarc.result == fail and dmarc.policy == reject
    then: reject 550 5.7.1
    text: "{from.domain} asks to refuse this message"
  - rule: tell
    stage: end
    when: msg.size > 0B
    then: header X-Facts = "dkim={dkim.result} domains={dkim.domains} dmarc={dmarc.result}"
"""

RECORDS = {
    "_dmarc.far.example TXT": "v=DMARC1; p=reject; adkim=s",
    "_dmarc.soft.example TXT": "v=DMARC1; p=none",
    "soft.example TXT": "v=spf1 ip4:127.0.0.2 -all",
    "far.example TXT": "v=spf1 -all",
}

REFUSED = ("550 5.7.1 far.example asks to refuse this message",)

SIGNED = message("signed", headers=["X-Odd:no blank behind the colon", "X-Folded: one,\n\ttwo,  \n   three"],
                 body="Hello,\n\n\tblanks  and \t tabs \t\n.a dot\n\nThe end.\n\n\n")


def results(mail):
    """The Authentication-Results fields of a delivered message, unfolded, from the top."""
    header = re.sub(r"\n[ \t]+", " ", mail.split("\n\n", 1)[0])
    return [line.split(": ", 1)[1] for line in header.split("\n") if line.startswith("Authentication-Results:")]


class Authentication:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.signers = [
                OpenDkim(f"{cls.folder}/simple", "far.example", "s1", "rsa-sha256", "simple/simple"),
                OpenDkim(f"{cls.folder}/relaxed", "far.example", "s2", "ed25519-sha256", "relaxed/relaxed",
                         "SignHeaders From,To,Subject,Date,Message-ID,X-Folded,X-Odd\n")]
            cls.origin = Postfix(f"{cls.folder}/origin", [signer.spec for signer in cls.signers],
                                 domains=("far.test",), users="*")
        except loopback.Unavailable as reason:
            raise case.unittest.SkipTest(str(reason))
        records = dict(RECORDS)
        for server in (*cls.signers, cls.origin):
            cls._servers.append(server)
            server.start()
        for signer in cls.signers:
            records.update(signer.records)
        names = cls.start_name_server(records)
        cls.sluice = cls.start_sluice(POLICY, settings=f"reply: {{id: false}}\nauthserv_id: mx.a.test\n"
                                                       f"dns: {{servers: [\"{names.address}\"]}}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("a.test",), users="*",
                                **({"hostname": "mx.a.test"} if cls.mta_name == "postfix" else {}))
        cls.signed = cls.sign(SIGNED)

    @classmethod
    def sign(cls, text):
        """The message as it comes out of an MTA that signs."""
        with SmtpClient(cls.origin.host, cls.origin.port) as client:
            client.say("EHLO desk.far.example")
            client.send("ann@far.example", ["bob@far.test"], text)
        mails = loopback.wait_until(lambda: cls.origin.mailbox("bob@far.test"), loopback.PATIENCE, "the signed message")
        assert mails[-1].count("DKIM-Signature:") == 2, mails[-1]
        # what the delivery has put on top
        return re.sub(r"\A(?:(?:Return-Path|X-Original-To|Delivered-To):.*\n)+", "", mails[-1])

    def send(self, text, sender="ann@far.example", source="127.0.0.2", recipient="bob@a.test"):
        with SmtpClient(self.mta.host, self.mta.port, source=source) as client:
            client.say("EHLO mail.far.example")
            return client.send(sender, [recipient], text)[-1][-1]

    def delivered(self, text, **options):
        """The message as it was delivered; it is found by its subject."""
        subject = re.search(r"^Subject: (.*)$", text, re.M).group(1)
        self.assertEqual(self.send(text, **options)[:3], "250")
        look = lambda: [mail for mail in self.mta.mailbox("bob@a.test") if f"\nSubject: {subject}\n" in mail]
        return loopback.wait_until(look, loopback.PATIENCE, f"a message with subject {subject}")[-1]

    def test_what_opendkim_has_signed_passes_in_both_forms(self):
        mail = self.delivered(self.signed)
        self.assertIn("\nX-Facts: dkim=pass domains=far.example dmarc=pass\n", mail)
        self.assertEqual(len(results(mail)), 1)
        told = results(mail)[0]
        self.assertTrue(told.startswith("mx.a.test; spf=fail smtp.mailfrom=ann@far.example; dkim=pass "), told)
        self.assertEqual(told.count("dkim=pass header.d=far.example"), 2)
        self.assertIn("header.s=s2 header.a=ed25519-sha256", told)
        self.assertTrue(told.endswith("dmarc=pass (p=reject) header.from=far.example"), told)

    def test_what_was_changed_on_the_way_is_refused(self):
        for damaged in (self.signed.replace("The end.", "The End."), self.signed.replace("blanks  and", "blanksand"),
                        self.signed.replace("Subject: signed", "Subject: signing"),
                        self.signed.replace("\nTo: bob", "\nTo: bobby")):
            self.assertNotEqual(damaged, self.signed)
            self.assertIn(self.send(damaged), REFUSED)

    def test_a_white_space_change_breaks_the_simple_form_alone(self):
        changed = self.signed.replace("Subject: signed", "Subject:  signed").replace("blanks  and", "blanks and")
        self.assertEqual(self.send(changed)[:3], "250")
        mails = loopback.wait_until(
            lambda: [m for m in self.mta.mailbox("bob@a.test") if "blanks and" in m], loopback.PATIENCE, "the changed message")
        self.assertIn("dkim=fail (body hash did not verify) header.d=far.example header.s=s1", results(mails[-1])[0])
        self.assertIn("dkim=pass header.d=far.example header.s=s2", results(mails[-1])[0])

    def test_forged_mail_is_refused(self):
        self.assertIn(self.send(message("forged")), REFUSED)

    def test_spf_makes_a_dmarc_pass(self):
        mail = self.delivered(message("by spf", sender="x@soft.example"), sender="x@soft.example")
        self.assertIn("dmarc=pass (p=none) header.from=soft.example", results(mail)[0])
        mail = self.delivered(message("not by spf", sender="x@soft.example"), sender="x@soft.example", source="127.0.0.3")
        self.assertIn("spf=fail", results(mail)[0])
        self.assertIn("dmarc=fail (p=none) header.from=soft.example", results(mail)[0])

    def test_forged_results_in_our_name_are_taken_out_and_others_stay(self):
        ours, others = "mx.a.test; dkim=pass header.d=bank.example", "other.example; dkim=fail"
        forged = [ours, others, "MX.A.TEST 1;\n\tspf=pass", ours, "third.example; none", f"(a) \"mx.a.test\"; dmarc=pass"]
        mail = self.delivered(message("forged results", sender="x@none.example",
                                      headers=[f"Authentication-Results: {value}" for value in forged]))
        found = results(mail)
        self.assertEqual(found[1:], [others, "third.example; none"])
        self.assertTrue(found[0].startswith("mx.a.test; spf=fail"), found)
        self.assertNotIn("bank.example", mail)

    def test_what_the_message_says_stays_a_value(self):
        mail = self.delivered(message("spoof", sender="x@none.example"), sender='"x; dkim=pass (a"@none.example')
        self.assertIn(r'smtp.mailfrom="\"x; dkim=pass (a\"@none.example"; dkim=none;', results(mail)[0])
        self.assertIn("dmarc=none header.from=none.example", results(mail)[0])

    def test_several_from_fields_are_no_pass(self):
        mail = self.delivered(message("two authors", sender="x@soft.example, y@far.example"), sender="x@soft.example")
        self.assertIn("dmarc=permerror", results(mail)[0])


class ThroughPostfix(Authentication, case.ServerCase):
    mta_name = "postfix"


class ThroughSendmail(Authentication, case.ServerCase):
    mta_name = "sendmail"


if __name__ == "__main__":
    sys.exit(case.main())
