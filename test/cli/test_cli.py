# SPDX-License-Identifier: Apache-2.0
"""The commands that a person types, each against a running broker: BARNABAS_BOOTSTRAP is its address (Kafka's will do as
well), BARNABAS_BIN the program (build/barnabas)."""

import base64
import json
import os
import pathlib
import pty
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import uuid

BIN = os.environ.get("BARNABAS_BIN", str(pathlib.Path(__file__).resolve().parents[2] / "build/barnabas"))
BOOTSTRAP = os.environ.get("BARNABAS_BOOTSTRAP", "127.0.0.1:9092")
DEADLINE_S = 120
EVERY_BYTE = bytes(range(256))


def command(*words):
    return [BIN, *map(str, words), "--bootstrap", BOOTSTRAP]


def run(*words, stdin=b"", status=0):
    """(standard output, standard error) of a command that must end with this status."""
    done = subprocess.run(command(*words), input=stdin, capture_output=True, timeout=DEADLINE_S)
    if done.returncode != status:
        raise AssertionError(f"{words}: status {done.returncode}, want {status}: {done.stderr!r}")
    return done.stdout, done.stderr.decode(errors="replace")


def rows(text):
    return [line.split() for line in text.decode().splitlines()]


def until(condition, what):
    end = time.monotonic() + DEADLINE_S
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not so after {DEADLINE_S} s")
        time.sleep(0.05)
    return result


class Case(unittest.TestCase):
    def topic(self, partitions=1, *options):
        name = f"cli-{uuid.uuid4().hex[:12]}"
        run("topic", "create", name, "--partitions", partitions, *options)
        return name

    def group(self):
        return f"cli-group-{uuid.uuid4().hex[:12]}"

    def records(self, topic, *options):
        out, _ = run("consume", topic, "--until-end", "--json", *options)
        return [json.loads(line) for line in out.splitlines()]


