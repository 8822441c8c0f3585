/* SPDX-License-Identifier: Apache-2.0
 * Kafka's own log and cleaner, on the partition t-0 in a directory:
 *
 *   Clean fill DIRECTORY SEED BATCHES             appends batches of all kinds: keys and tombstones, every codec, producers, transactions
 *   Clean clean DIRECTORY NOW FROM                cleans what is not active, as of the time NOW; prints where the next run begins
 *   Clean tell DIRECTORY                          a line for each segment, batch and record
 *   Clean load DIRECTORY BATCHES                  bulk for a measurement: 100 records of 100 bytes a batch, in a million keys
 */
import java.io.File;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.common.RequestLocal;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.Cleaner;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogToClean;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.internals.log.VerificationGuard;
import org.apache.kafka.storage.internals.utils.Throttler;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

final class Clean {
    /** Time of the first record: not so long ago that the log forgets who produced it. */
    private static final long WALL = Long.getLong("wall", System.currentTimeMillis());
    private static final int PRODUCERS = 5, KEYS = 40;

    private final UnifiedLog log;

    private Clean(File directory, int segmentBytes) throws Exception {
        Properties p = new Properties();
        p.put("cleanup.policy", "compact");
        p.put("internal.segment.bytes", Integer.toString(segmentBytes));
        p.put("index.interval.bytes", "200");
        p.put("delete.retention.ms", "1000");
        p.put("message.timestamp.after.max.ms", Long.toString(Long.MAX_VALUE));
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        File folder = new File(directory, "t-0");
        folder.mkdirs();
        log = UnifiedLog.create(folder, new LogConfig(p), 0, 0, scheduler, new BrokerTopicStats(), Time.SYSTEM, 900000,
            new ProducerStateManagerConfig(Integer.MAX_VALUE, false), Integer.MAX_VALUE, new LogDirFailureChannel(10), true,
            Optional.of(new Uuid(0x0102030000000000L, 0)));
        log.updateHighWatermark(log.logEndOffset());
    }

    public static void main(String[] args) throws Exception {
        File directory = new File(args[1]);
        if (args[0].equals("tell")) {
            tell(new File(directory, "t-0"));
            return;
        }
        Clean c = new Clean(directory, args[0].equals("load") || args.length > 4 && args[4].equals("large") ? 1 << 26 : 4000);
        switch (args[0]) {
            case "fill" -> c.fill(new Random(Long.parseLong(args[2])), Integer.parseInt(args[3]));
            case "load" -> c.load(Integer.parseInt(args[2]));
            case "clean" -> c.clean(Long.parseLong(args[2]), Long.parseLong(args[3]));
            default -> throw new IllegalArgumentException(args[0]);
        }
        c.log.close();
        System.exit(0);
    }

    private void append(MemoryRecords records, AppendOrigin origin) throws Exception {
        log.appendAsLeader(records, 3, origin, RequestLocal.noCaching(), VerificationGuard.SENTINEL, (short) 1);
        log.updateHighWatermark(log.logEndOffset());
    }

    /** Transactions that a fill before this one left open are ended first, and all sequences begin anew with an epoch of their own. */
    private void fill(Random chance, int batches) throws Exception {
        short epoch = (short) (log.logEndOffset() % 30000);
        int[] sequences = new int[PRODUCERS];
        boolean[] open = new boolean[PRODUCERS];
        for (int i = 0; i < batches; i++) {
            int producer = chance.nextInt(PRODUCERS + 2);
            boolean last = i >= batches - PRODUCERS;
            if (last)
                producer = batches - 1 - i;
            if (producer < PRODUCERS && open[producer] && (last || chance.nextInt(4) == 0)) {
                append(MemoryRecords.withEndTransactionMarker(WALL + i, producer, epoch,
                    new EndTransactionMarker(chance.nextBoolean() ? ControlRecordType.COMMIT : ControlRecordType.ABORT, 1)), AppendOrigin.COORDINATOR);
                open[producer] = false;
                continue;
            }
            if (last)
                continue;
            SimpleRecord[] records = new SimpleRecord[1 + chance.nextInt(6)];
            for (int r = 0; r < records.length; r++)
                records[r] = new SimpleRecord(WALL + 10 * i + chance.nextInt(100), ("k" + chance.nextInt(KEYS)).getBytes(),
                    chance.nextInt(5) == 0 ? null : ("v" + chance.nextInt(1 << 20)).getBytes());
            Compression codec = Compression.of(CompressionType.forId(chance.nextInt(5))).build();
            if (producer >= PRODUCERS)
                append(MemoryRecords.withRecords(codec, records), AppendOrigin.CLIENT);
            else if (producer >= 3)
                append(MemoryRecords.withIdempotentRecords(codec, producer, epoch, sequences[producer], records), AppendOrigin.CLIENT);
            else
                append(MemoryRecords.withTransactionalRecords(codec, producer, epoch, sequences[producer], records), AppendOrigin.CLIENT);
            if (producer < PRODUCERS)
                sequences[producer] += records.length;
            if (producer < 3)
                open[producer] = true;
        }
    }

    private void load(int batches) throws Exception {
        Random chance = new Random(1);
        byte[] value = new byte[88];
        for (int i = 0; i < batches; i++) {
            SimpleRecord[] records = new SimpleRecord[100];
            for (int r = 0; r < records.length; r++) {
                chance.nextBytes(value);
                records[r] = new SimpleRecord(WALL + i, String.format("key-%08d", chance.nextInt(1_000_000)).getBytes(), value.clone());
            }
            append(MemoryRecords.withRecords(Compression.NONE, records), AppendOrigin.CLIENT);
        }
    }

    private void clean(long now, long from) throws Exception {
        Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(128 << 20), 1 << 20, 1 << 20, 0.9,
            new Throttler(Double.MAX_VALUE, 300, "t", "t", Time.SYSTEM), Time.SYSTEM, partition -> { });
        long began = System.nanoTime();
        long next = cleaner.doClean(new LogToClean(log, from, log.lastStableOffset(), false), now).getKey();
        System.out.println(next + " " + (System.nanoTime() - began) / 1_000_000);
    }

    private static String text(ByteBuffer bytes) {
        return bytes == null ? "null" : StandardCharsets.ISO_8859_1.decode(bytes.duplicate()).toString().replaceAll("[^ -~]", "?");
    }

    private static void tell(File folder) throws Exception {
        File[] files = folder.listFiles((dir, name) -> name.endsWith(".log"));
        Arrays.sort(files);
        for (File file : files) {
            System.out.println("segment " + file.getName());
            for (RecordBatch b : FileRecords.open(file, false).batches()) {
                b.ensureValid();
                System.out.printf("batch %d %d count=%s %s %s horizon=%s max=%d producer=%d/%d/%d epoch=%d%s%s%n", b.baseOffset(), b.lastOffset(),
                    b.countOrNull(), b.compressionType(), b.timestampType(), b.deleteHorizonMs(), b.maxTimestamp(), b.producerId(), b.producerEpoch(),
                    b.baseSequence(), b.partitionLeaderEpoch(), b.isTransactional() ? " transactional" : "", b.isControlBatch() ? " control" : "");
                for (Record r : b)
                    System.out.printf("record %d %d %s=%s%n", r.offset(), r.timestamp(), text(r.key()), text(r.value()));
            }
        }
    }
}
