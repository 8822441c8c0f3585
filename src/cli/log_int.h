/* SPDX-License-Identifier: Apache-2.0
 * What the verbs of `barnabas log` share: the files and folders that an argument means, and how the records of a batch are shown.
 */
#ifndef CLI_LOG_INT_H
#define CLI_LOG_INT_H

#include "cli/cli_int.h"
#include "rt/fs.h"
#include "wire/records.h"

enum { SMALL_FILE_MAX = 64 << 20, DECOMPRESSED_MAX = 1 << 30 };

struct log_folder { /* of a partition */
    const char *path, *name;      /* name: the last part of the path */
    char **names;                 /* all that is in it, sorted */
    size_t names_count;
    int64_t *bases;               /* of its segments, in order */
    size_t count;
};

/* The files at `path`, which is one, or a folder: then those in it, and in the folders in it. */
bool log__each_file(struct fs *fs, const char *path, void (*each)(void *context, const char *path), void *context);
/* The partitions at `path`, which is the folder of one, or a data directory. */
bool log__each_folder(struct fs *fs, const char *path, void (*each)(void *context, const struct log_folder *folder), void *context);
bool log__is_folder(struct fs *fs, const char *path); /* of anything */
bool log__has_name(const struct log_folder *folder, const char *name);

const char *log__name(const char *path);              /* its last part */
bool log__path(char path[static FS_PATH_MAX], const char *folder, const char *name); /* false: too long (said) */
bool log__ends(const char *name, const char *suffix);
bool log__checkpoint_named(const char *name);         /* "topic partition offset" lines */

/* A row for each record that `wanted` wants (NULL: all), of a whole batch of that topic. STATUS_CORRUPT when they do not read. */
struct log_range {
    int64_t offset_from, offset_to, time_from, time_to; /* to: not any more */
};
enum status log__records(const struct cli_rows *rows, struct str_view topic, struct bytes_view batch, const struct log_range *range, uint64_t *count) MUST_CHECK;

enum cli_exit log__dump(const struct cli_args *args);
enum cli_exit log__segments(const struct cli_args *args);
enum cli_exit log__verify(const struct cli_args *args);
enum cli_exit log__repair(const struct cli_args *args);

#endif
