/* SPDX-License-Identifier: Apache-2.0
 * See checkers.h. The operations are sorted by partition, and each partition is judged by itself: first what its log was (as far as anybody knows:
 * runs of records whose offsets and values both go up by one, so that a long history of few clients stays small), then the operations against it.
 */
#include "sim/checkers_int.h"

#include <stdarg.h>
#include <inttypes.h>

#include "base/assert.h"
#include "base/mem.h"

const struct history_rule history_rules[] = {
    {"inconsistent-offsets", "26", "two values at one offset", NULL},
    {"duplicate", "16, 26", "one value, sent by an idempotent producer, at two offsets", NULL},
    {"reordered", "16", "an idempotent producer's values stand in another order than sent", NULL},
    {"int-nonmonotonic-send", "16, 26", "the values of one send stand in another order than in it", NULL},
    {"nonmonotonic-send", "26", "a later send of one producer stands before an earlier one", NULL},
    {"phantom", "26", "a value that nobody sent", NULL},
    {"G1a", "26", "a value whose sending was refused", NULL},
    {"lost-write", "15, 26", "acknowledged, not deleted, and not there in the last read", NULL},
    {"unseen", "15, 26", "acknowledged, and behind the end of the last read", NULL},
    {"unread", "28", "the last read of a partition did not come to its end", NULL},
    {"poll-skip", "26", "a reader passed over records that are there, between two polls", NULL},
    {"int-poll-skip", "26", "the same within one poll", NULL},
    {"nonmonotonic-poll", "26", "a poll got a record that is before where it was to begin", NULL},
    {"int-nonmonotonic-poll", "26", "the same within one poll", NULL},
    {"beyond-high-watermark", "14", "a record was read that is not below the high watermark", NULL},
    {"high-watermark", "14, 15", "it went back, or is behind what was acknowledged", NULL},
    {"key-lost", "13", "a record is not there any more, and no newer one of its key was sent (compacted partitions)", NULL},
    {"key-back", "13", "a record is read though the newest of its key, a tombstone, was gone before (compacted partitions)", NULL},
    {"start-offset", "13", "the log begins further on than anybody deleted", NULL},
    {"time-lookup", "20", "a lookup by time told another record than the first one of that time, or of the greatest", NULL},
    {"commit-lost", "19", "a committed offset is told that a later accepted commit or deletion replaced", NULL},
    {"commit-phantom", "19", "a committed offset is told that nobody committed", NULL},
    {"two-owners", "19", "two members own a partition in one generation", NULL},
    {"stale-generation", "17", "a commit was accepted from a generation that was over", NULL},
    {"precommitted-read", "18, 26", "a value was read before its transaction was committed", "transactions"},
    {"G1c", "26", "transactions that each read what another wrote, in a circle (wr edges only)", "transactions"},
    {"aborted-read", "18", "a value of an aborted transaction was read (G1a of transactions)", "transactions"},
    {"delayed-end-txn", "27", "records of one transaction end in the next one (KIP-890)", "transactions"},
};
const size_t history_rules_count = sizeof history_rules / sizeof *history_rules;

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

void history_sight(struct history *h, size_t index, int64_t offset, uint64_t value, uint64_t count)
{
    struct op *op = &h->ops[index];
    struct sighting *last = op->sightings_count ? &h->sightings[h->sightings_count - 1] : NULL;

    if (last && offset == sighting_end(last) && value == last->value + last->count) {
        last->count += count;
        return;
    }
    h->sightings = grown(h->sightings, h->sightings_count, &h->sightings_room, sizeof *h->sightings);
    if (!op->sightings_count)
        op->sightings = h->sightings_count;
    ASSERT(op->sightings + op->sightings_count == h->sightings_count);
    h->sightings[h->sightings_count++] = (struct sighting){offset, value, count};
    op->sightings_count++;
}

void history_free(struct history *h)
{
    mem_free(h->ops);
    mem_free(h->sightings);
    *h = (struct history){0};
}

/* --- the check --- */

