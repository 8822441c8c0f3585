#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our codecs against Kafka's own: see Oracle.java. Once with 4.3.1's jars (requests, responses, headers, and the records
of the coordinators' and metadata jars), once with 4.4.0's clients, which are newer, and once with 3.9's, which are older.

    test/oracle/run.py [--build DIR] [--seed N] [REGULAR EXPRESSION OF MESSAGES]
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASES = {"4.3": "kafka", "4.4": "kafka-4.4", "3.9": "kafka-3.9"}

# What a release has and we do not: in 3.9 the requests between brokers that went with ZooKeeper and the header of the
# first of them, and a draft of share groups' state that changed under the same version number.
LEFT_OUT = {"3.9": "(ControlledShutdown|LeaderAndIsr|StopReplica|UpdateMetadata)(Request|Response)|RequestHeader|"
                   "ReadShareGroupStateSummaryResponse"}


def class_path(*entries):
    return os.pathsep.join(map(str, entries))


def jars(release):
    return sorted((ROOT / ".deps" / RELEASES[release] / "libs").glob("*.jar"))


def check(release, classes, program, seed, chosen):
    """Prints one line a message; True when all of them pass."""
    # The libraries that kafka-clients.jar needs to load its classes are the same in all three.
    support = [jar for jar in jars("4.3") if jar.name.startswith(("jackson-", "slf4j-"))]
    command = ["java", "-Xmx512m", "-cp", class_path(classes, *jars(release), *support), "Oracle", program, str(seed), chosen,
               LEFT_OUT.get(release, "")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as java:
        count = 0
        for line in java.stdout:
            verdict, _, rest = line.rstrip("\n").partition(" ")
            if verdict in ("PASS", "FAIL"):
                count += 1
                print(verdict, f"{release}/{rest}", flush=True)
        errors = java.stderr.read()
    if java.returncode not in (0, 1) or count == 0 and not chosen or "Exception" in errors:
        print(f"FAIL {release}: the oracle itself failed: {errors.strip()[:500]}", flush=True)
        return False
    return java.returncode == 0


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options.add_argument("--seed", type=int, default=20260101)
    options.add_argument("messages", nargs="?", default="")
    options = options.parse_args()

    program = options.build.resolve() / "wire-roundtrip"
    source = pathlib.Path(__file__).with_name("Oracle.java")
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", class_path(*jars("4.3")), source], check=True)
        results = [check(release, classes, str(program), options.seed, options.messages) for release in RELEASES]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
