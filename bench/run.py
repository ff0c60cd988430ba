#!/usr/bin/env python3
"""Measures Sluice against two filters that do nothing, in the same run, and prints the ratios.

E is a filter on libmilter that takes only connect, helo, mail, rcpt and the end (empty_libmilter), I
the same on plain epoll (empty_epoll). Each round starts every filter once, alone, in an order that
turns; the figures are medians of the rounds. Absolute figures drift with the machine, ratios hold.

    scripts/bench                         the rows that need nothing but what was built
    scripts/bench --all --write           the whole table, with peers, Postfix and Redis, into bench/RESULTS.md
    scripts/bench --rows busy,pauses      some of them
    scripts/bench --rounds 9 --write      longer
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import allocations
import bars
import peers
import slow_backend

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "RESULTS.md"
MARK = "<!-- runs, newest first -->\n"

# What the generator is told for each row; `idle` is a number that --idle replaces.
SCENARIOS = {
    "busy": ("50 connections, no pauses", ["--connections", "50"]),
    "pauses": ("50 connections, clients pause 20 ms", ["--connections", "50", "--pause", "20"]),
    "idle": ("the same beside {idle} idle connections",
             ["--connections", "50", "--pause", "20", "--idle", "{idle}"]),
    "thousand": ("1,000 busy sessions", ["--connections", "1000", "--clients", "5000"]),
    "nolimits": ("100 rules without limits, 50 connections, no pauses", ["--connections", "50"]),
    "spam": ("a spam scanner that answers at once, bodies of 4 kB; B keeps the body and no more",
             ["--connections", "50"]),
    "virus": ("clamd that answers at once, bodies of 200 kB; B keeps the body and no more",
              ["--connections", "10", "--body", "200000"]),
    "rules10": ("10 rules, 50 connections, no pauses", ["--connections", "50"]),
    "rules1000": ("1,000 rules, 50 connections, no pauses", ["--connections", "50"]),
}
# Rows that play something of their own: each module has ROWS, measure(run, bench, row) and table(row, results).
OWN_ROWS = {row: module for module in (allocations, peers, slow_backend) for row in module.ROWS} | {"mta": None}
MOST_ROUNDS = {"idle": 3}  # libmilter takes half a minute to open 10,000 connections
RULES = {"rules10": 10, "rules1000": 1000}
WITHOUT_LIMITS = {"nolimits"}
# The fact that a scanner gives, what the service is configured with, and what stands at its port.
SCANNERS = {
    "spam": ("spam.score >= 15", 'scanners: {{spam: {{engine: rspamd, address: "127.0.0.1:{port}"}}}}', "rspamd"),
    "virus": ("virus.found", 'scanners: {{virus: {{clamd: "127.0.0.1:{port}"}}}}', "clamd"),
}

# One rule of each kind that is decided in memory; none matches the generator's mail.
RULE_FORMS = [
    ("connect", 'client.ip in ["203.0.113.{b}", "198.51.100.{b}", "192.0.2.{b}"]', "reject 554"),
    ("helo", 'helo.name ends_with ".dyn{n}.example"', "reject 550 5.7.1"),
    ("helo", 'helo.name =~ /^(dsl|pool)-{n}-[0-9]+[.]/i', "reject 550 5.7.1"),
    ("mail", 'sender.address == "offers{n}@bulk.example"', "reject 550 5.7.1"),
    ("mail", 'sender.domain under "spam{n}.example"', "reject 550 5.7.1"),
    ("mail", '(mail.size ?? 0B) > {m}MB', "reject 523"),
    ("rcpt", 'rcpt.localpart starts_with "trap{n}-"', "reject 550 5.1.1"),
    ("rcpt", 'rcpt.domain under "closed{n}.example" and not sender.is_null', "reject 550 5.7.1"),
]
LIMITS = [
    ("per-client", "rcpt", "client.ip", "messages", "1000000/1h"),
    ("per-sender", "rcpt", "sender.domain", "messages", "1000000/1h, 10000000/1d"),
    ("per-recipient", "rcpt", "rcpt.address", "recipients", "1000000/1h"),
    ("per-domain", "rcpt", "rcpt.domain", "recipients", "100000000/1h"),
]


def policy_text(rules, limits):
    """A policy of `rules` rules, `limits` of them limits, through which all of the mail passes."""
    lines = ["sluice: 1", "policy: bench", "rules:"]
    for n in range(rules - limits):
        stage, condition, action = RULE_FORMS[n % len(RULE_FORMS)]
        condition = condition.format(n=n, b=n % 250 + 1, m=n + 100)
        lines += [f"  - rule: r{n}", f"    stage: {stage}", f"    when: '{condition}'",
                  f"    then: {action}"]
    for name, stage, key, count, rate in LIMITS[:limits]:
        extra = ["    when: sender.domain is set"] if key == "sender.domain" else []
        lines += [f"  - limit: {name}", f"    stage: {stage}", *extra, f"    key: {key}",
                  f"    count: {count}", f"    max: {rate}"]
    return "\n".join(lines) + "\n"


def config_text(folder, engine, listen=None):
    return f"""listen: ["{listen or f'unix:{folder}/filter.sock'}"]
