#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A slice of the simulation: seeds that once failed, fixed ones, and others for each state of the sources, within what is promised and beyond it.
`run.py [--build DIR]`; some five minutes on two cores. The same sources always try the same seeds, so that what fails fails again and what passed passes;
`script/sim --seeds N` draws fresh ones."""

import argparse
import hashlib
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXED = (1, 250)  # from, how many
OWN = 250
BEYOND = 20  # of both
# Seeds that found a defect, with the minutes that it took.
REGRESSIONS = [(128, 10), (71007, 5), (497, 10), (104, 10), (848435179, 10), (113081138, 10), (6005, 10), (6110, 10), (602886732, 10), (1147, 10), (7707, 10), (638, 10), (50095, 5),
               (290016427, 10), (553441786, 10), (675571281, 10), (655322358, 10), (655322382, 10), (556796063, 10), (578910895, 10)]


def own_seeds():
    """Where the seeds of these sources begin."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ("src", "sim") for path in (ROOT / room).rglob("*.[ch]")):
        digest.update(path.read_bytes())
    return 10**6 + int.from_bytes(digest.digest()[:8], "big") % 10**9


def run(name, build, *arguments, rare=False):
    """`rare`: so many seeds have to come to the ends of sequences, epochs and offsets, to what compaction left and took, to logs that sleep, wake and are written many at once, and to be told of settings and groups what can be judged."""
    environment = {**os.environ, "SIMULATE": str(pathlib.Path(build) / "sim/simulate")}
    out = subprocess.run(
        [sys.executable, "script/sim", *map(str, arguments)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    print(out.stdout, flush=True)
    if rare and min(map(int, re.findall(r"_(?:ends|judged|met)=(\d+)", out.stdout)), default=0) == 0:
        print(f"FAIL {name}: not everything occurred that has to", flush=True)
        return False
    replays = re.findall(r"replay: (.*)", out.stdout)
    if out.returncode == 0:
        print(f"PASS {name}", flush=True)
    else:
        print(f"FAIL {name}: {'; '.join(replays) or 'see above'}", flush=True)
    return out.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=ROOT / "build")
    build = parser.parse_args().build
    passed = [run(f"seed-{seed}", build, "--seeds", 1, "--from", seed, "--hours", minutes / 60) for seed, minutes in REGRESSIONS]
    passed.append(run("fixed-seeds", build, "--jobs", 2, "--seeds", FIXED[1], "--from", FIXED[0], rare=True))
    passed.append(run("own-seeds", build, "--jobs", 2, "--seeds", OWN, "--from", own_seeds()))
    passed.append(run("fixed-seeds-beyond", build, "--beyond", "--seeds", BEYOND, "--from", FIXED[0]))
    passed.append(run("own-seeds-beyond", build, "--beyond", "--seeds", BEYOND, "--from", own_seeds()))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
