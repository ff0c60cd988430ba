#!/usr/bin/env python3
"""The shipped alert rules, by `promtool test rules`; the shipped dashboard is JSON with the parts Grafana wants."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CONTRIB = os.path.join(HERE, "..", "..", "contrib")
SKIPPED = 77


def check_dashboard():
    with open(os.path.join(CONTRIB, "grafana", "sluice.json"), encoding="utf-8") as file:
        board = json.load(file)
    ids = [panel["id"] for panel in board["panels"]]
    complete = all(panel["type"] == "row" or panel["targets"][0]["expr"] for panel in board["panels"])
    print(f"dashboard: {len(ids)} panels")
    return len(ids) == len(set(ids)) and complete and bool(board["uid"] and board["title"])


def check_rules():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(CONTRIB, "prometheus", "sluice.rules.yml"), folder)
        shutil.copy(os.path.join(HERE, "rules_test.yml"), folder)
        result = subprocess.run(["promtool", "test", "rules", "rules_test.yml"], cwd=folder, capture_output=True,
                                text=True, check=False)
    print(result.stdout + result.stderr)
    return result.returncode == 0


def main():
    if not check_dashboard():
        return 1
    if not shutil.which("promtool"):
        print("SKIPPED: no promtool here (package prometheus)")
        return SKIPPED
    return 0 if check_rules() else 1


if __name__ == "__main__":
    sys.exit(main())
