/* SPDX-License-Identifier: Apache-2.0
 * Histories as text, so that runs of the real binary are judged as those of the simulator are. One operation a line, in any order:
 *
 *     send process=1 partition=0 begun=1007 ended=2310 ok value=0 count=20 offset=0 once
 *     send process=1 partition=0 begun=2011 open value=20 count=5
 *     poll process=2 partition=0 begun=3000 ended=3400 ok offset=0 high=20 start=0 last 0+20:0
 *
 * The first word is the kind: send, poll, commit, committed, own, delete, forget, find (enum op_kind). Then, in any order:
 *
 *     ok, refused, open           the outcome; open: nobody knows, and there is no `ended`
 *     process= partition= begun=  always; a process does one thing at a time, but for sends
 *     ended=                      unless open. Times are any numbers that grow, nanoseconds for one
 *     value= count= offset=       send: value .. value+count-1 at offset .. offset+count-1 (as acknowledged; none when open or refused)
 *     offset= high= start=        poll: what was asked; high watermark and start of the log, as told
 *     next=                       poll: where it goes on, when that is not behind its last record (compaction took what was there)
 *     group= generation= offset=  commit, committed (offset=-1: none is told), own; forget: group
 *     offset=                     delete: records below it are to go
 *     timestamp= offset= found=   find: asked (-3: the greatest), told, and that one's timestamp
 *     timestamp=                  send: of the first record, where finds are to be judged (op_timestamp)
 *     once                        send: of an idempotent producer
 *     follows, last               poll: it goes on where the process's poll before it ended; it is a part of the read of everything, at the end
 *     whole                       forget: the group was deleted
 *     OFFSET:VALUE                poll: a record; OFFSET+COUNT:VALUE: that many, offsets and values going up by one
 *
 * Long polls go on in lines `more OFFSET:VALUE ...`; `dropped partition=N` says that its records may be gone, `compacted partition=N` that older ones of a
 * key may (op_key in checkers.h says which that is); `#` begins a comment. Values of a
 * producer grow in the order in which it sends; no two of a partition are equal. Consecutive records belong into one line: 20 million are nothing then.
 */
#ifndef SIM_HISTORY_TEXT_H
#define SIM_HISTORY_TEXT_H

#include "base/err.h"
#include "base/view.h"
#include "sim/checkers.h"

enum {
    HISTORY_LINE_MAX = 64 * 1024,
    HISTORY_PARTITIONS_MAX = 4096,
    HISTORY_OPS_MAX = 4 << 20, /* some 600 MB */
    HISTORY_SIGHTINGS_MAX = 32 << 20,
};

struct history_text {
    struct history history;
    bool dropped[HISTORY_PARTITIONS_MAX], compacted[HISTORY_PARTITIONS_MAX];
};

void history_text_init(struct history_text *t);
/* Adds a line without its end. STATUS_INVALID, with what is wrong with it. */
enum status history_text_line(struct history_text *t, struct str_view line, struct err *err) MUST_CHECK;

#endif
