# SPDX-License-Identifier: Apache-2.0
"""kafka-python 2.0.2 as a client of an old Kafka: ADDRESS TOPIC VERSION CODEC.

With the version given it negotiates nothing and sends what clients sent then: up to 0.9 records of format 0, from 0.10 on
those of format 1 and timestamps, from 0.11 on batches. It produces, reads back as a member of a group, commits, and
reads what another client has put there before it: `new 0` .. `new 9`.
"""
import sys

import kafka

address, topic, version, codec = sys.argv[1:]
version = tuple(map(int, version.split(".")))
common = {"bootstrap_servers": address, "api_version": version}

producer = kafka.KafkaProducer(acks="all", compression_type=None if codec == "none" else codec, **common)
sent = [producer.send(topic, key=b"key %d" % i, value=b"old %d" % i, timestamp_ms=1_600_000_000_000 + i if version >= (0, 10) else None)
        for i in range(50)]
producer.flush()
offsets = [one.get(30).offset for one in sent]
assert offsets == list(range(10, 60)), offsets

consumer = kafka.KafkaConsumer(topic, group_id="old-" + topic, auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=60_000,
                               **common)
seen = []
for record in consumer:
    seen.append(record)
    if len(seen) == 60:
        break
assert [r.value for r in seen] == [b"new %d" % i for i in range(10)] + [b"old %d" % i for i in range(50)], [r.value for r in seen]
assert [r.offset for r in seen] == list(range(60)), [r.offset for r in seen]
assert [r.key for r in seen[10:]] == [b"key %d" % i for i in range(50)]
if version >= (0, 10):
    assert [r.timestamp for r in seen[10:]] == [1_600_000_000_000 + i for i in range(50)], [r.timestamp for r in seen]
consumer.commit()
assert consumer.committed(kafka.TopicPartition(topic, 0)) == 60
consumer.close()
