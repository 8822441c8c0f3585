#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Old data whose pages the system has dropped: all of it is read again, the same; a batch that went bad on the disk is not served, and told once.

    test/cold/run.py [PATTERN...]
"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite

BINARY = broker.BUILD / "barnabas"
RECORDS = 200_000
SEGMENT = 1 << 20
HEAD = 61  # bytes of a batch before its records


def command(one, *words, given=None):
    ran = subprocess.run([BINARY, *words, "--bootstrap", one.address], input=given, capture_output=True, timeout=broker.DEADLINE_S * 2)
    return ran.returncode, ran.stdout, ran.stderr


def forget(data):
    """What of the files is in memory, leaves it."""
    for path in data.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def filled(name):
    data = broker.scratch(name) / "data"
    one = broker.Barnabas(data, {"log.segment.bytes": SEGMENT})
    lines = b"".join(b"record %d of %d\n" % (i, RECORDS) for i in range(RECORDS))
    one.start()
    suite.check(command(one, "topic", "create", "t", "--partitions", "1")[0], 0, "create")
    suite.check(command(one, "produce", "t", given=lines)[0], 0, "produce")
    one.stop()
    forget(data)
    return one, data, lines


def cold_is_the_same():
    one, data, lines = filled("cold")
    one.start()
    try:
        for _ in range(2):
            status, out, err = command(one, "consume", "t", "--until-end")
            suite.check((status, out == lines), (0, True), f"consume: {err[-300:]!r}")
            forget(data)  # while it is open
    finally:
        one.stop()


def bad_is_not_served():
    one, data, lines = filled("cold-bad")
    segment = sorted((data / "t-0").glob("*.log"))[1]
    first = int(segment.stem)
    content = bytearray(segment.read_bytes())
    size = int.from_bytes(content[8:12], "big") + 12
    content[size + HEAD + 5] ^= 1  # in the second batch
    bad = int.from_bytes(content[size : size + 8], "big")
    segment.write_bytes(content)
    one.start()
    try:
        status, out, _ = command(one, "consume", "t", "--partition", "0", "--from", str(first), "--count", str(bad - first))
        suite.check((status, out), (0, b"".join(lines.splitlines(True)[first:bad])), "before the bad batch")
        for _ in range(2):
            status, out, _ = command(one, "consume", "t", "--partition", "0", "--from", str(bad), "--count", "1")
            suite.check((status, out), (1, b""), "the bad batch")
        told = [line for line in one.log_tail(10_000).splitlines() if "bad batch" in line and "t-0" in line]
        suite.check(len(told), 1, "lines that tell of it")
    finally:
        one.stop()


def main():
    arguments = suite.arguments(__doc__)
    for case in cold_is_the_same, bad_is_not_served:
        if arguments.chosen(case.__name__):
            suite.run_case(case.__name__, case)
    suite.finish()


if __name__ == "__main__":
    main()
