/* SPDX-License-Identifier: Apache-2.0
 * Shard 0's block of producer ids (api_init_producer_id.c).
 */
#ifndef BROKER_PRODUCER_IDS_H
#define BROKER_PRODUCER_IDS_H

struct broker_shard;
struct producer_ids;

struct producer_ids *producer_ids_new(struct broker_shard *b); /* NULL: no memory */
void producer_ids_free(struct producer_ids *ids);              /* no request waits */

#endif
