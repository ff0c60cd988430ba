#!/usr/bin/env python3
"""The service under the system call filter of its unit: a call that the filter does not let through kills it.

Everything that the service does in a day is done once here: sessions through Postfix, every command that talks to it,
reload, the admin port, DNS that does not answer, a restart.
"""

import os
import pwd
import shutil
import subprocess
import sys
import unittest
import urllib.request

from rig import case, loopback
from rig import sluice as rig_sluice
from rig.crowd import Crowd
from rig.smtp_client import SmtpClient, message
from history_test import POLICY

SANDBOX = os.path.join(case.REPOSITORY, "tests", "systemd", "sandbox.py")
UNIT = os.path.join(case.REPOSITORY, "systemd", "sluice.service")
sys.path.append(os.path.dirname(SANDBOX))
import sandbox  # noqa: E402

USER = "nobody"
MORE = """\
  - greylist: first-contact
    stage: rcpt
    when: rcpt.localpart == "grey" and sender.address is set
    key: [sender.address, rcpt.address]
    delay: 1h
    then: defer 450 4.7.1
  - rule: by-dns
    stage: rcpt
    when: rcpt.localpart == "dns" and sender.resolves
    then: reject 550 5.7.1
  - rule: content
    stage: end
    when: subject.text contains "buy" or body.text contains "buy"
    then: reject 541 5.7.1
"""


class SandboxedSluice(rig_sluice.Sluice):
    """Started through the launcher, as a user that is not root; signals and pid are the service's own."""

    def hand_over(self, user):
        entry = pwd.getpwnam(user)
        for name in ("", "run", "state"):
            os.chown(os.path.join(self.folder, name), entry.pw_uid, -1)
        return self

    def _spawn(self):
        with open(self._log, "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-B", SANDBOX, UNIT, USER, rig_sluice.binary(), "run", "-c", self.configuration],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                # A sanitizer that looks for leaks asks for calls that the filter does not let through.
                env={**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})


class Sandbox(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            sandbox.libseccomp()
            sandbox.allowed(UNIT)
        except (sandbox.Unavailable, FileNotFoundError) as reason:
            raise unittest.SkipTest(str(reason))
        if os.geteuid() != 0:
            raise unittest.SkipTest("another user than this one needs root")
        cls.port = loopback.free_port()
        settings = f'admin: {{listen: "inet:127.0.0.1:{cls.port}"}}\ndns: {{servers: ["127.0.0.1:{loopback.free_port()}"], timeout: 200ms}}'
        cls.sluice = SandboxedSluice(os.path.join(cls.folder, "sluice"), POLICY + MORE, settings)
        cls.sluice.hand_over(USER)
        cls._servers.append(cls.sluice)
        cls.sluice.start()
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], domains=("a.test",), users="*")

    def tearDown(self):
        self.assertTrue(self.sluice.is_running(), f"ended with {self.sluice._process.returncode}: {loopback.tail(self.sluice._log, 5)}")

    def say(self, recipient="bob@a.test", content="hello"):
        with SmtpClient(self.mta.host, self.mta.port) as client:
            client.say("EHLO client.far.example")
            client.say("MAIL FROM:<ann@far.example>")
            answer = client.say(f"RCPT TO:<{recipient}>")[-1]
            if answer.startswith("250") and client.say("DATA")[-1].startswith("354"):
                answer = client.content(message(content))[-1]
            return answer

    def test_the_filter_is_on(self):
        with open(f"/proc/{self.sluice.pid}/status", encoding="utf-8") as file:
            self.assertIn("Seccomp:\t2", file.read())

    def test_a_call_outside_the_filter_kills(self):
        done = subprocess.run([sys.executable, "-B", SANDBOX, UNIT, USER, shutil.which("python3", path="/usr/bin"), "-c", "import os; os.chown('/', 0, 0)"],
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, -31, done.stderr)  # SIGSYS

    def test_sessions_of_every_kind(self):
        self.assertTrue(self.say().startswith("250"))
        self.assertTrue(self.say("grey@a.test").startswith("450"))
        self.assertFalse(self.say("dns@a.test").startswith("5"))
        self.assertTrue(self.say(content="buy now").startswith("541"))
        with Crowd(self.mta, clients=6) as crowd:
            loopback.wait_until(lambda: crowd.sessions > 40, 3 * loopback.PATIENCE, "forty sessions")

    def test_every_command_that_talks_to_it(self):
        self.say("grey@a.test")
        for words in (("status",), ("reload",), ("shadow",), ("history", "--all"), ("top",), ("why", "ann@far.example"),
                      ("limits", "show"), ("limits", "top"), ("limits", "grant", "per-sender", "5"), ("limits", "reset", "nobody"),
                      ("greylist", "show"), ("greylist", "forget", "nobody"), ("list", "show"),
                      ("privacy", "find", "joe@far.example"), ("privacy", "erase", "joe@far.example")):
            with self.subTest(" ".join(words)):
                done = self.sluice.command(*words)
                self.assertIn(done.returncode, (0, 66), done.stderr)
                self.assertTrue(self.sluice.is_running())

    def test_the_admin_port(self):
        for path in ("metrics", "healthz", "readyz", "", "page.js", "api/status", "api/history", "api/series?what=rule", "api/near"):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=90) as answer:
                self.assertEqual(answer.status, 200)

    def test_signals_and_a_restart(self):
        self.sluice.hang_up()
        loopback.wait_until(lambda: "reloaded" in self.sluice.log(), loopback.PATIENCE, "the reload")
        self.assertEqual(self.sluice.stop(), 0)
        self.sluice.start()
        self.assertTrue(self.say().startswith("250"))


if __name__ == "__main__":
    sys.exit(case.main())
