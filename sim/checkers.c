/* SPDX-License-Identifier: Apache-2.0
 * See checkers.h. The operations are sorted by partition, and each partition is judged by itself: first what its log was (the versions,
 * offset by offset, as far as anybody knows them), then the operations against it.
 */
#include "sim/checkers.h"

#include <stdarg.h>
#include <inttypes.h>

#include "base/assert.h"
#include "base/mem.h"

/* --- histories --- */

static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room * 2 + 64;
    items = mem_resize(items, *room, size);
    ASSERT(items);
    return items;
}

size_t history_begin(struct history *h, struct op op)
{
    h->ops = grown(h->ops, h->count, &h->room, sizeof *h->ops);
    op.outcome = OP_OPEN;
    op.begun = ++h->clock;
    op.ended = UINT64_MAX;
    h->ops[h->count] = op;
    return h->count++;
}

void history_end(struct history *h, size_t index, enum op_outcome outcome)
{
    struct op *op = &h->ops[index];

    ASSERT(op->outcome == OP_OPEN);
    op->outcome = outcome;
    op->ended = ++h->clock;
}

void history_sight(struct history *h, size_t index, int64_t offset, uint64_t value)
{
    struct op *op = &h->ops[index];

    h->sightings = grown(h->sightings, h->sightings_count, &h->sightings_room, sizeof *h->sightings);
    if (!op->sightings_count)
        op->sightings = h->sightings_count;
    ASSERT(op->sightings + op->sightings_count == h->sightings_count);
    h->sightings[h->sightings_count++] = (struct sighting){offset, value};
    op->sightings_count++;
}

void history_free(struct history *h)
{
    mem_free(h->ops);
    mem_free(h->sightings);
    *h = (struct history){0};
}

/* --- the check --- */

struct check {
    const struct history *h;
    void (*broken)(void *context, const char *rule, const char *what);
    void *context;
    size_t count;

    /* of the partition at hand */
    uint32_t partition;
    const struct op **ops; /* in the order in which they began */
    size_t ops_count;
    const struct op **sends; /* by value */
    size_t sends_count;
    struct sighting *log; /* every (offset, value) that is known, sorted, each once */
    size_t log_count;
};

static void broken(struct check *c, const char *rule, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void broken(struct check *c, const char *rule, const char *format, ...)
{
    char text[400];
    va_list args;
    int n = snprintf(text, sizeof text, "partition %" PRIu32 ": ", c->partition);

    va_start(args, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    c->count++;
    c->broken(c->context, rule, text);
}

static void *room_for(size_t count, size_t size)
{
    void *block = mem_alloc(count + 1, size);

    ASSERT(block);
    return block;
}

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_partition(const void *a, const void *b)
{
    const struct op *x = *(const struct op *const *)a, *y = *(const struct op *const *)b;
    int order = order_u64(x->partition, y->partition);

    return order ? order : order_u64(x->begun, y->begun);
}

static int by_value(const void *a, const void *b)
{
    return order_u64((*(const struct op *const *)a)->value, (*(const struct op *const *)b)->value);
}

static int by_offset(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return order_u64(x->value, y->value);
}

static int sighting_by_value(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;

    return x->value != y->value ? order_u64(x->value, y->value) : by_offset(a, b);
}

/* The send that a value is of. */
static const struct op *send_of(const struct check *c, uint64_t value)
{
    size_t low = 0, high = c->sends_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->sends[mid]->value <= value)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low || value - c->sends[low - 1]->value >= c->sends[low - 1]->count)
        return NULL;
    return c->sends[low - 1];
}

static bool acknowledged(const struct op *op)
{
    return op->kind == OP_SEND && op->outcome == OP_OK && op->offset >= 0;
}

