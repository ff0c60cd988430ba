"""What the end-to-end tests share: a folder, the servers of a test, and an honest way to skip.

A test module ends with `sys.exit(case.main())`: 0 all passed, 1 something failed, 77 nothing could
run (CTest shows that as skipped; the reason is printed).
"""

import os
import shutil
import sys
import unittest

from . import loopback
from .name_server import NameServer
from .postfix import Postfix
from .sendmail import Sendmail
from .sluice import Sluice
from .smtp_client import SmtpClient

SKIPPED = 77
REPOSITORY = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
MTAS = {"postfix": Postfix, "sendmail": Sendmail}


class ServerCase(unittest.TestCase):
    """A class of tests on one set of servers, started once and stopped in the reverse order."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = loopback.make_folder("sluice-e2e-")
        cls._servers = []
        cls.addClassCleanup(cls._clean_up)

    @classmethod
    def _clean_up(cls):
        for server in reversed(cls._servers):
            server.stop()
        if os.environ.get("SLUICE_E2E_KEEP"):
            print(f"kept: {cls.folder}", file=sys.stderr)
        else:
            shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def start_sluice(cls, policy, name="sluice", settings="", port=None):
        sluice = Sluice(os.path.join(cls.folder, name), policy, settings, port)
        cls._servers.append(sluice)
        return sluice.start()

    @classmethod
    def start_name_server(cls, records):
        server = NameServer(records)
        cls._servers.append(server)
        return server.start()

    @classmethod
    def start_mta(cls, name, milters, folder=None, **options):
        try:
            mta = MTAS[name](os.path.join(cls.folder, folder or name), milters=milters, **options)
        except loopback.Unavailable as reason:
            raise unittest.SkipTest(f"{name}: {reason}")
        cls._servers.append(mta)
        return mta.start()

    @classmethod
    def connect(cls, mta, source=None):
        return SmtpClient(mta.host, mta.port, source=source)

    def await_mail(self, mta, address, count=1, seconds=loopback.PATIENCE):
        """The mailbox of an address once it holds `count` messages."""
        return loopback.wait_until(lambda: (lambda box: box if len(box) >= count else None)(mta.mailbox(address)),
                                   seconds, lambda: f"{count} messages for {address}; log: {loopback.tail(mta._log, 5)}")


def main():
    """Runs the tests of the calling module.

    With `--mta sendmail` only the classes for Sendmail (by `mta_name`), with `--mta other` the rest, so that
    CTest shows as skipped what cannot run here; other words select tests as unittest does.
    """
    words = sys.argv[1:]
    suite = unittest.TestSuite()
    wanted = words[1] if words[:1] == ["--mta"] else None
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    if words and wanted is None:
        suite.addTests(loader.loadTestsFromNames(words, module))
    else:
        for test_class in vars(module).values():
            if isinstance(test_class, type) and issubclass(test_class, unittest.TestCase):
                mta = getattr(test_class, "mta_name", "other")
                if wanted is None or (mta if mta == "sendmail" else "other") == wanted:
                    suite.addTests(loader.loadTestsFromTestCase(test_class))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for test, reason in result.skipped:
        print(f"SKIPPED {test}: {reason}")
    if not result.wasSuccessful() or not (result.testsRun or result.skipped):
        return 1
    if result.skipped and result.testsRun <= len(result.skipped):
        print("SKIPPED: nothing could run")
        return SKIPPED
    return 0
