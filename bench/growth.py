#!/usr/bin/env python3
"""How Sluice grows: rules, lists, idle connections, recipients, bodies and limits in Redis, as tables and plots.

    scripts/bench-growth                           all curves, both engines where they differ; about 16 minutes
    scripts/bench-growth --curves rules,lists --rounds 1 --seconds 1
    scripts/bench-growth --redraw                  the plots and their page from bench/plots/growth.json

Writes bench/plots/growth.json, a plot for each figure (SVG) and bench/plots/README.md with the tables and a
sentence for each line: where it is flat, what one more costs where it grows, and where it grows faster than its
size (a cliff). Curves that are not measured keep what growth.json has of them.

rules       10 to 10,000 rules of the kinds of the other rows; none matches
lists       one rule with a list of 1,000 to 1,000,000 addresses or networks from a file; nothing is on it
idle        50 busy clients that pause 20 ms, beside up to 10,000 connections that said HELO; also E
recipients  1 to 1,000 for each message, 4 limits on each
body        1 KiB to 50 MB, when no rule looks at it and when one does (the first 256 KiB as text)
redis       up to 16 limits in Redis on a recipient (scripts/bench-redis)
"""
import argparse
import json
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import plot
import run

PLOTS = run.ROOT / "bench" / "plots"
MIB = 1 << 20
FLAT = 1.25  # a line that has grown by no more is called flat
LONGER = 3  # times as long is the largest size measured: few messages of 50 MB come through in a second
STEEP = 1.3  # growth of the figure, as a multiple of the growth of the size, that is called a cliff
BODY_RULE = """  - rule: content
    stage: end
    when: 'msg.max_line > 5000 or body.text contains "the ship has sailed"'
    then: reject 554
"""


def numbered(lines):
    return "\n".join(lines) + "\n"


def list_policy(folder, kind, size):
    """A policy of one list; its file is written beside it."""
    if kind == "addresses":
        entries = (f"user{n}@list{n % 9973}.example" for n in range(size))
        listed, condition = "address", "sender.address in $listed"
    else:
        entries = (f"{11 + (n >> 20)}.{n >> 12 & 255}.{n >> 4 & 255}.{(n & 15) << 4}/28" for n in range(size))
        listed, condition = "cidr", "client.ip in $listed"
    (folder / "listed.txt").write_text(numbered(entries))
    return numbered(["sluice: 1", "policy: lists", f"lists: {{listed: {{type: {listed}, file: {folder}/listed.txt}}}}", "rules:",
                     "  - rule: listed", "    stage: mail", f"    when: {condition}", "    then: reject 550 5.7.1"])


class Curve:
    """sizes, the lines, and what starts the filter of a line at a size."""

    def __init__(self, sizes, lines, start, options):
        self.sizes, self.lines, self._start, self._options = sizes, lines, start, options

    def start(self, bench, folder, line, size):
        return self._start(bench, folder, line, size)

    def options(self, size):
        return self._options(size)


def busy(_):
    return ["--connections", "50"]


def start_rules(bench, folder, line, size):
    return bench.sluice(folder, line, size)


def start_lists(bench, folder, line, size):
    command = bench.sluice(folder, "wire", 10)
    (folder / "policy.yaml").write_text(list_policy(folder, line, size))
    return command


def start_idle(bench, folder, line, size):
    if line == "E":
        return [str(bench.build / "bench" / "empty_libmilter"), f"unix:{folder}/filter.sock"]
    return bench.sluice(folder, line, 100)


def start_fixed(bench, folder, line, size):
    return bench.sluice(folder, line, 100)


def start_body(bench, folder, line, size):
    command = bench.sluice(folder, "wire", 100)
    if line == "read":
        with open(folder / "policy.yaml", "a", encoding="utf-8") as file:
            file.write(BODY_RULE)
    return command


def body_options(size):
    return ["--connections", "4" if size > MIB else "50", "--messages", "2" if size > MIB else "10", "--body", str(size)]


