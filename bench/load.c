/* SPDX-License-Identifier: Apache-2.0
 * load: a load generator that costs little, so that the broker is what gets measured.
 *
 *   load create  HOST:PORT TOPIC PARTITIONS
 *   load produce HOST:PORT TOPIC [-p PARTITIONS] [-c CONNECTIONS] [-b RECORDS] [-s SIZE] [-d DEPTH] [-a ACKS] [-n TOTAL] [-t SECONDS]
 *   load fetch   HOST:PORT TOPIC [-p PARTITIONS] [-c CONNECTIONS] [-m BYTES A REPLY] [-n BYTES IN ALL]
 *   load e2e     HOST:PORT TOPIC [-p PARTITIONS] [-s SIZE] [-a ACKS] [-r RATE] [-n TOTAL]
 *
 * Each prints one line of key=value pairs and exits with 0, or says what went wrong and exits with 1: an error in a reply, a reply
 * out of order, a record that never arrives.
 *
 * produce encodes a request a partition once, then sends it again and again with only its correlation id changed, DEPTH
 * of them in flight a connection; a request is one batch of RECORDS records; it ends after TOTAL records, or SECONDS before. fetch reads the headers of the batches and
 * has the kernel throw the rest away. e2e sends one record a batch at RATE a second, each with the time in its value, and
 * a second connection's long poll reads the difference. The versions (Produce 7, Fetch 4, ListOffsets 1, CreateTopics 2)
 * are the last before compact encodings: any broker since 2018 has them.
 *
 * A thread a connection, blocking sockets. Built on request only: ninja -C build bench/load
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

enum {
    PRODUCE = 0,
    FETCH = 1,
    LIST_OFFSETS = 2,
    CREATE_TOPICS = 19,

    CORRELATION_AT = 8, /* in a frame, its size included */
    BATCH_HEADER = 61,
    BATCH_LENGTH_AT = 8,
    BATCH_CRC_AT = 17,
    BATCH_CRC_FROM = 21,
    BATCH_LAST_DELTA_AT = 23,
    BATCH_ROOM = 96,  /* a batch's header, and a request's before it but for the topic's name */
    RECORD_ROOM = 24, /* a record's fields around its value */
    REPLY_MAX = 4096, /* any reply but that of a fetch */
    CONNECTIONS_MAX = 256,
    PARTITIONS_MAX = 65536,
    TOPIC_PARTITIONS = 10000,
    ASKED = 200,      /* partitions of many, that are asked whether they serve */
    LATENCIES_MAX = 20 * 1000 * 1000,
    QUIET_S = 10, /* nothing arrives for so long: the rest is lost */
};

static struct {
    const char *host, *port, *topic;
    int partitions, connections, records, size, depth, acks, rate, reply_bytes, seconds;
    int64_t total;
} the = {.partitions = 1, .connections = 1, .records = 100, .size = 100, .depth = 8, .acks = -1, .rate = 1000,
       .reply_bytes = 1 << 20, .seconds = 1 << 20, .total = 1000000};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static _Noreturn void die_code(const char *what, int code)
{
    fprintf(stderr, "load: %s answered with error %d\n", what, code);
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *p = mem_alloc(count, size);

    if (!p)
        die("no memory");
    return p;
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Latencies of all threads, in microseconds. */

static struct {
    uint32_t *us;
    atomic_size_t count;
} latencies;

static void latency_add(int64_t ns)
{
    size_t i = atomic_fetch_add_explicit(&latencies.count, 1, memory_order_relaxed);

    if (i < LATENCIES_MAX)
        latencies.us[i] = (uint32_t)(ns / 1000);
}

static int latency_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void latency_print(void)
{
    size_t n = atomic_load(&latencies.count);

    n = n < LATENCIES_MAX ? n : LATENCIES_MAX;
    if (n == 0)
        return;
    qsort(latencies.us, n, sizeof *latencies.us, latency_order);
    printf("p50_us=%u p99_us=%u p999_us=%u max_us=%u ", latencies.us[n / 2], latencies.us[n * 99 / 100],
           latencies.us[n * 999 / 1000], latencies.us[n - 1]);
}

/* Sockets. */

static int dial(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int one = 1, fd;

    if (getaddrinfo(the.host, the.port, &hints, &found))
        die("no such host");
    fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    freeaddrinfo(found);
    return fd;
}

static void send_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

        if (n < 0)
            die("send");
        bytes += n;
        size -= (size_t)n;
    }
}

