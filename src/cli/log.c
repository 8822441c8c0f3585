/* SPDX-License-Identifier: Apache-2.0
 * barnabas log: the files of a data directory, without a broker: shown, listed, verified, repaired.
 */
#include "cli/log_int.h"

#include <limits.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "store/dir.h"
#include "store/segment.h"

const char *log__name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool log__path(char path[static FS_PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(path, FS_PATH_MAX, "%s/%s", folder, name) < FS_PATH_MAX)
        return true;
    cli__say("%s: the path is too long", folder);
    return false;
}

bool log__ends(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size >= end && strcmp(name + size - end, suffix) == 0;
}

bool log__checkpoint_named(const char *name)
{
    return log__ends(name, "-offset-checkpoint");
}

bool log__is_folder(struct fs *fs, const char *path)
{
    struct err ignored;
    size_t count;
    char **names;

    if (fs_list(fs, path, &names, &count, &ignored))
        return false;
    mem_free(names);
    return true;
}

bool log__each_file(struct fs *fs, const char *path, void (*each)(void *context, const char *path), void *context)
{
    char inner[FS_PATH_MAX], **names;
    struct err ignored;
    size_t count;
    bool ok = true;

    if (!fs_exists(fs, path)) {
        cli__say("%s is not there", path);
        return false;
    }
    if (fs_list(fs, path, &names, &count, &ignored)) {
        each(context, path);
        return true;
    }
    for (size_t i = 0; i < count; i++)
        ok = log__path(inner, path, names[i]) && log__each_file(fs, inner, each, context) && ok;
    mem_free(names);
    return ok;
}

bool log__has_name(const struct log_folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->names_count; i++)
        if (strcmp(folder->names[i], name) == 0)
            return true;
    return false;
}

static bool folder_see(struct fs *fs, const char *path, void (*each)(void *context, const struct log_folder *folder), void *context)
{
    struct log_folder folder = {.path = path, .name = log__name(path)};
    struct err err;
    bool ok;

    if (fs_list(fs, path, &folder.names, &folder.names_count, &err)) {
        cli__say("%s", err.text);
        return false;
    }
    folder.bases = mem_alloc(folder.names_count, sizeof *folder.bases);
    ok = folder.bases;
    for (size_t i = 0; ok && i < folder.names_count; i++)
        folder.count += segment_named(folder.names[i], ".log", &folder.bases[folder.count]);
    if (ok)
        each(context, &folder);
    else
        cli__say("no memory");
    mem_free(folder.bases);
    mem_free(folder.names);
    return ok;
}

bool log__each_folder(struct fs *fs, const char *path, void (*each)(void *context, const struct log_folder *folder), void *context)
{
    char inner[FS_PATH_MAX], **names;
    struct str_view topic;
    int32_t partition;
    struct err err;
    size_t count;
    bool ok = true;

    if (log_dir_partition_named(log__name(path), &topic, &partition))
        return folder_see(fs, path, each, context);
    if (fs_list(fs, path, &names, &count, &err)) {
        cli__say("%s", err.text);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (log_dir_partition_named(names[i], &topic, &partition))
            ok = log__path(inner, path, names[i]) && folder_see(fs, inner, each, context) && ok;
    mem_free(names);
    return ok;
}

static const struct cli_verb verbs[] = {
    {"dump", "PATH...", "what is in files, or in all files of folders", OPT(JSON) | OPT(RECORDS) | OPT(FROM) | OPT(TO), 1, INT_MAX, log__dump,
     "Batches, indexes, producer snapshots, aborted transactions, epochs, checkpoints, the journal. --from and --to (exclusive) choose batches and records.\n"},
    {"segments", "PATH...", "the segments of partitions: a data directory, or a partition's folder", OPT(JSON), 1, INT_MAX, log__segments, NULL},
    {"verify", "PATH...", "reads everything, and tells what is wrong", OPT(JSON) | OPT(RECORDS) | OPT(RATE), 1, INT_MAX, log__verify,
     "A data directory, a partition's folder, or a segment's .log. --records reads what is in the batches, too.\n"
     "Exit status: 0 nothing is wrong, 1 something is, 2 the command line is wrong. While a broker runs, what it has not yet written is not looked at.\n"},
    {"repair", "DIRECTORY [FOLDER...]", "mends the files of a stopped data directory", OPT(JSON) | OPT(DRY_RUN) | OPT(FORCE), 1, INT_MAX, log__repair,
     "Builds indexes and leader epochs that are missing or wrong anew from the batches, and cuts a torn end off the last segment.\n"
     "What is bad with batches behind it stays, and is told: it was acknowledged. --force takes it out; the batches behind it keep their offsets.\n"
     "What is taken out is kept beside, as <segment>.log.<position>.cut.\n"},
};

int cli__log(int argc, char **argv)
{
    return cli__run(verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
