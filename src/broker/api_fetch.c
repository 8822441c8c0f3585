/* SPDX-License-Identifier: Apache-2.0
 * Fetch (1): reads each partition on its shard, waits until there are min_bytes or max_wait has passed, and answers with ranges of files.
 *
 *   READING    every leg reads its partitions; one that has too little leaves waiters behind ("armed")
 *      │ all legs back
 *      ├── enough, an error, nothing to wait for, time is up ──► DISARMING ──► answer
 *      ├── one of them was woken meanwhile ──► DISARMING ──► READING
 *      └── too little ──► WAITING ── an armed leg wakes ──► DISARMING ──► READING
 *                                 └─ time is up, the client is gone ──► DISARMING ──► answer
 *   DISARMING  ends when every armed leg is home: only then does nobody else look at the request
 *
 * Limits: the first partition that has data sends its first batch whole, however large; after it, what fits into the partition's and the
 * request's maximum. Order is the request's, and within a session those that were served last come last. Versions 0-3 get message sets
 * of magic 0 and 1, converted here, which have no zstd; before version 10 a topic whose own codec is zstd is refused, as Kafka does.
 */
#include "base/bug.h"
#include "base/mem.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/fetch_sessions.h"
#include "wire/api/fetch.h"
#include "wire/legacy.h"

enum { FETCH_OLD_BYTES_MAX = 8 * 1024 * 1024 }; /* of one partition when it is converted for an old client */

enum fetch_state { FETCH_READING, FETCH_WAITING, FETCH_DISARMING };

struct fetch;

struct fetch_part {
    struct partition_read read;
    struct partition_waiter waiter;
    struct fetch_leg *leg;
    struct fetch_want *want;
    struct uuid topic_id;
    struct str_view topic;
    unsigned shard;
    bool settled;  /* read.status was decided without a read */
    bool lost;     /* and by the disk */
    struct wire_range range;
    const uint8_t *converted; /* for an old client, instead of the range */
    struct fetch_response_aborted_transaction *told_aborted;
};

struct fetch_leg {
    struct mail read, woken, disarm; /* each its own: a leg may be woken before home knows that it waits */
    struct fetch *fetch;
    unsigned shard;
    unsigned armed;     /* waiters that are linked or whose wake is on its way */
    unsigned warming;   /* partitions whose bytes come from the disk: the leg reads again when they are there */
    unsigned rounds;    /* how often it read, this time */
    bool warmed;        /* it took the time that a disk takes */
    size_t taken;       /* bytes that are there, or come */
    size_t bytes;       /* of the last read; a partition that has more than it may send now is enough in itself */
    bool failed;        /* a partition answers with an error: no waiting */
    bool waits;         /* the last read left waiters behind: exactly one `woken` follows it */
    bool away;          /* home's: the leg is reading, or its `woken` is to come */
};

struct fetch {
    struct request *request;
    struct fetch_plan plan;
    struct fetch_part *parts; /* as plan.wants */
    size_t count;
    struct fetch_leg *legs;   /* one a shard */
    uint64_t shards;          /* those with parts */
    unsigned out;             /* mail under way: legs that are reading or coming back, disarms */
    enum fetch_state state;
    bool expired, failed; /* not changed while legs read */
    bool cancelled;       /* then it has expired when they are back */
    enum { FETCH_IN_TIME, FETCH_LATE, FETCH_AGAIN } late; /* a leg took its time, so that what the others read is old: all read again, once */
    bool woken;               /* a leg has more already while others still read */
    size_t bytes_min;
    struct timer timer;
};

static void fetch_read(struct fetch *f);
static void fetch_answer(struct fetch *f);

/* ---- legs: on the partitions' shard ---- */

static void fetch_leg_come_home(struct shard *here, struct fetch_leg *leg, struct mail *mail, void (*run)(struct shard *, struct mail *))
{
    mail->run = run;
    if (shard_id(here) == shard_id(leg->fetch->request->home))
        run(here, mail);
    else
        shard_post(here, leg->fetch->request->home, mail);
}

