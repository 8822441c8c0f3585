#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tests that Meson knows, as a suite: in build/, which gcc made; with --clang in build-clang/, made here by clang
with the address and undefined-behaviour sanitizers and the fuzz targets, which proves that clang builds the project."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build_with_clang(directory):
    if not (directory / "build.ninja").exists():
        subprocess.run(
            ["meson", "setup", directory, "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
            cwd=ROOT,
            env={**os.environ, "CC": "clang-14"},
            check=True,
        )
    subprocess.run(["ninja", "-C", directory], check=True)


def main():
    clang = "--clang" in sys.argv
    directory = ROOT / ("build-clang" if clang else "build")
    if clang:
        build_with_clang(directory)
    results = directory / "meson-logs/testlog.json"
    results.unlink(missing_ok=True)  # what an earlier run left
    environment = {**os.environ, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "MESON_TESTTHREADS": "2"}
    subprocess.run(["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs"], env=environment)
    failed = 0
    with open(results) as log:
        for test in map(json.loads, log):
            if test["result"] == "OK":
                print("PASS", test["name"])
            else:
                failed += 1
                print(f"FAIL {test['name']}: {test['result']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
