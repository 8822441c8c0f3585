/* SPDX-License-Identifier: Apache-2.0
 * See fetch_sessions.h.
 */
#include "broker/fetch_sessions.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/mem.h"
#include "wire/api/fetch.h"

enum { WANT_KEY_MAX = INT16_MAX + 4 };

struct fetch_sessions {
    struct shard *here;
    struct mem_user memory;
    struct map by_id;
    struct list recent;
    size_t slots;
    uint64_t idle_ms_min;
};

struct fetch_sessions *fetch_sessions_new(struct shard *here, size_t slots, size_t bytes_max, int64_t idle_ms_min)
{
    struct fetch_sessions *s = mem_alloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->here = here;
    s->slots = slots;
    s->memory.max = bytes_max;
    s->idle_ms_min = (uint64_t)idle_ms_min;
    map_init(&s->by_id, shard_random(here));
    list_init(&s->recent);
    return s;
}

/* ---- wants: the key is the topic's id or name and the index, kept behind the struct ---- */

static size_t want_key(uint8_t *key, bool by_id, struct uuid id, struct str_view topic, int32_t index)
{
    size_t size = by_id ? sizeof id.b : topic.size;

    memcpy(key, by_id ? (const void *)id.b : topic.data ? topic.data : "", size);
    memcpy(key + size, &index, sizeof index);
    return size + sizeof index;
}

static struct fetch_want *want_find(struct fetch_session *s, struct uuid id, struct str_view topic, int32_t index)
{
    uint8_t key[WANT_KEY_MAX];
    size_t size = want_key(key, s->by_id, id, topic, index);
    struct map_node *node = map_get(&s->by_key, key, size);

    return node ? MAP_ENTRY(node, struct fetch_want, node) : NULL;
}

static struct fetch_want *want_add(struct fetch_session *s, const struct fetch_want *from)
{
    struct fetch_want *want = mem_alloc(1, sizeof *want + sizeof from->topic_id.b + from->topic.size + sizeof from->index);
    uint8_t *key;

    if (!want)
        return NULL;
    key = (uint8_t *)(want + 1);
    *want = *from;
    if (!map_put(&s->by_key, &want->node, key, want_key(key, s->by_id, from->topic_id, from->topic, from->index))) {
        mem_free(want);
        return NULL;
    }
    if (!s->by_id)
        want->topic.data = (const char *)key;
    list_push_back(&s->wants, &want->link);
    return want;
}

static void want_drop(struct fetch_session *s, struct fetch_want *want)
{
    map_remove(&s->by_key, &want->node);
    list_remove(&want->link);
    mem_free(want);
}

/* ---- sessions ---- */

static void session_free(struct fetch_session *s)
{
    for (struct list *node = s->wants.next, *next; node != &s->wants; node = next) {
        next = node->next;
        mem_free(LIST_ENTRY(node, struct fetch_want, link));
    }
    map_free(&s->by_key);
    mem_free(s);
}

static void session_remove(struct fetch_sessions *sessions, struct fetch_session *s)
{
    map_remove(&sessions->by_id, &s->node);
    list_remove(&s->recent);
    s->gone = true;
    if (!s->busy)
        session_free(s);
}

static struct fetch_session *session_find(struct fetch_sessions *sessions, int32_t id)
{
    struct map_node *node = map_get(&sessions->by_id, &id, sizeof id);

    return node ? MAP_ENTRY(node, struct fetch_session, node) : NULL;
}

void fetch_sessions_free(struct fetch_sessions *sessions)
{
    (void)mem_enter(&sessions->memory);
    while (!list_empty(&sessions->recent))
        session_remove(sessions, LIST_ENTRY(sessions->recent.next, struct fetch_session, recent));
    map_free(&sessions->by_id);
    (void)mem_enter(NULL);
    ASSERT(sessions->memory.held == 0);
    mem_free(sessions);
}

size_t fetch_sessions_memory(const struct fetch_sessions *sessions)
{
    return sessions->memory.held;
}

static bool sessions_make_room(struct fetch_sessions *sessions)
{
    while (sessions->by_id.count >= sessions->slots || mem_crowded()) {
        struct fetch_session *oldest = LIST_ENTRY(sessions->recent.next, struct fetch_session, recent);

        if (list_empty(&sessions->recent) || oldest->busy || shard_now_ms(sessions->here) - oldest->used_ms < sessions->idle_ms_min)
            return false;
        session_remove(sessions, oldest);
    }
    return true;
}

static struct fetch_session *session_create(struct fetch_sessions *sessions, const struct fetch_plan *plan, bool by_id)
{
    struct fetch_session *s;

    if (!sessions_make_room(sessions) || !(s = mem_alloc(1, sizeof *s)))
        return NULL;
    map_init(&s->by_key, shard_random(sessions->here));
    list_init(&s->wants);
    s->by_id = by_id;
    s->epoch = 1;
    s->used_ms = shard_now_ms(sessions->here);
    do
        s->id = (int32_t)(shard_random(sessions->here) & INT32_MAX);
    while (s->id == 0 || session_find(sessions, s->id));
    for (size_t i = 0; i < plan->count; i++)
        if (!want_find(s, plan->wants[i]->topic_id, plan->wants[i]->topic, plan->wants[i]->index) && !want_add(s, plan->wants[i])) {
            session_free(s);
            return NULL;
        }
    if (!map_put(&sessions->by_id, &s->node, &s->id, sizeof s->id)) {
        session_free(s);
        return NULL;
    }
    list_push_back(&sessions->recent, &s->recent);
    return s;
}

struct fetch_session *fetch_sessions_create(struct fetch_sessions *sessions, const struct fetch_plan *plan, bool by_id)
{
    struct fetch_session *s;

