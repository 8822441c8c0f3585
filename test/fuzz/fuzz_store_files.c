/* SPDX-License-Identifier: Apache-2.0
 * Every file of a log directory, one at a time, with the fuzzer's bytes in it: opening, reading, searching and closing must end in order.
 *
 *   byte 0   which file
 *   byte 1   bit 0: after a clean stop; bit 1: the checksums of the .log are mended, so that what stands behind them is reached
 *   rest     its content
 *
 * The other files are those of a small healthy log.
 */
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/writer.h"
#include "partition/partition.h"
#include "rt/log.h"
#include "store/dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 14, HEALTHY_BATCHES = 3, END = HEALTHY_BATCHES * 2 };

static const char *const files[FILES] = {
    "/data/t-0/00000000000000000000.log",       "/data/t-0/00000000000000000000.index",   "/data/t-0/00000000000000000000.timeindex",
    "/data/t-0/leader-epoch-checkpoint",        "/data/t-0/partition.metadata",           "/data/t-0/00000000000000000006.snapshot",
    "/data/recovery-point-offset-checkpoint",   "/data/log-start-offset-checkpoint",      "/data/t-0/00000000000000000009.log",
    "/data/t-0/00000000000000000000.txnindex",  "/data/t-0/00000000000000000000.log.swap", "/data/cleaner-offset-checkpoint",
    "/data/.kafka_cleanshutdown",               "/data/barnabas-journal.0.needed",
};

static const struct partition_open how = {.log_dir = "/data", .topic = STR_LIT("t"), .wall_ms = 1700000000000, .config = &(const struct partition_config){
    .log = {.segment_bytes = 1 << 20, .segment_ms = 1 << 20, .segment_index_bytes = 1 << 20, .index_interval_bytes = 64, .retention_bytes = -1, .retention_ms = -1},
    .message_bytes_max = 1 << 20, .decompressed_bytes_max = 1 << 20, .compression = -1, .producer_id_expiration_ms = INT64_MAX}};

static void put(struct fs *fs, const char *path, const void *bytes, size_t size)
{
    struct err err;

    if (fs_write_file(fs, path, bytes, size, &err))
        abort();
}

static size_t healthy_log(uint8_t *out, size_t room)
{
    size_t size = 0;

    for (int i = 0; i < HEALTHY_BATCHES; i++) {
        struct batch_builder b;
        struct bytes_view none = {NULL, 0};
        batch_builder_init(&b, out + size, room - size, 0);
        if (!batch_builder_add(&b, 0, 1000 + i, none, none, none) || !batch_builder_add(&b, 1, 1001 + i, none, none, none))
            abort();
        size += batch_builder_finish(&b, i * 2, 0, 5, 0, i * 2).size;
    }
    return size;
}

static void healthy_files(struct fs *fs)
{
    static const char epochs[] = "0\n1\n0 0\n", metadata[] = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw\n", checkpoint[] = "0\n1\nt 0 6\n";
    uint8_t log[1024];

    put(fs, files[0], log, healthy_log(log, sizeof log));
    put(fs, files[1], "", 0);
    put(fs, files[2], "", 0);
    put(fs, files[3], epochs, sizeof epochs - 1);
    put(fs, files[4], metadata, sizeof metadata - 1);
    put(fs, files[6], checkpoint, sizeof checkpoint - 1);
}

static void mend_checksums(uint8_t *bytes, size_t size)
{
    struct batch_head head;

    while (batch_head_read((struct bytes_view){bytes, size}, &head) && head.length >= BATCH_OVERHEAD - BATCH_PREFIX && batch_size(&head) <= size) {
        struct writer w;
        writer_init(&w, bytes + 17, 4);
        writer_u32(&w, crc32c(bytes + 21, batch_size(&head) - 21));
        bytes += batch_size(&head);
        size -= batch_size(&head);
    }
}

static void look_around(struct log *log)
{
    struct txnindex aborted;
    int64_t offset, timestamp;
    int32_t epoch;
    struct err err;
    int64_t ends[] = {log_start_offset(log), log_end_offset(log) / 2, log_end_offset(log) - 1, log_end_offset(log)};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct log_slice slice;
        if (!log_read(log, ends[i], INT64_MAX, 100, i & 1, &slice, &err) && slice.file)
            file_unref(slice.file);
        if (!log_read(log, log_start_offset(log), ends[i], 1 << 20, i & 1, &slice, &err) && slice.file)
            file_unref(slice.file);
        log_epoch_end(log, log_epoch_at(log, ends[i]), &epoch, &offset);
    }
    for (timestamp = 0; timestamp < 2000; timestamp += 333) {
        int64_t found;
        if (log_find_timestamp(log, timestamp, &offset, &found, &epoch, &err))
            break;
    }
    (void)!log_max_timestamp(log, &offset, &timestamp, &epoch, &err);
    if (!log_aborted(log, 0, INT64_MAX, NULL, &aborted, &err))
        txnindex_free(&aborted);
}

static void open_and_close(struct fs *fs, bool clean)
{
    struct partition_open open = how;
    const struct log_dir_entry *entries;
    struct partition *p;
    struct log_dir *dir;
    size_t count;
    struct err err;

    if (log_dir_open(fs, "/data", &dir, &err) || log_dir_begin(dir, &err))
        return;
    entries = log_dir_entries(dir, &count);
    open.fs = fs;
    open.clean = clean;
    open.recovery_point = entries[0].recovery_point;
    open.log_start = entries[0].log_start;
    open.cleaned = entries[0].cleaned;
    if (!partition_open(&open, &p, &err)) {
        look_around(partition_log(p));
        (void)partition_close(p, clean);
    }
    log_dir_close(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fs *fs;
    uint8_t *content;
    struct err err;

    if (size < 2)
        return 0;
    log_set_level(LOG_FATAL);
    fs = fs_mem_new();
    content = mem_copy(data + 2, size - 2);
    if (!fs || !content || fs_mkdir(fs, "/data/t-0", &err))
        abort();
    if (data[1] & 2)
        mend_checksums(content, size - 2);
    healthy_files(fs);
    put(fs, files[data[0] % FILES], content, size - 2);
    open_and_close(fs, data[1] & 1);
    open_and_close(fs, data[1] & 1); /* what the first one left */
    mem_free(content);
    fs_free(fs);
    return 0;
}
