"""Texts that a command has to print, kept in files: what changes from run to run is replaced first."""

import difflib
import json
import os
import re

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SESSION = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")


def _padded(word):
    """The word at the end of as many columns as were there."""
    return lambda match: word.rjust(len(match.group(0)))


class Golden:
    """Use: golden = Golden(folder); golden.name("LISA-1", "4F7K2C"); golden.check("why", transcript)

    With SLUICE_GOLDEN=write in the environment the file is written instead of compared: look at what changed.
    """

    def __init__(self, folder):
        self._folder = folder
        self._names = []

    def name(self, shown, seen):
        """`seen` is shown as `shown` from now on; of one length where it stands in a table."""
        self._names.append((seen, shown))

    def plain(self, text):
        for seen, shown in sorted(self._names, key=lambda pair: -len(pair[0])):
            text = text.replace(seen, shown)
        text = _TIME.sub("YYYY-MM-DDTHH:MM:SSZ", text)
        text = _SESSION.sub("<session>", text)
        text = re.sub(r"#[0-9a-f]{4,}\b", "#<hash>", text)
        text = re.sub(r"\b\d+ us\b", "N us", text)
        text = re.sub(r"\ball on disk\b|\bnot on disk yet: the last \d+ ms\b", "<saved>", text)  # a slow disk is no fault
        text = re.sub(r'("(?:key|\w+_us|newest)": )"?\d+"?', r"\1N", text)
        return re.sub(r"(?m) {2,}(?:\d+[dhms])+$", _padded("LEFT"), text)

    def all_numbers(self, text):
        """For what counts all the time."""
        text = re.sub(r"\bup (?:\d+[dhms])+", "up N", self.plain(text))
        text = re.sub(r"(?m) {2,}\d[\d,]*(?=$| {2,})", _padded("N"), text)  # columns of a table
        text = re.sub(r"(?<![\w@.-])\d+(,\d{3})*\b", "N", text)
        return text.replace("N.N.N.N", "127.0.0.1")

    def check(self, test, name, transcript):
        path = os.path.join(self._folder, name + ".txt")
        if os.environ.get("SLUICE_GOLDEN") == "write":
            with open(path, "w", encoding="utf-8") as file:
                file.write(transcript)
            return
        with open(path, encoding="utf-8") as file:
            wanted = file.read()
        difference = "".join(difflib.unified_diff(wanted.splitlines(True), transcript.splitlines(True), path, "printed"))
        test.assertEqual(difference, "", "\n" + difference)


def transcript(sluice, commands, plain):
    """What the commands print, for people and with --json, each with its exit code."""
    text = ""
    for words in commands:
        for more in ((), ("--json",)):
            done = sluice.command(*words, *more)
            shown = done.stdout
            if more and shown.strip():
                shown = json.dumps(json.loads(shown), indent=1, ensure_ascii=False) + "\n"
            said = "".join("stderr: " + line + "\n" for line in done.stderr.splitlines())
            exit_code = f"exit {done.returncode}\n"
            text += plain(f"$ sluice {' '.join([*words, *more])}\n{shown}{said}") + exit_code + "\n"
    return text
