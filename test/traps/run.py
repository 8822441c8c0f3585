#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What broke clients on brokers that said they were Kafka, where it can be seen without a Kafka beside: the rest of those
reports are scenes of test/differential, marked there by their rows.

    test/traps/run.py [PATTERN OF CASES]
"""
import json
import pathlib
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite
from raw import Raw, text

CREATE_TOPICS, METADATA, LIST_OFFSETS, API_VERSIONS = 19, 3, 2, 18
OLD_PYTHON = broker.DEPS / "kafka-python-2.0.2" / "bin" / "python"
NEW_PYTHON = broker.DEPS / "python" / "bin" / "python"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]      # by their number in a batch's attributes


def produce(address, topic, values, **config):
    """With today's librdkafka."""
    program = ("import confluent_kafka, json, sys; address, topic, values, config = json.loads(sys.argv[1]); failed = []\n"
               "p = confluent_kafka.Producer({'bootstrap.servers': address, **config})\n"
               "[p.produce(topic, v, partition=0, on_delivery=lambda e, m: e and failed.append(str(e))) for v in values]\n"
               "left = p.flush(60)\n"
               "sys.exit('; '.join(failed) or left)")
    ran = subprocess.run([NEW_PYTHON, "-c", program, json.dumps([address, topic, values, config])],
                         stderr=subprocess.PIPE, text=True, timeout=broker.DEADLINE_S)
    suite.check(ran.returncode, 0, f"librdkafka: {ran.stderr}")


def row_1_a_refusal_is_logged(server):
    """An unsupported request closes the connection, and the log names client, API and version."""
    raw = Raw(server.address, "sarama-of-old")
    raw.send(METADATA, 99, b"")
    suite.check(raw.receive(), None, "the reply")
    line = broker.until(lambda: next((line for line in server.log.read_text().splitlines() if "sarama-of-old" in line), None), "a line of the log")
    if "Metadata" not in line and "key=3" not in line or "99" not in line:
        raise AssertionError(f"the line does not name the API and its version: {line}")


def row_2_librdkafka_compresses(server):
    """librdkafka compresses only for a broker that says it serves Produce v0."""
    for number, codec in enumerate(CODECS):
        topic = f"codec-{codec}"
        produce(server.address, topic, ["x" * 1000] * 10, **{"compression.type": codec, "linger.ms": 100})
        batch = (server.data / f"{topic}-0" / "00000000000000000000.log").read_bytes()
        suite.check(batch[22] & 7, number, f"the codec of what was sent with {codec}")


def row_5_what_is_created_serves(server):
    """Whatever follows a CreateTopics reply finds a leader, however quickly it follows."""
    raw = Raw(server.address)
    for number in range(100):
        topic = f"at-once-{number}"
        raw.send(CREATE_TOPICS, 2, struct.pack(">i", 1) + text(topic) + struct.pack(">ihiiib", 2, 1, 0, 0, 30_000, 0))
        reply = raw.receive()
        suite.check(reply[10 + len(topic):12 + len(topic)], b"\0\0", f"CreateTopics of {topic}")
        raw.send(METADATA, 1, struct.pack(">i", 1) + text(topic))
        raw.send(LIST_OFFSETS, 1, struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">iiqiq", 2, 0, -1, 1, -1))
        metadata = raw.receive()
        after_name = metadata.index(topic.encode()) + len(topic)
        suite.check(metadata[after_name - len(topic) - 4:after_name - len(topic) - 2], b"\0\0", f"Metadata of {topic}")
        suite.check(struct.unpack_from(">i", metadata, after_name + 1)[0], 2, "partitions")
        offsets = raw.receive()[4 + 2 + len(topic):]
        suite.check(offsets, struct.pack(">iihqqihqq", 2, 0, 0, -1, 0, 1, 0, -1, 0), f"ListOffsets of {topic}")


def row_12_clients_of(version, codec):
    def case(server):
        topic = f"old-{version}-{codec}"
        produce(server.address, topic, [f"new {i}" for i in range(10)], **{"compression.type": codec, "linger.ms": 50})
        ran = subprocess.run([OLD_PYTHON, HERE / "old_client.py", server.address, topic, version, codec],
                             stderr=subprocess.PIPE, text=True, timeout=broker.DEADLINE_S)
        suite.check(ran.returncode, 0, f"kafka-python: {ran.stderr[-1500:]}")
    return case


