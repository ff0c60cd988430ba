#!/usr/bin/env python3
"""What a policy costs as it grows: load time, memory and CPU per message for 10 to 10,000 rules.

The rules are those of bench/run.py: none matches, so every rule of a stage is looked at. The last
column is the CPU that one further rule adds to a message of two recipients (a rule at rcpt is looked
at twice, one at connect once in ten messages).

    python3 bench/growth.py [--engine libmilter] [--sizes 10,100,1000,10000] [--rounds 3] [--write]
"""
import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import run


def one(arguments, rules):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-growth-"))
    try:
        bench = run.Bench(arguments)
        command = bench.sluice(folder, arguments.engine, rules)
        begin = time.monotonic()
        with run.Filter("sluice", command, folder) as running:
            ready = time.monotonic() - begin
            resident = run.resident_kib(running.process.pid)
            figures = run.load(bench.load, running, arguments.seconds, ["--connections", "50"])
            return {"ready": ready, "resident": resident, "cpu": figures["cpu_us_per_message"],
                    "p50": figures["latency"]["all"]["p50_us"]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(arguments):
    sizes = [int(size) for size in arguments.sizes.split(",")]
    runs = {size: [] for size in sizes}
    for _ in range(arguments.rounds):
        for size in sizes:
            runs[size].append(one(arguments, size))
            print(".", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    return {size: {key: statistics.median(r[key] for r in found) for key in found[0]}
            for size, found in runs.items()}


def table(results):
    lines = ["| rules | ready after s | RSS KiB at rest | CPU us/message | p50 us | us per further rule |",
             "|---|---|---|---|---|---|"]
    first = min(results)
    for size, figures in sorted(results.items()):
        more = (figures["cpu"] - results[first]["cpu"]) / (size - first) if size > first else None
        lines.append(f"| {size:,} | {figures['ready']:.2f} | {figures['resident']:,.0f} | {figures['cpu']:.0f} "
                     f"| {figures['p50']:.0f} | {'' if more is None else f'{more:.3f}'} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(run.ROOT / "build" / "release"))
    parser.add_argument("--sluice", default=None)
    parser.add_argument("--engine", default="libmilter")
    parser.add_argument("--sizes", default="10,100,1000,10000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--limits", type=int, default=4)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    arguments.sluice = arguments.sluice or str(pathlib.Path(arguments.build) / "sluice")
    text = table(measure(arguments))
    print(text)
    if arguments.write:
        run.write_results(f"## {run.run_facts()}\n\n{run.machine()}; medians of {arguments.rounds} rounds of "
                          f"{arguments.seconds} s; engine {arguments.engine}, 50 connections, no pauses.\n"
                          f"Again: `python3 bench/growth.py --engine {arguments.engine}`\n\n{text}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        print(f"growth: {error}", file=sys.stderr)
        sys.exit(69)
