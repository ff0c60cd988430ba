"""A private Sendmail on a loopback port; the interface is that of rig.postfix.Postfix.

The instance is one folder: etc/ (sendmail.mc and what is made from it), queue/, mail/ (one file per
delivery) and log/maillog. The daemon runs in the foreground as a child of the test. Nothing leaves
the machine: mail for other domains is written below mail/remote.
"""

import os
import subprocess

from . import loopback
from .postfix import make_certificate, make_logins
from .sendmail_package import SendmailPackage

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# Writes one message: WHERE ENVELOPE-SENDER, the message on stdin. The rename makes it appear whole.
_DELIVER = """\
#!/bin/sh
umask 022
where=$(printf %s "$1" | tr -c 'A-Za-z0-9@._+\\n' -)
mkdir -p "{mail}/$where"
file="{mail}/$where/$(date +%s.%N).$$"
{{ printf 'Return-Path: <%s>\\n' "$2"; cat; }} >"$file.tmp" && mv "$file.tmp" "$file"
"""

# A quoted value: `text' is m4's quoting.
_DEFINITIONS = {
    "confDONT_PROBE_INTERFACES": "True",
    "confDEF_USER_ID": "0:0",
    # test folders lie below world-writable ones
    "confDONT_BLAME_SENDMAIL": "TrustStickyBit,GroupWritableDirPathSafe,MapInUnsafeDirPath,"
                               "ClassFileInUnsafeDirPath,HelpFileInUnsafeDirPath,RunProgramInUnsafeDirPath,"
                               "GroupReadableKeyFile,GroupReadableSASLDBFile,NonRootSafeAddr",
    "confTO_IDENT": "0",
    "confLOG_LEVEL": "14",
    # deliver and accept whatever else the machine is doing
    "confREFUSE_LA": "10000", "confQUEUE_LA": "10000", "confDELAY_LA": "10000",
    "confBAD_RCPT_THROTTLE": "0",
    "confMIN_FREE_BLOCKS": "0",
    "confMAX_DAEMON_CHILDREN": "0",
    "confCONTROL_SOCKET_NAME": "",
    "confDELIVERY_MODE": "background",
    "LOCAL_MAILER_ARGS": "deliver $u $g",
    "LOCAL_MAILER_FLAGS": "n9S",
    "LOCAL_SHELL_PATH": "/bin/sh",
    "SMART_HOST": "sink:remote",
}