def requests_that_nobody_reads(server):
    """A client that asks and asks and reads nothing is not answered into memory without end."""
    raw = Raw(server.address)
    raw.socket.setblocking(False)
    request = struct.pack(">hhi", API_VERSIONS, 0, 0) + text("deaf")
    frames = (struct.pack(">i", len(request)) + request) * 1000
    sent = 0
    try:
        while sent < 200 << 20:
            sent += raw.socket.send(frames)
    except BlockingIOError:
        pass            # the broker stopped reading
    honest = Raw(server.address)
    honest.send(API_VERSIONS, 0, b"")
    suite.check(honest.receive()[:2], b"\0\0", "another client's reply")
    resident_kb = int(pathlib.Path(f"/proc/{server.process.pid}/status").read_text().split("VmRSS:")[1].split()[0])
    if resident_kb > 256 << 10:
        raise AssertionError(f"{resident_kb} kB resident after {sent} bytes of requests")


def at_the_edge_of_memory(server):
    """Answers that clients do not read are bounded by barnabas.memory.max: others wait, and who does not read for long is closed. A frame that could not
    be held is refused."""
    clients, each, partitions = 10, 180, 6_000            # 270 MB of answers, and 7 may be held; more partitions would be refused
    settings = {"barnabas.memory.max": 64 << 20}
    with broker.Barnabas(server.data.with_name("small"), settings) as small:
        resident = lambda: int(pathlib.Path(f"/proc/{small.process.pid}/status").read_text().split("VmRSS:")[1].split()[0])
        first = Raw(small.address)
        first.send(CREATE_TOPICS, 2, struct.pack(">i", 1) + text("wide") + struct.pack(">ihiiib", partitions, 1, 0, 0, 30_000, 0))
        first.receive()
        first.send(METADATA, 1, struct.pack(">i", -1))
        expected, before = first.receive(), resident()
        deaf = [Raw(small.address) for _ in range(clients)]
        for client in deaf:
            for _ in range(each):
                client.send(METADATA, 1, struct.pack(">i", -1))
        for _ in range(20):
            first.send(METADATA, 1, struct.pack(">i", -1))     # may wait, but not for ever
            suite.check(first.receive(), expected, "the reply to one that reads")
            if resident() - before > 30 << 10:
                raise AssertionError(f"{resident() - before} kB more than before, for answers of {len(expected)} bytes")
        broker.until(lambda: "does not take its answers" in small.log.read_text(), "somebody is closed")
        for client in deaf:
            client.socket.close()
        large = Raw(small.address)
        large.socket.sendall(struct.pack(">i", 60 << 20))
        suite.check(large.exactly(1), None, "a frame that could not be held")
        if "frame length out of bounds" not in small.log.read_text():
            raise AssertionError("the log does not tell why")


def main():
    arguments = suite.arguments(__doc__.splitlines()[0])
    cases = {
        "row 1: a refusal is logged": row_1_a_refusal_is_logged,
        "row 2: librdkafka compresses": row_2_librdkafka_compresses,
        "row 5: what is created serves": row_5_what_is_created_serves,
        "requests that nobody reads": requests_that_nobody_reads,
        "at the edge of memory": at_the_edge_of_memory,
        **{f"row 12: clients of {version}, {codec}": row_12_clients_of(version, codec)
           for version, codecs in (("0.8.2", CODECS[:4]), ("0.9", CODECS[:4]), ("0.10", CODECS[:4]), ("0.10.1", ["gzip"]),
                                   ("0.11", CODECS[:4]), ("1.0.0", ["lz4"]), ("2.1.0", CODECS))
           for codec in codecs},
    }
    with broker.Barnabas(broker.scratch("traps") / "data", {"num.partitions": 1}) as server:
        for name, case in cases.items():
            if arguments.chosen(name):
                suite.run_case(name, case, server)
    suite.finish()


if __name__ == "__main__":
    main()