static void fetch_leg_woken(struct shard *here, struct mail *mail);

/* Takes back the waiters that have not fired; those whose wake is on its way still count. */
static void fetch_leg_cancel(struct fetch_leg *leg)
{
    struct fetch *f = leg->fetch;

    for (size_t i = 0; i < f->count; i++) {
        struct fetch_part *part = &f->parts[i];

        if (part->shard != leg->shard || part->settled || !part->waiter.link.next || list_empty(&part->waiter.link))
            continue;
        partition_wait_cancel(&part->waiter);
        leg->armed--;
    }
}

static void fetch_part_wake(struct shard *here, struct mail *mail)
{
    struct fetch_part *part = LIST_ENTRY(mail, struct fetch_part, waiter.wake);
    struct fetch_leg *leg = part->leg;

    leg->armed--;
    fetch_leg_cancel(leg);
    if (leg->armed == 0)
        fetch_leg_come_home(here, leg, &leg->woken, fetch_leg_woken);
}

static void fetch_leg_read(struct shard *here, struct mail *mail);

static void fetch_part_warmed(struct shard *here, struct partition_read *read)
{
    struct fetch_part *part = LIST_ENTRY(read, struct fetch_part, read);

    part->lost = read->status != STATUS_OK;
    part->leg->warmed = true;
    if (--part->leg->warming == 0)
        fetch_leg_read(here, &part->leg->read);
}

/* What the answer has no room for can wait until it is asked for again; and so can what would drive others of the leg, or of other requests, out of the open files before
 * they are read, and all that is not there once there is something to answer. */
static void fetch_part_warm(struct fetch_leg *leg, struct fetch_part *part, struct partition *p, const struct store *store)
{
    const struct fetch_request *in = leg->fetch->request->in;

    if ((in->max_bytes >= 0 && leg->taken >= (size_t)in->max_bytes) || leg->warming >= store_warms_most(store) || (leg->rounds > 1 && leg->bytes)) {
        part->read.status = STATUS_OK;
        part->read.slice.more = true;
        return;
    }
    part->leg = leg;
    leg->warming++;
    leg->taken += part->read.size_max;
    partition_read_warm(p, &part->read, fetch_part_warmed);
}

static void fetch_part_read(struct fetch_leg *leg, struct fetch_part *part, struct broker_shard *b)
{
    enum status why;
    struct partition *p = broker_partition(b, part->topic_id, part->want->index, &why);

    if (part->read.slice.file)
        file_unref(part->read.slice.file);
    part->read.slice = (struct log_slice){0};
    txnindex_free(&part->read.aborted);
    if (part->lost) {
        part->read.high_watermark = part->read.last_stable = part->read.start_offset = -1;
    } else if (!p) {
        part->read.status = why;
        part->read.high_watermark = part->read.last_stable = part->read.start_offset = -1;
    } else {
        partition_read(p, &part->read);
        if (part->read.status == STATUS_NOT_CACHED)
            fetch_part_warm(leg, part, p, b->store);
    }
    leg->taken += part->read.slice.size;
    if (part->read.status || part->read.diverging_epoch >= 0)
        leg->failed = true;
    else
        leg->bytes += part->read.slice.more ? leg->fetch->bytes_min : part->read.slice.size;
}

static void fetch_part_wait(struct fetch_leg *leg, struct fetch_part *part, struct broker_shard *b)
{
    enum status why;
    struct partition *p = broker_partition(b, part->topic_id, part->want->index, &why);

    part->leg = leg;
    part->waiter.wake.run = fetch_part_wake;
    part->waiter.isolation = part->read.isolation;
    part->waiter.beyond = part->read.isolation == ISOLATION_COMMITTED ? part->read.last_stable : part->read.high_watermark;
    leg->armed++;
    partition_wait(p, &part->waiter);
}

static void fetch_leg_back(struct shard *here, struct mail *mail);