/* Index of the first known version at or after an offset. */
static size_t log_at(const struct check *c, int64_t offset)
{
    size_t low = 0, high = c->log_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->log[mid].offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void learn_log(struct check *c)
{
    size_t room = 0, kept = 0;

    for (size_t i = 0; i < c->ops_count; i++)
        room += acknowledged(c->ops[i]) ? c->ops[i]->count : c->ops[i]->sightings_count;
    c->log = room_for(room, sizeof *c->log);
    c->sends = room_for(c->ops_count, sizeof(struct op *));
    c->log_count = c->sends_count = 0;
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (op->kind == OP_SEND)
            c->sends[c->sends_count++] = op;
        for (uint32_t n = 0; acknowledged(op) && n < op->count; n++)
            c->log[c->log_count++] = (struct sighting){op->offset + n, op->value + n};
        for (size_t n = 0; n < op->sightings_count; n++)
            c->log[c->log_count++] = c->h->sightings[op->sightings + n];
    }
    qsort(c->sends, c->sends_count, sizeof(struct op *), by_value);
    qsort(c->log, c->log_count, sizeof *c->log, by_offset);
    for (size_t i = 0; i < c->log_count; i++)
        if (!kept || by_offset(&c->log[kept - 1], &c->log[i]))
            c->log[kept++] = c->log[i];
    c->log_count = kept;
}

static void check_offsets(struct check *c)
{
    for (size_t i = 1; i < c->log_count; i++)
        if (c->log[i].offset == c->log[i - 1].offset)
            broken(c, "inconsistent-offsets", "offset %" PRId64 " has the values %" PRIx64 " and %" PRIx64, c->log[i].offset, c->log[i - 1].value, c->log[i].value);
}

static void check_values(struct check *c)
{
    struct sighting *values = room_for(c->log_count, sizeof *values);

    if (c->log_count)
        memcpy(values, c->log, c->log_count * sizeof *values);
    qsort(values, c->log_count, sizeof *values, sighting_by_value);
    for (size_t i = 0; i < c->log_count; i++) {
        const struct op *send = send_of(c, values[i].value);
        if (!send)
            broken(c, "phantom", "value %" PRIx64 " at offset %" PRId64 " was never sent", values[i].value, values[i].offset);
        else if (send->outcome == OP_REFUSED)
            broken(c, "phantom", "value %" PRIx64 " at offset %" PRId64 " was refused", values[i].value, values[i].offset);
        else if (send->once && i && values[i - 1].value == values[i].value)
            broken(c, "duplicate", "value %" PRIx64 " is at the offsets %" PRId64 " and %" PRId64, values[i].value, values[i - 1].offset, values[i].offset);
    }
    mem_free(values);
}

/* Invariant 16: values of one process grow. The last one of each process that was met is kept in a short list. */
static void check_order(struct check *c)
{
    struct last {
        uint32_t process;
        uint64_t value;
    } *last = room_for(c->sends_count, sizeof *last);
    size_t count = 0, at;

    for (size_t i = 0; i < c->log_count; i++) {
        const struct op *send = send_of(c, c->log[i].value);
        if (!send || !send->once)
            continue;
        for (at = 0; at < count && last[at].process != send->process; at++)
            ;
        if (at == count)
            last[count++] = (struct last){send->process, 0};
        if (c->log[i].value < last[at].value)
            broken(c, "reordered", "value %" PRIx64 " at offset %" PRId64 " stands behind %" PRIx64, c->log[i].value, c->log[i].offset, last[at].value);
        last[at].value = c->log[i].value;
    }
    mem_free(last);
}

/* Below this, records may be gone: somebody asked for it. */
static int64_t deleted_at_most(const struct check *c)
{
    int64_t most = 0;

    for (size_t i = 0; i < c->ops_count; i++)
        if (c->ops[i]->kind == OP_DELETE && c->ops[i]->outcome != OP_REFUSED && c->ops[i]->offset > most)
            most = c->ops[i]->offset;
    return most;
}

static void check_last_read(struct check *c)
{
    int64_t start = -1, end = -1, at = -1;
    struct sighting *read;
    size_t count = 0;

    for (size_t i = 0; i < c->ops_count; i++)
        count += c->ops[i]->last ? c->ops[i]->sightings_count : 0;
    read = room_for(count, sizeof *read);
    count = 0;
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (!op->last || op->outcome != OP_OK)
            continue;
        start = op->start_offset;
        end = op->high_watermark;
        at = op->offset;
        for (size_t n = 0; n < op->sightings_count; n++)
            read[count++] = c->h->sightings[op->sightings + n];
        if (op->sightings_count)
            at = read[count - 1].offset + 1;
    }
    if (end < 0 || at < end) {
        broken(c, "unread", "the last read ended at %" PRId64 " of %" PRId64, at, end);
        goto out;
    }
    qsort(read, count, sizeof *read, by_offset);
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        for (uint32_t n = 0; acknowledged(op) && n < op->count; n++) {
            struct sighting want = {op->offset + n, op->value + n};
            if (want.offset >= start && !bsearch(&want, read, count, sizeof want, by_offset))
                broken(c, "lost-write", "value %" PRIx64 " was acknowledged at offset %" PRId64 " and is not there (%" PRId64 " to %" PRId64 ")", want.value, want.offset, start, end);
        }
    }
