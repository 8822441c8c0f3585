/* SPDX-License-Identifier: Apache-2.0
 * See uring.h. A write that the kernel cuts short goes on behind what it took; any other result is final.
 */
#include "rt/uring.h"

#include <liburing.h>

#include "base/mem.h"
#include "rt/fs_backend.h"
#include "rt/io_backend.h"

enum {
    ENTRIES = 8,          /* that wait to be submitted: each is at once, and more than these may be under way */
    STEP_MAX = 1 << 30,   /* of one submission: its size has 32 bits */
};

struct uring {
    struct io_uring ring;
    struct io *io;
    unsigned under_way;
};

struct uring *uring_new(struct io *io)
{
    struct uring *u = mem_alloc(1, sizeof *u);

    if (!u || io_uring_queue_init(ENTRIES, &u->ring, 0) < 0) {
        mem_free(u);
        return NULL;
    }
    u->io = io;
    return u;
}

int uring_descriptor(const struct uring *u)
{
    return u->ring.ring_fd;
}

/* What the kernel does not take now must not be taken later: it becomes nothing. */
static bool submit(struct uring *u, struct io_write *w)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&u->ring);
    size_t left = w->bytes.size - w->progress;

    if (!entry)
        return false;
    io_uring_prep_write(entry, w->file->fd, w->bytes.data + w->progress, (unsigned)(left < STEP_MAX ? left : STEP_MAX), w->offset + w->progress);
    io_uring_sqe_set_data(entry, w);
    if (io_uring_submit(&u->ring) >= 0) {
        u->under_way++;
        return true;
    }
    io_uring_prep_nop(entry);
    io_uring_sqe_set_data(entry, NULL);
    return false;
}

bool uring_write(struct uring *u, struct io_write *w)
{
    return w->file->fd >= 0 && w->file->durable && submit(u, w);
}

static void finish(struct uring *u, struct io_write *w, enum status status)
{
    w->status = status;
    list_push_back(&u->io->jobs_done, &w->job.link);
}

static void written(struct uring *u, struct io_write *w, int result)
{
    if (result > 0)
        w->progress += (size_t)result;
    if (result < 0)
        finish(u, w, fs__failed(&w->err, -result, "write", w->file->path));
    else if (w->progress == w->bytes.size)
        finish(u, w, STATUS_OK);
    else if (result == 0)
        finish(u, w, err_set(&w->err, STATUS_IO, "write %s: nothing was taken", w->file->path));
    else if (!submit(u, w))
        finish(u, w, err_set(&w->err, STATUS_IO, "write %s: it was cut short", w->file->path));
}

void uring_reap(struct uring *u)
{
    struct io_uring_cqe *entry;

    while (io_uring_peek_cqe(&u->ring, &entry) == 0) {
        struct io_write *w = io_uring_cqe_get_data(entry);
        int result = entry->res;

        io_uring_cqe_seen(&u->ring, entry);
        if (!w)
            continue;
        u->under_way--;
        written(u, w, result);
    }
}

void uring_free(struct uring *u)
{
    struct io_uring_cqe *entry;

    if (!u)
        return;
    while (u->under_way && io_uring_wait_cqe(&u->ring, &entry) == 0)
        uring_reap(u);
    io_uring_queue_exit(&u->ring);
    mem_free(u);
}
