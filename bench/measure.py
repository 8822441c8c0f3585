# SPDX-License-Identifier: Apache-2.0
"""What the programs of this directory measure with: systems, instruments, and tables of medians.

Directories are fresh ones and stay until the end of a run: for half a minute after many files were deleted, ext4 makes new
ones at a hundred times the cost. CPU is a broker's alone, user and system, by the clock that the system keeps for its process.
"""
import contextlib
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test/lib"))
import broker

LOAD = broker.BUILD / "bench/load"
RUN_MOST_S = 200  # of any run of load: it is only ever reached by a failure


class Kafka(broker.Kafka):
    """As Kafka's own script starts it."""
    JVM = {"heap": "1g", "flags": ("-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
                                   "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15")}


class Barnabas(broker.Barnabas):
    SHARDS = 0  # as many as it takes by itself


class Other(broker.Broker):
    """Any program that listens on {port}; it is ready when it does, and ends on SIGTERM. It knows no topics: it takes the
    records of any, and at the most gives them back, from the first one on at each request."""
    CLEAN = (0, -15, 143)

    def __init__(self, command, data):
        super().__init__(data, port=broker.free_port())
        self.command = command

    def _spawn(self):
        command = [word.format(port=self.port, data=self.data) for word in shlex.split(self.command)]
        self.process = self._popen(command, None)
        broker.until(lambda: broker.Kafka._serves(self), "the other program")


def others():
    """What makes a broker of each program of BENCH_OTHER='name=command with {port} and {data}; ...', by name."""
    entries = (entry.strip().split("=", 1) for entry in os.environ.get("BENCH_OTHER", "").split(";") if entry.strip())
    return {name: lambda data, settings=None, command=command: Other(command, data) for name, command in entries}


def systems():
    return {"Barnabas": Barnabas, "Kafka 4.3.1": Kafka, **others()}


@contextlib.contextmanager
def fresh_directory():
    """A function that makes a new directory at each call; all of them go at the end."""
    parent = broker.BUILD / "test-data"
    parent.mkdir(parents=True, exist_ok=True)
    home = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield lambda: pathlib.Path(tempfile.mkdtemp(dir=home)) / "data"
    finally:
        shutil.rmtree(home)


def cpu_seconds(pid):
    return time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid() makes it


def resident_mb(one):
    status = pathlib.Path(f"/proc/{one.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Warmth:
    """The page cache full of a file's holes, so that whoever needs a page takes one that somebody had, as on a machine that is up for long. A page that the host
    of a virtual machine has to bring first costs ten times as much, and who has brought it pays for those that use it later."""
    FREE, PIECE = 512 << 20, 64 << 20

    def __init__(self):
        self.file, self.at = tempfile.TemporaryFile(dir=broker.BUILD), 0
        self.size = 2 * self.memory("MemTotal")  # what is read now was forgotten since the last time
        self.file.truncate(self.size)

    @staticmethod
    def memory(name):
        return next(int(line.split()[1]) << 10 for line in open("/proc/meminfo") if line.startswith(name + ":"))

    def renew(self):
        for _ in range(self.size // self.PIECE):
            if self.memory("MemFree") < self.FREE:
                break
            os.posix_fadvise(self.file.fileno(), self.at, self.PIECE, os.POSIX_FADV_WILLNEED)
            self.at = (self.at + self.PIECE) % self.size


WARMTH = Warmth()


def settle(running, busy=0.1, quiet_s=0.5, most_s=20):
    """Until what was written is on the disk, memory is warm, and those that run rest: what one leaves behind is not for the next to pay."""
    os.sync()
    used, end = None, time.monotonic() + most_s
    while time.monotonic() < end:
        now = sum(cpu_seconds(one.process.pid) for one in running)
        if used is not None and now - used < busy * quiet_s:
            break
        used = now
        time.sleep(quiet_s)  # the span that is looked at
    os.sync()
    WARMTH.renew()


def load(command, one, topic, *arguments):
    """load's figures, and the CPU seconds that the broker took meanwhile."""
    before = cpu_seconds(one.process.pid)
    ran = subprocess.run([LOAD, command, one.address, topic, *map(str, arguments)], capture_output=True, text=True, timeout=RUN_MOST_S)
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip())
    figures = {key: float(value) for key, _, value in (pair.partition("=") for pair in ran.stdout.split()) if value}
    return {**figures, "cpu": cpu_seconds(one.process.pid) - before}


@contextlib.contextmanager
def optional(one, what):
    """Other programs may not serve something; the two that the tables are about must."""
    try:
        yield
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        if not isinstance(one, Other):
            raise
        print(f"bench: {what}: {error}", file=sys.stderr)


def number(value):
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


class Table:
    """Rows and columns in the order of their first value; of several values the median counts."""

    def __init__(self, title):
        self.title, self.columns, self.rows = title, [], {}

    def add(self, row, column, value):
        if column not in self.columns:
            self.columns.append(column)
        self.rows.setdefault(row, {}).setdefault(column, []).append(value)

    def get(self, row, column):
        """None where nothing was measured."""
        values = self.rows.get(row, {}).get(column)
        return values and statistics.median(values)

    def __str__(self):
        lines = [f"## {self.title}", "", f"| | {' | '.join(self.columns)} |", "|-|" + "-:|" * len(self.columns)]
        for row in self.rows:
            cells = (self.get(row, column) for column in self.columns)
            lines.append(f"| {row} | {' | '.join('-' if cell is None else number(cell) for cell in cells)} |")
        return "\n".join(lines) + "\n"
