/* SPDX-License-Identifier: Apache-2.0
 * ApiVersions (18): the table of services, as clients negotiate by it, and the features that are served.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "wire/api/api_versions.h"

/* Of the cluster's features, those that clients may rely on here. The others (groups of KIP-848, transactions, shares) are set in the metadata as
 * Kafka sets them, but nothing serves them yet. */
static const char *const features_served[] = {"eligible.leader.replicas.version", "kraft.version", "metadata.version"};

static bool feature_served(struct str_view name)
{
    for (size_t i = 0; i < sizeof features_served / sizeof *features_served; i++)
        if (str_is(name, features_served[i]))
            return true;
    return false;
}

/* KIP-511: what a client may call itself. */
static bool software_name_valid(struct str_view name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool inner = i > 0 && i + 1 < name.size;

        if (!letter && !(inner && (c == '-' || c == '.')))
            return false;
    }
    return name.size > 0;
}

static bool api_versions_features(struct request *r, struct api_versions_response *out)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_broker *self = image_broker(b->image, b->broker->node_id);
    int32_t supported = self ? self->record.features_count : 0;

    out->supported_features = REQUEST_ALLOC(r, struct api_versions_response_supported_feature, supported);
    out->finalized_features = REQUEST_ALLOC(r, struct api_versions_response_finalized_feature, b->image->features_count);
    if (!out->supported_features || !out->finalized_features)
        return false;
    for (int32_t i = 0; i < supported; i++) {
        const struct register_broker_record_feature *f = &self->record.features[i];

        if (feature_served(f->name) && (f->min_supported_version > 0 || r->version >= 4)) /* older clients do not understand a minimum of 0 */
            out->supported_features[out->supported_features_count++] =
                (struct api_versions_response_supported_feature){.name = f->name, .min_version = f->min_supported_version, .max_version = f->max_supported_version};
    }
    for (size_t i = 0; i < b->image->features_count; i++) {
        const struct image_feature *f = &b->image->features[i];

        if (feature_served(f->name))
            out->finalized_features[out->finalized_features_count++] =
                (struct api_versions_response_finalized_feature){.name = f->name, .max_version_level = f->level, .min_version_level = f->level};
    }
    out->finalized_features_epoch = b->image->offset;
    return true;
}

static bool api_versions_keys(struct request *r, struct api_versions_response *out)
{
    out->api_keys = REQUEST_ALLOC(r, struct api_versions_response_api_key, services_count);
    if (!out->api_keys)
        return false;
    out->api_keys_count = (int32_t)services_count;
    for (unsigned i = 0; i < services_count; i++)
        out->api_keys[i] = (struct api_versions_response_api_key){
            .api_key = services[i].key, .min_version = services[i].api->version_min, .max_version = service_version_max(&services[i])};
    return true;
}

static enum status api_versions_judge(const struct request *r)
{
    const struct api_versions_request *in = r->in;
    const struct broker *broker = broker_at(r->here)->broker;

    if (r->version >= 3 && (!software_name_valid(in->client_software_name) || !software_name_valid(in->client_software_version)))
        return STATUS_INVALID_REQUEST;
    if ((in->cluster_id.data && !str_is(in->cluster_id, broker->cluster_id)) || (in->node_id >= 0 && in->node_id != broker->node_id))
        return STATUS_REBOOTSTRAP_REQUIRED;
    return STATUS_OK;
}

void api_api_versions(struct request *r)
{
    struct api_versions_response out;
    enum status s = api_versions_judge(r);

    api_versions_response_init(&out);
    out.error_code = status_wire(s);
    if (s == STATUS_OK && (!api_versions_keys(r, &out) || !api_versions_features(r, &out))) {
        request_close(r, "no memory");
        return;
    }
    request_reply(r, &out);
}

void api_versions_refuse(struct request *r)
{
    struct api_versions_response_api_key own = {
        .api_key = API_API_VERSIONS, .min_version = r->service->api->version_min, .max_version = service_version_max(r->service)};
    struct api_versions_response out;

    api_versions_response_init(&out);
    out.error_code = status_wire(STATUS_UNSUPPORTED_VERSION);
    out.api_keys = &own;
    out.api_keys_count = 1;
    r->version = 0;
    request_reply(r, &out);
}
