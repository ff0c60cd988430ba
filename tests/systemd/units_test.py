#!/usr/bin/env python3
"""The shipped systemd units: systemd understands them, and the sandbox is as tight as promised."""

import os
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
UNITS = os.path.join(REPOSITORY, "systemd")
SKIPPED = 77
# systemd-analyze counts in tenths: 10 is an exposure of 1.0 of 10, "SAFE"
HIGHEST_EXPOSURE = 10


def analyze(*words):
    result = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    return result.returncode, (result.stdout + result.stderr).strip()


def check_exposure():
    code, said = analyze("security", "--offline=true", "--no-pager", f"--threshold={HIGHEST_EXPOSURE}",
                         os.path.join(UNITS, "sluice.service"))
    print(said.splitlines()[-1])
    return code == 0


def check_units():
    """`verify` wants the program to exist: the units are read in a folder where it does."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "sluice")
        shutil.copy(shutil.which("true"), program)
        for unit in ("sluice.service", "sluice.socket"):
            with open(os.path.join(UNITS, unit), encoding="utf-8") as file:
                text = file.read().replace("/usr/sbin/sluice", program)
            with open(os.path.join(folder, unit), "w", encoding="utf-8") as file:
                file.write(text)
        code, said = analyze("verify", "--man=no", "--recursive-errors=no", os.path.join(folder, "sluice.service"),
                             os.path.join(folder, "sluice.socket"))
        complaints = [line for line in said.splitlines() if "sluice" in line]
        print("\n".join(complaints) or "units: no complaints")
        return code == 0 and not complaints


def check_restarts():
    """A mistake that a restart does not mend ends the attempts: systemd looks at the exit code of the main process alone."""
    with open(os.path.join(UNITS, "sluice.service"), encoding="utf-8") as file:
        settings = [line.strip().split("=", 1) for line in file if "=" in line and not line.startswith("#")]
    before = [value for key, value in settings if key == "ExecStartPre"]
    ending = {int(code) for key, value in settings if key == "RestartPreventExitStatus" for code in value.split()}
    print(f"not started again after {sorted(ending)}; before the main process: {before or 'nothing'}")
    return not before and {64, 65, 66, 78} <= ending and not ending & {0, 69, 70, 75}


def check_users():
    """sysusers.d and tmpfiles.d lines, in a root of their own."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "etc"))
        users = subprocess.run(["systemd-sysusers", f"--root={root}", os.path.join(UNITS, "sluice.sysusers")],
                               capture_output=True, text=True, check=False)
        with open(os.path.join(root, "etc", "passwd"), encoding="utf-8") as file:
            made = [line.split(":")[0] for line in file]
        print(f"users made: {made}")
        return users.returncode == 0 and made == ["sluice"]


def main():
    if not shutil.which("systemd-analyze"):
        print("SKIPPED: no systemd-analyze here (package systemd)")
        return SKIPPED
    results = [check() for check in (check_exposure, check_units, check_restarts, check_users)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
