/* SPDX-License-Identifier: Apache-2.0
 * DescribeCluster (60): the brokers, as the client's listener shows them.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "wire/api/describe_cluster.h"

enum { ENDPOINTS_OF_BROKERS = 1, ENDPOINTS_OF_CONTROLLERS = 2 };

static void refuse(struct describe_cluster_response *out, enum status status, struct str_view message)
{
    out->error_code = status_wire(status);
    out->error_message = message;
}

void api_describe_cluster(struct request *r)
{
    const struct describe_cluster_request *in = r->in;
    const struct broker *broker = broker_at(r->here)->broker;
    struct describe_cluster_response_broker self;
    struct describe_cluster_response out;

    describe_cluster_response_init(&out);
    describe_cluster_response_broker_init(&self);
    if (in->endpoint_type == ENDPOINTS_OF_CONTROLLERS) {
        refuse(
            &out, STATUS_MISMATCHED_ENDPOINT_TYPE,
            STR_LIT(
                "The request was sent to an endpoint of the wrong type: this is one of type BROKER, not CONTROLLER."));
    } else if (in->endpoint_type != ENDPOINTS_OF_BROKERS) {
        refuse(&out, STATUS_UNSUPPORTED_ENDPOINT_TYPE,
               arena_format(&r->arena, "Unsupported endpoint type %d", in->endpoint_type));
    } else {
        self.broker_id = broker->node_id;
        self.host = str_from(r->listener->advertised_host);
        self.port = r->listener->advertised_port;
        self.rack = config_str(broker->config, CONFIG_BROKER_RACK);
        out.brokers = &self;
        out.brokers_count = 1;
        out.controller_id = broker->node_id;
        out.cluster_id = str_from(broker->cluster_id);
        if (in->include_cluster_authorized_operations)
            out.cluster_authorized_operations = OPERATIONS_CLUSTER;
    }
    request_reply(r, &out);
}
