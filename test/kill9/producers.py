# SPDX-License-Identifier: Apache-2.0
"""One producer of the kill -9 suite: KIND ADDRESS TOPIC SEED.

Sends 0, 1, 2, ... (padded to random lengths) with acks=all and prints `NUMBER OFFSET BEGUN ENDED` for each acknowledgement, in the order
in which they come; the times, monotonic nanoseconds of this machine, are those of the sending and of the acknowledgement. Ends, with everything acknowledged, when its standard input does. Never gives a record up: a delivery
that fails is a line `ERROR ...`.
"""
import random
import sys
import threading
import time

IN_FLIGHT = 20      # so that a kill finds work, and the log stays small enough to read after each
FOREVER_MS = 600_000


def acknowledged(number, offset, begun):
    sys.stdout.write(f"{number} {offset} {begun} {time.monotonic_ns()}\n")


def value(number, chance):
    return b"%d %s" % (number, b"x" * chance.randrange(300))


def librdkafka(address, topic, chance, room, stopped):
    import confluent_kafka
    producer = confluent_kafka.Producer({
        "bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": FOREVER_MS,
        "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50, "retry.backoff.ms": 10, "topic.metadata.refresh.sparse": True})

    def delivered(error, message, number, begun):
        if error:
            print("ERROR", number, error, flush=True)
        else:
            acknowledged(number, message.offset(), begun)
        room.release()

    number = 0
    while not stopped.is_set():
        while not room.acquire(blocking=False):
            producer.poll(0.01)
            sys.stdout.flush()
            if stopped.is_set():
                break
        else:
            producer.produce(topic, value(number, chance), partition=0,
                             on_delivery=lambda error, message, number=number, begun=time.monotonic_ns(): delivered(error, message, number, begun))
            number += 1
            producer.poll(0)
    producer.flush()


def kafka_python(address, topic, chance, room, stopped):
    import kafka
    producer = kafka.KafkaProducer(
        bootstrap_servers=address, enable_idempotence=True, acks="all", linger_ms=1, retries=1_000_000, delivery_timeout_ms=FOREVER_MS,
        request_timeout_ms=10_000, reconnect_backoff_ms=10, reconnect_backoff_max_ms=50, retry_backoff_ms=10)

    def failed(number, error):
        print("ERROR", number, repr(error), flush=True)
        room.release()

    def delivered(number, begun, metadata):
        acknowledged(number, metadata.offset, begun)
        sys.stdout.flush()
        room.release()

    number = 0
    while not stopped.is_set():
        if not room.acquire(timeout=0.1):
            continue
        begun = time.monotonic_ns()
        producer.send(topic, value(number, chance), partition=0).add_callback(delivered, number, begun).add_errback(failed, number)
        number += 1
    producer.flush()


def main():
    kind, address, topic, seed = sys.argv[1:]
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    {"librdkafka": librdkafka, "kafka-python": kafka_python}[kind](
        address, topic, random.Random(int(seed)), threading.Semaphore(IN_FLIGHT), stopped)
    print("END", flush=True)


main()
