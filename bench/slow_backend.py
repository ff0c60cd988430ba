"""Row 9 of the speed table: what a scanner that takes 50 ms does to sessions that do not need it.

1,000 sessions whose clients pause 100 ms are decided in memory; beside them 50 sessions (from 198.19.0.0/16)
wait for a scanner with each message. The figures are those of the 1,000, with a scanner that answers at once
and with one that takes 50 ms. The pauses keep the machine from being busy all the time: where it is, the wait
for the processor hides the wait for the backend.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

DELAY_MS = 50
ROWS = {"slow": (f"MAIL of 1,000 sessions that pause 100 ms, beside 50 whose messages wait for a scanner of 0 or {DELAY_MS} ms",
                 ["--connections", "1000", "--clients", "5000", "--pause", "100"])}
SLOW_CLIENTS = ["--connections", "50", "--clients", "50", "--first-client", "65536"]
RULE = """  - rule: slow
    stage: end
    when: 'client.ip in ["198.19.0.0/16"] and spam.score >= 15'
    on_unknown: defer
    then: reject 554
"""


def service(bench, folder, engine, port):
    command = bench.sluice(folder, engine, bench.arguments.rules)
    with open(folder / "policy.yaml", "a", encoding="utf-8") as file:
        file.write(RULE)
    with open(folder / "sluice.yaml", "a", encoding="utf-8") as file:
        file.write(f'scanners: {{spam: {{engine: rspamd, address: "127.0.0.1:{port}", connections: 64}}}}\n')
    return command


def run_one(run, bench, engine, delay_ms):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-slow-"))
    port = run.free_port()
    scanner = subprocess.Popen([str(bench.build / "bench" / "instant_scanner"), str(port), "rspamd", str(delay_ms)])
    waiting = None
    try:
        with run.Filter(f"sluice/{engine}", service(bench, folder, engine, port), folder) as running:
            waiting = subprocess.Popen([str(bench.load), "--at", f"unix:{running.at}", "--json", "--seconds",
                                        str(bench.arguments.seconds), *SLOW_CLIENTS], stdout=subprocess.PIPE, text=True)
            figures = run.load(bench.load, running, bench.arguments.seconds, ROWS["slow"][1])
            beside = json.loads(waiting.communicate(timeout=60)[0])
        if beside["failures"] or beside["refused"] or beside["latency"]["eom"]["p50_us"] < delay_ms * 1000:
            raise RuntimeError(f"sluice/{engine}: the sessions beside did not wait for the scanner: {beside}")
        mail = figures["latency"]["mail"]
        return {"messages/s": figures["messages_per_second"], "MAIL p50 us": mail["p50_us"],
                "MAIL p99 us": mail["p99_us"], "beside/s": beside["messages_per_second"]}
    finally:
        for process in (waiting, scanner):
            if process is not None:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def measure(run, bench, row):
    turns = [(engine, delay) for engine in bench.arguments.engines.split(",") if bench.arguments.sluice and engine
             for delay in (0, DELAY_MS)]
    gathered = {turn: [] for turn in turns}
    for _ in range(bench.arguments.rounds):
        for engine, delay in turns:
            gathered[engine, delay].append(run_one(run, bench, engine, delay))
            print(".", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    return {turn: {key: statistics.median(one[key] for one in runs) for key in runs[0]}
            for turn, runs in gathered.items()}


def table(row, results):
    lines = [f"**{row}**: {ROWS[row][0]}", "",
             "| filter | scanner | messages/s | MAIL p50 us | MAIL p99 us | messages/s beside |", "|---|---|---|---|---|---|"]
    lines += [f"| sluice/{engine} | {f'{delay} ms' if delay else 'at once'} | {figures['messages/s']:,.0f} | "
              f"{figures['MAIL p50 us']:,.0f} | {figures['MAIL p99 us']:,.0f} | {figures['beside/s']:,.0f} |"
              for (engine, delay), figures in results.items()]
    return "\n".join(lines) + "\n"


def bars(results):
    found = results.get("slow", {})
    ratios = {engine: found[engine, DELAY_MS]["MAIL p99 us"] / max(found[engine, 0]["MAIL p99 us"], 1)
              for engine, delay in found if delay}
    return [(f"MAIL p99 of other sessions, a backend of 50 ms / at once, {engine}", "<= 3" if engine == "wire" else "",
             lambda v: v <= 3, ratio) for engine, ratio in ratios.items()]
