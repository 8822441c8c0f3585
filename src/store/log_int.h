/* SPDX-License-Identifier: Apache-2.0
 * What a log is inside: its segments in order, the appends that wait for the disk, and the one commit that is under way.
 *
 * Offsets and segments (writing: where the next commit puts its bytes; between it and the last one all are planned):
 *
 *   segments   [cold][cold][writing      ][planned]
 *              ^start            ^durable          ^end
 *
 * Of `writing` the file has the beginning, and the tail (tail.h) what the journal alone made durable. A commit is of one of two kinds: journaled, to the
 * journal and the tail; several may be under way, which end in order. Or direct, to the file: alone, behind an empty tail, and it syncs for itself. A direct one of
 * many bytes (`straight`) is of whole blocks of the disk's, past the page cache: it costs one copy and one write, where the journal costs three and two (decision 21).
 *
 *   start <= synced <= spilled <= durable <= end       synced: in the segment for good; spilled: written to it; durable: also what the tail has
 *
 * There may be tens of thousands of logs: what only a commit or a spill needs is theirs, and what only a log that is written to needs is in a block of its
 * own, so that a log at rest is small.
 *
 * A roll happens in memory inside log_append, so that every append knows its place at once and the producer snapshot is of the right
 * moment. The files follow: in the direct commit that first needs them, or, where there is a journal, with those of other logs that roll:
 *
 *   PAGE_OPEN ──all of the segment was committed──> FULL ──spill: its tail, its indexes──> SEALED ──sync──> OPEN, the next is `writing`
 *
 * Its file comes with the first spill of what the journal takes for it meanwhile, or, when nothing comes, by itself (`blank`).
 */
#ifndef STORE_LOG_INT_H
#define STORE_LOG_INT_H

#include "rt/io.h"
#include "store/journal.h"
#include "store/log.h"
#include "store/segment.h"
#include "store/store.h"
#include "store/tail.h"

struct clean;
struct log_clean_stats;

enum { MARKS = 16 };

/* Where a commit began: a reader who follows the log comes back exactly there, and needs no search. Offset -1: none. */
struct marks {
    unsigned next;
    struct mark {
        int64_t offset;
        uint64_t position;
    } list[MARKS];
};

/* A group of appends on its way to the disk, and the files of a new segment before them. What it points at is lent to the job. */
struct commit {
    struct io_job job;           /* of a direct one */
    struct log *log;
    bool sync;
    bool folder, unsynced;       /* it is to be made, with the segment that is written; or to be synced */
    bool fresh;                  /* the segment that is written has no file, and `make` is not for it */
    struct segment *make;        /* NULL: the segment is there already */
    struct segment *seal;        /* the one before `make`, whose indexes become files; NULL: none */
    struct str_view epochs;      /* the leader epoch file's new text; data NULL: as it is */
    int64_t base;                /* of the segment that is written */
    struct file *file;           /* NULL: the job opens it */
    uint64_t position;
    struct bytes_view *pieces, one;
    unsigned pieces_count;
    size_t size;
    struct list appends;
    enum status status;
    struct err *err;             /* of a direct one that failed; NULL: no memory to tell */
    bool journaled;
    bool behind;                 /* what the file has before it is not all synced */
    bool padded;                 /* `seal`, as in struct log; or preallocated */
    uint64_t blocks;             /* bytes that a new file has room for at once; 0: it grows */
    struct tail_chunk *block;    /* what it is written from; NULL: from where it was received */
    struct list link;            /* the journal's group */
};

/* What is in the tails of some logs on its way to their files, or these on the way to the disk. What it points at is lent to the job. */
struct spill {
    struct io_job job;
    struct store_dir *dir;
    bool busy;
    struct file *volume;         /* of a sync */
    struct spill_item {
        struct log *log;
        int64_t base;            /* of the segment */
        struct file *file;       /* NULL: the job opens it */
        const struct tail_chunk *first, *last;
        uint64_t from, to;
        bool folder, make;       /* it is to be made; the segment's file is */
        bool unsynced;           /* they were */
        const struct segment *seal, *next; /* its indexes become files, with the snapshot that the next one begins with; NULL: no roll */
        struct str_view epochs;  /* as in struct commit */
        bool padded;             /* as in struct commit: what is written is the end */
        uint64_t blocks;         /* as in struct commit */
        int64_t end;             /* what it is good for: the offset behind */
    } *items, one;
    size_t count;
    enum status status;
    struct err err;
};

