# SPDX-License-Identifier: Apache-2.0
"""kafka-python, 2.0.2 and 3.x, for run.py."""

import sys

try:  # 2.0.2 carries a six whose lazy modules ended with Python 3.12
    import six

    sys.modules["kafka.vendor.six.moves"] = six.moves
except ImportError:
    pass

import kafka
import kafka.admin

from adapter import POLL_S, decode, headers_of, record, serve


def records_of(message_sets):
    return [
        record(message.partition, message.offset, message.timestamp, message.key, message.value, message.headers)
        for messages in message_sets.values()
        for message in messages
    ]


class KafkaPython:
    def __init__(self, address):
        self.address = address
        self.consumer = None

    def create(self, topic, partitions):
        admin = kafka.KafkaAdminClient(bootstrap_servers=self.address)
        admin.create_topics([kafka.admin.NewTopic(topic, partitions, 1)])
        admin.close()

    def produce(self, topic, codec, records):
        producer = kafka.KafkaProducer(
            bootstrap_servers=self.address,
            acks="all",
            max_request_size=1 << 22,
            linger_ms=5,
            compression_type=None if codec == "none" else codec,
        )
        sent = [
            producer.send(
                topic,
                decode(item["value"]),
                decode(item["key"]),
                headers_of(item),
                item["partition"],
                item["timestamp"],
            )
            for item in records
        ]
        for future in sent:
            future.get(60)
        producer.close()

    def read(self, topic, partition, count, offset=None, timestamp=None):
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.address, group_id=None)
        place = kafka.TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(
            place, consumer.offsets_for_times({place: timestamp})[place].offset if timestamp is not None else offset
        )
        records = []
        while len(records) < count:
            records += records_of(consumer.poll(timeout_ms=int(POLL_S * 1000)))
        consumer.close()
        return records

    def join(self, topic, group):
        self.consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=self.address,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=300,
        )

    def poll(self):
        return records_of(self.consumer.poll(timeout_ms=int(POLL_S * 1000)))

    def commit(self):
        self.consumer.commit()

    def leave(self):
        self.consumer.close()


serve(KafkaPython(sys.argv[1]))
