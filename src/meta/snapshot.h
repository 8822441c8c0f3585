/* SPDX-License-Identifier: Apache-2.0
 * Snapshots of the image, in Kafka's format (KIP-630): bytes to image and back.
 *
 *   <metadata log's folder>/<20 digits: end offset>-<10 digits: epoch>.checkpoint
 *     control batch   SnapshotHeader, and with kraft.version 1 KRaftVersion and Voters (the state of the quorum)
 *     data batches    the records that make the image, at offsets counted from 0 on
 *     control batch   SnapshotFooter: without it the file is not whole and counts for nothing
 *   <log directory>/bootstrap.checkpoint
 *     the same form: the feature levels that a fresh cluster starts with
 */
#ifndef META_SNAPSHOT_H
#define META_SNAPSHOT_H

#include "meta/image.h"
#include "meta/records.h"

#define METADATA_DIR "__cluster_metadata-0"
#define METADATA_TOPIC "__cluster_metadata"
#define METADATA_TOPIC_ID ((struct uuid){{[15] = 1}})
#define BOOTSTRAP_FILE "bootstrap.checkpoint"
#define SNAPSHOT_NAME_SIZE 48

/* Where a snapshot ends: everything below `end_offset` is in it; `epoch` is that of its last record. */
struct snapshot_id {
    int64_t end_offset;
    int32_t epoch;
};

void snapshot_name(struct snapshot_id id, char name[static SNAPSHOT_NAME_SIZE]);
bool snapshot_parse_name(const char *name, struct snapshot_id *id) __attribute__((warn_unused_result));

/* The image's content as a snapshot file in one block (mem_free), with id {image->offset + 1, image->epoch}.
 * STATUS_NO_MEMORY. */
enum status snapshot_encode(const struct image *image, int64_t wall_ms, uint8_t **bytes, size_t *size) MUST_CHECK;

/* A snapshot's bytes into a fresh image; image->offset and epoch are the snapshot's afterwards. STATUS_CORRUPT: not
 * whole (the caller may try an older one with another fresh image); else as image_apply_batch. */
enum status snapshot_decode(struct bytes_view bytes, struct snapshot_id id, struct image *image,
                            struct err *err) MUST_CHECK;

/* The newest whole snapshot of the metadata log's folder `dir` into the fresh image. *found = false: there is none.
 * Blocking. */
struct fs;
enum status snapshot_load(struct fs *fs, const char *dir, struct image *image, bool *found, struct snapshot_id *id,
                          struct err *err) MUST_CHECK;

/* The file of a directory that we format: metadata.version and the features of a Kafka 4.3 at their defaults. */
enum status bootstrap_encode(int64_t wall_ms, struct arena *arena, struct bytes_view *bytes) MUST_CHECK;
/* The records of a bootstrap.checkpoint, Kafka's or ours (views into `bytes`). */
enum status bootstrap_decode(struct bytes_view bytes, struct meta_records *records, struct err *err) MUST_CHECK;

#endif
