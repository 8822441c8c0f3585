# SPDX-License-Identifier: Apache-2.0
"""The command-line tools of Apache Kafka 4.3.1 against a broker: each case is what an operator types, and the lines
to expect."""

import json
import re
import subprocess

import suite
from broker import DEADLINE_S, java

TOOLS = "org.apache.kafka.tools."


def expect(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.MULTILINE):
            raise AssertionError(f"nothing like {pattern!r} in: {text[-1500:]}")


class Tools:
    def __init__(self, broker, log):
        self.broker = broker
        self.log = log

    def cases(self):
        for case in (
            self.console,
            self.verifiable,
            self.performance,
            self.topic,
            self.group,
            self.config,
            self.offsets,
        ):
            yield case.__name__, case

    def run(self, tool, arguments, stdin="", status=0):
        """Runs a tool to its end and returns what it printed."""
        command = java(tool, "--bootstrap-server", self.broker.address, *arguments.split())
        with open(self.log, "a") as errors:
            done = subprocess.run(
                command, input=stdin, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=DEADLINE_S
            )
        if done.returncode != status:
            raise AssertionError(
                f"{tool} {arguments}: exit status {done.returncode}: {done.stdout[-1000:]} (see {self.log})"
            )
        return done.stdout

    def topics(self, arguments, **more):
        return self.run(TOOLS + "TopicCommand", arguments, **more)

    def groups(self, arguments):
        return self.run(TOOLS + "consumer.group.ConsumerGroupCommand", arguments)

    def configs(self, arguments):
        return self.run("kafka.admin.ConfigCommand", arguments)

    def offsets_of(self, arguments):
        return self.run(TOOLS + "GetOffsetShell", arguments).split()

    def send(self, topic, count):
        self.run(
            TOOLS + "ConsoleProducer", f"--topic {topic}", stdin="".join(f"line {number}\n" for number in range(count))
        )

    def console(self):
        lines = ["a:1,b:2\tkey\tvalue", "NULL\tNULL\tneither key nor headers", "h:x\ttombstone\tNULL", "c:\tempty\t"]
        self.run(
            TOOLS + "ConsoleProducer",
            "--topic console --compression-codec zstd --reader-property parse.key=true "
            "--reader-property parse.headers=true --reader-property null.marker=NULL",
            "".join(f"{line}\n" for line in lines),
        )
        got = self.run(
            TOOLS + "consumer.ConsoleConsumer",
            "--topic console --from-beginning --max-messages 4 --formatter-property "
            "print.key=true --formatter-property print.headers=true --formatter-property null.literal=NULL "
            "--formatter-property headers.separator=,",
        )
        suite.check(
            sorted(got.splitlines()), sorted(line.replace("NULL\tNULL", "NO_HEADERS\tNULL") for line in lines), "lines"
        )

    def verifiable(self):
        self.topics("--create --topic verifiable --partitions 3")
        sent = self._events("VerifiableProducer", "--topic verifiable --max-messages 2000 --acks -1")
        suite.check(
            (sent["tool_data"][0]["sent"], sent["tool_data"][0]["acked"]),
            (2000, 2000),
            "messages sent and acknowledged",
        )
        got = self._events(
            "VerifiableConsumer", "--topic verifiable --group-id verifiable --max-messages 2000 --verbose"
        )
        suite.check(
            sorted((each["partition"], each["offset"], each["value"]) for each in got["record_data"]),
            sorted((each["partition"], each["offset"], each["value"]) for each in sent["producer_send_success"]),
            "records",
        )
        suite.check({each["success"] for each in got["offsets_committed"]}, {True}, "commits")

    def _events(self, tool, arguments):
        events = {}
        for line in self.run(TOOLS + tool, arguments).splitlines():
            event = json.loads(line)
            events.setdefault(event["name"], []).append(event)
        return events

    def performance(self):
        self.topics("--create --topic performance --partitions 6")
        expect(
            self.run(
                TOOLS + "ProducerPerformance",
                "--topic performance --num-records 200000 --record-size 100 --throughput -1 "
                "--command-property acks=all",
            ),
            r"^200000 records sent",
        )
        consumed = self.run(TOOLS + "ConsumerPerformance", "--topic performance --num-records 200000").splitlines()
        suite.check(consumed[-1].split(", ")[4], "200000", "messages consumed")

    def topic(self):
        expect(
            self.topics("--create --topic first --partitions 2 --config retention.ms=1000000"), "^Created topic first.$"
        )
        self.topics("--create --topic first", status=1)
        expect(
            self.topics("--describe --topic first"),
            r"^Topic: first\tTopicId: \S{22}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: .*retention.ms=1000000",
            r"^\tTopic: first\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1",
        )
        self.topics("--alter --topic first --partitions 5")
        expect(self.topics("--describe --topic first"), "PartitionCount: 5", "Partition: 4\tLeader: 1")
        expect(self.topics("--list"), "^first$")
        self.topics("--delete --topic first")
        if re.search("^first$", self.topics("--list"), re.MULTILINE):
            raise AssertionError("the deleted topic is still listed")

    def group(self):
        self.topics("--create --topic group --partitions 1")
        self.send("group", 10)
        self.run(TOOLS + "consumer.ConsoleConsumer", "--topic group --group g --from-beginning --max-messages 10")
        expect(self.groups("--list --state"), r"^g\s+Empty")
        expect(self.groups("--describe --group g"), r"^g\s+group\s+0\s+10\s+10\s+0\s")
        expect(self.groups("--describe --group g --state"), r"^g\s.*Empty\s+0")
        expect(self.groups("--reset-offsets --group g --topic group --shift-by -7 --execute"), r"^g\s+group\s+0\s+3")
        expect(self.groups("--describe --group g"), r"^g\s+group\s+0\s+3\s+10\s+7\s")
        expect(self.groups("--delete-offsets --group g --topic group"), r"^group\s+0\s+Successful")
        expect(self.groups("--delete --group g"), "was successful")
        if re.search(r"^g\s", self.groups("--list"), re.MULTILINE):
            raise AssertionError("the deleted group is still listed")

    def config(self):
        self.topics("--create --topic config")
        alter = "--entity-type topics --entity-name config --alter "
        self.configs(alter + "--add-config max.message.bytes=2000000,cleanup.policy=[compact,delete]")
        described = self.configs("--entity-type topics --entity-name config --describe")
        expect(
            described,
            r"^  cleanup.policy=compact,delete sensitive=false "
            r"synonyms=\{DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete\}",
            r"^  max.message.bytes=2000000 ",
        )
        self.configs(alter + "--delete-config max.message.bytes")
        described = self.configs("--entity-type topics --entity-name config --describe --all")
        expect(
            described,
            r"^  max.message.bytes=1048588 sensitive=false synonyms=\{DEFAULT_CONFIG:message.max.bytes=1048588\}",
        )
        self.configs("--entity-type brokers --entity-default --alter --add-config log.cleaner.threads=2")
        expect(
            self.configs("--entity-type brokers --entity-name 1 --describe --all"),
            r"^  log.cleaner.threads=2 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:log.cleaner.threads=2, "
            r"DEFAULT_CONFIG:log.cleaner.threads=1\}",
            r"^  num.partitions=3 sensitive=false synonyms=\{STATIC_BROKER_CONFIG",
        )

    def offsets(self):
        self.topics("--create --topic offsets --partitions 1")
        self.send("offsets", 5)
        suite.check(self.offsets_of("--topic offsets"), ["offsets:0:5"], "latest")
        suite.check(self.offsets_of("--topic-partitions offsets:0 --time earliest"), ["offsets:0:0"], "earliest")
        suite.check(self.offsets_of("--topic offsets --time 0"), ["offsets:0:0"], "since the epoch")
        suite.check(
            self.offsets_of("--topic offsets --time max-timestamp")[0].rpartition(":")[0],
            "offsets:0",
            "largest timestamp",
        )
