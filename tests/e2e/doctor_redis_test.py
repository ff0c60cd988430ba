#!/usr/bin/env python3
"""sluice doctor against private Redis servers: sound ones, and ones that are not."""

import json
import os
import re
import socket
import sys
import unittest

from rig import case, loopback, redis
from rig.sluice import Sluice

POLICY = """\
sluice: 1
policy: doctor
rules:
  - limit: everybody
    stage: rcpt
    key: rcpt.address
    count: recipients
    max: 1000/1h
    then: defer 450 4.7.28
"""
GOOD = ["ok AT: maxmemory-policy volatile-ttl", "ok AT: the user sluice may do what it needs"]


class Doctor(case.ServerCase):
    count, said = 0, ()

    def start(self, kind, name, *words):
        try:
            setup = kind(os.path.join(self.folder, name), *words)
        except loopback.Unavailable as reason:
            raise unittest.SkipTest(str(reason))
        self._servers.append(setup)
        return setup.start()

    def single(self, name, settings=()):
        return self.start(redis.Single, name, settings)

    def findings(self, servers, user=redis.USER, password=redis.PASSWORD):
        """What is said of Redis, as "weight what", the only server as AT; `servers` as in the configuration."""
        Doctor.count += 1
        folder = os.path.join(self.folder, f"asked{Doctor.count}")
        os.makedirs(folder)
        with open(os.open(f"{folder}/pepper", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))
        login = f", username: {user}, password_file: {redis.password_file(folder, password)}" if user else ""
        sluice = Sluice(f"{folder}/sluice", POLICY,
                        f"store: redis\npepper_file: {folder}/pepper\nredis: {{{servers}{login}}}\ndns: {{servers: [127.0.0.1]}}")
        done = sluice.command("doctor", "--json", "--postfix", f"{folder}/none", "--sendmail", f"{folder}/none")
        self.said = [finding for finding in json.loads(done.stdout) if finding["about"] == "redis"]
        for finding in self.said:
            self.assertEqual(bool(finding.get("cure")), finding["weight"] != "ok", finding)
        at = re.search(r"127\.0\.0\.1:\d+", servers)
        return [f"{f['weight']} {f['what']}".replace(at.group(0) if at else "nowhere", "AT") for f in self.said]