out:
    mem_free(read);
}

static bool known_between(const struct check *c, int64_t from, int64_t to, int64_t *offset)
{
    size_t at = log_at(c, from);

    if (at == c->log_count || c->log[at].offset >= to)
        return false;
    *offset = c->log[at].offset;
    return true;
}

static void check_poll(struct check *c, const struct op *op, int64_t from)
{
    int64_t next = from, skipped;

    for (size_t i = 0; i < op->sightings_count; i++) {
        const struct sighting *it = &c->h->sightings[op->sightings + i];
        if (it->offset < next)
            broken(c, "nonmonotonic-poll", "process %" PRIu32 " was at %" PRId64 " and got offset %" PRId64, op->process, next, it->offset);
        else if (known_between(c, next > op->start_offset ? next : op->start_offset, it->offset, &skipped))
            broken(c, "poll-skip", "process %" PRIu32 " was at %" PRId64 " and got offset %" PRId64 ", though there is %" PRId64, op->process, next, it->offset, skipped);
        if (it->offset >= op->high_watermark)
            broken(c, "beyond-high-watermark", "offset %" PRId64 " was read below the high watermark %" PRId64, it->offset, op->high_watermark);
        next = it->offset + 1;
    }
}

/* Each process's polls and sends in their order. */
static void check_processes(struct check *c)
{
    struct process {
        uint32_t process;
        int64_t position;
        const struct op *sent;
    } *processes = room_for(c->ops_count, sizeof *processes);
    size_t count = 0, at;

    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (op->outcome != OP_OK || (op->kind != OP_POLL && op->kind != OP_SEND))
            continue;
        for (at = 0; at < count && processes[at].process != op->process; at++)
            ;
        if (at == count)
            processes[count++] = (struct process){.process = op->process, .position = -1};
        if (op->kind == OP_POLL) {
            int64_t from = op->follows && processes[at].position >= 0 ? processes[at].position : op->offset;
            check_poll(c, op, from);
            processes[at].position = op->sightings_count ? c->h->sightings[op->sightings + op->sightings_count - 1].offset + 1 : op->offset;
        } else if (op->offset >= 0) {
            const struct op *before = processes[at].sent;
            if (before && before->ended < op->begun && op->offset < before->offset)
                broken(c, "nonmonotonic-send", "process %" PRIu32 " sent %" PRIx64 " to %" PRId64 " after %" PRIx64 " to %" PRId64, op->process, op->value, op->offset, before->value, before->offset);
            if (!before || before->offset < op->offset)
                processes[at].sent = op;
        }
    }
    mem_free(processes);
}

struct moment {
    uint64_t at;
    const struct op *op;
    size_t index;
};

static int by_moment(const void *a, const void *b)
{
    return order_u64(((const struct moment *)a)->at, ((const struct moment *)b)->at);
}

/* What had been told or acknowledged when an operation began, it may not fall behind. */
static void check_watermarks(struct check *c)
{
    int64_t now = 0, *at_begin = room_for(c->ops_count, sizeof *at_begin);
    struct moment *moments = room_for(c->ops_count * 2, sizeof *moments);
    int64_t deleted = deleted_at_most(c);
    size_t count = 0;

    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (op->outcome != OP_OK || (op->kind != OP_POLL && op->kind != OP_SEND))
            continue;
        moments[count++] = (struct moment){op->begun, op, i};
        moments[count++] = (struct moment){op->ended, op, i};
    }
    qsort(moments, count, sizeof *moments, by_moment);
    for (size_t i = 0; i < count; i++) {
        const struct op *op = moments[i].op;
        int64_t *floor = &at_begin[moments[i].index], told;
        if (moments[i].at == op->begun) {
            *floor = now;
            continue;
        }
        told = op->kind == OP_SEND ? op->offset + op->count : op->high_watermark;
        if (op->kind == OP_POLL && told < *floor)
            broken(c, "high-watermark", "%" PRId64 " was told after %" PRId64 " had been", told, *floor);
        if (op->kind == OP_POLL && op->start_offset > deleted)
            broken(c, "start-offset", "%" PRId64 " was told, and deleted was up to %" PRId64, op->start_offset, deleted);
        now = told > now ? told : now;
    }
    mem_free(at_begin);
    mem_free(moments);
}

