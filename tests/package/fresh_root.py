#!/usr/bin/env python3
"""The package in a fresh Debian root, from installation to purge; scripts/prove-package calls this.

usage: fresh_root.py prove FOLDER DEB      FOLDER/root is made by debootstrap
       fresh_root.py clean FOLDER          ends what still runs in it, unmounts, removes
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from rig import loopback  # noqa: E402
from rig.smtp_client import SmtpClient  # noqa: E402

SOURCES = pathlib.Path("/etc/apt/sources.list.d/debian.sources")


def say(text):
    print(f"prove-package: {text}", flush=True)


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"prove-package: {' '.join(words)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


class Root:
    def __init__(self, folder):
        self.folder, self.path = folder, folder / "root"

    def make(self):
        mirror = re.search(r"^URIs:\s*(\S+)", SOURCES.read_text(), re.M)[1] if SOURCES.exists() else "http://deb.debian.org/debian"
        run("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(self.path), mirror)
        if SOURCES.exists():
            shutil.copy(SOURCES, self.path / "etc/apt/sources.list.d/")
            (self.path / "etc/apt/sources.list").write_text("")
        for name in ("apt.conf", "apt.conf.d"):
            if (source := pathlib.Path("/etc/apt") / name).is_file():
                shutil.copy(source, self.path / "etc/apt/")
        run("mount", "--bind", "/dev", str(self.path / "dev"))
        run("mount", "-t", "proc", "proc", str(self.path / "proc"))
        (self.path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.path / "usr/sbin/policy-rc.d").chmod(0o755)

    def chroot(self, *words):
        return run("chroot", str(self.path), *words, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})

    def start(self, *words):
        return subprocess.Popen(["chroot", str(self.path), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def files(self):
        """What a removal must not leave behind, and what must not change: every path but caches and logs."""
        skip = ("proc", "dev", "tmp", "run", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log")
        return {str(p.relative_to(self.path)) for top in ("etc", "usr", "lib", "var") for p in (self.path / top).rglob("*")
                if not str(p.relative_to(self.path)).startswith(skip)}

    def clean(self):
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "root") == str(self.path):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                pass
        for name in ("dev", "proc"):
            subprocess.run(["umount", "-l", str(self.path / name)], check=False, capture_output=True)
        if not os.path.ismount(self.path / "dev") and not os.path.ismount(self.path / "proc"):
            shutil.rmtree(self.folder, ignore_errors=True)


def attach_postfix(root, port):
    """The lines that the package printed, and a port that this test may use."""
    for setting in ("smtpd_milters=unix:sluice/milter.sock", "milter_default_action=tempfail", "inet_interfaces=127.0.0.1",
                    "inet_protocols=ipv4", "mydestination=example.com", "myhostname=mx.example.com", "local_recipient_maps=",
                    "local_transport=discard", "smtpd_recipient_restrictions=reject_unauth_destination", "smtpd_delay_reject=no",
                    "default_transport=discard", "compatibility_level=3.6", "maillog_file=/var/log/postfix.log"):
        root.chroot("postconf", "-e", setting)
    master = root.path / "etc/postfix/master.cf"
    master.write_text(re.sub(r"^smtp(\s+inet)", f"{port}\\1", master.read_text(), count=1, flags=re.M))


def dialogue(port, source, helo, sender):
    with SmtpClient("127.0.0.1", port, source=source) as client:
        last = []
        for line in (f"EHLO {helo}", f"MAIL FROM:<{sender}>", "RCPT TO:<bob@example.com>", "DATA"):
            client.write(line.encode() + b"\r\n")
            last = client.read_reply()
            if last[-1][0] not in "23":
                return last[-1]
        client.write(b"Subject: hello\r\n\r\nhello\r\n.\r\n")
        return client.read_reply()[-1]


def wait_for(what, done, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return
        time.sleep(0.1)
    raise SystemExit(f"prove-package: {what} did not come")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def expect(what, seen, wanted):
    say(f"{what}: {seen}")
    if not re.match(wanted, seen):
        raise SystemExit(f"prove-package: expected {wanted}")


def prove(folder, deb):
    root = Root(folder)
    say("making a fresh Debian 12")
    root.make()
    root.chroot("apt-get", "-q", "update")
    root.chroot("sh", "-c", "echo 'postfix postfix/main_mailer_type select Local only' | debconf-set-selections; "
                "apt-get -q -y install --no-install-recommends postfix")
    before = root.files()
    main_cf = (root.path / "etc/postfix/main.cf").read_bytes()
    shutil.copy(deb, root.path / "tmp" / deb.name)
    printed = root.chroot("apt-get", "-q", "-y", "install", "--no-install-recommends", f"/tmp/{deb.name}")
    say("installed; it says:\n" + printed[printed.find("Sluice is installed"):].rstrip())
    assert (root.path / "etc/postfix/main.cf").read_bytes() == main_cf, "the package edited main.cf"

    config = root.path / "etc/sluice/sluice.yaml"
    config.write_text(re.sub(r"^listen: .*$", "listen: unix:/var/spool/postfix/sluice/milter.sock", config.read_text(), flags=re.M))
    say(root.chroot("sluice", "check").strip())
    say(root.chroot("sluice", "test", "/etc/sluice/policies/site.yaml").strip().splitlines()[-1])
    port = loopback.free_port()
    attach_postfix(root, port)
    # No name server answers: a fact that needs one is unknown, and refuses nobody.
    (root.path / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    # What the unit's RuntimeDirectory= and StateDirectory= do.
    root.chroot("install", "-d", "-o", "sluice", "-g", "sluice", "-m", "0750", "/run/sluice")
    service = root.start("setpriv", "--reuid=sluice", "--regid=sluice", "--clear-groups", "sluice", "run")
    postfix = None
    try:
        wait_for("the milter socket", (root.path / "var/spool/postfix/sluice/milter.sock").exists)
        postfix = root.start("postfix", "start-fg")
        wait_for("Postfix", lambda: listens(port))
        expect("a PC that says it is a mail server", dialogue(port, "127.0.0.9", "desktop-7", "ann@example.org"), "504 5.5.2 ")
        expect("a stranger the first time", dialogue(port, "127.0.0.9", "mail.far.example", "ann@far.example"), "450 ")
        expect("mail of this host", dialogue(port, "127.0.0.1", "localhost", "www@example.com"), "250 ")
        say(root.chroot("sluice", "status").strip())
    finally:
        for process in (postfix, service):
            if process is not None:
                process.terminate()
                process.wait(timeout=40)
    root.chroot("dpkg", "--purge", "sluice")
    left = sorted(path for path in root.files() - before if "sluice" in path)
    if left:
        raise SystemExit(f"prove-package: purge left {left}")
    say("purged: nothing is left, no file of Postfix was touched by the package")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("prove", "clean"):
        print(__doc__.strip())
        return 64
    folder = pathlib.Path(sys.argv[2]).resolve()
    if sys.argv[1] == "clean":
        Root(folder).clean()
    else:
        prove(folder, pathlib.Path(sys.argv[3]).resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
