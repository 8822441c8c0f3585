#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka's files are ours, and ours are Kafka's.

    test/kafkafiles/run.py [PATTERN OF CASES]

One directory goes from Kafka 4.3.1 to Barnabas and back, several times, stopped cleanly and killed; each tells what the other told
before (see Life.java): records, offsets, groups, configurations, what is stable and what was aborted of transactions, which producers
are remembered. Kafka's own tools read every file. What we cannot carry is refused, and the directory is as it was (forge.py).
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
sys.path.insert(0, str(HERE.parent / "dump"))
import broker
import run as dump
import suite

SETTINGS = {"node.id": 1, "log.cleaner.backoff.ms": 300, "metadata.log.max.record.bytes.between.snapshots": 20000, "transaction.state.log.segment.bytes": 1048576}


class Journey:
    """One directory, which both kinds of broker open in turn, and what was told of it last."""

    def __init__(self, classes):
        self.classes = classes
        self.scratch = broker.scratch("kafkafiles")
        self.data = self.scratch / "data"
        self.told = None

    def life(self, command, server, *more):
        ran = subprocess.run(["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self.classes}:{broker.DEPS}/kafka/libs/*", "Life",
                              command, server.address, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        if ran.returncode:
            raise RuntimeError(f"Life {command}: {ran.stderr[-3000:]}")
        return ran.stdout.splitlines()

    def open(self, kind):
        return broker.KINDS[kind](self.data, SETTINGS)

    def compare(self, server, whose):
        """The broker tells what the one before it told."""
        dump.same(self.life("tell", server), self.told, whose)


def by_librdkafka(server, topic, isolation):
    """Partition and offset of each record of a topic."""
    ran = subprocess.run(["kcat", "-C", "-b", server.address, "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %o\n", "-X", f"isolation.level={isolation}"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=True)
    return sorted(tuple(map(int, line.split())) for line in ran.stdout.splitlines())


def told_offsets(told, topic, isolation):
    word = "uncommitted" if isolation == "read_uncommitted" else "record"
    found = (re.match(rf"{word} {topic}-(\d+) (\d+) ", line) for line in told)
    return sorted((int(match[1]), int(match[2])) for match in found if match)


def log_dirs(server):
    """Kafka's tool has nothing to complain of."""
    ran = subprocess.run(broker.java("org.apache.kafka.tools.LogDirsCommand", "--describe", "--bootstrap-server", server.address),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=True)
    answer = json.loads(next(line for line in ran.stdout.splitlines() if line.startswith("{")))
    errors = [directory["error"] for node in answer["brokers"] for directory in node["logDirs"]]
    suite.check(errors, [None], "errors of log directories")


def kafka_fills(journey):
    with journey.open("kafka") as server:
        journey.life("fill", server)
        journey.told = journey.life("tell", server)
        journey.transactions = journey.life("transactions", server)
    suite.check(sum(" Ongoing " in line for line in journey.transactions), 2, "open transactions")


def we_open(journey):
    with journey.open("barnabas") as server:
        journey.compare(server, "we on Kafka's directory")
        for isolation in ("read_committed", "read_uncommitted"):
            for topic in ("ledger", "compacted-ledger"):
                suite.check(by_librdkafka(server, topic, isolation), told_offsets(journey.told, topic, isolation), f"{topic}, {isolation}, by librdkafka")
        journey.life("add", server, "1")
        journey.told = journey.life("tell", server)
    dump.dump(journey.data)


def kafka_goes_on(journey):
    server = journey.open("kafka")
    try:
        server.start()
        journey.compare(server, "Kafka on what we went on with")
        log_dirs(server)
        suite.check(journey.life("transactions", server), journey.transactions, "transactions")
        journey.life("finish", server)
        journey.life("add", server, "2")
        journey.told = journey.life("tell", server)
    finally:
        server.kill()


def we_after_kill(journey):
    server = journey.open("barnabas")
    try:
        server.start()
        journey.compare(server, "we after Kafka was killed")
        journey.life("add", server, "3")
        journey.told = journey.life("tell", server)
        server.kill()
        server.start()
        journey.compare(server, "we after we were killed")
        server.stop()
    finally:
        server.kill()
    dump.dump(journey.data)


def kafka_at_last(journey):
    with journey.open("kafka") as server:
        journey.compare(server, "Kafka after that")


def main():
    arguments = suite.arguments(__doc__.splitlines()[0])
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", HERE.parent / "dump/State.java", HERE / "Life.java"], check=True,
                       stderr=subprocess.DEVNULL)
        journey = Journey(classes)
        for name, step in (("kafka-fills", kafka_fills), ("we-open", we_open), ("kafka-goes-on", kafka_goes_on), ("we-after-kill", we_after_kill),
                           ("kafka-at-last", kafka_at_last)):
            if not suite.run_case(name, step, journey):
                break  # the next one needs what this one leaves
    suite.finish()


if __name__ == "__main__":
    main()