policies: [{folder}/policy.yaml]
state: {folder}/state
control: {folder}/control.sock
engine: {engine}
resources: {{sessions: 20000}}
"""


class Filter:
    """A filter that runs in a folder of its own, stopped at the end of `with`.

    at          where it listens: a path, or a (host, port).
    companions  further processes whose CPU and memory are the filter's: its workers, its store.
    """

    def __init__(self, name, command, folder, at=None):
        self.name, self.command, self.folder = name, command, folder
        self.at = at or str(folder / "filter.sock")
        self.companions = []

    def __enter__(self):
        self.log = open(self.folder / "log", "w", encoding="utf-8")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX if isinstance(self.at, str) else socket.AF_INET) as probe:
                try:
                    probe.connect(self.at)
                    return self
                except OSError:
                    time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(f"{self.name} does not listen:\n{(self.folder / 'log').read_text()[-2000:]}")

    def __exit__(self, *unused):
        if self.process.poll() is None:
            # Not TERM: a filter on libmilter takes up to five seconds to end, and none has mail to lose.
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()


def load(generator, running, seconds, options):
    """Runs the generator at a filter; its figures. All mail must have passed."""
    pids = [word for pid in (running.process.pid, *running.companions) for word in ("--pid", str(pid))]
    command = [str(generator), "--at", f"unix:{running.at}", *pids, "--seconds", str(seconds), "--json", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if not result.stdout:
        raise RuntimeError(f"{running.name}: {result.stderr.strip()}")
    figures = json.loads(result.stdout)
    if figures["failures"] or figures["refused"] or figures["idle_lost"] or not figures["messages"]:
        raise RuntimeError(f"{running.name}: not all mail passed: {result.stdout}")
    return figures


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resident_kib(pid):
    for line in open(f"/proc/{pid}/status", encoding="utf-8"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.build = pathlib.Path(arguments.build).resolve()
        self.load = self.build / "bench" / "milter_load"

    def filters(self, row):
        """(label, what makes its command from a folder) of every filter of a row."""
        rules = RULES.get(row, self.arguments.rules)
        limits = 0 if row in WITHOUT_LIMITS else self.arguments.limits
        found = []
        if row in SCANNERS:
            found.append(("B", lambda folder: [str(self.build / "bench" / "empty_libmilter"),
                                               f"unix:{folder}/filter.sock", "keep"]))
            for engine in self.engines():
                found.append((f"sluice/{engine}", lambda folder, e=engine: self.scanned(folder, e, row)))
            return found if self.arguments.sluice else []
        if row not in RULES:
            for label, binary in (("E", "empty_libmilter"), ("I", "empty_epoll")):
                found.append((label, lambda folder, b=binary: [
                    str(self.build / "bench" / b), f"unix:{folder}/filter.sock"]))
        for engine in self.engines():
            found.append((f"sluice/{engine}", lambda folder, e=engine: self.sluice(folder, e, rules, limits=limits)))
        return found

    def engines(self):
        """Those that are measured; none without the binary."""
        return [engine for engine in self.arguments.engines.split(",") if engine and self.arguments.sluice]

    def sluice(self, folder, engine, rules, listen=None, limits=None):
        limits = self.arguments.limits if limits is None else limits
        (folder / "policy.yaml").write_text(policy_text(rules, limits))
        (folder / "sluice.yaml").write_text(config_text(folder, engine, listen))
        (folder / "state").mkdir()
        return [self.arguments.sluice, "run", "-c", str(folder / "sluice.yaml")]

    def scanned(self, folder, engine, row):
        """The service with one rule that asks a scanner."""
        condition, setting, _ = SCANNERS[row]
        command = self.sluice(folder, engine, 0, limits=0)
        (folder / "policy.yaml").write_text(f"sluice: 1\npolicy: bench\nrules:\n  - rule: scanned\n    stage: end\n"
                                            f"    when: {condition}\n    on_unknown: defer\n    then: reject 554\n")
        with open(folder / "sluice.yaml", "a", encoding="utf-8") as file:
            file.write(setting.format(port=self.scanner_port) + "\n")
        return command

    def start_scanner(self, row):
        self.scanner_port = free_port()
        return subprocess.Popen([str(self.build / "bench" / "instant_scanner"), str(self.scanner_port),
                                 SCANNERS[row][2]])

    def run_one(self, row, label, make_command):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-"))
        scanner = self.start_scanner(row) if row in SCANNERS else None
        try:
            with Filter(label, make_command(folder), folder) as running:
                options = [o.format(idle=self.arguments.idle) for o in SCENARIOS[row][1]]
                return load(self.load, running, self.arguments.seconds, options)
        finally:
            if scanner is not None:
                scanner.kill()
                scanner.wait()
            shutil.rmtree(folder, ignore_errors=True)

    def measure(self, row):
        filters = self.filters(row)
        gathered = {label: [] for label, _ in filters}
        for number in range(min(self.arguments.rounds, MOST_ROUNDS.get(row, self.arguments.rounds))):
            turn = number % len(filters) if filters else 0
            for label, make_command in filters[turn:] + filters[:turn]:
                gathered[label].append(self.run_one(row, label, make_command))
                print(".", end="", file=sys.stderr, flush=True)
        print("", file=sys.stderr)
        return {label: summary(runs) for label, runs in gathered.items()}


def summary(runs):
    def median(pick):
        return statistics.median(pick(run) for run in runs)
    return {
        "messages/s": median(lambda r: r["messages_per_second"]),
        "CPU us/message": median(lambda r: r["cpu_us_per_message"]),
        "p50 us": median(lambda r: r["latency"]["all"]["p50_us"]),
        "p99 us": median(lambda r: r["latency"]["all"]["p99_us"]),
        "p99/p50": median(lambda r: r["latency"]["all"]["p99_us"] / max(r["latency"]["all"]["p50_us"], 1)),
        "RSS KiB": median(lambda r: r["rss_kib"]),
        "threads": median(lambda r: r["threads"]),
        "KiB/idle": median(lambda r: r["idle_kib_each"]),
    }


def table(row, results, idle):
    """One scenario as a table: medians, and in brackets the ratio to E where there is one."""
    columns = ["messages/s", "CPU us/message", "p50 us", "p99 us", "p99/p50", "RSS KiB", "threads"]
    if row == "idle":
        columns.append("KiB/idle")
    lines = [f"**{row}**: {SCENARIOS[row][0].format(idle=f'{idle:,}')}", "",
             "| filter | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    base_label = "E" if "E" in results else "B"
    base = results.get(base_label)
    for label, figures in results.items():
        cells = []
        for column in columns:
            value = figures[column]
            cell = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
            if base and label != base_label and column in columns[:4] and base[column]:
                cell += f" ({value / base[column]:.2f})"
            cells.append(cell)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def own_module(row):
    """The module of a row of OWN_ROWS; that of the MTA brings the rig of the tests, so only when it is needed."""
    if row == "mta":
        import mta  # noqa: PLC0415
        return mta
    return OWN_ROWS[row]


def bars_table(rows):
    lines = ["| row | what | target | seen | holds |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n" if rows else ""


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores of {model}, Linux {os.uname().release.split('-')[0]}"


def run_facts():
    """Day and commit, for a heading."""
    commit = output_of("git", "rev-parse", "--short", "HEAD") or "unknown"
    if output_of("git", "status", "--porcelain", "--untracked-files=no"):
        commit += " with changes"
    return f"{datetime.date.today().isoformat()}, {commit}"


def again(script):
    """The command of this run, for anybody's machine: without a build that lies elsewhere."""
    words = []
    for word in sys.argv[1:]:
        if word.startswith("/") and not word.startswith(f"{ROOT}/") and words and words[-1] == "--build":
            words.pop()
        elif word != "--write":
            words.append(word.replace(f"{ROOT}/", ""))
    return shlex.join([script, *words])


