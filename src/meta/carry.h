/* SPDX-License-Identifier: Apache-2.0
 * Whether what a metadata log says can be carried on by this node: a single one, which knows certain features, and keeps all of its data here.
 *
 * Records that are newer than we are do not get this far (image_apply_batch). What is unknown to us but stands for itself, quotas or the records of
 * shares, is kept as it came and is no reason to refuse. Pure.
 */
#ifndef META_CARRY_H
#define META_CARRY_H

#include "meta/image.h"

/* STATUS_UNSUPPORTED_VERSION: no, and err says why and what can be done about it. */
enum status image_carriable(const struct image *image, int32_t node_id, struct err *err) MUST_CHECK;

#endif