static void receive_all(int fd, uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t n = recv(fd, bytes, size, 0);

        if (n <= 0)
            die(n ? "receive" : "closed by the broker");
        bytes += n;
        size -= (size_t)n;
    }
}

static void receive_none(int fd, size_t size) /* the kernel drops them */
{
    while (size) {
        ssize_t n = recv(fd, NULL, size < 1 << 20 ? size : 1 << 20, MSG_TRUNC);

        if (n <= 0)
            die(n ? "receive" : "closed by the broker");
        size -= (size_t)n;
    }
}

/* Requests. */

/* A topic has at most TOPIC_PARTITIONS (Kafka makes no more at once): more are those of as many topics as it takes. */
static const char *topic_of(int partition)
{
    static _Thread_local char name[256];

    if (the.partitions <= TOPIC_PARTITIONS)
        return the.topic;
    snprintf(name, sizeof name, "%s-%d", the.topic, partition / TOPIC_PARTITIONS);
    return name;
}

static struct str_view text(const char *s)
{
    return (struct str_view){s, strlen(s)};
}

static void frame_begin(struct writer *w, uint8_t *buffer, size_t size, int16_t key, int16_t version)
{
    writer_init(w, buffer, size);
    writer_i32(w, 0);
    writer_i16(w, key);
    writer_i16(w, version);
    writer_i32(w, 0);
    writer_str(w, text("bench"));
}

static void put_i32(uint8_t *at, int32_t v)
{
    struct writer w;

    writer_init(&w, at, 4);
    writer_i32(&w, v);
}

static size_t frame_end(struct writer *w)
{
    put_i32(w->start, (int32_t)writer_size(w) - 4);
    return writer_size(w);
}

/* Sends the frame and reads the whole reply after its correlation id. */
static struct reader call(int fd, struct writer *w, uint8_t reply[static REPLY_MAX])
{
    struct reader r;
    size_t size = frame_end(w);
    uint32_t n;

    send_all(fd, w->start, size);
    receive_all(fd, reply, 4);
    reader_init(&r, reply, 4);
    n = reader_u32(&r);
    if (n < 4 || n > REPLY_MAX)
        die("a reply of an impossible size");
    receive_all(fd, reply, n);
    reader_init(&r, reply + 4, n - 4);
    return r;
}

/* A batch without compression and producer; the checksum is filled in by batch_seal. */
static void batch_put(struct writer *w, int records, int size, const uint8_t *values)
{
    uint8_t *start = w->at;
    int64_t now_ms = now_ns(CLOCK_REALTIME) / 1000000;

    writer_i64(w, 0);  /* base offset */
    writer_i32(w, 0);  /* length: below */
    writer_i32(w, -1); /* leader epoch */
    writer_i8(w, 2);   /* magic */
    writer_i32(w, 0);  /* checksum */
    writer_i16(w, 0);  /* attributes */
    writer_i32(w, records - 1);
    writer_i64(w, now_ms);
    writer_i64(w, now_ms);
    writer_i64(w, -1); /* producer id, epoch, sequence */
    writer_i16(w, -1);
    writer_i32(w, -1);
    writer_i32(w, records);
    for (int i = 0; i < records; i++) {
        writer_varint(w, (int32_t)(4 + varint_size(i) + varint_size(size)) + size);
        writer_i8(w, 0); /* attributes */
        writer_varint(w, 0);
        writer_varint(w, i);
        writer_varint(w, -1); /* no key */
        writer_varint(w, size);
        writer_raw(w, values + i, (size_t)size);
        writer_varint(w, 0); /* no headers */
    }
    put_i32(start + BATCH_LENGTH_AT, (int32_t)(w->at - start) - 12);
}

static void batch_seal(uint8_t *batch, const uint8_t *end)
{
    put_i32(batch + BATCH_CRC_AT, (int32_t)crc32c(batch + BATCH_CRC_FROM, (size_t)(end - batch) - BATCH_CRC_FROM));
}

