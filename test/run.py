#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the test suites of the table below, two at a time, and ends with the line `N passed, N failed`.

A suite is a program that prints `PASS name` or `FAIL name: reason` for each case. Its whole output is kept in
build/test-logs/SUITE.log. A suite that is missing, that reports no case, or that exits non-zero without a failed case,
is itself one failure. `test/run.py NAME...` runs only the suites named; `--list` names them.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / "build/test-logs"
VERDICT = re.compile(r"(PASS|FAIL) (.*)")
TIMEOUT_S = 20 * 60

# Name, program with its arguments. The longest come first, so that two workers end together.
SUITES = [
    ("client", "test/client/run.py"),
    ("unit-clang", "test/unit/run.py --clang"),
    ("oracle", "test/oracle/run.py"),
    ("differential", "test/differential/run.py"),
    ("kafkafiles", "test/kafkafiles/run.py"),
    ("logdirs", "test/logdirs/run.py"),
    ("dump", "test/dump/run.py"),
    ("compaction", "test/compaction/run.py"),
    ("cli", "test/cli/run.py"),
    ("cold", "test/cold/run.py"),
    ("kill9", "test/kill9/run.py"),
    ("full", "test/full/run.py"),
    ("traps", "test/traps/run.py"),
    ("metrics", "test/metrics/run.py"),
    ("memory", "test/memory/run.py"),
    ("unit", "test/unit/run.py"),
    ("sim", "test/sim/run.py"),
    ("rooms", "tools/check_rooms.py"),
    ("rooms-self-test", "tools/check_rooms.py --self-test"),
    ("banned", "tools/check_banned.py"),
    ("banned-self-test", "tools/check_banned.py --self-test"),
]
# Checks say nothing but their complaints: each is one case, judged by its exit status.
CHECKS = {"rooms", "rooms-self-test", "banned", "banned-self-test"}

_print_lock = threading.Lock()


def run_suite(name, command):
    """Returns (passed, failed) and prints the suite's failures and its summary."""
    program, *arguments = command.split()
    start = time.monotonic()
    log = LOGS / f"{name}.log"
    passed, failures = 0, []
    try:
        with open(log, "w+") as out:
            if not (ROOT / program).exists():
                failures.append(f"{program} does not exist")
            else:
                status = subprocess.run(
                    [sys.executable, program, *arguments],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    timeout=TIMEOUT_S,
                ).returncode
                out.seek(0)
                if name in CHECKS:
                    passed = int(status == 0)
                else:
                    verdicts = [match.groups() for match in map(VERDICT.fullmatch, out.read().splitlines()) if match]
                    passed = sum(verdict == "PASS" for verdict, _ in verdicts)
                    failures = [text for verdict, text in verdicts if verdict == "FAIL"]
                if status and not failures:
                    failures.append(f"exit status {status}")
                elif not passed and not failures:
                    failures.append("no case was run")
    except subprocess.TimeoutExpired:
        failures.append(f"not finished after {TIMEOUT_S} s")
    with _print_lock:
        print(f"{name}: {passed} passed, {len(failures)} failed, {time.monotonic() - start:.0f} s", flush=True)
        for failure in failures:
            print(f"  {failure}", flush=True)
        if failures:
            print(f"  see {log.relative_to(ROOT)}", flush=True)
    return passed, len(failures)


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name, _ in SUITES))
        return 0
    wanted = sys.argv[1:] or [name for name, _ in SUITES]
    unknown = set(wanted) - {name for name, _ in SUITES}
    if unknown:
        print(f"no such suite: {' '.join(sorted(unknown))}; --list names them", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = [(name, command) for name, command in SUITES if name in wanted]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda suite: run_suite(*suite), chosen))
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
