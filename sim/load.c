/* SPDX-License-Identifier: Apache-2.0
 * See load.h: connections, requests and answers, sleep, the table of topics.
 */
#include "sim/load_int.h"

#include <stdarg.h>

#include "sim/far.h"
#include "sim/life.h"
#include "wire/api/fetch.h"
#include "wire/header/response_header.h"

/* --- chance and words --- */

uint64_t load_random(struct load *load, uint64_t below)
{
    return sim__random_below(load->sim, below);
}

bool load_chance(struct load *load, unsigned percent)
{
    return load_random(load, 100) < percent;
}

void load_tell(const struct client *c, const char *format, ...)
{
    char line[500];
    va_list args;
    int n;

    if (!c->load->options.tell)
        return;
    n = snprintf(line, sizeof line, "%s-%u ", c->kind->name, c->id);
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    c->load->options.tell(c->load->options.context, line);
}

void load_broken(const struct client *c, const char *rule, const char *format, ...)
{
    char line[500];
    va_list args;
    int n = snprintf(line, sizeof line, "%s-%u: ", c->kind->name, c->id);

    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    c->load->options.broken(c->load->options.context, rule, line);
}

/* --- connections --- */

static void on_alarm(void *context)
{
    struct client *c = context;

    if (!c->due_us || c->due_us > c->load->sim->now_us)
        return;
    c->due_us = 0;
    c->kind->wake(c);
}

void client_sleep(struct client *c, uint64_t us_max)
{
    c->due_us = c->load->sim->now_us + 1 + load_random(c->load, us_max);
    sim_at(c->load->sim, c->due_us, on_alarm, c);
}

bool client_idle(const struct client *c)
{
    return list_empty(&c->calls);
}

static void calls_lost(struct client *c)
{
    struct list lost;

    list_init(&lost);
    list_move_all(&lost, &c->calls);
    for (struct list *node; (node = list_pop_front(&lost));) {
        struct call *call = LIST_ENTRY(node, struct call, link);
        call->then(c, call, NULL);
        mem_free(call);
    }
    client_sleep(c, 300000);
}

void client_disconnect(struct client *c)
{
    if (!c->wire)
        return;
    if (load_chance(c->load, 50))
        sim_client_reset(c->wire);
    sim_client_close(c->wire);
    c->wire = NULL;
    calls_lost(c);
}

static void answered(struct client *c, const uint8_t *bytes, size_t size)
{
    struct list *node = list_pop_front(&c->calls);
    struct call *call = node ? LIST_ENTRY(node, struct call, link) : NULL;
    const struct api *api;
    struct response_header header;
    struct arena arena;
    struct reader r;
    void *response;
    enum status s;

    if (!call) {
        load_broken(c, "protocol", "an answer that nobody asked for");
        return;
    }
    api = api_find(call->key);
    if (c->early)
        load_broken(c, "early", "a fetch was answered with nothing before its time was up");
    c->early = false;
    arena_init(&arena, CLIENT_ARENA);
    response = arena_alloc(&arena, 1, api->response->size);
    ASSERT(response);
    reader_init(&r, bytes, size);
    s = response_header_decode(&r, api_response_header_version(api, call->version), &arena, &header);
    if (s == STATUS_OK)
        s = message_decode(api->response, &r, call->version, &arena, response);
    if (s == STATUS_OK)
        s = reader_done(&r);
    if (s || header.correlation_id != call->correlation_id)
        load_broken(c, "protocol", "the answer to %s version %d is malformed, or not to this request", api_name(call->key), call->version);
    call->then(c, call, s ? NULL : response);
    arena_free(&arena);
    mem_free(call);
}

static void take(struct client *c)
{
    struct bytes_view got = sim_client_received(c->wire);

    if (got.size > c->in_room - c->in_size) {
        c->in_room = c->in_room * 2 + got.size;
        c->in = mem_resize(c->in, c->in_room, 1);
        ASSERT(c->in);
    }
    if (got.size)
        memcpy(c->in + c->in_size, got.data, got.size);
    c->in_size += got.size;
    sim_client_take(c->wire, got.size);
}

