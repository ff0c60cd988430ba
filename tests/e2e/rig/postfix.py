"""A private Postfix on a loopback port.

The instance is one folder: etc/ (main.cf, master.cf, tables), queue/, data/, mail/ (maildirs of the
virtual domains) and log/maillog. `master` runs in the foreground as a child of the test. Nothing
leaves the machine: every destination that is not one of the instance's domains is discarded.
"""

import os
import pwd
import grp
import shutil
import subprocess

from . import loopback

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SERVICES = """\
pickup     unix  n  -  n  60    1  pickup
cleanup    unix  n  -  n  -     0  cleanup
qmgr       unix  n  -  n  300   1  qmgr
tlsmgr     unix  -  -  n  1000? 1  tlsmgr
rewrite    unix  -  -  n  -     -  trivial-rewrite
bounce     unix  -  -  n  -     0  bounce
defer      unix  -  -  n  -     0  bounce
trace      unix  -  -  n  -     0  bounce
verify     unix  -  -  n  -     1  verify
flush      unix  n  -  n  1000? 0  flush
proxymap   unix  -  -  n  -     -  proxymap
proxywrite unix  -  -  n  -     1  proxymap
smtp       unix  -  -  n  -     -  smtp
showq      unix  n  -  n  -     -  showq
error      unix  -  -  n  -     -  error
retry      unix  -  -  n  -     -  error
discard    unix  -  -  n  -     -  discard
local      unix  -  n  n  -     -  local
virtual    unix  -  n  n  -     -  virtual
anvil      unix  -  -  n  -     1  anvil
scache     unix  -  -  n  -     1  scache
postlog    unix-dgram n - n -   1  postlogd
"""