    (void)mem_enter(&sessions->memory);
    s = session_create(sessions, plan, by_id);
    (void)mem_enter(NULL);
    return s;
}

void fetch_session_release(struct fetch_sessions *sessions, struct fetch_session *s)
{
    s->busy = false;
    if (s->gone) {
        (void)mem_enter(&sessions->memory);
        session_free(s);
        (void)mem_enter(NULL);
        return;
    }
    s->used_ms = shard_now_ms(sessions->here);
    list_remove(&s->recent);
    list_push_back(&sessions->recent, &s->recent);
}

void fetch_session_rotate(struct fetch_session *s, struct fetch_want *want)
{
    list_remove(&want->link);
    list_push_back(&s->wants, &want->link);
}

/* ---- plans ---- */

static void want_set(struct fetch_want *want, const struct fetch_request_topic *topic, const struct fetch_request_partition *p, bool by_id)
{
    want->topic = by_id ? STR_NULL : topic->topic;
    want->topic_id = topic->topic_id;
    want->index = p->partition;
    want->offset = p->fetch_offset;
    want->bytes_max = p->partition_max_bytes;
    want->leader_epoch = p->current_leader_epoch;
    want->last_epoch = p->last_fetched_epoch;
    want->told_high_watermark = want->told_start = -1;
}

static enum status plan_of_request(const struct fetch_request *in, bool by_id, struct arena *arena, struct fetch_plan *plan)
{
    size_t n = 0;

    for (int32_t t = 0; t < in->topics_count; t++)
        n += (size_t)in->topics[t].partitions_count;
    plan->wants = arena_alloc(arena, n, sizeof *plan->wants);
    if (!plan->wants)
        return STATUS_NO_MEMORY;
    for (int32_t t = 0; t < in->topics_count; t++)
        for (int32_t i = 0; i < in->topics[t].partitions_count; i++) {
            struct fetch_want *want = arena_alloc(arena, 1, sizeof *want);

            if (!want)
                return STATUS_NO_MEMORY;
            want_set(want, &in->topics[t], &in->topics[t].partitions[i], by_id);
            plan->wants[plan->count++] = want;
        }
    return STATUS_OK;
}

/* Takes the request's changes into the session. */
static enum status session_update(struct fetch_session *s, const struct fetch_request *in)
{
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct fetch_request_topic *topic = &in->topics[t];

        for (int32_t i = 0; i < topic->partitions_count; i++) {
            struct fetch_want fresh = {0}, *want = want_find(s, topic->topic_id, topic->topic, topic->partitions[i].partition);

            want_set(&fresh, topic, &topic->partitions[i], s->by_id);
            if (!want) {
                if (!want_add(s, &fresh))
                    return STATUS_NO_MEMORY;
                continue;
            }
            want->offset = fresh.offset;
            want->bytes_max = fresh.bytes_max;
            want->leader_epoch = fresh.leader_epoch;
            want->last_epoch = fresh.last_epoch;
        }
    }
    for (int32_t t = 0; t < in->forgotten_topics_data_count; t++)
        for (int32_t i = 0; i < in->forgotten_topics_data[t].partitions_count; i++) {
            const struct fetch_request_forgotten_topics_data *topic = &in->forgotten_topics_data[t];
            struct fetch_want *want = want_find(s, topic->topic_id, topic->topic, topic->partitions[i]);

            if (want)
                want_drop(s, want);
        }
    return STATUS_OK;
}

static enum status plan_of_session(struct fetch_session *s, struct arena *arena, struct fetch_plan *plan)
{
    plan->session = s;
    plan->wants = arena_alloc(arena, s->by_key.count, sizeof *plan->wants);
    if (!plan->wants)
        return STATUS_NO_MEMORY;
    LIST_EACH(node, &s->wants)
        plan->wants[plan->count++] = LIST_ENTRY(node, struct fetch_want, link);
    return STATUS_OK;
}

static enum status sessions_plan(struct fetch_sessions *sessions, const struct fetch_request *in, int16_t version, struct arena *arena,
                                 struct fetch_plan *plan)
{
    struct fetch_session *s = in->session_id ? session_find(sessions, in->session_id) : NULL;
    bool by_id = version >= 13;
    enum status status;

    *plan = (struct fetch_plan){0};
    if (in->session_epoch == 0 || in->session_epoch == -1) {
        if (s && !s->busy)
            session_remove(sessions, s);
        plan->full = true;
        plan->create = in->session_epoch == 0;
        return plan_of_request(in, by_id, arena, plan);
    }
    if (!s || s->busy)
        return STATUS_FETCH_SESSION_ID_NOT_FOUND;
    if (s->epoch != in->session_epoch)
        return STATUS_INVALID_FETCH_SESSION_EPOCH;
    if (s->by_id != by_id)
        return STATUS_FETCH_SESSION_TOPIC_ID_ERROR;
    status = session_update(s, in);
    if (status) { /* as if it had been evicted: the client names all again, and gets a session if there is room */
        session_remove(sessions, s);
        return STATUS_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (s->by_key.count == 0) {
        session_remove(sessions, s);
        plan->full = true;
        return STATUS_OK;
    }
    status = plan_of_session(s, arena, plan);
    if (status == STATUS_OK) {
        s->busy = true;
        s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
    }
    return status;
}

enum status fetch_sessions_plan(struct fetch_sessions *sessions, const struct fetch_request *in, int16_t version, struct arena *arena,
                                struct fetch_plan *plan)
{
    enum status status;

    (void)mem_enter(&sessions->memory);
    status = sessions_plan(sessions, in, version, arena, plan);
    (void)mem_enter(NULL);
    return status;
}
