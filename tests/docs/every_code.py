#!/usr/bin/env python3
"""Every reply code that a policy can give is given by a shipped policy, and a test of that policy expects it.

usage: every_code.py SLUICE POLICIES
"""
import json
import pathlib
import re
import subprocess
import sys

# Known to the catalogue for admins who want them; no shipped rule gives them.
BY_CHOICE = {432, 521, 524, 525, 534, 556}

sluice, folder = sys.argv[1], pathlib.Path(sys.argv[2])
codes = {c["code"] for c in json.loads(subprocess.check_output([sluice, "codes", "--json"])) if c["by_policy"]}
texts = "\n".join(p.read_text() for p in folder.rglob("*.yaml"))
given = {int(c) for c in re.findall(r"(?:reject|defer|disconnect) ([45]\d\d)\b", texts)} | {450, 452}
expected = {int(c) for c in re.findall(r"=> ([45]\d\d)\b", texts)}
missing = sorted(codes - BY_CHOICE - (given & expected))
if missing:
    sys.exit(f"no shipped policy gives, or no test of one expects: {missing}")
print(f"{len(codes - BY_CHOICE)} reply codes given by shipped policies and expected by their tests")
