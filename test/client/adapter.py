# SPDX-License-Identifier: Apache-2.0
"""The Python side of an adapter: reads commands from standard input, answers on standard output, a JSON object a
line. The commands are those of run.py: each is a method of the adapter. Records cross as objects whose bytes are in
base64."""

import base64
import json
import sys
import traceback

POLL_S = 0.25  # how long a poll waits for a first record


def decode(text):
    return None if text is None else base64.b64decode(text)


def encode(data):
    return None if data is None else base64.b64encode(data).decode()


def record(partition, offset, timestamp, key, value, headers):
    return {
        "partition": partition,
        "offset": offset,
        "timestamp": timestamp,
        "key": encode(key),
        "value": encode(value),
        "headers": [[name, encode(data)] for name, data in headers or []],
    }


def headers_of(item):
    return [(name, decode(data)) for name, data in item["headers"]]


def serve(adapter):
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"records": getattr(adapter, command.pop("do"))(**command) or []}
        except Exception as error:  # the runner decides what an error means
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
