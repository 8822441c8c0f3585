#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments while three clients produce with acks=all: whatever was acknowledged is there, once, in order.

    test/kill9/run.py [--rounds N] [--seed N] [--against kafka]

The clients (librdkafka, Java, kafka-python; all idempotent) go on producing through all rounds, each to a topic of its own,
and tell of each acknowledgement. A round kills the broker at a random moment after each of them was acknowledged something,
sometimes once more while it recovers, starts it again, and reads what came since the round before.

What was sent, acknowledged and read is a history (sim/history_text.h: a partition for each client), which the judge of the
simulator judges after every round: nothing lost, duplicated, reordered, made up or told differently than before. At the end the clients
stop, with every record acknowledged, the broker is restarted cleanly, and all is read again.
"""
import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite

PYTHON = broker.DEPS / "python" / "bin" / "python"
AGAIN_WHILE_RECOVERING = 0.2
KILL_AFTER_S = 0.4      # at most, after every client was acknowledged something


RUN_MAX = 1000          # records of one operation of the history
LINE_RUNS = 1000        # of a poll in one of its lines


class History:
    """What clients did and saw, in a file that the judge reads."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "w")

    def add(self, kind, process, partition, begun, ended, words, found=()):
        """`found`: of a poll, as many as there are."""
        self.file.write(f"{kind} process={process} partition={partition} begun={begun} ended={ended} ok {words}\n")
        for at in range(0, len(found), LINE_RUNS):
            self.file.write(f"more {' '.join(found[at:at + LINE_RUNS])}\n")

    def judge(self, *options, more=""):
        """With some lines more, for this time only."""
        self.file.flush()
        ran = subprocess.run([broker.BUILD / "sim" / "judge", *options, "-"], input=self.path.read_text() + more, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        if ran.returncode:
            raise AssertionError(f"{self.path}: {ran.stdout}")
        return ran.stdout


class Runs:
    """Pairs of numbers and offsets, one by one; what is consecutive in both becomes one run (number, offset, count, begun, ended)."""

    def __init__(self):
        self.runs = []
        self.lock = threading.Lock()

    def add(self, number, offset, begun=0, ended=0):
        with self.lock:
            if self.runs:
                last = self.runs[-1]
                if number == last[0] + last[2] and offset == last[1] + last[2] and last[2] < RUN_MAX:
                    last[2] += 1
                    last[3] = min(last[3], begun)
                    last[4] = max(last[4], ended)
                    return
            self.runs.append([number, offset, 1, begun, ended])

    def take(self):
        with self.lock:
            runs, self.runs = self.runs, []
        return runs


class Client:
    """A producer's process, and what it tells of acknowledgements; a reader of its topic."""

    def __init__(self, kind, number, address, seed, classes, history):
        self.kind = kind
        self.number = number        # of its process and partition in the history; its reader's is 100 more
        self.topic = f"kill9-{kind}"
        self.address = address
        self.history = history
        self.acknowledged = 0
        self.runs = Runs()          # acknowledged, and not yet in the history
        self.errors = []
        self.read_to = 0            # an offset
        self.next = 0               # number, of which the history knows nothing
        self.ended = threading.Event()
        command = (["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                    f"{classes}:{broker.DEPS}/kafka/libs/*", "JavaProducer"] if kind == "java"
                   else [PYTHON, HERE / "producers.py", kind])
        self.process = subprocess.Popen([*command, address, self.topic, str(seed)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            first, _, rest = line.partition(" ")
            if first == "ERROR":
                self.errors.append(rest.strip())
            elif first.strip() == "END":
                self.ended.set()
            else:
                self.runs.add(int(first), *map(int, rest.split()))
                self.acknowledged += 1

    def await_more_than(self, count):
        def more():
            if self.process.poll() is not None:
                raise RuntimeError(f"the {self.kind} producer ended with status {self.process.returncode}")
            return self.acknowledged > count
        broker.until(more, f"an acknowledgement to the {self.kind} producer")

    def end(self):
        """Where the log ends now. kcat gives up quickly, here and below: a busy machine is enough."""
        def told():
            ran = subprocess.run(["kcat", "-b", self.address, "-Q", "-t", f"{self.topic}:0:-1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 timeout=broker.DEADLINE_S)
            return ran if ran.returncode == 0 else None
        return int(broker.until(told, f"the end of {self.topic}").stdout.split()[-1])

    def read(self, offset, end):
        """The runs of what stands from one offset to another. Its producer goes on, so reading to "the end" need not end."""
        command = ["kcat", "-b", self.address, "-C", "-t", self.topic, "-p", "0", "-o", str(offset), "-c", str(end - offset), "-q", "-f", "%o %s\n",
                   "-X", "check.crcs=true"]

        def told():
            runs = Runs()
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
                watch = threading.Timer(broker.DEADLINE_S, reader.kill)
                watch.start()
                for line in reader.stdout:
                    at, number, *_ = line.split(b" ", 2)
                    runs.add(int(number), int(at))
                watch.cancel()
            return runs if reader.returncode == 0 else None
        return broker.until(told, f"reading {self.topic}").take() if offset < end else []

    def write_sends(self):
        """What was acknowledged until now; what comes from now on belongs to the next reading."""
        for number, offset, count, begun, ended in self.runs.take():
            self.history.add("send", self.number, self.number, begun, ended, f"value={number} count={count} offset={offset} once")
            self.next = number + count
        if self.errors:
            raise AssertionError(f"{self.kind}: gave up: {self.errors[0]}")

    def under_way(self):
        """Whatever it sent after that: it goes on, and acknowledgements come in order."""
        return f"send process={self.number} partition={self.number} begun={time.monotonic_ns()} open value={self.next} count={1 << 31} once\n"

    def check(self, offset, more=""):
        """Reads from an offset on, into the history."""
        self.write_sends()
        begun = time.monotonic_ns()
        end = self.end()
        found = [f"{at}+{count}:{number}" for number, at, count, _, _ in self.read(offset, end)]
        self.history.add("poll", 100 + self.number, self.number, begun, time.monotonic_ns(), f"offset={offset} high={end} start=0 {more}", found)
        self.read_to = end

    def finish(self):
        self.process.stdin.close()
        if not self.ended.wait(broker.DEADLINE_S):
            raise TimeoutError(f"the {self.kind} producer did not end")
        suite.check(self.process.wait(broker.DEADLINE_S), 0, f"the {self.kind} producer's exit status")


def one_round(server, clients, chance, history):
    counts = [client.acknowledged for client in clients]
    for client, count in zip(clients, counts):
        client.await_more_than(count)
    time.sleep(chance.random() * KILL_AFTER_S)      # the random moment: nothing waits for it
    server.kill()
    while chance.random() < AGAIN_WHILE_RECOVERING:
        kill_while_starting(server, chance.random() * 0.05)
    server.start()
    for client in clients:
        client.check(client.read_to, "follows")
    history.judge("--so-far", more="".join(client.under_way() for client in clients))


def kill_while_starting(server, after_s):
    timer = threading.Timer(after_s, lambda: server.process and server.process.kill())
    timer.start()
    try:
        server.start()
    except (RuntimeError, OSError):
        pass        # killed before it served
    timer.join()
    server.kill()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=50)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options.add_argument("--against", choices=sorted(broker.KINDS), default="barnabas")
    options = options.parse_args()
    print(f"replay with: test/kill9/run.py --rounds {options.rounds} --seed {options.seed}", flush=True)

    chance = random.Random(options.seed)
    server = broker.KINDS[options.against](broker.scratch("kill9") / "data", {"num.partitions": 1, "log.segment.bytes": 1 << 20})
    history = History(server.data.parent / "history.txt")
    clients = []

    def rounds():
        for number in range(options.rounds):
            try:
                one_round(server, clients, chance, history)
            except Exception as error:
                raise AssertionError(f"round {number + 1}: {error}") from error

    def end():
        for client in clients:
            client.finish()
            client.check(client.read_to, "follows")
        history.judge("--so-far")
        server.restart()
        for client in clients:
            client.check(0, "last")
            print(f"{client.kind}: {client.acknowledged} records acknowledged", flush=True)
        print(history.judge(), flush=True)

    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", HERE / "JavaProducer.java"], check=True)
        try:
            server.start()
            for number, kind in enumerate(("librdkafka", "java", "kafka-python")):
                clients.append(Client(kind, number, server.address, chance.randrange(1 << 32), classes, history))
            suite.run_case(f"{options.rounds} rounds of kill -9", rounds)
            suite.run_case("the whole log after a clean stop", end)
        finally:
            server.kill()
            for client in clients:
                client.process.kill()
    suite.finish()


if __name__ == "__main__":
    main()
