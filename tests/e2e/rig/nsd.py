"""A private nsd: the authority for the zones of a test, on a free loopback port, without privileges.

nsd answers REFUSED for what it has no zone of. Give it "." as a zone too, and every other name does
not exist (NXDOMAIN), as it would be behind a real resolver.
"""

import os
import shutil
import subprocess

from . import loopback

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
_HEAD = "$ORIGIN {origin}\n$TTL 60\n@ SOA ns.test-authority.example. admin.test-authority.example. 1 3600 600 86400 {negative}\n" \
        "@ NS ns.test-authority.example.\n"
_SERVER = """\
server:
  ip-address: 127.0.0.1@{port}
  port: {port}
  username: ""
  chroot: ""
  database: ""
  server-count: 1
  rrl-ratelimit: 0
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
remote-control:
  control-enable: no
"""


class Nsd:
    """Use: n = Nsd(folder, {"far.example": "@ MX 10 mail\\nmail A 192.0.2.1\\n"}); n.start(); ...; n.stop()

    zones     the records of each zone; SOA and NS are added. None: a zone that cannot be loaded (SERVFAIL).
    negative  how long a "no" may be kept, in seconds (the SOA's minimum).
    `address` is what `dns: {servers: [...]}` takes.
    """

    def __init__(self, folder, zones, negative=60):
        program = shutil.which("nsd", path=_PATH)
        if not program:
            raise loopback.Unavailable("nsd is not installed (scripts/setup test)")
        self.folder = os.path.abspath(folder)
        self.port = loopback.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._program = program
        self._process = None
        os.makedirs(self.folder, exist_ok=True)
        text = _SERVER.format(port=self.port, folder=self.folder)
        for number, (zone, records) in enumerate(zones.items()):
            text += f'zone:\n  name: "{zone}"\n  zonefile: "{number}.zone"\n'
            if records is not None:
                origin = zone if zone.endswith(".") else zone + "."
                with open(os.path.join(self.folder, f"{number}.zone"), "w", encoding="ascii") as file:
                    file.write(_HEAD.format(origin=origin, negative=negative) + records)
        with open(os.path.join(self.folder, "nsd.conf"), "w", encoding="ascii") as file:
            file.write(text)

    def start(self):
        log = os.path.join(self.folder, "log")
        with open(log, "w", encoding="utf-8") as file:
            self._process = subprocess.Popen([self._program, "-d", "-c", os.path.join(self.folder, "nsd.conf")],
                                             stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)

        def listening():
            if self._process.poll() is not None:
                raise loopback.RigError(f"nsd ended at once: {loopback.tail(log, 20)}")
            return loopback.accepts("127.0.0.1", self.port)
        loopback.wait_until(listening, loopback.PATIENCE, lambda: f"nsd on port {self.port}: {loopback.tail(log)}")
        return self

    def stop(self):
        loopback.end(self._process)
        self._process = None
