# SPDX-License-Identifier: Apache-2.0
"""kcat for run.py: a process for each command, one that stays for a group member. Messages go in as files and come out
with their lengths in front, so that any bytes pass. kcat cannot set timestamps; a topic it creates by asking for it."""

import os
import queue
import subprocess
import sys
import tempfile
import threading

from adapter import POLL_S, decode, record, serve

FORMAT = "%p %o %T %K %S %h\n%k%s\n"


def read_record(stream):
    """One record as FORMAT writes it; None at the end of the stream."""
    line = stream.readline()
    if not line:
        return None
    partition, offset, timestamp, key_size, value_size, headers = line.decode().rstrip("\n").split(" ", 5)
    key, value = (None if int(size) < 0 else stream.read(int(size)) for size in (key_size, value_size))
    stream.read(1)
    pairs = [pair.split("=", 1) for pair in headers.split(",") if pair]
    return record(
        int(partition), int(offset), int(timestamp), key, value, [(name, data.encode()) for name, data in pairs]
    )


class Kcat:
    def __init__(self, address):
        self.kcat = ["kcat", "-b", address, "-X", "heartbeat.interval.ms=300"]
        self.member = None
        self.records = queue.Queue()

    def create(self, topic, partitions):
        pattern = f'topic "{topic}" with {partitions} partitions:'
        while (
            pattern
            not in subprocess.run([*self.kcat, "-L", "-t", topic], capture_output=True, text=True, check=True).stdout
        ):
            pass

    def produce(self, topic, codec, records):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "value")
            for item in records:
                key, value = decode(item["key"]), decode(item["value"])
                options = [
                    option for name, data in item["headers"] for option in ("-H", f"{name}={decode(data).decode()}")
                ]
                if value is None:  # which kcat sends for an empty line
                    options += ["-Z", "-K", "|"]
                elif key is not None:
                    options += ["-k", key.decode()]
                with open(path, "wb") as file:
                    file.write(value or b"")
                subprocess.run(
                    [
                        *self.kcat,
                        "-X",
                        "message.max.bytes=4194304",
                        "-X",
                        "acks=all",
                        "-P",
                        "-t",
                        topic,
                        "-p",
                        str(item["partition"]),
                        "-z",
                        codec,
                        *options,
                        *[path] * (value is not None),
                    ],
                    input=key + b"|" if value is None else b"",
                    check=True,
                )

    def read(self, topic, partition, count, offset=None, timestamp=None):
        start = str(offset) if timestamp is None else f"s@{timestamp}"
        with subprocess.Popen(
            [*self.kcat, "-C", "-t", topic, "-p", str(partition), "-o", start, "-c", str(count), "-f", FORMAT],
            stdout=subprocess.PIPE,
        ) as process:
            return list(iter(lambda: read_record(process.stdout), None))

    def join(self, topic, group):
        self.member = subprocess.Popen(
            [*self.kcat, "-X", "auto.offset.reset=earliest", "-E", "-f", FORMAT, "-u", "-G", group, topic],
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._receive, args=[self.member.stdout, self.records], daemon=True).start()

    def _receive(self, stream, records):
        for item in iter(lambda: read_record(stream), None):
            records.put(item)

    def poll(self):
        records = []
        try:
            records.append(self.records.get(timeout=POLL_S))
            while True:
                records.append(self.records.get_nowait())
        except queue.Empty:
            return records

    def commit(self):
        """kcat commits by itself, at the latest when it leaves."""

    def leave(self):
        self.member.terminate()
        if self.member.wait() not in (0, -15):
            raise RuntimeError(f"kcat ended with status {self.member.returncode}")


serve(Kcat(sys.argv[1]))
