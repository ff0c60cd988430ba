#!/usr/bin/env python3
"""What state in Redis costs: RCPT with 0 to 16 limits, messages per second, commands per message, a refused sender.

A redis-server of its own on the loopback, with the configuration and the user that we ship; it and the
filters are ended with the run. Ratios are of the same run and medians of the rounds.

    scripts/bench-redis                       both engines, about 6 minutes
    scripts/bench-redis --rows limits,calls --engines wire --rounds 1 --seconds 1
    scripts/bench-redis --write               and into bench/RESULTS.md

rows: limits (RCPT with so many limits), speed (messages/s with one limit on each recipient, with and
without Redis), calls (commands and round trips per message), refused (a sender at its limit).
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import run

sys.path.insert(0, str(run.ROOT / "tests" / "e2e"))
from rig import loopback, redis  # noqa: E402

COUNTS = (0, 1, 2, 4, 8, 16)
KEYS = ("rcpt.address", "client.ip", "sender.address", "rcpt.domain")
ROWS = ("limits", "speed", "calls", "refused")
RECIPIENTS = 2  # of a message of the generator
ALLOWED = 20    # messages of the refused sender
NEWS_RATE = 5   # calls/s that do not depend on how much is refused: twice a second news, and what waits for late ones
SPEED_TARGETS = {"libmilter": 0.75, "wire": 0.85}
PATIENCE = "1s"  # of a call: a late machine is to be seen as late, not as degraded


def limit_rules(count):
    """So many limits on each recipient, none of which is ever reached, under keys of four kinds."""
    lines = []
    for n in range(count):
        lines += [f"  - limit: l{n}", "    stage: rcpt", "    when: sender.address is set", f"    key: {KEYS[n % len(KEYS)]}",
                  "    count: recipients", "    max: 100000000/1h"]
    return lines


REFUSING = ["  - limit: burst", "    stage: mail", "    when: sender.address is set", "    key: sender.address", "    count: messages",
            f"    max: {ALLOWED}/1h", "    then: defer 450 4.7.28"]


class Counters:
    """What Redis has done since they were taken: calls of scripts, the subjects in them, the microseconds it spent in
    them, and times that it read from a connection, which is how many round trips there were when one client speaks."""

    def __init__(self, server):
        self._server = server
        self._begin = self._take()

    def _take(self):
        found = {"calls": 0, "subjects": 0, "reads": 0, "us": 0}
        for line in self._server.ask("INFO", "ALL").splitlines():
            name, _, value = line.partition(":")
            if name in ("cmdstat_evalsha", "cmdstat_eval"):
                figures = dict(part.split("=") for part in value.split(","))
                found["calls"] += int(figures["calls"])
                found["us"] += int(figures["usec"])
            elif name == "cmdstat_get":  # each subject reads the clock of its group and itself
                found["subjects"] = int(re.search(r"calls=(\d+)", value)[1]) / 2
            elif name == "total_reads_processed":
                found["reads"] = int(value)
        return found

    def since(self):
        now = self._take()
        return {name: value - self._begin[name] for name, value in now.items()}


class RedisBench:
    def __init__(self, arguments, server, folder):
        self.arguments, self.server = arguments, server
        self.bench = run.Bench(arguments)
        self._password = redis.password_file(str(folder))
        self._pepper = folder / "pepper"
        self._pepper.write_bytes(os.urandom(32))
        self._pepper.chmod(0o600)

    def command(self, folder, engine, limits, in_redis):
        """The service with the rules that are decided in memory and these limits behind them."""
        words = self.bench.sluice(folder, engine, self.arguments.rules, limits=0)
        with open(folder / "policy.yaml", "a", encoding="utf-8") as file:
            file.write("\n".join(limits) + "\n")
        if in_redis:
            with open(folder / "sluice.yaml", "a", encoding="utf-8") as file:
                file.write(f"store: redis\npepper_file: {self._pepper}\nredis: {{servers: [\"{self.server.at}\"], username: "
                           f"{redis.USER}, password_file: {self._password}, timeout: {PATIENCE}}}\n")
        return words

    def with_filter(self, engine, limits, in_redis, measure):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-"))
        try:
            self.server.ask("FLUSHALL")
            with run.Filter(f"sluice/{engine}", self.command(folder, engine, limits, in_redis), folder) as running:
                found = measure(running)
                self._expect_redis(running, in_redis)
                print(".", end="", file=sys.stderr, flush=True)
                return found
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _expect_redis(self, running, in_redis):
        """A figure of the local limiter, which stands in while Redis is away, is none of Redis."""
        log = (running.folder / "log").read_text(encoding="utf-8")
        if in_redis and "does not answer as it should" in log:
            raise RuntimeError(f"{running.name}: Redis did not answer all calls: {log[-1000:]}")

    def load(self, running, *options):
        return run.load(self.bench.load, running, self.arguments.seconds, list(options))

    # ---- rows -----------------------------------------------------------------------------

    def limits(self, engine):
        """Microseconds of RCPT by the number of limits: one session at a time, its medians' median."""
        took = {count: [] for count in COUNTS}
        for number in range(self.arguments.rounds):
            turn = number % len(COUNTS)
            for count in COUNTS[turn:] + COUNTS[:turn]:
                figures = self.with_filter(engine, limit_rules(count), True, lambda running: self.load(
                    running, "--connections", "1", "--headers", "0", "--body", "0"))
                took[count].append(figures["latency"]["rcpt"]["p50_us"])
        return {count: statistics.median(found) for count, found in took.items()}

    def speed(self, engine):
        """Messages per second of 50 connections without pauses."""
        kinds = {"no limit": ([], False), "embedded": (limit_rules(1), False), "Redis": (limit_rules(1), True)}
        rates = {kind: [] for kind in kinds}
        for number in range(self.arguments.rounds):
            turn = number % len(kinds)
            for kind in list(kinds)[turn:] + list(kinds)[:turn]:
                figures = self.with_filter(engine, *kinds[kind], lambda running: self.load(running, "--connections", "50"))
                rates[kind].append(figures["messages_per_second"])
        return {kind: statistics.median(found) for kind, found in rates.items()}

    def calls(self, engine):
        """Script calls and round trips of a message with 8 limits on each recipient."""
        def measure(running):
            counters = Counters(self.server)
            messages = self.load(running, "--connections", "1", "--warm-up", "0")["messages"]
            return {name: value / messages for name, value in counters.since().items()}
        return self.with_filter(engine, limit_rules(8), True, measure)

    def refused(self, engine):
        """A sender that goes on when its limit has refused: messages refused, and calls meanwhile."""
        def blast(running, seconds):
            command = [str(self.bench.load), "--at", f"unix:{running.at}", "--seconds", str(seconds), "--warm-up", "0",
                       "--clients", "1", "--connections", "4", "--messages", "100", "--json"]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if not result.stdout:
                raise RuntimeError(result.stderr.strip())
            return json.loads(result.stdout)

        def measure(running):
            first = blast(running, 1)
            counters = Counters(self.server)
            figures = blast(running, self.arguments.seconds)
            return {"let through": first["messages"] + figures["messages"], "refused": figures["refusing_answers"],
                    "calls": counters.since()["calls"]}
        return self.with_filter(engine, REFUSING, True, measure)