struct request {
    uint8_t *bytes, *batch;
    size_t size;
};

/* Bytes that do not compress, a few more than a value so that each record can begin at another. */
static const uint8_t *values(void)
{
    size_t n = (size_t)the.size + (size_t)the.records;
    uint8_t *made = room(n, 1);
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        made[i] = (uint8_t)x;
    }
    return made;
}

static struct request produce_request(int partition, int records, const uint8_t *value)
{
    size_t most = BATCH_ROOM * 2 + strlen(topic_of(partition)) + (size_t)records * ((size_t)the.size + RECORD_ROOM);
    struct request made = {.bytes = room(most, 1)};
    uint8_t *length;
    struct writer w;

    frame_begin(&w, made.bytes, most, PRODUCE, 7);
    writer_i16(&w, -1); /* no transaction */
    writer_i16(&w, (int16_t)the.acks);
    writer_i32(&w, 30000);
    writer_i32(&w, 1);
    writer_str(&w, text(topic_of(partition)));
    writer_i32(&w, 1);
    writer_i32(&w, partition % TOPIC_PARTITIONS);
    length = writer_skip(&w, 4);
    made.batch = w.at;
    batch_put(&w, records, the.size, value);
    batch_seal(made.batch, w.at);
    put_i32(length, (int32_t)(w.at - made.batch));
    made.size = frame_end(&w);
    return made;
}

static void produce_reply(int fd, int32_t correlation)
{
    uint8_t reply[REPLY_MAX];
    struct reader r;
    uint32_t size;
    int16_t code;

    receive_all(fd, reply, 4);
    reader_init(&r, reply, 4);
    size = reader_u32(&r);
    if (size > REPLY_MAX)
        die("a reply of an impossible size");
    receive_all(fd, reply, size);
    reader_init(&r, reply, size);
    if (reader_i32(&r) != correlation)
        die("a reply out of order");
    reader_i32(&r);
    reader_str(&r);
    reader_i32(&r);
    reader_i32(&r);
    code = reader_i16(&r);
    if (r.bad)
        die("a produce reply that does not decode");
    if (code)
        die_code("produce", code);
}

/* The commands. */

/* Where a partition ends; an error code, and nothing set, when it does not serve. */
static int end_offset(int fd, int partition, int64_t *offset)
{
    uint8_t bytes[512], reply[REPLY_MAX];
    struct writer w;
    struct reader r;
    int code;

    frame_begin(&w, bytes, sizeof bytes, LIST_OFFSETS, 1);
    writer_i32(&w, -1);
    writer_i32(&w, 1);
    writer_str(&w, text(topic_of(partition)));
    writer_i32(&w, 1);
    writer_i32(&w, partition % TOPIC_PARTITIONS);
    writer_i64(&w, -1);
    r = call(fd, &w, reply);
    reader_i32(&r);
    reader_str(&r);
    reader_i32(&r);
    reader_i32(&r);
    code = reader_i16(&r);
    reader_i64(&r);
    if (code == 0)
        *offset = reader_i64(&r);
    return code;
}

static void create_topic(int fd, const char *topic, int partitions)
{
    uint8_t bytes[512], reply[REPLY_MAX];
    struct writer w;
    struct reader r;
    int code;

    frame_begin(&w, bytes, sizeof bytes, CREATE_TOPICS, 2);
    writer_i32(&w, 1);
    writer_str(&w, text(topic));
    writer_i32(&w, partitions);
    writer_i16(&w, 1); /* replica */
    writer_i32(&w, 0); /* assignments */
    writer_i32(&w, 0); /* configs */
    writer_i32(&w, 30000);
    writer_i8(&w, 0);
    r = call(fd, &w, reply);
    reader_i32(&r); /* throttle */
    reader_i32(&r);
    reader_str(&r);
    code = reader_i16(&r);
    if (code)
        die_code("create", code);
}

