#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka's files are ours, and ours are Kafka's.

    test/kafkafiles/run.py [PATTERN OF CASES]      refuse-..., or `journey` as a whole

One directory goes from Kafka 4.3.1 to Barnabas and back, several times, stopped cleanly and killed; each tells what the other told
before (see Life.java): records, offsets, groups, configurations, what is stable and what was aborted of transactions, which producers
are remembered. Kafka's own tools read every file. What we cannot carry is refused, and the directory is as it was (forge.py).
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
sys.path.insert(0, str(HERE.parent / "dump"))
import broker
import forge
import run as dump
import suite

SETTINGS = {"node.id": 1, "log.cleaner.backoff.ms": 300, "metadata.log.max.record.bytes.between.snapshots": 1200, "transaction.state.log.segment.bytes": 1048576,
            "share.coordinator.state.topic.num.partitions": 4}


class Journey:
    """One directory, which both kinds of broker open in turn, and what was told of it last."""

    def __init__(self, classes, scratch, settings, metadata):
        self.classes = classes
        self.data = scratch / "data"
        self.settings = {**SETTINGS, **settings}
        self.metadata = self.data / metadata / "__cluster_metadata-0"
        self.told = None
        self.snapshot = ""

    def life(self, server, *commands):
        """Runs them one after the other; the lines that each has printed."""
        ran = subprocess.run(["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self.classes}:{broker.DEPS}/kafka/libs/*", "Life",
                              server.address, *commands], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        if ran.returncode:
            raise RuntimeError(f"Life {commands}: {ran.stderr[-3000:]}")
        return [part.splitlines() for part in ran.stdout.split("--\n")[:-1]]

    def open(self, kind):
        return broker.KINDS[kind](self.data, self.settings)

    def go_on(self, server, whose, *commands):
        """The broker tells what the one before it told; then what is run besides."""
        told, *printed = self.life(server, "tell", *commands)
        dump.same(told, self.told, whose)
        return printed


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
    suite.check(set(errors), {None}, "errors of log directories")


def open_are(journey, *ids):
    suite.check([line.split()[0] for line in journey.transactions if " Ongoing " in line], list(ids), "open transactions")


def snapshot_is_there(journey):
    """Of the metadata, newer than those that were there before: whoever wrote it last."""
    newest = max(path.name for path in journey.metadata.glob("*.checkpoint"))
    suite.check(newest > journey.snapshot, True, f"{newest} after {journey.snapshot}")
    journey.snapshot = newest


def kafka_fills(journey):
    with journey.open("kafka") as server:
        _, journey.told, journey.transactions, journey.shares = journey.life(server, "fill", "tell", "transactions", "shares")
    open_are(journey, "holder-1", "holder-2")
    suite.check(any(re.search(r" \d+$", line) for line in journey.shares), True, f"something was shared: {journey.shares}")
    snapshot_is_there(journey)


def we_open(journey):
    with journey.open("barnabas") as server:
        before = journey.told
        _, journey.told = journey.go_on(server, "we on Kafka's directory", "add=1", "tell")
        for isolation in ("read_committed", "read_uncommitted"):
            for topic in ("ledger", "compacted-ledger"):
                suite.check(by_librdkafka(server, topic, isolation), told_offsets(journey.told, topic, isolation), f"{topic}, {isolation}, by librdkafka")
    suite.check(set(told_offsets(before, "ledger", "read_uncommitted")) < set(told_offsets(journey.told, "ledger", "read_uncommitted")), True, "more records")
    dump.dump(journey.data)
    snapshot_is_there(journey)


def kafka_goes_on(journey):
    server = journey.open("kafka")
    try:
        server.start()
        before, shares, _, after, _, told = journey.go_on(server, "Kafka on what we went on with", "transactions", "shares", "finish", "transactions", "add=2", "tell")
        suite.check(before, journey.transactions, "transactions")
        suite.check(shares, journey.shares, "shares")
        journey.transactions, journey.told = after, told
        open_are(journey, "holder-3")
        log_dirs(server)
    finally:
        server.kill()


def we_after_kill(journey):
    server = journey.open("barnabas")
    try:
        server.start()
        _, journey.told = journey.go_on(server, "we after Kafka was killed", "add=3", "tell")
        server.kill()
        server.start()
        journey.go_on(server, "we after we were killed")
        server.stop()
    finally:
        server.kill()
    dump.dump(journey.data)


def kafka_at_last(journey):
    with journey.open("kafka") as server:
        suite.check(journey.go_on(server, "Kafka after that", "transactions", "shares"), [journey.transactions, journey.shares], "transactions and shares")


def content(directory):
    """Names, bytes and times of all that is in a directory."""
    return [(str(path.relative_to(directory)), path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None) for path in sorted(directory.rglob("*"))]


def refuse(directory, word):
    """We do not start, say why, and have changed nothing."""
    before = content(directory)
    server = broker.Barnabas(directory, SETTINGS)
    try:
        server.start()
    except RuntimeError as error:
        said = str(error)
    else:
        server.kill()
        raise AssertionError("it was opened")
    if word not in said:
        raise AssertionError(f"not {word!r}: {said[-800:]}")
    suite.check(content(directory), before, "the directory")


def refuse_forged(scratch, kind, change, word):
    copy = shutil.copytree(scratch / kind, scratch / change.__name__)
    (copy / "somebody-0.0123456789abcdef0123456789abcdef-delete").mkdir()  # what every opening removes
    change(copy)
    refuse(copy, word)
    shutil.rmtree(copy)


def standalone(scratch):
    """A quorum whose only voter stands in the log (KIP-853), of an older release: formatted by Kafka, begun by us, gone on with by Kafka."""
    data, port, controller = scratch / "standalone", broker.free_port(), broker.free_port()
    settings = {**SETTINGS, "controller.quorum.voters": "", "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
                "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"}
    properties = scratch / "standalone.properties"
    properties.write_text("".join(f"{key}={value}\n" for key, value in {**settings, "process.roles": "broker,controller", "controller.listener.names": "CONTROLLER",
                                                                       "log.dirs": data}.items()))
    subprocess.run(broker.java("kafka.tools.StorageTool", "format", "--standalone", "--release-version", "3.9", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", properties),
                   check=True, capture_output=True, timeout=100)
    with broker.Barnabas(data, SETTINGS) as server:
        subprocess.run([server.binary, "topic", "create", "t", "--bootstrap", server.address], check=True, capture_output=True, timeout=100)
        make_record(server)
    dump.dump(data)
    with broker.Kafka(data, settings, port) as server:
        suite.check(by_librdkafka(server, "t", "read_committed"), [(0, 0)], "records by Kafka")


def make_record(server):
    subprocess.run(["kcat", "-P", "-b", server.address, "-t", "t", "-p", "0"], input=b"one\n", check=True, timeout=100)


def refusals(arguments):
    scratch = broker.scratch("kafkafiles-refused")
    with broker.Barnabas(scratch / "whole", SETTINGS) as server:
        subprocess.run([server.binary, "topic", "create", "t", "--partitions", "1", "--bootstrap", server.address], check=True, capture_output=True, timeout=100)
        make_record(server)
    for change, word in forge.FORGERIES.items():
        name = "refuse-" + change.__name__.replace("_", "-")
        if arguments.chosen(name):
            suite.run_case(name, refuse_forged, scratch, "whole", change, word)
    if arguments.chosen("standalone"):
        suite.run_case("standalone", standalone, scratch)


def main():
    arguments = suite.arguments(__doc__.splitlines()[0])
    refusals(arguments)
    if arguments.chosen("journey"):
        journey(broker.scratch("kafkafiles"))
    suite.finish()


def journey(scratch, settings={}, metadata="."):
    """The directory of the metadata's log is below that of the data."""
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", HERE.parent / "dump/State.java", HERE / "Life.java"], check=True,
                       stderr=subprocess.DEVNULL)
        way = Journey(classes, scratch, settings, metadata)
        for name, step in (("kafka-fills", kafka_fills), ("we-open", we_open), ("kafka-goes-on", kafka_goes_on), ("we-after-kill", we_after_kill),
                           ("kafka-at-last", kafka_at_last)):
            if not suite.run_case(name, step, way):
                break  # the next one needs what this one leaves


if __name__ == "__main__":
    main()
