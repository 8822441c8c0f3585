/* SPDX-License-Identifier: Apache-2.0
 * A cold segment as `barnabas log verify` and the scrubber read it: byte 0, bit 0: checksums are mended, bit 1: it is the last one; u16 size of the .index, u16 size of
 * the .timeindex, both, and the rest is the .log.
 *
 * What was seen and what was told add up to the whole file, in order; a segment that nothing is wrong with has offsets that only grow.
 */
#include "store/verify.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1000, STEPS_MAX = 1 << 20 };

struct cover {
    uint64_t to; /* everything before it was seen or told */
    uint64_t end;
    int64_t next;
};

static void cover_found(void *context, const struct finding *finding)
{
    struct cover *cover = context;

    ASSERT(finding->what[0] && finding->status);
    if (strcmp(finding->suffix, ".log") != 0)
        return;
    ASSERT(finding->position == cover->to && finding->size > 0);
    cover->to += finding->size;
    ASSERT(cover->to <= cover->end);
}

static void cover_seen(void *context, uint64_t position, const struct batch_head *head, struct bytes_view batch)
{
    struct cover *cover = context;
    size_t size;

    ASSERT(position == cover->to && batch.size == batch_size(head));
    ASSERT(!batch_check_crc(batch, &size) && size == batch.size);
    ASSERT(head->base_offset >= cover->next);
    cover->next = batch_last_offset(head) + 1;
    cover->to += batch.size;
}

static void mend_checksums(uint8_t *bytes, size_t size)
{
    struct batch_head head;

    while (batch_head_read((struct bytes_view){bytes, size}, &head) && head.length >= BATCH_OVERHEAD - BATCH_PREFIX && batch_size(&head) <= size) {
        struct writer w;
        writer_init(&w, bytes + BATCH_CRC_AT, 4);
        writer_u32(&w, crc32c(bytes + BATCH_ATTRIBUTES_AT, batch_size(&head) - BATCH_ATTRIBUTES_AT));
        bytes += batch_size(&head);
        size -= batch_size(&head);
    }
}

static void put(struct fs *fs, const char *path, const void *bytes, size_t size)
{
    struct err err;

    if (fs_write_file(fs, path, bytes, size, &err))
        abort();
}

static void put_index(struct fs *fs, const char *path, struct reader *in, size_t size)
{
    const uint8_t *bytes = reader_take(in, size);

    if (bytes)
        put(fs, path, bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify v = {.dir = "/t-0", .indexed = true, .found = cover_found, .seen = cover_seen};
    size_t index_size, times_size, steps = 0;
    struct cover cover = {0};
    struct reader in;
    uint8_t flags, *log;
    bool more = true;
    struct err err;

    reader_init(&in, data, size);
    flags = (uint8_t)reader_i8(&in);
    index_size = reader_u16(&in);
    times_size = reader_u16(&in);
    if (in.bad || index_size + times_size > in.left)
        return 0;
    v.fs = fs_mem_new();
    if (!v.fs || fs_mkdir(v.fs, "/t-0", &err))
        abort();
    put_index(v.fs, "/t-0/00000000000000000000.index", &in, index_size);
    put_index(v.fs, "/t-0/00000000000000000000.timeindex", &in, times_size);
    cover.end = in.left;
    log = mem_copy(in.at, in.left);
    ASSERT(log);
    if (flags & 1)
        mend_checksums(log, cover.end);
    put(v.fs, "/t-0/00000000000000000000.log", log, cover.end);
    v.limit = flags & 2 ? INT64_MAX : LIMIT;
    v.context = &cover;
    if (verify_begin(&v, &err))
        abort();
    while (more) {
        ASSERT(!verify_step(&v, 64, &more, &err));
        ASSERT(++steps < STEPS_MAX);
    }
    verify_end(&v);
    ASSERT(cover.to == cover.end);
    mem_free(log);
    fs_free(v.fs);
    return 0;
}
