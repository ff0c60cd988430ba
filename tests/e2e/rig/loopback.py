"""Free ports, waiting with an end, and processes that are ended by their own id."""

import os
import signal
import socket
import subprocess
import time


class RigError(Exception):
    """A server could not be set up or did not come up; the text says what its log said last."""


class Unavailable(Exception):
    """A server cannot be had on this machine; tests that need it report themselves as skipped."""


def is_sanitized():
    """True in a build with sanitizers (tests/sanitizers/sanitized says so): memory and speed mean nothing there."""
    return "SLUICE_SANITIZED" in os.environ


def free_port(host="127.0.0.1"):
    """A TCP port that nobody listens on now. Taken from the kernel, so two callers get two."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what, interval=0.02):
    """Calls condition() until it gives something true, and returns that; RigError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RigError(f"not within {seconds} s: {what}")
        time.sleep(interval)


def accepts(host, port):
    """True when something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def check_walkable(path):
    """RigError unless every user may pass through `path` and what is above it.

    Postfix runs its daemons as its own user, which must reach queue, tables and mailboxes.
    """
    path = os.path.abspath(path)
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            raise RigError(f"{path} is closed to other users; the servers' folder must be reachable (chmod o+x)")
        path = os.path.dirname(path)


def end(process, seconds=10.0):
    """Ends a process that was started as the leader of its own session, and what it left behind."""
    if process is None:
        return None
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    try:  # daemons leave children in their group; the leader is gone, the group may not be
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    return process.returncode


def tail(path, lines=8):
    """The last lines of a log, for an error text."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])
    except OSError:
        return ""
