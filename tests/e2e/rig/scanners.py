"""Private spam and virus scanners on free loopback ports: spamd, rspamd and clamd of the Debian packages.

Each has its own folder, configuration and log, asks no name server outside, and is ended by its
process id. `freeze()` stops it in mid-work as a hung process would be, `thaw()` lets it go on.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess

from . import loopback
from .name_server import NameServer
from .sendmail_package import cache_folder

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PATIENCE = 400  # seconds: each reads or compiles its rules at the start, for a minute and more on a busy machine

# The lines that every scanner of their kind must find; each in two parts, so that this file is clean.
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class _Scanner:
    program = package = ""

    def __init__(self, folder):
        if not shutil.which(self.program, path=_PATH):
            raise loopback.Unavailable(f"{self.package} is not installed (scripts/setup test)")
        if os.geteuid() != 0:
            raise loopback.Unavailable("a private scanner is started as another user, which needs root")
        self.folder = os.path.abspath(folder)
        self._process = None
        self._log = os.path.join(self.folder, "log")
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o777)
        self._frozen = []

    def _spawn(self, *words):
        with open(self._log + ".start", "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                             env={"PATH": _PATH, "LC_ALL": "C.UTF-8"}, start_new_session=True)

    def _await(self, seconds, ready):
        def look():
            if self._process.poll() is not None:
                raise loopback.RigError(f"{self.program} ended with {self._process.returncode}: "
                                        f"{loopback.tail(self._log + '.start')}{loopback.tail(self._log)}")
            return ready()
        loopback.wait_until(look, seconds, f"{self.program}: {loopback.tail(self._log)}", 0.1)
        return self

    def freeze(self):
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self):
        """All of it at once, as when memory runs out."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self):
        if self._process is not None and self._process.poll() is None:
            self.thaw()
        loopback.end(self._process)
        self._process = None


class Spamd(_Scanner):
    """SpamAssassin's spamd with the shipped rules, without network tests."""

    program, package = "spamd", "spamd"

    def __init__(self, folder, port=None):
        super().__init__(folder)
        self.port = port or loopback.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._site = os.path.join(self.folder, "site")
        if not os.path.exists(self._site):
            shutil.copytree("/etc/spamassassin", self._site)
        os.makedirs(os.path.join(self.folder, "home"), exist_ok=True)

    def start(self):
        self._spawn("spamd", "-L", "-x", f"--listen={self.address}", "--allowed-ips=127.0.0.1", "--max-children=2",
                    "--min-children=1", "--min-spare=1", "--max-spare=1", "--username=nobody",
                    f"--helper-home-dir={self.folder}/home", f"--siteconfigpath={self._site}",
                    f"--pidfile={self.folder}/pid", f"--syslog={self._log}")
        return self._await(_PATIENCE, self._answers)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as peer:
                peer.sendall(b"PING SPAMC/1.5\r\n\r\n")
                return b"PONG" in peer.recv(100)
        except OSError:
            return False


_RSPAMD = """\
.include "$CONFDIR/common.conf"
options {{
    pidfile = "{folder}/pid";
    .include "$CONFDIR/options.inc"
    dns {{ nameserver = ["{dns}"]; timeout = 200ms; retransmits = 1; }}
    hs_cache_dir = "{cache}";
    control_socket = "{folder}/control.sock mode=0600";
}}
logging {{ type = "file"; filename = "{folder}/log"; level = "notice"; }}
worker "normal" {{ bind_socket = "{address}"; count = 1; }}
"""
_RSPAMD_OFF = ("rbl", "phishing", "asn", "dmarc", "spf", "dkim", "arc", "fuzzy_check", "mx_check", "url_redirector",
               "ratelimit", "greylist", "replies", "neural", "history_redis", "hfilter", "maillist")


class Rspamd(_Scanner):
    """rspamd with the shipped rules, without network tests.

    Its first start compiles patterns for many seconds; what it made is kept between runs beside what
    the tests download ($SLUICE_TEST_CACHE).
    """

    program, package = "rspamd", "rspamd"

    def __init__(self, folder, port=None):
        super().__init__(folder)
        self.port = port or loopback.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._names = None
        self._configuration = os.path.join(self.folder, "rspamd.conf")

    def start(self):
        self._names = self._names or NameServer({}).start()
        nobody = pwd.getpwnam("nobody")
        cache = os.path.join(cache_folder(), "rspamd")
        local = os.path.join(self.folder, "local", "local.d")
        for folder in (cache, local, os.path.join(self.folder, "db")):
            os.makedirs(folder, exist_ok=True)
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        for module in _RSPAMD_OFF:
            with open(os.path.join(local, module + ".conf"), "w", encoding="ascii") as file:
                file.write("enabled = false;\n")
        host, port = self._names.address.split(":")
        with open(self._configuration, "w", encoding="ascii") as file:
            file.write(_RSPAMD.format(folder=self.folder, dns=f"{host}:{port}:1", cache=cache, address=self.address))
        self._spawn("rspamd", "-f", "-c", self._configuration, "-u", "nobody", "-g", "nogroup",
                    f"--var=DBDIR={self.folder}/db", f"--var=RUNDIR={self.folder}", f"--var=LOGDIR={self.folder}",
                    f"--var=LOCAL_CONFDIR={self.folder}/local")
        return self._await(_PATIENCE, self._answers)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as peer:
                peer.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
                return b"pong" in peer.recv(1000)
        except OSError:
            return False

    def stop(self):
        super().stop()
        if self._names is not None:
            self._names.stop()
            self._names = None


class Clamd(_Scanner):
    """clamd that knows one signature, EICAR's."""

    program, package = "clamd", "clamav-daemon"

    def __init__(self, folder, settings=""):
        super().__init__(folder)
        self.socket = os.path.join(self.folder, "clamd.sock")
        self.address = f"unix:{self.socket}"
        self._configuration = os.path.join(self.folder, "clamd.conf")
        database = os.path.join(self.folder, "db")
        os.makedirs(database, exist_ok=True)
        with open(os.path.join(database, "test.ndb"), "w", encoding="ascii") as file:
            file.write(f"Test.Eicar.Body:0:*:{EICAR.encode().hex()}\n")
        with open(self._configuration, "w", encoding="ascii") as file:
            file.write(f"DatabaseDirectory {database}\nOfficialDatabaseOnly no\nLocalSocket {self.socket}\n"
                       f"LogFile {self._log}\nForeground yes\nMaxThreads 2\nStreamMaxLength 50M\nMaxScanSize 100M\n"
                       f"MaxFileSize 50M\nSelfCheck 0\nBytecode no\n{settings}")

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self._spawn("clamd", "-c", self._configuration)
        return self._await(_PATIENCE, self._answers)

    def _answers(self):
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(60)
                peer.connect(self.socket)
                peer.sendall(b"zPING\0")
                return b"PONG" in peer.recv(100)
        except OSError:
            return False


KINDS = {"spamd": Spamd, "rspamd": Rspamd, "clamd": Clamd}