CURVES = {
    "rules": Curve([10, 100, 1000, 10_000], ["wire", "libmilter"], start_rules, busy),
    "lists": Curve([1000, 10_000, 100_000, 1_000_000], ["addresses", "networks"], start_lists, busy),
    "idle": Curve([100, 1000, 3000, 10_000], ["wire", "libmilter", "E"], start_idle,
                  lambda size: ["--connections", "50", "--pause", "20", "--idle", str(size)]),
    "recipients": Curve([1, 10, 100, 1000], ["wire", "libmilter"], start_fixed,
                        lambda size: ["--connections", "20" if size < 1000 else "4", "--recipients", str(size)]),
    "body": Curve([1024, 10_240, 102_400, MIB, 10 * MIB, 50_000_000], ["declined", "read"], start_body, body_options),
}
# (file, curve, figure, title, x, y, what one more is called, unit of the figure)
FIGURES = [
    ("rules-cpu", "rules", "cpu", "CPU per message", "rules", "us", "rule", "us"),
    ("rules-ready", "rules", "ready", "from start to the first connection", "rules", "s", "rule", "s"),
    ("lists-cpu", "lists", "cpu", "CPU per message", "entries of the list", "us", "entry", "us"),
    ("lists-memory", "lists", "rest", "memory at rest", "entries of the list", "MiB", "entry", "MiB"),
    ("lists-ready", "lists", "ready", "from start to the first connection", "entries of the list", "s", "entry", "s"),
    ("idle-cpu", "idle", "cpu", "CPU per message, clients pause 20 ms", "idle connections", "us", "connection", "us"),
    ("idle-memory", "idle", "rss", "memory", "idle connections", "MiB", "connection", "MiB"),
    ("recipients-cpu", "recipients", "cpu", "CPU per message", "recipients of a message", "us", "recipient", "us"),
    ("body-cpu", "body", "cpu", "CPU per message", "bytes of the body", "us", "MiB", "us"),
    ("redis-limits", "redis", "rcpt", "RCPT with limits in Redis, one session", "limits on a recipient", "us", "limit", "us"),
]

SCALES = {"MiB": MIB}  # of what is counted in bytes
BUSY = " The machine had other work meanwhile: differences of less than two times, and cliffs made of them, may be its doing."


# ---- measuring -----------------------------------------------------------------------------------