/* The files of removed segments: renamed at once, removed when file.delete.delay.ms has passed. */
struct grave {
    struct io_job job;
    struct list link; /* log.graves while it waits */
    struct log *log;
    int64_t due_ms;
    bool renamed;
    enum status status;
    struct err err;
    size_t count;
    int64_t bases[];
};

/* What a log has only while it is written to (work.c). */
struct log_work {
    struct log *log;
    struct tail tail;            /* of its segment `writing` */
    int64_t taken;               /* by commits: the rest is queued */
    struct list queue;           /* appends that no commit has taken */
    struct commit *direct;       /* the direct one, the last that was begun; NULL: none */
    struct list store_link;      /* in the store's list while it has work */
    struct list tail_link;       /* the directory's tails or to_spill */
    struct list sync_link;       /* the directory's to_sync */
    int64_t sync_to;             /* what a sync has to cover */
    uint64_t flushed_ms;         /* when it was last synced, or since when it is written to */
    bool flush;                  /* DURABILITY_ASYNC: the next commit syncs */
    bool straight;               /* to the segment, in blocks */
    bool trims;                  /* it is quiet, and padded */
    enum { PAGE_OPEN, PAGE_FULL, PAGE_SEALED } page;
    bool blank;                  /* the file of `writing` is to be made and synced, though there is nothing to write */
    struct list journal_halves[2]; /* the journal's: what it holds of this log is not yet synced in the segment */
};

struct log {
    struct fs *fs;
    struct uuid topic_id;
    const struct log_config *config;
    struct segment **segments, *one; /* capacity 1: &one */
    uint32_t count, capacity;
    int64_t start, durable, synced, spilled, end;
    uint64_t size;               /* bytes of all segments */
    struct segment *writing, *last;
    uint64_t written;            /* bytes of `writing` that are durable: in the file, and behind them in the tail */
    struct log_work *work;       /* NULL: nobody writes */
    struct marks *marks;         /* of the last MARKS commits, while somebody reads at the end; NULL: none */
    struct epochs epochs;

    struct store *store;         /* NULL: not attached */
    struct store_dir *home;
    unsigned commits;            /* under way */
    unsigned jobs;               /* under way beside the commits: graves, spills and the journal's making */
    bool unmade, unsynced;       /* its folder (folder.c); unsynced: or the file of the segment that is written */
    bool discarded;              /* its topic is gone */
    bool as_left;                /* by a clean stop: its files say all that there is to say */
    bool epochs_unsynced;        /* their file may be in memory only: it is written again before the next segment begins */
    bool padded;                 /* the file of `writing` ends with a block that is not all used */
    bool held;                   /* the direct one waits for the journaled ones before it and for the tail */
    bool aborted_lost;           /* at opening: one did not read */
    bool clean_refused;          /* a segment does not read: no compaction */
    bool spilling, syncing;      /* in the job of that kind */
    bool sync_spills;            /* a sync is wanted, and has to wait for the tail */
    bool journal_waits;          /* for that sync */
    bool busy;                   /* it took something since the last housekeeping */
    bool again;                  /* there was no space: what the first attempt made is there */
    bool lost;                   /* as if its directory were offline: it was to be closed, and the disk was full */
    struct list graves;
    union {
        int64_t aborted_known;   /* until it is attached: what is below is in the segments' files */
        struct mail *idle;       /* then: who waits for it */
    };

    int64_t cleaned;             /* keys below it were compacted; -1: unknown */
    struct clean *clean;         /* the compaction that is under way; NULL: none */
    struct log_clean_stats *clean_last; /* of the last one; NULL: none yet */

    void (*snapshot)(void *context, int64_t offset, struct bytes_view *content);
    void *snapshot_context;
    char dir[];
};