# ---- tables -------------------------------------------------------------------------------

def limits_table(results):
    lines = ["**limits**: microseconds of RCPT by the number of limits in Redis on the recipient; in brackets what the limits add, "
             "to what one adds", "", "| filter | " + " | ".join(str(count) for count in COUNTS) + " |",
             "|---" * (len(COUNTS) + 1) + "|"]
    for engine, took in results.items():
        cells = [f"{took[0]:.0f}"]
        cells += [f"{took[count]:.0f} ({added(took, count):.2f})" for count in COUNTS[1:]]
        lines.append(f"| sluice/{engine} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def added(took, count):
    return (took[count] - took[0]) / max(took[1] - took[0], 1)


def speed_table(results):
    lines = ["**speed**: messages/s of 50 connections without pauses, two recipients each, one limit on each recipient", "",
             "| filter | no limit | limit, embedded store | limit, Redis | Redis / no limit | Redis / embedded |", "|---|---|---|---|---|---|"]
    for engine, rates in results.items():
        lines.append(f"| sluice/{engine} | {rates['no limit']:,.0f} | {rates['embedded']:,.0f} | {rates['Redis']:,.0f} | "
                     f"{rates['Redis'] / rates['no limit']:.2f} | {rates['Redis'] / rates['embedded']:.2f} |")
    return "\n".join(lines) + "\n"


def calls_table(results):
    lines = ["**calls**: of a message with two recipients and 8 limits on each: script calls, subjects in them, round trips in which they "
             "went, and microseconds that Redis spends in one call, and for each subject of it", "",
             "| filter | calls | subjects | round trips | us of a call | us of a subject |", "|---|---|---|---|---|---|"]
    lines += [f"| sluice/{engine} | {found['calls']:.2f} | {found['subjects']:.2f} | {found['reads']:.2f} | "
              f"{found['us'] / found['calls']:.1f} | {found['us'] / found['subjects']:.1f} |" for engine, found in results.items()]
    return "\n".join(lines) + "\n"


def refused_table(results, seconds):
    lines = [f"**refused**: a sender that may send {ALLOWED} messages an hour and goes on for {seconds:g} s after it was refused; the "
             "calls ask for news of resets (twice a second for all limits of the service), and again where news came late", "",
             "| filter | let through | refused recipients | script calls | calls / s |", "|---|---|---|---|---|"]
    lines += [f"| sluice/{engine} | {found['let through']} | {found['refused']:,} | {found['calls']} | {found['calls'] / seconds:.1f} |"
              for engine, found in results.items()]
    return "\n".join(lines) + "\n"


def bars(results, seconds):
    """(row, what, target, seen, holds) of the speed table's rows 7 and 8, and of what is promised of calls."""
    def verdict(number, what, target, value, holds):
        return (number, what, target, f"{value:.2f}", "yes" if holds else "**no**")

    found = []
    for engine, took in results.get("limits", {}).items():
        most = max(added(took, count) for count in (2, 4))
        found.append(verdict(7, f"added RCPT p50 with up to 4 limits / with one, {engine}", "<= 1.3", most, most <= 1.3))
    for engine, rates in results.get("speed", {}).items():
        target = SPEED_TARGETS[engine]
        for kind, words in (("no limit", "without the limit"), ("embedded", "with it in the embedded store")):
            ratio = rates["Redis"] / rates[kind]
            found.append(verdict(8, f"messages/s with one limit in Redis / {words}, {engine}", f">= {target}", ratio, ratio >= target))
    for engine, each in results.get("calls", {}).items():
        # Two stages of RCPT and the end; a check of the server once a second stands beside them.
        found.append(verdict("", f"round trips of a message with 8 limits on each of two recipients, {engine}",
                             f"{RECIPIENTS + 1}", each["reads"], each["reads"] <= RECIPIENTS + 1.1))
    for engine, blast in results.get("refused", {}).items():
        rate = blast["calls"] / seconds
        found.append(verdict("", f"calls/s while a sender is refused {blast['refused']:,} times, {engine}", f"<= {NEWS_RATE} (news)",
                             rate, rate <= NEWS_RATE and blast["let through"] == ALLOWED and blast["refused"] > 0))
    return found


def measure(bench, rows, engines):
    results = {}
    for row in rows:
        results[row] = {engine: getattr(bench, row)(engine) for engine in engines}
        print("", file=sys.stderr)
    return results


def render(results, seconds):
    tables = {"limits": limits_table, "speed": speed_table, "calls": calls_table,
              "refused": lambda found: refused_table(found, seconds)}
    return "\n".join([run.bars_table(bars(results, seconds)), *(tables[row](found) for row, found in results.items())])


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(run.ROOT / "build" / "release"), help="where milter_load and sluice are")
    parser.add_argument("--sluice", default=None, help="the binary; default: that of the build")
    parser.add_argument("--engines", default="libmilter,wire", help="comma-separated: libmilter,wire")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rules", type=int, default=100, help="that are decided in memory, in front of the limits")
    parser.add_argument("--write", action="store_true", help="add the figures to bench/RESULTS.md")
    arguments = parser.parse_args()
    arguments.sluice = arguments.sluice or str(pathlib.Path(arguments.build) / "sluice")
    if unknown := set(arguments.rows.split(",")) - set(ROWS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}")
    return arguments


def main():
    arguments = parse_arguments()
    load_before = os.getloadavg()[0]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-redis-"))
    server = redis.Redis(folder / "redis")
    try:
        server.start()
        bench = RedisBench(arguments, server, folder)
        text = render(measure(bench, arguments.rows.split(","), arguments.engines.split(",")), arguments.seconds)
        version = next(line for line in server.ask("INFO", "SERVER").splitlines() if line.startswith("redis_version:"))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(text)
    if arguments.write:
        run.write_results(f"## {run.run_facts()}: Redis\n\n{run.machine()}; load average before: {load_before:.1f}; Redis "
                          f"{version.partition(':')[2]} on the loopback; medians of {arguments.rounds} rounds of {arguments.seconds:g} s; "
                          f"{arguments.rules} rules in front of the limits.\nAgain: `{run.again('scripts/bench-redis')}`\n\n{text}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, loopback.RigError, loopback.Unavailable, redis.RedisError) as error:
        print(f"bench-redis: {error}", file=sys.stderr)
        sys.exit(69)