static void on_arrival(void *context)
{
    struct client *c = context;

    take(c);
    while (c->wire && c->in_size >= 4) {
        size_t size = (size_t)c->in[0] << 24 | (size_t)c->in[1] << 16 | (size_t)c->in[2] << 8 | c->in[3];
        uint8_t *frame;

        if (c->in_size - 4 < size)
            break;
        frame = mem_copy(c->in + 4, size);
        ASSERT(frame);
        c->in_size -= 4 + size;
        memmove(c->in, c->in + 4 + size, c->in_size);
        answered(c, frame, size);
        mem_free(frame);
    }
    if (c->wire && sim_client_state(c->wire) != SIM_CLIENT_OPEN)
        client_disconnect(c);
}

bool client_connected(struct client *c)
{
    if (c->wire)
        return true;
    c->in_size = 0;
    c->mute = c->early = false;
    c->wire = sim_connect(c->load->sim, LIFE_PORT);
    if (!c->wire) {
        client_sleep(c, 500000);
        return false;
    }
    c->connections++;
    sim_client_notify(c->wire, on_arrival, c);
    return true;
}

/* --- requests --- */

static void on_cut(void *context)
{
    client_disconnect(context);
}

/* As one piece, in small ones, or only the beginning of it before the connection breaks. */
static void send_bytes(struct client *c, struct bytes_view bytes)
{
    struct load *load = c->load;

    if (c->mute)
        return;
    if (c->cut) {
        c->cut = false;
        c->mute = true;
        sim_client_send(c->wire, bytes.data, (size_t)load_random(load, bytes.size));
        sim_at(load->sim, load->sim->now_us + load_random(load, 1000), on_cut, c);
        return;
    }
    for (size_t n; load_chance(load, 3) && bytes.size > 1; bytes.data += n, bytes.size -= n) {
        n = 1 + (size_t)load_random(load, bytes.size - 1);
        sim_client_send(c->wire, bytes.data, n);
    }
    sim_client_send(c->wire, bytes.data, bytes.size);
}

static int32_t send_request(struct client *c, int16_t key, int16_t version, const void *request)
{
    struct arena arena;
    int32_t id = c->load->correlation_id++;

    ASSERT(c->wire);
    arena_init(&arena, CLIENT_ARENA);
    c->load->counts.requests++;
    send_bytes(c, sim_request(key, version, id, request, &arena));
    arena_free(&arena);
    return id;
}

struct call *client_call(struct client *c, int16_t key, int16_t version, const void *request, call_fn *then)
{
    struct call *call = sim__alloc(1, sizeof *call);

    *call = (struct call){.key = key, .version = version, .then = then};
    call->begun_us = c->load->sim->now_us;
    call->until_us = call->begun_us + ANSWER_S_MAX * 1000000;
    call->correlation_id = send_request(c, key, version, request);
    list_push_back(&c->calls, &call->link);
    return call;
}

void client_send(struct client *c, int16_t key, int16_t version, const void *request)
{
    send_request(c, key, version, request);
}

/* Every second: who waits too long gives up. */
static void on_second(void *context)
{
    struct load *load = context;

    for (size_t i = 0; i < load->clients_count; i++) {
        struct client *c = load->clients[i];
        struct call *first = client_idle(c) ? NULL : LIST_ENTRY(c->calls.next, struct call, link);
        if (!first || first->until_us > load->sim->now_us)
            continue;
        if (load->calm)
            load_broken(c, "no-answer", "%s version %d was not answered within %d s, though nothing is wrong", api_name(first->key), first->version, ANSWER_S_MAX);
        client_disconnect(c);
    }
    sim_at(load->sim, load->sim->now_us + 1000000, on_second, load);
}

/* --- topics --- */

struct topic *topic_any(struct load *load, bool lasting)
{
    struct topic *found = NULL;
    unsigned seen = 0;

    for (size_t i = 0; i < load->topics_count && !load->waiting; i++) {
        struct topic *t = &load->topics[i];
        if (!t->gone && !t->compacted && !t->wide && (t->lasting || !lasting) && load_random(load, ++seen) == 0)
            found = t;
    }
    return found;
}