/* Whether some of its partitions are asleep: they are woken, all at once, and the leg reads when the first of them is awake, or waits for the next. */
static bool fetch_leg_wakes(struct fetch_leg *leg, struct broker_shard *b)
{
    bool waits = false;

    for (size_t i = 0; i < leg->fetch->count; i++) {
        const struct fetch_part *part = &leg->fetch->parts[i];

        if (!part->settled && part->shard == leg->shard)
            waits |= broker_partition_wakes(b, part->topic_id, part->want->index, waits ? NULL : &leg->read);
    }
    return waits;
}

static void fetch_leg_read(struct shard *here, struct mail *mail)
{
    struct fetch_leg *leg = LIST_ENTRY(mail, struct fetch_leg, read);
    struct fetch *f = leg->fetch;
    struct broker_shard *b = broker_at(here);

    if (fetch_leg_wakes(leg, b))
        return;
    leg->bytes = leg->taken = 0;
    leg->rounds++;
    leg->failed = false;
    leg->armed = 0;
    for (size_t i = 0; i < f->count; i++)
        if (!f->parts[i].settled && f->parts[i].shard == leg->shard)
            fetch_part_read(leg, &f->parts[i], b);
    if (leg->warming)
        return; /* and again when all is there */
    if (leg->bytes < f->bytes_min && !leg->failed && !f->expired && !f->failed)
        for (size_t i = 0; i < f->count; i++)
            if (!f->parts[i].settled && f->parts[i].shard == leg->shard)
                fetch_part_wait(leg, &f->parts[i], b);
    leg->waits = leg->armed > 0;
    leg->rounds = 0;
    fetch_leg_come_home(here, leg, &leg->read, fetch_leg_back);
}

static void fetch_disarm_back(struct shard *here, struct mail *mail);

static void fetch_leg_disarm(struct shard *here, struct mail *mail)
{
    struct fetch_leg *leg = LIST_ENTRY(mail, struct fetch_leg, disarm);

    if (leg->armed) {
        fetch_leg_cancel(leg);
        if (leg->armed == 0)
            fetch_leg_come_home(here, leg, &leg->woken, fetch_leg_woken);
    }
    fetch_leg_come_home(here, leg, &leg->disarm, fetch_disarm_back);
}

/* ---- home ---- */

/* Everybody is home: go on. */
static void fetch_disarmed(struct fetch *f)
{
    if (f->state != FETCH_DISARMING || f->out)
        return;
    for (uint64_t left = f->shards; left; left &= left - 1)
        if (f->legs[__builtin_ctzll(left)].away)
            return;
    f->expired |= f->cancelled;
    if (f->late != FETCH_LATE && (f->expired || f->failed || f->bytes_min == 0)) {
        fetch_answer(f);
        return;
    }
    if (f->late == FETCH_LATE)
        f->late = FETCH_AGAIN;
    fetch_read(f);
}

static void fetch_disarm(struct fetch *f)
{
    struct shard *home = f->request->home;

    f->state = FETCH_DISARMING;
    f->out++; /* until every disarm is posted */
    for (uint64_t left = f->shards; left; left &= left - 1) {
        struct fetch_leg *leg = &f->legs[__builtin_ctzll(left)];

        if (!leg->away)
            continue;
        f->out++;
        leg->disarm.run = fetch_leg_disarm;
        if (leg->shard == shard_id(home))
            fetch_leg_disarm(home, &leg->disarm);
        else
            shard_post(home, shard_peer(home, leg->shard), &leg->disarm);
    }
    f->out--;
    fetch_disarmed(f);
}

static void fetch_disarm_back(struct shard *here, struct mail *mail)
{
    struct fetch *f = LIST_ENTRY(mail, struct fetch_leg, disarm)->fetch;

    f->out--;
    fetch_disarmed(f);
}

static void fetch_leg_woken(struct shard *here, struct mail *mail)
{
    struct fetch_leg *leg = LIST_ENTRY(mail, struct fetch_leg, woken);
    struct fetch *f = leg->fetch;

    leg->away = false;
    f->woken = true;
    if (f->state == FETCH_WAITING) {
        timer_cancel(here, &f->timer);
        fetch_disarm(f);
    } else {
        fetch_disarmed(f);
    }
}

