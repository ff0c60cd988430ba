"""redis_probe as an object: one call, a load in the background, the client's health."""

import json
import os
import queue
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from rig import loopback, redis  # noqa: E402


class Probe:
    def __init__(self, setup, folder, timeout=100, password=redis.PASSWORD):
        self.password_file = redis.password_file(folder, password)
        self.log = []
        self._process = subprocess.Popen(
            [os.environ["REDIS_PROBE"], str(timeout), setup.kind, setup.addresses, redis.USER, self.password_file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._answers, self._loads = queue.Queue(), queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_log, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            is_load = line.startswith("{") and "longest_ms" in line
            (self._loads if is_load else self._answers).put(line.rstrip("\n"))

    def _read_log(self):
        for line in self._process.stderr:
            self.log.append(line.rstrip("\n"))

    def _say(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def call(self, name, *words):
        """`answered 1`, `not-done WHY` or `unknown WHY`."""
        self._say(" ".join(["call", name, *map(str, words)]))
        return self._answers.get(timeout=loopback.PATIENCE)

    def health(self):
        self._say("health")
        return json.loads(self._answers.get(timeout=loopback.PATIENCE))

    def load(self, rate, seconds):
        self._say(f"load {rate} {int(seconds * 1000)}")

    def mark(self):
        """From here on it counts how long it takes until all is well again."""
        self._say("mark")

    def report(self, seconds=60):
        return json.loads(self._loads.get(timeout=seconds))

    def answers_again(self, key, seconds=loopback.PATIENCE, name="count"):
        """Calls until one is answered; how long that took, in seconds."""
        begun = time.monotonic()
        while not (answer := self.call(name, key)).startswith("answered"):
            if time.monotonic() > begun + seconds:
                raise loopback.RigError(f"not within {seconds} s: an answer, but: {answer}; {self.health()}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def stop(self):
        self._process.stdin.close()
        self._process.wait(loopback.PATIENCE)