class Sendmail:
    """A Sendmail of its own. Use: s = Sendmail(folder, milters=[...]); s.start(); ...; s.stop()

    milters   (name is given) `unix:/path` or `inet:HOST:PORT`, written as in Postfix.
    failure   F= of the milters: "T" tempfail, "R" reject, "4" 421, "" accept.
    timeouts  T= of the milters.
    users     local parts that exist in each domain, or "*".
    lines     further lines of the .mc file.
    """

    name = "sendmail"

    def __init__(self, folder, milters=(), domains=("a.test", "b.test"), users=("alice", "bob", "postmaster"),
                 tls=False, sasl=None, lines=(), hostname="mx.a.test", port=None, failure="T",
                 timeouts="C:60s;S:60s;R:60s;E:2m"):
        if os.geteuid() != 0:
            raise loopback.Unavailable("a private Sendmail needs root")
        self._package = SendmailPackage()
        self.folder = os.path.abspath(folder)
        self.host = "127.0.0.1"
        self.port = port or loopback.free_port()
        self.hostname = hostname
        self._etc = os.path.join(self.folder, "etc")
        self._log = os.path.join(self.folder, "log", "maillog")
        self._process = None
        self._lay_out()
        source = [self._head(domains)]
        source.append(self._certificate() if tls else "")
        source.append(self._logins(sasl) if sasl else "")
        source += [_milter_line(number, spec, failure, timeouts) for number, spec in enumerate(milters)]
        source += [f"{line}\n" for line in lines]
        source.append(self._foot(sasl))
        self._write("sendmail.mc", "".join(source))
        self._compile()
        self._write_tables(domains, users)

    # ---- configuration --------------------------------------------------------------------
    def _lay_out(self):
        for folder, mode in (("etc", 0o755), ("log", 0o755), ("run", 0o755), ("mail", 0o755), ("tls", 0o755),
                             ("queue", 0o700), ("sasl", 0o700)):
            path = os.path.join(self.folder, folder)
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
        loopback.check_walkable(self.folder)
        with open(os.path.join(self.folder, "run", "statistics"), "w", encoding="ascii"):
            pass
        self._deliver = self._write("deliver", _DELIVER.format(mail=f"{self.folder}/mail"))
        os.chmod(self._deliver, 0o755)

    def _write(self, name, text):
        path = os.path.join(self._etc, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _head(self, domains):
        paths = {
            "confDOMAIN_NAME": self.hostname,
            "ALIAS_FILE": f"{self._etc}/aliases",
            "HELP_FILE": self._write("helpfile", ""),
            "STATUS_FILE": f"{self.folder}/run/statistics",
            "QUEUE_DIR": f"{self.folder}/queue",
            "confPID_FILE": f"{self.folder}/run/sendmail.pid",
            "confSERVICE_SWITCH_FILE": self._write("service.switch", "hosts files\naliases files\npasswd files\n"),
            "LOCAL_MAILER_PATH": self._deliver,
        }
        lines = ["divert(-1)\n", f"include(`{self._package.macros}/m4/cf.m4')\n", "divert(0)dnl\n",
                 _define("MAIL_SETTINGS_DIR", f"{self._etc}/"), "OSTYPE(`linux')dnl\n"]
        lines += [f"LOCAL_DOMAIN(`{domain}')dnl\nVIRTUSER_DOMAIN(`{domain}')dnl\n" for domain in domains]
        lines += [f"FEATURE(`{name}')dnl\n" for name in ("nocanonify", "accept_unresolvable_domains", "no_default_msa")]
        lines.append(f"FEATURE(`virtusertable', `hash -o {self._etc}/virtusertable.db')dnl\n")
        lines += [_define(name, value) for name, value in {**_DEFINITIONS, **paths}.items()]
        # Without `w` an unknown local user is the virtusertable's business alone.
        lines.append("MODIFY_MAILER_FLAGS(`LOCAL', `-w')dnl\n")
        lines.append(f"DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr={self.host}, Port={self.port}')dnl\n")
        return "".join(lines)

    def _foot(self, sasl):
        mailer = (f"Msink,\tP={self._deliver}, F=lsDFMSn9, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, "
                  "T=DNS/RFC822/X-Unix,\n\tA=deliver $h/$u $g\n")
        path = f"ESASL_CONF_PATH={self.folder}/sasl\n" if sasl else ""
        return ("MAILER(`local')dnl\nMAILER(`smtp')dnl\n"
                f"MAILER_DEFINITIONS\n{mailer}LOCAL_CONFIG\n{path}")

    def _certificate(self):
        key, certificate = f"{self.folder}/tls/key.pem", f"{self.folder}/tls/cert.pem"
        make_certificate(self.hostname, key, certificate)
        return "".join(_define(name, value) for name, value in {
            "confSERVER_CERT": certificate, "confSERVER_KEY": key,
            "confCACERT": certificate, "confCACERT_PATH": f"{self.folder}/tls"}.items())

    def _logins(self, sasl):
        database = f"{self.folder}/sasl/sasldb2"
        make_logins(database, self.hostname, sasl)
        os.chmod(database, 0o600)
        with open(f"{self.folder}/sasl/Sendmail.conf", "w", encoding="ascii") as file:
            file.write(f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\nmech_list: PLAIN LOGIN\n")
        return _define("confAUTH_MECHANISMS", "PLAIN LOGIN") + "TRUST_AUTH_MECH(`PLAIN LOGIN')dnl\n"

    def _compile(self):
        with open(os.path.join(self._etc, "sendmail.cf"), "w", encoding="utf-8") as file:
            result = subprocess.run(["m4", f"-D_CF_DIR_={self._package.macros}/", f"{self._etc}/sendmail.mc"],
                                    stdout=file, stderr=subprocess.PIPE, text=True, check=False)
        if result.returncode != 0:
            raise loopback.RigError(f"m4: {result.stderr}")

    def _write_tables(self, domains, users):
        lines = []
        for domain in domains:
            if users == "*":
                lines.append(f"@{domain}\teveryone\n")
            else:
                lines += [f"{user}@{domain}\t{user}\n" for user in users]
                lines.append(f"@{domain}\terror:5.1.1:550 User unknown\n")
        self._run([self._package.makemap, "-C", f"{self._etc}/sendmail.cf", "hash", f"{self._etc}/virtusertable.db"],
                  given="".join(lines))
        self._write("aliases", "MAILER-DAEMON: /dev/null\n")
        self._run([self._package.sendmail, "-C", f"{self._etc}/sendmail.cf", "-bi"])

    # ---- running --------------------------------------------------------------------------
    def _environment(self):
        return {"PATH": _PATH, "LD_LIBRARY_PATH": self._package.libraries, "LD_PRELOAD": self._package.preload,
                "RIG_LOG": self._log, "RIG_HOSTNAME": self.hostname, "SASL_CONF_PATH": f"{self.folder}/sasl"}

    def _run(self, command, given=""):
        result = subprocess.run(command, env=self._environment(), input=given, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise loopback.RigError(f"{os.path.basename(command[0])}: {result.stderr or result.stdout}")
        return result.stdout

    def start(self):
        with open(os.path.join(self.folder, "log", "start"), "w", encoding="utf-8") as output:
            self._process = subprocess.Popen([self._package.sendmail, "-C", f"{self._etc}/sendmail.cf", "-bD"],
                                             env=self._environment(), stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=output, start_new_session=True)

        def listening():
            if self._process.poll() is not None:
                raise loopback.RigError(f"Sendmail ended at once: {loopback.tail(f'{self.folder}/log/start')}")
            return loopback.accepts(self.host, self.port)
        loopback.wait_until(listening, loopback.PATIENCE, f"Sendmail on port {self.port}")
        return self

    def stop(self):
        loopback.end(self._process)
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    # ---- looking --------------------------------------------------------------------------
    def log(self):
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def mailbox(self, address):
        """The messages delivered to one address, oldest first, as text (by local part: Sendmail aliases first)."""
        user = address.split("@")[0]
        for name in (user, "everyone"):
            folder = os.path.join(self.folder, "mail", name)
            if os.path.isdir(folder):
                return [_read(os.path.join(folder, file)) for file in sorted(os.listdir(folder)) if not file.endswith(".tmp")]
        return []

    def queue(self):
        """What `mailq` says."""
        return self._run([self._package.sendmail, "-C", f"{self._etc}/sendmail.cf", "-bp"])


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _define(name, value):
    return f"define(`{name}', `{value}')dnl\n"


def _milter_line(number, spec, failure, timeouts):
    if spec.startswith("unix:"):
        where = "local:" + spec[len("unix:"):]
    else:
        host, port = spec[len("inet:"):].rsplit(":", 1)
        where = f"inet:{port}@{host}"
    flag = f"F={failure}, " if failure else ""
    return f"INPUT_MAIL_FILTER(`filter{number}', `S={where}, {flag}T={timeouts}')dnl\n"
