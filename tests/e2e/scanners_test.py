#!/usr/bin/env python3
"""Real scanners behind the shipped content policy, through both MTAs: refused, marked, and what happens when they hang."""

import base64
import io
import json
import os
import shutil
import sys
import threading
import time
import unittest
import zipfile

from rig import case, loopback, scanners
from rig.smtp_client import SmtpClient, message

POLICY = os.path.join(case.REPOSITORY, "policies", "content.yaml")
PATIENCE = 400  # for what has to happen, on a busy machine

_started = {}
_folder = loopback.make_folder("sluice-scanners-")


def scanner(kind):
    """The one scanner of that kind, started by the first test that needs it."""
    if kind not in _started:
        try:
            made = scanners.KINDS[kind](os.path.join(_folder, kind))
            _started[kind] = made
            made.start()
        except loopback.Unavailable as reason:
            _started[kind] = str(reason)
    if isinstance(_started[kind], str):
        raise unittest.SkipTest(_started[kind])
    return _started[kind]


def stop_scanners():
    for made in _started.values():
        if not isinstance(made, str):
            made.stop()
    shutil.rmtree(_folder, ignore_errors=True)


def attachment(name, content, kind="application/octet-stream"):
    """A message with one file."""
    encoded = base64.encodebytes(content).decode()
    return message("a file", headers=("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"'),
                   body=f'--b\nContent-Type: text/plain\n\nSee the file.\n--b\nContent-Type: {kind}; name="{name}"\n'
                        f'Content-Transfer-Encoding: base64\n\n{encoded}--b--\n')


def resident(pid):
    """The most memory that the process has had resident, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


class Scanned:
    """A service with `engine` and clamd, or one of them, behind an MTA."""

    spam = virus = None
    deadline = 100  # seconds, of the service under test: a busy machine scans slowly

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        parts = []
        if cls.spam:
            cls.scanner = scanner(cls.spam)
            parts.append(f'spam: {{engine: {cls.spam}, address: "{cls.scanner.address}", timeout: {cls.deadline}s}}')
        if cls.virus:
            cls.clamd = scanner("clamd")
            parts.append(f'virus: {{clamd: "{cls.clamd.address}", timeout: {cls.deadline}s}}')
        cls.sluice = cls.start_sluice(cls.policy(), settings=f"deadline: {cls.deadline}s\nreply: {{id: false}}\n"
                                      f"scanners: {{{', '.join(parts)}}}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("a.test",), users="*")

    @classmethod
    def policy(cls):
        return POLICY

    def send(self, text, recipient="bob@a.test"):
        with SmtpClient(self.mta.host, self.mta.port, timeout=PATIENCE) as client:
            client.say("EHLO mail.far.example")
            return client.send("ann@far.example", [recipient], text)[-1]

    def health(self, name):
        status = json.loads(self.sluice.command("status", "--json").stdout)
        return next(entry for entry in status["scanners"] if entry["name"] == name)


class WithoutVirusScanner(Scanned):
    # The shipped policy without the virus rule: this service has no virus scanner.
    @classmethod
    def policy(cls):
        with open(POLICY, encoding="utf-8") as file:
            text = file.read()
        start = text.index("  - rule: virus\n")
        return text[:start] + text[text.index("  - rule: banned-file\n"):text.index("tests:")]


class SpamScanned(WithoutVirusScanner):
    def test_gtube_is_refused_with_541(self):
        reply = self.send(message("gtube", body=scanners.GTUBE + "\n"))
        self.assertEqual(reply[-1][:9], "541 5.7.1", reply)
        self.assertIn("looks like spam", reply[-1])

    def test_a_normal_mail_passes_with_its_score_and_without_the_marks_it_came_with(self):
        text = message("normal", headers=("X-Spam-Score: -50", "X-Spam-Flag: NO", "X-Spam-Score: -60"))
        self.assertEqual(self.send(text, "carol@a.test")[-1][:3], "250")
        mail = self.await_mail(self.mta, "carol@a.test", seconds=PATIENCE)[0]
        head = mail[:mail.index("\n\n") + 1]
        self.assertEqual(head.count("X-Spam-Score:"), 1, head)
        self.assertRegex(head, r"\nX-Spam-Score: -?[0-9.]+\n")
        self.assertNotIn("X-Spam-Flag", head)
        self.assertNotIn("-50", head)

    def test_the_scanner_knows_what_the_mta_knows(self):
        self.assertEqual(self.send(message("known", body="Nothing special.\n"))[-1][:3], "250")
        self.assertGreater(self.health(self.spam)["scanned"], 0)


class SpamScannerHangs(WithoutVirusScanner):
    deadline = 6

    def test_a_scanner_that_hangs_in_mid_message_is_waited_for_until_the_deadline(self):
        self.scanner.freeze()
        try:
            start = time.monotonic()
            reply = self.send(message("frozen"))
            took = time.monotonic() - start
        finally:
            self.scanner.thaw()
        self.assertEqual(reply[-1][:9], "471 4.3.0", reply)
        self.assertLess(took, self.deadline + 30)

    def test_a_scanner_that_is_killed_in_mid_message_is_away(self):
        self.scanner.freeze()
        replies = []
        sender = threading.Thread(target=lambda: replies.append(self.send(message("killed"))))
        sender.start()
        asked = self.health(self.spam)["addresses"][0]["asked"]
        try:
            loopback.wait_until(lambda: self.health(self.spam)["connections"] > 0 or replies, PATIENCE, "a scan", 0.05)
            start = time.monotonic()
        finally:
            self.scanner.kill()
            sender.join(PATIENCE)
            took = time.monotonic() - start
            self.scanner.start()
        self.assertEqual(replies[0][-1][:9], "471 4.3.0", replies)
        self.assertLess(took, self.deadline + 30)
        self.assertGreaterEqual(self.health(self.spam)["addresses"][0]["asked"], asked)
        # It is back: at once, or after the pause of its breaker.
        loopback.wait_until(lambda: self.send(message("back"))[-1][:3] == "250", PATIENCE, "the scanner back", 0.5)


class SpamdBehindPostfix(SpamScanned, case.ServerCase):
    mta_name, spam = "postfix", "spamd"


class SpamdHangsBehindPostfix(SpamScannerHangs, case.ServerCase):
    mta_name, spam = "postfix", "spamd"


class SpamdBehindSendmail(SpamScanned, case.ServerCase):
    mta_name, spam = "sendmail", "spamd"


class SpamdHangsBehindSendmail(SpamScannerHangs, case.ServerCase):
    mta_name, spam = "sendmail", "spamd"


class RspamdBehindPostfix(SpamScanned, case.ServerCase):
    mta_name, spam = "postfix", "rspamd"


class RspamdHangsBehindPostfix(SpamScannerHangs, case.ServerCase):
    mta_name, spam = "postfix", "rspamd"


class RspamdBehindSendmail(SpamScanned, case.ServerCase):
    mta_name, spam = "sendmail", "rspamd"


class RspamdHangsBehindSendmail(SpamScannerHangs, case.ServerCase):
    mta_name, spam = "sendmail", "rspamd"


class WithClamd(Scanned):
    virus = "clamd"

    @classmethod
    def policy(cls):
        with open(POLICY, encoding="utf-8") as file:
            text = file.read()
        return ("sluice: 1\npolicy: viruses\nrules:\n"
                + text[text.index("  - rule: virus\n"):text.index("  - rule: banned-file\n")])

    @classmethod
    def start_mta(cls, name, milters, **options):
        if name == "postfix":
            options["settings"] = {"message_size_limit": "60000000"}
        return super().start_mta(name, milters, **options)

    def refused(self, text):
        reply = self.send(text)
        self.assertEqual(reply[-1][:9], "554 5.7.1", reply)
        self.assertIn("Test.Eicar", reply[-1])


class VirusScanned(WithClamd):
    def test_eicar_in_the_text(self):
        self.refused(message("eicar", body=scanners.EICAR + "\n"))

    def test_eicar_in_base64(self):
        self.refused(attachment("eicar.txt", scanners.EICAR.encode()))

    def test_eicar_in_a_zip(self):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner/eicar.txt", scanners.EICAR)
        self.refused(attachment("files.zip", packed.getvalue(), "application/zip"))

    def test_a_clean_mail_passes(self):
        self.assertEqual(self.send(message("clean"))[-1][:3], "250")


class VirusScannerHangs(WithClamd):
    deadline = 6

    def test_a_clamd_that_hangs_makes_mail_wait(self):
        self.clamd.freeze()
        try:
            start = time.monotonic()
            replies = [self.send(message("frozen")), self.send(attachment("big", os.urandom(1 << 20) * 3))]
            took = time.monotonic() - start
        finally:
            self.clamd.thaw()
        for reply in replies:
            self.assertEqual(reply[-1][:9], "451 4.7.1", reply)
        self.assertLess(took, 4 * self.deadline + 30)
        loopback.wait_until(lambda: self.send(message("back"))[-1][:3] == "250", PATIENCE, "clamd back", 0.5)


class LongMail(WithClamd):
    def test_a_mail_of_20_mb_streams_through_and_is_not_kept(self):
        self.assertEqual(self.send(attachment("small", b"x"))[-1][:3], "250")
        before = resident(self.sluice.pid)
        big = attachment("big", os.urandom(1 << 20) * 14)
        self.assertGreater(len(big), 18 << 20)
        self.assertEqual(self.send(big)[-1][:3], "250")
        self.refused(big.replace("See the file.", scanners.EICAR))
        grown = resident(self.sluice.pid) - before
        print(f"20 MB through {self.mta_name}: the service grew by {grown >> 10} kB", flush=True)
        if loopback.is_sanitized():
            self.skipTest("streamed and refused; what memory it takes means nothing under a sanitizer")
        self.assertLess(grown, 6 << 20)  # 1 MB of buffer, what is on its way, and the allocator's slack


class ClamdBehindPostfix(VirusScanned, case.ServerCase):
    mta_name = "postfix"


class ClamdHangsBehindPostfix(VirusScannerHangs, case.ServerCase):
    mta_name = "postfix"


class ClamdBehindSendmail(VirusScanned, case.ServerCase):
    mta_name = "sendmail"


class ClamdHangsBehindSendmail(VirusScannerHangs, case.ServerCase):
    mta_name = "sendmail"


class LongMailThroughPostfix(LongMail, case.ServerCase):
    mta_name = "postfix"


class LongMailThroughSendmail(LongMail, case.ServerCase):
    mta_name = "sendmail"


if __name__ == "__main__":
    code = 1
    try:
        code = case.main()
    finally:
        stop_scanners()
    sys.exit(code)
