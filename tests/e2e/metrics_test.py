#!/usr/bin/env python3
"""What /metrics, /healthz and /readyz tell, scraped under load and read by a strict parser."""

import contextlib
import http.client
import os
import re
import socket
import sys
import urllib.error
import urllib.request

from rig import case, loopback
from rig.crowd import Crowd
from history_test import POLICY

sys.path.append("/usr/lib/python3/dist-packages")  # where Debian has it, for a Python that is not Debian's
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

DASHBOARD = os.path.join(case.REPOSITORY, "contrib", "grafana", "sluice.json")
RULES = os.path.join(case.REPOSITORY, "contrib", "prometheus", "sluice.rules.yml")


class Metrics(case.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = loopback.free_port()
        cls.sluice = cls.start_sluice(POLICY, settings=f'admin: {{listen: "inet:127.0.0.1:{cls.port}"}}')
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], domains=("a.test",), users="*")

    def get(self, path, **fields):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=fields)
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.read().decode(), answer.headers

    def status_of(self, method, path, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        connection.request(method, path, headers=fields)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def scrape(self):
        if text_string_to_metric_families is None:
            self.skipTest("no OpenMetrics parser here (package python3-prometheus-client)")
        text, headers = self.get("/metrics")
        self.assertTrue(headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"))
        return {family.name: family for family in text_string_to_metric_families(text)}

    @staticmethod
    def value(families, name, **labels):
        for family in families.values():
            for sample in family.samples:
                if sample.name == name and all(sample.labels.get(k) == v for k, v in labels.items()):
                    return sample.value
        return None

    def test_under_load_a_strict_parser_reads_every_scrape_and_counters_only_rise(self):
        with Crowd(self.mta) as crowd:
            loopback.wait_until(lambda: crowd.sessions > 30, 3 * loopback.PATIENCE, "thirty sessions")
            scrapes = [self.scrape() for _ in range(8)]
        for name, labels in (("sluice_decisions_total", {"stage": "rcpt", "action": "reject", "rule": "evil-domain"}),
                             ("sluice_messages_accepted_total", {}), ("sluice_sessions_total", {}),
                             ("sluice_shadow_decisions_total", {"rule": "try-out"}),
                             ("sluice_limit_checks_total", {"limit": "per-sender", "result": "granted"}),
                             ("sluice_store_ops_total", {"op": "reserve", "result": "ok"}),
                             ("sluice_decision_duration_seconds_count", {"stage": "rcpt"}),
                             ("process_cpu_seconds_total", {})):
            seen = [self.value(families, name, **labels) for families in scrapes]
            self.assertNotIn(None, seen, name)
            self.assertEqual(seen, sorted(seen), name)
            self.assertGreater(seen[-1], 0, name)
        last = scrapes[-1]
        self.assertEqual(self.value(last, "sluice_config_last_reload_successful"), 1)
        self.assertEqual(self.value(last, "sluice_store_available"), 1)
        # Looked up at most every 15 s: it costs the store a walk.
        loopback.wait_until(lambda: (self.value(self.scrape(), "sluice_limit_utilisation_ratio", limit="per-sender") or 0) > 0,
                            loopback.PATIENCE, "the fullest counter", interval=1)
        self.assertEqual(self.value(last, "sluice_policy_info", policy="history"), 1)
        samples = [sample for family in last.values() for sample in family.samples]
        self.assertLess(len(samples), 2000)
        for sample in samples:
            for text in sample.labels.values():
                self.assertNotIn("@", text)
                self.assertNotIn("127.0.0.1", text)

    def test_metrics_count_what_the_mta_did(self):
        before = self.scrape()
        sessions = 5
        for _ in range(sessions):
            with self.connect(self.mta) as client:
                client.say("EHLO client.far.example")
                client.say("MAIL FROM:<bad@evil.example>")
                client.say("RCPT TO:<bob@a.test>")
        labels = {"stage": "rcpt", "action": "reject", "rule": "evil-domain"}
        known = self.value(before, "sluice_decisions_total", **labels) or 0

        def rose():
            return (self.value(self.scrape(), "sluice_decisions_total", **labels) or 0) - known
        loopback.wait_until(lambda: rose() >= sessions, loopback.PATIENCE, "the sessions to be counted")
        self.assertEqual(rose(), sessions)

    def test_a_broken_reload_shows(self):
        self.sluice.write_policy(POLICY + "  - rule: x\n    stage: nowhere\n")
        self.sluice.command("reload")
        self.assertEqual(self.value(self.scrape(), "sluice_config_last_reload_successful"), 0)
        self.sluice.write_policy(POLICY)
        self.assertEqual(self.sluice.command("reload").returncode, 0)
        self.assertEqual(self.value(self.scrape(), "sluice_config_last_reload_successful"), 1)

    def test_health_and_readiness(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.get(path)[0], "ok\n")

    def test_who_holds_connections_and_says_nothing_keeps_out_neither_monitor_nor_mail(self):
        with contextlib.ExitStack() as crowd:
            for _ in range(600):
                crowd.enter_context(socket.create_connection(("127.0.0.1", self.port), loopback.PATIENCE))
            for path in ("/healthz", "/readyz"):
                self.assertEqual(self.get(path)[0], "ok\n")
            with self.connect(self.mta) as client:
                client.say("EHLO client.far.example")
                client.say("MAIL FROM:<bad@evil.example>")
                self.assertTrue(client.say("RCPT TO:<bob@a.test>")[-1].startswith("5"))
            self.assertEqual(self.get("/healthz")[0], "ok\n")
        self.assertEqual(self.get("/healthz")[0], "ok\n")

    def test_it_only_shows_and_only_to_this_host(self):
        self.assertEqual(self.status_of("POST", "/metrics"), 405)
        self.assertEqual(self.status_of("DELETE", "/api/history"), 405)
        self.assertEqual(self.status_of("GET", "/metrics", Host="evil.example"), 403)
        self.assertEqual(self.status_of("GET", "/metrics", Host=f"127.0.0.1.evil.example:{self.port}"), 403)
        self.assertEqual(self.status_of("GET", "/api/history", **{"Sec-Fetch-Site": "cross-site"}), 403)
        self.assertEqual(self.status_of("GET", "/metrics", Host=f"localhost:{self.port}"), 200)
        self.assertEqual(self.status_of("GET", "/etc/passwd"), 404)
        self.assertEqual(self.status_of("GET", "/api/reload"), 404)
        self.assertEqual(self.status_of("GET", "/api/history?stage=lunch"), 400)
        _, headers = self.get("/")
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_dashboard_and_alerts_name_metrics_that_exist(self):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"], "gauge": [""]}
        names = {name + suffix for name, family in self.scrape().items() for suffix in suffixes[family.type]}
        for path in (DASHBOARD, RULES):
            with open(path, encoding="utf-8") as file:
                used = set(re.findall(r"\b(?:sluice|process)_[a-z_]+\b", file.read()))
            self.assertTrue(used)
            self.assertEqual(used - names, set(), path)


if __name__ == "__main__":
    sys.exit(case.main())