static void fetch_timeout(struct shard *here, struct timer *timer)
{
    struct fetch *f = LIST_ENTRY(timer, struct fetch, timer);

    f->expired = true;
    fetch_disarm(f);
}

/* The connection is gone or drains: whoever waits stops. */
static void fetch_cancel(struct request *r)
{
    struct fetch *f = r->state;

    f->cancelled = true;
    if (f->state != FETCH_WAITING)
        return;
    f->expired = true;
    timer_cancel(r->home, &f->timer);
    fetch_disarm(f);
}

static void fetch_judge(struct fetch *f)
{
    const struct fetch_request *in = f->request->in;
    struct shard *home = f->request->home;
    size_t bytes = 0;
    bool late = false;

    f->expired |= f->cancelled;
    for (uint64_t left = f->shards; left; left &= left - 1) {
        struct fetch_leg *leg = &f->legs[__builtin_ctzll(left)];

        bytes += leg->bytes;
        f->failed |= leg->failed;
        late |= leg->warmed;
    }
    if (late && f->late == FETCH_IN_TIME && (f->shards & (f->shards - 1))) {
        f->late = FETCH_LATE;
        fetch_disarm(f);
        return;
    }
    if (bytes >= f->bytes_min)
        f->bytes_min = 0; /* enough */
    if (f->bytes_min == 0 || f->failed || f->expired || f->woken) {
        fetch_disarm(f);
        return;
    }
    f->state = FETCH_WAITING;
    if (!f->timer.deadline_ms)
        f->timer.deadline_ms = shard_now_ms(home) + (uint64_t)in->max_wait_ms;
    timer_set(home, &f->timer, f->timer.deadline_ms, fetch_timeout);
}

static void fetch_leg_back(struct shard *here, struct mail *mail)
{
    struct fetch_leg *leg = LIST_ENTRY(mail, struct fetch_leg, read);
    struct fetch *f = leg->fetch;

    leg->away = leg->waits;
    if (--f->out == 0)
        fetch_judge(f);
}

static void fetch_read(struct fetch *f)
{
    struct shard *home = f->request->home;
    unsigned here = shard_id(home);

    f->state = FETCH_READING;
    f->woken = false;
    f->out = (unsigned)__builtin_popcountll(f->shards);
    if (f->out == 0) {
        fetch_judge(f);
        return;
    }
    for (uint64_t left = f->shards; left; left &= left - 1) {
        struct fetch_leg *leg = &f->legs[__builtin_ctzll(left)];

        leg->away = true;
        leg->read.run = fetch_leg_read;
        if (leg->shard != here)
            shard_post(home, shard_peer(home, leg->shard), &leg->read);
    }
    if (f->shards >> here & 1)
        fetch_leg_read(home, &f->legs[here].read);
}

/* ---- the answer ---- */

/* Of a slice that is longer than `limit`: cut. A first batch that does not fit alone is sent whole when it is the `first` of the answer, else not at all. */
static void fetch_trim(struct fetch_part *part, bool first, size_t limit)
{
    struct log_slice *slice = &part->read.slice;
    uint8_t head[BATCH_PREFIX];
    size_t got = 0;
    struct err err;

    if (slice->size <= limit)
        return;
    if (file_read(slice->file, slice->position, head, sizeof head, &got, &err) == STATUS_OK && got == sizeof head) {
        uint32_t length = (uint32_t)head[8] << 24 | (uint32_t)head[9] << 16 | (uint32_t)head[10] << 8 | head[11];
        size_t whole = BATCH_PREFIX + (size_t)length;

        if (whole <= limit)
            slice->size = limit;
        else
            slice->size = first && whole <= slice->size && !BUG(KAFKA_2063) ? whole : 0;
        return;
    }
    part->read.status = STATUS_KAFKA_STORAGE_ERROR;
}

