#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments while three clients produce with acks=all: whatever was acknowledged is there, once, in order.

    test/kill9/run.py [--rounds N] [--seed N] [--against kafka]

The clients (librdkafka, Java, kafka-python; all idempotent) go on producing through all rounds, each to a topic of its own,
and tell each acknowledgement's number and offset. A round kills the broker at a random moment after each of them was
acknowledged something, sometimes once more while it recovers, starts it again, and reads what came since the round before:

  lost        a number that was acknowledged before the reading is not at the offset that the acknowledgement named
  duplicated  a number stands in the log twice
  reordered   a number stands after a greater one

At the end the clients stop, with every record acknowledged, the broker is restarted cleanly, and the whole log is read: it must
be what the rounds read, and hold every number from the first to the last.
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


class Client:
    """A producer's process, what it was acknowledged, and what its topic was seen to hold."""

    def __init__(self, kind, address, seed, classes):
        self.kind = kind
        self.topic = f"kill9-{kind}"
        self.address = address
        self.acknowledged = {}      # number: offset
        self.errors = []
        self.seen = []              # numbers, by offset
        self.checked = 0            # of the acknowledgements, in the order in which they came
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
                self.acknowledged[int(first)] = int(rest)

    def await_more_than(self, count):
        def more():
            if self.process.poll() is not None:
                raise RuntimeError(f"the {self.kind} producer ended with status {self.process.returncode}")
            return len(self.acknowledged) > count
        broker.until(more, f"an acknowledgement to the {self.kind} producer")

    def kcat(self, *arguments):
        command = ["kcat", "-b", self.address, *map(str, arguments)]

        def told():
            ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=broker.DEADLINE_S)
            return ran if ran.returncode == 0 else None     # kcat gives up quickly: a busy machine is enough
        return broker.until(told, ' '.join(command)).stdout

    def read(self, offset):
        """The numbers from an offset to where the log ends now: its producer goes on, so reading to "the end" need not end.
        Kafka's offsets of such a topic have no gaps."""
        end = int(self.kcat("-Q", "-t", f"{self.topic}:0:-1").split()[-1])
        numbers = []
        if offset < end:
            lines = self.kcat("-C", "-t", self.topic, "-p", 0, "-o", offset, "-c", end - offset, "-q", "-f", "%o %s\n", "-X", "check.crcs=true")
            for line in lines.splitlines():
                at, number, *_ = line.split(b" ")
                suite.check(int(at), offset + len(numbers), f"{self.kind}: an offset")
                numbers.append(int(number))
        return numbers

    def check(self):
        """Reads what is new; every acknowledgement that came before must be true."""
        before = len(self.acknowledged)
        known = list(self.acknowledged.items())[self.checked:before]
        new = len(self.seen)
        self.seen += self.read(new)
        for number, offset in known:
            found = self.seen[offset] if offset < len(self.seen) else None
            if found != number:
                raise AssertionError(f"{self.kind}: lost: {number} was acknowledged at offset {offset}, where {found} is "
                                     f"(of {len(self.seen)})")
        self.checked = before
        for offset in range(max(new, 1), len(self.seen)):
            if self.seen[offset] <= self.seen[offset - 1]:
                what = "duplicated" if self.seen[offset] in self.seen[:offset] else "reordered"
                raise AssertionError(f"{self.kind}: {what}: {self.seen[offset]} at offset {offset}, after {self.seen[offset - 1]}")
        if self.errors:
            raise AssertionError(f"{self.kind}: gave up: {self.errors[0]}")

    def finish(self):
        self.process.stdin.close()
        if not self.ended.wait(broker.DEADLINE_S):
            raise TimeoutError(f"the {self.kind} producer did not end")
        suite.check(self.process.wait(broker.DEADLINE_S), 0, f"the {self.kind} producer's exit status")

    def check_all(self):
        whole = self.read(0)
        suite.check(whole[:len(self.seen)], self.seen, f"{self.kind}: what was read before")
        suite.check(whole, list(range(len(self.acknowledged))), f"{self.kind}: the whole log")


def one_round(server, clients, chance):
    counts = [len(client.acknowledged) for client in clients]
    for client, count in zip(clients, counts):
        client.await_more_than(count)
    time.sleep(chance.random() * KILL_AFTER_S)      # the random moment: nothing waits for it
    server.kill()
    while chance.random() < AGAIN_WHILE_RECOVERING:
        kill_while_starting(server, chance.random() * 0.05)
    server.start()
    for client in clients:
        client.check()


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
    clients = []

    def rounds():
        for number in range(options.rounds):
            try:
                one_round(server, clients, chance)
            except Exception as error:
                raise AssertionError(f"round {number + 1}: {error}") from error

    def end():
        for client in clients:
            client.finish()
            client.check()
        server.restart()
        for client in clients:
            client.check_all()
            print(f"{client.kind}: {len(client.acknowledged)} records acknowledged", flush=True)

    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", HERE / "JavaProducer.java"], check=True)
        try:
            server.start()
            for kind in ("librdkafka", "java", "kafka-python"):
                clients.append(Client(kind, server.address, chance.randrange(1 << 32), classes))
            suite.run_case(f"{options.rounds} rounds of kill -9", rounds)
            suite.run_case("the whole log after a clean stop", end)
        finally:
            server.kill()
            for client in clients:
                client.process.kill()
    suite.finish()


if __name__ == "__main__":
    main()
