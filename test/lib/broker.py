# SPDX-License-Identifier: Apache-2.0
"""Brokers under test: Barnabas, and Apache Kafka 4.3.1 to hold it against.

A broker owns a data directory and a port. Both outlive it: after stop() or kill(), start() goes on with the same data
at the same address, as clients expect. start() returns when the broker serves; nothing here sleeps to wait for that.

    with Barnabas(directory) as broker:
        ... broker.address ...
        broker.restart()
"""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BARNABAS_BUILD", ROOT / "build"))  # another: sanitized, say
DEPS = ROOT / ".deps"
DEADLINE_S = int(os.environ.get("TEST_DEADLINE_S", 120))  # generous: it is only ever reached by a failure

# What every broker under test runs with, so that tests are quick and answers comparable.
SETTINGS = {
    "num.partitions": 3,
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
}


def until(condition, what, deadline_s=DEADLINE_S):
    """Polls condition() until it is true, and returns what it returned."""
    end = time.monotonic() + deadline_s
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not so after {deadline_s} s")
        time.sleep(0.01)
    return result


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return probe.getsockname()[1]


def java(main, *arguments, libs="kafka", heap="256m", classes=None, flags=("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")):
    """The command line that runs a Java class from the jars in .deps, or from a directory of classes beside them. The flags
    by default are those of a program that is soon ready, and is not measured."""
    jars = f"{DEPS / libs / 'libs'}/*"
    return [
        "java",
        f"-Xmx{heap}",
        *flags,
        "-cp",
        f"{classes}:{jars}" if classes else jars,
        main,
        *map(str, arguments),
    ]


class Broker:
    """What both kinds share. Kinds define _spawn(), which starts self.process and returns when it serves."""

    def __init__(self, data, settings=None, port=0):
        self.data = pathlib.Path(data)
        self.settings = {**SETTINGS, **(settings or {})}
        self.port = port
        self.process = None
        self.log = self.data.with_name(self.data.name + ".log")

    @property
    def directories(self):
        return str(self.settings.get("log.dirs", self.data)).split(",")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        assert self.process is None
        self.data.mkdir(parents=True, exist_ok=True)
        try:
            self._spawn()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self):
        """A clean stop, as by an operator; its exit status must be that of success."""
        self.process.terminate()
        status = self._reap()
        if status not in self.CLEAN:
            raise RuntimeError(f"broker ended with status {status} on SIGTERM:\n{self.log_tail()}")

    def kill(self):
        """kill -9, or nothing when it is not running."""
        if self.process:
            self.process.kill()
            self._reap()

    def restart(self):
        self.stop()
        self.start()

    def log_tail(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _reap(self):
        status = self.process.wait(DEADLINE_S)
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None
        return status

    def _popen(self, command, stdout):
        with open(self.log, "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log)

    def _dead(self):
        return RuntimeError(
            f"broker ended with status {self.process.wait(DEADLINE_S)} before it served:\n{self.log_tail()}"
        )

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind or not self.process:
            self.kill()
        else:
            self.stop()


class Barnabas(Broker):
    CLEAN = (0,)
    SHARDS = 2  # requests go from one to the other, on few processors, too

    def __init__(self, data, settings=None, port=0, arguments=(), binary=BUILD / "barnabas"):
        super().__init__(data, settings, port)
        self.arguments = list(arguments)
        self.binary = binary

    def _spawn(self):
        settings = {"listeners": f"PLAINTEXT://127.0.0.1:{self.port}", "barnabas.shards": self.SHARDS, **self.settings}
        self.process = self._popen(
            [
                self.binary,
                "serve",
                "--data",
                self.data,
                *(f"--set={key}={value}" for key, value in settings.items()),
                *self.arguments,
            ],
            subprocess.PIPE,
        )
        line = self._line()
        address = re.search(rb"PLAINTEXT://127\.0\.0\.1:(\d+)", line)
        if not address:
            raise RuntimeError(f"no address in the ready line {line!r}:\n{self.log_tail()}")
        self.port = int(address[1])

    def _line(self):
        line, end = b"", time.monotonic() + DEADLINE_S
        while not line.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], end - time.monotonic())[0]:
                raise TimeoutError(f"no ready line:\n{self.log_tail()}")
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                raise self._dead()
            line += piece
        return line


class Kafka(Broker):
    CLEAN = (0, 143, -signal.SIGTERM)  # a JVM that ran its shutdown hooks says 143
    JVM = {"heap": "512m"}

    def _spawn(self):
        self.port = self.port or free_port()
        controller = free_port()
        properties = self.data.with_name(self.data.name + ".properties")
        properties.write_text(
            "".join(
                f"{key}={value}\n"
                for key, value in {
                    "process.roles": "broker,controller",
                    "node.id": 1,
                    "controller.quorum.voters": f"1@127.0.0.1:{controller}",
                    "controller.listener.names": "CONTROLLER",
                    "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
                    "log.dirs": self.data,
                    **self.settings,
                }.items()
            )
        )
        if not any((pathlib.Path(directory) / "meta.properties").exists() for directory in self.directories):
            subprocess.run(
                java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", properties),
                check=True,
                capture_output=True,
                timeout=DEADLINE_S,
            )
        self.process = self._popen(java("kafka.Kafka", properties, **self.JVM), None)
        until(self._serves, f"Kafka at {self.address}")

    def _serves(self):
        if self.process.poll() is not None:
            raise self._dead()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False


KINDS = {"barnabas": Barnabas, "kafka": Kafka}


def scratch(name):
    """A fresh directory under build/test-data, which stays to be looked at until the next run."""
    path = BUILD / "test-data" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
