# SPDX-License-Identifier: Apache-2.0
"""aiokafka for run.py. Its loop runs in a thread of its own, so that heartbeats go on between two commands."""

import asyncio
import sys
import threading

import aiokafka
import aiokafka.admin

from adapter import POLL_S, decode, headers_of, record, serve


def records_of(message_sets):
    return [
        record(message.partition, message.offset, message.timestamp, message.key, message.value, message.headers)
        for messages in message_sets.values()
        for message in messages
    ]


class Aio:
    def __init__(self, address):
        self.address = address
        self.consumer = None

    async def create(self, topic, partitions):
        admin = aiokafka.admin.AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        await admin.create_topics([aiokafka.admin.NewTopic(topic, partitions, 1)])
        await admin.close()

    async def produce(self, topic, codec, records):
        async with aiokafka.AIOKafkaProducer(
            bootstrap_servers=self.address,
            enable_idempotence=True,
            linger_ms=5,
            compression_type=None if codec == "none" else codec,
            max_request_size=1 << 22,
        ) as producer:
            sent = [
                await producer.send(
                    topic,
                    decode(item["value"]),
                    decode(item["key"]),
                    item["partition"],
                    item["timestamp"],
                    headers_of(item),
                )
                for item in records
            ]
            await asyncio.gather(*sent)

    async def read(self, topic, partition, count, offset=None, timestamp=None):
        place = aiokafka.TopicPartition(topic, partition)
        records = []
        async with aiokafka.AIOKafkaConsumer(bootstrap_servers=self.address) as consumer:
            consumer.assign([place])
            if timestamp is not None:
                offset = (await consumer.offsets_for_times({place: timestamp}))[place].offset
            consumer.seek(place, offset)
            while len(records) < count:
                records += records_of(await consumer.getmany(timeout_ms=int(POLL_S * 1000)))
        return records

    async def join(self, topic, group):
        self.consumer = aiokafka.AIOKafkaConsumer(
            topic,
            bootstrap_servers=self.address,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=300,
        )
        await self.consumer.start()

    async def poll(self):
        return records_of(await self.consumer.getmany(timeout_ms=int(POLL_S * 1000)))

    async def commit(self):
        await self.consumer.commit()

    async def leave(self):
        await self.consumer.stop()


class Blocking:
    """The adapter with every coroutine awaited on the loop's thread."""

    def __init__(self, adapter):
        self.adapter = adapter
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def __getattr__(self, name):
        method = getattr(self.adapter, name)
        return lambda **command: asyncio.run_coroutine_threadsafe(method(**command), self.loop).result()


serve(Blocking(Aio(sys.argv[1])))
