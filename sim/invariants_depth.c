/* SPDX-License-Identifier: Apache-2.0
 * See invariants.h: what a log keeps of itself, against a brute-force scan of its files. The files are looked at where the simulated disk has them, so
 * that nothing of the node is disturbed.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/groups.h"
#include "coord/coord_int.h"
#include "rt/fs_backend.h"
#include "sim/disk.h"
#include "sim/invariants_int.h"

/* --- the scan --- */

static bool idle(const struct log *log)
{
    return log->end == log->durable && (!log->work || list_empty(&log->work->queue)) && !log->commits && !log->spilling && log->writing == log->last && !log->clean;
}

/* Batches before it may have been compacted, in this life or in one before: sparse, or gone. Keys and values are the load's and the coordinators' to judge. */
static int64_t sparse_below(const struct look *look)
{
    return look->log->config->compacts ? look->log->last->base : -1;
}

static bool look_at_file(const struct look *look, const struct segment *seg, const char *suffix, struct bytes_view *now, struct bytes_view *kept)
{
    char path[FS_PATH_MAX];
    struct err err;
    enum status s = segment_path(path, look->log->dir, seg->base, suffix, &err);

    return s == STATUS_OK && disk_look(look->disk, path, now, kept);
}

static void add(struct look *look, const struct scanned *it)
{
    struct invariants *v = look->v;

    if (look->batches_count == v->batches_room) {
        v->batches_room = v->batches_room * 2 + 256;
        v->batches = mem_resize(v->batches, v->batches_room, sizeof *v->batches);
        ASSERT(v->batches);
    }
    v->batches[look->batches_count++] = *it;
}

static struct bytes_view in_tail(const struct segment *seg, uint64_t position)
{
    uint64_t left = seg->size - position;
    struct file *chunk = tail_source(seg->tail, NULL, position, &left);

    return (struct bytes_view){chunk->backend->file_memory(chunk, position, (size_t)left), (size_t)left};
}

static bool scan_segment(struct look *look, const struct segment *seg)
{
    uint64_t filed = seg->tail ? seg->tail->from : seg->size;
    struct scanned it = {.segment = seg};
    struct bytes_view file, kept;

    if (filed && (!look_at_file(look, seg, ".log", &file, &kept) || file.size < filed)) {
        invariant_broken(look, "segment %" PRId64 " has %" PRIu64 " bytes, its file not", seg->base, filed);
        return false;
    }
    for (; it.position < seg->size; it.position += it.bytes.size) {
        it.bytes = it.position < filed ? (struct bytes_view){file.data + it.position, filed - it.position} : in_tail(seg, it.position);
        if (!batch_head_read(it.bytes, &it.head) || it.head.length < BATCH_OVERHEAD - BATCH_PREFIX || batch_size(&it.head) > it.bytes.size) {
            invariant_broken(look, "segment %" PRId64 ", byte %" PRIu64 ": no batch", seg->base, it.position);
            return false;
        }
        it.bytes.size = batch_size(&it.head);
        add(look, &it);
    }
    return true;
}

bool invariants__scan(struct look *look)
{
    static const struct invariant files = {20, "scan", AT_DEPTH, NULL, NULL};

    look->at = &files;
    look->batches_count = 0;
    if (!idle(look->log) || log_offline(look->log))
        return false;
    for (size_t i = 0; i < look->log->count; i++)
        if (!scan_segment(look, look->log->segments[i]))
            return false;
    look->batches = look->v->batches;
    return true;
}

/* --- what is there --- */

void check_no_hole(const struct look *look)
{
    int64_t next = look->batches_count ? look->batches[0].head.base_offset : look->log->end, sparse = sparse_below(look);

    if (next > look->log->start && next > sparse)
        invariant_broken(look, "starts at %" PRId64 ", and the first batch is at %" PRId64, look->log->start, next);
    for (size_t i = 0; i < look->batches_count; i++) {
        const struct scanned *it = &look->batches[i];
        bool fits = it->head.base_offset <= sparse ? it->head.base_offset >= next && it->segment->base <= it->head.base_offset
                                                   : it->head.base_offset == next && (it->position || it->segment->base == next);
        if (!fits)
            invariant_broken(look, "a batch at %" PRId64 " in segment %" PRId64 ", expected %" PRId64, it->head.base_offset, it->segment->base, next);
        next = batch_last_offset(&it->head) + 1;
    }
    if (next != look->log->end)
        invariant_broken(look, "ends at %" PRId64 ", and the last batch at %" PRId64, look->log->end, next);
}

