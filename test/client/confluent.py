# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka, over its own librdkafka, for run.py."""

import sys

import confluent_kafka
from confluent_kafka.admin import AdminClient

from adapter import POLL_S, decode, headers_of, record, serve


def record_of(message):
    if message.error():
        raise confluent_kafka.KafkaException(message.error())
    return record(
        message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers()
    )


class Confluent:
    def __init__(self, address):
        self.address = {"bootstrap.servers": address}
        self.consumer = None

    def create(self, topic, partitions):
        admin = AdminClient(self.address)
        for future in admin.create_topics([confluent_kafka.admin.NewTopic(topic, partitions, 1)]).values():
            future.result()

    def produce(self, topic, codec, records):
        failures = []
        producer = confluent_kafka.Producer(
            {**self.address, "compression.type": codec, "enable.idempotence": True, "message.max.bytes": 1 << 22}
        )
        for item in records:
            producer.produce(
                topic,
                decode(item["value"]),
                decode(item["key"]),
                item["partition"],
                timestamp=item["timestamp"],
                headers=headers_of(item),
                on_delivery=lambda error, _: error and failures.append(error),
            )
        producer.flush()
        if failures:
            raise confluent_kafka.KafkaException(failures[0])

    def read(self, topic, partition, count, offset=None, timestamp=None):
        consumer = confluent_kafka.Consumer({**self.address, "group.id": "none", "enable.auto.commit": False})
        place = confluent_kafka.TopicPartition(topic, partition, timestamp if timestamp is not None else offset)
        if timestamp is not None:
            (place,) = consumer.offsets_for_times([place])
        consumer.assign([place])
        records = []
        while len(records) < count:
            records += map(record_of, consumer.consume(count, POLL_S))
        consumer.close()
        return records

    def join(self, topic, group):
        self.consumer = confluent_kafka.Consumer(
            {
                **self.address,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "heartbeat.interval.ms": 300,
            }
        )
        self.consumer.subscribe([topic])

    def poll(self):
        return [record_of(message) for message in self.consumer.consume(1000, POLL_S)]

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def leave(self):
        self.consumer.close()


serve(Confluent(sys.argv[1]))
