/* SPDX-License-Identifier: Apache-2.0
 * See jobs.h. One queue, one lock (docs/locks.md), a few workers. A job that waits for its lane (lanes.h) is not in the queue; when the lane
 * is passed on to it, it goes to the queue's end, so that no lane starves another; urgent ones, which are few, go to its beginning.
 *
 * The hand-off is on the way of every commit: a submit wakes a worker only when one is idle, and after the lock was given back, so
 * that the worker never runs into it. Who passes a lane on takes the next job of the queue itself.
 */
#include "rt/jobs.h"

#include <pthread.h>

#include "base/mem.h"
#include "rt/lanes.h"

struct jobs {
    pthread_mutex_t lock; /* these */
    struct list queue;
    struct lanes lanes;
    unsigned idle; /* workers that wait for `more` */
    bool stopping;

    pthread_cond_t more;
    struct io *io; /* these never change */
    void (*finished)(struct io *io, struct io_job *job);
    unsigned threads_count;
    pthread_t threads[];
};

static void queue(struct jobs *jobs, struct io_job *job)
{
    if (job->urgent)
        list_push_front(&jobs->queue, &job->link);
    else
        list_push_back(&jobs->queue, &job->link);
}

void jobs_submit(struct jobs *jobs, struct io_job *job)
{
    bool runnable, wake;

    pthread_mutex_lock(&jobs->lock);
    runnable = lanes_enter(&jobs->lanes, job);
    if (runnable)
        queue(jobs, job);
    wake = runnable && jobs->idle > 0;
    pthread_mutex_unlock(&jobs->lock);
    if (wake)
        pthread_cond_signal(&jobs->more);
}

/* Called and left with the lock held. A job with a lane is told to be finished under it, so that the next of the lane, even one that
 * is submitted this moment, cannot be told before. Once it was told the job is gone. */
static void jobs_run(struct jobs *jobs, struct io_job *job)
{
    struct io_job *next;

    pthread_mutex_unlock(&jobs->lock);
    job->work(job);
    if (!job->lane) {
        jobs->finished(jobs->io, job);
        pthread_mutex_lock(&jobs->lock);
        return;
    }
    pthread_mutex_lock(&jobs->lock);
    next = lanes_pass(&jobs->lanes, job);
    if (next)
        queue(jobs, next);
    jobs->finished(jobs->io, job);
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
    if (!lanes_init(&jobs->lanes)) {
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
    lanes_free(&jobs->lanes);
    pthread_cond_destroy(&jobs->more);
    pthread_mutex_destroy(&jobs->lock);
    mem_free(jobs);
}
