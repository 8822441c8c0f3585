/* SPDX-License-Identifier: Apache-2.0
 * See scrub.h. From the submit of a job until its `done` what is marked so belongs to the job.
 */
#include "store/scrub.h"

#include "base/mem.h"
#include "rt/io.h"
#include "rt/log.h"
#include "store/dir.h"
#include "store/segment.h"

enum {
    STEP_BYTES = 256 * 1024,  /* of a job: some tenth of a millisecond of computing */
    FOLDER_COST = 8 * 1024,   /* what listing a folder counts */
    FIRST_REST_MS = 60 * 1000,
    OFFSET_TEXT = 24,
};

struct note { /* a finding */
    struct list link;
    struct finding finding;
    int64_t base;
    char *folder, *what; /* within the block */
};

struct scrub {
    struct shard *shard;
    struct fs *fs;
    struct scrub_options options;
    struct timer timer;
    struct io_job job;
    bool busy;
    struct mail *stopped;
    uint64_t round_began_ms;
    struct scrub_counts counts;
    struct list known; /* notes that were logged */

    /* The job's. */
    char **folders;
    size_t folders_count, folder_at;
    char path[FS_PATH_MAX];      /* of that folder */
    int64_t *bases;
    size_t bases_count, base_at;
    struct verify verify;
    bool reading;                /* `verify` is under way */
    bool again;                  /* for the second time */
    uint64_t read;               /* by this job, in bytes */
    bool over;                   /* the round is */
    struct list found;
};

/* --- the job --------------------------------------------------------------------------------------------------------------- */

/* Only what is wrong twice is kept. */
static void scrub_found(void *context, const struct finding *finding)
{
    struct scrub *s = context;
    const char *folder = s->folders[s->folder_at];
    size_t folder_size = strlen(folder) + 1, what_size = strlen(finding->what) + 1;
    struct note *note = s->again ? mem_alloc(1, sizeof *note + folder_size + what_size) : NULL;

    if (!note)
        return; /* without memory: in the next round, then */
    note->finding = *finding;
    note->base = s->verify.base;
    note->folder = (char *)(note + 1);
    note->what = note->folder + folder_size;
    memcpy(note->folder, folder, folder_size);
    memcpy(note->what, finding->what, what_size);
    note->finding.what = note->what;
    list_push_back(&s->found, &note->link);
}

static bool swaps(const char *name)
{
    size_t size = strlen(name), end = strlen(".swap");

    return size > end && strcmp(name + size - end, ".swap") == 0;
}

/* The segments of the folder; none while a compacted one takes the place of others, whose files are not all there then. */
static bool folder_list(struct scrub *s)
{
    struct err ignored; /* it may be gone */
    bool swap = false;
    char **names;
    size_t count;

    mem_free(s->bases);
    s->bases = NULL;
    s->bases_count = 0;
    s->read += FOLDER_COST;
    if (snprintf(s->path, sizeof s->path, "%s/%s", s->options.dir, s->folders[s->folder_at]) >= (int)sizeof s->path ||
        fs_list(s->fs, s->path, &names, &count, &ignored))
        return false;
    s->bases = mem_alloc(count, sizeof *s->bases);
    for (size_t i = 0; s->bases && i < count; i++) {
        swap |= swaps(names[i]);
        s->bases_count += segment_named(names[i], ".log", &s->bases[s->bases_count]);
    }
    mem_free(names);
    if (swap)
        s->bases_count = 0;
    return s->bases;
}

static bool round_begin(struct scrub *s)
{
    struct str_view topic;
    int32_t partition;
    struct err ignored;
    size_t kept = 0;

    if (fs_list(s->fs, s->options.dir, &s->folders, &s->folders_count, &ignored))
        return false;
    for (size_t i = 0; i < s->folders_count; i++)
        if (log_dir_partition_named(s->folders[i], &topic, &partition))
            s->folders[kept++] = s->folders[i];
    s->folders_count = kept;
    s->folder_at = s->base_at = 0;
    if (kept)
        (void)folder_list(s);
    return kept;
}

/* Whether there is a segment to go on with: not the last one of its folder, which is written to. */
static bool segment_next(struct scrub *s)
{
    while (s->base_at + 1 >= s->bases_count) {
        if (s->read >= STEP_BYTES || ++s->folder_at >= s->folders_count)
            return false;
        s->base_at = 0;
        (void)folder_list(s);
    }
    return true;
}

static void segment_begin(struct scrub *s)
{
    struct err ignored; /* it is gone, or there is no memory or no descriptor for it: the next round comes by it again */

    s->verify = (struct verify){.fs = s->fs, .dir = s->path, .base = s->bases[s->base_at], .limit = s->bases[s->base_at + 1], .indexed = true, .aside = true,
                                .found = scrub_found, .context = s};
    s->reading = verify_begin(&s->verify, &ignored) == STATUS_OK;
    if (s->reading)
        return;
    s->again = false;
    s->base_at++;
}

/* The segment that was wrong, as it stands now. */
static void segment_again(struct scrub *s)
{
    int64_t base = s->verify.base;

    s->again = folder_list(s);
    for (s->base_at = 0; s->base_at < s->bases_count && s->bases[s->base_at] < base; s->base_at++)
        continue;
    s->again = s->again && s->base_at + 1 < s->bases_count && s->bases[s->base_at] == base;
}

