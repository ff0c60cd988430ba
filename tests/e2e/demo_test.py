#!/usr/bin/env python3
"""The demo plays to its end, every session ends as announced, and nothing is left running."""

import os
import shutil
import subprocess
import sys
import unittest

from rig import case, loopback
from rig.sluice import binary


class Demo(unittest.TestCase):
    def test_the_demo_plays_once_and_stops(self):
        if os.geteuid() != 0:
            self.skipTest("a private Postfix needs root")
        folder = loopback.make_folder("sluice-demo-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        demo = subprocess.run([os.path.join(case.REPOSITORY, "scripts", "demo"), "--once"], capture_output=True,
                              text=True, timeout=900, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "SLUICE_DEMO": os.path.join(folder, "demo"), "SLUICE_BIN": binary()})
        self.assertEqual(demo.returncode, 0, demo.stdout + demo.stderr)
        for rule in ("greylist/first-contact", "base/sender-syntax", "base/size-declared", "base/helo-not-fqdn",
                     "limits/to-one-domain"):
            self.assertIn(f"rule={rule}", demo.stdout)
        self.assertEqual(demo.stdout.count("status=sent"), 2, demo.stdout)
        self.assertEqual(demo.stdout.count("stopped "), 3, demo.stdout)
        self.assertFalse(os.path.exists(os.path.join(folder, "demo", "running.json")))


if __name__ == "__main__":
    sys.exit(case.main())
