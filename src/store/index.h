/* SPDX-License-Identifier: Apache-2.0
 * A sparse index: entries of a growing key and a value, of fixed size, big-endian, exactly Kafka's two files.
 *
 *   .index      key: i32 last offset of a batch, less the segment's base   value: i32 position of that batch in the .log
 *   .timeindex  key: i64 greatest timestamp so far                         value: i32 last offset of the batch that has it, less the base
 *
 * The active segment's index is in memory (resident) and becomes a file when the segment rolls or the log is closed; a file's index is
 * searched where it is, by a few small reads. A missing entry costs a reader a longer walk and nothing else (but for the last one of a
 * .timeindex, which tells the segment's greatest timestamp): so an entry for which there is no memory is left out, and an entry of a file
 * is believed only after the batch that it points at was looked at.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "base/err.h"
#include "base/view.h"
#include "rt/fs.h"

enum { OFFSET_KEY = 4, TIME_KEY = 8, INDEX_VALUE = 4 };

struct index_entry {
    int64_t key;
    int32_t value;
};

struct index {
    uint8_t *bytes;           /* resident entries */
    struct file *file;        /* NULL: not open */
    uint32_t count, capacity; /* entries */
    uint8_t key_size;         /* OFFSET_KEY or TIME_KEY */
    bool resident;
};

void index_init(struct index *ix, uint8_t key_size); /* resident and empty */
void index_free(struct index *ix);

/* Resident only; keys grow (asserted). false: no memory, it is left out. */
bool index_add(struct index *ix, struct index_entry entry);

/* Blocking. Reads the file into memory; STATUS_CORRUPT when it is not an index. */
enum status index_load(struct index *ix, struct fs *fs, const char *path, struct err *err) MUST_CHECK;
/* Blocking. Writes the resident entries beside, syncs and renames, so that a crash leaves no half index; the directory is the caller's to sync.
 * Changes nothing in memory. */
enum status index_save(const struct index *ix, struct fs *fs, const char *path, struct err *err) MUST_CHECK;

/* The same in place, durable with the volume (fs_put_file). */
enum status index_put(const struct index *ix, struct fs *fs, const char *path, struct err *err) MUST_CHECK;

/* The entries leave memory; index_open is needed before the next search. */
void index_spill(struct index *ix);
enum status index_open(struct index *ix, struct fs *fs, const char *path, struct err *err) MUST_CHECK; /* nothing to do when resident or open */

/* The last entry whose key is not above `key`; false when there is none (or it cannot be read). */
bool index_floor(const struct index *ix, int64_t key, struct index_entry *entry) __attribute__((warn_unused_result));
bool index_floor_value(const struct index *ix, int32_t value, struct index_entry *entry) __attribute__((warn_unused_result)); /* values grow too */
bool index_ceiling_value(const struct index *ix, int32_t value, struct index_entry *entry) __attribute__((warn_unused_result)); /* the first that is not below */
bool index_at(const struct index *ix, uint32_t i, struct index_entry *entry) __attribute__((warn_unused_result)); /* i below count */
bool index_last(const struct index *ix, struct index_entry *entry) __attribute__((warn_unused_result));

#endif
