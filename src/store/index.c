/* SPDX-License-Identifier: Apache-2.0
 * See index.h. */
#include "store/index.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

enum { ENTRIES_FIRST = 16, ENTRY_MAX = TIME_KEY + INDEX_VALUE };

static size_t entry_size(const struct index *ix)
{
    return ix->key_size + INDEX_VALUE;
}

void index_init(struct index *ix, uint8_t key_size)
{
    *ix = (struct index){.key_size = key_size, .resident = true};
}

void index_free(struct index *ix)
{
    mem_free(ix->bytes);
    if (ix->file)
        file_unref(ix->file);
    *ix = (struct index){.key_size = ix->key_size};
}

void index_spill(struct index *ix)
{
    index_free(ix);
}

static struct index_entry entry_decode(const struct index *ix, const uint8_t *bytes)
{
    struct index_entry entry;
    struct reader r;

    reader_init(&r, bytes, entry_size(ix));
    entry.key = ix->key_size == OFFSET_KEY ? reader_i32(&r) : reader_i64(&r);
    entry.value = reader_i32(&r);
    return entry;
}

bool index_at(const struct index *ix, uint32_t at, struct index_entry *entry)
{
    uint8_t bytes[ENTRY_MAX];
    struct err err;
    size_t got;

    if (ix->resident) {
        *entry = entry_decode(ix, ix->bytes + at * entry_size(ix));
        return true;
    }
    if (file_read(ix->file, at * entry_size(ix), bytes, entry_size(ix), &got, &err) || got < entry_size(ix))
        return false;
    *entry = entry_decode(ix, bytes);
    return true;
}

static bool entry_above(struct index_entry a, struct index_entry b, bool by_value)
{
    return by_value ? a.value > b.value : a.key > b.key;
}

/* *at: the first entry above what is wanted, or the count. */
static bool search(const struct index *ix, struct index_entry wanted, bool by_value, uint32_t *at)
{
    uint32_t low = 0, high = ix->count; /* entries before low are not above what is wanted, those from high on are */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct index_entry entry;
        if (!index_at(ix, middle, &entry))
            return false;
        if (entry_above(entry, wanted, by_value))
            high = middle;
        else
            low = middle + 1;
    }
    *at = low;
    return true;
}

bool index_floor(const struct index *ix, int64_t key, struct index_entry *entry)
{
    uint32_t at;

    return search(ix, (struct index_entry){.key = key}, false, &at) && at > 0 && index_at(ix, at - 1, entry);
}

bool index_floor_value(const struct index *ix, int32_t value, struct index_entry *entry)
{
    uint32_t at;

    return search(ix, (struct index_entry){.value = value}, true, &at) && at > 0 && index_at(ix, at - 1, entry);
}

bool index_ceiling_value(const struct index *ix, int32_t value, struct index_entry *entry)
{
    uint32_t at;

    return search(ix, (struct index_entry){.value = value - 1}, true, &at) && at < ix->count && index_at(ix, at, entry);
}

bool index_last(const struct index *ix, struct index_entry *entry)
{
    return ix->count > 0 && index_at(ix, ix->count - 1, entry);
}

static bool index_grow(struct index *ix)
{
    uint32_t capacity = ix->capacity ? ix->capacity * 2 : ENTRIES_FIRST;
    uint8_t *bytes = mem_resize(ix->bytes, capacity, entry_size(ix));

    if (!bytes)
        return false;
    ix->bytes = bytes;
    ix->capacity = capacity;
    return true;
}

bool index_add(struct index *ix, struct index_entry entry)
{
    struct index_entry last;
    struct writer w;

    ASSERT(ix->resident);
    ASSERT(!index_last(ix, &last) || entry.key > last.key);
    if (ix->count == ix->capacity && !index_grow(ix))
        return false;
    writer_init(&w, ix->bytes + ix->count * entry_size(ix), entry_size(ix));
    if (ix->key_size == OFFSET_KEY)
        writer_i32(&w, (int32_t)entry.key);
    else
        writer_i64(&w, entry.key);
    writer_i32(&w, entry.value);
    ix->count++;
    return true;
}

static bool keys_grow(const struct index *ix)
{
    struct index_entry before, entry;

    for (uint32_t i = 0; i < ix->count; i++, before = entry) {
        if (!index_at(ix, i, &entry) || (i && entry.key <= before.key) || entry.value < 0 || (ix->key_size == OFFSET_KEY && entry.key < 0))
            return false;
    }
    return true;
}

/* The entries of an open file, as its size tells. */
static enum status index_count(struct index *ix, const char *path, struct err *err)
{
    uint64_t size;

    if (file_size(ix->file, &size, err))
        return err->status;
    if (size % entry_size(ix) || size / entry_size(ix) > UINT32_MAX)
        return err_set(err, STATUS_CORRUPT, "%s: %llu bytes are no whole entries", path, (unsigned long long)size);
    ix->count = (uint32_t)(size / entry_size(ix));
    return STATUS_OK;
}

enum status index_open(struct index *ix, struct fs *fs, const char *path, struct err *err)
{
    if (ix->resident || ix->file)
        return STATUS_OK;
    if (fs_open(fs, path, FS_READ, &ix->file, err))
        return err->status;
    if (index_count(ix, path, err)) {
        index_free(ix);
        return err->status;
    }
    return STATUS_OK;
}

static enum status index_fill(struct index *ix, const char *path, struct err *err)
{
    size_t size = ix->count * entry_size(ix), got = 0;

    ix->bytes = mem_alloc(ix->count, entry_size(ix));
    if (!ix->bytes)
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for %u entries", path, ix->count);
    ix->capacity = ix->count;
    if (file_read(ix->file, 0, ix->bytes, size, &got, err))
        return err->status;
    ix->resident = true;
    if (got < size || !keys_grow(ix))
        return err_set(err, STATUS_CORRUPT, "%s: entries are out of order", path);
    return STATUS_OK;
}

enum status index_load(struct index *ix, struct fs *fs, const char *path, struct err *err)
{
    index_free(ix);
    if (index_open(ix, fs, path, err) || index_fill(ix, path, err)) {
        index_free(ix);
        return err->status;
    }
    file_unref(ix->file);
    ix->file = NULL;
    return STATUS_OK;
}

enum status index_save(const struct index *ix, struct fs *fs, const char *path, struct err *err)
{
    struct bytes_view piece = {ix->bytes, ix->count * entry_size(ix)};
    char temporary[FS_PATH_MAX];
    struct file *file;
    enum status status;

    ASSERT(ix->resident);
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", path);
    status = fs_open(fs, temporary, FS_CREATE, &file, err);
    if (status)
        return status;
    status = file_truncate(file, 0, err); /* one that a crash left behind */
    if (!status && piece.size)
        status = file_write(file, 0, &piece, 1, err);
    if (!status)
        status = file_sync(file, err);
    file_unref(file);
    return status ? status : fs_rename(fs, temporary, path, err);
}

enum status index_put(const struct index *ix, struct fs *fs, const char *path, struct err *err)
{
    ASSERT(ix->resident);
    return fs_put_file(fs, path, ix->bytes, ix->count * entry_size(ix), err);
}
