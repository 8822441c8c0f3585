# SPDX-License-Identifier: Apache-2.0
"""The shape of a suite: a program that prints `PASS name` or `FAIL name: reason` for each case and exits non-zero if
any failed. test/run.py counts those lines; everything else that a suite prints is for its log."""

import argparse
import fnmatch
import importlib.util
import pathlib
import sys
import threading
import traceback

_lock = threading.Lock()
_failed = []


def report(name, failure=None):
    """Prints the verdict on a case: passed unless there is a failure, the reason in words."""
    with _lock:
        if failure is None:
            print(f"PASS {name}", flush=True)
        else:
            _failed.append(name)
            print(f"FAIL {name}: {' '.join(str(failure).split())[:2000]}", flush=True)


def run_case(name, function, *arguments):
    """Whether it passed."""
    try:
        function(*arguments)
    except Exception as error:  # whatever it is, it is this case's failure, and the others still run
        traceback.print_exc()
        report(name, f"{type(error).__name__}: {error}")
        return False
    report(name)
    return True


def check(got, want, what="value"):
    """Lists are told apart by their first different element, so that a failure can be read."""
    if got == want:
        return
    if isinstance(got, list) and isinstance(want, list):
        for index, pair in enumerate(zip(got, want)):
            if pair[0] != pair[1]:
                raise AssertionError(f"{what}: element {index} is {_short(pair[0])}, want {_short(pair[1])}")
        raise AssertionError(f"{what}: {len(got)} elements, want {len(want)}")
    raise AssertionError(f"{what}: got {_short(got)}, want {_short(want)}")


def _short(value):
    text = repr(value)
    return text if len(text) < 600 else f"{text[:500]}... ({len(text)} characters)"


def arguments(description, against=False):
    """The command line that suites share: patterns that choose cases, and what to run them against."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("cases", nargs="*", help="patterns of the cases to run; all of them by default")
    if against:
        parser.add_argument("--against", choices=["barnabas", "kafka"], default="barnabas")
    parsed = parser.parse_args()
    parsed.chosen = lambda name: not parsed.cases or any(fnmatch.fnmatch(name, pattern) for pattern in parsed.cases)
    return parsed


def program(name):
    """The program of another suite, for what it has that this one needs."""
    path = pathlib.Path(__file__).resolve().parents[1] / name / "run.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(f"{name}_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def finish():
    sys.exit(1 if _failed else 0)
