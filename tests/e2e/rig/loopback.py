"""Free ports, folders, waiting with an end, and processes that are ended by their own id."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import time

os.umask(0o022)  # servers run as users of their own and must reach what is made here, whatever the shell had

PATIENCE = 90  # seconds, for what has to happen: a slow disk and busy cores are no fault
_MOST_OF_A_SOCKET = 108  # bytes of a unix socket's path (unix(7))
_LONGEST_BELOW = 45  # what the tests put below their folder
_reserved = {}  # ports of this process, each with the socket that holds it


class RigError(Exception):
    """A server could not be set up or did not come up; the text says what its log said last."""


class Unavailable(Exception):
    """A server cannot be had on this machine; tests that need it report themselves as skipped."""


def is_sanitized():
    """True in a build with sanitizers (tests/sanitizers/sanitized says so): memory and speed mean nothing there."""
    return "SLUICE_SANITIZED" in os.environ


def free_port(and_above=()):
    """A port of 127.0.0.1 that nobody uses, by TCP or UDP; so are those that lie `and_above` higher.

    It is below the ports that the kernel gives to clients, so that no connection takes it before the server has it,
    and no other process that asks here gets it while this one lives: a name holds it that ends with the process.
    """
    for _ in range(2000):
        ports = [random.randrange(10_000, 32_700 - max(and_above, default=0))]
        ports += [ports[0] + more for more in and_above]
        held = {port: holder for port in ports if port not in _reserved and (holder := _hold(port))}
        if len(held) == len(ports) and all(_is_free(port) for port in ports):
            _reserved.update(held)
            return ports[0]
        for holder in held.values():
            holder.close()
    raise RigError("no port of the loopback is free")


def _hold(port):
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0sluice-test-port-{port}")
        return holder
    except OSError:
        holder.close()
        return None


def _is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def make_folder(prefix):
    """A new folder for servers: every user may walk to it, and its unix sockets have short enough paths."""
    places = [tempfile.gettempdir(), "/tmp", "/var/tmp"]
    short = [place for place in places if len(place) + len(prefix) + 10 + _LONGEST_BELOW < _MOST_OF_A_SOCKET]
    fit = [place for place in short if os.path.isdir(place) and not _closed_to_others(place)]
    folder = tempfile.mkdtemp(prefix=prefix, dir=(fit or places)[0])
    os.chmod(folder, 0o711)  # the MTA's own users must reach what is theirs in it
    return folder


def wait_until(condition, seconds, what, interval=0.02):
    """Calls condition() until it gives something true, and returns that; RigError after `seconds`.

    `what`: the text of the error, or what makes it when the time has come.
    """
    end = time.monotonic() + seconds
    while True:
        is_last = time.monotonic() > end  # a look that begins in time counts, however long the machine stood still
        value = condition()
        if value:
            return value
        if is_last:
            raise RigError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(interval)


def accepts(host, port):
    """True when something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=10):
            return True
    except OSError:
        return False


def check_walkable(path):
    """RigError unless every user may pass through `path` and what is above it.

    Postfix runs its daemons as its own user, which must reach queue, tables and mailboxes.
    """
    closed = _closed_to_others(path)
    if closed:
        raise RigError(f"{closed} is closed to other users; the servers' folder must be reachable (chmod o+x)")


def _closed_to_others(path):
    """The first folder on the way up that other users may not pass through, or None."""
    path = os.path.abspath(path)
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return path
        path = os.path.dirname(path)
    return None


def end(process, seconds=PATIENCE):
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
