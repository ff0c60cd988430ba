"""The shipped user may do what the scripts do, and nothing else."""

import glob
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from rig import case  # noqa: E402

# Sent by the client itself.
PROTOCOL = {"ping", "role", "evalsha", "eval", "asking", "cluster|slots"}


class Rights(unittest.TestCase):
    def test_the_user_has_the_rights_that_the_scripts_need(self):
        with open(f"{case.REPOSITORY}/config/redis-users.acl", encoding="utf-8") as file:
            line, = [text for text in file if text.startswith("user sluice ")]
        granted = set(re.findall(r"\+(\S+)", line))
        self.assertFalse(any(right.startswith("@") for right in granted), granted)
        used = set()
        for path in glob.glob(f"{case.REPOSITORY}/src/backends/redis/*.lua"):
            with open(path, encoding="utf-8") as file:
                used |= {name.lower() for name in re.findall(r"\bp?call\(\s*'([A-Za-z]+)'", file.read())}
        if not used:
            self.skipTest("there are no scripts")
        self.assertEqual(used - granted, set(), "scripts use what the user may not")
        self.assertEqual(granted - used - PROTOCOL, set(), "the user may do what no script does")


if __name__ == "__main__":
    sys.exit(case.main())
