#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our files, judged by Kafka 4.3.1, and Kafka's, read by us.

    test/dump/run.py [PATTERN OF CASES]

dump         DumpLogSegments reads every file that a broker full of everything (see State.java) left after a clean stop, and
             every file that it left after kill -9 and a restart
kafka-opens  Kafka, started on that directory, tells the same topics, records, configurations and groups, and goes on with them
and-back     so do we, on the directory that Kafka went on with
we-open      the other way round, from a directory that Kafka filled
log-dump     `barnabas log dump` tells of both directories what DumpLogSegments tells, and `log verify` finds nothing wrong
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
import broker
import suite

# Small, so that there are snapshots of the metadata, too.
SETTINGS = {"node.id": 1, "metadata.log.max.record.bytes.between.snapshots": 2000}
COMPLAINT = re.compile(r"isvalid: false|mismatch|non-consecutive|not (be )?found|error|invalid|unexpected|exception|fail|corrupt|"
                       r"could not|cannot|bigger than|out of order|trailing", re.IGNORECASE)
# The tool's own: it compares a segment's first offset with one that it made up, -1.
NO_COMPLAINT = re.compile(r"Non-consecutive offsets in |  -1 is followed by \d+$")
DECODERS = {"__consumer_offsets": "--offsets-decoder", "__cluster_metadata": "--cluster-metadata-decoder"}
SUFFIXES = (".log", ".index", ".timeindex", ".snapshot", ".checkpoint", ".txnindex")