def one(bench, curve, line, size):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-growth-"))
    try:
        command = curve.start(bench, folder, line, size)
        begin = time.monotonic()
        with run.Filter(line, command, folder) as running:
            ready = time.monotonic() - begin
            rest = run.resident_kib(running.process.pid) / 1024
            seconds = bench.arguments.seconds * (LONGER if size == curve.sizes[-1] else 1)
            figures = run.load(bench.load, running, seconds, curve.options(size))
        return {"cpu": figures["cpu_us_per_message"], "rss": figures["rss_kib"] / 1024, "rest": rest, "ready": ready,
                "rate": figures["messages_per_second"], "p50": figures["latency"]["all"]["p50_us"]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(bench, curve):
    """{line: {size: {figure: median}}}"""
    engines = bench.arguments.engines.split(",")
    lines = [line for line in curve.lines if line not in ("wire", "libmilter") or line in engines]
    runs = {(line, size): [] for line in lines for size in curve.sizes}
    for _ in range(bench.arguments.rounds):
        for line, size in runs:
            runs[line, size].append(one(bench, curve, line, size))
            print(".", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    return {line: {str(size): {key: statistics.median(r[key] for r in runs[line, size]) for key in runs[line, size][0]}
                   for size in curve.sizes} for line in lines}


def measure_redis(arguments):
    """From the table that scripts/bench-redis prints; None without it."""
    script = run.ROOT / "bench" / "redis.py"
    if not script.exists():
        return None
    done = subprocess.run([sys.executable, "-B", str(script), "--build", arguments.build, "--sluice", arguments.sluice, "--engines",
                           arguments.engines, "--rows", "limits", "--rounds", str(arguments.rounds), "--seconds",
                           str(arguments.seconds)], stdout=subprocess.PIPE, text=True, check=False)
    counts = re.search(r"^\| filter((?: \| \d+)+) \|$", done.stdout, re.MULTILINE)
    found = {}
    for engine, cells in re.findall(r"^\| sluice/(\w+) \| (\d.*) \|$", done.stdout, re.MULTILINE) if counts else []:
        sizes = re.findall(r"\d+", counts.group(1))
        values = [float(cell.split()[0].replace(",", "")) for cell in cells.split(" | ")]
        found[engine] = {size: {"rcpt": value} for size, value in zip(sizes, values)}
    return found or None


# ---- what a line says ----------------------------------------------------------------------------

def describe(points, of_one, unit):
    """One sentence about a line [(size, figure)]: flat, linear, cliff."""
    lowest = math.inf
    for at in reversed(range(len(points))):  # what a larger size costs, a smaller one does: more than that is noise
        lowest = min(lowest, points[at][1])
        points[at] = (points[at][0], lowest)
    first = points[0][1]
    flat = max(x for x, y in points if all(b <= first * FLAT for a, b in points if a <= x))
    grown = [point for point in points if point[0] >= flat]
    begin = f"flat up to {flat:,}" if flat > points[0][0] else ""
    if len(grown) == 1:
        return f"flat: {points[-1][1] / first:.2f} times at {flat:,} what it is at {points[0][0]:,}; no cliff"
    (x0, y0), (x1, y1) = grown[0], grown[-1]
    each = f"{per_one((y1 - y0) / (x1 - x0) * SCALES.get(of_one, 1), unit)} for each further {of_one}"
    steep = [(a, b) for (a, ya), (b, yb) in zip(grown, grown[1:]) if a > 0 and yb / ya > STEEP * b / a]
    cliff = "no cliff" if not steep else "a cliff between " + " and between ".join(f"{a:,} and {b:,}" for a, b in steep)
    return (begin + ", then " if begin else "") + each + "; " + cliff


def per_one(value, unit):
    smaller = {"us": "ns", "s": "us", "MiB": "bytes"}
    factor = {"us": 1e3, "s": 1e6, "MiB": MIB}[unit]
    if abs(value) >= 0.1:
        return f"{value:.2f} {unit}"
    value *= factor
    return f"{value:.0f} {smaller[unit]}" if abs(value) >= 10 else f"{value:.3g} {smaller[unit]}"


def points_of(lines, line, figure):
    return [(int(size), values[figure]) for size, values in sorted(lines[line].items(), key=lambda item: int(item[0]))
            if figure in values]


def page(known):
    """bench/plots/README.md."""
    lines = ["# How it grows", "", "Made by `scripts/bench-growth`; do not edit. Axes are logarithmic. A line is called flat while it has",
             f"grown by less than {FLAT:.2f} times, and a cliff is where it grows {STEEP:.1f} times faster than the size.", ""]
    for name, curve, figure, title, x_label, y_label, of_one, unit in FIGURES:
        measured = known.get(curve)
        if not measured:
            continue
        lines += [f"## {curve}: {title}", "", f"![{title} by {x_label}]({name}.svg)", ""]
        for line in measured["lines"]:
            points = [point for point in points_of(measured["lines"], line, figure) if point[0] > 0]
            lines.append(f"- **{line}**: {describe(points, of_one, unit)}.")
        sizes = [x for x, _ in points_of(measured["lines"], next(iter(measured["lines"])), figure)]
        lines += ["", f"| {y_label} by {x_label} | " + " | ".join(f"{size:,}" for size in sizes) + " |",
                  "|---" * (len(sizes) + 1) + "|"]
        for line in measured["lines"]:
            values = [y for _, y in points_of(measured["lines"], line, figure)]
            lines.append(f"| {line} | " + " | ".join(cell(value) for value in values) + " |")
        lines += ["", measured["about"] + (BUSY if measured["busy"] else ""), ""]
    return "\n".join(lines).rstrip() + "\n"


def cell(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(known):
    PLOTS.mkdir(exist_ok=True)
    for name, curve, figure, title, x_label, y_label, _, _ in FIGURES:
        measured = known.get(curve)
        if measured:
            series = {line: [(x, y) for x, y in points_of(measured["lines"], line, figure) if x > 0 and y > 0]
                      for line in measured["lines"]}
            (PLOTS / f"{name}.svg").write_text(plot.svg(f"{curve}: {title}", x_label, y_label, series), encoding="utf-8")
    (PLOTS / "README.md").write_text(page(known), encoding="utf-8")


def about(arguments, load_before):
    return (f"{run.run_facts()}; {run.machine()}; load average before: {load_before:.1f}; medians of {arguments.rounds} rounds of "
            f"{arguments.seconds:g} s.")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(run.ROOT / "build" / "release"))
    parser.add_argument("--sluice", default=None, help="the binary; default: that of the build")
    parser.add_argument("--curves", default=",".join([*CURVES, "redis"]), help="comma-separated")
    parser.add_argument("--engines", default="wire,libmilter")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    arguments.sluice = arguments.sluice or str(pathlib.Path(arguments.build) / "sluice")
    arguments.rules, arguments.limits = 100, 4
    if unknown := set(arguments.curves.split(",")) - {*CURVES, "redis"}:
        parser.error(f"no curve is called {', '.join(sorted(unknown))}")
    return arguments


def main():
    arguments = parse_arguments()
    store = PLOTS / "growth.json"
    known = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    load_before = os.getloadavg()[0]
    for name in [] if arguments.redraw else arguments.curves.split(","):
        print(f"{name} ", end="", file=sys.stderr, flush=True)
        try:
            lines = measure_redis(arguments) if name == "redis" else measure(run.Bench(arguments), CURVES[name])
        except RuntimeError as error:  # one curve that cannot be measured must not cost the others
            print(" ".join(str(error).split())[:400], file=sys.stderr)
            lines = None
        if lines:
            known[name] = {"about": about(arguments, load_before), "busy": load_before > os.cpu_count() / 2, "lines": lines}
            PLOTS.mkdir(exist_ok=True)
            store.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        else:
            print("not measured", file=sys.stderr)
    draw(known)
    print(f"{(PLOTS / 'README.md').relative_to(run.ROOT)} and {len(list(PLOTS.glob('*.svg')))} plots", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        print(f"bench-growth: {error}", file=sys.stderr)
        sys.exit(69)
