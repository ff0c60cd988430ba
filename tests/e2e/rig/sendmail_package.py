"""Debian's Sendmail, unpacked and never installed (it conflicts with Postfix).

The packages named by `scripts/packages sendmail` are fetched once with `apt-get download` and
unpacked into a cache folder: $SLUICE_TEST_CACHE, else $XDG_CACHE_HOME/sluice-tests, else
/var/cache/sluice-tests. No maintainer script runs. $SLUICE_SENDMAIL_DEBS names a folder to take
the packages from, for machines without network.
"""

import fcntl
import glob
import os
import platform
import shutil
import subprocess
import tempfile

from . import loopback

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGES = os.path.normpath(os.path.join(_HERE, "..", "..", "..", "scripts", "packages"))
_PRELOAD_SOURCE = os.path.join(_HERE, "sendmail_preload.c")


class SendmailPackage:
    """Where the unpacked programs are. Making one fetches and unpacks what is not there yet."""

    def __init__(self):
        self.prefix = os.path.join(cache_folder(), "sendmail")
        self.libraries = os.path.join(self.prefix, "usr", "lib", f"{platform.machine()}-linux-gnu")
        programs = os.path.join(self.prefix, "usr", "libexec", "sendmail")
        self.sendmail = os.path.join(programs, "sendmail")
        self.makemap = os.path.join(programs, "makemap")
        self.macros = os.path.join(self.prefix, "usr", "share", "sendmail", "cf")
        self.preload = os.path.join(self.prefix, "preload.so")
        for tool in ("m4", "cc"):
            if not shutil.which(tool):
                raise loopback.Unavailable(f"Sendmail's configuration needs {tool}")
        os.makedirs(self.prefix, exist_ok=True)
        with open(os.path.join(self.prefix, "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
            self._unpack()
            self._build_preload()

    def _unpack(self):
        done = os.path.join(self.prefix, "unpacked")
        if os.path.exists(done):
            return
        with tempfile.TemporaryDirectory() as scratch:
            for package in _package_names():
                if not (package.startswith("lib") and _installed(package)):
                    subprocess.run(["dpkg", "-x", _fetch(package, scratch), self.prefix], check=True)
        # A set-group-id program ignores LD_PRELOAD.
        os.chmod(self.sendmail, 0o755)
        missing = [line.strip() for line in self._ldd().splitlines() if "not found" in line]
        if missing:
            raise loopback.Unavailable(f"Sendmail's libraries are missing: {missing}")
        with open(done, "w", encoding="ascii"):
            pass

    def _ldd(self):
        return subprocess.run(["ldd", self.sendmail], env={"LD_LIBRARY_PATH": self.libraries, "PATH": os.environ["PATH"]},
                              capture_output=True, text=True, check=False).stdout

    def _build_preload(self):
        if os.path.exists(self.preload) and os.path.getmtime(self.preload) >= os.path.getmtime(_PRELOAD_SOURCE):
            return
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.preload, _PRELOAD_SOURCE], check=True)


def cache_folder():
    chosen = os.environ.get("SLUICE_TEST_CACHE")
    if chosen:
        return os.path.abspath(chosen)
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or "/var/cache", "sluice-tests")


def _package_names():
    return subprocess.run([_PACKAGES, "sendmail"], capture_output=True, text=True, check=True).stdout.split()


def _installed(package):
    result = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                            capture_output=True, text=True, check=False)
    return result.stdout == "installed"


def _fetch(package, folder):
    given = os.environ.get("SLUICE_SENDMAIL_DEBS")
    found = glob.glob(os.path.join(given, f"{package}_*.deb")) if given else []
    if not found:
        # The user that apt drops to must be able to write here; as root it warns and goes on.
        result = subprocess.run(["apt-get", "-q", "download", package], cwd=folder,
                                capture_output=True, text=True, check=False)
        found = glob.glob(os.path.join(folder, f"{package}_*.deb"))
        if not found:
            raise loopback.Unavailable(f"{package} cannot be downloaded: {result.stderr.strip()[-200:]}")
    return found[0]