class Case:
    """State.java, compiled, and where this run's directories are."""

    def __init__(self, classes):
        self.classes = classes
        self.scratch = broker.scratch("dump")

    def state(self, command, server):
        ran = subprocess.run(["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{self.classes}:{broker.DEPS}/kafka/libs/*", "State", command,
                              server.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        if ran.returncode:
            raise RuntimeError(f"State {command}: {ran.stderr[-3000:]}")
        return ran.stdout.splitlines()

    def copy(self, server, name):
        return shutil.copytree(server.data, self.scratch / name)


def same(got, want, whose):
    if got != want:
        missing, added = sorted(set(want) - set(got)), sorted(set(got) - set(want))
        raise AssertionError(f"{whose}: {len(missing)} lines missing, {len(added)} others: missing {missing[:3]}; instead {added[:3]}")


def files_of(directory):
    """The files that the tool reads, by the decoder that they need."""
    found = {}
    for path in sorted(directory.rglob("*")):
        decoder = next((option for topic, option in DECODERS.items() if path.parent.name.startswith(topic)), None)
        if path.suffix not in SUFFIXES or path.name == "bootstrap.checkpoint" and path.suffix != ".checkpoint":
            continue
        if path.suffix == ".checkpoint":
            decoder = DECODERS["__cluster_metadata"]
        if decoder and path.suffix not in (".log", ".checkpoint"):
            decoder = None
        found.setdefault(decoder, []).append(path)
    return found


def dump(directory):
    """Fails with the first complaint of the tool about any file."""
    for decoder, files in files_of(directory).items():
        command = broker.java("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", *([decoder] if decoder else ["--print-data-log"]),
                              "--files", ",".join(map(str, files)))
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=600)
        if ran.returncode or "Exception" in ran.stderr:
            raise RuntimeError(f"{decoder or 'plain'}: status {ran.returncode}: {ran.stderr[:1500]}")
        current, seen = None, 0
        for line in ran.stdout.splitlines():
            if line.startswith("Dumping "):
                current, seen = line.split()[1], seen + 1
            elif is_complaint(line):
                raise AssertionError(f"{current}: {line[:400]}")
        suite.check(seen, len(files), f"files dumped with {decoder}")


def is_complaint(line):
    # Of a record's line only what the tool says is looked at, not what the record holds.
    line = re.sub(r" (payload|key|headerKeys): .*", "", line) if line.startswith("|") else line
    return COMPLAINT.search(line) and not NO_COMPLAINT.search(line)


# What both tools tell of a line of Kafka's: our kind, and Kafka's names for ours.
TOLD = [
    (re.compile(r"baseOffset:"), "batch", {"base_offset": "baseOffset", "last_offset": "lastOffset", "count": "count", "base_sequence": "baseSequence",
        "producer_id": "producerId", "producer_epoch": "producerEpoch", "leader_epoch": "partitionLeaderEpoch", "transactional": "isTransactional",
        "control": "isControl", "position": "position", "size": "size", "compression": "compresscodec", "crc": "crc", "valid": "isvalid"}),
    (re.compile(r"\| offset:"), "record", {"offset": "offset", "key_size": "keySize", "value_size": "valueSize"}),
    (re.compile(r"offset: \d+ position:"), "offset_entry", {"offset": "offset", "position": "position"}),
    (re.compile(r"timestamp: \d+ offset:"), "time_entry", {"timestamp": "timestamp", "offset": "offset"}),
    (re.compile(r"producerId: \d+ producerEpoch:"), "producer", {"producer_id": "producerId", "producer_epoch": "producerEpoch",
        "coordinator_epoch": "coordinatorEpoch", "last_timestamp": "lastTimestamp", "last_sequence": "lastSequence", "last_offset": "lastOffset",
        "offset_delta": "offsetDelta"}),
]
OUR_KINDS = {kind: names for _, kind, names in TOLD}


def kafka_tells(files):
    command = broker.java("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(map(str, files)))
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", timeout=600, check=True)
    file = None
    for line in ran.stdout.splitlines():
        if line.startswith("Dumping "):
            file = line.split(" ", 1)[1]
        for pattern, kind, names in TOLD:
            if pattern.match(line):
                told = dict(re.findall(r"(\w+): (\S+)", line))
                yield file, kind, tuple(told[name].lower() for name in names.values())


def we_tell(files):
    ran = subprocess.run([broker.BUILD / "barnabas", "log", "dump", "--json", "--records", *files], stdout=subprocess.PIPE, timeout=600, check=True)
    for line in ran.stdout.splitlines():
        row = json.loads(line)
        if row["kind"] in OUR_KINDS:
            yield row["file"], row["kind"], tuple(str(row[name]).lower() for name in OUR_KINDS[row["kind"]])


def log_dump(directory):
    files = [path for path in sorted(directory.rglob("*")) if path.suffix in (".log", ".index", ".timeindex", ".snapshot") and "-delete" not in str(path)]
    ours, theirs = list(we_tell(files)), list(kafka_tells(files))
    suite.check(len(ours) > 100, True, "enough is told")
    suite.check(sorted(ours), sorted(theirs), "what the tools tell")
    verified = subprocess.run([broker.BUILD / "barnabas", "log", "verify", "--records", directory], stdout=subprocess.PIPE, text=True, timeout=600)
    suite.check((verified.returncode, "finding " in verified.stdout), (0, False), f"verify: {verified.stdout[:500]}")


def fill(case, kind, name):
    """A broker of one kind, stopped cleanly, and what it told before."""
    server = broker.KINDS[kind](case.scratch / name, SETTINGS)
    with server:
        case.state("fill", server)
        told = case.state("tell", server)
    return server, told


def open_with(case, kind, directory, told, whose):
    """Starts another kind on a directory: it tells the same, and goes on. Returns what it told at last."""
    server = broker.KINDS[kind](directory, SETTINGS)
    with server:
        same(case.state("tell", server), told, whose)
        case.state("add", server)
        after = case.state("tell", server)
    suite.check(set(told) <= set(after) | {line for line in told if not line.startswith("record ")}, True, "the records from before")
    return after


def main():
    arguments = suite.arguments(__doc__.splitlines()[0])
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", HERE / "State.java"], check=True)
        case = Case(classes)

        ours, told = fill(case, "barnabas", "ours")

        def kafka_opens():
            copy = case.copy(ours, "ours-with-kafka")
            after = open_with(case, "kafka", copy, told, "Kafka on our directory")
            if arguments.chosen("and-back"):
                suite.run_case("and-back", open_with, case, "barnabas", copy, after, "we on what Kafka went on with")

        def after_kill():
            copy = case.copy(ours, "ours-killed")
            server = broker.Barnabas(copy, SETTINGS)
            try:
                server.start()
                case.state("add", server)
                server.kill()
                server.start()
                server.stop()
            finally:
                server.kill()
            dump(copy)

        def we_open():
            theirs, theirs_told = fill(case, "kafka", "theirs")
            dump(theirs.data)
            log_dump(theirs.data)
            open_with(case, "barnabas", theirs.data, theirs_told, "we on Kafka's directory")
            dump(theirs.data)

        for name, function, *values in (("dump", dump, ours.data), ("log-dump", log_dump, ours.data), ("dump-after-kill", after_kill), ("kafka-opens", kafka_opens), ("we-open", we_open)):
            if arguments.chosen(name):
                suite.run_case(name, function, *values)
    suite.finish()


if __name__ == "__main__":
    main()