struct topic *topic_add(struct load *load, const char *name, struct uuid id, int32_t partitions, bool wide)
{
    struct topic *t = &load->topics[load->topics_count];

    ASSERT(load->topics_count < TOPICS_MAX);
    ASSERT(partitions <= (wide ? WIDE_PARTITIONS_MAX : TOPIC_PARTITIONS_MAX) && load->wide_count + wide <= WIDE_TOPICS);
    *t = (struct topic){.id = id, .partitions = partitions, .wide = wide, .base = (uint32_t)load->topics_count * TOPIC_PARTITIONS_MAX};
    load->topics_count++;
    if (wide) {
        t->base = NARROW_PARTITIONS + (uint32_t)load->wide_count * WIDE_PARTITIONS_MAX;
        load->wide[load->wide_count++] = t;
    }
    if (load->history.partitions < t->base + (wide ? WIDE_PARTITIONS_MAX : TOPIC_PARTITIONS_MAX))
        load->history.partitions = t->base + (wide ? WIDE_PARTITIONS_MAX : TOPIC_PARTITIONS_MAX);
    snprintf(t->name, sizeof t->name, "%s", name);
    for (int32_t i = 0; i < partitions; i++)
        load->dropped[partition_number(t, i)] = false;
    return t;
}

struct topic *topic_named(struct load *load, const char *name)
{
    for (size_t i = load->topics_count; i--;)
        if (!strcmp(load->topics[i].name, name))
            return &load->topics[i];
    return NULL;
}

void topic_drop(struct load *load, struct topic *topic)
{
    topic->gone = true;
    for (int32_t i = 0; i < TOPIC_PARTITIONS_MAX; i++)
        load->dropped[partition_number(topic, i)] = true;
}

/* --- reading --- */

struct call *fetch_call(struct client *c, int16_t version, const struct fetch_want *wants, size_t count, int32_t wait_ms, int32_t bytes, int32_t session_id,
                        int32_t session_epoch, bool last, call_fn *then)
{
    struct load *load = c->load;
    const struct topic *topic = topic_of(load, wants[0].partition);
    struct fetch_request_partition partitions[TOPIC_PARTITIONS_MAX];
    struct fetch_request_topic from;
    struct fetch_request in;
    struct call *call;

    fetch_request_init(&in);
    fetch_request_topic_init(&from);
    in.replica_id = -1;
    in.max_wait_ms = wait_ms;
    in.min_bytes = 1;
    in.max_bytes = bytes;
    in.session_id = session_id;
    in.session_epoch = session_epoch;
    in.topics = &from;
    in.topics_count = 1;
    from.topic = str_from(topic->name);
    from.topic_id = topic->id;
    from.partitions = partitions;
    from.partitions_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        fetch_request_partition_init(&partitions[i]);
        partitions[i].partition = index_of(wants[i].partition);
        partitions[i].fetch_offset = wants[i].offset;
        partitions[i].partition_max_bytes = bytes;
    }
    call = client_call(c, API_FETCH, version, &in, then);
    call->note = (uint64_t)wait_ms;
    call->op = load->history.count;
    call->ops = (unsigned)count;
    for (size_t i = 0; i < count; i++)
        history_begin(&load->history, (struct op){.kind = OP_POLL, .process = c->id, .partition = wants[i].partition, .offset = wants[i].offset, .last = last});
    return call;
}

size_t fetch_op(const struct load *load, const struct call *call, uint32_t partition)
{
    size_t i = call->op;

    while (i < call->op + call->ops && load->history.ops[i].partition != partition)
        i++;
    return i;
}

void ops_refused(struct load *load, const struct call *call)
{
    for (size_t i = call->op; i < call->op + call->ops; i++)
        if (load->history.ops[i].outcome == OP_OPEN)
            history_end(&load->history, i, OP_REFUSED);
}

/* The value of a record, or its number. */
static bool read_value(const struct record *record, bool keyed, uint64_t *value)
{
    if (keyed)
        return keys_read(record, value);
    *value = 0;
    for (unsigned i = 0; i < 8 && record->value.size >= 8; i++)
        *value = *value << 8 | record->value.data[i];
    return record->value.size >= 8;
}

