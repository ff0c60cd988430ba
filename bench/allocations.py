"""How often a message asks for memory: the service runs with an allocator in front that counts.

Sessions of 10 and of 100 messages are played, one kind after the other; two equations give what a message
and what a session costs. Before counting, the service is warm. Messages have two recipients. One round: a
count does not drift as a time does.
"""
import pathlib
import shutil
import sys
import tempfile

ROWS = {"allocations": ("allocations of the service, sessions of 10 and of 100 messages, after a warm-up", [])}
KINDS = {"one rule": (1, 0), "rules": (None, 0), "rules and limits": (None, None)}  # rules, limits; None: the option's
SHORT, LONG = 10, 100  # messages of a session


def count_in(path):
    return int.from_bytes(path.read_bytes()[:8], sys.byteorder)


def per_message(run, bench, running, messages, count):
    before = count_in(count)
    figures = run.load(bench.load, running, bench.arguments.seconds, [
        "--connections", "10", "--clients", "200", "--warm-up", "0", "--messages", str(messages)])
    return (count_in(count) - before) / figures["messages"]


def run_one(run, bench, engine, kind):
    """(allocations of a message, of a session)."""
    rules, limits = (bench.arguments.rules if KINDS[kind][0] is None else KINDS[kind][0],
                     bench.arguments.limits if KINDS[kind][1] is None else KINDS[kind][1])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-allocations-"))
    try:
        count = folder / "count"
        command = ["env", f"COUNT_ALLOCATIONS={count}", f"LD_PRELOAD={bench.build}/bench/libcount_allocations.so",
                   *bench.sluice(folder, engine, rules, limits=limits)]
        with run.Filter(f"sluice/{engine}", command, folder) as running:
            per_message(run, bench, running, SHORT, count)  # warm
            few = per_message(run, bench, running, SHORT, count)
            many = per_message(run, bench, running, LONG, count)
        session = (few - many) / (1 / SHORT - 1 / LONG)
        return many - session / LONG, session
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(run, bench, row):
    results = {}
    for engine in (engine for engine in bench.arguments.engines.split(",") if bench.arguments.sluice and engine):
        for kind in KINDS:
            results[engine, kind] = run_one(run, bench, engine, kind)
            print(".", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    return results


def table(row, results):
    lines = [f"**{row}**: {ROWS[row][0]}", "", "| filter | policy | of a message | of a session |", "|---|---|---|---|"]
    lines += [f"| sluice/{engine} | {kind} | {message:.1f} | {session:.1f} |"
              for (engine, kind), (message, session) in results.items()]
    return "\n".join(lines) + "\n"


def bars(results):
    found = results.get("allocations", {}).get(("wire", "rules"))
    return [] if found is None else [("allocations of a message decided in memory, wire", "0", lambda v: v < 0.5, found[0])]
