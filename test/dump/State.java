/* SPDX-License-Identifier: Apache-2.0
 * Fills a broker with some of everything, and tells what a broker holds.
 *
 *   State fill ADDRESS     topics, records, configurations, groups and offsets, some of them changed and deleted again
 *   State add ADDRESS      a few records more, to each topic, and a commit
 *   State tell ADDRESS     a line for each topic, configuration, record and offset that can be seen from outside, sorted
 *
 * Two brokers that hold the same tell the same lines.
 */
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class State {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    private final String address;
    final Admin admin;
    private final Random chance = new Random(7);

    State(String address) {
        this.address = address;
        admin = Admin.create(Map.of("bootstrap.servers", address));
    }

    public static void main(String[] args) throws Exception {
        State state = new State(args[1]);
        switch (args[0]) {
            case "fill" -> state.fill();
            case "add" -> state.add();
            case "tell" -> state.tell().forEach(System.out::println);
            default -> throw new IllegalArgumentException(args[0]);
        }
        state.admin.close();
    }

    void fill() throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (String codec : CODECS)
            topics.add(new NewTopic("codec-" + codec, 2, (short) 1));
        topics.add(new NewTopic("rolled", 1, (short) 1).configs(Map.of("segment.bytes", "1048576", "index.interval.bytes", "1024")));
        topics.add(new NewTopic("timed-by-the-log", 1, (short) 1).configs(Map.of("message.timestamp.type", "LogAppendTime")));
        topics.add(new NewTopic("compacted", 1, (short) 1).configs(Map.of("cleanup.policy", "compact")));
        topics.add(new NewTopic("shortened", 1, (short) 1));
        topics.add(new NewTopic("widened", 1, (short) 1));
        topics.add(new NewTopic("deleted", 2, (short) 1));
        topics.add(new NewTopic("empty", 3, (short) 1));
        admin.createTopics(topics).all().get();
        admin.createPartitions(Map.of("widened", NewPartitions.increaseTo(3))).all().get();

        for (String codec : CODECS)
            produce(codec, true, "codec-" + codec, 2, 500, 200);
        produce("none", false, "codec-none", 2, 100, 100);
        produce("none", true, "rolled", 1, 4000, 1500);
        produce("lz4", true, "timed-by-the-log", 1, 200, 100);
        produce("none", true, "compacted", 1, 200, 50);
        produce("none", true, "shortened", 1, 300, 100);
        produce("none", false, "widened", 3, 300, 100);
        produce("none", true, "deleted", 2, 100, 100);
        one("codec-zstd", new byte[1 << 20 >> 1]);

        admin.deleteTopics(List.of("deleted")).all().get();
        admin.deleteRecords(Map.of(new TopicPartition("shortened", 0), RecordsToDelete.beforeOffset(123))).all().get();
        configure(ConfigResource.Type.TOPIC, "empty", "retention.ms", "86400000", AlterConfigOp.OpType.SET);
        configure(ConfigResource.Type.TOPIC, "rolled", "max.message.bytes", "2000000", AlterConfigOp.OpType.SET);
        configure(ConfigResource.Type.TOPIC, "widened", "retention.ms", "1", AlterConfigOp.OpType.SET);
        configure(ConfigResource.Type.TOPIC, "widened", "retention.ms", "", AlterConfigOp.OpType.DELETE);
        configure(ConfigResource.Type.BROKER, "", "log.segment.delete.delay.ms", "50000", AlterConfigOp.OpType.SET);

        consume("subscribers", Optional.empty(), List.of("codec-none", "codec-gzip"));
        consume("static-subscribers", Optional.of("one"), List.of("widened"));
        consume("deleted-group", Optional.empty(), List.of("compacted"));
        admin.deleteConsumerGroups(List.of("deleted-group")).all().get();
        admin.alterConsumerGroupOffsets("by-hand", Map.of(new TopicPartition("rolled", 0), new OffsetAndMetadata(17, Optional.of(0), "words"),
            new TopicPartition("empty", 2), new OffsetAndMetadata(0))).all().get();
        admin.alterConsumerGroupOffsets("by-hand", Map.of(new TopicPartition("rolled", 0), new OffsetAndMetadata(18, "other words"))).all().get();
        admin.deleteConsumerGroupOffsets("by-hand", Set.of(new TopicPartition("empty", 2))).all().get();
    }

    void add() throws Exception {
        for (String codec : CODECS)
            produce(codec, true, "codec-" + codec, 2, 50, 200);
        produce("none", true, "rolled", 1, 1000, 1500);
        produce("none", true, "empty", 3, 10, 10);
        consume("subscribers", Optional.empty(), List.of("codec-none", "codec-gzip"));
    }

    private KafkaProducer<byte[], byte[]> producer(String codec, boolean idempotent) {
        Properties config = new Properties();
        config.putAll(Map.of("bootstrap.servers", address, "compression.type", codec, "enable.idempotence", idempotent, "acks", "all",
            "max.request.size", 4 << 20, "linger.ms", 5));
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private void produce(String codec, boolean idempotent, String topic, int partitions, int count, int most) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = producer(codec, idempotent)) {
            for (int i = 0; i < count; i++) {
                byte[] value = i % 20 == 7 ? null : new byte[chance.nextInt(most + 1)];
                if (value != null && i % 2 == 0)
                    chance.nextBytes(value);
                byte[] key = topic.equals("compacted") || i % 3 == 0 ? ("key " + i % 40).getBytes() : null;
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, i % partitions, System.currentTimeMillis() - chance.nextInt(5000), key, value);
                if (i % 5 == 0)
                    record.headers().add(new RecordHeader("name", ("header " + i).getBytes())).add(new RecordHeader("none", null));
                sent.add(producer.send(record));
            }
        }
        for (Future<RecordMetadata> one : sent)
            one.get();
    }

    private void one(String topic, byte[] value) throws Exception {
        try (var producer = producer("none", true)) {
            producer.send(new ProducerRecord<>(topic, 0, null, value)).get();
        }
    }

    void configure(ConfigResource.Type type, String name, String key, String value, AlterConfigOp.OpType operation) throws Exception {
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(type, name), List.of(new AlterConfigOp(new ConfigEntry(key, value), operation)))).all().get();
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(more);
        config.putAll(Map.of("bootstrap.servers", address, "auto.offset.reset", "earliest", "enable.auto.commit", false));
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** As a member of a group, everything that there is, committed now and then. */
    private void consume(String group, Optional<String> instance, List<String> topics) {
        Map<String, Object> config = new HashMap<>(Map.of("group.id", group));
        instance.ifPresent(id -> config.put("group.instance.id", id));
        try (var consumer = consumer(config)) {
            consumer.subscribe(topics);
            Map<TopicPartition, Long> ends = Map.of();
            while (ends.isEmpty() || !ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) {
                consumer.poll(Duration.ofMillis(200));
                consumer.commitSync();
                if (!consumer.assignment().isEmpty())
                    ends = consumer.endOffsets(consumer.assignment());
            }
        }
    }

    Set<String> tell() throws Exception {
        Set<String> lines = new TreeSet<>();
        Collection<TopicDescription> topics = admin.describeTopics(admin.listTopics().names().get()).allTopicNames().get().values();
        List<TopicPartition> partitions = new ArrayList<>();
        for (TopicDescription topic : topics) {
            lines.add("topic " + topic.name() + " " + topic.topicId() + " of " + topic.partitions().size());
            topic.partitions().forEach(p -> partitions.add(new TopicPartition(topic.name(), p.partition())));
            tellConfigs(lines, new ConfigResource(ConfigResource.Type.TOPIC, topic.name()), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
        }
        tellConfigs(lines, new ConfigResource(ConfigResource.Type.BROKER, ""), ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG);
        tellRecords(lines, partitions);
        for (var group : admin.listGroups().all().get()) {
            if (group.type().equals(Optional.of(GroupType.SHARE)))
                continue; // told by Kafka alone
            lines.add("group " + group.groupId() + " " + group.protocol() + " " + group.groupState().map(Object::toString).orElse(""));
            admin.listConsumerGroupOffsets(group.groupId()).partitionsToOffsetAndMetadata().get().forEach((partition, offset) ->
                lines.add("offset " + group.groupId() + " " + partition + " " + offset));
        }
        return lines;
    }

    private void tellConfigs(Set<String> lines, ConfigResource resource, ConfigEntry.ConfigSource source) throws Exception {
        for (ConfigEntry entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries())
            if (entry.source() == source)
                lines.add("config " + resource.type() + " " + resource.name() + " " + entry.name() + "=" + entry.value());
    }

    private void tellRecords(Set<String> lines, List<TopicPartition> partitions) {
        try (var consumer = consumer(Map.of("isolation.level", "read_committed"))) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions), starts = consumer.beginningOffsets(partitions);
            partitions.forEach(p -> lines.add("partition " + p + " " + starts.get(p) + ".." + ends.get(p)));
            while (!ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue()))
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200)))
                    lines.add(String.format("record %s-%d %010d %s %s epoch %s key %s value %s headers %s", record.topic(), record.partition(), record.offset(),
                        record.timestampType(), record.timestamp(), record.leaderEpoch().orElse(-1), hash(record.key()), hash(record.value()),
                        Arrays.stream(record.headers().toArray()).map(h -> h.key() + "=" + hash(h.value())).toList()));
        }
    }

    static String hash(byte[] bytes) {
        return bytes == null ? "null" : bytes.length + ":" + Arrays.hashCode(bytes);
    }
}
