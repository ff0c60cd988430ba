#!/usr/bin/env python3
"""Every whole policy in the documents loads, and the tests in it pass.

usage: examples.py SLUICE FILE...   A whole policy is a ```yaml block whose first line is `sluice: 1`.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

sluice, files = sys.argv[1], sys.argv[2:]
seen, wrong = 0, 0
for name in files:
    for block in re.findall(r"^```yaml\n(.*?)^```", pathlib.Path(name).read_text(), re.S | re.M):
        if not block.startswith("sluice: 1"):
            continue
        seen += 1
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block)
            file.flush()
            for command in ("check", "test"):
                run = subprocess.run([sluice, command, file.name], capture_output=True, text=True, check=False)
                if run.returncode != 0:
                    wrong += 1
                    print(f"{name}: an example does not pass `sluice {command}`:\n{run.stdout}{run.stderr}")
print(f"{seen} policies in the documents, {wrong} wrong")
sys.exit(1 if wrong or not seen else 0)