static void segment_end(struct scrub *s, bool whole)
{
    bool wrong = whole && s->verify.findings;

    verify_end(&s->verify);
    s->reading = false;
    if (wrong && !s->again) {
        segment_again(s);
        return;
    }
    s->counts.segments++;
    s->again = false;
    s->base_at++;
}

static void segment_read(struct scrub *s)
{
    uint64_t before = s->verify.at;
    struct err ignored;
    bool more = true;
    enum status status = verify_step(&s->verify, (size_t)(STEP_BYTES - s->read), &more, &ignored);

    s->read += s->verify.at - before + 1;
    s->counts.bytes += s->verify.at - before;
    if (status || !more)
        segment_end(s, !status);
}

static void scrub_work(struct io_job *job)
{
    struct scrub *s = LIST_ENTRY(job, struct scrub, job);

    s->read = 0;
    s->over = !s->folders && !round_begin(s);
    while (!s->over && s->read < STEP_BYTES) {
        if (s->reading)
            segment_read(s);
        else if (segment_next(s))
            segment_begin(s);
        else
            s->over = s->folder_at >= s->folders_count;
    }
}

/* --- the shard ------------------------------------------------------------------------------------------------------------- */

static bool same(const struct note *a, const struct note *b)
{
    return a->base == b->base && a->finding.position == b->finding.position && strcmp(a->finding.suffix, b->finding.suffix) == 0 && strcmp(a->folder, b->folder) == 0;
}

static bool known(const struct scrub *s, const struct note *note)
{
    LIST_EACH(node, &s->known) {
        if (same(LIST_ENTRY(node, struct note, link), note))
            return true;
    }
    return false;
}

static void tell(struct scrub *s)
{
    for (struct list *node = list_pop_front(&s->found); node; node = list_pop_front(&s->found)) {
        struct note *note = LIST_ENTRY(node, struct note, link);
        const struct finding *f = &note->finding;
        char base[OFFSET_TEXT];
        s->options.found(s->shard, s->options.context, note->folder, note->base, f);
        if (known(s, note)) {
            mem_free(note);
            continue;
        }
        s->counts.findings++;
        (void)snprintf(base, sizeof base, "%020lld", (long long)note->base);
        log_line(LOG_ERROR, "a file went bad", "file=%s/%s/%s%s position=%llu size=%llu offset=%lld reason=%s", s->options.dir, note->folder, base,
                 f->suffix, (unsigned long long)f->position, (unsigned long long)f->size, (long long)f->offset, f->what);
        list_push_back(&s->known, node);
    }
}

static void round_free(struct scrub *s)
{
    if (s->reading)
        verify_end(&s->verify);
    mem_free(s->bases);
    mem_free(s->folders);
    s->bases = NULL;
    s->folders = NULL;
    s->bases_count = s->folders_count = 0;
    s->reading = s->again = false;
}

static void scrub_step(struct shard *here, struct timer *timer);

static void scrub_done(struct shard *here, struct io_job *job)
{
    struct scrub *s = LIST_ENTRY(job, struct scrub, job);
    uint64_t now_ms = shard_now_ms(here), next_ms = now_ms + (s->read * 1000 + s->options.bytes_per_second - 1) / s->options.bytes_per_second;

    tell(s);
    if (s->over) {
        s->counts.rounds++;
        log_line(LOG_INFO, "scrubbed", "dir=%s rounds=%llu segments=%llu bytes=%llu findings=%llu", s->options.dir, (unsigned long long)s->counts.rounds,
                 (unsigned long long)s->counts.segments, (unsigned long long)s->counts.bytes, (unsigned long long)s->counts.findings);
        round_free(s);
        if (next_ms < s->round_began_ms + s->options.interval_ms)
            next_ms = s->round_began_ms + s->options.interval_ms;
    }
    s->busy = false;
    if (s->stopped)
        shard_post(here, here, s->stopped);
    else
        timer_set(here, &s->timer, next_ms, scrub_step);
}

static void scrub_step(struct shard *here, struct timer *timer)
{
    struct scrub *s = LIST_ENTRY(timer, struct scrub, timer);

    if (!s->folders)
        s->round_began_ms = shard_now_ms(here);
    s->busy = true;
    s->job = (struct io_job){.work = scrub_work, .done = scrub_done};
    io_job_submit(shard_io(here), &s->job);
}

struct scrub *scrub_new(struct shard *shard, const struct scrub_options *options)
{
    struct scrub *s = mem_alloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->shard = shard;
    s->fs = shard_fs(shard);
    s->options = *options;
    list_init(&s->found);
    list_init(&s->known);
    return s;
}

void scrub_start(struct scrub *s)
{
    timer_set(s->shard, &s->timer, shard_now_ms(s->shard) + (s->options.interval_ms < FIRST_REST_MS ? s->options.interval_ms : FIRST_REST_MS), scrub_step);
}

void scrub_stop(struct scrub *s, struct mail *done)
{
    s->stopped = done;
    timer_cancel(s->shard, &s->timer);
    if (!s->busy)
        shard_post(s->shard, s->shard, done);
}

void scrub_free(struct scrub *s)
{
    if (!s)
        return;
    round_free(s);
    for (struct list *node = list_pop_front(&s->known); node; node = list_pop_front(&s->known))
        mem_free(LIST_ENTRY(node, struct note, link));
    mem_free(s);
}

struct scrub_counts scrub_counts(const struct scrub *s)
{
    return s->counts;
}
