/* SPDX-License-Identifier: Apache-2.0
 * A log whose offsets begin where few are left: as after 2^63 records that were all deleted since.
 */
#ifndef SIM_FAR_H
#define SIM_FAR_H

#include "base/view.h"
#include "rt/fs.h"

/* The folder of a partition that never had a record, on the disk of a node that is down, becomes that of an empty log which goes on at `base`, as Kafka
 * leaves one: the name of its only segment says where. */
void far_begin_at(struct fs *disk, const char *folder, struct uuid topic_id, int64_t base);

#endif