/* Index of the first batch that ends at or after an offset. */
static size_t batch_at(const struct look *look, int64_t offset)
{
    size_t low = 0, high = look->batches_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (batch_last_offset(&look->batches[mid].head) < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* What was committed when it was last looked at, in this life or in one before, and was not deleted since. */
void check_nothing_lost(const struct look *look)
{
    struct seen *seen = look->seen;

    if (look->high < seen->high_ever)
        invariant_broken(look, "the high watermark is %" PRId64 ", and was %" PRId64, look->high, seen->high_ever);
    for (size_t i = 0; i < seen->kept_count; i++) {
        size_t at = batch_at(look, seen->kept[i].base);
        if (seen->kept[i].base < look->log->start || seen->kept[i].base < sparse_below(look))
            continue;
        if (at == look->batches_count || look->batches[at].head.base_offset != seen->kept[i].base || look->batches[at].head.crc != seen->kept[i].crc)
            invariant_broken(look, "the batch at %" PRId64 " is not what it was", seen->kept[i].base);
    }
    seen->high_ever = look->high;
    seen->kept_count = 0;
    for (size_t i = batch_at(look, look->high); i-- && seen->kept_count < KEPT_MAX;)
        seen->kept[seen->kept_count++] = (struct kept){look->batches[i].head.base_offset, look->batches[i].head.crc};
}

/* What counts as synced would be there after a power cut now. */
void check_on_disk(const struct look *look)
{
    size_t end = batch_at(look, look->log->synced);

    for (size_t i = 0; i < end; i++) {
        const struct segment *seg = look->batches[i].segment;
        struct bytes_view now, kept;
        size_t size = 0;
        for (; i < end && look->batches[i].segment == seg; i++)
            size = look->batches[i].position + look->batches[i].bytes.size;
        i--;
        if (!look_at_file(look, seg, ".log", &now, &kept) || kept.size < size || memcmp(now.data, kept.data, size) != 0)
            invariant_broken(look, "segment %" PRId64 ": %zu bytes count as synced, and are not (%zu)", seg->base, size, kept.size);
    }
}

void check_sums(const struct look *look)
{
    size_t size;

    for (size_t i = 0; i < look->batches_count; i++)
        if (batch_check_crc(look->batches[i].bytes, &size))
            invariant_broken(look, "the batch at %" PRId64 " has a wrong checksum", look->batches[i].head.base_offset);
}

void check_epoch_cache(const struct look *look)
{
    int32_t before = -1;

    for (size_t i = 0; i < look->batches_count; i++) {
        const struct batch_head *head = &look->batches[i].head;
        if (head->leader_epoch < before || (head->base_offset >= look->log->start && log_epoch_at(look->log, head->base_offset) != head->leader_epoch))
            invariant_broken(look, "the batch at %" PRId64 " is of epoch %d, the one before it of %d, the cache says %d", head->base_offset, head->leader_epoch, before,
                             log_epoch_at(look->log, head->base_offset));
        before = head->leader_epoch;
    }
}

/* A tombstone is there for delete.retention.ms after it was cleaned first: the horizon of a batch that had none is set by a run that began since (KIP-534).
 * No run is under way now (idle). */
void check_compaction(const struct look *look)
{
    struct seen *seen = look->seen;
    const struct sim *sim = look->v->options.sim;
    int64_t now_ms = sim_wall_ms(sim), shift_ms = now_ms - sim_true_wall_ms(sim), from = look->log->start;

    for (size_t i = 0; i < look->batches_count; i++) {
        const struct batch_head *head = &look->batches[i].head;
        if (!(head->attributes & BATCH_DELETE_HORIZON))
            continue;
        from = batch_last_offset(head) + 1;
        if (seen->unmarked_ms && seen->unmarked_shift_ms == shift_ms && head->base_offset >= seen->unmarked_from &&
            head->base_timestamp < seen->unmarked_ms + look->log->config->delete_retention_ms)
            invariant_broken(look, "the batch at %" PRId64 " had no delete horizon at %" PRId64 ", and has %" PRId64 ", less than %" PRId64 " ms later", head->base_offset,
                             seen->unmarked_ms, head->base_timestamp, look->log->config->delete_retention_ms);
    }
    seen->unmarked_from = from;
    seen->unmarked_ms = now_ms;
    seen->unmarked_shift_ms = shift_ms;
}

/* --- producers --- */

static int32_t sequence_after(const struct batch_head *head)
{
    return (int32_t)(((uint32_t)head->base_sequence + (uint32_t)head->last_offset_delta + 1) & INT32_MAX);
}

/* The producer's batch before this one, or NULL. */
static const struct batch_head *before(const struct look *look, size_t at)
{
    int64_t id = look->batches[at].head.producer_id;

    while (at--)
        if (look->batches[at].head.producer_id == id)
            return &look->batches[at].head;
    return NULL;
}

void check_sequences(const struct look *look)
{
    for (size_t i = 0; i < look->batches_count; i++) {
        const struct batch_head *head = &look->batches[i].head, *last = head->producer_id < 0 ? NULL : before(look, i);
        if (last && last->base_offset >= sparse_below(look) && (head->producer_epoch < last->producer_epoch || head->base_sequence != (head->producer_epoch == last->producer_epoch ? sequence_after(last) : 0)))
            invariant_broken(look, "producer %" PRId64 ", epoch %d: sequence %d at %" PRId64 " comes after %d, epoch %d", head->producer_id, head->producer_epoch,
                             head->base_sequence, head->base_offset, last->base_sequence + last->last_offset_delta, last->producer_epoch);
    }
}

/* The remembered batches, newest first, are the producer's last ones in the log, as far as that reaches back. */
static void check_producer(const struct look *look, const struct producer *p)
{
    unsigned left = p->count;

    for (size_t i = look->batches_count; i-- && left;) {
        const struct batch_head *head = &look->batches[i].head;
        const struct producer_batch *it = &p->batches[left - 1];
        if (head->producer_id != p->id)
            continue;
        if (left < p->count && head->base_offset < sparse_below(look)) /* of what may be compacted the last one stays */
            return;
        if (head->producer_epoch != p->epoch || batch_last_offset(head) != it->last_offset || head->last_offset_delta != it->offset_delta ||
            head->base_sequence != producer_batch_first_sequence(it)) {
            invariant_broken(look, "producer %" PRId64 ", epoch %d: remembered is sequence %d at %" PRId64 "; in the log, epoch %d: sequence %d at %" PRId64, p->id, p->epoch,
                             producer_batch_first_sequence(it), it->last_offset - it->offset_delta, head->producer_epoch, head->base_sequence, head->base_offset);
            return;
        }
        left--;
    }
    for (; left && look->batches_count; left--)
        if (p->batches[left - 1].last_offset >= look->batches[0].head.base_offset && (left == p->count || p->batches[left - 1].last_offset >= sparse_below(look)))
            invariant_broken(look, "producer %" PRId64 ": remembered is a batch that ends at %" PRId64 ", which is not there", p->id, p->batches[left - 1].last_offset);
}

void check_producers(const struct look *look)
{
    const struct producers *producers = look->bp ? &look->bp->partition->producers : NULL;

    if (!producers)
        return;
    for (size_t i = 0; i < look->batches_count; i++) {
        int64_t id = look->batches[i].head.producer_id;
        if (id >= 0 && !map_get(&producers->map, &id, sizeof id))
            invariant_broken(look, "producer %" PRId64 " wrote at %" PRId64 ", and is not known", id, look->batches[i].head.base_offset);
    }
    for (struct map_node *node = map_first(&producers->map); node; node = map_next(&producers->map, node))
        check_producer(look, MAP_ENTRY(node, struct producer, node));
}

/* --- indexes --- */

static struct bytes_view index_bytes(const struct look *look, const struct segment *seg, const struct index *ix, const char *suffix)
{
    struct bytes_view now = {NULL, 0}, kept;

    if (ix->resident)
        return (struct bytes_view){ix->bytes, (size_t)ix->count * (ix->key_size + INDEX_VALUE)};
    if (!look_at_file(look, seg, suffix, &now, &kept))
        invariant_broken(look, "segment %" PRId64 " has no %s", seg->base, suffix);
    return now;
}

static int64_t big_endian(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | *bytes++;
    return (int64_t)value;
}

/* The first batch of a segment, and one behind its last. */
static void batches_of(const struct look *look, const struct segment *seg, size_t *from, size_t *to)
{
    for (*from = 0; *from < look->batches_count && look->batches[*from].segment != seg; ++*from)
        ;
    for (*to = *from; *to < look->batches_count && look->batches[*to].segment == seg; ++*to)
        ;
}

/* Each entry: the last offset of a batch, and where the batch is. */
static void check_offset_index(const struct look *look, const struct segment *seg, size_t from, size_t to)
{
    struct bytes_view bytes = index_bytes(look, seg, &seg->offsets, ".index");
    size_t at = from;

    for (; bytes.size >= OFFSET_KEY + INDEX_VALUE; bytes.data += OFFSET_KEY + INDEX_VALUE, bytes.size -= OFFSET_KEY + INDEX_VALUE) {
        int64_t key = big_endian(bytes.data, OFFSET_KEY);
        uint64_t position = (uint64_t)big_endian(bytes.data + OFFSET_KEY, INDEX_VALUE);
        while (at < to && look->batches[at].position < position)
            at++;
        if (at == to || look->batches[at].position != position || batch_last_offset(&look->batches[at].head) != seg->base + key)
            invariant_broken(look, "segment %" PRId64 ": its index has %" PRId64 " at byte %" PRIu64 ", where no such batch begins", seg->base, seg->base + key, position);
    }
}

/* Each entry: the greatest timestamp up to a batch, and the last offset of the (first) batch that has it. */
static void check_time_index(const struct look *look, const struct segment *seg, size_t from, size_t to)
{
    struct bytes_view bytes = index_bytes(look, seg, &seg->times, ".timeindex");
    int64_t greatest = -1, last = -1, offset = -1;
    size_t at = from;

    for (; bytes.size >= TIME_KEY + INDEX_VALUE; bytes.data += TIME_KEY + INDEX_VALUE, bytes.size -= TIME_KEY + INDEX_VALUE) {
        int64_t key = big_endian(bytes.data, TIME_KEY), value = seg->base + big_endian(bytes.data + TIME_KEY, INDEX_VALUE);
        for (; at < to && batch_last_offset(&look->batches[at].head) <= value; at++)
            if (look->batches[at].head.max_timestamp > greatest) {
                greatest = look->batches[at].head.max_timestamp;
                offset = batch_last_offset(&look->batches[at].head);
            }
        if (key <= last || key != greatest || value != offset)
            invariant_broken(look, "segment %" PRId64 ": its time index has %" PRId64 " at %" PRId64 " after %" PRId64 "; the greatest is %" PRId64 " at %" PRId64, seg->base,
                             key, value, last, greatest, offset);
        last = key;
    }
    for (; seg->cold && at < to; at++)
        if (look->batches[at].head.max_timestamp > greatest)
            invariant_broken(look, "segment %" PRId64 ": its time index ends with %" PRId64 ", and has no %" PRId64, seg->base, greatest, look->batches[at].head.max_timestamp);
}

void check_indexes(const struct look *look)
{
    for (size_t i = 0; i < look->log->count; i++) {
        const struct segment *seg = look->log->segments[i];
        size_t from, to;
        batches_of(look, seg, &from, &to);
        check_offset_index(look, seg, from, to);
        check_time_index(look, seg, from, to);
    }
}

/* --- records --- */

/* Calls each(context, head, record) for all records from an offset on, while it says so. */
static void each_record(const struct look *look, int64_t from, bool (*each)(void *context, const struct batch_head *head, const struct record *record), void *context)
{
    for (size_t i = batch_at(look, from); i < look->batches_count; i++) {
        struct arena arena;
        struct record_cursor *cursor;
        struct record record;
        bool more = true, go_on = true;
        arena_init(&arena, SIZE_MAX);
        cursor = record_cursor_new(&arena, look->batches[i].bytes, SIZE_MAX);
        ASSERT(cursor);
        while (go_on && record_next(cursor, &record, &more) == STATUS_OK && more)
            go_on = record.offset < from || each(context, &look->batches[i].head, &record);
        record_cursor_free(cursor);
        arena_free(&arena);
        if (!go_on)
            return;
    }
}

/* --- groups --- */

static bool replay_group(void *context, const struct batch_head *head, const struct record *record)
{
    return coord_replay(context, record->offset, -1, record->timestamp, record->key, record->value) == STATUS_OK;
}

/* What `a` has committed, `b` has, too. */
static void check_offsets_in(const struct look *look, const struct coord *a, const struct coord *b, const char *whose)
{
    for (struct map_node *g = map_first(&a->groups); g; g = map_next(&a->groups, g)) {
        const struct group *group = MAP_ENTRY(g, struct group, node), *other = coord__group(b, group->id);
        for (struct map_node *t = map_first(&group->topics); t; t = map_next(&group->topics, t)) {
            const struct offset_topic *topic = MAP_ENTRY(t, struct offset_topic, node);
            for (struct map_node *o = map_first(&topic->offsets); o; o = map_next(&topic->offsets, o)) {
                const struct offset *it = MAP_ENTRY(o, struct offset, node), *same = other ? coord__offset(other, topic->name, it->partition) : NULL;
                if (it->there && (!same || !same->there || same->value.offset != it->value.offset))
                    invariant_broken(look, "group " STR_FMT ", " STR_FMT "-%d: %" PRId64 " %s only (else %" PRId64 ")", STR_ARG(group->id), STR_ARG(topic->name), it->partition,
                                     it->value.offset, whose, same ? same->value.offset : -1);
            }
        }
    }
}

/* What a coordinator holds is what its partition says. */
void check_group_replay(const struct look *look)
{
    const struct coord *live = look->bp && str_is(look->bp->topic, "__consumer_offsets") ? groups_coord(look->b->groups, look->bp->key.index) : NULL;
    struct coord *replayed;

    if (!live)
        return;
    replayed = coord_new(&live->config, 1);
    ASSERT(replayed);
    each_record(look, look->log->start, replay_group, replayed);
    check_offsets_in(look, live, replayed, "in memory");
    check_offsets_in(look, replayed, live, "in the log");
    coord_free(replayed);
}

/* --- the image --- */

/* In any order: maps walk as they like. */
static uint64_t image_hash(const struct image *image)
{
    uint64_t hash = 0;
    uint8_t *bytes;
    size_t size, at = 0;
    struct batch_head head;
    enum status s = snapshot_encode(image, 0, &bytes, &size);

    ASSERT(s == STATUS_OK);
    for (; batch_head_read((struct bytes_view){bytes + at, size - at}, &head); at += batch_size(&head)) {
        struct scanned one = {.head = head, .bytes = {bytes + at, batch_size(&head)}};
        struct arena arena;
        struct record_cursor *cursor;
        struct record record;
        bool more = true;
        if (head.attributes & BATCH_CONTROL)
            continue; /* times */
        arena_init(&arena, SIZE_MAX);
        cursor = record_cursor_new(&arena, one.bytes, SIZE_MAX);
        ASSERT(cursor);
        while (record_next(cursor, &record, &more) == STATUS_OK && more)
            hash += hash_bytes(1, record.value.data, record.value.size);
        record_cursor_free(cursor);
        arena_free(&arena);
    }
    mem_free(bytes);
    return hash;
}

/* The same offset, the same image: on every shard, and in every life. */
void check_images(const struct look *look)
{
    if (look->bp)
        return;
    for (unsigned i = 0; i < look->b->broker->shards; i++) {
        const struct image *image = look->b->broker->by_shard[i]->image;
        struct image_hash *known = &look->v->images[(uint64_t)image->offset % IMAGES_MAX];
        uint64_t hash = image_hash(image);
        if (known->offset == image->offset && known->hash != hash)
            invariant_broken(look, "shard %u has another image at offset %" PRId64 " than there was", i, image->offset);
        *known = (struct image_hash){image->offset, hash};
    }
}

/* The newest snapshot and what the log says after it make the image that was seen. */
static void check_one_replay(const struct look *look, const struct image_hash *known)
{
    const struct metadata *m = look->b->metadata;
    char name[SNAPSHOT_NAME_SIZE], path[FS_PATH_MAX + SNAPSHOT_NAME_SIZE];
    struct bytes_view now, kept;
    struct image image;
    struct err err = {0};
    enum status s = STATUS_OK;

    image_init(&image, 1, NULL, NULL);
    if (m->snapshot.end_offset) {
        snapshot_name(m->snapshot, name);
        snprintf(path, sizeof path, "%s/%s", m->dir, name);
        s = disk_look(look->disk, path, &now, &kept) ? snapshot_decode(now, m->snapshot, &image, &err) : STATUS_NOT_FOUND;
    }
    for (size_t i = batch_at(look, m->snapshot.end_offset); s == STATUS_OK && i < look->batches_count && batch_last_offset(&look->batches[i].head) <= known->offset; i++)
        s = image_apply_batch(&image, look->batches[i].bytes, &err);
    if (s)
        invariant_broken(look, "it does not replay: %s %s", status_name(s), err.text);
    else if (image.offset == known->offset && image_hash(&image) != known->hash)
        invariant_broken(look, "the image at offset %" PRId64 " is another one when it is replayed", known->offset);
    image_free(&image);
}

void check_image_replay(const struct look *look)
{
    const struct image_hash *newest = NULL;

    if (look->bp || look->b->metadata->snapshotting)
        return;
    for (size_t i = 0; i < IMAGES_MAX; i++) {
        const struct image_hash *it = &look->v->images[i];
        if (it->offset + 1 >= look->b->metadata->snapshot.end_offset && it->offset < look->log->end && (!newest || it->offset > newest->offset))
            newest = it;
    }
    if (newest)
        check_one_replay(look, newest);
}
