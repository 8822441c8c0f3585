/* SPDX-License-Identifier: Apache-2.0
 * What producers.py describes, with the Java client: ADDRESS TOPIC SEED.
 */
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

final class JavaProducer {
    private static final int IN_FLIGHT = 20;
    private static volatile boolean stopped;

    public static void main(String[] args) throws Exception {
        Random chance = new Random(Long.parseLong(args[2]));
        Semaphore room = new Semaphore(IN_FLIGHT);
        Map<String, Object> config = Map.of("bootstrap.servers", args[0], "enable.idempotence", true, "acks", "all", "linger.ms", 1,
            "delivery.timeout.ms", 600_000, "request.timeout.ms", 10_000, "reconnect.backoff.ms", 10, "reconnect.backoff.max.ms", 50,
            "retry.backoff.ms", 10);
        Thread watcher = new Thread(JavaProducer::awaitEndOfInput);
        watcher.setDaemon(true);
        watcher.start();
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; !stopped;) {
                if (!room.tryAcquire(100, TimeUnit.MILLISECONDS))
                    continue;
                int sent = number++;
                long begun = System.nanoTime(); // of the machine's monotonic clock, as Python's
                producer.send(new ProducerRecord<>(args[1], 0, null, sent + " " + "x".repeat(chance.nextInt(300))), (metadata, error) -> {
                    System.out.println(error == null ? sent + " " + metadata.offset() + " " + begun + " " + System.nanoTime() : "ERROR " + sent + " " + error);
                    room.release();
                });
            }
        }
        System.out.println("END");
    }

    private static void awaitEndOfInput() {
        try {
            while (System.in.read() >= 0) {
            }
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        stopped = true;
    }
}
