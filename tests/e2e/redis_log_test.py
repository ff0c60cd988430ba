#!/usr/bin/env python3
"""What the log of the service says when Redis goes away, fails over and comes back."""

import os
import re
import sys
import unittest

from rig import case, loopback, redis

POLICY = """\
sluice: 1
policy: log
rules:
  - limit: everybody
    stage: rcpt
    key: rcpt.address
    count: recipients
    max: 1000/1h
    then: defer 450 4.7.28
"""


class Log(case.ServerCase):
    def start(self, kind, name):
        """The servers, and a service that uses them."""
        try:
            setup = kind(f"{self.folder}/{name}.redis")
        except loopback.Unavailable as reason:
            raise unittest.SkipTest(str(reason))
        self._servers.append(setup)
        setup.start()
        with open(os.open(f"{self.folder}/{name}.pepper", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))
        return setup, self.start_sluice(
            POLICY, name, f"store: redis\npepper_file: {self.folder}/{name}.pepper\nredis: {{{setup.settings}, "
                          f"username: {redis.USER}, password_file: {redis.password_file(self.folder)}}}")

    def await_line(self, sluice, pattern):
        try:
            loopback.wait_until(lambda: re.search(pattern, sluice.log(), re.M), loopback.PATIENCE, pattern)
        except loopback.RigError as error:
            self.fail(f"{error}:\n{sluice.log()}")

    def test_a_server_goes_and_comes_back(self):
        server, sluice = self.start(redis.Single, "single")
        at = re.escape(server.master.at)
        self.await_line(sluice, rf"redis: {at} takes calls as master$")
        server.master.kill()
        self.await_line(sluice, rf"redis: {at} takes no calls: ")
        self.await_line(sluice, r"the state store does not answer as it should")
        server.master.start()
        self.await_line(sluice, rf"redis: {at} takes calls again")
        self.await_line(sluice, r"the state store answers again")

    def test_a_password_that_is_revoked_is_told_and_not_all_the_time(self):
        server, sluice = self.start(redis.Single, "password")
        self.await_line(sluice, r"takes calls as master$")
        server.master.ask("ACL", "SETUSER", redis.USER, "resetpass", ">another one")
        for link in server.master.ask("CLIENT", "LIST").splitlines():
            if f"user={redis.USER}" in link:
                server.master.ask("CLIENT", "KILL", "ID", link.split()[0].removeprefix("id="))
        self.await_line(sluice, r"takes no calls: .*WRONGPASS")
        redis.password_file(self.folder, "another one")
        self.await_line(sluice, r"the state store answers again")
        self.assertLessEqual(len(re.findall(r"WRONGPASS", sluice.log())), 4, sluice.log())
        self.assertNotIn("another one", sluice.log())

    def test_another_master_behind_sentinels(self):
        watched, sluice = self.start(redis.Watched, "sentinels")
        old = watched.master()
        self.await_line(sluice, rf"redis: master of mail is {re.escape(old.at)}$")
        old.kill()
        self.await_line(sluice, rf"redis: {re.escape(old.at)} takes no calls: ")
        self.await_line(sluice, rf"redis: master of mail is 127\.0\.0\.1:\d+, no longer {re.escape(old.at)}$")
        self.await_line(sluice, r"the state store answers again")


if __name__ == "__main__":
    sys.exit(case.main())
