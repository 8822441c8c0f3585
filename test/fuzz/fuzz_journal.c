/* SPDX-License-Identifier: Apache-2.0
 * A journal (docs/formats/journal.md) in a log directory that was not stopped cleanly, beside one small log. The input is the journal without the fill:
 *
 *   byte 0   bit 0: checksums, sizes and ids are mended, so that what stands behind them is reached; bit 1: the log has batches
 *   chunks   u16 size, bytes: the first is put at the beginning (the head), each other one at the beginning of a block
 *
 * Opening must end in order; when it ends well, the journal is gone, and opening again ends in order, too.
 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "partition/partition.h"
#include "rt/log.h"
#include "store/dir.h"
#include "store/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNKS_MAX = 32, BATCHES = 2 };

static const struct partition_open how = {.log_dir = "/data", .topic = STR_LIT("t"), .topic_id = {{[15] = 7}}, .wall_ms = 1700000000000, .config = &(const struct partition_config){
    .log = {.segment_bytes = 1 << 20, .segment_ms = 1 << 20, .segment_index_bytes = 1 << 20, .index_interval_bytes = 64, .retention_bytes = -1, .retention_ms = -1},
    .message_bytes_max = 1 << 20, .decompressed_bytes_max = 1 << 20, .compression = -1, .producer_id_expiration_ms = INT64_MAX}};

static void put(struct fs *fs, const char *path, const void *bytes, size_t size)
{
    struct err err;
    enum status s = fs_write_file(fs, path, bytes, size, &err);

    ASSERT(s == STATUS_OK);
}

static void put_log(struct fs *fs, int batches)
{
    static const char metadata[] = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw\n";
    uint8_t log[1024];
    size_t size = 0;

    for (int i = 0; i < batches; i++) {
        struct bytes_view none = {NULL, 0};
        struct batch_builder b;
        bool added;
        batch_builder_init(&b, log + size, sizeof log - size, 0);
        added = batch_builder_add(&b, 0, 1000 + i, none, none, none);
        ASSERT(added);
        size += batch_builder_finish(&b, i, 0, -1, -1, -1).size;
    }
    put(fs, "/data/t-0/00000000000000000000.log", log, size);
    put(fs, "/data/t-0/partition.metadata", metadata, sizeof metadata - 1);
}

static void mend(uint8_t *chunk, size_t size, bool head)
{
    struct writer w;

    if (size < (head ? JOURNAL_HEAD : JOURNAL_GROUP_HEAD))
        return;
    writer_init(&w, chunk, 4);
    writer_u32(&w, JOURNAL_MAGIC);
    writer_init(&w, chunk + 8, 8);
    writer_i64(&w, 9);
    if (!head) {
        writer_init(&w, chunk + 32, 4);
        writer_u32(&w, (uint32_t)size);
    }
    writer_init(&w, chunk + 4, 4);
    writer_u32(&w, crc32c(chunk + 8, size - 8));
}

static void put_journal(struct fs *fs, struct reader *in, bool mended)
{
    size_t room = (size_t)CHUNKS_MAX * (1 << 16), at = 0;
    uint8_t *file = mem_alloc(room, 1);

    ASSERT(file);
    for (int i = 0; i < CHUNKS_MAX && in->left >= 2; i++) {
        size_t size = reader_u16(in);
        const uint8_t *bytes;
        if (size > in->left)
            size = in->left;
        bytes = reader_take(in, size);
        if (size + FS_BLOCK > room - at)
            break;
        if (size)
            memcpy(file + at, bytes, size);
        if (mended)
            mend(file + at, size, i == 0);
        at += (size + (size_t)FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
    }
    put(fs, "/data/" JOURNAL_PREFIX "0", file, at);
    mem_free(file);
}

/* Whether it opened. */
static bool open_and_kill(struct fs *fs)
{
    struct partition_open open = how;
    const struct log_dir_entry *entries;
    struct partition *p;
    struct log_dir *dir;
    size_t count;
    struct err err = {0};
    bool opened;

    if (log_dir_open(fs, "/data", &dir, &err) || log_dir_begin(dir, &err)) {
        ASSERT(err.text[0]);
        return false;
    }
    entries = log_dir_entries(dir, &count);
    ASSERT(count == 1);
    open.fs = fs;
    open.recovery_point = entries[0].recovery_point;
    open.log_start = entries[0].log_start;
    opened = !log_dir_recover(dir, entries[0].name, open.topic_id, true, &open.recovery_point, &err) && !partition_open(&open, &p, &err) && !log_dir_recovered(dir, &err);
    if (opened)
        (void)partition_close(p, false);
    log_dir_close(dir);
    return opened;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fs *fs;
    struct reader in;
    struct err err;

    if (!size)
        return 0;
    log_set_level(LOG_FATAL);
    fs = fs_mem_new();
    ASSERT(fs);
    if (fs_mkdir(fs, "/data/t-0", &err))
        abort();
    put_log(fs, data[0] & 2 ? BATCHES : 0);
    reader_init(&in, data + 1, size - 1);
    put_journal(fs, &in, data[0] & 1);
    if (open_and_kill(fs)) {
        ASSERT(!fs_exists(fs, "/data/" JOURNAL_PREFIX "0"));
        (void)open_and_kill(fs);
    }
    fs_free(fs);
    return 0;
}
