// SPDX-License-Identifier: Apache-2.0
// Kafka's own Java client for run.py: see adapter.py for the form of commands and answers.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Client {
    static final ObjectMapper JSON = new ObjectMapper();
    static final Duration POLL = Duration.ofMillis(250);
    static String address;
    static KafkaConsumer<byte[], byte[]> member;

    public static void main(String[] arguments) throws Exception {
        address = arguments[0];
        var commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null;) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                ArrayNode records = answer.putArray("records");
                run(JSON.readTree(line), records);
            } catch (Exception error) {
                error.printStackTrace();
                answer.put("error", error.toString());
            }
            System.out.println(answer);
        }
    }

    static void run(JsonNode command, ArrayNode records) throws Exception {
        String topic = command.path("topic").asText();
        switch (command.get("do").asText()) {
            case "create" -> {
                try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
                    var wanted = new NewTopic(topic, Optional.of(command.get("partitions").asInt()), Optional.empty());
                    admin.createTopics(List.of(wanted)).all().get();
                }
            }
            case "produce" -> produce(topic, command);
            case "read" -> read(new TopicPartition(topic, command.get("partition").asInt()), command, records);
            case "join" -> {
                member = consumer(Map.of("group.id", command.get("group").asText(), "auto.offset.reset", "earliest",
                    "heartbeat.interval.ms", 300));
                member.subscribe(List.of(topic));
            }
            case "poll" -> member.poll(POLL).forEach(record -> records.add(json(record)));
            case "commit" -> member.commitSync();
            case "leave" -> member.close();
            default -> throw new IllegalArgumentException(command.toString());
        }
    }

    static void produce(String topic, JsonNode command) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", address, "max.request.size", 1 << 22,
            "compression.type", command.get("codec").asText());
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<?>> sent = new ArrayList<>();
            for (JsonNode item : command.get("records")) {
                List<Header> headers = new ArrayList<>();
                for (JsonNode header : item.get("headers"))
                    headers.add(new RecordHeader(header.get(0).asText(), header.get(1).binaryValue()));
                sent.add(producer.send(new ProducerRecord<>(topic, item.get("partition").asInt(),
                    item.get("timestamp").isNull() ? null : item.get("timestamp").asLong(), bytes(item.get("key")),
                    bytes(item.get("value")), headers)));
            }
            for (Future<?> future : sent)
                future.get();
        }
    }

    static void read(TopicPartition place, JsonNode command, ArrayNode records) {
        try (var consumer = consumer(Map.of())) {
            consumer.assign(List.of(place));
            consumer.seek(place, command.has("timestamp")
                ? consumer.offsetsForTimes(Map.of(place, command.get("timestamp").asLong())).get(place).offset()
                : command.get("offset").asLong());
            while (records.size() < command.get("count").asInt())
                consumer.poll(POLL).forEach(record -> records.add(json(record)));
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> settings = new java.util.HashMap<>(more);
        settings.put("bootstrap.servers", address);
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static byte[] bytes(JsonNode base64) throws IOException {
        return base64.isNull() ? null : base64.binaryValue();
    }

    static ObjectNode json(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode item = JSON.createObjectNode();
        item.put("partition", record.partition()).put("offset", record.offset()).put("timestamp", record.timestamp());
        item.put("key", record.key()).put("value", record.value());
        ArrayNode headers = item.putArray("headers");
        for (Header header : record.headers())
            headers.addArray().add(header.key()).add(header.value());
        return item;
    }
}
