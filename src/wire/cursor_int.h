/* SPDX-License-Identifier: Apache-2.0
 * The walk over the records of a v2 batch that batch_check and record_next share.
 *
 * A window [at, end) of record bytes stands before the walk. Of an uncompressed batch it is the batch itself; of a compressed one
 * it is a buffer that is refilled from the decompressor, what is left of it moved to its front first. Two ways to walk:
 *   skim    fields may be longer than the window and are stepped over; a view says only whether its field is null. The
 *           buffer keeps its first size, so a check costs the same memory for any record.
 *   whole   each record is brought into the window as one piece before it is parsed, the buffer doubling as bytes arrive (not
 *           as they are promised); its views hold until the next step.
 */
#ifndef WIRE_CURSOR_INT_H
#define WIRE_CURSOR_INT_H

#include "wire/records.h"

struct record_cursor {
    struct batch_head head;
    const uint8_t *at, *end;
    struct decompressor *stream; /* NULL: the window is all there is */
    uint8_t *buffer;             /* what the window looks into, with a stream */
    size_t capacity;
    size_t consumed;             /* bytes of records so far */
    int32_t index;               /* records so far */
    int32_t offset_delta;        /* of the last one */
    bool whole;
    enum status status;          /* sticky */
    const char *why;             /* static; with a status of CORRUPT_MESSAGE */
};

enum status cursor__open(struct record_cursor *c, struct bytes_view batch, const struct batch_head *head,
                         size_t decompressed_max, bool whole) MUST_CHECK;
enum status cursor__step(struct record_cursor *c, struct record *record) MUST_CHECK;
enum status cursor__end(struct record_cursor *c) MUST_CHECK; /* CORRUPT_MESSAGE when bytes are left */
void cursor__close(struct record_cursor *c);

#endif
