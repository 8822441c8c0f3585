/* SPDX-License-Identifier: Apache-2.0
 * What administrators see of groups: ListGroups and DescribeGroups.
 */
#include "coord/coord_int.h"
#include "wire/api/describe_groups.h"
#include "wire/api/list_groups.h"

enum {
    NOT_FOUND_SINCE = 6,  /* version of DescribeGroups (KIP-1043) */
    MESSAGE_ID_MAX = 900, /* bytes of a group id in a message */
};

static const struct {
    const char *name;
    const char *protocol_type; /* NULL: the group's own */
} kinds[] = {
    [GROUP_CLASSIC] = {"classic", NULL},
    [GROUP_CONSUMER] = {"consumer", "consumer"},
    [GROUP_SHARE] = {"share", "share"},
    [GROUP_STREAMS] = {"streams", "streams"},
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Equal but for case and the blanks around `asked`. */
static bool loosely(struct str_view asked, const char *name)
{
    size_t size = strlen(name);

    while (asked.size && (unsigned char)asked.data[0] <= ' ') {
        asked.data++;
        asked.size--;
    }
    while (asked.size && (unsigned char)asked.data[asked.size - 1] <= ' ')
        asked.size--;
    if (asked.size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (lower(asked.data[i]) != lower(name[i]))
            return false;
    }
    return true;
}

/* An empty filter lets everything pass. */
static bool passes(const struct str_view *filter, int32_t count, const char *name)
{
    for (int32_t i = 0; i < count; i++) {
        if (loosely(filter[i], name))
            return true;
    }
    return count == 0;
}

static struct str_view protocol_type(const struct group *g)
{
    if (kinds[g->kind].protocol_type)
        return str_from(kinds[g->kind].protocol_type);
    return g->protocol_type.data ? g->protocol_type : STR_LIT("");
}

/* One more element; the array doubles at every power of two. NULL: no memory. */
static struct list_groups_response_group *list_more(struct list_groups_response *out, struct arena *arena)
{
    int32_t count = out->groups_count;

    if ((count & (count - 1)) == 0) {
        struct list_groups_response_group *more = arena_alloc(arena, count ? 2 * (size_t)count : 1, sizeof *more);

        if (!more)
            return NULL;
        if (count)
            memcpy(more, out->groups, (size_t)count * sizeof *more);
        out->groups = more;
    }
    return &out->groups[out->groups_count++];
}

static bool list_one(const struct group *g, struct arena *arena, struct list_groups_response *out)
{
    struct list_groups_response_group *to = list_more(out, arena);

    if (!to)
        return false;
    list_groups_response_group_init(to);
    to->group_id = arena_str(arena, g->id);
    to->protocol_type = arena_str(arena, protocol_type(g));
    to->group_state = str_from(coord__rules[g->state].name);
    to->group_type = str_from(kinds[g->kind].name);
    return to->group_id.data && to->protocol_type.data;
}

enum status coord_list(const struct coord *c, const struct list_groups_request *in, struct arena *arena,
                       struct list_groups_response *out)
{
    for (struct map_node *node = map_first(&c->groups); node; node = map_next(&c->groups, node)) {
        const struct group *g = MAP_ENTRY(node, struct group, node);

        if (passes(in->states_filter, in->states_filter_count, coord__rules[g->state].name) &&
            passes(in->types_filter, in->types_filter_count, kinds[g->kind].name) && !list_one(g, arena, out))
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static bool describe_member(const struct member *m, struct arena *arena, struct describe_groups_response_member *out)
{
    const struct group *g = m->id->group;
    struct bytes_view metadata = {NULL, 0};

    if (g->state == GROUP_STABLE)
        metadata = coord__member_metadata(m, g->protocol);
    describe_groups_response_member_init(out);
    out->member_id = arena_str(arena, m->id->text);
    if (m->instance_id.data)
        out->group_instance_id = arena_str(arena, m->instance_id);
    out->client_id = arena_str(arena, m->client_id);
    out->client_host = arena_str(arena, m->client_host);
    out->member_metadata = coord__arena_bytes(arena, metadata);
    out->member_assignment = coord__arena_bytes(arena, m->assignment);
    return out->member_id.data && (out->group_instance_id.data || !m->instance_id.data) && out->client_id.data &&
           out->client_host.data && out->member_metadata.data && out->member_assignment.data;
}

static bool describe(const struct group *g, struct arena *arena, struct describe_groups_response_group *out)
{
    out->group_state = str_from(coord__rules[g->state].name);
    out->protocol_type = arena_str(arena, protocol_type(g));
    out->protocol_data = arena_str(arena, g->state == GROUP_STABLE ? g->protocol : STR_LIT(""));
    out->members = arena_alloc(arena, (size_t)g->members_count, sizeof *out->members);
    if (!out->protocol_type.data || !out->protocol_data.data || !out->members)
        return false;
    LIST_EACH(at, &g->members)
    {
        if (!describe_member(LIST_ENTRY(at, struct member, link), arena, &out->members[out->members_count++]))
            return false;
    }
    return true;
}

struct str_view coord_not_found(struct str_view group_id, const char *why, struct arena *arena)
{
    if (group_id.size > MESSAGE_ID_MAX)
        group_id.size = MESSAGE_ID_MAX;
    return arena_format(arena, "Group " STR_FMT " %s.", STR_ARG(group_id), why);
}

enum status coord_describe(const struct coord *c, struct str_view group_id, int16_t version, struct arena *arena,
                           struct describe_groups_response_group *out)
{
    const struct group *g = coord__group(c, group_id);

    out->group_id = group_id;
    if (g && g->kind == GROUP_CLASSIC)
        return describe(g, arena, out) ? STATUS_OK : STATUS_NO_MEMORY;
    out->group_state = STR_LIT("Dead");
    if (version < NOT_FOUND_SINCE)
        return STATUS_OK;
    out->error_code = STATUS_GROUP_ID_NOT_FOUND;
    out->error_message = coord_not_found(group_id, g ? "is not a classic group" : "not found", arena);
    return out->error_message.data ? STATUS_OK : STATUS_NO_MEMORY;
}