class Postfix:
    """A Postfix of its own. Use: p = Postfix(folder, milters=[...]); p.start(); ...; p.stop()

    milters   connection strings as main.cf wants them (`unix:/path`, `inet:127.0.0.1:7357`).
    domains   each address below them is a mailbox if its local part is in `users` or users is "*".
    sasl      {user: password}: AUTH is offered, the login is user@hostname.
    settings  further lines of main.cf as a dictionary; they win over the ones given here.
    """

    name = "postfix"

    def __init__(self, folder, milters=(), domains=("a.test", "b.test"), users=("alice", "bob", "postmaster"),
                 tls=False, sasl=None, settings=None, hostname="mx.a.test", port=None):
        self.folder = os.path.abspath(folder)
        self.host = "127.0.0.1"
        self.port = port or loopback.free_port()
        self.hostname = hostname
        self._etc = os.path.join(self.folder, "etc")
        self._log = os.path.join(self.folder, "log", "maillog")
        self._process = None
        self._lay_out()
        parameters = self._parameters(milters, domains)
        self._write_tables(domains, users)
        if tls:
            parameters.update(self._certificate())
        if sasl:
            parameters.update(self._logins(sasl))
        parameters.update(settings or {})
        self._write("main.cf", "".join(f"{name} = {value}\n" for name, value in parameters.items()))
        self._write("master.cf", f"{self.host}:{self.port} inet n - n - - smtpd\n{_SERVICES}")

    # ---- configuration --------------------------------------------------------------------
    def _lay_out(self):
        if os.geteuid() != 0:
            raise loopback.Unavailable("a private Postfix needs root (master(8) does)")
        if not shutil.which("postconf", path=_PATH):
            raise loopback.Unavailable("Postfix is not installed (scripts/setup test)")
        user = pwd.getpwnam("postfix")
        for folder in ("etc/sasl", "queue", "log", "tls"):
            os.makedirs(os.path.join(self.folder, folder), exist_ok=True)
        for folder, mode in (("data", 0o700), ("mail", 0o755)):
            path = os.path.join(self.folder, folder)
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
            os.chown(path, user.pw_uid, user.pw_gid)
        loopback.check_walkable(self.folder)

    def _write(self, name, text):
        path = os.path.join(self._etc, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _default(self, name):
        """What the package was built with; read without any main.cf."""
        result = subprocess.run(["postconf", "-d", "-h", name], env={"PATH": _PATH, "MAIL_CONFIG": self._etc},
                                capture_output=True, text=True, check=False)
        return result.stdout.strip()

    def _parameters(self, milters, domains):
        user = pwd.getpwnam("postfix")
        if not os.path.exists(os.path.join(self._etc, "main.cf")):
            self._write("main.cf", "")
        return {
            "compatibility_level": "3.6",
            "queue_directory": f"{self.folder}/queue",
            "data_directory": f"{self.folder}/data",
            "daemon_directory": self._default("daemon_directory"),
            "shlib_directory": self._default("shlib_directory"),
            "meta_directory": "/etc/postfix",
            "mail_owner": "postfix",
            "setgid_group": grp.getgrnam("postdrop").gr_name,
            "multi_instance_enable": "no",
            "syslog_name": "postfix",
            "maillog_file": self._log,
            "maillog_file_prefixes": f"{self.folder}, /dev/stdout",
            "import_environment": "MAIL_CONFIG TZ LANG=C",
            "myhostname": self.hostname,
            "mydestination": "",
            "mynetworks": "127.0.0.1/32",
            "inet_interfaces": "loopback-only",
            "inet_protocols": "all" if os.path.exists("/proc/net/if_inet6") else "ipv4",
            "alias_maps": "", "alias_database": "",
            "virtual_mailbox_domains": ", ".join(domains),
            "virtual_mailbox_maps": f"texthash:{self._etc}/mailboxes",
            "virtual_mailbox_base": f"{self.folder}/mail",
            "virtual_uid_maps": f"static:{user.pw_uid}",
            "virtual_gid_maps": f"static:{user.pw_gid}",
            "virtual_minimum_uid": "1",
            "virtual_mailbox_limit": "0",
            "message_size_limit": "20480000",
            # nothing may leave the machine
            "default_transport": "discard:", "relay_transport": "discard:", "relayhost": "",
            "disable_dns_lookups": "yes", "smtp_host_lookup": "native",
            # what this machine calls its loopback, and whether its resolver answers, is not what is tested
            "smtpd_peername_lookup": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
            "smtpd_milters": ", ".join(milters),
            "non_smtpd_milters": "",
            "milter_protocol": "6",
            "milter_default_action": "tempfail",
            # tests make errors on purpose, many and fast
            "smtpd_client_connection_count_limit": "0",
            "smtpd_error_sleep_time": "0",
            "smtpd_soft_error_limit": "1000", "smtpd_hard_error_limit": "2000",
            "smtpd_junk_command_limit": "1000",
            "in_flow_delay": "0",
        }

    def _write_tables(self, domains, users):
        lines = []
        for domain in domains:
            if users == "*":
                lines.append(f"@{domain} {domain}/everyone/\n")
            else:
                lines += [f"{user}@{domain} {domain}/{user}/\n" for user in users]
        self._write("mailboxes", "".join(lines))

    def _certificate(self):
        key, certificate = f"{self.folder}/tls/key.pem", f"{self.folder}/tls/cert.pem"
        make_certificate(self.hostname, key, certificate)
        return {"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": certificate,
                "smtpd_tls_key_file": key, "smtpd_tls_session_cache_database": ""}

    def _logins(self, sasl):
        # Debian's smtpd reads CONFIG_DIRECTORY/sasl/smtpd.conf and ignores cyrus_sasl_config_path.
        database = os.path.join(self._etc, "sasl", "sasldb2")
        make_logins(database, self.hostname, sasl)
        os.chown(database, 0, pwd.getpwnam("postfix").pw_gid)
        os.chmod(database, 0o640)
        self._write("sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                    f"sasldb_path: {database}\nmech_list: PLAIN LOGIN\n")
        return {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "cyrus", "smtpd_sasl_path": "smtpd",
                "smtpd_sasl_local_domain": self.hostname, "smtpd_sasl_security_options": "noanonymous"}

    # ---- running --------------------------------------------------------------------------
    def _environment(self):
        return {"PATH": _PATH, "MAIL_CONFIG": self._etc, "LANG": "C"}

    def start(self):
        # `check` makes the queue's folders; master itself stays our child.
        subprocess.run(["postfix", "-c", self._etc, "check"], env=self._environment(), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        master = os.path.join(self._default("daemon_directory"), "master")
        self._process = subprocess.Popen([master, "-c", self._etc, "-d"], env=self._environment(),
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, start_new_session=True)
        self._await_port()
        return self

    def _await_port(self):
        def listening():
            if self._process.poll() is not None:
                raise loopback.RigError(f"Postfix ended at once: {loopback.tail(self._log)}")
            return loopback.accepts(self.host, self.port)
        loopback.wait_until(listening, loopback.PATIENCE, lambda: f"Postfix on port {self.port}; its log: {loopback.tail(self._log)}")

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
        """The messages delivered to one address, oldest first, as text."""
        user, domain = address.split("@")
        folder = os.path.join(self.folder, "mail", domain, user, "new")
        if not os.path.isdir(folder):
            folder = os.path.join(self.folder, "mail", domain, "everyone", "new")
        if not os.path.isdir(folder):
            return []
        messages = []
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                messages.append(file.read())
        return messages

    def queue(self):
        """What `postqueue -p` says."""
        return subprocess.run(["postqueue", "-c", self._etc, "-p"], env=self._environment(),
                              capture_output=True, text=True, check=False).stdout


def make_certificate(hostname, key, certificate):
    """A self-signed certificate for one host name."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                    "-subj", f"/CN={hostname}", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)


def make_logins(database, realm, logins):
    """A Cyrus SASL password file; the login names are user@realm."""
    if not shutil.which("saslpasswd2", path=_PATH):
        raise loopback.Unavailable("saslpasswd2 is missing (package sasl2-bin)")
    for user, password in logins.items():
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", database, "-u", realm, user], input=password,
                       text=True, check=True, env={"PATH": _PATH}, capture_output=True)
