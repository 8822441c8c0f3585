/* SPDX-License-Identifier: Apache-2.0
 * See request.h.
 */
#include "broker/request.h"

#include "base/mem.h"
#include "broker/api.h"
#include "rt/fs.h"
#include "rt/log.h"

enum { REPLY_PREFIX = 4 };

void request_init(struct request *r, struct shard *home, size_t arena_max)
{
    *r = (struct request){.home = home, .here = home};
    arena_init(&r->arena, arena_max);
    list_init(&r->link);
}

void request_free(struct request *r)
{
    for (const struct wire_range *range = r->ranges; range; range = range->next)
        file_unref(range->file);
    mem_free(r->reply_bytes);
    if (r->body)
        io_buffer_unref(r->body);
    arena_free(&r->arena);
}

/* ---- one other shard ---- */

static void request_arrived(struct shard *here, struct mail *mail)
{
    struct request *r = LIST_ENTRY(mail, struct request, mail);

    r->here = here;
    r->step(r);
}

void request_move(struct request *r, unsigned shard, void (*step)(struct request *r))
{
    if (shard_id(r->here) == shard) {
        step(r);
        return;
    }
    r->step = step;
    r->mail.run = request_arrived;
    shard_post(r->here, shard_peer(r->here, shard), &r->mail);
}

/* ---- several shards ---- */

struct shard *leg_shard(const struct leg *leg)
{
    return shard_peer(leg->request->here, leg->shard);
}

static void leg_home(struct leg *leg)
{
    struct request *r = leg->request;

    if (--r->legs_out == 0)
        r->step(r);
}

static void leg_returned(struct shard *here, struct mail *mail)
{
    leg_home(LIST_ENTRY(mail, struct leg, mail));
}

static void leg_arrived(struct shard *here, struct mail *mail)
{
    struct leg *leg = LIST_ENTRY(mail, struct leg, mail);

    leg->request->work(leg);
}

void leg_finish(struct leg *leg)
{
    struct shard *origin = leg->request->here;

    if (shard_id(origin) == leg->shard) {
        leg_home(leg);
        return;
    }
    leg->mail.run = leg_returned;
    shard_post(leg_shard(leg), origin, &leg->mail);
}

void request_scatter(struct request *r, uint64_t shards, void (*work)(struct leg *leg), void (*gathered)(struct request *r))
{
    unsigned here = shard_id(r->here), count = shard_count(r->here);
    struct leg *legs = r->legs;

    if (shards == 0) {
        gathered(r);
        return;
    }
    if (!legs && !(legs = r->legs = REQUEST_ALLOC(r, struct leg, count))) {
        request_close(r, "no memory");
        return;
    }
    r->work = work;
    r->step = gathered;
    r->legs_out = (unsigned)__builtin_popcountll(shards);
    for (unsigned i = 0; i < count; i++) {
        if (!(shards >> i & 1))
            continue;
        legs[i] = (struct leg){.request = r, .shard = i, .mail.run = leg_arrived};
        if (i != here)
            shard_post(r->here, shard_peer(r->here, i), &legs[i].mail);
    }
    if (shards >> here & 1)
        work(&legs[here]);
}

/* ---- the end ---- */

static void request_home(struct shard *here, struct mail *mail)
{
    struct request *r = LIST_ENTRY(mail, struct request, mail);

    r->here = here;
    r->ended(r, r->end);
}

static void request_end(struct request *r, enum request_end end)
{
    r->end = end;
    if (r->here == r->home) {
        r->ended(r, end);
        return;
    }
    r->mail.run = request_home;
    shard_post(r->here, r->home, &r->mail);
}

void request_reply_none(struct request *r)
{
    request_end(r, REQUEST_UNANSWERED);
}

void request_close(struct request *r, const char *why)
{
    log_line(LOG_WARN, "request refused", "reason=%s key=%s version=%d client=%.*s peer=%s", why, r->service->api->name, r->version,
             STR_ARG(r->client_id), r->peer);
    request_end(r, REQUEST_CLOSES);
}

void request_keep(struct request *r, struct wire_range *range)
{
    range->next = r->ranges;
    r->ranges = range;
}

static size_t splice_pieces(const struct writer_splice *splice)
{
    const struct wire_range *range = splice->source;
    size_t count = 0;

    for (size_t done = 0, size; done < splice->size; done += size, count++) {
        size = splice->size - done;
        (void)file_part(range->file, range->offset + done, &size);
    }
    return count;
}

/* The pieces: memory up to the first splice, its file range, memory up to the next ... */
static void request_cut(struct request *r, const struct writer *w)
{
    size_t at = 0;

    for (const struct writer_splice *splice = w->splices; splice; splice = splice->next) {
        const struct wire_range *range = splice->source;

        if (splice->at > at)
            r->reply[r->reply_count++] = (struct io_piece){.data = w->start + at, .size = splice->at - at};
        for (size_t done = 0, size; done < splice->size; done += size) {
            struct io_piece *piece = &r->reply[r->reply_count++];
            size = splice->size - done;
            *piece = (struct io_piece){.file = file_part(range->file, range->offset + done, &size), .offset = range->offset + done};
            piece->size = size;
        }
        at = splice->at;
    }
    if (writer_size(w) > at)
        r->reply[r->reply_count++] = (struct io_piece){.data = w->start + at, .size = writer_size(w) - at};
}

void request_reply(struct request *r, void *out)
{
    const struct api *api = r->service->api;
    bool tagged = api_response_header_version(api, r->version) >= 1;
    size_t held = REPLY_PREFIX + 4 + tagged + message_size(api->response, r->version, out);
    size_t size = held - REPLY_PREFIX, pieces = 1;
    struct writer w;

    r->reply_bytes = mem_alloc(1, held);
    if (!r->reply_bytes) {
        request_close(r, "no memory");
        return;
    }
    r->reply_size = held;
    writer_init(&w, r->reply_bytes, held);
    writer_i32(&w, 0);
    writer_i32(&w, r->correlation_id);
    if (tagged)
        writer_uvarint(&w, 0);
    message_encode(api->response, &w, r->version, out);
    ASSERT(writer_size(&w) == held);
    for (const struct writer_splice *splice = w.splices; splice; splice = splice->next) {
        size += splice->size;
        pieces += 1 + splice_pieces(splice);
    }
    r->reply = REQUEST_ALLOC(r, struct io_piece, pieces);
    if (!r->reply || size > INT32_MAX) {
        request_close(r, r->reply ? "answer over 2 GiB" : "no memory");
        return;
    }
    w.at = w.start;
    writer_i32(&w, (int32_t)size);
    w.at = w.end;
    request_cut(r, &w);
    request_end(r, REQUEST_ANSWERED);
}
