// SPDX-License-Identifier: Apache-2.0
// Makes golden/*.bin with Kafka's own code, and reads back what ours wrote:
//   java -cp '<kafka-clients 4.3.1 and the codec jars>' Golden.java make DIR
//   java -cp ... Golden.java read FILE...      prints each record; fails on bytes that Kafka refuses
// The records are those of `expected` in test_golden.c.
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

class Golden {
    static final long TIME = 1700000000000L;

    static void save(String dir, String name, ByteBuffer bytes) throws Exception {
        byte[] b = new byte[bytes.remaining()];
        bytes.duplicate().get(b);
        Files.write(Path.of(dir, name + ".bin"), b);
    }

    static void append(MemoryRecordsBuilder b, long offset, long time, byte[] key, byte[] value, Header... headers) {
        b.appendWithOffset(offset, time, key, value, b.magic() >= 2 ? headers : new Header[0]);
    }

    static MemoryRecords batch(byte magic, CompressionType type, boolean transactional) {
        MemoryRecordsBuilder b = transactional
            ? MemoryRecords.builder(ByteBuffer.allocate(1 << 20), magic, Compression.of(type).build(), TimestampType.CREATE_TIME, 0L,
                                    RecordBatch.NO_TIMESTAMP, 4711L, (short) 3, 99, true, 7)
            : MemoryRecords.builder(ByteBuffer.allocate(1 << 20), magic, Compression.of(type).build(), TimestampType.CREATE_TIME, 0L);
        byte[] large = new byte[100000];
        for (int i = 0; i < large.length; i++)
            large[i] = (byte) (i % 251);
        append(b, 0, TIME, "key".getBytes(), "value".getBytes(), new RecordHeader("h", "x".getBytes()), new RecordHeader("none", (byte[]) null));
        append(b, 1, TIME + 5000, null, "no key".getBytes());
        append(b, 2, TIME - 3, "tombstone".getBytes(), null);
        append(b, 3, TIME, new byte[0], new byte[0], new RecordHeader("", new byte[0]));
        if (type != CompressionType.NONE)
            append(b, 4, TIME + 1, "large".getBytes(), large);
        return b.build();
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("make")) {
            for (CompressionType type : CompressionType.values()) {
                save(args[1], "v2-" + type.name, batch((byte) 2, type, false).buffer());
                for (byte magic = 0; magic < 2 && type != CompressionType.ZSTD; magic++)
                    save(args[1], "v" + magic + "-" + type.name, batch(magic, type, false).buffer());
            }
            save(args[1], "v2-transactional", batch((byte) 2, CompressionType.NONE, true).buffer());
            return;
        }
        for (String file : Arrays.copyOfRange(args, 1, args.length))
            for (RecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(Path.of(file)))).batches()) {
                batch.ensureValid();
                for (org.apache.kafka.common.record.internal.Record r : batch) {
                    r.ensureValid();
                    System.out.printf("%s magic %d %s offset %d time %d key %d value %d headers %d%n", Path.of(file).getFileName(), batch.magic(),
                        batch.compressionType(), r.offset(), r.timestamp(), r.keySize(), r.valueSize(), r.headers().length);
                }
            }
    }
}
