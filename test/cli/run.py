#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test_cli.py against a broker of its own, and test_log.py and test_directory.py on directories of their own: test/cli/run.py [--against kafka] [PATTERN...]"""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker
import suite


def cases(tests):
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            yield test


def run(case):
    result = unittest.TestResult()
    case.run(result)
    for _, trace in result.failures + result.errors:
        print(trace)
        raise AssertionError(trace.splitlines()[-1])


def main():
    arguments = suite.arguments(__doc__, against=True)
    with broker.KINDS[arguments.against](broker.scratch("cli") / "data") as running:
        os.environ["BARNABAS_BOOTSTRAP"] = running.address
        os.environ.setdefault("BARNABAS_BIN", str(broker.BUILD / "barnabas"))
        import test_cli  # they read the environment once
        import test_directory
        import test_log

        for case in cases(unittest.defaultTestLoader.loadTestsFromModule(test_cli)):
            name = ".".join(case.id().split(".")[1:])
            if arguments.chosen(name):
                suite.run_case(name, run, case)
        for module in test_log, test_directory:
            if arguments.chosen(module.__name__):
                suite.run_case(module.__name__, run, unittest.defaultTestLoader.loadTestsFromModule(module))
    suite.finish()


if __name__ == "__main__":
    main()
