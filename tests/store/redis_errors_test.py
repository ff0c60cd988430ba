"""Every error of Redis that a real server can be brought to give, and what the client makes of it."""

import os
import sys
import threading
import unittest

from probe import Probe, loopback, redis
from rig import case

KEY = "sl:{a}:x"


class RedisCase(case.ServerCase):
    @classmethod
    def serve(cls, kind, name, **options):
        try:
            setup = kind(f"{cls.folder}/{name}", **options)
        except loopback.Unavailable as reason:
            raise unittest.SkipTest(str(reason))
        cls._servers.append(setup)
        return setup.start()

    @classmethod
    def probe(cls, setup, **options):
        # Patient: a late machine is no failure of the client.
        probe = Probe(setup, cls.folder, **{"timeout": 2000, **options})
        cls._servers.append(probe)
        if options.get("password", redis.PASSWORD) == redis.PASSWORD:
            probe.answers_again("sl:{warm}:x")
        return probe


class OneServer(RedisCase):
    def setUp(self):
        self.server = self.serve(redis.Single, self.id(), settings=["enable-protected-configs yes", "key-load-delay 200"])
        self.master = self.server.master
        self.client = self.probe(self.server)

    def tearDown(self):
        self.client.stop()
        self.server.stop()
        del self._servers[-2:]

    def test_noscript_is_followed_by_the_script_itself(self):
        before = self.client.health()["scripts_sent"]
        self.master.ask("SCRIPT", "FLUSH")
        self.assertEqual(self.client.call("count", KEY), "answered 1")
        self.assertEqual(self.client.call("count", KEY), "answered 2")
        self.assertEqual(self.client.health()["scripts_sent"] - before, 1)

    def test_wrong_type_is_the_answer_of_the_script(self):
        self.master.ask("SADD", KEY, "x")
        self.assertRegex(self.client.call("count", KEY), "^answered error WRONGTYPE")

    def test_out_of_memory_is_not_done_and_reads_go_on(self):
        self.client.call("count", KEY)
        self.master.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.master.ask("CONFIG", "SET", "maxmemory", "100kb")
        self.assertRegex(self.client.call("fill", "sl:{b}:x"), "^not-done .*OOM command not allowed")
        self.assertEqual(self.client.call("read", KEY), "answered 1")
        self.master.ask("CONFIG", "SET", "maxmemory", "0")
        self.assertEqual(self.client.call("fill", "sl:{b}:x"), "answered OK")
        self.assertEqual(self.client.health()["nodes"][0]["breaker"], "closed")

    def test_rights_that_are_missing_are_not_done_then_left_alone(self):
        self.assertRegex(self.client.call("count", "other:x"), "^not-done .*NOPERM|No permissions|can't")
        # The administrator has to act: no call reaches the server for some seconds.
        self.assertRegex(self.client.call("count", KEY), "^not-done ")
        loopback.wait_until(lambda: any("takes no calls: NOPERM" in line for line in self.client.log), loopback.PATIENCE, "a line in the log")
        self.client.answers_again(KEY)

    def test_a_command_that_the_script_may_not_use_is_not_done(self):
        self.assertRegex(self.client.call("list", KEY), "^not-done .*can't run this command")
        self.assertRegex(self.client.call("flush", KEY), "^not-done ")

    def test_a_revoked_password_is_not_done_until_the_file_has_the_new_one(self):
        self.master.ask("ACL", "SETUSER", "sluice", "resetpass", ">another one")
        for link in self.master.ask("CLIENT", "LIST").splitlines():
            if "user=sluice" in link:
                self.master.ask("CLIENT", "KILL", "ID", link.split()[0].removeprefix("id="))
        loopback.wait_until(lambda: "WRONGPASS" in self.client.call("count", KEY), loopback.PATIENCE, "a refused password")
        self.assertNotIn(redis.PASSWORD, str(self.client.health()) + str(self.client.log))
        redis.password_file(self.folder, "another one")
        self.client.answers_again(KEY)

    def test_a_deleted_user_is_not_done(self):
        self.master.ask("ACL", "DELUSER", "sluice")
        loopback.wait_until(lambda: "WRONGPASS" in self.client.call("count", KEY), loopback.PATIENCE, "a refused user")

    def test_a_busy_server_is_unknown_then_not_done_then_answers(self):
        self.master.ask("CONFIG", "SET", "busy-reply-threshold", "50")
        quick = self.probe(self.server, timeout=100)
        holding = threading.Thread(target=self._hold, args=(3,))
        holding.start()
        loopback.wait_until(lambda: "BUSY" in quick.call("count", KEY), loopback.PATIENCE, "BUSY")
        holding.join()
        quick.answers_again(KEY)
        quick.stop()
        self._servers.remove(quick)

    def _hold(self, seconds):
        redis.ask(self.master.port, "EVAL", "local e = redis.call('TIME')[1] + ARGV[1] "
                  "repeat until redis.call('TIME')[1] + 0 > e + 0 return 1", 0, seconds, seconds=30)

    def test_no_room_for_another_client_is_not_done(self):
        self.master.ask("CONFIG", "SET", "maxclients", "1")
        second = self.probe(self.server, password="?")
        loopback.wait_until(lambda: "max number of clients" in second.call("count", KEY), loopback.PATIENCE, "no room")
        second.stop()
        self._servers.remove(second)

    def test_a_server_that_loads_its_data_is_not_done_until_it_has(self):
        # 200 us for each of these: six seconds of loading.
        self.master.ask("EVAL", "for i = 1, 30000 do redis.call('SET', 'k' .. i, 'x') end", 0)
        loopback.wait_until(lambda: "aof_buffer_length:0\r" in self.master.ask("INFO", "persistence"), loopback.PATIENCE, "the file")
        self.master.kill()
        self.master.spawn()
        loopback.wait_until(lambda: "LOADING" in self.client.call("count", KEY), loopback.PATIENCE, "LOADING")
        self.client.answers_again(KEY)

    def test_a_replica_is_not_written_to(self):
        other = self.serve(redis.Single, self.id() + ".master")
        self.master.ask("REPLICAOF", "127.0.0.1", other.master.port)
        self.assertRegex(self.client.call("count", KEY), "^not-done .*(READONLY|replica)")
        self.assertEqual(self.client.health()["nodes"][0]["role"], "replica")
        self.master.ask("REPLICAOF", "NO", "ONE")
        self.client.answers_again(KEY)
        self._servers.remove(other)
        other.stop()

    def test_a_master_without_its_replicas_is_not_done(self):
        self.master.ask("CONFIG", "SET", "min-replicas-to-write", "1")
        self.assertRegex(self.client.call("count", KEY), "^not-done .*NOREPLICAS")
        self.master.ask("CONFIG", "SET", "min-replicas-to-write", "0")
        self.assertRegex(self.client.call("count", KEY), "^answered")

    def test_a_disk_that_does_not_take_writes_is_not_done(self):
        self.master.ask("CONFIG", "SET", "appendonly", "no")
        self.master.ask("CONFIG", "SET", "save", "1000 1000")
        os.mkdir(f"{self.master.folder}/a-folder")
        self.master.ask("CONFIG", "SET", "dbfilename", "a-folder")
        self.master.ask("SET", "sl:{a}:dirty", "1")
        self.master.ask("BGSAVE")
        loopback.wait_until(lambda: "rdb_last_bgsave_status:err" in self.master.ask("INFO", "persistence"), loopback.PATIENCE, "a failed save")
        self.assertRegex(self.client.call("count", KEY), "^not-done .*MISCONF")

    def test_a_server_that_goes_and_comes_back_is_used_again(self):
        self.master.kill()
        loopback.wait_until(lambda: self.client.call("count", KEY).startswith("not-done"), loopback.PATIENCE, "not done")
        self.master.start()
        self.client.answers_again(KEY)
        self.assertGreaterEqual(self.client.health()["reconnects"], 1)


