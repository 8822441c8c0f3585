/* SPDX-License-Identifier: Apache-2.0
 * A log directory as a whole: its lock, its meta.properties, its checkpoints, and the partitions that it holds. Blocking; used at
 * start, at stop and by housekeeping jobs.
 */
#ifndef STORE_DIR_H
#define STORE_DIR_H

#include "base/err.h"
#include "base/view.h"
#include "rt/fs.h"

struct log_dir;

#define LOG_DIR_NAME_SIZE 256 /* of a folder, with the zero byte */

struct log_dir_entry { /* one "topic-partition" folder, with what the checkpoints say of it */
    char *name;                 /* folder */
    struct str_view topic;
    int32_t partition;
    int64_t recovery_point;     /* -1: unknown */
    int64_t log_start;          /* -1: unknown */
    int64_t cleaned;            /* -1: unknown */
};

/* Makes the directory when it is not there, takes its lock, reads checkpoints and journals, and sees whether it was stopped cleanly. Folders whose name ends in
 * "-delete" are removed; one that is not a partition's is left alone with a warning. */
enum status log_dir_open(struct fs *fs, const char *path, struct log_dir **dir, struct err *err) MUST_CHECK;
/* Before anything of its partitions is written: the clean-stop marker goes, and journals that are older than it. */
enum status log_dir_begin(struct log_dir *dir, struct err *err) MUST_CHECK;
void log_dir_close(struct log_dir *dir);

const char *log_dir_path(const struct log_dir *dir);
bool log_dir_clean(const struct log_dir *dir);
const struct log_dir_entry *log_dir_entries(const struct log_dir *dir, size_t *count);

/* Copies of partitions that are to be here once they are whole: folders "<topic>-<partition>.<hex>-future" (KIP-113). Only name, topic and partition are set. */
const struct log_dir_entry *log_dir_futures(const struct log_dir *dir, size_t *count);
void log_dir_future_name(char name[static LOG_DIR_NAME_SIZE], struct str_view topic, int32_t partition, struct uuid topic_id);
/* A whole one takes its name, durably. STATUS_NOT_FOUND: there is none. */
enum status log_dir_adopt(struct log_dir *dir, const char *future, const char *name, struct err *err) MUST_CHECK;

/* "<topic>-<partition>" in its parts: topic points into the name. false: it is no partition's folder. */
bool log_dir_partition_named(const char *name, struct str_view *topic, int32_t *partition) __attribute__((warn_unused_result));

#define LOG_DIR_CLEAN ".kafka_cleanshutdown" /* the marker of a clean stop */

/* The topic id that a partition's folder says; zero: none, or it does not read. Blocking. */
struct uuid log_dir_topic_id(const struct log_dir *dir, const char *folder);

/* What else stands at the root of a log directory. */
bool log_dir_root_named(const char *name);
/* What stands in a partition's folder, the metadata log's among them. */
bool log_dir_file_named(const char *name);

/* What journals of the lives before hold of a log goes into its segment, before it is opened, and *recovery_point behind it; its folder is made when it has none. Not
 * `durable`: only log_dir_recovered makes it so, which comes before anything is appended to the log.
 * Nothing to do is fine. For several logs at once, on any threads. STATUS_INCONSISTENT_TOPIC_ID: the folder is another topic's. */
enum status log_dir_recover(const struct log_dir *dir, const char *folder, struct uuid topic_id, bool durable, int64_t *recovery_point, struct err *err) MUST_CHECK;
bool log_dir_recovers(const struct log_dir *dir, const char *folder, struct uuid topic_id); /* whether they hold something */
/* Every log that is to live was recovered: those journals go. */
enum status log_dir_recovered(const struct log_dir *dir, struct err *err) MUST_CHECK;

/* Whole checkpoint files (Kafka's format: version 0, count, "topic partition offset" lines). */
struct checkpoint_entry {
    struct str_view topic;
    int32_t partition;
    int64_t offset;
};
/* Every line of one, in order; each NULL: nobody asks. false: it does not read to its end, and what was told is worth nothing. */
bool checkpoint_read(struct str_view text, void (*each)(void *context, const struct checkpoint_entry *entry), void *context) __attribute__((warn_unused_result));
enum status log_dir_write_checkpoint(struct log_dir *dir, const char *file, const struct checkpoint_entry *entries, size_t count, struct err *err) MUST_CHECK;

/* Bytes of the volume that nobody else can have: blocks of the lock file, behind its end. They outlive the process. Given back, the next start still has a
 * little, and on a full disk takes some of that for what it has to write: so several may follow each other. STATUS_IO: a file system that cannot. */
enum status log_dir_reserve(struct log_dir *dir, uint64_t size, struct err *err) MUST_CHECK;
enum status log_dir_release(struct log_dir *dir, struct err *err) MUST_CHECK;

/* The last act of a clean stop: what closed logs left is durable, then. The broker epoch (-1: none) tells the controller that this broker's replicas may be believed (KIP-966). */
enum status log_dir_mark_clean(struct log_dir *dir, int64_t broker_epoch, struct err *err) MUST_CHECK;

/* Renames a partition's folder to "<name>.<hex>-delete" (Kafka's form) and removes it; for a deleted topic. */
enum status log_dir_remove_partition(struct log_dir *dir, const char *name, struct err *err) MUST_CHECK;
/* A folder that seems to be of another topic than the one that has its name now: it is renamed as Kafka's strays, TOPIC-PARTITION.ID-stray, said, and left alone from
 * then on: no checksum tells an id that rotted. */
enum status log_dir_put_aside(struct log_dir *dir, const char *name, struct err *err) MUST_CHECK;

#endif