/* A register for each group: what is told was committed, and nothing that was accepted after it ended before the asking began. */
static void check_committed(struct check *c, const struct op *told)
{
    const struct op *latest = NULL; /* begun, of those accepted before `told` began */
    bool found = false;

    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (op->kind == OP_COMMIT && op->group == told->group && op->outcome == OP_OK && op->ended < told->begun && (!latest || op->begun > latest->begun))
            latest = op;
    }
    if (told->offset < 0) {
        if (latest)
            broken(c, "commit-lost", "group %" PRIu32 ": nothing is committed, after %" PRId64 " was", told->group, latest->offset);
        return;
    }
    for (size_t i = 0; i < c->ops_count && !found; i++) {
        const struct op *op = c->ops[i];
        found = op->kind == OP_COMMIT && op->group == told->group && op->outcome != OP_REFUSED && op->offset == told->offset && op->begun < told->ended &&
                (!latest || op->ended >= latest->begun);
    }
    if (!found)
        broken(c, latest ? "commit-lost" : "commit-phantom", "group %" PRIu32 ": %" PRId64 " is told, committed was %" PRId64, told->group, told->offset,
               latest ? latest->offset : -1);
}

static void check_groups(struct check *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->ops_count; i++) /* the last check: the other operations are not needed any more */
        if (c->ops[i]->kind == OP_COMMIT || c->ops[i]->kind == OP_COMMITTED || c->ops[i]->kind == OP_OWN)
            c->ops[count++] = c->ops[i];
    c->ops_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct op *a = c->ops[i];
        if (a->outcome != OP_OK)
            continue;
        if (a->kind == OP_COMMITTED)
            check_committed(c, a);
        for (size_t k = 0; a->kind == OP_OWN && k < count; k++) {
            const struct op *b = c->ops[k];
            if (b->group != a->group || b->outcome != OP_OK)
                continue;
            if (b->kind == OP_OWN && k > i && b->generation == a->generation && b->process != a->process)
                broken(c, "two-owners", "group %" PRIu32 ", generation %" PRId32 ": processes %" PRIu32 " and %" PRIu32, a->group, a->generation, a->process, b->process);
            if (b->kind == OP_COMMIT && b->begun > a->ended && b->generation >= 0 && b->generation < a->generation)
                broken(c, "stale-generation", "group %" PRIu32 ": %" PRId32 " committed %" PRId64 " in the time of %" PRId32, a->group, b->generation, b->offset, a->generation);
        }
    }
}

size_t history_check(const struct history *h, void (*report)(void *context, const char *rule, const char *what), void *context)
{
    struct check c = {.h = h, .broken = report, .context = context};
    const struct op **all = room_for(h->count, sizeof(struct op *));
    size_t at = 0;

    for (size_t i = 0; i < h->count; i++)
        all[i] = &h->ops[i];
    qsort(all, h->count, sizeof(struct op *), by_partition);
    for (c.partition = 0; c.partition < h->partitions; c.partition++) {
        c.ops = all + at;
        for (c.ops_count = 0; at < h->count && all[at]->partition == c.partition; at++)
            c.ops_count++;
        learn_log(&c);
        check_offsets(&c);
        check_values(&c);
        check_order(&c);
        if (!h->dropped || !h->dropped[c.partition])
            check_last_read(&c);
        check_processes(&c);
        check_watermarks(&c);
        check_groups(&c);
        mem_free(c.log);
        mem_free(c.sends);
    }
    mem_free(all);
    return c.count;
}