/* Kafka answers before the partitions serve: waits until they do, or of many some. */
static void create(void)
{
    int code, fd = dial();
    int64_t end;

    for (int p = 0; p < the.partitions; p += TOPIC_PARTITIONS)
        create_topic(fd, topic_of(p), the.partitions - p < TOPIC_PARTITIONS ? the.partitions - p : TOPIC_PARTITIONS);
    for (int p = 0; p < the.partitions; p += 1 + the.partitions / ASKED)
        for (int tries = 0; (code = end_offset(fd, p, &end)) != 0; tries++) {
            if (tries == QUIET_S * 1000)
                die_code("list offsets", code);
            usleep(1000);
        }
    puts("created");
}

static atomic_llong produced;

static void *produce_thread(void *arg)
{
    int first = *(const int *)arg, count = 0, fd = dial();
    int64_t want = the.total / the.records / the.connections, sent = 0, got = 0;
    int64_t *times = room((size_t)the.depth, sizeof *times);
    int64_t until = now_ns(CLOCK_MONOTONIC) + the.seconds * 1000000000ll;
    struct request *requests = room((size_t)the.partitions, sizeof *requests);
    const uint8_t *value = values();

    for (int p = first % the.partitions; p < the.partitions; p += the.connections)
        requests[count++] = produce_request(p, the.records, value);
    while (got < want) {
        int64_t now;

        while (sent < want && sent - got < the.depth) {
            struct request *q = &requests[sent % count];

            put_i32(q->bytes + CORRELATION_AT, (int32_t)sent);
            times[sent % the.depth] = now_ns(CLOCK_MONOTONIC);
            send_all(fd, q->bytes, q->size);
            sent++;
        }
        produce_reply(fd, (int32_t)got);
        now = now_ns(CLOCK_MONOTONIC);
        latency_add(now - times[got % the.depth]);
        got++;
        if (now > until)
            want = sent;
    }
    atomic_fetch_add(&produced, got * the.records);
    close(fd);
    return NULL;
}

static atomic_llong fetched;

struct fetch_partition {
    int32_t index;
    int64_t offset;
};

static void fetch_send(int fd, const struct fetch_partition *partitions, int count, uint8_t *bytes, size_t most)
{
    struct writer w;

    frame_begin(&w, bytes, most, FETCH, 4);
    writer_i32(&w, -1);
    writer_i32(&w, 500); /* ms to wait for */
    writer_i32(&w, 1);   /* byte */
    writer_i32(&w, the.reply_bytes);
    writer_i8(&w, 0);
    writer_i32(&w, 1);
    writer_str(&w, text(the.topic));
    writer_i32(&w, count);
    for (int i = 0; i < count; i++) {
        writer_i32(&w, partitions[i].index);
        writer_i64(&w, partitions[i].offset);
        writer_i32(&w, the.reply_bytes);
    }
    send_all(fd, w.start, frame_end(&w));
}

/* Steps over `size` bytes of batches of one partition, to the offset after them, and tells `see` of each batch's bytes, if there
 * is one to tell; a batch that was cut is not counted. */
static void batches_receive(int fd, size_t size, int64_t *next, void (*see)(const uint8_t *records, int64_t at_ns))
{
    static _Thread_local uint8_t records[1 << 16];

    while (size >= BATCH_HEADER) {
        uint8_t header[BATCH_HEADER];
        struct reader r;
        int64_t base;
        size_t rest;

        receive_all(fd, header, sizeof header);
        size -= sizeof header;
        reader_init(&r, header, sizeof header);
        base = reader_i64(&r);
        rest = (size_t)reader_u32(&r) + 12 - BATCH_HEADER;
        if (rest > size)
            break;
        reader_init(&r, header + BATCH_LAST_DELTA_AT, 4);
        *next = base + reader_i32(&r) + 1;
        if (see && rest <= sizeof records) {
            receive_all(fd, records, rest);
            see(records, now_ns(CLOCK_MONOTONIC));
        } else {
            receive_none(fd, rest);
        }
        size -= rest;
    }
    receive_none(fd, size);
}

