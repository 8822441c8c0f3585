/* SPDX-License-Identifier: Apache-2.0
 * What administrators change of a topic's settings, and what they are told of settings and groups: it must be what was set, and who joined.
 *
 * A setting is a register. While nobody is changing it, it has one value, the one that was acknowledged last or told last. What became of a change whose
 * connection was lost shows within a minute: until then nothing is known.
 *
 * A member that was dealt partitions in a generation, and later hears that it is still in it, was a member of a stable group in between. So what a
 * description says wrong of it is a doubt (member_doubt), which the member's next commit, when it is accepted, makes certain.
 */
#include "sim/load_int.h"
#include "wire/api/describe_configs.h"
#include "wire/api/describe_groups.h"
#include "wire/api/incremental_alter_configs.h"
#include "wire/api/list_groups.h"

enum { LATE_US = 60000000 /* so long a request may still be on its way */, GROUPS_ASKED = 2 + SIMPLE_GROUPS, TOPIC_CONFIG = 1 };

static const char *const setting_names[SETTINGS] = {"internal.segment.bytes", "index.interval.bytes"};

/* --- settings --- */

static void setting_begin(struct setting *s)
{
    s->mixed |= s->open++ > 0;
}

static void setting_end(struct load *load, struct setting *s, bool done, bool known, int64_t value)
{
    uint64_t now = load->sim->now_us;

    s->open--;
    s->value = done ? value : s->value;
    s->known = (s->known || done) && known && !s->mixed;
    s->settled_us = known && s->settled_us < now ? now : !known ? now + LATE_US : s->settled_us;
    s->mixed = s->open > 0;
}

static void on_altered(struct client *c, const struct call *call, const void *response)
{
    const struct incremental_alter_configs_response *out = response;
    struct setting *s = &c->load->topics[call->note / SETTINGS].settings[call->note % SETTINGS];
    bool done = out && !out->responses[0].error_code;

    setting_end(c->load, s, done, done, call->value);
    if (out)
        client_sleep(c, 3000000);
}

void client_alter_configs(struct client *c, const struct topic *topic)
{
    struct load *load = c->load;
    size_t which = (size_t)load_random(load, SETTINGS);
    char bytes[16];
    struct incremental_alter_configs_request_config config;
    struct incremental_alter_configs_request_resource resource;
    struct incremental_alter_configs_request in;
    struct call *call;
    int value = 1000 + (int)load_random(load, 100000);

    incremental_alter_configs_request_init(&in);
    incremental_alter_configs_request_resource_init(&resource);
    incremental_alter_configs_request_config_init(&config);
    snprintf(bytes, sizeof bytes, "%d", value);
    config.name = str_from(setting_names[which]);
    config.value = str_from(bytes);
    resource.resource_type = 2;
    resource.resource_name = str_from(topic->name);
    resource.configs = &config;
    resource.configs_count = 1;
    in.resources = &resource;
    in.resources_count = 1;
    load_tell(c, "sets %s of %s to %s", setting_names[which], topic->name, bytes);
    call = client_call(c, API_INCREMENTAL_ALTER_CONFIGS, (int16_t)load_random(load, 2), &in, on_altered);
    call->note = (uint64_t)(topic - load->topics) * SETTINGS + which;
    call->value = value;
    setting_begin(&load->topics[topic - load->topics].settings[which]);
}

/* What is told of a topic's setting; -1: not set. */
static int64_t told(const struct describe_configs_response_result *out, const char *name)
{
    char text[24];

    for (int32_t i = 0; i < out->configs_count; i++)
        if (str_is(out->configs[i].name, name) && out->configs[i].config_source == TOPIC_CONFIG && out->configs[i].value.size < sizeof text) {
            snprintf(text, sizeof text, STR_FMT, STR_ARG(out->configs[i].value));
            return strtoll(text, NULL, 10);
        }
    return -1;
}

static void judge_setting(struct client *c, const struct call *call, struct topic *topic, size_t which, int64_t value)
{
    struct setting *s = &topic->settings[which];

    if (s->open || call->begun_us <= s->settled_us)
        return;
    if (s->known && s->value != value)
        load_broken(c, "setting", "%s of %s is %lld, and told is %lld", setting_names[which], topic->name, (long long)s->value, (long long)value);
    c->load->counts.settings_judged += s->known;
    s->known = true;
    s->value = value;
}

static void on_configs(struct client *c, const struct call *call, const void *response)
{
    const struct describe_configs_response *out = response;
    struct topic *topic = &c->load->topics[call->note];

    if (!out)
        return;
    if (out->results_count != 1)
        load_broken(c, "protocol", "one resource was asked for, %d are told", out->results_count);
    else if (out->results[0].error_code == STATUS_UNKNOWN_TOPIC_OR_PARTITION && !topic->gone)
        load_broken(c, "topic-lost", "%s is there, and its settings are not", topic->name);
    for (size_t i = 0; i < SETTINGS && out->results_count == 1 && !out->results[0].error_code && !topic->gone; i++)
        judge_setting(c, call, topic, i, told(&out->results[0], setting_names[i]));
    client_sleep(c, 3000000);
}