static void learn_batch(struct client *c, size_t op, const struct batch_head *head, struct bytes_view batch, int64_t *next)
{
    uint32_t partition = c->load->history.ops[op].partition;
    bool keyed = c->load->compacted[partition];
    struct arena arena;
    struct record_cursor *cursor;
    struct record record;
    bool more;

    arena_init(&arena, CLIENT_ARENA);
    cursor = record_cursor_new(&arena, batch, 1 << 20);
    ASSERT(cursor);
    for (;;) {
        uint64_t value;
        enum status s = record_next(cursor, &record, &more);
        if (s || !more)
            break;
        if (!read_value(&record, keyed, &value)) {
            load_broken(c, "phantom", "a record of %zu bytes that nobody sent", record.value.size);
            break;
        }
        if (keyed)
            keys_saw(c->load, partition, head, record.offset, value);
        if (record.offset >= *next) {
            history_sight(&c->load->history, op, record.offset, value, 1);
            *next = record.offset + 1;
        }
    }
    if (batch_last_offset(head) >= *next) /* compaction took its last records */
        *next = batch_last_offset(head) + 1;
    record_cursor_free(cursor);
    arena_free(&arena);
}

/* Invariant 21; beyond the promise it is the reader who has to see it. */
static void on_corrupt(struct client *c, uint32_t partition, int64_t offset)
{
    load_tell(c, "finds no batch, or one whose checksum is wrong, at offset %lld or behind it", (long long)offset);
    if (c->load->options.beyond)
        c->load->reported[partition] = true;
    else
        load_broken(c, "corrupt", "%s-%d: no batch, or one whose checksum is wrong, was served at offset %lld or behind it", topic_of(c->load, partition)->name,
                    index_of(partition), (long long)offset);
}

int64_t fetch_learn(struct client *c, size_t op, const struct fetch_response_partition *p)
{
    struct load *load = c->load;
    struct op *it = &load->history.ops[op];
    struct bytes_view left = {p->records.data, p->records.size};
    int64_t next = it->offset;
    struct batch_head head;
    size_t size;

    if (it->outcome != OP_OPEN) {
        load_broken(c, "protocol", "a partition twice in an answer");
        return next;
    }
    if (p->error_code) {
        load_refused(c, it->partition, p->error_code);
        history_end(&load->history, op, OP_REFUSED);
        return next;
    }
    it->high_watermark = p->high_watermark;
    it->start_offset = p->log_start_offset;
    while (left.size >= BATCH_OVERHEAD) {
        bool is_batch = batch_head_read(left, &head) && head.length >= BATCH_OVERHEAD - BATCH_PREFIX;
        if (is_batch && batch_size(&head) > left.size)
            break; /* the answer was full */
        if (!is_batch || batch_check_crc(left, &size)) {
            on_corrupt(c, it->partition, next);
            break;
        }
        learn_batch(c, op, &head, (struct bytes_view){left.data, size}, &next);
        left.data += size;
        left.size -= size;
    }
    load->history.ops[op].next = next;
    history_end(&load->history, op, OP_OK);
    if (load->compacted[it->partition])
        keys_polled(c, it);
    return next;
}

/* --- when to answer --- */

enum { LATE_US = 5000000 }; /* more than any disk or network here needs */

int64_t load_acked_long_ago(struct load *load, uint32_t partition)
{
    struct acked *a = &load->acked[partition];

    if (load->sim->now_us >= a->mid_us + LATE_US) {
        a->old = a->mid;
        a->mid = a->end;
        a->mid_us = load->sim->now_us;
    }
    return a->old;
}

void load_acked(struct load *load, uint32_t partition, int64_t end)
{
    struct acked *a = &load->acked[partition];

    (void)load_acked_long_ago(load, partition);
    if (end > a->end)
        a->end = end;
}