void check__broken(struct check *c, const char *rule, const char *format, ...)
{
    char text[400];
    va_list args;
    int n = snprintf(text, sizeof text, "partition %" PRIu32 ": ", c->partition);
    size_t known = 0;

    while (known < history_rules_count && strcmp(history_rules[known].name, rule))
        known++;
    ASSERT(known < history_rules_count && !history_rules[known].waits_for);
    va_start(args, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    c->count++;
    c->broken(c->context, rule, text);
}

void *check__room(size_t count, size_t size)
{
    void *block = mem_alloc(count + 1, size);

    ASSERT(block);
    return block;
}

int check__order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_partition(const void *a, const void *b)
{
    const struct op *x = *(const struct op *const *)a, *y = *(const struct op *const *)b;
    int order = check__order(x->partition, y->partition);

    return order ? order : check__order(x->begun, y->begun);
}

static int by_value(const void *a, const void *b)
{
    return check__order((*(const struct op *const *)a)->value, (*(const struct op *const *)b)->value);
}

static int by_offset(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return check__order(x->value, y->value);
}

static int run_by_value(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;

    return x->value != y->value ? check__order(x->value, y->value) : by_offset(a, b);
}

/* The send that a value is of, or NULL; *left: for how many values, from this one on, that is the answer. */
static const struct op *send_of(const struct check *c, uint64_t value, uint64_t *left)
{
    size_t low = 0, high = c->sends_count;
    const struct op *send;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->sends[mid]->value <= value)
            low = mid + 1;
        else
            high = mid;
    }
    send = low ? c->sends[low - 1] : NULL;
    *left = low < c->sends_count ? c->sends[low]->value - value : UINT64_MAX;
    if (!send || value - send->value >= send->count)
        return NULL;
    if (*left > send->value + send->count - value)
        *left = send->value + send->count - value;
    return send;
}

/* Index of the first of sorted runs that ends behind an offset. */
static size_t run_at(const struct sighting *runs, size_t count, int64_t offset)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (sighting_end(&runs[mid]) <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Sorts runs and makes one of those that overlap or follow each other and agree. Runs that do not agree stay side by side. */
static size_t runs_join(struct sighting *runs, size_t count)
{
    size_t kept = 0;

    qsort(runs, count, sizeof *runs, by_offset);
    for (size_t i = 0; i < count; i++) {
        struct sighting *last = kept ? &runs[kept - 1] : NULL, it = runs[i];
        if (last && it.offset <= sighting_end(last) && it.value - last->value == (uint64_t)(it.offset - last->offset))
            last->count = sighting_end(&it) > sighting_end(last) ? (uint64_t)(sighting_end(&it) - last->offset) : last->count;
        else
            runs[kept++] = it;
    }
    return kept;
}

static void learn_log(struct check *c)
{
    size_t room = 0;

    for (size_t i = 0; i < c->ops_count; i++)
        room += op_acknowledged(c->ops[i]) ? 1 : c->ops[i]->sightings_count;
    c->log = check__room(room, sizeof *c->log);
    c->sends = check__room(c->ops_count, sizeof(struct op *));
    c->log_count = c->sends_count = 0;
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (op->kind == OP_SEND)
            c->sends[c->sends_count++] = op;
        if (op_acknowledged(op))
            c->log[c->log_count++] = (struct sighting){op->offset, op->value, op->count};
        for (size_t n = 0; n < op->sightings_count; n++)
            c->log[c->log_count++] = c->h->sightings[op->sightings + n];
    }
    qsort(c->sends, c->sends_count, sizeof(struct op *), by_value);
    c->log_count = runs_join(c->log, c->log_count);
}

static void check_offsets(struct check *c)
{
    int64_t end = INT64_MIN;

    for (size_t i = 0; i < c->log_count; i++) {
        const struct sighting *it = &c->log[i], *other = i ? it - 1 : it;
        if (it->offset < end)
            check__broken(c, "inconsistent-offsets", "offset %" PRId64 " has the values %" PRIx64 " and %" PRIx64, it->offset, other->value + (uint64_t)(it->offset - other->offset),
                   it->value);
        end = sighting_end(it) > end ? sighting_end(it) : end;
    }
}

/* Calls each(c, send, piece) for the parts of a run that are of one send each; `send` NULL: of nobody's. */
static void each_piece(struct check *c, const struct sighting *run, void (*each)(struct check *c, const struct op *send, const struct sighting *piece, void *context),
                       void *context)
{
    struct sighting left = *run;

    while (left.count) {
        uint64_t most;
        const struct op *send = send_of(c, left.value, &most);
        struct sighting piece = {left.offset, left.value, left.count < most ? left.count : most};
        each(c, send, &piece, context);
        left = (struct sighting){left.offset + (int64_t)piece.count, left.value + piece.count, left.count - piece.count};
    }
}

static void check_piece_sent(struct check *c, const struct op *send, const struct sighting *piece, void *context)
{
    if (!send)
        check__broken(c, "phantom", "value %" PRIx64 " at offset %" PRId64 " (%" PRIu64 " records) was never sent", piece->value, piece->offset, piece->count);
    else if (send->outcome == OP_REFUSED)
        check__broken(c, "G1a", "value %" PRIx64 " at offset %" PRId64 " (%" PRIu64 " records) was refused", piece->value, piece->offset, piece->count);
}

