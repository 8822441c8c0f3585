/* SPDX-License-Identifier: Apache-2.0
 * See jobs.h. One queue, one lock (docs/locks.md), a few workers.
 *
 * Lanes: at most one job of a lane is in the queue or with a worker; it holds the lane, and `lanes` finds it. Those that came after
 * wait in its lane_waiting. When it is done the first of them takes over the lane and goes to the end of the queue: each lane keeps
 * its order, and no lane starves another, in constant time a job.
 *
 * The hand-off is on the way of every commit: a submit wakes a worker only when one is idle, and it is woken after the lock
 * was given back, so that it never runs into it. A worker that passes a lane on takes the next job of the queue itself.
 */
#include "rt/jobs.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/mem.h"

struct jobs {
    pthread_mutex_t lock; /* everything below */
    pthread_cond_t more;
    struct list queue;
    struct map lanes;
    unsigned idle; /* workers that wait for `more` */
    bool stopping;

    struct io *io; /* these never change */
    void (*finished)(struct io *io, struct io_job *job);
    unsigned threads_count;
    pthread_t threads[];
};

static void jobs_hold_lane(struct jobs *jobs, struct io_job *job)
{
    bool put = map_put(&jobs->lanes, &job->lane_node, &job->lane, sizeof job->lane);

    ASSERT(put); /* the table was made at start, and one that cannot grow still works */
}

void jobs_submit(struct jobs *jobs, struct io_job *job)
{
    struct map_node *holder = NULL;
    bool wake;

    list_init(&job->lane_waiting);
    pthread_mutex_lock(&jobs->lock);
    if (job->lane)
        holder = map_get(&jobs->lanes, &job->lane, sizeof job->lane);
    if (holder) {
        list_push_back(&MAP_ENTRY(holder, struct io_job, lane_node)->lane_waiting, &job->link);
    } else {
        if (job->lane)
            jobs_hold_lane(jobs, job);
        list_push_back(&jobs->queue, &job->link);
    }
    wake = !holder && jobs->idle > 0;
    pthread_mutex_unlock(&jobs->lock);
    if (wake)
        pthread_cond_signal(&jobs->more);
}

/* The lane's next holder, which is not in the queue yet; NULL when nobody waits. */
static struct io_job *jobs_pass_lane(struct jobs *jobs, struct io_job *job)
{
    struct io_job *next = NULL;

    if (job->lane) {
        map_remove(&jobs->lanes, &job->lane_node);
        if (!list_empty(&job->lane_waiting)) {
            next = LIST_ENTRY(list_pop_front(&job->lane_waiting), struct io_job, link);
            list_move_all(&next->lane_waiting, &job->lane_waiting);
            jobs_hold_lane(jobs, next);
        }
    }
    return next;
}

static void jobs_run(struct jobs *jobs, struct io_job *job)
{
    struct io_job *next;

    pthread_mutex_unlock(&jobs->lock);
    job->work(job);
    pthread_mutex_lock(&jobs->lock);
    next = jobs_pass_lane(jobs, job);
    pthread_mutex_unlock(&jobs->lock);
    jobs->finished(jobs->io, job); /* the job is gone; the next of its lane, which starts only now, finishes after it */
    pthread_mutex_lock(&jobs->lock);
    if (next)
        list_push_back(&jobs->queue, &next->link);
}

static void *jobs_worker(void *context)
{
    struct jobs *jobs = context;

    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        struct list *node = list_pop_front(&jobs->queue);
        if (node) {
            jobs_run(jobs, LIST_ENTRY(node, struct io_job, link));
        } else if (jobs->stopping) {
            break;
        } else {
            jobs->idle++;
            pthread_cond_wait(&jobs->more, &jobs->lock);
            jobs->idle--;
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static bool jobs_make_table(struct map *lanes)
{
    struct map_node node;
    bool made;

    map_init(lanes, 0); /* the keys are addresses of ours */
    made = map_put(lanes, &node, "", 0);
    if (made)
        map_remove(lanes, &node);
    return made;
}

enum status jobs_new(unsigned threads, struct io *io, void (*finished)(struct io *io, struct io_job *job), struct jobs **out, struct err *err)
{
    struct jobs *jobs = mem_alloc(1, sizeof *jobs + threads * sizeof jobs->threads[0]);

    if (!jobs)
        return err_set(err, STATUS_NO_MEMORY, "job threads: no memory");
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->more, NULL);
    list_init(&jobs->queue);
    jobs->io = io;
    jobs->finished = finished;
    if (!jobs_make_table(&jobs->lanes)) {
        jobs_free(jobs);
        return err_set(err, STATUS_NO_MEMORY, "job threads: no memory");
    }
    for (; jobs->threads_count < threads; jobs->threads_count++) {
        int failed = pthread_create(&jobs->threads[jobs->threads_count], NULL, jobs_worker, jobs);
        if (failed) {
            jobs_free(jobs);
            return err_sys(err, STATUS_IO, failed, "start a job thread");
        }
    }
    *out = jobs;
    return STATUS_OK;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_mutex_unlock(&jobs->lock);
    pthread_cond_broadcast(&jobs->more);
    for (unsigned i = 0; i < jobs->threads_count; i++)
        pthread_join(jobs->threads[i], NULL);
    map_free(&jobs->lanes);
    pthread_cond_destroy(&jobs->more);
    pthread_mutex_destroy(&jobs->lock);
    mem_free(jobs);
}
