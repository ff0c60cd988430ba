"""The rows of the speed table: what is promised, and what a run has seen of it.

A bar is (row, what, target, seen, holds): `holds` says yes or no to the target by the unrounded figure; it
is empty where the table promises nothing. A row that was not measured has no bar.
"""
import allocations
import peers
import slow_backend

ENGINES = ("libmilter", "wire")


class Bars:
    def __init__(self, results):
        self._results = results
        self.found = []

    def figure(self, row, label, column):
        figures = self._results.get(row, {}).get(label)
        return figures.get(column) if isinstance(figures, dict) else None

    def ratio(self, column, above, below):
        """Of two (row, label); None unless both were measured."""
        upper, lower = self.figure(*above, column), self.figure(*below, column)
        return upper / lower if upper is not None and lower else None

    def add(self, number, what, target, holds, value):
        if value is not None:
            verdict = ("yes" if holds(value) else "**no**") if target else ""
            self.found.append((number, what, target, f"{value:.2f}", verdict))

    def at_most(self, number, what, most, value):
        self.add(number, what, f"<= {most}", lambda v: v <= most, value)

    def at_least(self, number, what, least, value):
        self.add(number, what, f">= {least}", lambda v: v >= least, value)


def all_bars(results):
    bars = Bars(results)
    for row, kind in (("busy", ""), ("nolimits", ", no limits")):
        for engine, speed, cpu in (("libmilter", 0.9, 1.15), ("wire", 1.5, 0.5)):
            label = f"sluice/{engine}"
            bars.at_least(1, f"messages/s, {engine} / E{kind}", speed, bars.ratio("messages/s", (row, label), (row, "E")))
            bars.at_most(2, f"CPU per message, {engine} / E{kind}", cpu, bars.ratio("CPU us/message", (row, label), (row, "E")))
    bars.at_most(3, "CPU per message, 20 ms pauses, wire / E", 0.25,
                 bars.ratio("CPU us/message", ("pauses", "sluice/wire"), ("pauses", "E")))
    bars.at_most(4, "CPU per message, idle connections / none, wire", 1.2,
                 bars.ratio("CPU us/message", ("idle", "sluice/wire"), ("pauses", "sluice/wire")))
    for engine in ENGINES:
        bars.at_most(5, f"KiB per idle connection, {engine}", 2, bars.figure("idle", f"sluice/{engine}", "KiB/idle"))
    bars.at_most(6, "p99/p50 at 1,000 busy sessions, wire", 3, bars.figure("thousand", "sluice/wire", "p99/p50"))
    for bar in slow_backend.bars(results):
        bars.add(9, *bar)
    for engine in ENGINES:
        label = f"sluice/{engine}"
        few, more = (bars.figure(row, label, "CPU us/message") for row in ("rules10", "rules1000"))
        # Some of these rules are found by a key, some are evaluated, those at rcpt for each recipient: what one more
        # costs is promised, the ratio only for rules that are all found by a key.
        bars.at_most(10, f"us per further rule and message, {engine}", 0.5, (more - few) / 990 if more and few else None)
        bars.add(10, f"CPU per message, 1,000 rules / 10, {engine}", "", None, more / few if more and few else None)
    for bar in peers.bars(results):
        bars.add(11, *bar)
    if "mta" in results:
        import mta  # noqa: PLC0415
        for bar in mta.bars(results):
            bars.add(12, *bar)
    for bar in allocations.bars(results):
        bars.add(13, *bar)
    return bars.found