class OfOneServer(Doctor):
    def test_the_shipped_configuration_and_user_are_sound(self):
        server = self.single("sound")
        self.assertEqual(self.findings(server.settings), GOOD)
        self.assertEqual(server.master.ask("DBSIZE"), 0)

    def test_memory(self):
        server = self.single("memory")
        server.master.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.assertIn("bad AT: maxmemory-policy allkeys-lru: a flood of forged senders throws live limits away",
                      self.findings(server.settings))
        server.master.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.assertIn("ok AT: maxmemory-policy noeviction", self.findings(server.settings))
        used = int(re.search(r"used_memory:(\d+)", server.master.ask("INFO", "memory")).group(1))
        server.master.ask("CONFIG", "SET", "maxmemory", used + used // 25)
        self.assertTrue(any(re.match(r"warn AT: \d+ % of maxmemory are used", line) for line in self.findings(server.settings)))
        server.master.ask("CONFIG", "SET", "maxmemory", "0")
        self.assertIn("note AT: no maxmemory: a flood of forged senders may take all of the host's",
                      self.findings(server.settings))

    def test_disk(self):
        server = self.single("disk", ["appendonly no"])
        self.assertIn("warn AT: appendonly no: a restart forgets what came since the last snapshot, greylist passes too",
                      self.findings(server.settings))

    def test_each_right_that_is_missing_is_named(self):
        server = self.single("rights")
        with open(f"{case.REPOSITORY}/config/redis-users.acl", encoding="utf-8") as file:
            rights = re.findall(r"\+(\S+)", file.read())
        self.assertGreater(len(rights), 20)
        for right in rights:
            if right in ("asking", "cluster|slots", "ping"):  # of a Cluster; without ping nothing else is asked
                continue
            with self.subTest(right):
                server.master.ask("ACL", "SETUSER", redis.USER, f"-{right}")
                said = self.findings(server.settings)
                server.master.ask("ACL", "SETUSER", redis.USER, f"+{right}")
                self.assertIn(f"bad AT: the user sluice may not: {right}", said)
                self.assertEqual([f["cure"] for f in self.said if f["weight"] == "bad"],
                                 [f"ACL SETUSER sluice +{right}, then ACL SAVE"])
        server.master.ask("ACL", "SETUSER", redis.USER, "-hset", "-zadd")
        self.assertIn("bad AT: the user sluice may not: hset zadd", self.findings(server.settings))
        server.master.ask("ACL", "SETUSER", redis.USER, "+hset", "+zadd", "resetkeys", "~other:*")
        self.assertIn("bad AT: the user sluice may not: ~sl:*", self.findings(server.settings))

    def test_rights_that_nobody_needs_are_named(self):
        server = self.single("wide")
        server.master.ask("ACL", "SETUSER", redis.USER, "~*")
        self.assertIn("note AT: the user sluice may read keys that are not Sluice's", self.findings(server.settings))
        server.master.ask("ACL", "SETUSER", redis.USER, "+@all")
        wide = "note AT: the user {} may read keys that are not Sluice's and change the server's settings"
        self.assertIn(wide.format("sluice"), self.findings(server.settings))
        self.assertIn(wide.format("default"), self.findings(server.settings, user=None))

    def test_a_wrong_password_and_a_server_that_is_not_there(self):
        server = self.single("password")
        said = self.findings(server.settings, password="a wrong one")
        self.assertEqual(len(said), 1, said)
        self.assertTrue(said[0].startswith("bad AT: the user or password is wrong: "), said)
        self.assertIn("WRONGPASS", said[0])
        server.stop()
        self.assertEqual(self.findings(server.settings), ["bad AT: does not answer: Connection refused"])

    def test_a_frozen_server_is_told_in_time(self):
        server = self.single("frozen")
        server.master.freeze()
        self.assertEqual(self.findings(server.settings), ["bad AT: does not answer: no answer in time"])

    def test_a_replica_is_told(self):
        master = self.single("of")
        replica = self.single("replica", [f"replicaof 127.0.0.1 {master.master.port}"])
        said = self.findings(replica.settings)
        self.assertIn(f"warn AT: is a replica of 127.0.0.1:{master.master.port}: not used until it is a master", said)

    def test_a_server_that_other_hosts_reach_lets_nobody_in_unasked(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))
                address = probe.getsockname()[0]
            except OSError:
                address = "127.0.0.1"
        if address.startswith("127."):
            self.skipTest("this host has no address but the loopback")
        server = self.single("open", [f"bind 127.0.0.1 {address}", "protected-mode no"])
        at = f"{address}:{server.master.port}"
        said = self.findings(f'servers: ["{at}"]', user=None)
        self.assertIn(f"bad {at}: lets everybody in without a password", said)
        self.assertIn(f"warn {at}: the user default may read keys that are not Sluice's and change the server's settings", said)
        self.assertNotIn(f"bad {at}: lets everybody in without a password", self.findings(server.settings))

    def test_a_name_that_nobody_knows(self):
        said = self.findings('servers: ["redis.invalid:6379"]')
        self.assertEqual(len(said), 1, said)
        self.assertTrue(said[0].startswith("bad redis.invalid:6379: "), said)


class OfSeveral(Doctor):
    def test_a_cluster(self):
        cluster = self.start(redis.Clustered, "cluster")
        said = self.findings(cluster.settings)
        ok = [re.sub(r"127\.0\.0\.1:\d+|\bAT\b", "AT", line) for line in said]
        self.assertEqual(ok, GOOD * 3)
        self.assertIn("bad AT: belongs to a Cluster", self.findings(f'servers: ["{cluster.servers[0].at}"]'))
        cluster.servers[0].ask("CLUSTER", "DELSLOTS", 7)
        self.assertIn("bad AT: 1 slots have no server", self.findings(f'cluster: ["{cluster.servers[0].at}"]'))
        for right in ("asking", "cluster|slots"):
            cluster.servers[0].ask("ACL", "SETUSER", redis.USER, f"-{right}")
            self.assertIn(f"bad AT: the user sluice may not: {right}", self.findings(f'cluster: ["{cluster.servers[0].at}"]'))
            cluster.servers[0].ask("ACL", "SETUSER", redis.USER, f"+{right}")

    def test_a_server_of_its_own_is_no_cluster(self):
        server = self.single("alone")
        self.assertIn("bad AT: is no node of a Cluster", self.findings(f'cluster: ["{server.master.at}"]'))

    def test_sentinels(self):
        watched = self.start(redis.Watched, "watched")
        master = watched.master()
        self.assertEqual([line.replace(master.at, "AT") for line in self.findings(watched.settings)], GOOD)
        said = self.findings(watched.settings.replace("master: mail", "master: post"))
        self.assertIn("bad Sentinel AT: watches no master called post", said)
        self.assertIn("bad no Sentinel names the master post", said)
        master.ask("CONFIG", "SET", "min-replicas-to-write", "0")
        said = self.findings(watched.settings)
        self.assertIn(f"warn {master.at}: min-replicas-to-write 0: a master that was replaced goes on accepting calls, which are lost",
                      said)
        watched.sentinels[0].kill()
        self.assertIn("warn Sentinel AT: does not answer: Connection refused", self.findings(watched.settings))


if __name__ == "__main__":
    sys.exit(case.main())
