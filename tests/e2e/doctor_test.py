#!/usr/bin/env python3
"""sluice doctor against private Postfix instances, sound ones and broken ones, and against lines of sendmail.cf."""

import json
import os
import sys

from rig import case, loopback
from rig.faulty_dns import FaultyDns
from rig.smtp_client import SmtpClient

POLICY = """\
sluice: 1
policy: doctor
rules:
  - rule: evil-domain
    stage: mail
    when: sender.domain == "evil.example"
    then: reject 550 5.7.1
"""
LOGINS = POLICY + """\
  - rule: logins
    stage: mail
    when: auth.user is set and auth.user == "nobody"
    then: reject 550 5.7.1
"""
SENDMAIL = """\
O InputMailFilters={filters}
Xsluice, S=local:{socket}{options}
"""


class Doctor(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(POLICY, settings="dns: {servers: [127.0.0.1]}")
        cls.good = cls.start_mta("postfix", [cls.sluice.spec], domains=("a.test",), users="*",
                                 settings={"smtpd_forbid_bare_newline": "yes", "non_smtpd_milters": "$smtpd_milters"})

    def doctor(self, *words, etc=None, sluice=None):
        """Exit code and the findings as "weight about: what", without folders, which change."""
        done = (sluice or self.sluice).command("doctor", "--json", "--postfix", etc or self.good._etc, *words)
        findings = json.loads(done.stdout)
        return done.returncode, [f"{f['weight']} {f['about']}: {f['what']}".replace(self.folder, "DIR") for f in findings], findings

    def broken(self, name, **settings):
        """A configuration of its own that nobody runs: the good one with these lines."""
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        for file in ("main.cf", "master.cf"):
            with open(os.path.join(self.good._etc, file), encoding="utf-8") as source:
                text = source.read()
            if file == "master.cf":
                text = text.replace(f"{self.good.host}:{self.good.port} inet n - n - - smtpd",
                                    settings.pop("master", f"{self.good.host}:{self.good.port} inet n - n - - smtpd"))
            else:
                text += "".join(f"{key} = {value}\n" for key, value in settings.items() if key != "master")
            with open(os.path.join(folder, file), "w", encoding="utf-8") as target:
                target.write(text)
        return folder

    def weights(self, findings, *weights):
        return [line for line in findings if line.split()[0] in weights]

    def test_a_sound_one_has_nothing_bad_and_a_message_proves_it(self):
        with SmtpClient(self.good.host, self.good.port) as client:
            client.say("EHLO client.far.example")
        code, lines, _ = self.doctor("--mta", f"{self.good.host}:{self.good.port}", "--send", "--to", "bob@a.test")
        self.assertEqual(self.weights(lines, "bad", "warn"), [])
        self.assertEqual(code, 0)
        self.assertIn(f"ok attached: smtpd at {self.good.host}:{self.good.port} asks unix:DIR/sluice/run/milter.sock", lines)
        self.assertIn("ok socket: postfix reaches DIR/sluice/run/milter.sock", lines)
        self.assertTrue(any(line.startswith("ok mail: the message from sluice-doctor-") and "was seen by the filter and passed" in line
                            for line in lines), lines)
        self.assertEqual(len(self.await_mail(self.good, "bob@a.test")), 1)

    def test_the_text_has_each_finding_with_its_cure(self):
        etc = self.broken("text", smtpd_milters="", smtpd_forbid_bare_newline="no")
        done = self.sluice.command("doctor", "--postfix", etc)
        self.assertEqual(done.returncode, 65)
        place = f"{self.good.host}:{self.good.port}"
        self.assertIn(f"BAD   attached     smtpd at {place} does not ask the filter (smtpd_milters = )\n"
                      f"                   cure: postconf -e 'smtpd_milters = unix:{self.sluice.socket}'\n", done.stdout)
        self.assertIn("warn  newlines     smtpd_forbid_bare_newline = no: SMTP smuggling brings mail past every filter (CVE-2023-51764)\n",
                      done.stdout)
        self.assertRegex(done.stdout, r"(?m)^\d+ checks: 1 bad, \d+ to look at$")

    def test_each_broken_configuration_is_found(self):
        place = f"{self.good.host}:{self.good.port}"
        cases = {
            "timeout": ({"milter_command_timeout": "5s"},
                        "bad timeouts: milter_command_timeout is 5s, not longer than the filter's deadline of 8s: slow answers are lost"),
            "per-milter": ({"smtpd_milters": "{ " + self.sluice.spec + ", command_timeout = 2s }"},
                           "bad timeouts: milter_command_timeout is 2s, not longer than the filter's deadline of 8s: slow answers are lost"),
            "accept": ({"milter_default_action": "accept"},
                       "note fallback: milter_default_action = accept: mail passes unfiltered while the filter is away"),
            "reject": ({"milter_default_action": "reject"},
                       "warn fallback: milter_default_action = reject: mail is hurt while the filter is away"),
            "protocol": ({"milter_protocol": "2"}, "bad protocol: milter_protocol = 2: steps and macros are missing"),
            "other": ({"smtpd_milters": "inet:127.0.0.1:1"},
                      f"bad attached: smtpd at {place} does not ask the filter (smtpd_milters = inet:127.0.0.1:1)"),
            "chroot": ({"master": f"{place} inet n - y - - smtpd"},
                       f"bad chroot: smtpd at {place} runs in DIR/postfix/queue and looks for DIR/sluice/run/milter.sock there"),
            "override": ({"master": f"{place} inet n - n - - smtpd\n  -o smtpd_milters="},
                         f"bad attached: smtpd at {place} does not ask the filter (smtpd_milters = )"),
            "no-milters": ({"master": f"{place} inet n - n - - smtpd\n  -o receive_override_options=no_milters"},
                           f"warn attached: smtpd at {place} has receive_override_options = no_milters"),
        }
        for name, (settings, wanted) in cases.items():
            with self.subTest(name):
                code, lines, findings = self.doctor(etc=self.broken(name, **settings))
                self.assertIn(wanted, lines)
                self.assertEqual(code, 65 if wanted.startswith("bad") else 0)
                for finding in findings:
                    if finding["weight"] in ("bad", "warn"):
                        self.assertTrue(finding["cure"], finding)

    def test_a_socket_that_postfix_may_not_write_is_found(self):
        os.chmod(self.sluice.socket, 0o600)
        try:
            _, lines, _ = self.doctor()
        finally:
            os.chmod(self.sluice.socket, 0o660)
        self.assertIn("bad socket: DIR/sluice/run/milter.sock (mode 600) cannot be written by user postfix", lines)

    def test_facts_that_the_mta_can_never_give_are_told(self):
        sluice = self.start_sluice(LOGINS, name="logins", settings="dns: {servers: [127.0.0.1]}")
        code, lines, _ = self.doctor(sluice=sluice, etc=self.broken("logins-etc", smtpd_milters=sluice.spec))
        self.assertIn("warn facts: the policy asks auth.*, but no smtpd has smtpd_sasl_auth_enable: it is never there", lines)
        self.assertEqual(code, 0)

    def test_a_public_resolver_is_told(self):
        sluice = self.start_sluice(POLICY, name="public", settings="dns: {servers: [9.9.9.9]}")
        _, lines, _ = self.doctor(sluice=sluice, etc=self.broken("public-etc", smtpd_milters=sluice.spec))
        self.assertIn("note dns: 9.9.9.9 is a public resolver: it would not do for DNS lists", lines)

    def test_a_resolver_that_gives_no_answer_or_an_error_is_told_with_the_cure(self):
        dns = FaultyDns("127.0.0.1:1").start()
        self.addCleanup(dns.stop)
        asks = POLICY + "  - rule: no-mx\n    stage: mail\n    when: sender.null_mx\n    then: reject 550 5.1.8\n"
        for name, policy, bad in (("asks", asks, "bad"), ("asks-not", POLICY, "note")):
            sluice = self.start_sluice(policy, name=name, settings=f"dns: {{servers: ['{dns.address}']}}")
            etc = self.broken(name + "-etc", smtpd_milters=sluice.spec)
            for fault, weight, what in (("drop", bad, "gave no answer"), ("servfail", bad, "answers with an error"),
                                        ("nxdomain", "ok", "answers"), ("answer 192.0.2.7", "ok", "answers")):
                with self.subTest(policy=name, fault=fault):
                    dns.fault(".", fault)
                    code, _, findings = self.doctor(sluice=sluice, etc=etc)
                    found, = (f for f in findings if f["about"] == "dns")
                    self.assertEqual(found["weight"], weight, found)
                    self.assertTrue(found["what"].startswith(f"resolver {dns.address} {what}"), found)
                    self.assertEqual(bool(found["cure"]), weight != "ok", found)
                    self.assertEqual(code, 65 if weight == "bad" else 0)

    def test_a_service_that_is_down_and_an_mta_that_is_not_there(self):
        sluice = self.start_sluice(POLICY, name="down", settings="dns: {servers: [127.0.0.1]}")
        sluice.stop()
        code, lines, _ = self.doctor("--mta", f"127.0.0.1:{loopback.free_port()}", "--send", sluice=sluice, etc=os.path.join(self.folder, "none"))
        self.assertEqual(code, 65)
        self.assertTrue(any(line.startswith("bad service: no service answers at") for line in lines), lines)
        self.assertTrue(any(line.startswith("bad mail: no MTA takes mail at") for line in lines), lines)

    def test_a_socket_that_systemd_holds_is_known_by_its_place(self):
        sluice = case.Sluice(os.path.join(self.folder, "held"), POLICY, "dns: {servers: [127.0.0.1]}")
        self._servers.append(sluice)
        sluice.start_on_inherited_socket()
        loopback.wait_until(lambda: sluice.command("status").returncode == 0, loopback.PATIENCE, "the service")
        _, lines, _ = self.doctor(sluice=sluice, etc=self.broken("held-etc", smtpd_milters="unix:" + sluice.socket))
        self.assertEqual(self.weights(lines, "bad"), [])
        self.assertIn(f"ok attached: smtpd at {self.good.host}:{self.good.port} asks unix:DIR/held/run/milter.sock", lines)
        self.assertIn(f"(unix:{sluice.socket})", sluice.command("status").stdout)
        self.assertIn(f"smtpd_milters = unix:{sluice.socket}\n", sluice.log())

    def sendmail(self, name, filters="sluice", options=", F=T, T=C:30s;S:30s;R:30s;E:5m", socket=None):
        path = os.path.join(self.folder, name + ".cf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SENDMAIL.format(filters=filters, options=options, socket=socket or self.sluice.socket))
        return self.doctor("--sendmail", path, etc=os.path.join(self.folder, "none"))

    def test_lines_of_sendmail_cf(self):
        code, lines, _ = self.sendmail("good")
        self.assertEqual(self.weights(lines, "bad"), [])
        self.assertIn("ok attached: sendmail.cf names the filter: sluice at local:DIR/sluice/run/milter.sock", lines)
        self.assertEqual(code, 0)
        code, lines, _ = self.sendmail("short", options=", F=T, T=C:5s;S:5s;R:5s;E:5m")
        self.assertIn("bad timeouts: the time for reading an answer (T=R) is 5s, not longer than the filter's deadline of 8s", lines)
        self.assertEqual(code, 65)
        code, lines, _ = self.sendmail("unused", filters="")
        self.assertIn("bad attached: filter sluice is defined, but not in InputMailFilters", lines)
        code, lines, _ = self.sendmail("elsewhere", socket="/nowhere.sock")
        self.assertIn("bad attached: sendmail.cf names no filter at a socket of the service", lines)
        code, lines, _ = self.sendmail("open", options="")
        self.assertIn("note fallback: no F=: mail passes unfiltered while the filter is away", lines)


class DoctorOfSendmail(case.ServerCase):
    """A real Sendmail, with the sendmail.cf that m4 made of its sendmail.mc."""

    mta_name = "sendmail"

    def attached(self, name, port=None, **options):
        sluice = self.start_sluice(POLICY, name=name, settings="dns: {servers: [127.0.0.1]}", port=port)
        return sluice, self.start_mta("sendmail", [sluice.spec], folder=name + "-mta", domains=("a.test",), users="*", **options)

    def doctor(self, sluice, mta, *words):
        done = sluice.command("doctor", "--json", "--postfix", os.path.join(self.folder, "none"), "--sendmail",
                              os.path.join(mta._etc, "sendmail.cf"), "--mta", f"{mta.host}:{mta.port}", *words)
        return done.returncode, [f"{f['weight']} {f['about']}: {f['what']}".replace(self.folder, "DIR") for f in json.loads(done.stdout)]

    def test_a_sound_one_has_nothing_bad_and_a_message_proves_it(self):
        for name, port in (("unix", None), ("inet", loopback.free_port())):
            with self.subTest(name):
                sluice, mta = self.attached(name, port)
                code, lines = self.doctor(sluice, mta, "--send", "--to", "bob@a.test")
                self.assertEqual([line for line in lines if line.startswith("bad")], [])
                self.assertEqual(code, 0)
                self.assertTrue(any(line.startswith("ok attached: sendmail.cf names the filter: ") for line in lines), lines)
                self.assertTrue(any(line.startswith("ok mail: the message from sluice-doctor-") and "was seen by the filter and passed" in line
                                    for line in lines), lines)
                self.assertEqual(len(self.await_mail(mta, "bob@a.test")), 1)

    def test_short_timeouts_and_a_filter_that_may_be_missed_are_found(self):
        sluice, mta = self.attached("short", timeouts="C:5s;S:5s;R:5s;E:5s", failure="")
        code, lines = self.doctor(sluice, mta)
        self.assertEqual(code, 65)
        self.assertIn("bad timeouts: the time for the end of the message (T=E) is 5s, not longer than the filter's deadline of 8s", lines)
        self.assertIn("note fallback: no F=: mail passes unfiltered while the filter is away", lines)

    def test_a_message_that_passes_by_the_filter_is_found(self):
        sluice, mta = self.attached("past")
        other = self.start_sluice(POLICY, name="other", settings="dns: {servers: [127.0.0.1]}")
        code, lines = self.doctor(other, mta, "--send", "--to", "bob@a.test")
        self.assertEqual(code, 65)
        self.assertIn("bad attached: sendmail.cf names no filter at a socket of the service", lines)
        self.assertTrue(any(line.startswith("bad mail: the MTA took the message") and "the filter never saw it" in line for line in lines), lines)
        self.assertTrue(sluice.is_running())


if __name__ == "__main__":
    sys.exit(case.main())
