#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that is nearly full, and one that is: a small file system of our own, clients that produce through all of it, and a judge.

The clients and the judge are those of test/kill9: librdkafka, Java and kafka-python, idempotent, with acks=all, which never give a record up. Somebody
else's file takes what space is left. Where nothing can be mounted the suite says so and has nothing to test.
"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite

SIZE = 400 << 20
RESERVE = SIZE // 10        # of a small volume it is a tenth
BALLAST = 150 << 20
RECORD = 500_000
KINDS = ["librdkafka", "java", "kafka-python"]


def mount(image, at):
    """False: this machine does not let us."""
    at.mkdir()
    with open(image, "wb") as file:
        file.truncate(SIZE)
    commands = [["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, at]]
    return all(subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0 for command in commands)


def free(at):
    is_now = os.statvfs(at)
    return is_now.f_bavail * is_now.f_frsize


def fill(at, leave):
    """Somebody else's file. leave 0: all there is, as often as there is some."""
    with open(at / "somebody-else", "ab", buffering=0) as file:
        block = bytes(1 << 20)
        while free(at) > leave:
            try:
                file.write(block[:max(4096, min(len(block), free(at) - leave))])
            except OSError:
                return


def cli(server, *arguments):
    ran = subprocess.run([broker.BUILD / "barnabas", *arguments, "--bootstrap", server.address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=broker.DEADLINE_S)
    if ran.returncode:
        raise AssertionError(f"{arguments}: {ran.stdout}")
    return ran


def ballast(server):
    """A topic that takes most of the disk."""
    cli(server, "topic", "create", "ballast", "--partitions", "1", "--config", "segment.bytes=8388608")
    ran = subprocess.run(["kcat", "-b", server.address, "-P", "-t", "ballast", "-p", "0", "-D", "|", "-X", "message.max.bytes=900000"],
                         input=b"|".join(b"%d " % i + b"x" * RECORD for i in range(BALLAST // RECORD)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         timeout=broker.DEADLINE_S)
    suite.check(ran.returncode, 0, f"producing the ballast: {ran.stderr[-300:]}")


def refused(server):
    """Whether a produce is refused, with the word for it."""
    ran = subprocess.run(["kcat", "-b", server.address, "-P", "-t", "ballast", "-p", "0", "-X", "message.timeout.ms=1500"], input=b"one more",
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=broker.DEADLINE_S)
    return ran.returncode != 0


def go_on(server, clients):
    """Each is acknowledged something new."""
    counts = [client.acknowledged for client in clients]
    for client, count in zip(clients, counts):
        client.await_more_than(count + 50)
    suite.check(server.process.poll(), None, "the broker's exit")


class World:
    def __init__(self, at, clients_of):
        self.at = at
        self.server = broker.Barnabas(at / "data", {"num.partitions": 1, "barnabas.shards": 1, "log.segment.bytes": 1 << 20})
        self.server.log = at.with_suffix(".log")        # not on that disk
        self.history = clients_of.History(at.with_suffix(".history"))
        self.clients_of = clients_of
        self.clients = []

    def begin(self, classes):
        self.server.start()
        self.clients = [self.clients_of.Client(kind, number, self.server.address, 7 + number, classes, self.history) for number, kind in enumerate(KINDS)]
        ballast(self.server)
        go_on(self.server, self.clients)

    def end(self):
        """Whatever was acknowledged is there, once, in order; also after a clean stop."""
        for client in self.clients:
            client.finish()
            client.check(0, "last")
        self.history.judge()
        self.server.stop()
        self.server.start()
        self.server.stop()

    def give_up(self):
        for client in self.clients:
            client.process.kill()
        self.server.kill()


def nearly_full(world):
    """Produce is refused at the reserve; reads and administration go on; space that a deleted topic leaves is found without being told."""
    at, server = world.at, world.server
    fill(at, RESERVE // 2)
    broker.until(lambda: refused(server), "produce refused")
    suite.check(server.process.poll(), None, "the broker's exit")
    read = subprocess.run(["kcat", "-b", server.address, "-C", "-t", "ballast", "-o", "beginning", "-e", "-q", "-f", "%o\n"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=broker.DEADLINE_S)
    if len(read.stdout.split()) < BALLAST // RECORD:
        raise AssertionError(f"of {BALLAST // RECORD} records {len(read.stdout.split())} were read")
    cli(server, "topic", "create", "made-meanwhile")
    cli(server, "topic", "delete", "ballast")
    go_on(server, world.clients)


def retention_makes_room(world):
    """What expires below the reserve does not wait for the minutes of log.retention.check.interval.ms, nor for those of file.delete.delay.ms."""
    fill(world.at, RESERVE // 2)
    broker.until(lambda: refused(world.server), "produce refused")
    cli(world.server, "topic", "alter", "ballast", "--config", "retention.bytes=8388608")
    go_on(world.server, world.clients)


def full(world):
    """Not a byte is left, time and again; the broker lives, a topic can be deleted, and then all goes on."""
    at, server = world.at, world.server
    for _ in range(20):
        fill(at, 0)
        broker.until(lambda: refused(server), "produce refused")
    suite.check(server.process.poll(), None, "the broker's exit")
    cli(server, "topic", "delete", "ballast")
    go_on(server, world.clients)


def killed_when_full(world):
    """kill -9 on a full disk, which is filled to the last byte again before the start; when the space comes back, all goes on."""
    at, server = world.at, world.server
    fill(at, 0)
    broker.until(lambda: refused(server), "produce refused")
    server.kill()
    fill(at, 0)
    server.start()
    os.unlink(at / "somebody-else")
    go_on(server, world.clients)


def read_when_full(world):
    """kill -9 on a full disk, again and again: what the journals hold and the files have, too, is read though nothing could be written."""
    at, server, records = world.at, world.server, 2000
    cli(server, "topic", "create", "read", "--partitions", "1")
    subprocess.run(["kcat", "-b", server.address, "-P", "-t", "read", "-p", "0"], input=b"".join(b"%d %s\n" % (i, b"x" * 100) for i in range(records)), check=True,
                   timeout=broker.DEADLINE_S)
    written = at / "data" / "read-0" / f"{0:020}.log"
    fill(at, RESERVE // 2)
    broker.until(lambda: refused(server), "produce refused")
    broker.until(lambda: written.exists() and written.stat().st_size > records * 100, "the journal's copy is not the only one")
    for _ in range(4):
        fill(at, 0)
        server.kill()
        fill(at, 0)
        server.start()
        fill(at, 0)
        read = subprocess.run(["kcat", "-b", server.address, "-C", "-t", "read", "-o", "beginning", "-e", "-q", "-f", "%o\n"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=broker.DEADLINE_S)
        suite.check(read.stdout.split(), [b"%d" % i for i in range(records)], "what is read")
    os.unlink(at / "somebody-else")
    go_on(server, world.clients)


def stopped_when_full(world):
    """A stop on a full disk ends, and so does the start after it."""
    at, server = world.at, world.server
    fill(at, 0)
    broker.until(lambda: refused(server), "produce refused")
    server.process.terminate()
    server._reap()
    fill(at, 0)
    server.start()
    os.unlink(at / "somebody-else")
    go_on(server, world.clients)


def run(case, classes, clients_of, scratch):
    at = scratch / case.__name__
    if not mount(scratch / f"{case.__name__}.img", at):
        print("skipped: nothing can be mounted here")
        return
    world = World(at, clients_of)
    try:
        world.begin(classes)
        case(world)
        world.end()
    finally:
        world.give_up()
        subprocess.run(["umount", "-l", at])


def main():
    options = suite.arguments(__doc__)
    if os.environ.get("BARNABAS_MOUNTS") != "private":
        os.environ["BARNABAS_MOUNTS"] = "private"
        probe = subprocess.run(["unshare", "-m", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if probe.returncode == 0:
            os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
    scratch = broker.scratch("full")
    clients_of = suite.program("kill9")
    classes = scratch / "classes"
    subprocess.run(["javac", "-cp", f"{broker.DEPS}/kafka/libs/*", "-d", classes, HERE.parent / "kill9" / "JavaProducer.java"], check=True)
    for case in [nearly_full, retention_makes_room, full, killed_when_full, read_when_full, stopped_when_full]:
        if options.chosen(case.__name__):
            suite.run_case(case.__name__, run, case, classes, clients_of, scratch)
    suite.finish()


if __name__ == "__main__":
    main()
