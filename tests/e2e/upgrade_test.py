#!/usr/bin/env python3
"""A restart behind an inherited socket: nobody is refused, nobody is cut off, nobody sees two policies."""

import sys
import threading
import time

import upgrade
from lifecycle_test import POLICY
from rig import case, loopback
from rig.milter_client import MilterClient


class Restart(case.ServerCase):
    def setUp(self):
        self.sluice = case.Sluice(f"{self.folder}/{len(self._servers)}", POLICY.format(text="here"), "reply: {id: false}")
        self._servers.append(self.sluice)
        self.sluice.start_on_inherited_socket()
        self.client().close()

    def client(self, before=None):
        return MilterClient(self.sluice.socket, helo=None, before=before)

    def terminate(self):
        """Asks it to end, and waits until it takes nobody any more."""
        told = self.sluice.log().count("stopping: ")
        self.sluice.terminate()
        loopback.wait_until(lambda: self.sluice.log().count("stopping: ") > told, loopback.PATIENCE, "the beginning of the end")

    def refused(self, client):
        client.helo("client.far.example")
        client.say(b"M", b"<ann@far.example>\0")
        said = client.say(b"R", b"<which@a.test>\0")
        client.close()
        return said

    def test_who_has_connected_an_instant_before_the_end_is_served(self):
        served = 0
        while served < 3:
            said, in_time = [], []

            def late():
                self.sluice.terminate()
                in_time.append(time.monotonic() + 0.2)  # 300 ms without a word are given; this thread may be stopped too

            def connect():
                try:
                    client = self.client(late)
                except OSError as error:
                    said.append(repr(error) if time.monotonic() < in_time[0] else "too late")
                else:
                    said.append(self.refused(client))
            connecting = threading.Thread(target=connect)
            connecting.start()
            self.assertEqual(self.sluice.wait(loopback.PATIENCE), 0)
            self.sluice.start_on_inherited_socket()  # who was in the queue still is served by the next one
            connecting.join()
            self.assertIn(said[0], ("550 5.7.1 here", "too late"))
            served += said[0] != "too late"
            self.client().close()

    def test_who_is_slow_with_the_first_word_is_served_while_others_are(self):
        other, said = self.client(), []
        connected, ending = threading.Semaphore(0), threading.Event()

        def pause(seconds):
            connected.release()
            ending.wait(loopback.PATIENCE)
            time.sleep(seconds)
        slow = [threading.Thread(target=lambda s=silent: said.append(self.refused(self.client(lambda: pause(s)))))
                for silent in (0.3, 0.6, 0.9, 1.2)]
        for thread in slow:
            thread.start()
        for _ in slow:
            self.assertTrue(connected.acquire(timeout=loopback.PATIENCE))
        self.terminate()
        ending.set()
        for thread in slow:
            thread.join()
        self.assertEqual(said, ["550 5.7.1 here"] * 4)
        self.assertTrue(self.sluice.is_running(), "a session is open")
        self.assertEqual(self.refused(other), "550 5.7.1 here")
        self.assertEqual(self.sluice.wait(loopback.PATIENCE), 0)

    def test_who_connects_while_nobody_is_there_waits(self):
        self.assertEqual(self.sluice.stop(), 0)
        said = []
        waiting = threading.Thread(target=lambda: said.append(self.refused(self.client())))
        waiting.start()
        time.sleep(0.3)
        self.assertEqual(said, [])
        self.sluice.start_on_inherited_socket()
        waiting.join()
        self.assertEqual(said, ["550 5.7.1 here"])

    def test_the_next_process_may_have_another_policy_and_open_sessions_do_not_see_it(self):
        old = self.client()
        old.helo("client.far.example")
        self.sluice.write_policy(POLICY.format(text="there"))
        self.terminate()
        said = []
        new = threading.Thread(target=lambda: said.append(self.refused(self.client())))
        new.start()
        self.assertEqual(self.refused(old), "550 5.7.1 here")
        self.assertEqual(self.sluice.wait(loopback.PATIENCE), 0)
        self.sluice.start_on_inherited_socket()
        new.join()
        self.assertEqual(said, ["550 5.7.1 there"])


class UnderLoad(case.ServerCase):
    def test_restarts_and_reloads_refuse_nobody(self):
        self.assertTrue(upgrade.prove(5, 20))


if __name__ == "__main__":
    sys.exit(case.main())