/* Whole batches of the slice in memory, as the old client understands them. */
static enum status fetch_convert(struct request *r, struct fetch_part *part)
{
    struct log_slice *slice = &part->read.slice;
    struct arena scratch;
    struct bytes_view set = {0};
    struct err err;
    uint8_t *bytes;
    size_t got = 0;
    enum status s = STATUS_UNKNOWN_SERVER_ERROR;

    arena_init(&scratch, 4 * FETCH_OLD_BYTES_MAX + slice->size);
    bytes = arena_alloc(&scratch, slice->size, 1);
    if (!bytes)
        s = STATUS_NO_MEMORY;
    else if (file_read(slice->file, slice->position, bytes, slice->size, &got, &err) == STATUS_OK)
        s = legacy_from_batches((struct bytes_view){bytes, got}, r->version < 2 ? 0 : 1, part->read.offset, part->read.size_max,
                                FETCH_OLD_BYTES_MAX, &scratch, &set);
    if (s == STATUS_OK) {
        uint8_t *copy = arena_alloc(&r->arena, set.size, 1);

        if (copy)
            memcpy(copy, set.data, set.size);
        part->converted = copy;
        slice->size = set.size;
        s = copy ? STATUS_OK : STATUS_NO_MEMORY;
    }
    arena_free(&scratch);
    return s;
}

/* Message sets cannot be of zstd: what comes before the first such batch is served. */
static enum status fetch_before_zstd(struct fetch_part *part)
{
    struct log_slice *slice = &part->read.slice;
    size_t at = 0;

    while (at < slice->size) {
        uint8_t bytes[BATCH_OVERHEAD];
        struct batch_head head;
        struct err err;
        size_t got = 0;

        if (file_read(slice->file, slice->position + at, bytes, sizeof bytes, &got, &err) || !batch_head_read((struct bytes_view){bytes, got}, &head))
            break;
        if ((head.attributes & BATCH_COMPRESSION_MASK) == COMPRESSION_ZSTD) {
            slice->size = at;
            return at ? STATUS_OK : STATUS_UNSUPPORTED_COMPRESSION_TYPE;
        }
        at += batch_size(&head);
    }
    return STATUS_OK;
}

