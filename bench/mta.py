#!/usr/bin/env python3
"""What a filter costs a real Postfix: messages/s through a private instance, with E and with Sluice.

smtp-source sends messages over loopback, Postfix asks the filter and discards the mail. Each round runs
every filter once, in an order that turns, over a unix socket and over TCP; the ratio is to E on unix. A
delayed acknowledgement, which is 43 ms, shows in the time of a message in one session.
Needs root and Postfix (scripts/setup test); nothing outside the folders of the run is touched.

    python3 bench/mta.py [--engines wire] [--rounds 3] [--messages 500] [--write]
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import run

sys.path.insert(0, str(run.ROOT / "tests" / "e2e"))
from rig import loopback, postfix  # noqa: E402

ROWS = {"mta": ("through a private Postfix, messages of 4 kB: messages/s in 10 sessions at once, and one session alone", [])}
MOST_ROUNDS = 3
ALONE = 100  # messages of the session that is alone: delayed acknowledgements would show in each


class Place:
    """Where one filter listens, as it, Postfix and a probe spell it."""

    def __init__(self, folder, over_tcp):
        self.port = loopback.free_port() if over_tcp else None
        self.path = str(folder / "filter.sock")
        self.at = ("127.0.0.1", self.port) if over_tcp else self.path
        self.sluice = f"inet:127.0.0.1:{self.port}" if over_tcp else f"unix:{self.path}"
        self.libmilter = f"inet:{self.port}@127.0.0.1" if over_tcp else f"unix:{self.path}"
        self.postfix = f"inet:127.0.0.1:{self.port}" if over_tcp else f"unix:{self.path}"


def filter_command(bench, label, folder, place):
    if label == "E":
        return [str(bench.build / "bench" / "empty_libmilter"), place.libmilter]
    return bench.sluice(folder, label, bench.arguments.rules, place.sluice)


def send(port, sessions, messages):
    """Seconds for so many messages in so many sessions at once, one after the other in each."""
    command = ["smtp-source", "-d", "-s", str(sessions), "-m", str(messages), "-l", "4000", "-f",
               "ann@far.example", "-t", "bob@elsewhere.example", f"inet:127.0.0.1:{port}"]
    begin = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"smtp-source: {result.stderr.strip()[-500:]}")
    return time.monotonic() - begin


def one(bench, label, over_tcp):
    """Messages/s in 10 sessions at once, and ms for each message in one session."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-mta-"))
    os.chmod(folder, 0o755)
    try:
        place = Place(folder, over_tcp)
        with run.Filter(label, filter_command(bench, label, folder, place), folder, place.at):
            if not over_tcp:
                os.chmod(place.path, 0o666)
            server = postfix.Postfix(str(folder / "postfix"), milters=[place.postfix])
            server.start()
            try:
                send(server.port, 10, 50)
                rate = bench.arguments.messages / send(server.port, 10, bench.arguments.messages)
                return rate, send(server.port, 1, ALONE) / ALONE * 1000
            finally:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(_, bench, row="mta"):
    """(messages/s, ms in one session) by (label, over TCP)."""
    places = [(label, over_tcp) for label in ["E", *bench.engines()] for over_tcp in (False, True)]
    rounds = {place: [] for place in places}
    for number in range(min(bench.arguments.rounds, MOST_ROUNDS)):
        turn = number % len(places)
        for label, over_tcp in places[turn:] + places[:turn]:
            rounds[label, over_tcp].append(one(bench, label, over_tcp))
            print(".", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    return {place: tuple(statistics.median(column) for column in zip(*found)) for place, found in rounds.items()}


def table(row, results):
    base = results["E", False][0]
    lines = [f"**{row}**: {ROWS['mta'][0]}", "",
             "| filter | socket | messages/s | to E on unix | ms/message in one session |", "|---|---|---|---|---|"]
    for (label, over_tcp), (rate, alone) in results.items():
        name = label if label == "E" else f"sluice/{label}"
        lines.append(f"| {name} | {'TCP' if over_tcp else 'unix'} | {rate:.0f} | {rate / base:.2f} | {alone:.1f} |")
    return "\n".join(lines) + "\n"


def bars(results):
    """Row 12 of the speed table: (what, target, holds, value)."""
    found, rows = [], results["mta"]
    for engine, least in (("libmilter", 0.95), ("wire", 1.05)):
        for over_tcp in (False, True):
            if (engine, over_tcp) in rows:
                found.append((f"messages/s through Postfix, {engine} on {'TCP' if over_tcp else 'unix'} / E on unix",
                              f">= {least}", lambda v, l=least: v >= l, rows[engine, over_tcp][0] / rows["E", False][0]))
        if (engine, True) in rows:
            found.append((f"ms that TCP adds to a message in one session, {engine} (a stall is 43)", "<= 10",
                          lambda v: v <= 10, rows[engine, True][1] - rows[engine, False][1]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(run.ROOT / "build" / "release"))
    parser.add_argument("--sluice", default=None)
    parser.add_argument("--engines", default="libmilter,wire", help="comma-separated; empty: only E")
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--limits", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    arguments.sluice = arguments.sluice or str(pathlib.Path(arguments.build) / "sluice")
    bench = run.Bench(arguments)
    text = table("mta", measure(run, bench))
    print(text)
    if arguments.write:
        run.write_results(f"## {run.run_facts()}: through a real Postfix\n\n{run.machine()}; {arguments.messages} "
                          f"messages in 10 sessions, medians of {arguments.rounds} rounds.\n"
                          f"Again: `python3 bench/mta.py --engines {arguments.engines}`\n\n{text}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, loopback.RigError, loopback.Unavailable) as error:
        print(f"mta: {error}", file=sys.stderr)
        sys.exit(69)
