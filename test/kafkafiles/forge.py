# SPDX-License-Identifier: Apache-2.0
"""What a Kafka of another kind would have left in a directory: records put behind a metadata log, and other small changes.

Each function of FORGERIES makes out of a directory with a topic `t` of one partition one that cannot be carried on."""

import base64
import re
import struct

_TABLE = []
for _i in range(256):
    for _ in range(8):
        _i = _i >> 1 ^ (0x82F63B78 if _i & 1 else 0)
    _TABLE.append(_i)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def uvarint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def varint(value):
    return uvarint(value << 1 if value >= 0 else (-value << 1) - 1)


def text(value):
    return uvarint(len(value) + 1) + value.encode()


def batch(base_offset, epoch, values, key=None, attributes=0, producer=(-1, -1, -1)):
    """A batch of records without timestamps; the producer's id, epoch and sequence."""
    body = b""
    for i, value in enumerate(values):
        one = b"\0" + varint(0) + varint(i) + (varint(len(key)) + key if key is not None else varint(-1)) + varint(len(value)) + value + varint(0)
        body += varint(len(one)) + one
    covered = struct.pack(">hiqqqhii", attributes, len(values) - 1, 0, 0, *producer, len(values)) + body
    return struct.pack(">qiibI", base_offset, len(covered) + 9, epoch, 2, crc32c(covered)) + covered


def append(directory, values, key=None, attributes=0):
    """Puts a batch behind the metadata log; its time index then tells too much, which nobody minds."""
    log = sorted((directory / "__cluster_metadata-0").glob("*.log"))[-1]
    data, at, offset, epoch = log.read_bytes(), 0, int(log.stem), 0
    while at < len(data):
        base, length, epoch = struct.unpack_from(">qii", data, at)
        offset = base + struct.unpack_from(">i", data, at + 23)[0] + 1
        at += 12 + length
    log.write_bytes(data + batch(offset, epoch, values, key, attributes))


def metadata(kind, version, fields):
    return uvarint(1) + uvarint(kind) + uvarint(version) + fields


def topic_id(directory):
    found = re.search(r"topic_id: (\S+)", (directory / "t-0/partition.metadata").read_text())[1]
    return base64.urlsafe_b64decode(found + "==")


def replace(path, old, new):
    content = path.read_text()
    changed = re.sub(old, new, content)
    assert changed != content, f"{path}: no {old}"
    path.write_text(changed)


def feature(name, level):
    return metadata(12, 0, text(name) + struct.pack(">h", level) + b"\0")


def zookeeper(directory):
    (directory / "meta.properties").write_text("version=0\nbroker.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\n")


def another_node(directory):
    replace(directory / "meta.properties", "node.id=1", "node.id=7")


def newer_metadata_version(directory):
    append(directory, [feature("metadata.version", 99)])


def older_metadata_version(directory):
    append(directory, [feature("metadata.version", 3)])


def unknown_feature(directory):
    append(directory, [feature("telepathy.version", 1)])


def unknown_record(directory):
    append(directory, [metadata(90, 0, b"\0")])


def newer_record(directory):
    append(directory, [metadata(2, 9, text("new") + bytes(16) + b"\0")])


def two_brokers(directory):
    append(directory, [metadata(0, 1, struct.pack(">i", 2) + bytes(16) + struct.pack(">q", 5) + uvarint(1) + uvarint(1) + uvarint(0) + b"\1\0\0")])


def replica_elsewhere(directory):
    replicas = uvarint(3) + struct.pack(">ii", 1, 2)
    append(directory, [metadata(5, 0, struct.pack(">i", 0) + topic_id(directory) + uvarint(1) + uvarint(2) + uvarint(len(replicas)) + replicas)])


def tiered_storage(directory):
    append(directory, [metadata(4, 0, struct.pack(">b", 2) + text("t") + text("remote.storage.enable") + text("true") + b"\0")])


def two_voters(directory):
    """As a quorum of KIP-853 has them, in the log."""
    voters = b"".join(struct.pack(">i", i) + bytes(16) + uvarint(1) + struct.pack(">hh", 0, 1) + b"\0\0" for i in (1, 2))
    append(directory, [struct.pack(">h", 0) + uvarint(3) + voters + b"\0"], key=struct.pack(">hh", 0, 6), attributes=0x20)


def unknown_control_record(directory):
    append(directory, [b"\0"], key=struct.pack(">hh", 0, 60), attributes=0x20)


def two_static_voters(directory):
    path = directory / "__cluster_metadata-0/quorum-state"
    path.write_text('{"clusterId":"","leaderId":1,"leaderEpoch":9,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}')


# What is done to the directory, and what is said of it.
FORGERIES = {
    zookeeper: "ZooKeeper",
    another_node: "belongs to node 7",
    newer_metadata_version: "metadata.version is 99",
    older_metadata_version: "metadata.version is 3",
    unknown_feature: "feature telepathy.version is not known",
    unknown_record: "metadata record of unknown type 90",
    unknown_control_record: "control record of unknown type 60",
    newer_record: "metadata record TopicRecord of unknown version 9",
    two_brokers: "broker 2 is registered",
    replica_elsewhere: "partition t-0 is not of node 1 alone",
    tiered_storage: "topic t has tiered storage",
    two_voters: "quorum has 2 voters",
    two_static_voters: "quorum has 2 voters",
}