void fetch_judge(struct client *c, const struct call *call, const struct fetch_response *out, bool full)
{
    const struct history *h = &c->load->history;
    uint64_t waited_us = c->load->sim->now_us - call->begun_us;
    const struct op *ready = NULL; /* one that has something to read */
    const struct op *late = NULL;  /* one that had something long ago */
    unsigned answered = 0, failed = 0;
    size_t sightings = 0;
    bool broken = false; /* what came of one did not read */

    for (size_t i = call->op; i < call->op + call->ops; i++) {
        const struct op *op = &h->ops[i];
        answered += op->outcome == OP_OK;
        broken |= c->load->reported[op->partition];
        sightings += op->sightings_count;
        if (op->outcome != OP_OK)
            continue;
        if (op->high_watermark > op->offset)
            ready = op;
        if (op->high_watermark < load_acked_long_ago(c->load, op->partition))
            late = op;
    }
    for (int32_t i = 0; i < out->responses_count; i++)
        for (int32_t k = 0; k < out->responses[i].partitions_count; k++)
            failed += out->responses[i].partitions[k].error_code != 0;
    if (full && answered + failed != call->ops)
        load_broken(c, "protocol", "%u partitions were asked for, and %u are told", call->ops, answered + failed);
    if (late && !sightings && !failed) /* else the records of others may have come from a slow disk, after its high watermark was looked at */
        load_broken(c, "late", "%s-%d has its high watermark at %lld, and long ago %lld was acknowledged", topic_of(c->load, late->partition)->name,
                    index_of(late->partition), (long long)late->high_watermark, (long long)load_acked_long_ago(c->load, late->partition));
    if (ready && !sightings && !failed && !broken && !c->load->compacted[ready->partition])
        load_broken(c, "starved", "%s-%d has records from %lld to %lld, and none came", topic_of(c->load, ready->partition)->name, index_of(ready->partition),
                    (long long)ready->offset, (long long)ready->high_watermark);
    c->early = full && !ready && !failed && waited_us + 1000 < call->note * 1000;
}

void load_refused(const struct client *c, uint32_t partition, int16_t error)
{
    const struct load_options *o = &c->load->options;

    if (error == STATUS_KAFKA_STORAGE_ERROR && o->refused)
        o->refused(o->context, topic_of(c->load, partition)->id, index_of(partition));
}

/* --- what the broker says --- */

void load_report_all(struct load *load)
{
    memset(load->reported, true, sizeof load->reported);
    load->history.groups_reported = true;
}

void load_report(struct load *load, const char *line)
{
    char folder[NAME_SIZE + 16];

    if (strstr(line, "__cluster_metadata") || strstr(line, "barnabas-journal"))
        load_report_all(load);
    if (strstr(line, "__consumer_offsets") || strstr(line, "group coordinator"))
        load->history.groups_reported = true;
    for (size_t i = 0; i < load->topics_count; i++)
        for (int32_t p = 0; p < load->topics[i].partitions; p++) {
            snprintf(folder, sizeof folder, "%s-%d", load->topics[i].name, p);
            if (strstr(line, folder))
                load->reported[partition_number(&load->topics[i], p)] = true;
        }
}

/* --- the whole --- */

static struct client *client_new(struct load *load, const struct client_kind *kind)
{
    struct client *c = sim__alloc(1, kind->size);

    c->load = load;
    c->kind = kind;
    c->id = (unsigned)load->clients_count;
    list_init(&c->calls);
    load->clients[load->clients_count++] = c;
    if (kind->init)
        kind->init(c);
    return c;
}

struct load *load_new(const struct load_options *options)
{
    const struct {
        const struct client_kind *kind;
        unsigned count;
    } kinds[] = {{&admin_kind, options->admins},   {&producer_kind, options->producers}, {&once_kind, options->once}, {&keyed_kind, options->keyed},
                 {&crowd_kind, options->wide ? 2 : 0},
                 {&reader_kind, options->readers}, {&member_kind, options->members}};
    struct load *load = sim__alloc(1, sizeof *load);
    size_t all = 1;

