/* SPDX-License-Identifier: Apache-2.0
 * The part of io.h that every backend shares; see io_backend.h.
 */
#include "rt/io.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/fs.h"
#include "rt/io_backend.h"
#include "rt/world.h"

void io__init(struct io *io, const struct io_backend *backend, size_t buffers_budget)
{
    *io = (struct io){.backend = backend, .buffers_budget = buffers_budget};
    list_init(&io->completed);
    list_init(&io->jobs_done);
}

void io__destroy(struct io *io)
{
    for (struct list *node; (node = list_pop_front(&io->completed));) {
        struct io_op *op = LIST_ENTRY(node, struct io_op, link);
        if (op->buffer)
            io_buffer_unref(op->buffer);
    }
    while (io->spare_count)
        mem_free(io->spare[--io->spare_count]);
}

/* --- buffers --- */

size_t io_buffers_held(const struct io *io)
{
    return io->buffers_used + io->spare_count * (size_t)IO_BUFFER_SIZE;
}

size_t io_sockets_held(const struct io *io)
{
    return io->sockets.held;
}

struct io_buffer *io_buffer_new(struct io *io, size_t size)
{
    struct io_buffer *buffer;

    if (size < IO_BUFFER_SIZE)
        size = IO_BUFFER_SIZE;
    if (size > UINT32_MAX || io->buffers_used > io->buffers_budget || size > io->buffers_budget - io->buffers_used)
        return NULL;
    if (size == IO_BUFFER_SIZE && io->spare_count)
        buffer = io->spare[--io->spare_count];
    else
        buffer = mem_resize(NULL, 1, sizeof *buffer + size); /* not zeroed */
    if (!buffer)
        return NULL;
    buffer->io = io;
    buffer->refs = 1;
    buffer->size = (uint32_t)size;
    io->buffers_used += size;
    return buffer;
}

struct io_buffer *io_buffer_ref(struct io_buffer *buffer)
{
    buffer->refs++;
    return buffer;
}

void io_buffer_unref(struct io_buffer *buffer)
{
    struct io *io = buffer->io;

    ASSERT(buffer->refs > 0);
    if (--buffer->refs)
        return;
    io->buffers_used -= buffer->size;
    if (buffer->size == IO_BUFFER_SIZE && io->spare_count < IO_BUFFERS_SPARE)
        io->spare[io->spare_count++] = buffer;
    else
        mem_free(buffer);
}

/* --- completions --- */

void io__complete(struct io *io, struct io_op *op, int64_t result)
{
    op->result = result;
    list_push_back(&io->completed, &op->link);
}

static void job_arrived(struct shard *here, struct mail *mail)
{
    struct io_job *job = LIST_ENTRY(mail, struct io_job, finished);

    list_push_back(&shard_io(here)->jobs_done, &job->link);
}

void io__job_finished(struct io *io, struct io_job *job)
{
    job->finished.run = job_arrived;
    shard_deliver(io->shard, &job->finished, &job->finished);
}

void io__run_completions(struct io *io)
{
    struct list ops, jobs;

    list_init(&ops);
    list_init(&jobs);
    list_move_all(&ops, &io->completed);
    list_move_all(&jobs, &io->jobs_done);
    for (struct list *node; (node = list_pop_front(&jobs));) {
        struct io_job *job = LIST_ENTRY(node, struct io_job, link);
        job->done(io->shard, job);
    }
    for (struct list *node; (node = list_pop_front(&ops));) {
        struct io_op *op = LIST_ENTRY(node, struct io_op, link);
        op->done(io->shard, op);
    }
}

bool io__completions_pending(const struct io *io)
{
    return !list_empty(&io->completed) || !list_empty(&io->jobs_done);
}

/* --- operations --- */

static void op_begin(struct io_op *op, struct io_socket *socket)
{
    op->socket = socket;
    op->buffer = NULL;
}

enum status io_listen(struct io *io, const char *host, uint16_t port, struct io_socket **listener, uint16_t *bound, struct err *err)
{
    return io->backend->listen(io, host, port, listener, bound, err);
}

void io_accept(struct io *io, struct io_socket *listener, struct io_op *op)
{
    op_begin(op, NULL);
    io->backend->accept(listener, op);
}

void io_peer_address(const struct io_socket *socket, char text[static IO_ADDRESS_SIZE])
{
    memcpy(text, socket->peer, IO_ADDRESS_SIZE);
}

void io_connect(struct io *io, const char *host, uint16_t port, struct io_op *op)
{
    op_begin(op, NULL);
    io->backend->connect(io, host, port, op);
}

void io_recv(struct io *io, struct io_socket *socket, struct io_op *op, size_t size)
{
    op_begin(op, socket);
    op->to = NULL;
    op->size = size;
    io->backend->recv(socket, op);
}

void io_recv_into(struct io *io, struct io_socket *socket, struct io_op *op, void *to, size_t size)
{
    ASSERT(to && size);
    op_begin(op, socket);
    op->to = to;
    op->size = size;
    io->backend->recv(socket, op);
}

void io_send(struct io *io, struct io_socket *socket, struct io_op *op, const struct io_piece *pieces, unsigned count)
{
    op_begin(op, socket);
    op->pieces = pieces;
    op->pieces_count = count;
    op->size = io__pieces_size(pieces, count);
    op->progress = 0;
    io__send_advance(op, 0);
    io->backend->send(socket, op);
}

void io_close(struct io *io, struct io_socket *socket, struct io_op *op)
{
    io->backend->close(socket);
    if (op) {
        op_begin(op, NULL);
        io__complete(io, op, 0);
    }
}

void io_job_submit(struct io *io, struct io_job *job)
{
    io->backend->job_submit(io, job);
}

static void write_work(struct io_job *job)
{
    struct io_write *write = LIST_ENTRY(job, struct io_write, job);

    write->status = file_write(write->file, write->offset, &write->bytes, 1, &write->err);
}

static void write_done(struct shard *here, struct io_job *job)
{
    struct io_write *write = LIST_ENTRY(job, struct io_write, job);

    write->done(here, write);
}

void io_write(struct io *io, struct io_write *write)
{
    write->job = (struct io_job){.work = write_work, .done = write_done, .urgent = true};
    write->progress = 0;
    if (!io->backend->write || !io->backend->write(io, write))
        io_job_submit(io, &write->job);
}

size_t io__pieces_size(const struct io_piece *pieces, unsigned count)
{
    size_t size = 0;

    for (unsigned i = 0; i < count; i++)
        size += pieces[i].size;
    return size;
}

void io__send_advance(struct io_op *op, size_t sent)
{
    op->progress += sent;
    while (op->pieces_count && op->progress >= op->pieces->size) {
        op->progress -= op->pieces->size;
        op->pieces++;
        op->pieces_count--;
    }
}
