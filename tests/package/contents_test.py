#!/usr/bin/env python3
"""What the Debian package of a build holds.

usage: contents_test.py BUILD      BUILD: a build folder configured with SLUICE_PACKAGE=ON
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "build/dev").resolve()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIPPED = 77
PAGES = ["man8/sluice.8", "man5/sluice.yaml.5", "man7/sluice-policy.7", "man1/sluice-test.1"]


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-package-"))
        made = run("cpack", "-G", "DEB", "-B", str(cls.folder), cwd=BUILD)
        debs = list(cls.folder.glob("*.deb"))
        assert made.returncode == 0 and len(debs) == 1, made.stdout + made.stderr
        cls.deb, cls.files, cls.control = debs[0], cls.folder / "files", cls.folder / "control"
        run("dpkg-deb", "-x", str(cls.deb), str(cls.files))
        run("dpkg-deb", "-e", str(cls.deb), str(cls.control))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def test_the_program_the_units_and_the_configuration_are_where_debian_wants_them(self):
        for path in ("usr/sbin/sluice", "lib/systemd/system/sluice.service", "etc/sluice/sluice.yaml",
                     "etc/sluice/policies/site.yaml", "usr/share/doc/sluice/copyright",
                     "usr/share/doc/sluice/changelog.gz", "lib/systemd/system/sluice.socket",
                     "usr/share/doc/sluice/examples/sluice.rules.yml", "usr/share/doc/sluice/examples/sluice.json",
                     "usr/share/doc/sluice/docs/guide/attach.md", "usr/share/doc/sluice/docs/policy-language.md"):
            found = [p for p in (self.files / path, self.files / "usr" / path) if p.exists()]
            self.assertTrue(found, path)

    def test_every_file_in_etc_is_a_conffile_and_nothing_else_is(self):
        listed = set((self.control / "conffiles").read_text().split())
        there = {"/" + str(p.relative_to(self.files)) for p in (self.files / "etc").rglob("*") if p.is_file()}
        self.assertEqual(listed, there)

    def test_the_shipped_policies_are_those_of_the_source(self):
        for policy in (ROOT / "policies").glob("*.yaml"):
            self.assertEqual(policy.read_bytes(), (self.files / "etc/sluice/policies" / policy.name).read_bytes())

    def test_libraries_are_dependencies_and_the_scripts_are_valid(self):
        depends = run("dpkg-deb", "-f", str(self.deb), "Depends").stdout
        for library in ("libmilter1.0.1", "libsqlite3-0", "libc-ares2", "adduser"):
            self.assertIn(library, depends)
        for script in ("postinst", "prerm", "postrm"):
            self.assertEqual(run("sh", "-n", str(self.control / script)).returncode, 0, script)
            self.assertTrue(os.access(self.control / script, os.X_OK), script)

    def test_manual_pages_render_without_a_warning_and_name_every_command_and_key(self):
        if not shutil.which("man"):
            self.skipTest("man is not here")
        options = json.loads(run(str(BUILD / "sluice"), "options").stdout)
        text = {}
        for page in PAGES:
            path = self.files / "usr/share/man" / (page + ".gz")
            shown = run("man", "--warnings", "-l", "-Tutf8", str(path), env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200"})
            self.assertEqual(shown.stderr, "", page)
            text[page] = re.sub(".\b", "", shown.stdout)
            self.assertGreater(len(text[page].splitlines()), 40, page)
        for command in options["commands"]:
            self.assertIn(f"sluice {command['name']}", text[PAGES[0]])
        for key in options["configuration"]:
            self.assertIn(key["key"], text[PAGES[1]])

    def test_completion_knows_the_commands(self):
        script = self.files / "usr/share/bash-completion/completions/sluice"
        asked = run("bash", "-c", f"source {script}; COMP_WORDS=(sluice che); COMP_CWORD=1; _sluice; echo ${{COMPREPLY[@]}}")
        self.assertEqual(asked.stdout.strip(), "check", asked.stderr)

    def test_the_list_of_parts_names_the_libraries(self):
        document = json.loads((self.files / "usr/share/doc/sluice/sluice.spdx.json").read_text())
        self.assertIn("libsqlite3-0", [package["name"] for package in document["packages"]])

    def test_no_path_of_this_machine_is_in_the_texts(self):
        for path in self.files.rglob("*"):
            if path.is_file() and path.suffix in (".yaml", ".service", ".json", ".md"):
                self.assertNotIn(str(ROOT), path.read_text(errors="replace"), path)


if __name__ == "__main__":
    for program in ("cpack", "dpkg-deb", "dpkg-shlibdeps"):
        if not shutil.which(program):
            print(f"skipped: {program} is not here")
            sys.exit(SKIPPED)
    unittest.main(verbosity=2)