class CommandLine(Case):
    def plain(self, *words):
        return subprocess.run([BIN, *words], capture_output=True, timeout=DEADLINE_S, text=True)

    def test_version(self):
        self.assertRegex(self.plain("version").stdout, r"^barnabas \d+\.\d+")

    def test_help_of_every_command(self):
        verbs = {
            "topic": ["create", "list", "describe", "alter", "delete"],
            "group": ["list", "describe", "reset", "delete", "delete-offsets"],
            "config": ["describe", "alter"],
            "log": ["dump", "segments", "verify", "repair"],
            "produce": [],
            "consume": [],
            "version": [],
        }
        for name, names in verbs.items():
            for words in [[name], *([name, verb] for verb in names)]:
                done = self.plain(*words, "--help")
                self.assertEqual(done.returncode, 0, words)
                self.assertIn(" ".join(["barnabas", *words]), done.stdout)
                self.assertEqual(done.stderr, "")

    def test_wrong_command_lines(self):
        for words in [
            ["topic"],
            ["topic", "paint"],
            ["topic", "create"],
            ["topic", "create", "x", "--partitions", "0"],
            ["topic", "create", "x", "--partitions", "many"],
            ["topic", "create", "x", "--partitions"],
            ["topic", "create", "x", "--config", "novalue"],
            ["topic", "alter", "x"],
            ["topic", "list", "x"],
            ["topic", "list", "--internal=yes"],
            ["produce"],
            ["produce", "x", "y"],
            ["produce", "x", "--colour"],
            ["produce", "x", "--key", "k", "--key-separator", ":"],
            ["consume", "x", "--from", "yesterday"],
            ["consume", "x", "--format", "%z"],
            ["consume", "x", "--json", "--format", "%v"],
            ["consume", "x", "--group", "g", "--from", "7"],
            ["consume", "x", "--group", "g", "--partition", "0"],
            ["group", "reset", "g", "--topic", "t"],
            ["config", "describe"],
            ["config", "alter", "--topic", "t"],
        ]:
            done = self.plain(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(done.stdout, "")
            self.assertTrue(done.stderr)

    def test_no_broker(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        for words in [["topic", "list"], ["produce", "x"], ["consume", "x"], ["group", "list"], ["config", "describe", "--topic", "x"]]:
            done = self.plain(*words, "--bootstrap", address)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(f"cannot reach {address}: is the broker running? start it with script/server", done.stderr)


class Topics(Case):
    def test_life(self):
        name = self.topic(3, "--config", "retention.ms=123456")
        out, _ = run("topic", "list")
        self.assertIn([name, "3", "1"], rows(out))
        out, _ = run("topic", "describe", name)
        self.assertIn(["retention.ms", "123456", "topic"], rows(out))
        self.assertEqual([row[0] for row in rows(out) if row[0].isdigit()], ["0", "1", "2"])
        out, _ = run("topic", "alter", name, "--partitions", 5, "--config", "retention.bytes=99999", "--delete", "retention.ms")
        described = rows(run("topic", "describe", name)[0])
        self.assertIn(["retention.bytes", "99999", "topic"], described)
        self.assertNotIn("retention.ms", [row[0] for row in described])
        self.assertEqual([row[0] for row in described if row[0].isdigit()], ["0", "1", "2", "3", "4"])
        out, _ = run("topic", "delete", name)
        self.assertEqual(out.decode(), f"deleted {name}\n")
        self.assertNotIn(name, run("topic", "list")[0].decode())

    def test_what_is_there_and_what_is_not(self):
        name = self.topic()
        _, err = run("topic", "create", name, status=1)
        self.assertIn("--if-not-exists", err)
        run("topic", "create", name, "--if-not-exists")
        run("topic", "delete", name)
        _, err = run("topic", "delete", name, status=1)
        self.assertIn(name, err)
        run("topic", "delete", name, "--if-exists")
        _, err = run("topic", "describe", name, status=1)
        self.assertIn("barnabas topic create", err)

    def test_asking_creates_nothing(self):
        name = f"cli-never-{uuid.uuid4().hex[:12]}"
        run("topic", "describe", name, status=1)
        run("consume", name, "--until-end", status=1)
        self.assertNotIn(name, run("topic", "list")[0].decode())

    def test_refused(self):
        _, err = run("topic", "create", "not a name!", status=1)
        self.assertIn("not a name!", err)
        _, err = run("topic", "create", "x" + uuid.uuid4().hex, "--config", "no.such.key=1", status=1)
        self.assertIn("no.such.key", err)
        _, err = run("topic", "alter", self.topic(3), "--partitions", 2, status=1)
        self.assertTrue(err)


class Records(Case):
    def test_lines(self):
        name = self.topic()
        _, err = run("produce", name, stdin=b"one\n\ntwo words\nlast without end")
        self.assertEqual(err, "produced 4 records, 28 bytes\n")
        out, err = run("consume", name, "--until-end")
        self.assertEqual(out, b"one\n\ntwo words\nlast without end\n")
        self.assertEqual(err, "consumed 4 records, 28 bytes\n")

    def test_nothing(self):
        name = self.topic()
        self.assertEqual(run("produce", name)[1], "produced 0 records, 0 bytes\n")
        self.assertEqual(run("consume", name, "--until-end"), (b"", "consumed 0 records, 0 bytes\n"))

    def test_keys_headers_and_null(self):
        name = self.topic()
        run("produce", name, "--key-separator", "::", "--null-value", "NIL", "--header", "a=1", "--header", "a=x=y", "--header", "e=",
            stdin="k::v\n::no key text\nk2::NIL\nk3::a::b\n".encode())
        self.assertEqual([(r["key"], r["value"]) for r in self.records(name)],
                         [("k", "v"), ("", "no key text"), ("k2", None), ("k3", "a::b")])
        self.assertEqual(self.records(name)[0]["headers"], [["a", "1"], ["a", "x=y"], ["e", ""]])
        out, _ = run("consume", name, "--until-end", "--key-separator", "=", "--null-value", "NIL")
        self.assertEqual(out, b"k=v\n=no key text\nk2=NIL\nk3=a::b\n")
        run("produce", name, "--key", "fixed", stdin=b"v\n")
        last = self.records(name)[-1]
        self.assertEqual((last["key"], last["headers"], last["offset"], last["partition"]), ("fixed", [], 4, 0))

    def test_a_line_without_separator(self):
        name = self.topic()
        _, err = run("produce", name, "--key-separator", ":", stdin=b"a:b\nc\n", status=1)
        self.assertIn("line 2 has no ':'", err)
        self.assertIn("produced 1 record, 2 bytes; 1 failed", err)

    def test_every_byte(self):
        name = self.topic()
        with tempfile.NamedTemporaryFile() as file:
            file.write(EVERY_BYTE * 4)
            file.flush()
            _, err = run("produce", name, "--file", file.name, "--file", "/dev/null")
        self.assertEqual(err, "produced 2 records, 1,024 bytes\n")
        out, _ = run("consume", name, "--until-end", "--format", "%v")
        self.assertEqual(out, EVERY_BYTE * 4)
        run("produce", name, stdin=EVERY_BYTE.replace(b"\n", b"") + b"\n")
        values = [r["value"] for r in self.records(name)]
        self.assertEqual(base64.b64decode(values[0]["base64"]), EVERY_BYTE * 4)
        self.assertEqual(values[1], "")
        self.assertEqual(base64.b64decode(values[2]["base64"]), EVERY_BYTE.replace(b"\n", b""))

    def test_json_escapes(self):
        name = self.topic()
        text = 'quote " backslash \\ tab \t bell \a null \0 delete \x7f umlaut ä clef 𝄞'
        run("produce", name, stdin=text.encode() + b"\n")
        self.assertEqual(self.records(name)[0]["value"], text)

    def test_a_missing_file(self):
        _, err = run("produce", self.topic(), "--file", "/nowhere/at/all", status=1)
        self.assertIn("/nowhere/at/all", err)

    def test_codecs_and_large_records(self):
        lines = [str(i).encode() * 50 for i in range(2000)] + [b"x" * 900_000]
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
            name = self.topic()
            run("produce", name, "--compression", codec, stdin=b"\n".join(lines))
            out, _ = run("consume", name, "--until-end")
            self.assertEqual(out.splitlines(), lines, codec)
        _, err = run("produce", name, "--compression", "brotli", status=1)
        self.assertIn("compression", err)

    def test_too_large(self):
        name = self.topic(1, "--config", "max.message.bytes=2000")
        _, err = run("produce", name, stdin=b"x" * 3000, status=1)
        self.assertIn("max.message.bytes", err)
        self.assertIn("produced 0 records, 0 bytes; 1 failed", err)

    def test_format(self):
        name = self.topic(2)
        run("produce", name, "--partition", 1, "--key", "k", "--header", "h=1", "--header", "i=2", stdin=b"value\n")
        out, _ = run("consume", name, "--until-end", "--format", r"%t|%p|%o|%k|%K|%v|%V|%h|%%\t\\\0\n")
        self.assertEqual(out, f"{name}|1|0|k|1|value|5|h=1,i=2|%\t\\\0\n".encode())

    def test_positions(self):
        name = self.topic()
        run("produce", name, stdin=b"0\n1\n2\n")
        second = self.records(name)[1]
        until(lambda: time.time() * 1000 > second["timestamp"] + 5, "time goes on")
        run("produce", name, stdin=b"3\n4\n")
        at = self.records(name)[3]["timestamp"]
        for options, want in [
            (["--from", "beginning"], b"01234"),
            (["--from", "end"], b""),
            (["--from", "2"], b"234"),
            (["--from", "5"], b""),
            (["--from", f"@{at}"], b"34"),
            (["--from", "@99999999999999"], b""),
            (["--from", "1", "--count", "2"], b"12"),
            (["--count", "1"], b"0"),
        ]:
            out, _ = run("consume", name, "--until-end", *options)
            self.assertEqual(out.replace(b"\n", b""), want, options)
        _, err = run("consume", name, "--from", "6", "--until-end", status=1)
        self.assertIn("there is no offset 6: it has 0 to 5", err)
        _, err = run("consume", name, "--partition", "7", "--until-end", status=1)
        self.assertIn("artition", err)

    def test_partitions(self):
        name = self.topic(3)
        for partition in range(3):
            run("produce", name, "--partition", partition, stdin=f"{partition}\n".encode())
        self.assertEqual(sorted((r["partition"], r["value"]) for r in self.records(name)), [(0, "0"), (1, "1"), (2, "2")])
        self.assertEqual([r["value"] for r in self.records(name, "--partition", "2")], ["2"])
        _, err = run("consume", name, "--from", "1", "--until-end", status=1)
        self.assertIn("--partition", err)

    def test_streams_while_it_reads(self):
        """A line is there for a reader before the writer ends; both end cleanly on a signal."""
        name = self.topic()
        reader = subprocess.Popen(command("consume", name), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        writer = subprocess.Popen(command("produce", name), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            for line in [b"first\n", b"second\n"]:
                writer.stdin.write(line)
                writer.stdin.flush()
                self.assertTrue(select.select([reader.stdout], [], [], DEADLINE_S)[0])
                self.assertEqual(reader.stdout.readline(), line)
            writer.send_signal(signal.SIGINT)
            reader.send_signal(signal.SIGINT)
            self.assertEqual(writer.stderr.read(), b"produced 2 records, 11 bytes\n")
            self.assertEqual(reader.stderr.read(), b"consumed 2 records, 11 bytes\n")
            self.assertEqual((writer.wait(DEADLINE_S), reader.wait(DEADLINE_S)), (0, 0))
        finally:
            for process in (reader, writer):
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout, process.stderr):
                    if pipe:
                        pipe.close()

    def test_a_reader_that_leaves(self):
        name = self.topic()
        run("produce", name, stdin=b"some line\n" * 50_000)
        reader = subprocess.Popen(command("consume", name), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with reader.stdout, reader.stderr:
            self.assertEqual(reader.stdout.readline(), b"some line\n")
            reader.stdout.close()
            self.assertEqual(reader.wait(DEADLINE_S), 0)

    def test_progress_on_a_terminal(self):
        name = self.topic()
        parent, child = pty.openpty()
        with subprocess.Popen(command("produce", name), stdin=subprocess.PIPE, stderr=child) as writer:
            os.close(child)
            writer.stdin.write(b"x" * 10 + b"\n")
            writer.stdin.flush()
            seen = b""
            try:
                while b"records" not in seen:
                    self.assertTrue(select.select([parent], [], [], DEADLINE_S)[0])
                    seen += os.read(parent, 1000)
            finally:
                writer.stdin.close()
                writer.wait(DEADLINE_S)
                os.close(parent)
        self.assertIn(b"\r\x1b[Kproducing 0 records", seen)

    def test_many(self):
        name = self.topic(3)
        lines = [b"%d" % i for i in range(200_000)]
        _, err = run("produce", name, stdin=b"\n".join(lines))
        self.assertEqual(err, "produced 200,000 records, 1,088,890 bytes\n")
        out, err = run("consume", name, "--until-end")
        self.assertEqual(sorted(out.splitlines(), key=int), lines)
        self.assertEqual(err, "consumed 200,000 records, 1,088,890 bytes\n")


class Groups(Case):
    def offsets(self, group):
        out, _ = run("group", "describe", group)
        return {(row[0], int(row[1])): row[2:] for row in rows(out) if len(row) == 5 and row[0].startswith("cli-") and row[1].isdigit()}

    def test_goes_on_where_it_stopped(self):
        name, group = self.topic(), self.group()
        run("produce", name, stdin=b"0\n1\n2\n3\n4\n")
        self.assertEqual(run("consume", name, "--group", group, "--count", 2)[0], b"0\n1\n")
        self.assertEqual(self.offsets(group), {(name, 0): ["2", "5", "3"]})
        self.assertEqual(run("consume", name, "--group", group, "--until-end")[0], b"2\n3\n4\n")
        self.assertEqual(self.offsets(group), {(name, 0): ["5", "5", "0"]})
        self.assertEqual(run("consume", name, "--group", group, "--until-end")[0], b"")
        self.assertIn([group, "Empty"], rows(run("group", "list")[0]))

    def test_reset(self):
        name, group = self.topic(2), self.group()
        for partition in range(2):
            run("produce", name, "--partition", partition, stdin=b"a\nb\nc\n")
        run("consume", name, "--group", group, "--until-end")
        self.assertEqual([o[0] for o in self.offsets(group).values()], ["3", "3"])
        out, _ = run("group", "reset", group, "--topic", name, "--to", "beginning", "--dry-run")
        self.assertIn([name, "1", "3", "0"], rows(out))
        self.assertEqual([o[0] for o in self.offsets(group).values()], ["3", "3"])
        run("group", "reset", group, "--topic", name, "--to", 2)
        self.assertEqual([o[0] for o in self.offsets(group).values()], ["2", "2"])
        run("group", "reset", group, "--topic", name, "--partition", 1, "--to", "end")
        self.assertEqual([o[0] for o in self.offsets(group).values()], ["2", "3"])
        run("group", "reset", group, "--all-topics", "--to", "@0")
        self.assertEqual([o[0] for o in self.offsets(group).values()], ["0", "0"])
        self.assertEqual(len(run("consume", name, "--group", group, "--until-end")[0].split()), 6)
        _, err = run("group", "reset", group, "--topic", name, "--to", 99, status=1)
        self.assertIn("there is no offset 99", err)
        fresh = self.group()
        run("group", "reset", fresh, "--topic", name, "--to", "end")
        self.assertEqual([o[0] for o in self.offsets(fresh).values()], ["3", "3"])

    def test_members(self):
        name, group = self.topic(2), self.group()
        run("produce", name, "--partition", 0, stdin=b"a\n")
        member = subprocess.Popen(command("consume", name, "--group", group), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with member.stdout, member.stderr:
            try:
                self.assertEqual(member.stdout.readline(), b"a\n")
                out, _ = run("group", "describe", group)
                self.assertIn(f"group {group}: Stable, 1 members", out.decode())
                self.assertIn(f"{name}-0 {name}-1", out.decode())
                for words in [["reset", group, "--topic", name, "--to", "end"], ["delete", group]]:
                    _, err = run("group", *words, status=1)
                    self.assertRegex(err, "stop (them|the group's members) first")
                member.send_signal(signal.SIGINT)
                self.assertEqual(member.wait(DEADLINE_S), 0)
            finally:
                member.kill()
                member.wait()
        self.assertEqual(self.offsets(group)[(name, 0)], ["1", "1", "0"])

    def test_delete(self):
        name, group = self.topic(), self.group()
        run("produce", name, stdin=b"a\n")
        run("consume", name, "--group", group, "--until-end")
        self.assertEqual(run("group", "delete-offsets", group, "--topic", name)[0].decode(), f"deleted offsets of {group}\n")
        _, err = run("group", "delete-offsets", group, "--topic", name, status=1)
        self.assertTrue(err)
        run("consume", name, "--group", group, "--until-end")
        self.assertEqual(run("group", "delete", group)[0].decode(), f"deleted {group}\n")
        self.assertNotIn(group, run("group", "list")[0].decode())
        for words in [["describe", group], ["delete", group]]:
            _, err = run("group", *words, status=1)
            self.assertIn("barnabas group list", err)


class Configs(Case):
    def entries(self, *options):
        return {row[0]: row[1:] for row in rows(run("config", "describe", *options)[0])}

    def test_topic(self):
        name = self.topic(1, "--config", "retention.ms=5000000")
        run("config", "alter", "--topic", name, "--set", "cleanup.policy=compact", "--set", "segment.ms=77777777")
        got = self.entries("--topic", name)
        self.assertEqual(got["retention.ms"], ["5000000", "topic"])
        self.assertEqual(got["cleanup.policy"], ["compact", "topic"])
        self.assertNotIn("max.message.bytes", got)
        self.assertIn("max.message.bytes", self.entries("--topic", name, "--all"))
        run("config", "alter", "--topic", name, "--delete", "cleanup.policy", "--delete", "retention.ms")
        got = self.entries("--topic", name)
        self.assertNotIn("cleanup.policy", got)
        self.assertEqual(got["segment.ms"], ["77777777", "topic"])
        for wrong in ["no.such.key=1", "retention.ms=soon"]:
            _, err = run("config", "alter", "--topic", name, "--set", wrong, status=1)
            self.assertIn(wrong.split("=")[0], err)
        self.assertEqual(self.entries("--topic", name)["segment.ms"], ["77777777", "topic"])

    def test_broker(self):
        node = [row[1] for row in rows(run("topic", "describe", self.topic())[0]) if row[0] == "0"][0]
        self.assertIn("log.retention.ms", self.entries("--broker", node, "--all"))
        run("config", "alter", "--broker", node, "--set", "log.cleaner.threads=2")
        try:
            self.assertEqual(self.entries("--broker", node)["log.cleaner.threads"], ["2", "broker"])
        finally:
            run("config", "alter", "--broker", node, "--delete", "log.cleaner.threads")
        self.assertNotIn("log.cleaner.threads", self.entries("--broker", node))

    def test_no_such_topic(self):
        _, err = run("config", "describe", "--topic", "cli-nowhere", status=1)
        self.assertIn("cli-nowhere", err)


if __name__ == "__main__":
    unittest.main()