/* commit.c */
bool log__commit(struct log *log) __attribute__((warn_unused_result)); /* takes what is queued to the disk; the store calls it at the end of a turn. false: no memory */
bool log__roll(struct log *log, int64_t base, int64_t now_ms);     /* a new last segment; false: no memory, or the last one is empty */
void log__turn_page(struct log *log);                              /* what it wrote and its indexes are synced */
void log__commit_submit(struct log *log);                          /* a held one, once the tail is empty or its directory offline */
void log__commit_done(struct shard *here, struct commit *c);
void log__fail_queue(struct log *log);                             /* its directory is offline */
void log__check_idle(struct log *log);
bool log__idle(const struct log *log);
enum status log__make_segment(struct fs *fs, const char *dir, struct segment *seg, unsigned flags, struct file **file, struct err *err) MUST_CHECK; /* blocking; not yet durable. FS_EXCLUSIVE, or 0 */
enum status log__epochs_path(char path[static FS_PATH_MAX], const char *dir, struct err *err) MUST_CHECK;
struct str_view log__epochs_text(struct log *log);                 /* for the file; data NULL: it has them on disk, or there is no memory, and the next one serves */

/* folder.c: blocking */
uint64_t log__blocks(const struct log *log, bool makes);            /* preallocate: of struct commit, when it makes a segment and the reserve is not touched. On the shard */
void log__allocate(struct file *file, uint64_t blocks);             /* what cannot be had now is had when it is written to, or not */
enum status log__save_metadata(const struct log *log, struct err *err) MUST_CHECK; /* durable on return */
enum status log__make_folder(const struct log *log, int64_t base, struct file **file, struct err *err) MUST_CHECK; /* with its first segment */
enum status log__sync_folder(const struct log *log, struct err *err) MUST_CHECK; /* what log__make_folder made, but for its name: */
enum status log__sync_home(const struct log *log, struct err *err) MUST_CHECK;
enum status log__make_folder_durable(const struct log *log, int64_t base, struct file **file, struct err *err) MUST_CHECK;
enum status log__make_file(const struct log *log, int64_t base, struct file **file, struct err *err) MUST_CHECK; /* a segment's, in a folder that is there; not yet durable */

/* work.c */
void log__work_free(struct log *log);
void log__rest(struct log *log);            /* when nobody writes to it */

/* spill.c */
void log__tail_grew(struct log *log);
bool log__must_wait(const struct log *log); /* there is too much in the tails: until some of it is spilled */
void log__spill_go_on(struct log *log);     /* a held commit may have the file now, or is nearer to it */
void log__trim(struct log *log);            /* of a quiet one that is padded: the file gets its size */
void log__fill_page(struct log *log);       /* all of the segment that is written is in the tail or the file: it is sealed, and log__turn_page follows */
void log__sync(struct log *log);            /* all that is durable now is spilled and synced, when it can be; then log__synced and log__check_idle */
void log__synced(struct log *log);          /* more of it may be */
void log__spill_forget(struct log *log);    /* it is closed, or lost */
void store__spill(struct store_dir *dir);   /* what waits: there is space again, or a log was lost that others waited for */

/* log.c */
size_t log__segment_at(const struct log *log, int64_t offset); /* the index of the last segment whose base is not above */
bool log__segments_room(struct log *log) __attribute__((warn_unused_result)); /* for one more; false: no memory */

/* read.c */
/* With a reader: only if it need not wait (log_read_cached). */
enum status log__open_segment(struct log *log, struct segment *seg, struct log_warm *reader, struct err *err) MUST_CHECK;
enum status log__know_times(struct log *log, struct segment *seg, struct log_warm *reader, struct err *err) MUST_CHECK; /* of seg: max_timestamp */
uint64_t log__on_disk(const struct log *log, const struct segment *seg); /* bytes that are read from its file */
int64_t log__limit(const struct log *log, const struct segment *seg);    /* above the offsets of all of it that may be read */
void log__bad(struct log *log, struct segment *seg, uint64_t position, const struct err *why); /* there begins a bad batch: it is told once */

/* warm.c */
bool log__times_known(struct log *log, struct segment *seg); /* else a job asks, and log_housekeep follows */
bool log__first_known(struct log *log, struct segment *seg); /* first_timestamp; else a job asks */

