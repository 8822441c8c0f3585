/* SPDX-License-Identifier: Apache-2.0
 * The small text files of a data directory, and the names in it. Byte 0: which reader; rest: what it reads. What is taken can be written, and is then taken again
 * as the same.
 *
 *   0  meta.properties   1  quorum-state   2  a checkpoint of offsets   3  leader-epoch-checkpoint   4  a name
 */
#include "base/assert.h"
#include "base/mem.h"
#include "meta/properties.h"
#include "meta/snapshot.h"
#include "raft/raft.h"
#include "store/dir.h"
#include "store/epochs.h"
#include "store/journal.h"
#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { READERS = 5 };

static void judge_properties(struct str_view text)
{
    struct meta_properties properties, again;
    char formatted[META_PROPERTIES_SIZE];
    struct err err = {0};

    if (meta_properties_parse(text, &properties, &err)) {
        ASSERT(err.text[0]);
        return;
    }
    text = (struct str_view){formatted, meta_properties_format(&properties, formatted)};
    ASSERT(text.size < sizeof formatted);
    if (strpbrk(properties.cluster_id, "\\\r\n\t\f #!=:")) /* Kafka writes what has these with escapes; ours have none */
        return;
    ASSERT(meta_properties_parse(text, &again, &err) == STATUS_OK);
    ASSERT(again.node_id == properties.node_id && uuid_equal(again.directory_id, properties.directory_id) && !strcmp(again.cluster_id, properties.cluster_id));
}

static void judge_quorum(struct str_view text)
{
    struct quorum_state state, again;
    char formatted[QUORUM_STATE_SIZE];
    struct err err = {0};

    if (quorum_state_parse(text, &state, &err)) {
        ASSERT(err.text[0]);
        return;
    }
    text = (struct str_view){formatted, quorum_state_format(&state, 1, formatted)};
    ASSERT(text.size < sizeof formatted);
    ASSERT(quorum_state_parse(text, &again, &err) == STATUS_OK);
}

static void judge_line(void *context, const struct checkpoint_entry *entry)
{
    ASSERT(entry->topic.size && entry->partition >= 0);
    ++*(size_t *)context;
}

static void judge_checkpoint(struct str_view text)
{
    bool whole = checkpoint_read(text, NULL, NULL);
    size_t lines = 0;

    ASSERT(checkpoint_read(text, judge_line, &lines) == whole);
    ASSERT(lines <= text.size);
}

static void judge_epochs(struct str_view text)
{
    struct epochs epochs = {0}, again = {0};
    struct err err = {0};

    if (epochs_parse(&epochs, text, &err)) {
        ASSERT(err.text[0]);
    } else {
        for (size_t i = 1; i < epochs.count; i++)
            ASSERT(epochs.list[i].epoch > epochs.list[i - 1].epoch && epochs.list[i].start_offset > epochs.list[i - 1].start_offset);
        text = epochs_format(&epochs);
        ASSERT(text.data && epochs_parse(&again, text, &err) == STATUS_OK);
        ASSERT(again.count == epochs.count && (!again.count || memcmp(again.list, epochs.list, again.count * sizeof *again.list) == 0));
        mem_free((void *)(uintptr_t)text.data);
    }
    epochs_free(&epochs);
    epochs_free(&again);
}

static void judge_name(const char *name)
{
    char formatted[FS_PATH_MAX];
    struct str_view topic;
    int32_t partition;
    int64_t base;
    struct snapshot_id id;
    struct err err;

    if (log_dir_partition_named(name, &topic, &partition)) {
        snprintf(formatted, sizeof formatted, STR_FMT "-%d", STR_ARG(topic), partition);
        ASSERT(strcmp(formatted, name) == 0);
    }
    if (segment_named(name, ".log", &base)) {
        ASSERT(segment_path(formatted, "d", base, ".log", &err) == STATUS_OK);
        ASSERT(strcmp(formatted + 2, name) == 0);
    }
    if (snapshot_parse_name(name, &id)) {
        snapshot_name(id, formatted);
        ASSERT(strcmp(formatted, name) == 0);
    }
    (void)journal_named(name);
    (void)log_dir_root_named(name);
    (void)log_dir_file_named(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str_view text;
    char *copy;

    if (!size)
        return 0;
    copy = mem_copy(data + 1, size - 1);
    ASSERT(copy);
    text = (struct str_view){copy, size - 1};
    switch (data[0] % READERS) {
    case 0:
        judge_properties(text);
        break;
    case 1:
        judge_quorum(text);
        break;
    case 2:
        judge_checkpoint(text);
        break;
    case 3:
        judge_epochs(text);
        break;
    default:
        judge_name(copy);
    }
    mem_free(copy);
    return 0;
}
