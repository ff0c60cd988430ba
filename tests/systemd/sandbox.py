"""The unit's system call filter without systemd: read from the unit file, made with libseccomp, put on a program.

    sandbox.py UNIT USER PROGRAM ARGUMENTS...

runs the program as that user (a service that is not root asks for other things than root does) under the SystemCallFilter= and MemoryDenyWriteExecute= of the unit. What the filter does not let
through kills the whole process with SIGSYS, instead of an error that might go unnoticed.
"""

import ctypes
import ctypes.util
import os
import pwd
import subprocess
import sys

SCMP_ACT_KILL_PROCESS = 0x80000000
SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_CMP_MASKED_EQ = 7
PROT_WRITE, PROT_EXEC = 2, 4


class Unavailable(Exception):
    """libseccomp or systemd-analyze is not here."""


def members(group, seen=None):
    """System calls of a group as this systemd knows it."""
    result = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise Unavailable(f"systemd-analyze does not know {group}: {result.stderr.strip()}")
    calls = set()
    for line in result.stdout.splitlines()[1:]:
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        calls |= members(name) if name.startswith("@") else {name}
    return calls


def allowed(unit):
    """What the SystemCallFilter= lines of a unit let through, in their order."""
    calls = set()
    with open(unit, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("SystemCallFilter="):
                continue
            words = line.split("=", 1)[1].split()
            takes_away = words[0].startswith("~")
            for word in words:
                word = word.lstrip("~")
                group = members(word) if word.startswith("@") else {word}
                calls = calls - group if takes_away else calls | group
    # systemd lets these through for its own work before the program begins.
    return calls | {"execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn"}


def denies_write_execute(unit):
    with open(unit, encoding="utf-8") as file:
        return "MemoryDenyWriteExecute=yes" in file.read().splitlines()


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def libseccomp():
    name = ctypes.util.find_library("seccomp") or "libseccomp.so.2"
    try:
        seccomp = ctypes.CDLL(name, use_errno=True)
    except OSError:
        raise Unavailable("no libseccomp here (package libseccomp2)")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_init.argtypes = [ctypes.c_uint32]
    seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
    seccomp.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.POINTER(Comparison)]
    return seccomp


def apply(unit, user):
    """Makes this process the user's and puts the filter on it and all that it becomes."""
    calls, seccomp = allowed(unit), libseccomp()
    # As MemoryDenyWriteExecute= does: nothing that can be written may be executed.
    executable = {"mmap": [(2, PROT_WRITE | PROT_EXEC)], "mprotect": [(2, PROT_EXEC)], "pkey_mprotect": [(2, PROT_EXEC)]}
    context = seccomp.seccomp_init(SCMP_ACT_KILL_PROCESS)
    for name in sorted(calls):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # of another architecture
        comparisons = executable.get(name, []) if denies_write_execute(unit) else []
        if not comparisons:
            if seccomp.seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, 0, None) != 0:
                raise Unavailable(f"libseccomp does not take {name}")
        for argument, mask in comparisons:
            # Let through when not all bits of the mask are set: one rule for each value that is less.
            for value in range(mask + 1):
                if value & ~mask or value == mask:
                    continue
                rule = Comparison(argument, SCMP_CMP_MASKED_EQ, mask, value)
                seccomp.seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, 1, ctypes.byref(rule))
    become(user)
    if seccomp.seccomp_load(context) != 0:
        raise Unavailable("the kernel does not take the filter")


def become(user):
    entry = pwd.getpwnam(user)
    if os.geteuid() != entry.pw_uid:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def main():
    apply(sys.argv[1], sys.argv[2])
    os.execv(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()