/* STATUS_NOT_CACHED: the reader lacks these parts (enum log_part) of the segment, whose files are to be open. */
enum status log__lacks(struct log_warm *reader, const struct segment *seg, unsigned parts, struct err *err) MUST_CHECK;
enum { WARM_TRIES = 4 }; /* without coming to a later segment: its files, the place, the range, and one more. Then the reader waits for the disk itself */

/* aborted.c */
enum status log__load_aborted(struct log *log, bool clean, int64_t recovery_point, struct err *err) MUST_CHECK; /* to memory, before anything of a segment is saved again */

/* clean.c */
void log__clean_stop(struct log *log); /* the compaction that is under way ends at the next slice, and says so */

/* trim.c */
/* Segments whose files have the names of what is to go (.deleted): they are removed after file.delete.delay.ms. */
struct grave *log__grave_new(struct log *log, size_t count) __attribute__((warn_unused_result)); /* NULL: no memory */
void log__grave_wait(struct log *log, struct grave *grave, int64_t wall_ms);

/* store.c */
/* A log directory as one store sees it. */
struct store_dir {
    struct list link; /* the store's, once a log was attached */
    struct store *store;
    bool offline;
    enum space_state { SPACE_THERE, SPACE_SHORT, SPACE_TRYING, SPACE_NONE } space; /* space.c, with the next four */
    bool low, asked, gives_up; /* gives_up: a log is to be closed, and not because its topic is gone */
    int64_t granted, room;
    struct journal *journal; /* NULL: each log syncs for itself */
    struct list tails;       /* logs with something in their tails, the oldest first */
    struct list to_spill, to_sync;
    size_t sync_spills;      /* logs that have to be spilled before those are synced */
    struct spill spill, sync;
    size_t size;
    char path[];      /* of `size` bytes and a zero */
};
struct store_dir *store__dir_new(const char *log_dir) __attribute__((warn_unused_result)); /* of the directory that holds a log's; NULL: no memory */
/* The store's own for that path: `fresh`, or the one that is there already (then fresh is freed). */
struct store_dir *store__dir_adopt(struct store *store, struct store_dir *fresh);
struct store_dir *store__dir_find(const struct store *store, const char *path);
void store__wants_commit(struct log *log);
void store__stays_wanting(struct log *log);      /* until store__commit_waiting */
void store__commit_waiting(struct store *store); /* a journal's group is back, or there is space: what waited for it may commit */
void store__ask_space(struct store_dir *dir);
void store__failed(struct log *log, enum status status, const struct err *why); /* NULL: there was no memory to tell */
void store__dir_failed(struct store_dir *dir, const struct err *why); /* the same, of no log: `why` is told, and needed unless it is offline already */
struct commit *store__commit_new(struct store *store) __attribute__((warn_unused_result)); /* NULL: no memory, and its own is in use: when that is back, those who want to commit may */
void store__commit_free(struct store *store, struct commit *c);
struct shard *store__shard(const struct store *store);
enum durability store__durability(const struct store *store);
void store__rests(struct store *store); /* one of its logs */
void store__wrote(struct store *store, size_t size, bool journaled);
size_t *store__tails(struct store *store); /* bytes that the tails of its logs hold */
struct files *store__files(struct store *store);
struct warms *store__warms(struct store *store);
size_t store__tails_max(const struct store *store);

/* Whether a start would find the segment that is written. Until then the ones before it stay as they are: the journal tells by names what comes after which. */
static inline bool log__there(const struct log *log)
{
    return log->writing->made && !log->unsynced;
}

static inline bool log__offline(const struct log *log)
{
    return log->home->offline || log->lost;
}

/* space.c */
void store__space_unknown(struct store_dir *dir);
bool store__take_room(struct store_dir *dir, size_t size) __attribute__((warn_unused_result)); /* for a journal, or preallocate: false, when it would take most of what there is */
void store__no_space(struct store_dir *dir, const struct err *why);                            /* a write found none: it is to be tried again. NULL: no memory to tell */
bool store__waits_for_space(const struct store_dir *dir);

#endif
