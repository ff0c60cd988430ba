"""Redis for tests: one server, a master behind Sentinels, a Cluster; on free loopback ports, with the
configuration and the user that we ship, ended by their own ids."""

import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time

from . import loopback

REPOSITORY = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
USER, PASSWORD = "sluice", "correct horse battery staple"


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class RedisError(Exception):
    """An error reply."""


def ask(port, *words, seconds=60):
    """One command; the reply as str, int, list or None. RedisError, or OSError when nobody answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as link:
        parts = [str(word).encode() for word in words]
        link.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return _read(link.makefile("rb"))


def _read(stream):
    line = stream.readline().rstrip(b"\r\n")
    if not line:
        raise OSError("closed")
    kind, rest = line[:1], line[1:].decode()
    if kind == b"-":
        raise RedisError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode("utf-8", "replace")
    if kind == b"*":
        return [_read(stream) for _ in range(int(rest))] if rest != "-1" else None
    return rest


class Redis:
    """One redis-server. `settings` are lines of redis.conf, behind the shipped ones."""

    def __init__(self, folder, settings=(), sentinel=False, port=None):
        if shutil.which("redis-server") is None:
            raise loopback.Unavailable("redis-server is not installed")
        self.folder = os.path.abspath(folder)
        self.port = port or loopback.free_port(and_above=[10_000])  # where its Cluster bus is
        self.at = f"127.0.0.1:{self.port}"
        self._sentinel = sentinel
        self._process = None
        os.makedirs(self.folder, exist_ok=True)
        self._configuration = os.path.join(self.folder, "redis.conf")
        lines = [f"port {self.port}", "bind 127.0.0.1", f'dir "{self.folder}"', "daemonize no",
                 f'logfile "{self.folder}/log"']
        if not sentinel:
            # As shipped, but for the disk: a slow one would hold the server up for as long as others take for dead.
            settings = ["appendfsync no", *settings]
            lines += [f"include {REPOSITORY}/config/redis.conf", f"aclfile {self._users()}"]
        with open(self._configuration, "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, *settings]) + "\n")

    def _users(self):
        """The shipped rights, with a password."""
        path = os.path.join(self.folder, "users")
        with open(os.path.join(REPOSITORY, "config", "redis-users.acl"), encoding="utf-8") as shipped:
            text = shipped.read().replace("#" + "0" * 64, "#" + hashlib.sha256(PASSWORD.encode()).hexdigest())
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def spawn(self):
        """Without waiting until it answers. It ends with the thread that calls this."""
        words = ["redis-server", self._configuration] + (["--sentinel"] if self._sentinel else [])
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)

    def start(self):
        self.spawn()
        loopback.wait_until(self._answers, loopback.PATIENCE, lambda: f"redis-server: {loopback.tail(self.folder + '/log')}")
        return self

    def _answers(self):
        if self._process.poll() is not None:
            raise loopback.RigError(f"redis-server ended: {loopback.tail(self.folder + '/log')}")
        try:
            return ask(self.port, "PING", seconds=10) == "PONG"
        except (OSError, RedisError):
            return False

    def ask(self, *words):
        return ask(self.port, *words)

    def role(self):
        try:
            return ask(self.port, "ROLE", seconds=2)[0]
        except (OSError, RedisError):
            return "away"

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def stop(self):
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.kill()


class _Several:
    servers = ()

    def stop(self):
        for server in self.servers:
            server.stop()


class Single(_Several):
    def __init__(self, folder, settings=()):
        self.master = Redis(folder, settings)
        self.servers = [self.master]
        self.kind, self.addresses = "servers", self.master.at
        self.settings = f'servers: ["{self.master.at}"]'

    def start(self):
        self.master.start()
        return self


class Watched(_Several):
    """A master, two replicas and three Sentinels that call it `mail`."""

    def __init__(self, folder, down_after=2000):
        guard = ["min-replicas-to-write 1", "min-replicas-max-lag 2", "repl-diskless-sync yes",
                 "repl-diskless-sync-delay 0"]
        first = Redis(f"{folder}/r0", guard)
        self.data = [first] + [Redis(f"{folder}/r{i}", [*guard, f"replicaof 127.0.0.1 {first.port}"]) for i in (1, 2)]
        with open(os.path.join(REPOSITORY, "config", "redis-sentinel.conf"), encoding="utf-8") as shipped:
            watch = shipped.read().replace("192.0.2.1 6379", f"127.0.0.1 {first.port}")
        watch = watch.replace("down-after-milliseconds mail 2000", f"down-after-milliseconds mail {down_after}")
        self.sentinels = [Redis(f"{folder}/s{i}", [watch], sentinel=True) for i in range(3)]
        self.servers = [*self.data, *self.sentinels]
        self.kind, self.addresses = "sentinels=mail", ",".join(s.at for s in self.sentinels)
        self.settings = f'sentinels: [{", ".join(chr(34) + s.at + chr(34) for s in self.sentinels)}], master: mail'

    def start(self):
        for server in self.servers:
            server.start()
        loopback.wait_until(self._stands, loopback.PATIENCE, "Sentinels that know each other and both replicas")
        return self

    def _stands(self):
        for sentinel in self.sentinels:
            said = sentinel.ask("SENTINEL", "master", "mail")
            known = dict(zip(said[::2], said[1::2]))
            if known.get("num-other-sentinels") != "2" or known.get("num-slaves") != "2":
                return False
        return self.data[0].ask("INFO", "replication").count("state=online") == 2

    def master(self):
        port = int(self.sentinels[0].ask("SENTINEL", "get-master-addr-by-name", "mail")[1])
        return next(server for server in self.data if server.port == port)

    def fail_over(self):
        self.sentinels[0].ask("SENTINEL", "failover", "mail")

    def settled(self, but):
        """Waits until another than `but` is master and has a replica."""
        def stands():
            new = self.master()
            return new is not but and new.role() == "master" and "state=online" in new.ask("INFO", "replication")
        loopback.wait_until(stands, loopback.PATIENCE, "another master")


class Clustered(_Several):
    """Three masters with a replica each."""

    def __init__(self, folder, node_timeout=2000):
        settings = ["cluster-enabled yes", f"cluster-node-timeout {node_timeout}",
                    "cluster-require-full-coverage no", "cluster-replica-validity-factor 0",
                    "repl-diskless-sync yes", "repl-diskless-sync-delay 0"]
        self.servers = [Redis(f"{folder}/c{i}", settings) for i in range(6)]
        self.kind, self.addresses = "cluster", ",".join(s.at for s in self.servers[:3])
        self.settings = f'cluster: [{", ".join(chr(34) + s.at + chr(34) for s in self.servers[:3])}]'

    def start(self):
        for server in self.servers:
            server.start()
        masters, bounds = self.servers[:3], (0, 5461, 10923, 16384)
        for i, server in enumerate(self.servers):
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            if i > 0:
                server.ask("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port)
        for i, server in enumerate(masters):
            server.ask("CLUSTER", "ADDSLOTSRANGE", bounds[i], bounds[i + 1] - 1)
        self._each_knows(6)
        for i, server in enumerate(self.servers[3:]):
            self._replicate(server, masters[i])
        loopback.wait_until(self._stands, loopback.PATIENCE, "a Cluster whose state is ok")
        return self

    def _each_knows(self, count):
        loopback.wait_until(lambda: all(len(s.ask("CLUSTER", "NODES").splitlines()) == count and
                                        "handshake" not in s.ask("CLUSTER", "NODES") for s in self.servers),
                            loopback.PATIENCE, "nodes that know each other")

    def _replicate(self, server, master):
        def accepted():
            try:
                return server.ask("CLUSTER", "REPLICATE", master.ask("CLUSTER", "MYID")) == "OK"
            except RedisError:  # not known yet
                return False
        loopback.wait_until(accepted, loopback.PATIENCE, "a replica that knows its master")

    def _stands(self):
        return all("cluster_state:ok" in s.ask("CLUSTER", "INFO") for s in self.servers) and all(
            "state=online" in s.ask("INFO", "replication") for s in self.servers[:3])

    def slot(self, key):
        return self.servers[0].ask("CLUSTER", "KEYSLOT", key)

    def owner(self, key, by=None):
        """The master of the key's slot, as a server that is alive says."""
        slot = self.slot(key) if by is None else by.ask("CLUSTER", "KEYSLOT", key)
        for server in [by] if by else self.servers:
            try:
                for first, last, master, *_ in server.ask("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        return next(s for s in self.servers if s.port == master[1])
            except (OSError, RedisError):
                continue
        return None

    def replica_of(self, master):
        name = master.ask("CLUSTER", "MYID")
        return next(s for s in self.servers if s is not master and
                    any(line.split()[3] == name for line in s.ask("CLUSTER", "NODES").splitlines() if "myself" in line))

    def fail_over(self, master):
        self.replica_of(master).ask("CLUSTER", "FAILOVER")

    def settled(self, but, key):
        by = next(s for s in self.servers if s is not but)
        loopback.wait_until(lambda: self.owner(key, by) is not but, loopback.PATIENCE, "another master of the slot")

    def begin_move(self, key):
        """Half way: the slot is migrating here and importing there. Returns (source, target)."""
        source = self.owner(key)
        target = next(s for s in self.servers if s is not source and s.role() == "master")
        slot = self.slot(key)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.ask("CLUSTER", "MYID"))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.ask("CLUSTER", "MYID"))
        return source, target

    def finish_move(self, key, source, target):
        slot = self.slot(key)
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 1000, "KEYS", *keys)
        name = target.ask("CLUSTER", "MYID")
        for server in (target, source):
            server.ask("CLUSTER", "SETSLOT", slot, "NODE", name)


def password_file(folder, text=PASSWORD):
    path = os.path.join(folder, "redis-password")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return path