class ACluster(RedisCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = cls.serve(redis.Clustered, "cluster")
        cls.client = cls.probe(cls.cluster)

    def test_a_slot_that_moves_is_followed_all_the_way(self):
        key, other = "sl:{moving}:1", "sl:{moving}:2"
        self.assertEqual(self.client.call("count", key), "answered 1")
        before = self.client.health()
        source, target = self.cluster.begin_move(key)
        # One key is here still, one would be there already: ASK for the new, TRYAGAIN for both.
        self.assertEqual(self.client.call("count", other), "answered 1")
        self.assertEqual(self.client.call("count", key), "answered 2")
        self.assertRegex(self.client.call("two", key, other), "^not-done .*TRYAGAIN")
        self.cluster.finish_move(key, source, target)
        self.assertEqual(self.client.call("count", key), "answered 3")
        self.assertEqual(self.client.call("two", key, other), "answered ")
        after = self.client.health()
        self.assertGreater(after["asked"], before["asked"])
        self.assertEqual(after["tried_again"] - before["tried_again"], 4)
        self.assertGreaterEqual(after["moved"], before["moved"])

    def test_keys_of_two_slots_in_one_call_are_refused_and_reported(self):
        self.assertRegex(self.client.call("two", "sl:{a}:1", "sl:{b}:1"), "^not-done .*CROSSSLOT")
        loopback.wait_until(lambda: any("please report" in line for line in self.client.log), loopback.PATIENCE, "a line in the log")

    def test_a_slot_that_nobody_serves_is_not_done(self):
        key = "sl:{unserved}:1"
        owner, slot = self.cluster.owner(key), self.cluster.slot(key)
        for server in self.cluster.servers:
            if server.role() == "master":
                server.ask("CLUSTER", "DELSLOTS", slot)
        self.assertRegex(self.client.call("count", key), "^not-done ")
        self.assertRegex(self.client.call("count", "sl:{served}:1"), "^answered")
        owner.ask("CLUSTER", "ADDSLOTS", slot)
        self.client.answers_again(key)

    def test_a_server_of_a_cluster_named_as_a_single_one_is_said(self):
        class Wrong:
            kind, addresses = "servers", self.cluster.servers[0].at
        wrong = Probe(Wrong, self.folder, 2000)
        whys = {wrong.call("count", f"sl:{{{i}}}:x") for i in range(30)}
        self.assertTrue(any("redis.cluster names its nodes" in why for why in whys), whys)
        wrong.stop()

    def test_a_single_server_named_as_a_cluster_is_said(self):
        single = self.serve(redis.Single, "not-a-cluster")

        class Wrong:
            kind, addresses = "cluster", single.addresses
        wrong = Probe(Wrong, self.folder, 2000)
        loopback.wait_until(lambda: "cluster support disabled" in wrong.call("count", KEY), loopback.PATIENCE, "the reason")
        wrong.stop()


class Sentinels(RedisCase):
    def test_a_master_of_another_name_is_unknown_to_them(self):
        watched = self.serve(redis.Watched, "watched")

        class Wrong:
            kind, addresses = "sentinels=web", watched.addresses
        wrong = Probe(Wrong, self.folder, 2000)
        loopback.wait_until(lambda: "does not watch a master of this name" in wrong.call("count", KEY), loopback.PATIENCE, "the reason")
        wrong.stop()

    def test_a_failover_that_no_sentinel_made_is_followed_at_once(self):
        watched = self.serve(redis.Watched, "watched2", down_after=30000)
        client = self.probe(watched)
        old, new = watched.data[0], watched.data[1]
        for sentinel in watched.sentinels:
            sentinel.freeze()  # whatever is known now comes from the servers themselves
        old.ask("FAILOVER", "TO", "127.0.0.1", new.port)
        loopback.wait_until(lambda: new.role() == "master", loopback.PATIENCE, "the new master")
        client.answers_again(KEY)
        nodes = {node["at"]: node["role"] for node in client.health()["nodes"]}
        self.assertEqual(nodes.get(new.at), "master")


if __name__ == "__main__":
    sys.exit(case.main())
