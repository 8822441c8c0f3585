#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the broker tells of itself at barnabas.metrics.listener: scraped, produced to, scraped again."""
import http.client
import pathlib
import re
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite

SAMPLE = re.compile(r'(barnabas_[a-z_]+)(\{[a-z]+="(?:[^"\\]|\\.)*"\})? (\d+)')
USERS = ["requests", "answers", "tails", "cleaning", "indexes", "partitions", "producers", "metadata", "groups", "sessions", "connections"]
MEMORY_MAX = 64 << 20


class Node:
    def __init__(self, at):
        self.metrics = broker.free_port()
        self.server = broker.Barnabas(at / "data", {"barnabas.metrics.listener": f"127.0.0.1:{self.metrics}", "barnabas.memory.max": MEMORY_MAX,
                                                    "barnabas.scrub.interval.ms": 1000, "log.segment.bytes": 1 << 20, "log.cleaner.backoff.ms": 100})

    def get(self, path="/metrics", method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=broker.DEADLINE_S)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer, body

    def scrape(self):
        """Each sample once, each name explained before it."""
        answer, body = self.get()
        suite.check(answer.status, 200, "the status")
        suite.check(answer.headers["Content-Type"].split(";")[0], "text/plain", "the type")
        samples, typed = {}, {}
        for line in body.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                typed[name] = kind
            elif not line.startswith("# HELP "):
                found = SAMPLE.fullmatch(line)
                if not found or found[1] not in typed or found[1] + (found[2] or "") in samples:
                    raise AssertionError(f"not a sample, not explained, or there twice: {line}")
                if (typed[found[1]] == "counter") != found[1].endswith("_total"):
                    raise AssertionError(f"{line}: is it a counter?")
                samples[found[1] + (found[2] or "")] = int(found[3])
        return samples

    def produce(self, topic, records):
        ran = subprocess.run(["kcat", "-b", self.server.address, "-P", "-t", topic, "-p", "0"], input=b"".join(b"%d %s\n" % (i, b"x" * 1000) for i in range(records)),
                             stderr=subprocess.PIPE, timeout=broker.DEADLINE_S)
        suite.check(ran.returncode, 0, f"producing: {ran.stderr[-300:]}")


def counts_what_happens(node):
    before = node.scrape()
    for user in USERS:
        suite.check(f'barnabas_memory_bytes{{user="{user}"}}' in before, True, f"memory of {user}")
    limits = sum(before[f'barnabas_memory_limit_bytes{{user="{user}"}}'] for user in USERS)
    if not MEMORY_MAX * 0.9 < limits <= MEMORY_MAX:
        raise AssertionError(f"limits add up to {limits} of {MEMORY_MAX}")
    node.produce("counted", 3000)

    def counted():
        now = node.scrape()
        wrote = sum(now[f'barnabas_committed_bytes_total{{to="{to}"}}'] - before[f'barnabas_committed_bytes_total{{to="{to}"}}'] for to in ["journal", "segment"])
        return (now['barnabas_requests_total{api="Produce"}'] > before['barnabas_requests_total{api="Produce"}'] and wrote >= 3000 * 1000
                and now['barnabas_partitions{state="awake"}'] >= 1 and now['barnabas_memory_bytes{user="partitions"}'] > before['barnabas_memory_bytes{user="partitions"}'])

    broker.until(counted, "what was produced is counted")
    broker.until(lambda: node.scrape()["barnabas_scrubber_bytes_total"] > 0, "what was scrubbed is counted")
    disk = {name: value for name, value in node.scrape().items() if name.startswith("barnabas_log_dir_")}
    suite.check(len(disk), 4, "rows of the log directory")
    suite.check(all(value for name, value in disk.items() if "_low" not in name), True, f"its space: {disk}")


def counts_connections(node):
    with socket.create_connection(("127.0.0.1", node.server.port)):
        broker.until(lambda: node.scrape()["barnabas_connections"] == 1, "a connection is counted")
    broker.until(lambda: node.scrape()["barnabas_connections"] == 0, "its end, too")


def counts_compactions(node):
    subprocess.run([broker.BUILD / "barnabas", "topic", "create", "compacted", "--partitions", "1", "--config", "cleanup.policy=compact", "--config",
                    "segment.ms=100", "--config", "min.cleanable.dirty.ratio=0.01", "--bootstrap", node.server.address], check=True, stdout=subprocess.DEVNULL)

    def compacted():
        ran = subprocess.run(["kcat", "-b", node.server.address, "-P", "-t", "compacted", "-p", "0", "-K", ":"], input=b"a:1\na:2\nb:3\n", timeout=broker.DEADLINE_S)
        now = node.scrape()
        return ran.returncode == 0 and now["barnabas_cleaner_runs_total"] > 0 and \
            now['barnabas_cleaner_records_total{when="before"}'] > now['barnabas_cleaner_records_total{when="after"}']

    broker.until(compacted, "a compaction is counted")


def create(node, topic, partitions):
    return subprocess.run([broker.BUILD / "barnabas", "topic", "create", topic, "--partitions", str(partitions), "--bootstrap", node.server.address],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=broker.DEADLINE_S)


def bounds_partitions(node):
    there = node.scrape()
    most = there['barnabas_memory_limit_bytes{user="partitions"}'] // 1024
    many = create(node, "many", most + 1)
    if many.returncode == 0 or "barnabas.memory.max" not in many.stdout:
        raise AssertionError(f"{most + 1} partitions: {many.stdout}")
    suite.check(create(node, "some", most // 2).returncode, 0, "half as many")
    suite.check(create(node, "more", most // 2 + 1).returncode != 0, True, "too many with those that there are")
    broker.until(lambda: most // 2 * 200 < node.scrape()['barnabas_memory_bytes{user="partitions"}'] <= most * 1024, "what they hold")


def says_no(node):
    suite.check(node.get("/")[0].status, 404, "another path")
    suite.check(node.get(method="POST")[0].status, 405, "another method")
    suite.check(node.get(method="HEAD")[1], "", "the body of HEAD")


def bounds_connections(node):
    """More than it takes at a time: those that are left are closed, and then it answers again. The broker has nothing to do with it."""
    many = [socket.create_connection(("127.0.0.1", node.metrics)) for _ in range(40)]
    node.produce("meanwhile", 10)
    for one in many:
        one.close()

    def answers():
        try:
            return node.scrape()
        except (OSError, http.client.HTTPException):
            return None

    broker.until(answers, "an answer")


def main():
    options = suite.arguments(__doc__)
    node = Node(broker.scratch("metrics"))
    node.server.start()
    try:
        for case in [counts_what_happens, counts_connections, counts_compactions, bounds_partitions, says_no, bounds_connections]:
            if options.chosen(case.__name__):
                suite.run_case(case.__name__, case, node)
        node.server.stop()
    finally:
        node.server.kill()
    suite.finish()


if __name__ == "__main__":
    main()
