#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka's clients, unmodified, against a broker: one scenario for all, spoken to each through a thin adapter.

An adapter is a program that holds one client. It reads commands from standard input and answers each on standard
output, a JSON object a line: {"do": ..., ...} and {"records": [...]} or {"error": "..."}. The commands:

    create topic partitions               read topic partition count, from an offset or a timestamp
    produce topic codec records           join topic group, then poll, commit and leave as a member

The Java tools, which have command lines of their own, are in tools.py. `run.py --against kafka` holds the scenario
itself against Apache Kafka; `run.py 'kafkajs/*'` runs one client's cases.
"""

import base64
import collections
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import suite
from broker import BUILD, DEADLINE_S, DEPS, KINDS, java, scratch, until
from tools import Tools

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]  # by their number in a batch's attributes
PARTITIONS = 3
EPOCH_MS = 1_700_000_000_000
CLASSES = BUILD / "test-data/client-classes"

# What each client is run by, and what it cannot do: set a "timestamp", have "binary" keys and headers, tell "null"
# from empty when it reads.
Client = collections.namedtuple("Client", "name command lacks environment", defaults=[(), {}])
CLIENTS = [
    Client("java", java("Client", classes=CLASSES)),
    Client("kcat", [sys.executable, HERE / "kcat.py"], lacks=("timestamp", "binary")),
    Client("kafka-python-2", [DEPS / "kafka-python-2.0.2/bin/python", HERE / "kafka_python.py"]),
    Client("kafka-python-3", [DEPS / "python/bin/python", HERE / "kafka_python.py"]),
    Client("aiokafka", [DEPS / "python/bin/python", HERE / "aio.py"]),
    Client("confluent", [DEPS / "python/bin/python", HERE / "confluent.py"]),
    Client("kafkajs", ["node", HERE / "kafkajs.js"], environment={"NODE_PATH": DEPS / "kafkajs/node_modules"}),
    Client("kafka-go", [DEPS / "kafka-go-client"], lacks=("null",)),
]


class Adapter:
    """A client's process. ask() gives a command and returns the records of the answer."""

    def __init__(self, client, address, log):
        self.client = client
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [*map(str, client.command), address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **{k: str(v) for k, v in client.environment.items()}},
            )

    def ask(self, do, **command):
        timer = threading.Timer(DEADLINE_S, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps({"do": do, **command}).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise RuntimeError(f"{do}: the client's process ended, or did not answer for {DEADLINE_S} s")
        answer = json.loads(line)
        if answer.get("error"):
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer["records"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def record(index, key=None, value=None, headers=(), partition=0):
    encode = lambda data: None if data is None else base64.b64encode(data).decode()
    return {
        "partition": partition,
        "timestamp": EPOCH_MS + index * 1000,
        "key": encode(key),
        "value": encode(value),
        "headers": [[name, encode(data)] for name, data in headers],
    }


def assorted_records(client):
    noise = random.Random(1).randbytes(1 << 20)
    shapes = [
        dict(key=b"key", value=b"value", headers=[("header", b"1")]),
        dict(value=b"no key"),
        dict(key=b"no value"),
        dict(key=b"twice and empty", value=b"headers", headers=[("a", b"1"), ("a", b"2"), ("b", b"")]),
        dict(key=b"1 MiB that does not compress", value=noise),
        dict(key=b"1 MiB that compresses", value=b"barnabas" * (1 << 17)),
    ]
    if "binary" not in client.lacks:
        octets = bytes(range(256))
        shapes += [dict(key=octets, value=octets[::-1], headers=[("octets", octets)]), dict(key=b"", value=b"")]
    return [record(index, **shape) for index, shape in enumerate(shapes)]


def stamped(client, records):
    """The records as the client can send them: some cannot set a timestamp."""
    return [{**item, "timestamp": None} for item in records] if "timestamp" in client.lacks else records


def comparable(client, records):
    """The records with long values made short, to be compared and printed."""

    def short(data):
        if data is None or len(data) < 100:
            return data or (None if "null" in client.lacks else data)
        return data[:20] + "..." + hashlib.sha256(data.encode()).hexdigest()[:10]

    return [{**item, "key": short(item["key"]), "value": short(item["value"])} for item in records]


def codecs_on_disk(broker, topic, partition):
    """The codecs of the batches in a partition's first segment, from their headers."""
    data = (broker.data / f"{topic}-{partition}/{0:020}.log").read_bytes()
    found, position = set(), 0
    while position + 61 <= len(data):
        length, attributes = struct.unpack_from(">8xi4x1x4xh", data, position)
        if length <= 0:  # the rest is preallocated
            break
        found.add(CODECS[attributes & 7])
        position += 12 + length
    return found


class Scenario:
    """One client's cases, against one broker that it restarts on the way."""

    def __init__(self, client, broker, log):
        self.client = client
        self.broker = broker
        self.log = log

    def cases(self):
        yield from ((f"bytes-{codec}", lambda codec=codec: self.bytes(codec)) for codec in CODECS)
        yield "timestamp", self.timestamp
        yield "resume", self.resume
        yield "rebalance", self.rebalance

    def adapter(self):
        return Adapter(self.client, self.broker.address, self.log)

    def bytes(self, codec):
        """Whatever was produced is consumed, byte for byte, and lies compressed on the disk."""
        topic = f"bytes-{codec}"
        records = assorted_records(self.client)
        with self.adapter() as adapter:
            adapter.ask("create", topic=topic, partitions=PARTITIONS)
            adapter.ask("produce", topic=topic, codec=codec, records=stamped(self.client, records))
            got = adapter.ask("read", topic=topic, partition=0, count=len(records), offset=0)
        if "timestamp" in self.client.lacks:
            records = [{**item, "timestamp": each["timestamp"]} for item, each in zip(records, got)]
        for offset, item in enumerate(records):
            item["offset"] = offset
        suite.check(comparable(self.client, got), comparable(self.client, records), "records")
        if codec not in codecs_on_disk(self.broker, topic, 0):
            raise AssertionError(f"no batch with {codec} on disk: {codecs_on_disk(self.broker, topic, 0)}")

    def timestamp(self):
        """A seek to a timestamp finds the first record that is as young."""
        with self.adapter() as adapter:
            adapter.ask("create", topic="timestamp", partitions=PARTITIONS)
            records = [record(index, value=b"%d" % index, partition=1) for index in range(20)]
            for item in stamped(self.client, records):
                adapter.ask("produce", topic="timestamp", codec="none", records=[item])
            everything = adapter.ask("read", topic="timestamp", partition=1, count=20, offset=0)
            target = everything[12]["timestamp"] - ("timestamp" not in self.client.lacks)
            expected = everything[next(i for i, item in enumerate(everything) if item["timestamp"] >= target) :]
            got = adapter.ask("read", topic="timestamp", partition=1, count=len(expected), timestamp=target)
        suite.check(got, expected, "records since the timestamp")

    def resume(self):
        """Committed offsets outlive the broker's restart, for a member that stays and for one that comes later."""
        with self.adapter() as adapter, self.adapter() as producer:
            producer.ask("create", topic="resume", partitions=PARTITIONS)
            rounds = [
                [record(number, value=b"%d-%d" % (number, each), partition=each % PARTITIONS) for each in range(30)]
                for number in range(3)
            ]

            def produce(number):
                producer.ask("produce", topic="resume", codec="none", records=stamped(self.client, rounds[number]))

            def receive(number):
                """Takes what the member gets until this round is complete, which must be all that it gets."""
                got, wanted = [], sorted(item["value"] for item in rounds[number])
                until(
                    lambda: got.extend(item["value"] for item in adapter.ask("poll")) or len(got) >= len(wanted),
                    f"all records of round {number}",
                )
                suite.check(
                    sorted(map(base64.b64decode, got)), sorted(map(base64.b64decode, wanted)), f"round {number}"
                )
                adapter.ask("commit")

            produce(0)
            adapter.ask("join", topic="resume", group="resume")
            receive(0)
            self.broker.restart()
            produce(1)
            receive(1)
            adapter.ask("leave")
            self.broker.restart()
            produce(2)
            adapter.ask("join", topic="resume", group="resume")
            receive(2)
            adapter.ask("leave")

    def rebalance(self):
        """Two members share the partitions; when one leaves, the other has them all."""
        with self.adapter() as producer:
            producer.ask("create", topic="rebalance", partitions=PARTITIONS)
            first, number = Member(self, "first"), 0

            def round_of(members):
                """Produces a record to each partition; what of it each member received, when it is complete."""
                nonlocal number
                number += 1
                values = {base64.b64encode(b"%d-%d" % (number, partition)).decode() for partition in range(PARTITIONS)}
                producer.ask(
                    "produce",
                    topic="rebalance",
                    codec="none",
                    records=stamped(
                        self.client,
                        [
                            record(number, value=b"%d-%d" % (number, partition), partition=partition)
                            for partition in range(PARTITIONS)
                        ],
                    ),
                )
                until(
                    lambda: values <= set().union(*(member.values() for member in members)),
                    f"all records of round {number}",
                )
                return [[value for value in member.values() if value in values] for member in members]

            def shared_by(*members):
                """Rounds until one goes to all of these members, each record to only one."""
                until(
                    lambda: all(shares := round_of(members)) and sum(map(len, shares)) == PARTITIONS,
                    f"the partitions shared by {[member.name for member in members]}",
                )

            with first:
                shared_by(first)
                with Member(self, "second") as second:
                    shared_by(first, second)
                shared_by(first)


class Member:
    """A member of the group in a thread that polls it all the time, as an application would."""

    def __init__(self, scenario, name):
        self.name = name
        self.received = []
        self.adapter = scenario.adapter()
        self.stopping = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self._run)

    def values(self):
        if self.error:
            raise self.error
        return list(self.received)

    def _run(self):
        try:
            with self.adapter:
                self.adapter.ask("join", topic="rebalance", group="rebalance")
                while not self.stopping.is_set():
                    self.received += [item["value"] for item in self.adapter.ask("poll")]
                self.adapter.ask("leave")
        except Exception as error:  # values() raises it where the case sees it
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def run_client(name, kind, settings, options):
    """The chosen ones of the cases of kind(broker, log) against a broker that only they use."""
    directory = scratch(f"client-{name}")
    broker = KINDS[options.against](directory / "data", settings)
    chosen = [case for case in kind(broker, directory / "client.log").cases() if options.chosen(f"{name}/{case[0]}")]
    if chosen:
        start = time.monotonic()
        with broker:
            for case, function in chosen:
                suite.run_case(f"{name}/{case}", function)
        print(f"{name}: {time.monotonic() - start:.1f} s")


def main():
    options = suite.arguments(__doc__, against=True)
    subprocess.run(["javac", "-d", CLASSES, "-cp", f"{DEPS}/kafka/libs/*", HERE / "Client.java"], check=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(run_client, "java-tools", Tools, {}, options)]
        for client in CLIENTS:
            scenario = functools.partial(Scenario, client)
            tasks.append(pool.submit(run_client, client.name, scenario, {"message.max.bytes": 1 << 22}, options))
        for task in tasks:
            task.result()
    suite.finish()


if __name__ == "__main__":
    main()
