"""Row 11 of the speed table: other filters that people use, in the same run as E, I and Sluice.

rspamd         as a milter (rspamd_proxy that scans itself), with its modules ratelimit (four limits) and
               greylist on a redis-server of the run and nothing else: no rules, no DNS, no learning
python         python3-milter, does what E does
python limits  the same with four limits in a dictionary
go             golang-github-emersion-go-milter-dev, does what E does

Sluice has the policy of the other rows, four of its rules limits, and a greylist: with the embedded store,
and once more with its state in a redis-server of the run, whose CPU and memory are counted as rspamd's are.
rspamd looks its greylist up for each message and writes nothing there, as it does for mail without a score.
All mail passes: the wait of Sluice's greylist is over before the measuring begins.
"""
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent / "peers"
PYTHON = "/usr/bin/python3"  # Debian's own, for which python3-milter is made
GO_CODE = "/usr/share/gocode"
ROWS = {
    "peers": ("other filters; 50 connections, no pauses", []),
    "peers-pauses": ("other filters; 50 connections, clients pause 20 ms", ["--pause", "20"]),
}
# 50 clients: each one is past the greylist before the measuring begins.
OPTIONS = ["--connections", "50", "--clients", "50", "--warm-up", "2"]
MOST_ROUNDS = 3  # ten filters take their time
GREYLIST = """  - greylist: first-contact
    stage: rcpt
    when: sender.address is set
    key: [client.net, sender.address, rcpt.address]
    delay: 1s
"""
RSPAMD = """options {{
  control_socket = "{folder}/control.sock mode=0600";
  hs_cache_dir = "{folder}"; tempdir = "{folder}"; url_tld = "{folder}/suffixes";
  dns {{ nameserver = ["127.0.0.1:9:1"]; timeout = 200ms; retransmits = 1; }}
  filters = []; local_addrs = []; disable_monitoring = true;
}}
logging {{ type = "file"; filename = "{folder}/rspamd.log"; level = "error"; }}
actions {{ reject = 1000; add_header = 900; greylist = 800; }}
redis {{ servers = "{redis}"; }}
modules {{ path = "{plugins}/ratelimit.lua"; path = "{plugins}/greylist.lua"; }}
ratelimit {{ rates {{
  client {{ selector = "ip"; bucket {{ burst = 1000000; rate = "1000000 / 1h"; }} }}
  sender {{ selector = "from:domain"; bucket {{ burst = 1000000; rate = "1000000 / 1h"; }} }}
  recipient {{ selector = "rcpts:addr"; bucket {{ burst = 1000000; rate = "1000000 / 1h"; }} }}
  domain {{ selector = "rcpts:domain"; bucket {{ burst = 100000000; rate = "100000000 / 1h"; }} }}
}} }}
greylist {{ timeout = 1s; }}
worker "rspamd_proxy" {{
  bind_socket = "{folder}/filter.sock mode=0666"; milter = yes; timeout = 120s; count = {workers};
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
"""
PLUGINS = "/usr/share/rspamd/plugins"


def missing_program(*programs):
    lost = [program for program in programs if shutil.which(program) is None]
    return f"{' and '.join(lost)} not installed" if lost else None


# ---- the filters of the row: what is missing for it, and its command in a folder -------------------

class Plain:
    """A filter of the other rows, or Sluice with the embedded store."""
    uses_redis = False
    processes = 1

    def __init__(self, label, make_command):
        self.label, self._make_command = label, make_command

    def missing(self):
        return None

    def command(self, folder):
        return self._make_command(folder)


class SluiceOnRedis(Plain):
    uses_redis = True

    def missing(self):
        return missing_program("redis-server")

    def command(self, folder):
        words = self._make_command(folder)
        (folder / "pepper").write_bytes(os.urandom(32))
        (folder / "pepper").chmod(0o600)
        with open(folder / "sluice.yaml", "a", encoding="utf-8") as file:
            file.write(f'store: redis\npepper_file: {folder}/pepper\nredis: {{servers: ["unix:{folder}/redis.sock"], '
                       "timeout: 1s}\n")
        return words


class Rspamd:
    label, uses_redis = "rspamd", True
    processes = 1 + os.cpu_count()

    def missing(self):
        if not (pathlib.Path(PLUGINS) / "ratelimit.lua").exists():
            return "rspamd is not installed"
        return missing_program("rspamd", "redis-server")

    def command(self, folder):
        (folder / "suffixes").write_text("com\nexample\norg\n")
        (folder / "rspamd.conf").write_text(RSPAMD.format(folder=folder, redis=folder / "redis.sock", plugins=PLUGINS,
                                                          workers=os.cpu_count()))
        return ["rspamd", "-i", "-f", "-c", str(folder / "rspamd.conf")]