def describe_run(arguments, load_before):
    binary = pathlib.Path(arguments.sluice or "none").resolve()
    binary = binary.relative_to(ROOT) if binary.is_relative_to(ROOT) else binary.name
    return (f"## {run_facts()}\n\n{machine()}; load average before: {load_before:.1f}; program: {binary}; medians of "
            f"{arguments.rounds} rounds of {arguments.seconds} s (idle, peers, mta and Redis: at most 3); {arguments.rules} rules, "
            f"{arguments.limits} of them limits. Ratios to E in brackets.\nAgain: `{again('scripts/bench')}`\n")


def write_results(section):
    text = RESULTS.read_text(encoding="utf-8")
    before, after = text.split(MARK, 1)
    RESULTS.write_text(before + MARK + "\n" + section + after, encoding="utf-8")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    parser.add_argument("--sluice", default=None, help="the binary; default: that of the build, if there")
    parser.add_argument("--engines", default="libmilter,wire", help="comma-separated: libmilter,wire")
    parser.add_argument("--rows", default=",".join(SCENARIOS), help=f"comma-separated: {','.join([*SCENARIOS, *OWN_ROWS])}")
    parser.add_argument("--all", action="store_true", help="every row, and those of scripts/bench-redis; about 26 minutes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--limits", type=int, default=4, choices=range(len(LIMITS) + 1))
    parser.add_argument("--messages", type=int, default=1500, help="of one run through Postfix")
    parser.add_argument("--write", action="store_true", help="add the figures to bench/RESULTS.md; with --all also to docs/capacity.md")
    parser.add_argument("--show-policy", action="store_true", help="print the policy and end")
    arguments = parser.parse_args()
    if arguments.all:
        arguments.rows = ",".join([*SCENARIOS, *OWN_ROWS])
    unknown = set(arguments.rows.split(",")) - set(SCENARIOS) - set(OWN_ROWS)
    if unknown:
        parser.error(f"no row is called {', '.join(sorted(unknown))}")
    built = pathlib.Path(arguments.build) / "sluice"
    if arguments.sluice is None and built.exists():
        arguments.sluice = str(built)
    return arguments


