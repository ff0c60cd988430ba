#!/usr/bin/env python3
"""The page of the admin port in a real Chromium: what it shows, in light and dark, narrow and wide, with hostile mail,
and while a thousand decisions come each second. Pictures go to $SLUICE_SCREENSHOTS when it names a folder."""

import base64
import os
import shutil
import sys
import threading
import time
import unittest

from rig import case, loopback
from rig.crowd import Crowd
from rig.milter_client import MilterClient
from history_test import POLICY

sys.path.append("/usr/lib/python3/dist-packages")  # where Debian has it, for a Python that is not Debian's
try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
except ImportError:
    webdriver = None

SCREENS = {"wide": (1360, 1500), "narrow": (400, 1800)}
HOSTILE = "<img/src=x/onerror=window.hit=1>"
NARROWEST_METER = "return Math.min(...[...document.querySelectorAll('meter')].map((m) => m.getBoundingClientRect().width))"
WIDEST = "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - window.innerWidth"


def browser(folder):
    """Its sockets lie in the folder, whose path is short."""
    if webdriver is None:
        raise unittest.SkipTest("no selenium here (package python3-selenium)")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        raise unittest.SkipTest("no Chromium here (packages chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--force-color-profile=srgb"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(service=Service(driver, env={**os.environ, "TMPDIR": folder}), options=options)
    chrome.set_page_load_timeout(180)
    chrome.set_script_timeout(180)
    return chrome


class Page(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.chrome = browser(cls.folder)
        cls.addClassCleanup(cls.chrome.quit)
        port = loopback.free_port()
        cls.address = f"http://127.0.0.1:{port}/"
        cls.sluice = cls.start_sluice(POLICY, settings=f'admin: {{listen: "inet:127.0.0.1:{port}"}}')
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], domains=("a.test",), users="*")
        with Crowd(cls.mta) as crowd:
            loopback.wait_until(lambda: crowd.sessions > 60, 3 * loopback.PATIENCE, "sixty sessions")
        cls.refuse(f'"{HOSTILE}"@evil.example', helo=HOSTILE)

    @classmethod
    def refuse(cls, sender, helo="client.far.example"):
        with cls.connect(cls.mta) as client:
            client.say(f"EHLO {helo}")
            client.say(f"MAIL FROM:<{sender}>")
            client.say("RCPT TO:<bob@a.test>")

    def screen(self, size, scheme):
        width, height = SCREENS[size]
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "narrow"})
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def picture(self, path):
        """The whole page, also what is below the window."""
        taken = self.chrome.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        with open(path, "wb") as file:
            file.write(base64.b64decode(taken["data"]))

    def open(self):
        self.chrome.get(self.address)
        self.wait("return document.querySelectorAll('#decisions tbody tr').length > 0 && "
                  "document.querySelectorAll('#plot rect').length > 0 && document.querySelectorAll('#tiles .tile').length > 0 && "
                  "document.querySelectorAll('#near td').length > 0")

    def wait(self, script, seconds=loopback.PATIENCE):
        return loopback.wait_until(lambda: self.chrome.execute_script(script), seconds, script, interval=0.1)

    def click_the_first(self):
        """Opens the newest decision and gives its text; at once, for the page makes its rows anew every other second."""
        return self.chrome.execute_script("const row = document.querySelector('#decisions tbody tr'), text = row.innerText;"
                                          "row.click(); return text")

    def find(self, text):
        self.chrome.execute_script("const f = document.getElementById('find'); f.value = arguments[0];"
                                   "f.dispatchEvent(new Event('input'))", text)

    def complaints(self):
        return [entry["message"] for entry in self.chrome.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def test_a_look_in_light_and_dark_narrow_and_wide(self):
        backgrounds = set()
        for size in SCREENS:
            for scheme in ("light", "dark"):
                with self.subTest(f"{size} {scheme}"):
                    self.screen(size, scheme)
                    self.open()
                    self.click_the_first()
                    self.wait("return !document.getElementById('why').hidden && document.querySelectorAll('#trace td').length > 0")
                    self.chrome.execute_script("window.scrollTo(0, 0)")
                    self.assertLessEqual(self.chrome.execute_script(WIDEST), 0, "nothing is wider than the window")
                    self.assertGreater(self.chrome.execute_script(NARROWEST_METER), 40, "a meter that can be read")
                    backgrounds.add(self.chrome.execute_script("return getComputedStyle(document.body).backgroundColor"))
                    for wanted in ("attached", "evil-domain", "per-sender sender.address=", "try-out", "embedded", "history#"):
                        loopback.wait_until(lambda w=wanted: w in self.chrome.find_element(By.TAG_NAME, "body").text,
                                            loopback.PATIENCE, f"{wanted} on the page")
                    folder = os.environ.get("SLUICE_SCREENSHOTS")
                    if folder:
                        os.makedirs(folder, exist_ok=True)
                        self.picture(os.path.join(folder, f"{size}-{scheme}.png"))
        self.assertEqual(len(backgrounds), 2, "dark is not light")
        self.assertEqual(self.complaints(), [])

    def test_hostile_mail_is_text(self):
        self.screen("wide", "light")
        self.open()
        self.find("onerror")
        self.wait("return document.querySelectorAll('#decisions tbody tr').length === 1")
        self.assertIn(HOSTILE, self.click_the_first())
        self.wait("return !document.getElementById('why').hidden")
        self.assertIn(HOSTILE, self.chrome.find_element(By.ID, "why").text)
        self.assertEqual(self.chrome.execute_script("return [window.hit === undefined, document.images.length]"), [True, 0])
        self.assertEqual(self.complaints(), [])

    def test_search_stage_and_code_narrow_what_is_shown(self):
        self.screen("wide", "light")
        self.open()
        self.find("nobody-has-this")
        self.wait("return document.querySelectorAll('#decisions tbody tr').length === 0")
        self.find("near.example")
        self.wait("const rows = [...document.querySelectorAll('#decisions tbody tr')];"
                  "return rows.length > 0 && rows.every((r) => r.cells[4].textContent.startsWith('(shadow) try-out'))")
        self.find("")
        self.chrome.execute_script("const s = document.getElementById('stage'); s.value = 'connect'; s.dispatchEvent(new Event('input'))")
        self.wait("return document.querySelectorAll('#decisions tbody tr').length === 0")

    def test_a_service_that_is_gone_is_said_and_its_return_too(self):
        self.screen("wide", "light")
        self.open()
        self.sluice.stop()
        self.wait("return !document.getElementById('trouble').hidden")
        self.sluice.start()
        self.wait("return document.getElementById('trouble').hidden")
        self.chrome.get_log("browser")  # what the browser said of the connection

    def test_a_thousand_decisions_a_second(self):
        self.screen("wide", "light")
        self.open()
        stop, asked = threading.Event(), [0]

        def flood():
            client = MilterClient(self.sluice.socket)
            client.mail("bad@evil.example")
            begin = time.monotonic()
            while not stop.is_set():
                client.rcpt("bob@a.test")
                asked[0] += 1
                ahead = asked[0] / 1000 - (time.monotonic() - begin)
                if ahead > 0:
                    time.sleep(ahead)
            client.close()

        flooding = threading.Thread(target=flood, daemon=True)
        begin = time.monotonic()
        flooding.start()
        try:
            newest = "return document.querySelector('#decisions tbody tr').dataset.key"
            seen, slowest = set(), 0
            while time.monotonic() - begin < 12 or (len(seen) <= 2 and time.monotonic() - begin < 2 * loopback.PATIENCE):
                seen.add(self.chrome.execute_script(newest))
                took = time.monotonic()
                self.chrome.execute_script("return document.body.offsetHeight")
                slowest = max(slowest, time.monotonic() - took)
                time.sleep(0.5)
        finally:
            rate = asked[0] / (time.monotonic() - begin)
            stop.set()
            flooding.join(loopback.PATIENCE)
        print(f"{rate:.0f} decisions/s, {len(seen)} looks at new ones, slowest turn of the page {slowest * 1000:.0f} ms")
        self.assertGreater(len(seen), 2, "the page goes on")
        self.assertLessEqual(self.chrome.execute_script("return document.querySelectorAll('#decisions tbody tr').length"), 100)
        self.assertEqual(self.complaints(), [])
        answer = self.sluice.command("why", "bad@evil.example")
        self.assertEqual(answer.returncode, 0)


if __name__ == "__main__":
    sys.exit(case.main())
