#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our cleaner against Kafka 4.3.1's: the same segments, cleaned by both at the same time of the clock, hold the same.

    test/compaction/run.py [FIRST SEED [SEEDS]]

Kafka's log is filled with keys, tombstones, all codecs, producers and transactions; it is copied, each cleaner cleans one of the two, and every segment,
batch and record is compared. The next turn goes on from one of them, Kafka's or ours, some time later: so Kafka also opens, appends to and cleans what we
cleaned. Its DumpLogSegments then reads ours.
"""
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite

WALL = int(time.time()) * 1000  # Kafka forgets producers by the clock
LATER = (0, 400, 700, 5000)  # delete.retention.ms is 1000


def kafka(classes, *arguments):
    command = broker.java("Clean", *map(str, arguments), heap="512m", classes=classes)
    ran = subprocess.run([command[0], f"-Dwall={WALL}", *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    suite.check(ran.returncode, 0, f"{arguments}: {ran.stderr[-2000:]}")
    return ran.stdout.splitlines()


def ours(*arguments):
    ran = subprocess.run([broker.BUILD / "test/compaction/clean_log", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    suite.check(ran.returncode, 0, f"{arguments}: {ran.stderr[-2000:]}")
    return ran.stdout.splitlines()


def compare(kafkas, mine, what):
    for number, (a, b) in enumerate(zip(kafkas, mine)):
        if a != b:
            raise AssertionError(f"{what}, line {number}: Kafka's\n" + "\n".join(kafkas[max(0, number - 3):number + 3]) + "\nours\n" + "\n".join(mine[max(0, number - 3):number + 3]))
    suite.check(len(mine), len(kafkas), what)


def without_recent(kafkas, mine):
    """Kafka leaves the last batch of each producer, empty perhaps; we leave the four before it, too, which may be sent again."""
    theirs = set(kafkas)
    extra = [line for line in mine if " count=0 " in line and line not in theirs]
    of = collections.Counter(re.search(r"producer=(\d+)/", line)[1] for line in extra)
    suite.check(max(of.values(), default=0) <= 4, True, f"empty batches that Kafka does not leave: {of}")
    extra = set(extra)
    return [line for line in mine if line not in extra]


def one_life(classes, scratch, seed, turns):
    """Returns how many lines were compared."""
    log, lines, cleaned, now = scratch / f"{seed}-0", 0, 0, WALL
    for turn in range(turns):
        now += LATER[(seed + turn) % len(LATER)]
        kafka(classes, "fill", log, seed * 100 + turn, 150)
        theirs, mine = scratch / f"{seed}-{turn + 1}-kafka", scratch / f"{seed}-{turn + 1}-ours"
        shutil.copytree(log, theirs)
        shutil.copytree(log, mine)
        shutil.rmtree(log)
        end = kafka(classes, "clean", theirs, now, cleaned)[-1].split()[0]
        told = kafka(classes, "tell", theirs)
        our_end = ours(mine, now, cleaned)[-1].split()[0]
        compare(told, without_recent(told, kafka(classes, "tell", mine)), f"seed {seed}, turn {turn}")
        suite.check(our_end, end, f"seed {seed}, turn {turn}: the end")
        lines += len(told)
        cleaned = end
        log = theirs if turn % 3 == 0 else mine
        shutil.rmtree(mine if log == theirs else theirs)
    return lines, log


def judged(log):
    """Kafka's own tool reads every file of it without a complaint."""
    files = [str(path) for path in sorted((log / "t-0").iterdir()) if path.suffix in (".log", ".index", ".timeindex", ".txnindex", ".snapshot")]
    ran = subprocess.run(broker.java("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(files)), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, errors="replace", timeout=300)
    suite.check(ran.returncode, 0, f"dump: {ran.stderr[-500:]}")
    for complaint in ("isvalid: false", "mismatch", "exception"):
        suite.check(complaint in ran.stdout.lower(), False, complaint)


def case(classes, scratch, seed, turns):
    lines, log = one_life(classes, scratch, seed, turns)
    judged(log)
    print(f"seed {seed}: {lines} lines the same")


def main():
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    turns = 8 if len(sys.argv) > 1 else 4
    scratch = broker.scratch("compaction")
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", HERE / "Clean.java"], check=True)
        for seed in range(first, first + count):
            suite.run_case(f"same-as-kafka-{seed}", case, classes, scratch, seed, turns)
    suite.finish()


if __name__ == "__main__":
    main()