static bool is_reported(const struct check *c)
{
    return c->h->reported && c->h->reported[c->partition];
}

static void check_values(struct check *c)
{
    struct sighting *runs = check__room(c->log_count, sizeof *runs);
    const struct sighting *last = NULL; /* whose values reach furthest */

    if (c->log_count)
        memcpy(runs, c->log, c->log_count * sizeof *runs);
    qsort(runs, c->log_count, sizeof *runs, run_by_value);
    for (size_t i = 0; i < c->log_count; i++) {
        const struct sighting *it = &runs[i];
        uint64_t ignored;
        const struct op *send = send_of(c, it->value, &ignored);
        each_piece(c, it, check_piece_sent, NULL);
        if (last && send && send->once && !is_reported(c) && it->value < last->value + last->count && it->value - last->value != (uint64_t)(it->offset - last->offset))
            check__broken(c, "duplicate", "value %" PRIx64 " is at the offsets %" PRId64 " and %" PRId64, it->value, last->offset + (int64_t)(it->value - last->value), it->offset);
        if (!last || it->value + it->count > last->value + last->count)
            last = it;
    }
    mem_free(runs);
}

/* Invariant 16: values of one process grow. The last one of each process that was met is kept in a short list. */
struct order {
    struct {
        uint32_t process;
        uint64_t value;
        const struct op *send;
    } *last;
    size_t count;
};

static void check_piece_order(struct check *c, const struct op *send, const struct sighting *piece, void *context)
{
    struct order *order = context;
    size_t at = 0;

    if (!send || !send->once)
        return;
    while (at < order->count && order->last[at].process != send->process)
        at++;
    if (at == order->count) {
        order->last[at].process = send->process;
        order->last[at].value = 0;
        order->count++;
    }
    if (piece->value < order->last[at].value)
        check__broken(c, send == order->last[at].send ? "int-nonmonotonic-send" : "reordered", "value %" PRIx64 " at offset %" PRId64 " stands behind %" PRIx64, piece->value,
               piece->offset, order->last[at].value);
    order->last[at].value = piece->value + piece->count - 1;
    order->last[at].send = send;
}

static void check_order(struct check *c)
{
    struct order order = {.last = check__room(c->sends_count, sizeof *order.last)};

    for (size_t i = 0; i < c->log_count; i++)
        each_piece(c, &c->log[i], check_piece_order, &order);
    mem_free(order.last);
}

/* Below this, records may be gone: somebody asked for it. */
static int64_t deleted_at_most(const struct check *c)
{
    int64_t most = c->h->first ? c->h->first[c->partition] : 0;

    for (size_t i = 0; i < c->ops_count; i++)
        if (c->ops[i]->kind == OP_DELETE && c->ops[i]->outcome != OP_REFUSED && c->ops[i]->offset > most)
            most = c->ops[i]->offset;
    return most;
}

/* Every record that was acknowledged and not deleted is among those that were read. */
static void check_op_acknowledged(struct check *c, const struct sighting *read, size_t count, int64_t start, int64_t end)
{
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        int64_t at = op->offset > start ? op->offset : start, next;
        while (op_acknowledged(op) && at < op->offset + op->count) {
            uint64_t value = op->value + (uint64_t)(at - op->offset);
            size_t run = run_at(read, count, at);
            while (run < count && read[run].offset <= at && (sighting_end(&read[run]) <= at || value - read[run].value != (uint64_t)(at - read[run].offset)))
                run++; /* another value at the same offset; of runs that do not agree a later one may end before */
            if (run < count && read[run].offset <= at) {
                at = sighting_end(&read[run]);
                continue;
            }
            next = run < count && read[run].offset < op->offset + op->count ? read[run].offset : op->offset + op->count;
            check__broken(c, at < end ? "lost-write" : "unseen", "value %" PRIx64 " was acknowledged at offset %" PRId64 " (%" PRId64 " records) and is not there (%" PRId64
                                                          " to %" PRId64 ")", value, at, next - at, start, end);
            at = next;
        }
    }
}

static void check_last_read(struct check *c)
{
    int64_t start = -1, end = -1, at = -1;
    struct sighting *read;
    size_t count = 0;

    for (size_t i = 0; i < c->ops_count; i++)
        count += c->ops[i]->last ? c->ops[i]->sightings_count : 0;
    read = check__room(count, sizeof *read);
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
            at = sighting_end(&read[count - 1]);
    }
    if (end < 0 || at < end)
        check__broken(c, "unread", "the last read ended at %" PRId64 " of %" PRId64, at, end);
    else
        check_op_acknowledged(c, read, runs_join(read, count), start, end);
    mem_free(read);
}

