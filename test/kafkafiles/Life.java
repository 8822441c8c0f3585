/* SPDX-License-Identifier: Apache-2.0
 * What Kafka alone can write to a directory, beside what State does (test/dump), and what is seen of it from outside.
 *
 *   Life ADDRESS COMMAND...    what they print, each behind it a line `--`
 *
 *   fill          Kafka: compaction that took place; transactions committed, aborted, interleaved, and two left open, with records and offsets in each;
 *                 groups of KIP-848 and of KIP-932; configurations of a broker
 *   add=ROUND     either: topics made, altered, deleted; records and offsets behind what is there
 *   tell          either: sorted lines; two brokers that hold the same tell the same
 *   shares        Kafka: lines of the group of KIP-932
 *   transactions  Kafka: a line for each transactional id
 *   finish        Kafka: of the two that are open one is aborted by its next producer, the other resumed and committed; a third is left open
 */
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.ProducerIdAndEpoch;

final class Life {
    private static final List<String> LEDGERS = List.of("ledger", "compacted-ledger", "held");
    private static final int KEYS = 50;

    private final String address;
    private final State state;

    private Life(String address) {
        this.address = address;
        state = new State(address);
    }

    public static void main(String[] args) throws Exception {
        Life life = new Life(args[0]);
        for (String command : List.of(args).subList(1, args.length)) {
            switch (command.split("=")[0]) {
                case "fill" -> life.fill();
                case "add" -> life.add(command.split("=")[1]);
                case "tell" -> life.tell().forEach(System.out::println);
                case "transactions" -> life.transactions().forEach(System.out::println);
                case "shares" -> life.shares().forEach(System.out::println);
                case "finish" -> life.finish();
                default -> throw new IllegalArgumentException(command);
            }
            System.out.println("--");
        }
        System.out.flush();
        Runtime.getRuntime().halt(0); // open transactions stay open
    }

    /* ---- filling ---- */

    private void fill() throws Exception {
        state.fill();
        Map<String, String> compact = Map.of("cleanup.policy", "compact", "segment.bytes", "1048576", "min.cleanable.dirty.ratio", "0.01");
        state.admin.createTopics(List.of(new NewTopic("ledger", 2, (short) 1).configs(Map.of("segment.bytes", "1048576")), new NewTopic("held", 1, (short) 1),
            new NewTopic("compacted-ledger", 1, (short) 1).configs(compact), new NewTopic("compacted-live", 1, (short) 1).configs(compact))).all().get();
        state.configure(ConfigResource.Type.BROKER, "1", "log.cleaner.io.buffer.load.factor", "0.8", AlterConfigOp.OpType.SET);

        try (var producer = producer(null)) {
            for (int i = 0; i < 4000; i++)
                producer.send(record("compacted-live", 0, i, i % 97 == 5 ? 0 : 1000));
        }
        transact("accountant", "ledger", 30);
        transact("clerk", "compacted-ledger", 30);
        interleave();
        var held = leaveOpen("holder-1", "ledger", "held-readers");
        leaveOpen("holder-2", "held", "other-held-readers");
        held.flush();
        transact("accountant", "ledger", 3); // behind the open one: nobody may see it yet
        for (String topic : List.of("compacted-live", "compacted-ledger")) {
            awaitCompaction(topic);
            state.configure(ConfigResource.Type.TOPIC, topic, "min.compaction.lag.ms", "86400000", AlterConfigOp.OpType.SET);
        }
        consumeWithNewProtocol();
        share();
    }

    private KafkaProducer<byte[], byte[]> producer(String id) {
        Properties config = new Properties();
        config.putAll(Map.of("bootstrap.servers", address, "acks", "all", "linger.ms", 5));
        if (id != null)
            config.putAll(Map.of("transactional.id", id, "transaction.timeout.ms", 900000));
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, int partition, int i, int size) {
        return new ProducerRecord<>(topic, partition, ("key " + i % KEYS).getBytes(), size == 0 ? null : (i + "x".repeat(size)).getBytes());
    }

