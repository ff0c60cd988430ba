"""The Sluice under test, as a process of its own with a folder of its own."""

import grp
import os
import re
import shlex
import signal
import socket
import subprocess

from . import loopback

_WORD = re.compile(r'([A-Za-z_][A-Za-z0-9_.]*)=("(?:[^"\\]|\\.)*"|\S*)')


def binary():
    """The program under test: $SLUICE_BIN, which CMake sets to the one it has built."""
    path = os.environ.get("SLUICE_BIN")
    if not path or not os.access(path, os.X_OK):
        raise loopback.RigError("SLUICE_BIN must name the sluice program")
    return os.path.abspath(path)


def engine():
    """The front end under test: $SLUICE_ENGINE, which CMake sets for each engine in turn."""
    return os.environ.get("SLUICE_ENGINE", "wire")


class Sluice:
    """`sluice run` with a policy. Use: s = Sluice(folder, policy); s.start(); ...; s.stop()

    policy    the text of a policy file, or the path of one that exists.
    settings  further lines of the service configuration, as text.
    port      listen on this TCP port of 127.0.0.1 instead of a unix socket.
    The milter socket is `spec`, in the form that rig.postfix.Postfix takes.
    """

    def __init__(self, folder, policy, settings="", port=None):
        self.folder = os.path.abspath(folder)
        self.socket = os.path.join(self.folder, "run", "milter.sock")
        self.port = port
        self.spec = f"inet:127.0.0.1:{port}" if port else f"unix:{self.socket}"
        self.control = os.path.join(self.folder, "run", "control.sock")
        self.configuration = os.path.join(self.folder, "sluice.yaml")
        self.policy = policy if os.path.exists(policy) else os.path.join(self.folder, "policy.yaml")
        self._log = os.path.join(self.folder, "sluice.log")
        self._settings = settings
        self._inherited = None
        self._process = None
        for name in ("run", "state"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        _open_to_postfix(os.path.join(self.folder, "run"))
        if self.policy != policy:
            self.write_policy(policy)
        self._write_configuration(self.spec)

    def write_policy(self, text):
        """Replaces the policy file as an editor would: the whole file appears at once."""
        with open(self.policy + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.policy + ".new", self.policy)

    def _write_configuration(self, listen):
        lines = [f'listen: ["{listen}"]', f'policies: ["{self.policy}"]', f'state: "{self.folder}/state"',
                 f'control: "{self.control}"', f"engine: {engine()}", self._settings]
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    # ---- running --------------------------------------------------------------------------
    def start(self, seconds=loopback.PATIENCE):
        """Starts it and waits until the socket answers. The log goes on in the same file."""
        self._spawn()
        loopback.wait_until(lambda: self._listening(), seconds, lambda: f"Sluice on {self.socket}; its log: {loopback.tail(self._log)}")
        return self

    def start_on_inherited_socket(self):
        """Starts it as systemd would: the listening socket is there before and after it, as descriptor 3."""
        if self._inherited is None:
            self._inherited = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._inherited.bind(self.socket)
            os.chmod(self.socket, 0o666)
            self._inherited.listen(128)
        self._write_configuration("fd:3")
        self._spawn()
        return self

    def _spawn(self):
        environment, descriptors, prepare = dict(os.environ), (), None
        if self._inherited is not None:
            number = self._inherited.fileno()
            environment["LISTEN_FDS"] = "1"
            descriptors = (3,)

            def prepare():
                os.dup2(number, 3)
        with open(self._log, "a", encoding="utf-8") as log:
            self._process = subprocess.Popen([binary(), "run", "-c", self.configuration], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, pass_fds=descriptors,
                                             preexec_fn=prepare, env=environment, start_new_session=True)

    def _listening(self):
        if self._process.poll() is not None:
            raise loopback.RigError(f"Sluice ended at once with {self._process.returncode}: {loopback.tail(self._log, 30)}")
        if self.port:
            return loopback.accepts("127.0.0.1", self.port)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(self.socket)
                return True
            except OSError:
                return False

    def stop(self):
        """SIGTERM, and waits for the end; the exit code."""
        if self._process is None:
            return None
        code = loopback.end(self._process)
        self._process = None
        return code

    def terminate(self):
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds):
        return self._process.wait(seconds)

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def kill(self):
        self._process.kill()
        self._process.wait()

    def hang_up(self):
        self._process.send_signal(signal.SIGHUP)

    def command(self, *words):
        """Runs `sluice WORDS` against this service; the finished process with its output."""
        return subprocess.run([binary(), *words, "-c", self.configuration], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=150, check=False)

    @property
    def pid(self):
        return self._process.pid

    # ---- looking --------------------------------------------------------------------------
    def await_saved(self):
        """Waits until all that it knows is on disk: a slow disk takes its time. Of a service that nobody asks anything."""
        loopback.wait_until(lambda: "all on disk" in self.command("status").stdout, loopback.PATIENCE, "the state on disk")

    def log(self):
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def decisions(self):
        """The decision lines of the log, each as a dictionary of its fields."""
        return [fields for fields in map(parse_line, self.log().splitlines()) if fields.get("ev") == "decision"]


def _open_to_postfix(folder):
    """A set-group-id folder: a socket of mode 0660 that is made in it can be used by Postfix's user."""
    try:
        os.chown(folder, -1, grp.getgrnam("postfix").gr_gid)
        os.chmod(folder, 0o2751)
    except KeyError:
        pass  # no Postfix here
    loopback.check_walkable(folder)


def parse_line(line):
    """The fields of one logfmt line."""
    fields = {}
    for name, value in _WORD.findall(line):
        fields[name] = shlex.split(value)[0] if value.startswith('"') else value
    return fields
