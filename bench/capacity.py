#!/usr/bin/env python3
"""Works out the tables of docs/capacity.md from the figures of the last whole run that was written.

    python3 bench/capacity.py [--write]     from bench/results.json

Prints them, or puts them between the marks of the page, as scripts/bench --all --write does at its end. A figure that was not measured leaves its line out.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "capacity.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
HEADROOM = 0.6  # of a core in the busiest minute: above it waiting grows faster than work
NODES = (1, 3, 6, 12)


def read_setting(path, pattern):
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise SystemExit(f"capacity: {path} has no {pattern}")
    return int(found.group(1))


class Figures:
    """The measured figures by the letters that the page gives them; None: not measured."""

    def __init__(self, known):
        rows = known["rows"]

        def of(row, label, column):
            figures = rows.get(row, {}).get(label)
            return figures.get(column) if isinstance(figures, dict) else None

        self.known = known
        self.c = of("busy", "sluice/wire", "CPU us/message")
        self.p = of("pauses", "sluice/wire", "CPU us/message")
        self.i = of("idle", "sluice/wire", "CPU us/message")
        self.k = of("idle", "sluice/wire", "KiB/idle")
        self.rss = of("busy", "sluice/wire", "RSS KiB")
        self.h = of("peers-pauses", "sluice/wire on Redis", "CPU us/message")
        self.r = of("peers", "sluice/wire on Redis", "Redis us/message")
        self.a = of("peers", "sluice/wire on Redis", "Redis us/call")
        if self.h is not None:
            self.h -= of("peers-pauses", "sluice/wire on Redis", "Redis us/message")
        mta = rows.get("mta", {})
        self.m = mta["wire False"][0] if "wire False" in mta else None
        self.cores = known["cores"]
        self.descriptors = read_setting("systemd/sluice.service", r"^LimitNOFILE=(\d+)")
        self.memory_mib = read_setting("systemd/sluice.service", r"^MemoryHigh=(\d+)M")
        self.sessions = read_setting("config/sluice.yaml", r"^#\s+sessions: (\d+)")


def whole(value):
    """Two significant digits: the figures are no better than that."""
    if value < 10:
        return f"{value:.1f}"
    digits = len(str(int(value))) - 2
    return f"{round(value, -digits):,.0f}" if digits > 0 else f"{value:.0f}"


def rows_of(lines):
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"


def inputs(f):
    lines = [("letter", "what was measured", "figure"), ("---",) * 3]
    for letter, what, value, unit in (
            ("c", "CPU of a message, 50 clients without pauses", f.c, "us"),
            ("p", "the same with clients that pause 20 ms, as real ones do", f.p, "us"),
            ("i", f"the same beside {f.known['idle']:,} idle connections", f.i, "us"),
            ("k", "memory of an idle session", f.k, "KiB"),
            ("b", "memory of the service at work, without them", f.rss and f.rss / 1024, "MiB"),
            ("m", f"messages/s that Postfix with Sluice takes on {f.cores} cores, the sender of the test included", f.m, "/s"),
            ("h", "CPU of a message in Sluice with its state in Redis, pauses of 20 ms", f.h, "us"),
            ("r", "CPU of a message in Redis: 2 recipients, 4 limits and a greylist on each", f.r, "us"),
            ("a", "CPU of one subject at one stage in Redis, its share of the call included", f.a, "us")):
        if value is not None:
            lines.append((letter, what, f"{value:,.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"))
    return rows_of(lines)


def one_core(f):
    lines = [("one core of the filter", "formula", "messages/s"), ("---",) * 3]
    for what, formula, cost in (("at its end, clients never wait", "1,000,000 / c", f.c),
                                ("in the busiest minute, clients pause", f"{HEADROOM:g} x 1,000,000 / p", f.p and f.p / HEADROOM),
                                ("the same beside idle connections", f"{HEADROOM:g} x 1,000,000 / i", f.i and f.i / HEADROOM),
                                ("the same, state in Redis", f"{HEADROOM:g} x 1,000,000 / h", f.h and f.h / HEADROOM)):
        if cost:
            lines.append((what, formula, whole(1e6 / cost)))
    return rows_of(lines)


def one_host(f):
    """What ends first on one host, smallest first; sessions and messages apart."""
    sessions = [("`resources: {sessions}`, as shipped", f.sessions), ("descriptors: LimitNOFILE, less 32", f.descriptors - 32)]
    if f.k and f.rss:
        sessions.append(("memory: (MemoryHigh - b) / k", (f.memory_mib * 1024 - f.rss) / f.k))
    lines = [("sessions of one host, smallest first", "sessions"), ("---",) * 2]
    lines += [(what, whole(value)) for what, value in sorted(sessions, key=lambda item: item[1])]
    text = rows_of(lines)
    if f.m and f.c:
        lines = [(f"messages of one host of {f.cores} cores", "messages/s"), ("---",) * 2,
                 ("Postfix and Sluice together, as measured: m", whole(f.m)),
                 (f"Sluice alone on all cores: {f.cores} x 1,000,000 / c", whole(f.cores * 1e6 / f.c)),
                 ("share of Sluice in a message: c x m / (cores x 1,000,000)", f"{f.c * f.m / (f.cores * 1e6):.0%}")]
        text += "\n" + rows_of(lines)
    return text


def cluster(f):
    if not (f.r and f.a):
        return ""
    lines = [("masters", "messages/s at their end: n x 1,000,000 / r", f"planned for: {HEADROOM:g} of it",
              *(("cores of mail filters that fill them: n x h / r",) if f.h else ())), ("---",) * (4 if f.h else 3)]
    for n in NODES:
        at_end = n * 1e6 / f.r
        lines.append((n, whole(at_end), whole(at_end * HEADROOM), *((f"{n * f.h / f.r:.1f}",) if f.h else ())))
    subjects = f.r / f.a
    return rows_of(lines) + (
        f"\nA message of this kind asks about r / a = {subjects:.0f} subjects. Each is in one slot, so on one master: at most "
        f"1,000,000 / a = {whole(1e6 / f.a)} questions a second about one user, one network, one domain, however many masters there are.\n")


def figures_text(known):
    f = Figures(known)
    busy = " The machine had other work meanwhile." if known["load before"] > known["cores"] / 2 else ""
    return (f"Measured {known['about']}; {known['machine']}; load average before: {known['load before']}.{busy}\n\n"
            + "\n".join(part for part in (inputs(f), one_core(f), one_host(f), cluster(f)) if part))


def main():
    text = figures_text(json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8")))
    if sys.argv[1:] == ["--write"]:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.partition(END)[2], encoding="utf-8")
    elif sys.argv[1:]:
        print(__doc__.strip())
        return 0 if sys.argv[1] in ("-h", "--help") else 64
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