/* One reply, in the order of the partitions asked for or not. Returns the bytes of records in it. */
static size_t fetch_receive(int fd, struct fetch_partition *partitions, int count, void (*see)(const uint8_t *, int64_t))
{
    size_t got = 0, skip = 4 + 4 + 4 + 4 + 2 + strlen(the.topic); /* size, correlation, throttle, one topic, its name */
    uint8_t head[512];
    struct reader r;
    int32_t answered;

    receive_all(fd, head, skip + 4);
    reader_init(&r, head + skip, 4);
    answered = reader_i32(&r);
    for (int32_t i = 0; i < answered; i++) {
        int32_t index, aborted;
        int16_t code;
        uint32_t size;

        receive_all(fd, head, 4 + 2 + 8 + 8 + 4);
        reader_init(&r, head, 4 + 2 + 8 + 8 + 4);
        index = reader_i32(&r);
        code = reader_i16(&r);
        reader_i64(&r);
        reader_i64(&r);
        aborted = reader_i32(&r);
        if (code || aborted > 0)
            die_code("fetch", code);
        receive_all(fd, head, 4);
        reader_init(&r, head, 4);
        size = reader_u32(&r);
        for (int k = 0; k < count; k++)
            if (partitions[k].index == index)
                batches_receive(fd, size, &partitions[k].offset, see);
        got += size;
    }
    return got;
}

static void *fetch_thread(void *arg)
{
    struct fetch_partition partitions[PARTITIONS_MAX];
    int first = *(const int *)arg, count = 0, fd = dial(), idle = 0;
    int64_t want = the.total / the.connections, got = 0;
    uint8_t bytes[512];

    for (int p = first; p < the.partitions; p += the.connections)
        partitions[count++] = (struct fetch_partition){p, 0};
    for (int i = 0; got < want; i = (i + 1) % count) {
        size_t n;

        fetch_send(fd, &partitions[i], 1, bytes, sizeof bytes);
        n = fetch_receive(fd, &partitions[i], 1, NULL);
        idle = n ? 0 : idle + 1;
        if (idle > count)
            die("fewer bytes in the topic than asked for");
        got += (int64_t)n;
    }
    atomic_fetch_add(&fetched, got);
    close(fd);
    return NULL;
}

static atomic_bool e2e_ready;

/* A batch of one record, whose value begins with when it was sent. */
static void e2e_see(const uint8_t *records, int64_t at_ns)
{
    struct reader r;

    reader_init(&r, records, 32);
    reader_varint(&r); /* length */
    reader_i8(&r);
    reader_varint(&r);
    reader_varint(&r);
    reader_varint(&r); /* key */
    reader_varint(&r); /* value */
    latency_add(at_ns - reader_i64(&r));
}

static void *e2e_consumer(void *arg)
{
    size_t most = 256 + (size_t)the.partitions * 16;
    struct fetch_partition *partitions = room((size_t)the.partitions, sizeof *partitions);
    uint8_t *bytes = room(most, 1);
    int64_t last = now_ns(CLOCK_MONOTONIC);
    int fd = dial();

    for (int p = 0; p < the.partitions; p++) {
        int code = end_offset(fd, p, &partitions[p].offset);

        partitions[p].index = p;
        if (code)
            die_code("list offsets", code);
    }
    atomic_store(&e2e_ready, true);
    while ((int64_t)atomic_load(&latencies.count) < the.total) {
        int64_t now;

        fetch_send(fd, partitions, the.partitions, bytes, most);
        now = fetch_receive(fd, partitions, the.partitions, e2e_see) ? now_ns(CLOCK_MONOTONIC) : 0;
        last = now ? now : last;
        if (now_ns(CLOCK_MONOTONIC) - last > QUIET_S * 1000000000ll)
            die("records that never arrived");
    }
    close(fd);
    return arg;
}

static void *e2e_replies(void *arg)
{
    for (int64_t i = 0; i < the.total; i++)
        produce_reply(*(const int *)arg, (int32_t)i);
    return NULL;
}

