#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A broker with as little memory as it may have is driven to the edge of each of its users, over connections: it refuses or lets wait, what is there goes
on, and it answers. And what idle connections cost.
"""
import http.client
import pathlib
import re
import resource
import select
import socket
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "kafkafiles")]
import broker
import suite
from forge import batch
from raw import Raw, text

PRODUCE, FETCH, OFFSET_COMMIT, FIND_COORDINATOR, JOIN_GROUP, API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS = 0, 1, 8, 10, 11, 18, 19, 20
CREATE_PARTITIONS, DELETE_GROUPS, INCREMENTAL_ALTER_CONFIGS = 37, 42, 44
OK, LOADING, NOT_AVAILABLE, NOT_COORDINATOR, POLICY_VIOLATION, STORAGE_ERROR, NO_SESSION = 0, 14, 15, 16, 44, 56, 70
MEMORY_MAX, WIDE = 64 << 20, 6_000
CONNECTION_MAX = 1024


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Node:
    def __init__(self, name, **settings):
        self.metrics = broker.free_port()
        self.server = broker.Barnabas(broker.scratch("memory") / name, {"barnabas.metrics.listener": f"127.0.0.1:{self.metrics}", "barnabas.shards": 1,
                                                                        "offsets.topic.num.partitions": 1, **settings})
        self.server.start()
        self.raw = None

    def call(self, key, version, body):
        """The reply, after what all of them begin with."""
        self.raw = self.raw or Raw(self.server.address)
        self.raw.send(key, version, body)
        return self.raw.receive()

    def scrape(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=broker.DEADLINE_S)
        connection.request("GET", "/metrics")
        samples = dict(re.findall(r"^barnabas_(\S+) (\d+)$", connection.getresponse().read().decode(), re.MULTILINE))
        connection.close()
        return {name: int(value) for name, value in samples.items()}

    def held(self, user):
        return self.scrape()[f'memory_bytes{{user="{user}"}}']

    def limit(self, user):
        return self.scrape()[f'memory_limit_bytes{{user="{user}"}}']

    def within(self, user, at_least):
        """What it holds is near its limit, and not beyond."""
        broker.until(lambda: at_least * self.limit(user) <= self.held(user), f"{user} near the limit")
        suite.check(self.held(user) <= self.limit(user) + 4096, True, f"{user}: {self.held(user)} of {self.limit(user)}")

    def anonymous(self):
        return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text())[1]) << 10

    def create(self, topic, partitions):
        reply = self.call(CREATE_TOPICS, 2, array([text(topic) + struct.pack(">ihii", partitions, 1, 0, 0)]) + struct.pack(">ib", 30_000, 0))
        at = 4 + 4 + 2 + len(topic)
        return struct.unpack_from(">h", reply, at)[0], reply[at + 2:]

    def delete(self, topics):
        self.call(DELETE_TOPICS, 1, array([text(topic) for topic in topics]) + struct.pack(">i", 30_000))

    def commit(self, group, offset, partitions=range(WIDE)):
        """The error, which all of them have."""
        one = [struct.pack(">iq", partition, offset) + text("") for partition in partitions]
        reply = self.call(OFFSET_COMMIT, 2, text(group) + struct.pack(">i", -1) + text("") + struct.pack(">q", -1) + array([text("wide") + array(one)]))
        errors = {struct.unpack_from(">h", reply, at)[0] for at in range(4 + 2 + 4 + 4 + 4, len(reply), 6)}
        suite.check(len(errors), 1, f"different errors: {errors}")
        return errors.pop()

    def join(self, group):
        body = text(group) + struct.pack(">ii", 10_000, 10_000) + text("") + text("consumer") + array([text("range") + struct.pack(">i", 2) + b"\0\0"])
        return struct.unpack_from(">h", self.call(JOIN_GROUP, 2, body), 4)[0]

    def fetch(self, session, epoch, topic, partitions):
        """Error and session."""
        wanted = [struct.pack(">iqqi", partition, 0, -1, 1000) for partition in partitions]
        reply = self.call(FETCH, 7, struct.pack(">iiiibii", -1, 0, 0, 1 << 20, 0, session, epoch) + array([text(topic) + array(wanted)]) + array([]))
        return struct.unpack_from(">hi", reply, 4)

    def alter(self, topic, value):
        """The error and its words."""
        change = text("leader.replication.throttled.replicas") + struct.pack(">b", 0) + text(value)
        reply = self.call(INCREMENTAL_ALTER_CONFIGS, 0, array([struct.pack(">b", 2) + text(topic) + array([change])]) + b"\0")
        return struct.unpack_from(">h", reply, 8)[0], reply[10:]

    def produce(self, batches):
        """The errors of one batch for each of the first partitions."""
        parts = [struct.pack(">ii", partition, len(one)) + one for partition, one in enumerate(batches)]
        reply = self.call(PRODUCE, 3, struct.pack(">hhi", -1, 1, 30_000) + array([text("wide") + array(parts)]))
        return [struct.unpack_from(">h", reply, 4 + 2 + 4 + 4 + 22 * i + 4)[0] for i in range(len(batches))]

    def answers(self):
        suite.check(self.call(API_VERSIONS, 0, b"")[:2], b"\0\0", "the reply to an honest client")


def groups(node):
    node.call(FIND_COORDINATOR, 0, text("g0"))
    broker.until(lambda: node.commit("g0", 1) not in (LOADING, NOT_AVAILABLE, NOT_COORDINATOR), "a coordinator")
    made = {"g0": WIDE}
    for size in [WIDE, 500, 50, 1]:                 # who is refused has taken nothing: less may find room
        while (error := node.commit(f"g{len(made)}", 1, range(size))) == OK:
            made[f"g{len(made)}"] = size
        suite.check(error, NOT_AVAILABLE, "a commit that would add to what there is")
    suite.check(node.commit("another", 1, [0]), NOT_AVAILABLE, "another group")
    suite.check(node.join("yet-another"), NOT_AVAILABLE, "another member")
    for group, size in made.items():
        suite.check(node.commit(group, 2, range(size)), OK, "a group that is there goes on")
    node.within("groups", 0.75)
    node.call(DELETE_GROUPS, 0, array([text("g0")]))
    suite.check(node.commit("another", 1, [0]), OK, "when one is gone")
    if "new groups, members and offsets are refused" not in node.server.log.read_text():
        raise AssertionError("the log does not tell")


def sessions(node):
    made = []
    while True:
        error, session = node.fetch(0, 0, "wide", range(WIDE))
        suite.check(error, OK, "a fetch")
        if not session:
            break                                   # served without one
        made.append(session)
    suite.check(len(made) > 0, True, "there are sessions")
    suite.check(node.fetch(made[0], 1, "wide", []), (OK, made[0]), "one that is there goes on")
    node.within("sessions", 0.5)
    suite.check(node.fetch(made[0], 2, "elsewhere", range(2 * WIDE))[0], NO_SESSION, "one that would grow")
    suite.check(node.fetch(made[0], 3, "wide", [])[0], NO_SESSION, "it is gone")
    suite.check(node.fetch(0, 0, "wide", range(10))[1] != 0, True, "and leaves room")
    for session in made[1:]:
        suite.check(node.fetch(session, -1, "wide", [])[0], OK, "closed")


def metadata(node):
    topics = [f"topic-{i}" for i in range(100)]
    value = ",".join(f"{i}:0" for i in range(4000))
    for topic in topics:
        suite.check(node.create(topic, 1)[0], OK, "a topic")
    altered = 0
    while (answer := node.alter(topics[altered], value))[0] == OK:
        altered += 1
    suite.check(altered > 10, True, "some are altered")
    suite.check((answer[0], b"barnabas.memory.max" in answer[1]), (POLICY_VIOLATION, True), f"a configuration too many: {answer}")
    more = 0
    while (answer := node.create(f"more-{more}", 1))[0] == OK:
        more += 1
    suite.check((answer[0], b"barnabas.memory.max" in answer[1]), (POLICY_VIOLATION, True), f"a topic too many: {answer}")
    node.within("metadata", 0.95)
    suite.check(node.alter(topics[0], "0:0")[0] in (OK, POLICY_VIOLATION), True, "a shorter one")
    node.delete(topics + [f"more-{i}" for i in range(more)])
    suite.check(node.create("again", 1)[0], OK, "when there is room")


def producers(node):
    """Each of them writes to each of the first thousand partitions."""
    most, width = node.limit("producers") // 256, 1000
    known = [batch(0, 0, [b"x"], producer=(i, 0, 0)) for i in range(most // width + 2)]
    refused = []
    for one in known:
        errors = node.produce([one] * width)
        suite.check(set(errors) <= {OK, STORAGE_ERROR}, True, f"errors: {set(errors)}")
        refused += [error for error in errors if error]
    suite.check(len(known) * width - len(refused) <= most, True, "so many are known")
    suite.check(len(known) * width - len(refused) > 0.9 * most, True, "so many could be known")
    suite.check(set(node.produce([batch(0, 0, [b"x"], producer=(0, 0, 1))] * width)), {OK}, "one that is known goes on")
    suite.check(set(node.produce([batch(0, 0, [b"x"])] * width)), {OK}, "and one that is not idempotent")
    node.within("producers", 0.9)


def partitions(node):
    most = node.limit("partitions") // 1024
    error, words = node.create("too-wide", most - 100)
    suite.check((error, b"barnabas.memory.max" in words), (POLICY_VIOLATION, True), f"{words}")
    reply = node.call(CREATE_PARTITIONS, 0, array([text("wide") + struct.pack(">ii", most + 1, -1)]) + struct.pack(">ib", 30_000, 0))
    suite.check(struct.unpack_from(">h", reply, 4 + 4 + 2 + len("wide"))[0], POLICY_VIOLATION, "more of them")


def ask(connection):
    connection.sendall(struct.pack(">ihhi", 10 + 3, API_VERSIONS, 0, 7) + text("raw"))


def answered(connections):
    """Those with a reply."""
    poll, there = select.poll(), {connection.fileno(): connection for connection in connections}
    for number in there:
        poll.register(number, select.POLLIN)
    return [there[number] for number, _ in poll.poll(0)]


def connections(node):
    most = node.limit("connections") // CONNECTION_MAX
    more = most + 400
    node.raw = None
    all_of_them = [socket.create_connection(("127.0.0.1", node.server.port)) for _ in range(more)]
    for connection in all_of_them:
        ask(connection)
    broker.until(lambda: "connections wait until others end" in node.server.log.read_text(), "there are too many")
    broker.until(lambda: len(answered(all_of_them)) >= most, "those that there is memory for are served")
    node.within("connections", 0.95)
    served = answered(all_of_them)
    suite.check(len(served) < more, True, f"{len(served)} of {more} are served")
    for connection in served[:more - len(served)]:
        connection.close()
    left = [connection for connection in all_of_them if connection.fileno() >= 0]
    broker.until(lambda: len(answered(left)) == len(left), "those who waited are served, too")
    for connection in left:
        connection.close()
    broker.until(lambda: node.scrape()["connections"] == 0, "all are gone")


def idle_connections(node):
    """10,000, or so many as descriptors permit: what is counted for each, and what the process grows by."""
    count = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 500)
    before = node.anonymous(), node.held("connections")
    them = [socket.create_connection(("127.0.0.1", node.server.port)) for _ in range(count)]
    broker.until(lambda: node.scrape()["connections"] == count, "all are accepted")
    broker.until(lambda: node.held("connections") > count * 100, "and counted")
    counted, grown = (node.held("connections") - before[1]) / count, (node.anonymous() - before[0]) / count
    print(f"{count} connections: {counted:.0f} bytes each are counted, {grown:.0f} the process grew by")
    suite.check(counted < CONNECTION_MAX, True, f"{counted} are counted")
    suite.check(count < 5_000 or grown < CONNECTION_MAX, True, f"{grown}")     # of few, what the process does besides would be as much
    for connection in them:
        connection.close()


def main():
    options = suite.arguments(__doc__)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    node = Node("small", **{"barnabas.memory.max": MEMORY_MAX})
    try:
        suite.check(node.create("wide", WIDE)[0], OK, "a topic")
        for case in [groups, sessions, metadata, producers, partitions, connections]:
            if options.chosen(case.__name__):
                suite.run_case(case.__name__, case, node)
                node.raw = None
                suite.run_case(f"{case.__name__}: it answers", node.answers)
        node.server.restart()
        node.raw = None
        suite.run_case("started again: it answers", node.answers)
        node.server.stop()
    finally:
        node.server.kill()
    if options.chosen("idle_connections"):
        roomy = Node("roomy")
        try:
            suite.run_case("idle_connections", idle_connections, roomy)
            roomy.server.stop()
        finally:
            roomy.server.kill()
    suite.finish()


if __name__ == "__main__":
    main()