void client_describe_configs(struct client *c, const struct topic *topic)
{
    struct load *load = c->load;
    struct describe_configs_request_resource resource;
    struct describe_configs_request in;

    describe_configs_request_init(&in);
    describe_configs_request_resource_init(&resource);
    resource.resource_type = 2;
    resource.resource_name = str_from(topic->name);
    resource.configuration_keys_count = -1;
    in.resources = &resource;
    in.resources_count = 1;
    client_call(c, API_DESCRIBE_CONFIGS, (int16_t)(1 + load_random(load, 4)), &in, on_configs)->note = (uint64_t)(topic - load->topics);
}

/* --- groups --- */

static const char *group_named(char name[static 16], unsigned group)
{
    snprintf(name, 16, "g%u", group);
    return name;
}

/* What a member is told to be dealt; data NULL: it is not told. */
static struct bytes_view dealt(const struct describe_groups_response_group *g, const char *id)
{
    for (int32_t i = 0; i < g->members_count; i++)
        if (str_is(g->members[i].member_id, id))
            return g->members[i].member_assignment;
    return (struct bytes_view){NULL, 0};
}

static bool as_dealt(const struct member_view *m, struct bytes_view told)
{
    bool same = told.data && told.size == m->owned_count;

    for (size_t i = 0; same && i < told.size; i++)
        same = told.data[i] == m->owned[i].partition;
    return same;
}

static void judge_group(struct client *c, const struct call *call, const struct describe_groups_response_group *g, unsigned group)
{
    struct load *load = c->load;
    struct member_view m;

    load_tell(c, "is told of g%u: status %d, " STR_FMT ", %d members", group, g->error_code, STR_ARG(g->group_state), g->members_count);
    if (g->error_code && g->error_code != STATUS_GROUP_ID_NOT_FOUND)
        return; /* its coordinator is loading, say */
    if (str_is(g->group_state, "PreparingRebalance"))
        return; /* which a crash makes undone */
    if (group >= load->options.groups && g->members_count)
        load_broken(c, "described", STR_FMT " has nobody, and %d members are told", STR_ARG(g->group_id), g->members_count);
    for (int32_t i = 0; i < g->members_count; i++)
        for (int32_t k = 0; k < i; k++)
            if (str_equal(g->members[i].member_id, g->members[k].member_id) ||
                (g->members[i].group_instance_id.size && str_equal(g->members[i].group_instance_id, g->members[k].group_instance_id)))
                load_broken(c, "described", "a member of " STR_FMT " is told twice", STR_ARG(g->group_id));
    for (size_t i = 0; i < load->clients_count; i++) {
        if (!member_look(load->clients[i], &m) || m.group != group || m.since_us >= call->begun_us)
            continue;
        if (g->error_code || !str_is(g->group_state, "Stable"))
            member_doubt(load->clients[i], "its group was told not to be stable");
        else if (!as_dealt(&m, dealt(g, m.id)))
            member_doubt(load->clients[i], "it was told not to be a member, or to have been dealt something else");
        else
            load->counts.members_judged++;
    }
}

/* The groups of members, and those that nobody joins. */
static void on_groups(struct client *c, const struct call *call, const void *response)
{
    const struct describe_groups_response *out = response;

    if (!out)
        return;
    if (out->groups_count != GROUPS_ASKED)
        load_broken(c, "protocol", "%d groups were asked for, %d are told", GROUPS_ASKED, out->groups_count);
    for (unsigned i = 0; i < GROUPS_ASKED && out->groups_count == GROUPS_ASKED && !c->load->history.groups_reported; i++)
        judge_group(c, call, &out->groups[i], i);
    client_sleep(c, 3000000);
}

static void on_listed(struct client *c, const struct call *call, const void *response)
{
    const struct list_groups_response *out = response;
    struct load *load = c->load;
    struct member_view m;
    char name[16];

    for (size_t i = 0; out && !out->error_code && !load->history.groups_reported && i < load->clients_count; i++) {
        int32_t at = 0;
        if (!member_look(load->clients[i], &m) || m.since_us >= call->begun_us)
            continue;
        while (at < out->groups_count && !str_is(out->groups[at].group_id, group_named(name, m.group)))
            at++;
        if (at == out->groups_count)
            member_doubt(load->clients[i], "its group was not listed");
    }
    if (out)
        client_sleep(c, 3000000);
}

void client_describe_groups(struct client *c)
{
    char names[GROUPS_ASKED][16];
    struct str_view asked[GROUPS_ASKED];
    struct list_groups_request list;
    struct describe_groups_request in;

    if (load_chance(c->load, 30)) {
        list_groups_request_init(&list);
        client_call(c, API_LIST_GROUPS, (int16_t)load_random(c->load, 6), &list, on_listed);
        return;
    }
    for (unsigned i = 0; i < GROUPS_ASKED; i++)
        asked[i] = str_from(group_named(names[i], i));
    describe_groups_request_init(&in);
    in.groups = asked;
    in.groups_count = GROUPS_ASKED;
    client_call(c, API_DESCRIBE_GROUPS, (int16_t)load_random(c->load, 7), &in, on_groups);
}
