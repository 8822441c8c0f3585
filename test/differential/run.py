#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same requests to Kafka 4.3.1 and to Barnabas, and their answers compared: see Scenes.java.

    test/differential/run.py [--against kafka] [--keep DIRECTORY] [REGULAR EXPRESSION OF SCENES]

Every difference must be a row of differences.md, and every row must still be a difference; both are failures otherwise.
--against kafka plays against two Kafkas: what differs there is no difference but something that Normal.java overlooks.
"""
import argparse
import concurrent.futures
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite

SETTINGS = {
    "node.id": 1,
    "group.min.session.timeout.ms": 50,     # so that a session can be seen to expire
    "log.retention.ms": -1,                 # the scenes' records are of 2023
}
ABSENT = "(absent)"


def play(one, classes, pattern):
    """The steps of each scene, {scene: {step: reply}}, as one broker answers them."""
    jars = sorted((broker.DEPS / "kafka" / "libs").glob("*.jar"))
    told = subprocess.run(["java", "-Xmx512m", "-cp", ":".join(map(str, [classes, *jars])), "Scenes", one.address, pattern],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    scenes = [json.loads(line) for line in told.stdout.splitlines()]
    if told.returncode or not scenes:
        raise RuntimeError(f"the scenes were not played to the end: {told.stderr[-2000:]}")
    return {scene["scene"]: scene["steps"] for scene in scenes}


def parts(value):
    """What a reply is made of, by name: elements of lists by the name that they bear, so that one too many does not shift
    the others. What is told as a range or by a single value has no parts."""
    if isinstance(value, dict) and not value.keys() & {"minVersion", "maxVersionLevel"}:
        return value
    if isinstance(value, list):
        return {element_name(number, part): part for number, part in enumerate(value)}
    return None


def element_name(number, part):
    for name in ("name", "apiKey", "topicName"):
        if isinstance(part, dict) and isinstance(part.get(name), (str, int)) and part[name] != "":
            return str(part[name])
    return str(number)


def differences(want, got, path=""):
    """(path, what the first says, what the second says), the paths as short as they can be"""
    want_parts, got_parts = parts(want), parts(got)
    if want_parts is None or got_parts is None:
        if want != got:
            yield path, told(want), told(got)
        return
    for name in [*want_parts, *(name for name in got_parts if name not in want_parts)]:
        yield from differences(want_parts.get(name, ABSENT), got_parts.get(name, ABSENT), f"{path}/{name}")


def told(value):
    return ABSENT if value is ABSENT else json.dumps(value)


class Expected:
    """The table of differences.md: | scenes | path | Kafka | Barnabas | why |, each but the last a shell pattern."""

    def __init__(self, text):
        rows = (re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| `"))
        self.rows = [[cell.strip().strip("`").replace("\\|", "|") for cell in row] for row in rows]
        self.seen = set()

    def covers(self, scene, difference):
        for number, row in enumerate(self.rows):
            if all(fnmatch.fnmatchcase(value, pattern) for value, pattern in zip((scene, *difference), row)):
                self.seen.add(number)
                return True
        return False

    def stale(self):
        return [row for number, row in enumerate(self.rows) if number not in self.seen]


def compare(kafka, other, expected):
    for scene, steps in kafka.items():
        surprises = [d for d in differences(steps, other.get(scene, {})) if not expected.covers(scene, d)]
        shown = "; ".join(f"{path}: Kafka says {want}, we say {got}" for path, want, got in surprises[:4])
        more = f"; and {len(surprises) - 4} more" if len(surprises) > 4 else ""
        suite.report(scene, shown + more if surprises else None)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", choices=sorted(broker.KINDS), default="barnabas")
    options.add_argument("--keep", type=pathlib.Path, help="leave both stories in this directory")
    options.add_argument("scenes", nargs="?", default=".*")
    options = options.parse_args()

    scratch = broker.scratch("differential")
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", *HERE.glob("*.java")], check=True)
        with broker.Kafka(scratch / "kafka", SETTINGS) as kafka, broker.KINDS[options.against](scratch / "other", SETTINGS) as other, \
                concurrent.futures.ThreadPoolExecutor() as pool:
            stories = list(pool.map(lambda one: play(one, classes, options.scenes), (kafka, other)))
    if options.keep:
        for name, story in zip(("kafka", "other"), stories):
            (options.keep / f"{name}.json").write_text(json.dumps(story, indent=1))

    listed = (HERE / "differences.md").read_text() if options.against == "barnabas" else ""
    expected = Expected(listed)
    compare(*stories, expected)
    if options.scenes == ".*":
        for row in expected.stale():
            suite.report(f"differences.md: {row[0]} {row[1]}", "is no difference any more: take the row out")
    suite.finish()


if __name__ == "__main__":
    main()