static bool known_between(const struct check *c, int64_t from, int64_t to, int64_t *offset)
{
    size_t at = run_at(c->log, c->log_count, from);

    if (at == c->log_count || c->log[at].offset >= to)
        return false;
    *offset = c->log[at].offset > from ? c->log[at].offset : from;
    return *offset < to;
}

/* `from`: where the poll was to begin. */
static void check_poll(struct check *c, const struct op *op, int64_t from)
{
    int64_t next = from, skipped;

    for (size_t i = 0; i < op->sightings_count; i++) {
        const struct sighting *it = &c->h->sightings[op->sightings + i];
        if (it->offset < next)
            check__broken(c, i ? "int-nonmonotonic-poll" : "nonmonotonic-poll", "process %" PRIu32 " was at %" PRId64 " and got offset %" PRId64, op->process, next, it->offset);
        else if (!check__is_compacted(c) && known_between(c, next > op->start_offset ? next : op->start_offset, it->offset, &skipped))
            check__broken(c, i ? "int-poll-skip" : "poll-skip", "process %" PRIu32 " was at %" PRId64 " and got offset %" PRId64 ", though there is %" PRId64, op->process, next,
                   it->offset, skipped);
        if (sighting_end(it) > op->high_watermark)
            check__broken(c, "beyond-high-watermark", "offset %" PRId64 " was read below the high watermark %" PRId64, sighting_end(it) - 1, op->high_watermark);
        next = sighting_end(it);
    }
}

/* Each process's polls and sends in their order. */
static void check_processes(struct check *c)
{
    struct process {
        uint32_t process;
        int64_t position;
        const struct op *sent;
    } *processes = check__room(c->ops_count, sizeof *processes);
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
            processes[at].position = op->sightings_count ? sighting_end(&c->h->sightings[op->sightings + op->sightings_count - 1]) : op->offset;
        } else if (op->offset >= 0) {
            const struct op *before = processes[at].sent;
            if (before && before->ended < op->begun && op->offset < before->offset)
                check__broken(c, "nonmonotonic-send", "process %" PRIu32 " sent %" PRIx64 " to %" PRId64 " after %" PRIx64 " to %" PRId64, op->process, op->value, op->offset, before->value, before->offset);
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

/* Of equal times, what begins is first: it may have seen nothing of what ends then. */
static int by_moment(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    int order = check__order(x->at, y->at);

    return order ? order : (x->at != x->op->begun) - (y->at != y->op->begun);
}

/* What had been told or acknowledged when an operation began, it may not fall behind. */
static void check_watermarks(struct check *c)
{
    int64_t now = 0, *at_begin = check__room(c->ops_count, sizeof *at_begin);
    struct moment *moments = check__room(c->ops_count * 2, sizeof *moments);
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
            check__broken(c, "high-watermark", "%" PRId64 " was told after %" PRId64 " had been", told, *floor);
        if (op->kind == OP_POLL && op->start_offset > deleted && !(c->h->shrinks && c->h->shrinks[c->partition]))
            check__broken(c, "start-offset", "%" PRId64 " was told, and deleted was up to %" PRId64, op->start_offset, deleted);
        now = told > now ? told : now;
    }
    mem_free(at_begin);
    mem_free(moments);
}

static void check_find(struct check *c, const struct op *find, int64_t deleted)
{
    const struct op *send = NULL;
    size_t at = run_at(c->log, c->log_count, find->offset);
    uint64_t value = 0, ignored;

    if (find->offset >= 0 && at < c->log_count && c->log[at].offset <= find->offset)
        send = send_of(c, value = c->log[at].value + (uint64_t)(find->offset - c->log[at].offset), &ignored);
    if (send && find->found != op_timestamp(send, (uint32_t)(value - send->value)))
        check__broken(c, "time-lookup", "offset %" PRId64 " is told to be of %" PRId64, find->offset, find->found);
    for (size_t i = 0; i < c->sends_count && !check__is_compacted(c); i++) {
        send = c->sends[i];
        if (!op_acknowledged(send) || send->ended >= find->begun)
            continue;
        uint64_t first = send->offset < deleted ? (uint64_t)(deleted - send->offset) : 0;
        for (uint64_t n = first; n < send->count && n < first + 3; n++) { /* their timestamps come back */
            int64_t offset = send->offset + (int64_t)n, timestamp = op_timestamp(send, (uint32_t)n);
            if (find->timestamp >= 0 ? timestamp >= find->timestamp && (find->offset < 0 || offset < find->offset) : timestamp > find->found)
                check__broken(c, "time-lookup", "asked for %" PRId64 ", told was offset %" PRId64 " of %" PRId64 ", and there is %" PRId64 " of %" PRId64, find->timestamp,
                       find->offset, find->found, offset, timestamp);
        }
    }
}