static void e2e(void)
{
    struct request *requests = room((size_t)the.partitions, sizeof *requests);
    int64_t next, step = 1000000000ll / the.rate;
    pthread_t consumer, replies;
    int fd = dial();

    the.records = 1;
    for (int p = 0; p < the.partitions; p++)
        requests[p] = produce_request(p, 1, values());
    pthread_create(&consumer, NULL, e2e_consumer, NULL);
    while (!atomic_load(&e2e_ready))
        usleep(1000);
    pthread_create(&replies, NULL, e2e_replies, &fd);
    next = now_ns(CLOCK_MONOTONIC);
    for (int64_t i = 0; i < the.total; i++, next += step) {
        struct timespec when = {next / 1000000000, next % 1000000000};
        struct request *q = &requests[i % the.partitions];
        uint8_t *end = q->bytes + q->size;
        struct writer w;

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
        put_i32(q->bytes + CORRELATION_AT, (int32_t)i);
        writer_init(&w, end - 1 - the.size, 8); /* the value stands before the count of headers */
        writer_i64(&w, now_ns(CLOCK_MONOTONIC));
        batch_seal(q->batch, end);
        send_all(fd, q->bytes, q->size);
    }
    pthread_join(replies, NULL);
    pthread_join(consumer, NULL);
}

static void all_threads(void *(*run)(void *))
{
    pthread_t threads[CONNECTIONS_MAX];
    int numbers[CONNECTIONS_MAX];

    for (int i = 0; i < the.connections; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, run, &numbers[i]))
            die("thread");
    }
    for (int i = 0; i < the.connections; i++)
        pthread_join(threads[i], NULL);
}

/* The arguments. */

static _Noreturn void usage(void)
{
    fputs("usage: load create|produce|fetch|e2e HOST:PORT TOPIC ...: see the head of bench/load.c\n", stderr);
    exit(2);
}

static int64_t number(const char *s, int64_t least, int64_t most)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno || end == s || *end || v < least || v > most)
        usage();
    return v;
}

static void parse(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "p:c:b:s:d:a:n:r:m:t:")) != -1;)
        switch (option) {
        case 'p': the.partitions = (int)number(optarg, 1, PARTITIONS_MAX); break;
        case 'c': the.connections = (int)number(optarg, 1, CONNECTIONS_MAX); break;
        case 'b': the.records = (int)number(optarg, 1, 1 << 20); break;
        case 's': the.size = (int)number(optarg, 8, 1 << 24); break;
        case 'd': the.depth = (int)number(optarg, 1, 1 << 16); break;
        case 'a': the.acks = (int)number(optarg, -1, 1); break;
        case 'n': the.total = number(optarg, 1, INT64_MAX); break;
        case 'r': the.rate = (int)number(optarg, 1, 1000000); break;
        case 'm': the.reply_bytes = (int)number(optarg, 1, 1 << 30); break;
        case 't': the.seconds = (int)number(optarg, 1, 1 << 20); break;
        default: usage();
        }
    if (optind != argc || the.acks == 0)
        usage();
}

int main(int argc, char **argv)
{
    int64_t start;
    double seconds;
    char *colon;

    if (argc < 4 || !(colon = strrchr(argv[2], ':')))
        usage();
    *colon = 0;
    the.host = argv[2];
    the.port = colon + 1;
    the.topic = argv[3];
    if (strlen(the.topic) > 249)
        usage();
    if (strcmp(argv[1], "create") == 0) {
        the.partitions = argc == 5 ? (int)number(argv[4], 1, PARTITIONS_MAX) : 1;
        create();
        return 0;
    }
    optind = 4;
    parse(argc, argv);
    latencies.us = room(LATENCIES_MAX, sizeof *latencies.us);
    errno = 0;

    start = now_ns(CLOCK_MONOTONIC);
    if (strcmp(argv[1], "produce") == 0) {
        all_threads(produce_thread);
        the.total = atomic_load(&produced);
    } else if (strcmp(argv[1], "fetch") == 0 && the.connections <= the.partitions) {
        all_threads(fetch_thread);
    } else if (strcmp(argv[1], "e2e") == 0) {
        e2e();
    } else {
        usage();
    }
    seconds = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;

    if (strcmp(argv[1], "fetch") == 0)
        printf("bytes=%lld mb_per_s=%.1f ", atomic_load(&fetched), (double)atomic_load(&fetched) / 1e6 / seconds);
    else
        printf("msgs=%lld msgs_per_s=%.0f mb_per_s=%.1f ", (long long)the.total, (double)the.total / seconds,
               (double)the.total * the.size / 1e6 / seconds);
    latency_print();
    printf("seconds=%.2f\n", seconds);
    return 0;
}