class Python:
    uses_redis, processes = False, 1

    def __init__(self, label, mode):
        self.label, self._mode = label, mode

    def missing(self):
        found = os.path.exists(PYTHON) and subprocess.run([PYTHON, "-c", "import Milter"], check=False,
                                                          capture_output=True).returncode == 0
        return None if found else "python3-milter is not installed"

    def command(self, folder):
        return [PYTHON, str(HERE / "filter.py"), f"unix:{folder}/filter.sock", self._mode]


class Go:
    label, uses_redis, processes = "go", False, 1

    def __init__(self, build):
        self._binary = build / "go_filter"

    def missing(self):
        if lost := missing_program("go"):
            return lost
        if not os.path.isdir(f"{GO_CODE}/src/github.com/emersion/go-milter"):
            return "golang-github-emersion-go-milter-dev is not installed"
        return self._build()

    def _build(self):
        """From Debian's own sources, without a network; the reason if it fails."""
        source = HERE / "filter.go"
        if self._binary.exists() and self._binary.stat().st_mtime > source.stat().st_mtime:
            return None
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_CODE, "GOFLAGS": "", "GOPROXY": "off",
                       "GOCACHE": str(self._binary.parent / "go_cache")}
        done = subprocess.run(["go", "build", "-o", str(self._binary), str(source)], env=environment, text=True,
                              capture_output=True, check=False)
        return None if done.returncode == 0 else f"go build: {done.stderr.strip()[-200:]}"

    def command(self, folder):
        return [str(self._binary), f"{folder}/filter.sock"]


def contestants(bench):
    """All filters of the row, in the order of the table."""
    arguments = bench.arguments

    def plain(binary):
        return lambda folder: [str(bench.build / "bench" / binary), f"unix:{folder}/filter.sock"]

    def sluice(engine):
        def command(folder):
            words = bench.sluice(folder, engine, arguments.rules)
            with open(folder / "policy.yaml", "a", encoding="utf-8") as file:
                file.write(GREYLIST)
            return words
        return command

    found = [Plain("E", plain("empty_libmilter")), Plain("I", plain("empty_epoll"))]
    if arguments.sluice:
        engines = [engine for engine in arguments.engines.split(",") if engine]
        found += [Plain(f"sluice/{engine}", sluice(engine)) for engine in engines]
        found += [SluiceOnRedis(f"sluice/{engine} on Redis", sluice(engine)) for engine in engines]
    return found + [Rspamd(), Python("python", "nothing"), Python("python limits", "limits"), Go(bench.build / "bench")]


# ---- running them --------------------------------------------------------------------------------

