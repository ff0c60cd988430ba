#!/usr/bin/env python3
"""`sluice test FILE --mta`: the tests of policies played through a real Postfix."""

import glob
import grp
import os
import re
import subprocess
import sys

from rig import case

SCENARIOS = os.environ.get("SLUICE_SCENARIOS", os.path.join(case.REPOSITORY, "..", "shared", "scenarios"))


class MtaMode(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Postfix reaches the socket through the group of its folder, as in the units.
        folder = os.path.join(cls.folder, "milter")
        os.mkdir(folder)
        os.chown(folder, -1, grp.getgrnam("postfix").gr_gid)
        os.chmod(folder, 0o2770)
        cls.socket = os.path.join(folder, "test.sock")
        # Whatever a policy lets pass, the MTA takes and throws away; its own limits are out of the way.
        cls.mta = cls.start_mta("postfix", [f"unix:{cls.socket}"], domains=("unused.test",), settings={
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "mynetworks": "0.0.0.0/0", "smtpd_recipient_limit": "5000",
            "message_size_limit": "0", "local_header_rewrite_clients": ""})

    def play(self, files):
        """Lines of the run by their first word: {"ok": [...], "FAIL": [...], "skip": [...]}."""
        run = subprocess.run([os.environ["SLUICE_BIN"], "test", *files, "--mta", f"127.0.0.1:{self.mta.port}",
                              "--listen", f"unix:{self.socket}"], capture_output=True, text=True, timeout=900, check=False)
        lines = {"ok": [], "FAIL": [], "skip": []}
        for line in run.stdout.splitlines():
            found = re.match(r"(ok|FAIL|skip)\s+(.*)", line)
            if found:
                lines[found[1]].append(found[2])
        self.assertEqual([], lines["FAIL"], run.stdout[-4000:] + run.stderr)
        return lines

    def test_the_shipped_policies_pass_through_postfix(self):
        files = sorted(glob.glob(os.path.join(case.REPOSITORY, "policies", "*.yaml")))
        lines = self.play(files)
        self.assertGreater(len(lines["ok"]), len(lines["skip"]), lines["skip"])

    def test_at_least_half_of_the_scenarios_pass_through_postfix(self):
        files = sorted(glob.glob(os.path.join(SCENARIOS, "*.yaml")))
        if not files:
            self.skipTest("no scenarios here (SLUICE_SCENARIOS)")
        lines = self.play(files)
        skipped = {line.split(": ")[0] for line in lines["skip"]}
        whole = {line.split(": ")[0] for line in lines["ok"]} - skipped
        print(f"{len(whole)} of {len(files)} scenarios whole, {len(lines['ok'])} tests, {len(lines['skip'])} skipped", file=sys.stderr)
        self.assertGreaterEqual(len(whole), len(files) / 2, "\n".join(lines["skip"]))


if __name__ == "__main__":
    sys.exit(case.main())