/* Decides what of the slice is sent; `left` is what the request may still have. */
static void fetch_settle(struct request *r, struct fetch_part *part, bool first, size_t left)
{
    struct log_slice *slice = &part->read.slice;

    if (part->read.status == STATUS_OK && slice->size) {
        fetch_trim(part, first, left < part->read.size_max ? left : part->read.size_max);
        if (slice->size && r->version < 4)
            part->read.status = fetch_before_zstd(part);
        if (part->read.status == STATUS_OK && slice->size && r->version < 4)
            part->read.status = fetch_convert(r, part);
    }
    if (part->read.status == STATUS_OK && slice->size && part->read.aborted.count) {
        part->told_aborted = REQUEST_ALLOC(r, struct fetch_response_aborted_transaction, part->read.aborted.count);
        part->read.status = part->told_aborted ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (part->read.status) {
        slice->size = 0;
        part->read.high_watermark = part->read.last_stable = part->read.start_offset = -1;
    }
}

static bool fetch_changed(const struct fetch_part *part)
{
    return part->read.status || part->read.slice.size || part->read.diverging_epoch >= 0 || part->read.high_watermark != part->want->told_high_watermark ||
           part->read.start_offset != part->want->told_start;
}

static void fetch_answer_aborted(const struct fetch_part *part, struct fetch_response_partition *out)
{
    for (size_t i = 0; i < part->read.aborted.count; i++)
        part->told_aborted[out->aborted_transactions_count++] = (struct fetch_response_aborted_transaction){
            .producer_id = part->read.aborted.list[i].producer_id, .first_offset = part->read.aborted.list[i].first_offset};
    out->aborted_transactions = part->told_aborted;
}

static void fetch_answer_partition(struct request *r, struct fetch_part *part, struct fetch_response_partition *out)
{
    const struct partition_read *read = &part->read;

    fetch_response_partition_init(out);
    out->partition_index = part->want->index;
    out->error_code = status_wire(read->status);
    out->high_watermark = read->high_watermark;
    out->last_stable_offset = read->last_stable;
    out->log_start_offset = read->start_offset;
    out->aborted_transactions_count = read->isolation == ISOLATION_COMMITTED || part->settled ? 0 : -1;
    if (read->slice.size)
        fetch_answer_aborted(part, out);
    if (read->diverging_epoch >= 0) {
        out->diverging_epoch.epoch = read->diverging_epoch;
        out->diverging_epoch.end_offset = read->diverging_end_offset;
    }
    out->records.data = part->converted ? part->converted : (const uint8_t *)""; /* never null: Kafka sends empty records */
    out->records.size = read->slice.size;
    if (read->slice.size && !part->converted) {
        part->range = (struct wire_range){.file = file_ref(read->slice.file), .offset = read->slice.position};
        out->records.source = &part->range;
        request_keep(r, &part->range);
    }
    part->want->told_high_watermark = read->high_watermark;
    part->want->told_start = read->start_offset;
}

/* Partitions of one topic that follow each other stand together in the answer. */
static bool fetch_same_topic(const struct fetch_response_response *topic, const struct fetch_part *part)
{
    return uuid_equal(topic->topic_id, part->topic_id) && str_equal(topic->topic, part->topic);
}

static void fetch_fill(struct fetch *f, struct fetch_response *out, struct fetch_response_partition *partitions)
{
    const struct fetch_request *in = f->request->in;
    const struct broker_shard *b = broker_at(f->request->home);
    int64_t configured = config_i64(b->broker->config, CONFIG_FETCH_MAX_BYTES);
    size_t left = in->max_bytes < 0 ? 0 : (size_t)(in->max_bytes < configured ? in->max_bytes : configured);
    bool first = true;

    for (size_t i = 0; i < f->count; i++) {
        struct fetch_part *part = &f->parts[i];
        struct fetch_response_response *topic = out->responses_count ? &out->responses[out->responses_count - 1] : NULL;
        size_t size;

        fetch_settle(f->request, part, first, left);
        size = part->read.slice.size;
        first = first && size == 0;
        left -= size < left ? size : left;
        if ((!f->plan.full && !fetch_changed(part)) || (BUG(KAFKA_4172) && !size))
            continue;
        if (!topic || !fetch_same_topic(topic, part)) {
            topic = &out->responses[out->responses_count++];
            topic->topic = part->topic;
            topic->topic_id = part->topic_id;
            topic->partitions = partitions;
        }
        fetch_answer_partition(f->request, part, &topic->partitions[topic->partitions_count++]);
        partitions++;
        if (f->plan.session && size)
            fetch_session_rotate(f->plan.session, part->want);
    }
}

static void fetch_answer(struct fetch *f)
{
    struct request *r = f->request;
    struct broker_shard *b = broker_at(r->home);
    struct fetch_response_partition *partitions = REQUEST_ALLOC(r, struct fetch_response_partition, f->count);
    struct fetch_session *session = f->plan.session;
    struct fetch_response out;

    r->cancel = NULL;
    fetch_response_init(&out);
    out.responses = REQUEST_ALLOC(r, struct fetch_response_response, f->count);
    if (partitions && out.responses) {
        out.responses_count = 0;
        fetch_fill(f, &out, partitions);
        if (f->plan.create)
            session = fetch_sessions_create(b->sessions, &f->plan, r->version >= 13);
        out.session_id = session ? session->id : 0;
    }
    for (size_t i = 0; i < f->count; i++) {
        if (f->parts[i].read.slice.file)
            file_unref(f->parts[i].read.slice.file);
        txnindex_free(&f->parts[i].read.aborted);
    }
    if (f->plan.session)
        fetch_session_release(b->sessions, f->plan.session);
    if (partitions && out.responses)
        request_reply(r, &out);
    else
        request_close(r, "no memory");
}

/* ---- the request ---- */

static void fetch_part_settle(struct fetch_part *part, enum status status)
{
    part->settled = true;
    part->read.status = status;
    part->read.high_watermark = part->read.last_stable = part->read.start_offset = -1;
}

static void fetch_part_init(struct fetch *f, struct fetch_part *part, struct fetch_want *want)
{
    const struct request *r = f->request;
    const struct fetch_request *in = r->in;
    const struct broker_shard *b = broker_at(r->home);
    bool by_id = r->version >= 13;
    const struct image_topic *topic = by_id ? image_topic_by_id(b->image, want->topic_id) : image_topic(b->image, want->topic);
    int32_t replica = r->version >= 15 ? in->replica_state.replica_id : in->replica_id;

    part->want = want;
    part->topic = want->topic;
    part->topic_id = by_id ? want->topic_id : topic ? topic->id : (struct uuid){{0}};
    list_init(&part->waiter.link);
    part->read = (struct partition_read){.offset = want->offset,
                                         .current_leader_epoch = want->leader_epoch,
                                         .last_fetched_epoch = want->last_epoch,
                                         .size_max = want->bytes_max < 0 ? 0 : (size_t)want->bytes_max,
                                         .at_least_one = true,
                                         .isolation = in->isolation_level == 1 ? ISOLATION_COMMITTED : ISOLATION_UNCOMMITTED,
                                         .diverging_epoch = -1};
    if (!topic) {
        fetch_part_settle(part, by_id ? STATUS_UNKNOWN_TOPIC_ID : STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    } else if (!image_partition(topic, want->index)) {
        fetch_part_settle(part, STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    } else if (replica >= 0) { /* nobody replicates from a single node: whoever says so is not a replica (CVE-2018-1288) */
        fetch_part_settle(part, STATUS_NOT_LEADER_OR_FOLLOWER);
    } else if (r->version < 10 && str_is(config_topic_str(b->broker->config, b->image, topic->name, TOPIC_COMPRESSION_TYPE), "zstd")) {
        fetch_part_settle(part, STATUS_UNSUPPORTED_COMPRESSION_TYPE);
    } else {
        part->shard = broker_partition_shard(b->broker, topic->id, want->index);
        f->shards |= (uint64_t)1 << part->shard;
        return;
    }
    f->failed = true;
}

static void fetch_refuse(struct request *r, enum status status)
{
    struct fetch_response out;

    if (status == STATUS_NO_MEMORY) {
        request_close(r, "no memory");
        return;
    }
    fetch_response_init(&out);
    out.error_code = status_wire(status);
    request_reply(r, &out);
}

void api_fetch(struct request *r)
{
    const struct fetch_request *in = r->in;
    struct broker_shard *b = broker_at(r->here);
    struct fetch *f = REQUEST_ALLOC(r, struct fetch, 1);
    enum status s;

    if (!f || !(f->legs = REQUEST_ALLOC(r, struct fetch_leg, shard_count(r->here)))) {
        request_close(r, "no memory");
        return;
    }
    s = fetch_sessions_plan(b->sessions, in, r->version, &r->arena, &f->plan);
    if (s == STATUS_OK && !(f->parts = REQUEST_ALLOC(r, struct fetch_part, f->plan.count))) {
        if (f->plan.session)
            fetch_session_release(b->sessions, f->plan.session);
        s = STATUS_NO_MEMORY;
    }
    if (s) {
        fetch_refuse(r, s);
        return;
    }
    r->state = f;
    f->request = r;
    f->count = f->plan.count;
    f->bytes_min = in->min_bytes < 0 ? 0 : (size_t)in->min_bytes;
    f->expired = in->max_wait_ms <= 0 || BUG(REDPANDA_1115) || f->count == 0;
    for (unsigned i = 0; i < shard_count(r->here); i++)
        f->legs[i] = (struct fetch_leg){.fetch = f, .shard = i};
    for (size_t i = 0; i < f->count; i++)
        fetch_part_init(f, &f->parts[i], f->plan.wants[i]);
    r->cancel = fetch_cancel;
    fetch_read(f);
}
