/* SPDX-License-Identifier: Apache-2.0
 * DescribeTopicPartitions (75): partitions with their eligible leader replicas, page by page (KIP-966).
 *
 * Topics go by name. The cursor names the first partition of the page; a page has at most the limit of the request and
 * of max.request.partition.size.limit; one that is full says where the next begins.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/topics.h"
#include "meta/decide.h"
#include "wire/api/describe_topic_partitions.h"

struct page {
    struct request *request;
    struct describe_topic_partitions_response out;
    int32_t left; /* partitions that still fit */
};

static int32_t *borrowed(struct image_nodes nodes)
{
    return (int32_t *)(uintptr_t)nodes.ids; /* encoded before anything changes */
}

static bool put_partition(struct request *r, const struct image_partition *p, int32_t index,
                          struct describe_topic_partitions_response_partition *out)
{
    struct image_nodes offline;

    if (!image_offline_replicas(broker_at(r->here)->image, p, &r->arena, &offline))
        return false;
    describe_topic_partitions_response_partition_init(out);
    out->error_code = p->leader < 0 ? status_wire(STATUS_LEADER_NOT_AVAILABLE) : 0;
    out->partition_index = index;
    out->leader_id = p->leader;
    out->leader_epoch = p->leader_epoch;
    out->replica_nodes = borrowed(image_replicas(p));
    out->replica_nodes_count = p->nodes->replicas_count;
    out->isr_nodes = borrowed(image_isr(p));
    out->isr_nodes_count = p->nodes->isr_count;
    out->eligible_leader_replicas = borrowed(image_elr(p));
    out->eligible_leader_replicas_count = p->nodes->elr_count;
    out->last_known_elr = borrowed(image_last_known_elr(p));
    out->last_known_elr_count = p->nodes->last_known_elr_count;
    out->offline_replicas = borrowed(offline);
    out->offline_replicas_count = offline.count;
    return true;
}

static bool set_cursor(struct page *page, struct str_view topic, int32_t partition)
{
    struct describe_topic_partitions_response_next_cursor *cursor =
        REQUEST_ALLOC(page->request, struct describe_topic_partitions_response_next_cursor, 1);

    if (!cursor)
        return false;
    cursor->topic_name = topic;
    cursor->partition_index = partition;
    page->out.next_cursor = cursor;
    return true;
}

/* The topic's partitions from `from` on, as many as fit. */
static bool put_topic(struct page *page, const struct image_topic *topic, int32_t from)
{
    struct describe_topic_partitions_response_topic *out = &page->out.topics[page->out.topics_count++];
    int32_t more = topic->count - from, count = more < page->left ? more : page->left;

    describe_topic_partitions_response_topic_init(out);
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    out->topic_authorized_operations = OPERATIONS_TOPIC;
    out->partitions = REQUEST_ALLOC(page->request, struct describe_topic_partitions_response_partition, count);
    if (!out->partitions)
        return false;
    for (int32_t i = 0; i < count; i++)
        if (!put_partition(page->request, &topic->partitions[from + i], from + i, &out->partitions[out->partitions_count++]))
            return false;
    page->left -= count;
    return count == more || set_cursor(page, topic->name, from + count);
}

static void put_missing(struct page *page, struct str_view name)
{
    struct describe_topic_partitions_response_topic *out = &page->out.topics[page->out.topics_count++];
    struct str_view ignored;

    describe_topic_partitions_response_topic_init(out);
    out->name = name;
    out->is_internal = topic_is_internal(name);
    out->topic_authorized_operations = OPERATIONS_TOPIC;
    out->error_code = status_wire(topic_name_check(name, &page->request->arena, &ignored) == STATUS_OK
                                      ? STATUS_UNKNOWN_TOPIC_OR_PARTITION
                                      : STATUS_INVALID_TOPIC_EXCEPTION);
}

static int order_names(const void *a, const void *b)
{
    const struct str_view *left = a, *right = b;

    return str_order(*left, *right);
}

/* What is asked for, by name and each once; all topics when nothing is named. */
static struct str_view *wanted(struct request *r, size_t *count)
{
    const struct describe_topic_partitions_request *in = r->in;
    const struct image *image = broker_at(r->here)->image;
    size_t n = in->topics_count > 0 ? (size_t)in->topics_count : 0, kept = 0;
    struct str_view *names;

    if (n == 0) {
        struct image_topic **topics = image_topics_sorted(image, &r->arena, &n);

        names = REQUEST_ALLOC(r, struct str_view, n);
        for (size_t i = 0; topics && names && i < n; i++)
            names[i] = topics[i]->name;
        *count = n;
        return topics ? names : NULL;
    }
    names = REQUEST_ALLOC(r, struct str_view, n);
    if (!names)
        return NULL;
    for (size_t i = 0; i < n; i++)
        names[i] = in->topics[i].name;
    qsort(names, n, sizeof *names, order_names);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !str_equal(names[kept - 1], names[i]))
            names[kept++] = names[i];
    }
    *count = kept;
    return names;
}

static bool fill(struct page *page, const struct str_view *names, size_t count)
{
    const struct describe_topic_partitions_request *in = page->request->in;
    const struct image *image = broker_at(page->request->here)->image;

    for (size_t i = 0; i < count; i++) {
        const struct image_topic *topic = image_topic(image, names[i]);
        int order = in->cursor ? str_order(names[i], in->cursor->topic_name) : 1;
        int32_t from = order == 0 ? in->cursor->partition_index : 0;

        if (order < 0)
            continue;
        if (page->left == 0)
            return set_cursor(page, names[i], 0);
        if (!topic)
            put_missing(page, names[i]);
        else if (!put_topic(page, topic, from < topic->count ? from : topic->count))
            return false;
        if (page->out.next_cursor)
            return true;
    }
    return true;
}

/* A cursor that points at nothing: every topic that was named gets the error. */
static bool refuse_all(struct page *page)
{
    const struct describe_topic_partitions_request *in = page->request->in;

    page->out.topics = REQUEST_ALLOC(page->request, struct describe_topic_partitions_response_topic, in->topics_count);
    if (!page->out.topics)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct describe_topic_partitions_response_topic *out = &page->out.topics[page->out.topics_count++];

        describe_topic_partitions_response_topic_init(out);
        out->name = in->topics[i].name;
        out->error_code = status_wire(STATUS_INVALID_REQUEST);
    }
    return true;
}

void api_describe_topic_partitions(struct request *r)
{
    const struct describe_topic_partitions_request *in = r->in;
    int64_t limit = config_i64(broker_at(r->here)->broker->config, CONFIG_MAX_REQUEST_PARTITION_SIZE_LIMIT);
    struct page page = {.request = r,
                        .left = in->response_partition_limit < limit ? in->response_partition_limit : (int32_t)limit};
    size_t count;
    struct str_view *names;

    describe_topic_partitions_response_init(&page.out);
    if (page.left < 1)
        page.left = 1;
    names = wanted(r, &count);
    page.out.topics = names ? REQUEST_ALLOC(r, struct describe_topic_partitions_response_topic, count) : NULL;
    if (page.out.topics &&
        (in->cursor && in->cursor->partition_index < 0 ? refuse_all(&page) : fill(&page, names, count)))
        request_reply(r, &page.out);
    else
        request_close(r, "no memory");
}