def redis_rows(arguments):
    """(lines of the speed table, all of its text) of scripts/bench-redis; a text of why there are none."""
    script = ROOT / "bench" / "redis.py"
    words = ["--build", arguments.build, "--sluice", arguments.sluice or "", "--engines", arguments.engines,
             "--rounds", str(min(arguments.rounds, 3)), "--seconds", str(arguments.seconds)]
    done = subprocess.run([sys.executable, "-B", str(script), *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return [], "**Redis**: not measured: scripts/bench-redis failed\n"
    own = re.findall(r"^\| (7|8) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", done.stdout, re.MULTILINE)
    return [(int(row), *cells) for row, *cells in own], done.stdout


def measure_all(bench, arguments):
    """Results and rendered tables by row, printed as they come."""
    results, tables = {}, []
    rows = arguments.rows.split(",")
    begin = time.monotonic()
    for done, row in enumerate(rows):
        print(f"{row} ({done + 1} of {len(rows)}, {time.monotonic() - begin:.0f} s so far) ", end="", file=sys.stderr, flush=True)
        try:
            if row in OWN_ROWS:
                module = own_module(row)
                results[row] = module.measure(sys.modules[__name__], bench, row)
                text = module.table(row, results[row])
            elif not bench.filters(row):
                raise RuntimeError("needs the sluice binary")
            else:
                results[row] = bench.measure(row)
                text = table(row, results[row], arguments.idle)
        except Exception as error:  # noqa: BLE001: one row that cannot be measured must not cost the others
            results.pop(row, None)
            text = f"**{row}**: not measured: {' '.join(str(error).split())[:400] or repr(error)}\n"
        print(text, flush=True)
        tables.append(text)
    return results, tables


def save_results(results, arguments, load_before):
    """What bench/capacity.py computes with: the figures of the last whole run that was written."""
    def plain(value):
        if isinstance(value, dict):
            return {key if isinstance(key, str) else " ".join(str(part) for part in key): plain(item)
                    for key, item in value.items()}
        return value
    known = {"about": run_facts(), "machine": machine(), "cores": os.cpu_count(), "load before": round(load_before, 1),
             "idle": arguments.idle, "rows": plain(results)}
    (ROOT / "bench" / "results.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def main():
    arguments = parse_arguments()
    if arguments.show_policy:
        print(policy_text(arguments.rules, arguments.limits), end="")
        return 0
    bench = Bench(arguments)
    load_before = os.getloadavg()[0]
    results, tables = measure_all(bench, arguments)
    found = bars.all_bars(results)
    if arguments.all and arguments.sluice:
        lines, text = redis_rows(arguments)
        print(text)
        found += lines
        tables.append(text)
    summary_rows = bars_table(sorted(found, key=lambda bar: bar[0]))
    print(summary_rows)
    if arguments.write:
        write_results("\n".join(part for part in (describe_run(arguments, load_before), summary_rows, "\n".join(tables))
                                if part) + "\n")
        if arguments.all:
            save_results(results, arguments, load_before)
            subprocess.run([sys.executable, "-B", str(ROOT / "bench" / "capacity.py"), "--write"], check=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(69)