    /** One after the other; every third is aborted. Each commits an offset, too. */
    private void transact(String id, String topic, int count) {
        int partitions = topic.equals("ledger") ? 2 : 1;
        try (var producer = producer(id)) {
            producer.initTransactions();
            for (int t = 0; t < count; t++) {
                producer.beginTransaction();
                for (int i = 0; i < 100; i++)
                    producer.send(record(topic, i % partitions, t * 100 + i, 1000));
                producer.sendOffsetsToTransaction(Map.of(new TopicPartition("codec-none", 0), new OffsetAndMetadata(t, "of " + id)), new ConsumerGroupMetadata(id + "-readers"));
                if (t % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
    }

    /** Three at once in one partition, of which the first to begin is the last to end. */
    private void interleave() {
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            producers.add(producer("interleaved-" + i));
            producers.get(i).initTransactions();
        }
        for (int round = 0; round < 5; round++) {
            for (var producer : producers) {
                producer.beginTransaction();
                producer.send(record("ledger", 0, round, 10));
                producer.flush();
            }
            for (int i = 2; i >= 0; i--) {
                producers.get(i).send(record("ledger", 0, round, 20));
                producers.get(i).flush();
                if ((round + i) % 2 == 0)
                    producers.get(i).abortTransaction();
                else
                    producers.get(i).commitTransaction();
            }
        }
        producers.forEach(KafkaProducer::close);
    }

    private KafkaProducer<byte[], byte[]> leaveOpen(String id, String topic, String group) {
        var producer = producer(id);
        producer.initTransactions();
        producer.beginTransaction();
        for (int i = 0; i < 10; i++)
            producer.send(record(topic, 0, i, 100));
        producer.sendOffsetsToTransaction(Map.of(new TopicPartition("codec-none", 1), new OffsetAndMetadata(33, "of " + id)), new ConsumerGroupMetadata(group));
        producer.flush();
        return producer;
    }

    /** Until the first record is gone. */
    private void awaitCompaction(String topic) {
        long end = System.nanoTime() + Duration.ofSeconds(100).toNanos();
        List<TopicPartition> partition = List.of(new TopicPartition(topic, 0));
        try (var consumer = state.consumer(Map.of())) {
            consumer.assign(partition);
            for (long first = 0; first == 0; first = firstOffset(consumer, partition)) {
                if (System.nanoTime() > end)
                    throw new IllegalStateException(topic + " is not compacted");
            }
        }
    }

    private static long firstOffset(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partition) {
        consumer.seekToBeginning(partition);
        for (;;)
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200)))
                return record.offset();
    }

    private void consumeWithNewProtocol() {
        try (var consumer = state.consumer(Map.of("group.id", "new-protocol", "group.protocol", "consumer"))) {
            consumer.subscribe(List.of("codec-lz4"));
            Map<TopicPartition, Long> ends = Map.of();
            while (ends.isEmpty() || !ends.entrySet().stream().allMatch(e -> consumer.position(e.getKey()) >= e.getValue())) {
                consumer.poll(Duration.ofMillis(200));
                if (!consumer.assignment().isEmpty())
                    ends = consumer.endOffsets(consumer.assignment());
            }
            consumer.commitSync();
        }
    }

    private void share() throws Exception {
        state.configure(ConfigResource.Type.GROUP, "sharers", "share.auto.offset.reset", "earliest", AlterConfigOp.OpType.SET);
        Map<String, Object> config = Map.of("bootstrap.servers", address, "group.id", "sharers");
        try (var consumer = new KafkaShareConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("codec-gzip"));
            for (int got = 0; got < 100; )
                got += consumer.poll(Duration.ofMillis(200)).count();
            consumer.commitSync();
        }
    }

    /* ---- going on ---- */

    private void add(String round) throws Exception {
        state.add();
        state.admin.createTopics(List.of(new NewTopic("made-" + round, 2, (short) 1).configs(Map.of("retention.ms", "7200000")), new NewTopic("gone-" + round, 1, (short) 1))).all().get();
        state.admin.createPartitions(Map.of("made-" + round, NewPartitions.increaseTo(3))).all().get();
        try (var producer = producer(null)) {
            for (int i = 0; i < 300; i++) {
                producer.send(record("made-" + round, i % 3, i, 100));
                producer.send(record("gone-" + round, 0, i, 100));
                producer.send(record("ledger", i % 2, i, 1000));
                producer.send(record("compacted-ledger", 0, i, 1000));
                producer.send(record("held", 0, i, 10));
            }
        }
        state.admin.deleteTopics(List.of("gone-" + round)).all().get();
        state.configure(ConfigResource.Type.TOPIC, "ledger", "max.message.bytes", "200000" + round, AlterConfigOp.OpType.SET);
        state.configure(ConfigResource.Type.BROKER, "", "log.retention.ms", "90000000" + round, AlterConfigOp.OpType.SET);
        state.admin.alterConsumerGroupOffsets("by-hand", Map.of(new TopicPartition("made-" + round, 0), new OffsetAndMetadata(5, Optional.of(0), "round " + round))).all().get();
    }

    /* ---- telling ---- */

    private Set<String> tell() throws Exception {
        Set<String> lines = new TreeSet<>(state.tell());
        List<TopicPartition> partitions = new ArrayList<>();
        state.admin.describeTopics(LEDGERS).allTopicNames().get().values().forEach(topic ->
            topic.partitions().forEach(p -> partitions.add(new TopicPartition(topic.name(), p.partition()))));
        try (var consumer = state.consumer(Map.of())) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            partitions.forEach(p -> lines.add("uncommitted " + p + " .." + ends.get(p)));
            while (!ends.entrySet().stream().allMatch(e -> consumer.position(e.getKey()) >= e.getValue()))
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200)))
                    lines.add(String.format("uncommitted %s-%d %010d %s", record.topic(), record.partition(), record.offset(), State.hash(record.value())));
        }
        state.admin.describeProducers(partitions).all().get().forEach((partition, producers) -> producers.activeProducers().forEach(p ->
            lines.add("producer " + partition + " " + p.producerId() + " epoch " + p.producerEpoch() + " sequence " + p.lastSequence() + " coordinator " + p.coordinatorEpoch()
                + " open " + p.currentTransactionStartOffset())));
        return lines;
    }

    /** What a group of KIP-932 has of its topic, and its configuration. */
    private Set<String> shares() throws Exception {
        Set<String> lines = new TreeSet<>();
        state.admin.listShareGroupOffsets(Map.of("sharers", new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo("sharers").get().forEach((partition, offset) ->
            lines.add(partition + " " + (offset == null ? "none" : offset.startOffset())));
        for (var entry : state.admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.GROUP, "sharers"))).values().values().iterator().next().get().entries())
            if (entry.name().equals("share.auto.offset.reset"))
                lines.add(entry.name() + " " + entry.value());
        return lines;
    }

    private Set<String> transactions() throws Exception {
        Set<String> lines = new TreeSet<>();
        for (var one : state.admin.listTransactions().all().get())
            lines.add(one.transactionalId() + " " + one.state() + " " + state.admin.describeTransactions(List.of(one.transactionalId())).all().get()
                .get(one.transactionalId()).topicPartitions().stream().map(Object::toString).sorted().toList());
        return lines;
    }

    /* ---- ending what is open ---- */

    private void finish() throws Exception {
        var described = state.admin.describeTransactions(List.of("holder-2")).all().get().get("holder-2");
        try (var producer = producer("holder-1")) {
            producer.initTransactions();
        }
        try (var producer = producer("holder-2")) {
            resume(producer, new ProducerIdAndEpoch(described.producerId(), (short) described.producerEpoch()));
            producer.commitTransaction();
        }
        leaveOpen("holder-3", "held", "held-readers");
    }

    /** As connectors do that commit what another process of theirs has begun. */
    private static void resume(KafkaProducer<byte[], byte[]> producer, ProducerIdAndEpoch identity) throws Exception {
        Object manager = get(producer, "transactionManager");
        synchronized (manager) {
            to(manager, "INITIALIZING");
            set(manager, "producerIdAndEpoch", identity);
            to(manager, "READY");
            to(manager, "IN_TRANSACTION");
            set(manager, "transactionStarted", true);
        }
    }

    private static Object get(Object object, String name) throws Exception {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }

    private static void set(Object object, String name, Object value) throws Exception {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        field.set(object, value);
    }

    private static void to(Object manager, String name) throws Exception {
        for (Class<?> inner : manager.getClass().getDeclaredClasses()) {
            if (!inner.getSimpleName().equals("State"))
                continue;
            for (Object state : inner.getEnumConstants()) {
                if (!state.toString().equals(name))
                    continue;
                Method transition = manager.getClass().getDeclaredMethod("transitionTo", inner);
                transition.setAccessible(true);
                transition.invoke(manager, state);
            }
        }
    }
}
