#!/usr/bin/env python3
"""Reload, stop, crash and restart of Sluice under a working Postfix: no mail is lost, none slips through."""

import os
import sys
import threading
import time

from rig import case, loopback
from rig.smtp_client import ConnectionClosed, SmtpClient, message

POLICY = """\
sluice: 1
policy: lifecycle
rules:
  - rule: generation
    stage: rcpt
    when: rcpt.localpart == "which"
    then: reject 550 5.7.1
    text: "{text}"
  - greylist: first-contact
    stage: rcpt
    when: rcpt.localpart == "grey" and sender.address is set
    key: [sender.address, rcpt.address]
    delay: 2s
    then: defer 450 4.7.1
"""
BROKEN = POLICY.format(text="broken") + "  - rule: nonsense\n    stage: rcpt\n    when: sender.domian == \"x\"\n    then: reject 550 5.7.1\n"


class Lifecycle(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(POLICY.format(text="generation 0"), settings="reply: {id: false}")
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], domains=("a.test",), users="*")

    def setUp(self):
        if not self.sluice.is_running():
            self.sluice.start()
        self.sluice.write_policy(POLICY.format(text="generation 0"))
        self.assertEqual(self.sluice.command("reload").returncode, 0)

    def greeted(self):
        client = SmtpClient(self.mta.host, self.mta.port)
        client.say("EHLO mail.far.example")
        return client

    def generation(self, client):
        client.say("RSET")
        client.say("MAIL FROM:<ann@far.example>")
        return client.say("RCPT TO:<which@a.test>")[-1]

    def count_mail(self):
        return len(self.mta.mailbox("bob@a.test"))

    # ---- reload -----------------------------------------------------------------------------
    def test_a_session_keeps_the_policy_it_began_with(self):
        with self.greeted() as old:
            self.assertEqual(self.generation(old), "550 5.7.1 generation 0")
            self.sluice.write_policy(POLICY.format(text="generation 1"))
            self.assertEqual(self.sluice.command("reload").returncode, 0)
            with self.greeted() as new:
                self.assertEqual(self.generation(new), "550 5.7.1 generation 1")
            self.assertEqual(self.generation(old), "550 5.7.1 generation 0")

    def test_a_broken_policy_changes_nothing_and_is_told_with_its_place(self):
        self.sluice.write_policy(BROKEN)
        result = self.sluice.command("reload")
        self.assertEqual(result.returncode, 78, result.stdout + result.stderr)
        place = f"policy.yaml:{BROKEN[:BROKEN.index('sender.domian')].count(chr(10)) + 1}:11"
        self.assertIn(place, result.stdout + result.stderr)
        with self.greeted() as client:
            self.assertEqual(self.generation(client), "550 5.7.1 generation 0")
        self.sluice.hang_up()  # the same by signal: the place stands in the log
        loopback.wait_until(lambda: place in self.sluice.log(), loopback.PATIENCE, "the mistake in the log")
        with self.greeted() as client:
            self.assertEqual(self.generation(client), "550 5.7.1 generation 0")
        self.assertTrue(self.sluice.is_running())

    def test_hang_ups_under_load_lose_no_session(self):
        before, sent, failures = self.count_mail(), [], []
        stop = threading.Event()

        def load(number):
            while not stop.is_set():
                try:
                    with self.greeted() as client:
                        replies = client.send(f"u{number}@far.example", ["bob@a.test"], message())
                        (sent if replies[-1][-1].startswith("250") else failures).append(replies[-1])
                except (OSError, ConnectionClosed) as error:
                    failures.append(repr(error))

        clients = [threading.Thread(target=load, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        generation = 0
        least, most = time.monotonic() + 4, time.monotonic() + loopback.PATIENCE
        while time.monotonic() < least or (len(sent) <= 20 and not failures and time.monotonic() < most):
            generation += 1
            self.sluice.write_policy(BROKEN if generation % 5 == 0 else POLICY.format(text=f"generation {generation}"))
            self.sluice.hang_up()
            time.sleep(0.05)
        stop.set()
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        self.assertGreater(len(sent), 20)
        self.sluice.write_policy(POLICY.format(text="the last"))
        self.sluice.hang_up()
        loopback.wait_until(self.shows("550 5.7.1 the last"), loopback.PATIENCE, "the last policy in force")
        self.await_mail(self.mta, "bob@a.test", before + len(sent))
        self.assertEqual(self.count_mail(), before + len(sent))

    def shows(self, line):
        def look():
            with self.greeted() as client:
                return self.generation(client) == line
        return look

    # ---- the end ----------------------------------------------------------------------------
    def test_terminate_lets_open_sessions_finish(self):
        before = self.count_mail()
        with self.greeted() as client:
            client.say("MAIL FROM:<ann@far.example>")
            self.assertEqual(client.say("RCPT TO:<bob@a.test>")[-1][:3], "250")
            self.sluice.terminate()
            time.sleep(0.5)
            self.assertTrue(self.sluice.is_running(), "a session is open: it has to be waited for")
            self.assertEqual(client.say("DATA")[-1][:3], "354")
            self.assertEqual(client.content(message())[-1][:3], "250")
            client.say("QUIT")
        self.assertEqual(self.sluice.wait(loopback.PATIENCE), 0)
        self.await_mail(self.mta, "bob@a.test", before + 1)
        with self.greeted() as client:  # nobody answers Postfix now: its default action
            self.assertEqual(client.say("MAIL FROM:<ann@far.example>")[-1][:3], "451")

    # ---- sockets and state ------------------------------------------------------------------
    def test_a_start_over_the_socket_of_a_killed_one(self):
        self.sluice.kill()
        self.assertTrue(os.path.exists(self.sluice.socket))
        self.sluice.start()
        with self.greeted() as client:
            self.assertEqual(self.generation(client), "550 5.7.1 generation 0")

    def test_the_greylist_remembers_over_a_restart(self):
        sender = f"ann{time.monotonic_ns()}@far.example"
        with self.greeted() as client:
            self.assertEqual(client.send(sender, ["grey@a.test"], message())[-1][-1][:3], "450")
        self.sluice.await_saved()
        self.sluice.kill()
        time.sleep(2)
        self.sluice.start()
        with self.greeted() as client:
            self.assertEqual(client.send(sender, ["grey@a.test"], message())[-1][-1][:3], "250")


class Killed:
    """kill -9 in the middle of a session, for one MTA."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sluice = cls.start_sluice(POLICY.format(text="generation 0"), settings="reply: {id: false}")
        cls.mta = cls.start_mta(cls.mta_name, [cls.sluice.spec], domains=("a.test",), users="*")

    def greeted(self):
        client = SmtpClient(self.mta.host, self.mta.port)
        client.say("EHLO mail.far.example")
        return client

    def count_mail(self):
        return len(self.mta.mailbox("bob@a.test"))

    def test_kill_in_a_session_is_the_default_action_and_loses_nothing(self):
        for stage in ("mail", "rcpt", "data"):
            with self.subTest(killed_after=stage):
                if not self.sluice.is_running():
                    self.sluice.start()
                before = self.count_mail()
                with self.greeted() as client:
                    client.say("MAIL FROM:<ann@far.example>")
                    if stage != "mail":
                        client.say("RCPT TO:<bob@a.test>")
                    if stage == "data":
                        self.assertEqual(client.say("DATA")[-1][:3], "354")
                    self.sluice.kill()
                    if stage == "mail":
                        reply = client.say("RCPT TO:<bob@a.test>")
                    elif stage == "rcpt":
                        reply = client.say("DATA")
                        if reply[-1].startswith("354"):  # Sluice did not ask for the DATA step
                            reply = client.content(message())
                    else:
                        reply = client.content(message())
                    self.assertEqual(reply[-1][:3], "451", "the MTA must answer for the missing filter")
                self.sluice.start()
                with self.greeted() as client:  # the sender comes back
                    self.assertEqual(client.send("ann@far.example", ["bob@a.test"], message())[-1][-1][:3], "250")
                self.await_mail(self.mta, "bob@a.test", before + 1)
                self.assertEqual(self.count_mail(), before + 1)

    def test_without_it_every_message_waits(self):
        if self.sluice.is_running():
            self.sluice.kill()
        with self.greeted() as client:
            self.assertEqual(client.say("MAIL FROM:<ann@far.example>"), [self.AWAY])


class KilledUnderPostfix(Killed, case.ServerCase):
    mta_name = "postfix"
    AWAY = "451 4.7.1 Service unavailable - try again later"


class KilledUnderSendmail(Killed, case.ServerCase):
    mta_name = "sendmail"
    AWAY = "451 4.3.2 Please try again later"


class OverTcp:
    def test_a_tcp_socket_on_loopback(self):
        sluice = self.start_sluice(POLICY.format(text="over TCP"), settings="reply: {id: false}", port=loopback.free_port())
        mta = self.start_mta(self.mta_name, [sluice.spec], domains=("a.test",), users="*")
        with SmtpClient(mta.host, mta.port) as client:
            client.say("EHLO mail.far.example")
            client.say("MAIL FROM:<ann@far.example>")
            self.assertEqual(client.say("RCPT TO:<which@a.test>")[-1][-8:], "over TCP")
            client.say("RSET")
            self.assertEqual(client.send("ann@far.example", ["bob@a.test"], message())[-1][-1][:3], "250")


class OverTcpToPostfix(OverTcp, case.ServerCase):
    mta_name = "postfix"


class OverTcpToSendmail(OverTcp, case.ServerCase):
    mta_name = "sendmail"


class InheritedSocket(case.ServerCase):
    def test_a_socket_that_was_there_before(self):
        sluice = case.Sluice(os.path.join(self.folder, "sluice"), POLICY.format(text="by descriptor 3"),
                             "reply: {id: false}")
        type(self)._servers.append(sluice)
        sluice.start_on_inherited_socket()
        mta = self.start_mta("postfix", [sluice.spec], domains=("a.test",), users="*")
        for _ in range(2):  # and it is still there for the next process
            with SmtpClient(mta.host, mta.port) as client:
                client.say("EHLO mail.far.example")
                client.say("MAIL FROM:<ann@far.example>")
                self.assertEqual(client.say("RCPT TO:<which@a.test>"), ["550 5.7.1 by descriptor 3"])
            self.assertEqual(sluice.stop(), 0)
            self.assertTrue(os.path.exists(sluice.socket), "the socket is not ours to remove")
            sluice.start_on_inherited_socket()


if __name__ == "__main__":
    sys.exit(case.main())
