# SPDX-License-Identifier: Apache-2.0
"""Data directories with something in them that is not ours, or not whole: what is strange is named and left alone; what says that
the directory is somebody else's, or that it lost what it must have, is told, and then nothing was changed."""

import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker
from test_log import barnabas, content


def replace(name, old, new):
    def change(data):
        path = data / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def write(name, value):
    return lambda data: (data / name).write_bytes(value)


def remove(name):
    return lambda data: (data / name).unlink()


def bad_journal(data):
    """As after a kill; its blocks went bad."""
    (data / ".kafka_cleanshutdown").unlink()
    (data / "barnabas-journal.0").write_bytes(b"\1" * 65536)


def short_journal(data):
    (data / ".kafka_cleanshutdown").unlink()
    (data / "barnabas-journal.0").write_bytes(b"\1" * 4096)
    (data / "barnabas-journal.0.needed").write_text("65536\n")


def metadata_without_its_middle(data):
    log = next((data / "__cluster_metadata-0").glob("*.log"))
    whole = log.read_bytes()
    log.write_bytes(whole[:200] + bytes(200) + whole[400:])


REFUSED = [
    ("another version", replace("meta.properties", "version=1", "version=7"), "version"),
    ("no cluster", replace("meta.properties", "cluster.id", "cluster"), "cluster.id"),
    ("another node", replace("meta.properties", "node.id=1", "node.id=2"), "node 2"),
    ("a node that is no number", replace("meta.properties", "node.id=1", "node.id=one"), "node.id"),
    ("bytes", write("meta.properties", bytes(range(256))), "meta.properties"),
    ("nothing", write("meta.properties", b""), "meta.properties"),
    ("no properties", remove("meta.properties"), "not formatted"),
    ("a bad journal", bad_journal, "barnabas-journal.0"),
    ("a short journal", short_journal, "barnabas-journal.0"),
    ("bad metadata", metadata_without_its_middle, "__cluster_metadata"),
    ("a bad bootstrap file", write("bootstrap.checkpoint", b"nonsense"), "bootstrap.checkpoint"),
]


class Directory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-directory-"))
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        with broker.Barnabas(cls.scratch / "filled") as server:
            made = barnabas("topic", "create", "t", "--partitions", 1, "--bootstrap", server.address)
            assert made.returncode == 0, made.stderr
            barnabas("produce", "t", "--bootstrap", server.address, stdin=b"a\nb\n")

    def copy(self):
        data = pathlib.Path(tempfile.mkdtemp(dir=self.scratch)) / "data"
        shutil.copytree(self.scratch / "filled", data)
        return data

    def test_refused(self):
        for name, change, word in REFUSED:
            with self.subTest(name):
                data = self.copy()
                change(data)
                before = content(data)
                server = broker.Barnabas(data)
                with self.assertRaises(RuntimeError) as refused:
                    server.start()
                self.assertIn(word, str(refused.exception))
                self.assertEqual(content(data), before)

    def test_in_use(self):
        data = self.copy()
        with broker.Barnabas(data):
            with self.assertRaises(RuntimeError) as refused:
                broker.Barnabas(data, port=0).start()
            self.assertIn("another process", str(refused.exception))

    def test_strange_files(self):
        data = self.copy()
        strange = {data / "notes.txt": b"mine", data / "t-0/notes.txt": b"mine", data / "t-0/123.log~": b"no segment",
                   data / "a folder" / "inside": b"mine", data / "t-0" / "folder" / "inside": b"mine", data / "T-01" / "00000000000000000000.log": b"no partition"}
        for path, value in strange.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(value)
        with broker.Barnabas(data) as server:
            out = barnabas("consume", "t", "--until-end", "--bootstrap", server.address)
            self.assertEqual(out.stdout, b"a\nb\n")
            log = server.log.read_text().splitlines()
            for name in ("notes.txt", "123.log~", '"a folder"', "folder", "T-01"):
                self.assertTrue(any("left alone" in line and line.endswith(f"name={name}") for line in log), name)
        self.assertEqual({path: path.read_bytes() for path in strange}, strange)


if __name__ == "__main__":
    unittest.main()
