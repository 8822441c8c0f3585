# SPDX-License-Identifier: Apache-2.0
"""barnabas log: what it tells of a directory, before and after files of it were spoilt."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker

BIN = os.environ.get("BARNABAS_BIN", str(broker.BUILD / "barnabas"))
DEADLINE_S = 120
RECORDS = 3000


def barnabas(*words, stdin=b""):
    return subprocess.run([BIN, *map(str, words)], input=stdin, capture_output=True, timeout=DEADLINE_S)


def content(directory):
    return {path.relative_to(directory): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


class Log(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-log-"))
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        with broker.Barnabas(cls.scratch / "filled") as server:
            words = ("--bootstrap", server.address)
            made = barnabas("topic", "create", "t", "--partitions", 1, "--config", "segment.bytes=1048576", "--config", "index.interval.bytes=4096", *words)
            assert made.returncode == 0, made.stderr
            for start in range(0, RECORDS, 500):
                lines = "".join(f"key-{i}\t{'v' * 700}{i}\n" for i in range(start, start + 500)).encode()
                sent = barnabas("produce", "t", "--key-separator", "\t", "--header", "h=1", "--client", "batch.num.messages=20", *words, stdin=lines)
                assert sent.returncode == 0, sent.stderr
            barnabas("consume", "t", "--group", "g", "--until-end", *words)

    def setUp(self):
        self.data = pathlib.Path(tempfile.mkdtemp(dir=self.scratch)) / "data"
        shutil.copytree(self.scratch / "filled", self.data)
        self.folder = self.data / "t-0"
        self.logs = sorted(self.folder.glob("*.log"))
        self.assertGreater(len(self.logs), 1)

    def log(self, *words, status=0):
        done = barnabas("log", *words)
        self.assertEqual(done.returncode, status, (done.stdout[-2000:], done.stderr))
        return done.stdout.decode()

    def rows(self, *words, status=0, kind=None):
        rows = [json.loads(line) for line in self.log(*words, "--json", status=status).splitlines()]
        return [row for row in rows if kind in (None, row["kind"])]

    def findings(self):
        before = content(self.data)
        status = barnabas("log", "verify", self.data).returncode
        found = self.rows("verify", self.data, status=status, kind="finding")
        self.assertEqual(status, 1 if found else 0)
        self.assertEqual(content(self.data), before)
        return [(pathlib.Path(row["file"]).name, row["position"], row["offset"]) for row in found]

    def batches(self, log):
        return self.rows("dump", log, kind="batch")

    def spoil(self, path, position, flip=1):
        with open(path, "r+b") as file:
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ flip]))

    def test_healthy(self):
        self.assertEqual(self.findings(), [])
        whole = self.rows("verify", self.data, "--records", kind="verified")[0]
        self.assertEqual(whole["findings"], 0)
        self.assertGreaterEqual(whole["records"], RECORDS)
        self.assertEqual(self.rows("repair", self.data), [{"kind": "repaired", "mended": 0, "left": 0}])

    def test_dump_text_and_ranges(self):
        records = self.rows("dump", *self.logs, "--records", kind="record")
        self.assertEqual([row["offset"] for row in records], list(range(RECORDS)))
        self.assertEqual(records[7]["key"], "key-7")
        self.assertEqual(len(self.rows("dump", self.logs[0], "--records", kind="header")), len([r for r in records if r["file"] == str(self.logs[0])]))
        some = self.rows("dump", *self.logs, "--records", "--from", 100, "--to", 110, kind="record")
        self.assertEqual([row["offset"] for row in some], list(range(100, 110)))
        self.assertEqual(self.rows("dump", *self.logs, "--records", "--from", "@99999999999999"), [])
        self.assertIn("batch base_offset=0 ", self.log("dump", self.logs[0]))
        offsets = [row for folder in self.data.glob("__consumer_offsets-*") for row in self.rows("dump", folder, "--records", kind="record")]
        self.assertTrue(any("OffsetCommitKey" in row.get("decoded_key", "") for row in offsets))
        metadata = self.rows("dump", self.data / "__cluster_metadata-0", "--records", kind="record")
        self.assertTrue(any("TopicRecord" in row.get("decoded_value", "") for row in metadata))

    def test_segments(self):
        rows = self.rows("segments", self.data)
        mine = [row for row in rows if row["folder"] == "t-0"]
        self.assertEqual([row["kind"] for row in mine], ["segment"] * len(self.logs) + ["partition"])
        self.assertEqual([row["base"] for row in mine[:-1]], [int(path.stem) for path in self.logs])
        self.assertEqual([row["size"] for row in mine[:-1]], [path.stat().st_size for path in self.logs])
        self.assertEqual((mine[-1]["base"], mine[-1]["end"]), (0, RECORDS))
        self.assertEqual({row["index"] for row in mine[:-1]}, {"ok"})

    def test_a_flipped_bit(self):
        batch = self.batches(self.logs[0])[2]
        self.spoil(self.logs[0], batch["position"] + batch["size"] // 2)
        self.assertEqual(self.findings(), [(self.logs[0].name, batch["position"], batch["base_offset"])])
        left = self.rows("repair", self.data, status=1, kind="left")
        self.assertEqual([(row["position"], row["size"]) for row in left], [(batch["position"], batch["size"])])
        self.assertEqual(len(self.findings()), 1)

    def test_force_takes_a_bad_batch_out(self):
        before = self.batches(self.logs[0])
        bad, spoilt = before[2], before[2]["position"] + 70
        self.spoil(self.logs[0], spoilt)
        bytes_before = self.logs[0].read_bytes()
        self.rows("repair", self.data, "--force")
        self.assertEqual(self.findings(), [])
        cut = self.logs[0].with_name(f"{self.logs[0].name}.{bad['position']}.cut")
        self.assertEqual(cut.read_bytes(), bytes_before[bad["position"] : bad["position"] + bad["size"]])
        self.assertEqual([b["base_offset"] for b in self.batches(self.logs[0])], [b["base_offset"] for b in before if b != bad])
        with broker.Barnabas(self.data) as server:
            out = barnabas("consume", "t", "--until-end", "--json", "--bootstrap", server.address)
        lost = set(range(bad["base_offset"], bad["last_offset"] + 1))
        self.assertEqual([json.loads(line)["offset"] for line in out.stdout.splitlines()], [i for i in range(RECORDS) if i not in lost])

    def test_a_torn_end(self):
        log = self.logs[-1]
        whole = log.read_bytes()
        last = self.batches(log)[-1]
        log.write_bytes(whole + whole[last["position"] :][:40])
        found = self.findings()
        self.assertIn((log.name, len(whole), RECORDS), found)
        self.assertEqual(self.rows("repair", self.data, "--dry-run", status=1, kind="would_mend")[0]["position"], len(whole))
        self.assertEqual(len(self.findings()), len(found))
        self.rows("repair", self.data)
        self.assertEqual(log.read_bytes(), whole)
        self.assertEqual(log.with_name(f"{log.name}.{len(whole)}.cut").read_bytes(), whole[last["position"] :][:40])
        self.assertEqual(self.findings(), [])

    def test_a_block_that_is_not_full(self):
        """What a broker that was killed leaves behind a large commit: nothing is wrong with it, once the next start has cut it."""
        log = self.logs[-1]
        whole = log.read_bytes()
        (self.data / ".kafka_cleanshutdown").unlink()
        log.write_bytes(whole + bytes(-len(whole) % 4096))
        self.assertEqual([row["kind"] for row in self.rows("verify", self.data) if row["kind"] in ("note", "finding")], [])
        self.assertEqual(self.batches(log)[-1]["last_offset"], RECORDS - 1)
        log.write_bytes(whole + bytes(-len(whole) % 4096 - 1))
        self.assertEqual([row["position"] for row in self.rows("verify", self.data, kind="note")], [len(whole)])
        log.write_bytes(whole + bytes(-len(whole) % 4096))
        with broker.Barnabas(self.data):
            pass
        self.assertEqual(log.read_bytes(), whole)

    def test_indexes(self):
        index, times = self.logs[0].with_suffix(".index"), self.logs[0].with_suffix(".timeindex")
        for path, spoil in [(index, lambda b: b[:8] + struct.pack(">ii", *[n + 1 for n in struct.unpack(">ii", b[8:16])]) + b[16:]), (index, lambda b: b[:-3]),
                            (times, lambda b: b[:-12] + struct.pack(">qi", struct.unpack(">qi", b[-12:])[0] + 5, struct.unpack(">qi", b[-12:])[1])),
                            (times, lambda b: b[:5]), (index, None)]:
            with self.subTest(path=path.suffix):
                good = path.read_bytes()
                path.unlink() if spoil is None else path.write_bytes(spoil(good))
                self.assertEqual([name for name, _, _ in self.findings()], [path.name])
                self.rows("repair", self.data)
                self.assertEqual(path.read_bytes(), good)
                self.assertEqual(self.findings(), [])

    def test_small_files(self):
        snapshot = sorted(self.folder.glob("*.snapshot"))
        epochs, point, properties = self.folder / "leader-epoch-checkpoint", self.data / "recovery-point-offset-checkpoint", self.data / "meta.properties"
        for path, text in [(epochs, "0\n1\n7 0\n"), (epochs, "nonsense"), (point, "0\n1\nt 0 99999\n"), (point, "0\n2\nt 0 1\n"), (properties, "version=1\n")]:
            with self.subTest(path=path.name, text=text):
                good = path.read_text()
                path.write_text(text)
                self.assertEqual([name for name, _, _ in self.findings()], [path.name])
                if path == epochs:
                    self.rows("repair", self.data)
                    self.assertEqual(self.findings(), [])
                path.write_text(good)
        if snapshot:
            self.spoil(snapshot[0], 3)
            self.assertEqual([name for name, _, _ in self.findings()], [snapshot[0].name])

    def test_an_empty_checkpoint_is_kafkas(self):
        (self.data / "cleaner-offset-checkpoint").write_bytes(b"")
        self.assertEqual(self.findings(), [])
        self.assertEqual(self.rows("dump", self.data / "cleaner-offset-checkpoint"), [])

    def test_strange_names_are_notes(self):
        (self.folder / "notes.txt").write_text("mine")
        (self.data / "stray").write_text("mine")
        notes = self.rows("verify", self.data, kind="note")
        self.assertEqual(sorted(pathlib.Path(row["file"]).name for row in notes), ["notes.txt", "stray"])

    def test_a_running_broker(self):
        with broker.Barnabas(self.data):
            self.assertEqual(self.rows("verify", self.data, kind="finding"), [])
            self.assertIn("in use", barnabas("log", "repair", self.data).stderr.decode())
            self.rows("segments", self.data)

    def test_the_journal(self):
        server = broker.Barnabas(self.data)
        server.start()
        try:
            for _ in range(3):  # the journal is made after some commits
                lines = "".join(f"later-{i}\n" for i in range(3000)).encode()
                barnabas("produce", "t", "--bootstrap", server.address, "--client", "batch.num.messages=10", "--client", "linger.ms=0", stdin=lines)
        finally:
            server.kill()
        journals = [path for path in self.data.glob("barnabas-journal.*") if path.suffix[1:].isdigit()]
        for journal in journals:
            groups = self.rows("dump", journal, kind="group")
            self.assertTrue(groups)
            self.assertEqual([g["sequence"] for g in groups], sorted(g["sequence"] for g in groups))
        self.assertEqual(self.rows("verify", self.data, kind="finding"), [])

    def test_the_scrubber(self):
        settings = {"barnabas.scrub.interval.ms": 1000}
        good = self.logs[0].with_suffix(".index").read_bytes()
        self.spoil(self.logs[0].with_suffix(".index"), 7)
        batch = self.batches(self.logs[1])[1]
        self.spoil(self.logs[1], batch["position"] + 80)
        server = broker.Barnabas(self.data, settings)
        with server:
            log = lambda: server.log.read_text()
            broker.until(lambda: f"{self.logs[1].name} position={batch['position']} " in log(), "the bad batch is told")
            broker.until(lambda: self.logs[0].with_suffix(".index").read_bytes() == good, "the index is built anew")
            rounds = log().count('msg="scrubbed"')
            broker.until(lambda: log().count('msg="scrubbed"') > rounds + 1, "it goes on")
            self.assertEqual(log().count("went bad"), 2)
        self.assertEqual([name for name, _, _ in self.findings()], [self.logs[1].name])

    def test_usage(self):
        self.log("verify", status=2)
        self.log("dump", self.data, "--from", "soon", status=2)
        self.log("dump", self.data / "nowhere.log", status=1)
        self.log("verify", self.data / "stray", status=1)


if __name__ == "__main__":
    unittest.main()
