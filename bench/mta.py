#!/usr/bin/env python3
"""What a filter costs a real Postfix: messages/s through a private instance, with E and with Sluice.

smtp-source sends messages over loopback, Postfix asks the filter and discards the mail. Each round runs
every filter once, in an order that turns, over a unix socket and over TCP; the ratio is to E on unix.
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
                return bench.arguments.messages / send(server.port, 10, bench.arguments.messages)
            finally:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(bench, labels):
    places = [(label, over_tcp) for label in labels for over_tcp in (False, True)]
    rates = {place: [] for place in places}
    for number in range(bench.arguments.rounds):
        turn = number % len(places)
        for label, over_tcp in places[turn:] + places[:turn]:
            rates[label, over_tcp].append(one(bench, label, over_tcp))
            print(".", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    return {place: statistics.median(found) for place, found in rates.items()}


def table(rates):
    base = rates["E", False]
    lines = ["| filter | socket | messages/s | to E on unix |", "|---|---|---|---|"]
    for (label, over_tcp), rate in rates.items():
        name = label if label == "E" else f"sluice/{label}"
        lines.append(f"| {name} | {'TCP' if over_tcp else 'unix'} | {rate:.0f} | {rate / base:.2f} |")
    return "\n".join(lines) + "\n"


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
    text = table(measure(bench, ["E", *[e for e in arguments.engines.split(",") if e]]))
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
