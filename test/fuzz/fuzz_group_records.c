/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what a group coordinator reads from __consumer_offsets: a sequence of records, each
 *
 *   u8 flags (1: value null, 2: of transaction 7, 4: the transaction's end, 8: it committed), u8 size of the key, u16
 * size of the value, key, value
 *
 * Whatever was read, the coordinator goes on to live: members time out, groups are listed, described, expired and
 * deleted, and what it then writes is read again by a second one.
 */
#include "base/reader.h"
#include "coord/coord.h"
#include "wire/api/describe_groups.h"
#include "wire/api/list_groups.h"
#include "wire/api/offset_fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct coord_config config = {
    .session_timeout_min_ms = 6000,
    .session_timeout_max_ms = 1800000,
    .group_size_max = 3,
    .offset_metadata_max = 4096,
    .offsets_retention_ms = 60000,
};

/* False: the coordinator is good for nothing but coord_free. */
static bool read_record(struct coord *c, struct reader *in, int64_t offset)
{
    uint8_t flags = (uint8_t)reader_i8(in), key_size = (uint8_t)reader_i8(in);
    uint16_t value_size = reader_u16(in);
    struct bytes_view key = {reader_take(in, key_size), key_size}, value = {reader_take(in, value_size), value_size};

    if (in->bad)
        return false;
    if (flags & 4)
        return coord_replay_txn_end(c, 7, flags & 8) == STATUS_OK;
    if (flags & 1)
        value = (struct bytes_view){NULL, 0};
    return coord_replay(c, offset, flags & 2 ? 7 : -1, 1000, key, value) == STATUS_OK;
}

static void look(struct coord *c, struct arena *arena)
{
    struct list_groups_request in = {.states_filter_count = 0};
    struct list_groups_response out;

    list_groups_response_init(&out);
    if (coord_list(c, &in, arena, &out))
        return;
    for (int32_t i = 0; i < out.groups_count; i++) {
        struct offset_fetch_request_group ask = {.group_id = out.groups[i].group_id, .topics_count = -1};
        struct offset_fetch_response_group offsets;
        struct describe_groups_response_group group;

        describe_groups_response_group_init(&group);
        (void)!coord_describe(c, out.groups[i].group_id, 6, arena, &group);
        coord_offset_fetch(c, &ask, 9, true, arena, &offsets);
    }
}

/* What one coordinator wrote, another must be able to read. */
static void reread(struct coord *c, const struct coord_step *step)
{
    for (size_t i = 0; i < step->records_count; i++) {
        enum status status =
            coord_replay(c, (int64_t)i, -1, step->wall_ms, step->records[i].key, step->records[i].value);

        if (status && status != STATUS_NO_MEMORY)
            __builtin_trap();
    }
}

static void live(struct coord *c, struct coord *second, struct arena *arena)
{
    struct coord_step step;

    coord_step_init(&step, 0, 1000, arena);
    coord_loaded(c, &step);
    look(c, arena);
    for (int i = 0; i < 100 && coord_deadline(c) != UINT64_MAX; i++) {
        step.now_ms = coord_deadline(c);
        coord_tick(c, &step);
    }
    step.wall_ms += config.offsets_retention_ms;
    coord_topic_deleted(c, &step, (struct uuid){{1}}, STR_LIT("t"));
    (void)coord_expire(c, &step);
    (void)!coord_delete_group(c, &step, STR_LIT("g"));
    look(c, arena);
    reread(second, &step);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct coord *c = coord_new(&config, 1), *second = coord_new(&config, 2);
    struct arena arena;
    struct reader in;
    int64_t offset = 0;

    arena_init(&arena, 64 * 1024 * 1024);
    reader_init(&in, bytes, size);
    while (in.left && read_record(c, &in, offset))
        offset++;
    if (!in.left && !in.bad)
        live(c, second, &arena);
    arena_free(&arena);
    coord_free(c);
    coord_free(second);
    return 0;
}