    load->options = *options;
    load->sim = options->sim;
    load->history.dropped = load->dropped;
    load->history.reported = load->reported;
    load->history.first = load->first;
    load->history.compacted = load->compacted;
    load->history.shrinks = load->shrinks;
    memset(load->dropped, true, sizeof load->dropped); /* until they are made */
    keys_choose_settings(load);
    load->waiting = options->far;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        all += kinds[i].count;
    load->clients = sim__alloc(all, sizeof(struct client *));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (unsigned n = 0; n < kinds[i].count; n++)
            client_sleep(client_new(load, kinds[i].kind), 100000);
    load->audit = client_new(load, &audit_kind);
    sim_at(load->sim, load->sim->now_us + 1000000, on_second, load);
    return load;
}

/* With the world: its alarms are still set. */
void load_free(struct load *load)
{
    for (size_t i = 0; i < load->clients_count; i++) {
        struct client *c = load->clients[i];
        for (struct list *node; (node = list_pop_front(&c->calls));)
            mem_free(LIST_ENTRY(node, struct call, link));
        mem_free(c->in);
        mem_free(c);
    }
    history_free(&load->history);
    mem_free(load->clients);
    mem_free(load);
}

const struct history *load_history(struct load *load)
{
    return &load->history;
}

struct load_counts load_counts(const struct load *load)
{
    return load->counts;
}

bool load_has_topics(void *context)
{
    return ((const struct load *)context)->topics_count >= LASTING_TOPICS;
}

enum { FAR_RECORDS_MAX = 1000 }; /* that have room there */

void load_begin_far(struct load *load, struct fs *disk)
{
    char folder[NAME_SIZE + 16];

    for (size_t i = 0; i < LASTING_TOPICS; i++) {
        const struct topic *t = &load->topics[i];
        uint32_t partition = partition_number(t, LASTING_PARTITIONS - 1);
        load->first[partition] = INT64_MAX - 1 - (int64_t)load_random(load, FAR_RECORDS_MAX);
        snprintf(folder, sizeof folder, "%s-%d", t->name, LASTING_PARTITIONS - 1);
        far_begin_at(disk, folder, t->id, load->first[partition]);
    }
    load->waiting = false;
}

void load_break(struct load *load, unsigned percent)
{
    for (size_t i = 0; i < load->clients_count; i++)
        if (load_chance(load, percent))
            client_disconnect(load->clients[i]);
}

void load_cut(struct load *load, unsigned percent)
{
    for (size_t i = 0; i < load->clients_count; i++)
        load->clients[i]->cut = load_chance(load, percent);
}

void load_vanish(struct load *load, unsigned percent)
{
    for (size_t i = 0; i < load->clients_count; i++) {
        struct client *c = load->clients[i];
        if (!c->wire || !load_chance(load, percent))
            continue;
        sim_client_vanish(c->wire);
        c->wire = NULL;
        calls_lost(c);
    }
}

void load_calm(struct load *load)
{
    load->calm = true;
    for (size_t i = 0; i < load->clients_count; i++) {
        struct client *c = load->clients[i];
        c->cut = false;
        LIST_EACH (node, &c->calls) { /* what faults held up has its time anew */
            LIST_ENTRY(node, struct call, link)->until_us = load->sim->now_us + ANSWER_S_MAX * 1000000;
        }
    }
}

void load_finish(struct load *load)
{
    load->finishing = true;
}

bool load_is_finished(void *context)
{
    const struct load *load = context;

    for (size_t i = 0; i < load->clients_count; i++) {
        const struct client *c = load->clients[i];
        if (!client_idle(c) || (c->kind->finished && !c->kind->finished(c)))
            return false;
    }
    return true;
}

void load_audit(struct load *load)
{
    load->auditing = true;
    client_sleep(load->audit, 1000);
}

bool load_is_audited(void *context)
{
    return ((const struct load *)context)->audited;
}

void load_describe(const struct load *load, void (*tell)(void *context, const char *line), void *context)
{
    for (size_t i = 0; i < load->clients_count; i++) {
        const struct client *c = load->clients[i];
        char line[120];
        if (client_idle(c) && (!c->kind->finished || c->kind->finished(c)))
            continue;
        snprintf(line, sizeof line, "%s-%u waits for %s", c->kind->name, c->id,
                 client_idle(c) ? "itself" : api_name(LIST_ENTRY(c->calls.next, struct call, link)->key));
        tell(context, line);
    }
}