static void check_finds(struct check *c)
{
    int64_t deleted = deleted_at_most(c);

    for (size_t i = 0; i < c->ops_count; i++)
        if (c->ops[i]->kind == OP_FIND && c->ops[i]->outcome == OP_OK)
            check_find(c, c->ops[i], deleted);
}

/* A register for each group, which a deletion sets to -1: what is told was written, and nothing that was accepted after it ended before the asking began. */
static bool sets_offset(const struct op *op, uint32_t group)
{
    return (op->kind == OP_COMMIT || op->kind == OP_FORGET) && op->group == group && op->outcome != OP_REFUSED;
}

static void check_committed(struct check *c, const struct op *told)
{
    const struct op *latest = NULL; /* begun, of those accepted before `told` began */
    bool found = false;

    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (sets_offset(op, told->group) && op->outcome == OP_OK && op->ended < told->begun && (!latest || op->begun > latest->begun))
            latest = op;
    }
    if (told->offset < 0 && !latest)
        return;
    for (size_t i = 0; i < c->ops_count && !found; i++) {
        const struct op *op = c->ops[i];
        found = sets_offset(op, told->group) && op->offset == told->offset && op->begun < told->ended && (!latest || op->ended >= latest->begun);
    }
    if (!found)
        check__broken(c, latest ? "commit-lost" : "commit-phantom", "group %" PRIu32 ": %" PRId64 " is told, committed was %" PRId64, told->group, told->offset,
               latest ? latest->offset : -1);
}

/* Somebody may have deleted the group, so that its generations began anew. */
static bool dissolved_between(const struct check *c, const struct op *a, const struct op *b)
{
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (op->kind == OP_FORGET && op->whole && op->group == a->group && op->outcome != OP_REFUSED && op->ended > a->begun && op->begun < b->ended)
            return true;
    }
    return false;
}

static void check_groups(struct check *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->ops_count; i++) /* the last check: the other operations are not needed any more */
        if (c->ops[i]->kind == OP_COMMIT || c->ops[i]->kind == OP_COMMITTED || c->ops[i]->kind == OP_OWN || c->ops[i]->kind == OP_FORGET)
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
            if (b->kind == OP_OWN && k > i && b->generation == a->generation && b->process != a->process && !dissolved_between(c, a, b))
                check__broken(c, "two-owners", "group %" PRIu32 ", generation %" PRId32 ": processes %" PRIu32 " and %" PRIu32, a->group, a->generation, a->process, b->process);
            if (b->kind == OP_COMMIT && b->begun > a->ended && b->generation >= 0 && b->generation < a->generation && !dissolved_between(c, a, b))
                check__broken(c, "stale-generation", "group %" PRIu32 ": %" PRId32 " committed %" PRId64 " in the time of %" PRId32, a->group, b->generation, b->offset, a->generation);
        }
    }
}

/* All that must hold of records that the broker did not give up. */
static void check_partition(struct check *c)
{
    check_offsets(c);
    check_order(c);
    if (check__is_compacted(c))
        check_keys(c);
    else if (!c->h->dropped || !c->h->dropped[c->partition])
        check_last_read(c);
    check_processes(c);
    check_watermarks(c);
    check_finds(c);
    if (!c->h->groups_reported)
        check_groups(c);
}

size_t history_check(const struct history *h, void (*report)(void *context, const char *rule, const char *what), void *context)
{
    struct check c = {.h = h, .broken = report, .context = context};
    const struct op **all = check__room(h->count, sizeof(struct op *));
    size_t at = 0;

    for (size_t i = 0; i < h->count; i++)
        all[i] = &h->ops[i];
    qsort(all, h->count, sizeof(struct op *), by_partition);
    for (c.partition = 0; c.partition < h->partitions; c.partition++) {
        c.ops = all + at;
        for (c.ops_count = 0; at < h->count && all[at]->partition == c.partition; at++)
            c.ops_count++;
        learn_log(&c);
        check_values(&c);
        if (!is_reported(&c))
            check_partition(&c);
        mem_free(c.log);
        mem_free(c.sends);
    }
    mem_free(all);
    return c.count;
}
