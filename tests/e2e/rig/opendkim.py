"""A private opendkim that signs what passes it, as the milter of a Postfix."""

import os
import shutil
import subprocess

from . import loopback

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class OpenDkim:
    """Signs mail from `domain`. Use: o = OpenDkim(folder, "far.example"); o.start(); ...; o.stop()

    algorithm        "rsa-sha256" or "ed25519-sha256".
    canonicalization "simple/simple", "relaxed/relaxed", ...
    settings         further lines of its configuration.
    `spec` is its milter socket, `records` the TXT record of its key as rig.name_server takes it.
    """

    def __init__(self, folder, domain, selector="s1", algorithm="rsa-sha256", canonicalization="relaxed/relaxed",
                 settings=""):
        if not shutil.which("opendkim", path=_PATH):
            raise loopback.Unavailable("opendkim is not installed (scripts/setup test)")
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.port = loopback.free_port()
        self.spec = f"inet:127.0.0.1:{self.port}"
        self._log = os.path.join(self.folder, "opendkim.log")
        self._process = None
        key = os.path.join(self.folder, "key.pem")
        kind, public = self._make_key(key, algorithm)
        self.records = {f"{selector}._domainkey.{domain} TXT": f"v=DKIM1; k={kind}; p={public}"}
        self._configuration = os.path.join(self.folder, "opendkim.conf")
        with open(self._configuration, "w", encoding="utf-8") as file:
            file.write(f"Mode s\nDomain {domain}\nSelector {selector}\nKeyFile {key}\nSignatureAlgorithm {algorithm}\n"
                       f"Canonicalization {canonicalization}\nSocket inet:{self.port}@127.0.0.1\n"
                       # folders of tests lie below a world-writable one
                       "RequireSafeKeys no\nBackground no\nAutoRestart no\nSyslog no\n"
                       f"InternalHosts 127.0.0.0/8\nOversignHeaders From\n{settings}")

    @staticmethod
    def _make_key(path, algorithm):
        """A new key; (k=, p=) of its record."""
        kind = "ed25519" if algorithm.startswith("ed25519") else "rsa"
        options = ["-algorithm", "ed25519"] if kind == "ed25519" else ["-algorithm", "RSA", "-pkeyopt",
                                                                       "rsa_keygen_bits:2048"]
        subprocess.run(["openssl", "genpkey", *options, "-out", path], check=True, capture_output=True)
        os.chmod(path, 0o600)
        text = subprocess.run(["openssl", "pkey", "-in", path, "-pubout"], check=True, capture_output=True,
                              text=True).stdout
        public = "".join(line for line in text.splitlines() if "-" not in line)
        # RFC 8463: the last 32 bytes of the structure, the key itself
        return kind, (public[16:] if kind == "ed25519" else public)

    def start(self, seconds=loopback.PATIENCE):
        with open(self._log, "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(["opendkim", "-f", "-x", self._configuration], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, env={"PATH": _PATH}, start_new_session=True)
        loopback.wait_until(self._listening, seconds, lambda: f"opendkim on {self.spec}: {loopback.tail(self._log)}")
        return self

    def _listening(self):
        if self._process.poll() is not None:
            raise loopback.RigError(f"opendkim ended at once: {loopback.tail(self._log)}")
        return loopback.accepts("127.0.0.1", self.port)

    def stop(self):
        if self._process is not None:
            loopback.end(self._process)
            self._process = None