def cpu_us(pid):
    """What a process has used up since it began."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


class RedisServer:
    """A redis-server of the run on a unix socket, without files; ended by its id."""

    def us_per_subject(self):
        """CPU of one subject at one stage, with its share of the call that carried it and of reading and writing; over the
        whole run. Each subject reads the clock of its group and itself."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(str(self.folder / "redis.sock"))
            link.sendall(b"INFO commandstats\r\n")
            text = b""
            while b"\r\n" not in text or len(text) < int(text[1:text.index(b"\r\n")]):
                text += link.recv(65536)
        subjects = sum(int(n) for n in re.findall(rb"cmdstat_get:calls=(\d+)", text)) / 2
        return cpu_us(self.process.pid) / subjects if subjects else 0

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        path = self.folder / "redis.sock"
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir",
             str(self.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        end = time.monotonic() + 20
        while not path.exists():
            if time.monotonic() > end or self.process.poll() is not None:
                self.__exit__()
                raise RuntimeError("redis-server does not listen")
            time.sleep(0.02)
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()


def children_of(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def proportional_kib(pids):
    """Memory of processes together, what they share counted once."""
    total = 0
    for pid in pids:
        try:
            lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def await_workers(running, processes):
    """A peer that forks listens before its workers are there."""
    end = time.monotonic() + 60
    while len(children_of(running.process.pid)) < processes - 1:
        if time.monotonic() > end:
            raise RuntimeError(f"{running.name}: {processes - 1} workers did not start")
        time.sleep(0.1)
    if processes > 1:
        time.sleep(2)  # they compile for a moment before they serve


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass


def run_one(run, bench, contestant, options):
    """One round of one filter: the generator's figures, with what Redis had of the CPU and PSS."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-peers-"))
    store = RedisServer(folder) if contestant.uses_redis else None
    workers = []
    try:
        redis_pid = store.__enter__().process.pid if store else None
        with run.Filter(contestant.label, contestant.command(folder), folder) as running:
            await_workers(running, contestant.processes)
            workers = children_of(running.process.pid)
            running.companions = workers + ([redis_pid] if redis_pid else [])
            figures = run.load(bench.load, running, bench.arguments.seconds, OPTIONS + options)
            figures["us_per_call"] = store.us_per_subject() if store else 0
            figures["pss_kib"] = proportional_kib([running.process.pid, *running.companions])
        if figures["refusing_answers"]:
            raise RuntimeError(f"{contestant.label}: {figures['refusing_answers']} answers were refusals")
        ended = figures["messages"] + figures["refused"]
        figures["redis_us"] = sum(p["cpu_us"] for p in figures["processes"] if p["pid"] == redis_pid) / ended
        return figures
    finally:
        kill_all(workers)
        if store:
            store.__exit__()
        shutil.rmtree(folder, ignore_errors=True)


def measure(run, bench, row):
    """Medians by label; a text instead of figures is why there are none."""
    found = contestants(bench)
    reasons = {contestant.label: contestant.missing() for contestant in found}
    present = [contestant for contestant in found if reasons[contestant.label] is None]
    gathered = {contestant.label: [] for contestant in present}
    for number in range(min(bench.arguments.rounds, MOST_ROUNDS)):
        turn = number % len(present)
        for contestant in present[turn:] + present[:turn]:
            gathered[contestant.label].append(run_one(run, bench, contestant, ROWS[row][1]))
            print(".", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    return {contestant.label: summary(run, gathered[contestant.label]) if reasons[contestant.label] is None
            else f"skipped: {reasons[contestant.label]}" for contestant in found}


def summary(run, runs):
    figures = run.summary(runs)
    figures["Redis us/message"] = statistics.median(r["redis_us"] for r in runs)
    figures["Redis us/call"] = statistics.median(r["us_per_call"] for r in runs)
    figures["MiB"] = statistics.median(r["pss_kib"] for r in runs) / 1024
    return figures


# ---- the table -----------------------------------------------------------------------------------

def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def table(row, results):
    """Absolute figures, and for each filter what Sluice gives of its messages/s and takes of its CPU."""
    bases = [label for label in ("E", "I", "sluice/libmilter", "sluice/wire") if isinstance(results.get(label), dict)]
    lines = [f"**{row}**: {ROWS[row][0]}; MiB is memory of all processes with what they share counted once, Redis included; "
             "behind it messages/s and CPU per message as multiples of those of another filter", "",
             "| filter | messages/s | CPU us/message | of it Redis | MiB | threads | "
             + " | ".join(f"to {base}" for base in bases) + " |", "|---" * (6 + len(bases)) + "|"]
    for label, figures in results.items():
        if isinstance(figures, str):
            lines.append(f"| {label} | {figures} |" + " |" * (4 + len(bases)))
            continue
        cells = [number(figures[column]) for column in ("messages/s", "CPU us/message", "Redis us/message", "MiB",
                                                        "threads")]
        cells += ["" if base == label else " / ".join(f"{figures[column] / results[base][column]:.2f}" for column in (
            "messages/s", "CPU us/message")) for base in bases]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def bars(results):
    """Row 11: (what, target, holds, value) against rspamd."""
    rows = results.get("peers", {})
    rspamd = rows.get("rspamd")
    found = []
    if not isinstance(rspamd, dict):
        return found
    for engine, speed in (("libmilter", 3), ("wire", 6)):
        for label in (f"sluice/{engine}", f"sluice/{engine} on Redis"):
            figures = rows.get(label)
            if not isinstance(figures, dict):
                continue
            found.append((f"messages/s, {label} / rspamd", f">= {speed}", lambda v, s=speed: v >= s,
                          figures["messages/s"] / rspamd["messages/s"]))
            if engine == "wire":
                found.append((f"CPU per message, {label} / rspamd, Redis counted", "<= 0.17", lambda v: v <= 1 / 6,
                              figures["CPU us/message"] / rspamd["CPU us/message"]))
                found.append((f"memory, {label} / rspamd, Redis counted", "<= 0.10", lambda v: v <= 0.1,
                              figures["MiB"] / rspamd["MiB"]))
    return found
