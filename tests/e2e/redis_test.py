"""Mail goes on while Redis is away, moves or refuses: the short form of scripts/prove-redis."""

import sys
import unittest

import mail_over_redis
from rig import case, loopback
from rig.postfix import Postfix
from rig.sendmail import Sendmail

# The machine may be busy with other tests: a late answer is no fault here, a wrong one is.
PATIENCE_MS = 5_000


class Outages:
    mta = None

    def hold(self, name):
        accident = next(a for a in mail_over_redis.ACCIDENTS if a[0] == name)
        try:
            done = mail_over_redis.Round(self.mta, accident, 30, PATIENCE_MS)
        except loopback.Unavailable as reason:
            raise unittest.SkipTest(str(reason))
        print("\n" + mail_over_redis.HEAD + "\n" + done.row)
        self.assertEqual(done.faults, [])

    def test_the_master_behind_sentinels_is_killed(self):
        self.hold("sentinel-killed")

    def test_a_master_of_the_cluster_freezes(self):
        self.hold("cluster-frozen")

    def test_the_only_server_is_out_of_memory(self):
        self.hold("single-out-of-memory")

    def test_the_password_is_revoked(self):
        self.hold("single-password-revoked")


class ThroughPostfix(Outages, unittest.TestCase):
    mta = Postfix


class ThroughSendmail(Outages, unittest.TestCase):
    mta = Sendmail
    mta_name = "sendmail"


if __name__ == "__main__":
    sys.exit(case.main())
