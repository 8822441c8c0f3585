/* SPDX-License-Identifier: Apache-2.0
 * Records produced, good and bad, plainly and with a producer id. (Rows 2, 3 and 10 of the compatibility traps: all
 * codecs, deduplication, sizes that are refused; section Records of the hostile input: batches that lie.)
 */
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.DescribeProducersRequestData;
import org.apache.kafka.common.message.InitProducerIdRequestData;
import org.apache.kafka.common.message.InitProducerIdResponseData;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.ProduceRequestData.PartitionProduceData;
import org.apache.kafka.common.message.ProduceRequestData.TopicProduceData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.utils.Crc32C;

final class Producing {
    static final long TIME = 1_700_000_000_000L;

    /* Where the fields of a batch are. */
    private static final int LENGTH = 8, MAGIC = 16, CRC = 17, ATTRIBUTES = 21, LAST_OFFSET_DELTA = 23, BASE_TIMESTAMP = 27,
        MAX_TIMESTAMP = 35, PRODUCER_ID = 43, COUNT = 57, RECORDS = 61;

    static void add(Scenes scenes) {
        scenes.each(ApiKeys.PRODUCE, "produce/plain", (s, v) -> {
            String topic = s.topic("", 2);
            s.call(v, request(s, v, topic, 0, plain(0, 3)));
            s.call(v, request(s, v, topic, 0, plain(3, 2)));
            s.call(v, request(s, v, topic, 1, plain(0, 1)));
            Fetching.tell(s, topic, 0, 0);
        });
        for (CompressionType type : CompressionType.values())
            scenes.each(ApiKeys.PRODUCE, "produce/compressed-" + type.name, (s, v) -> {
                String topic = s.topic("", 1);
                s.call(v, request(s, v, topic, 0, compressed(type)));
                Fetching.tell(s, topic, 0, 0);
            });
        for (int acks : new int[] {1, 0, 2, -2})
            scenes.each(ApiKeys.PRODUCE, "produce/acks/" + acks, (s, v) -> {
                String topic = s.topic("", 1);
                var request = request(s, v, topic, 0, plain(0, 1)).setAcks((short) acks);
                if (acks == 0) {
                    s.main().raw(Connection.frame(s.main().header((short) 0, v, ApiKeys.PRODUCE.requestHeaderVersion(v)), Connection.bytes(request, v)));
                    s.call("the next reply is the next request's", 1, new MetadataRequestData().setTopics(List.of()));
                } else {
                    s.call(v, request);
                }
            });
        scenes.each(ApiKeys.PRODUCE, "produce/acks-0-and-bad", (s, v) -> {
            var request = request(s, v, s.topic("", 1), 7, plain(0, 1)).setAcks((short) 0);
            s.main().raw(Connection.frame(s.main().header((short) 0, v, ApiKeys.PRODUCE.requestHeaderVersion(v)), Connection.bytes(request, v)));
            s.told("after an error without a reply", s.main().receiveRaw());
        });
        scenes.each(ApiKeys.PRODUCE, "produce/nowhere", (s, v) -> {
            String topic = s.topic("", 1);
            s.call("missing partition", v, request(s, v, topic, 7, plain(0, 1)));
            s.call("negative partition", v, request(s, v, topic, -1, plain(0, 1)));
            if (v < 13)
                s.call("missing topic", v, request(s, v, "missing-" + topic, 0, plain(0, 1)));
            else
                s.call("missing id", v, request(v, null, new Uuid(7, 7), 0, plain(0, 1)));
        });
        scenes.each(ApiKeys.PRODUCE, "produce/no-topics", (s, v) ->
            s.call(v, new ProduceRequestData().setAcks((short) -1).setTimeoutMs(1000)));
        scenes.each(ApiKeys.PRODUCE, "produce/several-partitions-some-bad", (s, v) -> {
            var request = request(s, v, s.topic("", 3), 0, plain(0, 2));
            var partitions = new ArrayList<>(request.topicData().iterator().next().partitionData());
            partitions.add(new PartitionProduceData().setIndex(1).setRecords(broken(b -> b.putInt(CRC, 1))));
            partitions.add(new PartitionProduceData().setIndex(2).setRecords(plain(0, 2)));
            partitions.add(new PartitionProduceData().setIndex(3).setRecords(plain(0, 2)));
            request.topicData().iterator().next().setPartitionData(partitions);
            s.call(v, request);
        });

        scenes.each(ApiKeys.PRODUCE, "produce/batch-null-records", (s, v) -> {
            s.main().impatient();
            s.call(v, request(s, v, s.topic("", 1), 0, null));
        });
        bad(scenes, "empty-records", MemoryRecords.EMPTY);
        bad(scenes, "bad-crc", broken(b -> b.putInt(CRC, 0x12345678)));
        bad(scenes, "flipped-bit-of-a-value", broken(b -> b.put(b.limit() - 3, (byte) (b.get(b.limit() - 3) ^ 1))));
        bad(scenes, "magic-0", MemoryRecords.withRecords((byte) 0, Compression.NONE, new SimpleRecord("v".getBytes())));
        bad(scenes, "magic-1", MemoryRecords.withRecords((byte) 1, Compression.NONE, new SimpleRecord(TIME, "v".getBytes())));
        bad(scenes, "magic-3", broken(b -> b.put(MAGIC, (byte) 3)));
        bad(scenes, "magic-negative", broken(b -> b.put(MAGIC, (byte) -1)));
        bad(scenes, "length-too-great", broken(b -> b.putInt(LENGTH, b.getInt(LENGTH) + 1)));
        bad(scenes, "length-too-small", broken(b -> b.putInt(LENGTH, b.getInt(LENGTH) - 1)));
        bad(scenes, "length-zero", broken(b -> b.putInt(LENGTH, 0)));
        bad(scenes, "length-negative", broken(b -> b.putInt(LENGTH, -1)));
        bad(scenes, "length-greatest", broken(b -> b.putInt(LENGTH, Integer.MAX_VALUE)));
        bad(scenes, "header-cut", cut(plain(0, 3), 40));
        bad(scenes, "records-cut", cut(plain(0, 3), RECORDS + 5));
        bad(scenes, "bytes-after-the-batch", joined(plain(0, 3), MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[5]))));
        bad(scenes, "two-batches", joined(plain(0, 3), plain(3, 3)));
        bad(scenes, "count-too-great", lying(b -> b.putInt(COUNT, 4).putInt(LAST_OFFSET_DELTA, 3)));
        bad(scenes, "count-too-small", lying(b -> b.putInt(COUNT, 2).putInt(LAST_OFFSET_DELTA, 1)));
        bad(scenes, "count-zero", lying(b -> b.putInt(COUNT, 0)));
        bad(scenes, "count-negative", lying(b -> b.putInt(COUNT, -1)));
        bad(scenes, "count-greatest", lying(b -> b.putInt(COUNT, Integer.MAX_VALUE)));
        bad(scenes, "count-and-last-offset-greatest", lying(b -> b.putInt(COUNT, Integer.MAX_VALUE).putInt(LAST_OFFSET_DELTA, Integer.MAX_VALUE - 1)));
        bad(scenes, "last-offset-delta-of-another-count", lying(b -> b.putInt(LAST_OFFSET_DELTA, 7)));
        bad(scenes, "last-offset-delta-negative", lying(b -> b.putInt(LAST_OFFSET_DELTA, -1)));
        bad(scenes, "offset-deltas-not-in-a-row", lying(b -> b.put(RECORDS + 3, (byte) 4)));
        bad(scenes, "record-length-too-great", lying(b -> b.put(RECORDS, (byte) 0x7e)));
        bad(scenes, "record-length-negative", lying(b -> b.put(RECORDS, (byte) 1)));
        bad(scenes, "base-offset-not-zero", broken(b -> b.putLong(0, 77)));
        bad(scenes, "compression-unknown", lying(b -> b.putShort(ATTRIBUTES, (short) 5)));
        bad(scenes, "compression-claimed", lying(b -> b.putShort(ATTRIBUTES, (short) 1)));
        bad(scenes, "attributes-unknown", lying(b -> b.putShort(ATTRIBUTES, (short) 0x4000)));
        bad(scenes, "log-append-time-claimed", lying(b -> b.putShort(ATTRIBUTES, (short) 8)));
        bad(scenes, "control-batch", MemoryRecords.withEndTransactionMarker(5, (short) 0,
            new EndTransactionMarker(org.apache.kafka.common.record.internal.ControlRecordType.COMMIT, 0)));
        bad(scenes, "control-claimed", lying(b -> b.putShort(ATTRIBUTES, (short) 0x20)));
        bad(scenes, "transactional-without-a-transactional-id", lying(b -> b.putShort(ATTRIBUTES, (short) 0x10).putLong(PRODUCER_ID, 5)
            .putShort(PRODUCER_ID + 8, (short) 0).putInt(PRODUCER_ID + 10, 0)));
        bad(scenes, "producer-id-without-sequence", lying(b -> b.putLong(PRODUCER_ID, 5)));
        bad(scenes, "delete-horizon-claimed", lying(b -> b.putShort(ATTRIBUTES, (short) 0x40)));
        bad(scenes, "max-timestamp-of-another-time", lying(b -> b.putLong(MAX_TIMESTAMP, TIME + 1000)));
        bad(scenes, "max-timestamp-negative", lying(b -> b.putLong(MAX_TIMESTAMP, -1)));
        bad(scenes, "base-timestamp-negative", lying(b -> b.putLong(BASE_TIMESTAMP, -1).putLong(MAX_TIMESTAMP, -1)));
        bad(scenes, "no-timestamp", MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(RecordBatch.NO_TIMESTAMP, "v".getBytes())));
        bad(scenes, "of-two-hours-ahead", MemoryRecords.withRecords(Compression.NONE,
            new SimpleRecord(System.currentTimeMillis() + 7_200_000, "v".getBytes())));
        bad(scenes, "of-1970", MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(0, "v".getBytes())));
        bad(scenes, "null-value-and-key", MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(TIME, (byte[]) null, null)));
        for (CompressionType type : CompressionType.values())
            if (type != CompressionType.NONE)
                bad(scenes, "compressed-garbage-" + type.name, garbage(type));

        scenes.each(ApiKeys.PRODUCE, "produce/too-large", (s, v) -> {
            String topic = s.topic("", 1, "max.message.bytes", "200");
            s.call("just fits", v, request(s, v, topic, 0, sized(200)));
            s.call("too large by one", v, request(s, v, topic, 0, sized(201)));
        });
        scenes.each(ApiKeys.PRODUCE, "produce/old-records-refused", (s, v) -> {
            String topic = s.topic("", 1, "message.timestamp.before.max.ms", "3600000");
            s.call(v, request(s, v, topic, 0, plain(0, 2)));
        });
        scenes.each(ApiKeys.PRODUCE, "produce/log-append-time", (s, v) -> {
            String topic = s.topic("", 1, "message.timestamp.type", "LogAppendTime");
            s.call(v, request(s, v, topic, 0, plain(0, 2)));
            Fetching.tell(s, topic, 0, 0);
        });
        scenes.each(ApiKeys.PRODUCE, "produce/compacted-without-key", (s, v) -> {
            String topic = s.topic("", 1, "cleanup.policy", "compact");
            s.call("no keys", v, request(s, v, topic, 0, plain(0, 2)));
            s.call("a key", v, request(s, v, topic, 0, MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(TIME, "k".getBytes(), "v".getBytes()))));
            s.call("a key and none", v, request(s, v, topic, 0, MemoryRecords.withRecords(Compression.NONE,
                new SimpleRecord(TIME, "k".getBytes(), "v".getBytes()), new SimpleRecord(TIME, "v".getBytes()))));
            s.call("a tombstone", v, request(s, v, topic, 0, MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(TIME, "k".getBytes(), null))));
        });
        scenes.each(ApiKeys.PRODUCE, "produce/recompressed-for-the-topic", (s, v) -> {
            String topic = s.topic("", 1, "compression.type", "gzip");
            s.call(v, request(s, v, topic, 0, plain(0, 3)));
            var reply = s.main().call((short) 12, Fetching.fetch((short) 12, null, topic, 0, 0));
            s.tell("compression", reply.json().findValue("compression"));
        });
        scenes.each(ApiKeys.PRODUCE, "produce/to-an-internal-topic", (s, v) -> {
            s.group("");
            if (v < 13)
                s.call(v, request(s, v, "__consumer_offsets", 0, plain(0, 1)));
        });
        scenes.each(ApiKeys.PRODUCE, "produce/min-insync-replicas", (s, v) -> {
            String topic = s.topic("", 1, "min.insync.replicas", "2");
            s.call("acks -1", v, request(s, v, topic, 0, plain(0, 1)));
            s.call("acks 1", v, request(s, v, topic, 0, plain(0, 1)).setAcks((short) 1));
        });

        scenes.each(ApiKeys.INIT_PRODUCER_ID, "init-producer-id/plain", (s, v) -> {
            producerId(s);
            s.call(v, new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(60_000));
            s.call(v, new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(-1));
            s.call("empty transactional id", v, new InitProducerIdRequestData().setTransactionalId("").setTransactionTimeoutMs(60_000));
        });
        scenes.each(ApiKeys.INIT_PRODUCER_ID, 3, "init-producer-id/with-an-id", (s, v) -> {
            producerId(s);
            InitProducerIdResponseData given = s.call(v, new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(60_000));
            s.call("same id", v, new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(60_000)
                .setProducerId(given.producerId()).setProducerEpoch(given.producerEpoch()));
            s.call("id without epoch", v, new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(60_000)
                .setProducerId(given.producerId()));
        });

        scenes.each(ApiKeys.PRODUCE, "produce/idempotent", (s, v) -> {
            String topic = s.topic("", 1);
            long id = producerId(s);
            sequence(s, v, topic, "first", id, 0, 0, 3);
            sequence(s, v, topic, "second", id, 0, 3, 2);
            sequence(s, v, topic, "second again", id, 0, 3, 2);
            sequence(s, v, topic, "first again", id, 0, 0, 3);
            sequence(s, v, topic, "first again, another size", id, 0, 0, 2);
            sequence(s, v, topic, "a gap", id, 0, 9, 1);
            sequence(s, v, topic, "overlapping", id, 0, 4, 2);
            sequence(s, v, topic, "third", id, 0, 5, 1);
            sequence(s, v, topic, "new epoch not from 0", id, 1, 6, 1);
            sequence(s, v, topic, "new epoch", id, 1, 0, 1);
            sequence(s, v, topic, "old epoch", id, 0, 6, 1);
            sequence(s, v, topic, "old epoch, old batch", id, 0, 0, 3);
            Fetching.tell(s, topic, 0, 0);
        });
        scenes.each(ApiKeys.PRODUCE, "produce/idempotent-remembers-five", (s, v) -> {
            String topic = s.topic("", 1);
            long id = producerId(s);
            for (int i = 0; i < 7; i++)
                sequence(s, v, topic, "batch " + i, id, 0, i, 1);
            for (int i = 6; i >= 0; i--)
                sequence(s, v, topic, "batch " + i + " again", id, 0, i, 1);
        });
        scenes.each(ApiKeys.PRODUCE, "produce/idempotent-unknown-producer", (s, v) -> {
            String topic = s.topic("", 1);
            long id = producerId(s);
            sequence(s, v, topic, "begins late", id, 0, 10, 2);
            sequence(s, v, topic, "goes on", id, 0, 12, 2);
            sequence(s, v, topic, "id of nobody", 1L << 40, 0, 0, 1);
            sequence(s, v, topic, "epoch of nobody", id + 1, 5, 0, 1);
        });
        scenes.each(ApiKeys.PRODUCE, "produce/idempotent-sequence-wraps", (s, v) -> {
            String topic = s.topic("", 1);
            long id = producerId(s);
            sequence(s, v, topic, "near the end", id, 0, Integer.MAX_VALUE - 1, 1);
            sequence(s, v, topic, "over it", id, 0, Integer.MAX_VALUE, 3);
            sequence(s, v, topic, "over it again", id, 0, Integer.MAX_VALUE, 3);
            sequence(s, v, topic, "after it", id, 0, 2, 1);
        });
        scenes.each(ApiKeys.PRODUCE, "produce/idempotent-per-partition", (s, v) -> {
            String topic = s.topic("", 2);
            long id = producerId(s);
            s.call(v, request(s, v, topic, 0, idempotent(id, 0, 0, 2)));
            s.call(v, request(s, v, topic, 1, idempotent(id, 0, 0, 2)));
            s.call("a gap", v, request(s, v, topic, 1, idempotent(id, 0, 3, 2)));
        });
        scenes.each(ApiKeys.PRODUCE, "produce/idempotent-after-delete-records", (s, v) -> {
            String topic = s.topic("", 1);
            long id = producerId(s);
            sequence(s, v, topic, "first", id, 0, 0, 3);
            s.quietly(Topics.cut(topic, 0, -1));
            sequence(s, v, topic, "second", id, 0, 3, 1);
            sequence(s, v, topic, "first again", id, 0, 0, 3);
        });
        scenes.each(ApiKeys.DESCRIBE_PRODUCERS, "describe-producers/plain", (s, v) -> {
            String topic = s.topic("", 2);
            long id = producerId(s);
            short latest = ApiKeys.PRODUCE.latestVersion();
            s.quietly(request(s, latest, topic, 0, idempotent(id, 0, 0, 2)));
            s.quietly(request(s, latest, topic, 0, idempotent(id, 3, 0, 4)));
            s.call(v, producers(topic, 0, 1, 7));
            s.call(v, producers("missing-" + topic, 0));
            s.call(v, producers("a b", 0));
        });
    }

    private static void bad(Scenes scenes, String name, MemoryRecords records) {
        scenes.each(ApiKeys.PRODUCE, "produce/batch-" + name, (s, v) -> {
            String topic = s.topic("", 1);
            s.call(v, request(s, v, topic, 0, records));
            s.call("and a good one", v, request(s, v, topic, 0, plain(0, 1)));
        });
    }

    private static void sequence(Scenes.Scene s, short version, String topic, String label, long id, int epoch, int sequence, int count) throws Exception {
        s.call(label, version, request(s, version, topic, 0, idempotent(id, epoch, sequence, count)));
    }

    static long producerId(Scenes.Scene s) throws Exception {
        InitProducerIdResponseData[] reply = new InitProducerIdResponseData[1];
        Scenes.Scene.until("a producer id", () -> {
            reply[0] = s.quietly(new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(60_000));
            return reply[0].errorCode() == 0; /* Kafka has none ready at first */
        });
        return reply[0].producerId();
    }

    static ProduceRequestData request(Scenes.Scene s, short version, String topic, int partition, MemoryRecords records) throws Exception {
        return request(version, topic, version >= 13 ? s.topicId(topic) : Uuid.ZERO_UUID, partition, records);
    }

    static ProduceRequestData request(short version, String topic, Uuid id, int partition, MemoryRecords records) {
        ProduceRequestData request = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30_000);
        TopicProduceData data = new TopicProduceData().setPartitionData(
            List.of(new PartitionProduceData().setIndex(partition).setRecords(records)));
        request.topicData().mustAdd(version >= 13 ? data.setTopicId(id) : data.setName(topic));
        return request;
    }

    /** Puts `count` records, one a batch. */
    static void quietly(Scenes.Scene s, String topic, int partition, int count) throws Exception {
        for (int i = 0; i < count; i++)
            s.quietly(request(s, ApiKeys.PRODUCE.latestVersion(), topic, partition, plain(i, 1)));
    }

    static SimpleRecord[] records(int from, int count) {
        SimpleRecord[] made = new SimpleRecord[count];
        for (int i = 0; i < count; i++)
            made[i] = new SimpleRecord(TIME + from + i, ("value " + (from + i)).getBytes());
        return made;
    }

    static MemoryRecords plain(int from, int count) {
        return MemoryRecords.withRecords(Compression.NONE, records(from, count));
    }

    private static MemoryRecords compressed(CompressionType type) {
        return MemoryRecords.withRecords(Compression.of(type).build(), records(0, 50));
    }

    private static MemoryRecords idempotent(long id, int epoch, int sequence, int count) {
        return MemoryRecords.withRecords(RecordBatch.CURRENT_MAGIC_VALUE, 0L, Compression.NONE, TimestampType.CREATE_TIME, id, (short) epoch, sequence,
            -1, false, records(sequence & 0xff, count));
    }

    /** A batch of one record that is `size` bytes long as a whole. */
    private static MemoryRecords sized(int size) {
        int overhead = MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(TIME, new byte[100])).sizeInBytes() - 100;
        return MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(TIME, new byte[size - overhead]));
    }

    /** Changed in transit: the checksum is the old one. */
    private static MemoryRecords broken(Consumer<ByteBuffer> change) {
        ByteBuffer bytes = copy(plain(0, 3));
        change.accept(bytes);
        return MemoryRecords.readableRecords(bytes);
    }

    /** Made wrong by the client: the checksum is right. */
    private static MemoryRecords lying(Consumer<ByteBuffer> change) {
        ByteBuffer bytes = copy(plain(0, 3));
        change.accept(bytes);
        return checksummed(bytes);
    }

    private static MemoryRecords garbage(CompressionType type) {
        ByteBuffer bytes = copy(compressed(type));
        for (int i = RECORDS + 10; i < bytes.limit(); i++)
            bytes.put(i, (byte) 0x5a);
        return checksummed(bytes);
    }

    private static MemoryRecords checksummed(ByteBuffer bytes) {
        bytes.putInt(CRC, (int) Crc32C.compute(bytes, ATTRIBUTES, bytes.limit() - ATTRIBUTES));
        return MemoryRecords.readableRecords(bytes);
    }

    private static ByteBuffer copy(MemoryRecords records) {
        ByteBuffer from = records.buffer();
        return ByteBuffer.allocate(from.remaining()).put(from).flip();
    }

    private static MemoryRecords cut(MemoryRecords records, int size) {
        return MemoryRecords.readableRecords(copy(records).limit(size));
    }

    private static MemoryRecords joined(MemoryRecords first, MemoryRecords second) {
        ByteBuffer both = ByteBuffer.allocate(first.sizeInBytes() + second.sizeInBytes());
        return MemoryRecords.readableRecords(both.put(first.buffer()).put(second.buffer()).flip());
    }

    private static DescribeProducersRequestData producers(String topic, Integer... partitions) {
        return new DescribeProducersRequestData().setTopics(List.of(new DescribeProducersRequestData.TopicRequest().setName(topic)
            .setPartitionIndexes(List.of(partitions))));
    }
}
