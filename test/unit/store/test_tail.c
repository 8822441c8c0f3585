/* SPDX-License-Identifier: Apache-2.0
 * A tail against a plain array: whatever is added, grown and cut, file and tail together hold the bytes of all positions.
 */
#include "store/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"

enum { BYTES = 8 << 20, ROUNDS = 20000, COMMIT_MAX = 3000 };

struct world {
    struct fs *fs;
    struct file *disk;
    struct tail tail;
    size_t held;
    uint8_t *model;
    uint64_t taken;
    size_t rooms[4], rooms_count; /* taken, and not yet of the tail */
    unsigned blocks;
    uint32_t seed;
};

static uint32_t draw(struct world *w, uint32_t below)
{
    w->seed = w->seed * 1664525 + 1013904223;
    return (w->seed >> 8) % below;
}

static void take(struct world *w)
{
    size_t size = 1 + draw(w, COMMIT_MAX);
    uint8_t *room;

    if (w->rooms_count == 4 || w->taken + size > BYTES)
        return;
    room = tail_room(&w->tail, size);
    if (!room) {
        assert_true(w->tail.taken - w->tail.from + size > TAIL_ROOM_MAX / 2);
        return;
    }
    for (size_t i = 0; i < size; i++)
        room[i] = w->model[w->taken + i] = (uint8_t)draw(w, 256);
    w->taken += size;
    w->rooms[w->rooms_count++] = size;
}

static void grow(struct world *w)
{
    if (!w->rooms_count)
        return;
    tail_grow(&w->tail, w->rooms[0]);
    memmove(w->rooms, w->rooms + 1, --w->rooms_count * sizeof *w->rooms);
}

static void spill(struct world *w)
{
    uint64_t to = w->tail.end;
    struct err err;

    assert_int_equal(tail_write(w->tail.first, w->tail.last, w->disk, w->tail.from, to, &err), STATUS_OK);
    tail_cut(&w->tail, to);
}

/* Straight to the file, in blocks; kept, or not. */
static void block(struct world *w)
{
    size_t size = 1 + draw(w, 4 * COMMIT_MAX), half = size / 2, most = draw(w, 3) ? SIZE_MAX : 0;
    struct bytes_view pieces[2];
    struct tail_chunk *chunk;
    struct file *direct;
    struct err err;

    if (draw(w, 8) || w->taken + size > BYTES)
        return;
    while (w->rooms_count)
        grow(w);
    spill(w);
    for (size_t i = 0; i < size; i++)
        w->model[w->taken + i] = (uint8_t)draw(w, 256);
    pieces[0] = (struct bytes_view){w->model + w->taken, half};
    pieces[1] = (struct bytes_view){w->model + w->taken + half, size - half};
    assert_null(tail_block(&w->tail, w->taken, size, w->held + size - 1));
    chunk = tail_block(&w->tail, w->taken, size, SIZE_MAX);
    assert_non_null(chunk);
    assert_int_equal(fs_open(w->fs, "/disk", FS_WRITE | FS_DURABLE, &direct, &err), STATUS_OK);
    for (unsigned i = 0; i < 2; i++) /* the second time as after the first found no space */
        assert_int_equal(tail_block_write(chunk, w->disk, direct, pieces, 2, &err), STATUS_OK);
    file_unref(direct);
    w->taken += size;
    assert_int_equal(tail_keep(&w->tail, chunk, size, most), w->taken % FS_BLOCK != 0);
    assert_int_equal(w->tail.end, w->taken);
    assert_int_equal(tail_begin(&w->tail), most ? w->taken - size : w->taken);
    w->blocks++;
}

/* As a reader gets it: one file, which is told part for part and read as a whole. */
static void check_span(struct world *w, uint64_t from, uint64_t to)
{
    struct file *span = tail_span(&w->tail, w->disk, from, to);
    uint8_t bytes[20000];
    struct err err;
    size_t got, size;

    assert_non_null(span);
    assert_int_equal(file_read(span, from, bytes, (size_t)(to - from), &got, &err), STATUS_OK);
    assert_int_equal(got, to - from);
    assert_memory_equal(bytes, w->model + from, got);
    for (uint64_t at = from; at < to; at += size) {
        struct file *part;
        size = (size_t)(to - at);
        part = file_part(span, at, &size);
        assert_true(size > 0);
        assert_int_equal(file_read(part, at, bytes, size, &got, &err), STATUS_OK);
        assert_int_equal(got, size);
        assert_memory_equal(bytes, w->model + at, got);
    }
    file_unref(span);
}

/* Some range, read as a log does: source by source. */
static void check(struct world *w)
{
    uint64_t at = w->tail.end ? draw(w, (uint32_t)w->tail.end) : 0, end = at + draw(w, 20000);

    if (end > w->tail.end)
        end = w->tail.end;
    if (at < end)
        check_span(w, at, end);
    while (at < end) {
        uint64_t left = end - at;
        struct file *source = tail_source(&w->tail, w->disk, at, &left);
        uint8_t bytes[20000];
        struct err err;
        size_t got;

        assert_true(left > 0);
        assert_true(source == w->disk ? at + left <= tail_begin(&w->tail) : at >= tail_begin(&w->tail));
        assert_int_equal(file_read(source, at, bytes, (size_t)left, &got, &err), STATUS_OK);
        assert_int_equal(got, left);
        assert_memory_equal(bytes, w->model + at, (size_t)left);
        at += left;
    }
}

static void test_tail_is_the_bytes(void **state)
{
    struct world w = {.fs = fs_mem_new(), .model = mem_alloc(BYTES, 1), .seed = 7};
    struct err err;
    void (*const steps[])(struct world *) = {take, take, take, grow, grow, grow, check, block, spill};

    assert_int_equal(fs_open(w.fs, "/disk", FS_CREATE, &w.disk, &err), STATUS_OK);
    tail_init(&w.tail, 0, &w.held);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned step = draw(&w, i / 2000 % 2 ? 9 : 8); /* long tails and short ones */
        steps[step](&w);
    }
    while (w.rooms_count)
        grow(&w);
    spill(&w);
    assert_null(w.tail.first);
    assert_true(w.blocks > 100);
    check(&w);
    tail_move(&w.tail, 0);
    assert_int_equal(w.held, 0);
    tail_free(&w.tail);
    file_unref(w.disk);
    fs_free(w.fs);
    mem_free(w.model);
}

/* What is being sent stays when the tail has gone. */
static void test_a_range_outlives_the_tail(void **state)
{
    struct tail tail;
    size_t held = 0;
    uint64_t left = 3;
    struct file *file;
    char bytes[3];
    struct err err;
    size_t got;

    tail_init(&tail, 100, &held);
    memcpy(tail_room(&tail, 3), "abc", 3);
    tail_grow(&tail, 3);
    file = file_ref(tail_source(&tail, NULL, 100, &left));
    tail_cut(&tail, 103);
    assert_int_equal(held, 0);
    assert_int_equal(file_read(file, 101, bytes, 2, &got, &err), STATUS_OK);
    assert_memory_equal(bytes, "bc", 2);
    file_unref(file);
    tail_free(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tail_is_the_bytes), cmocka_unit_test(test_a_range_outlives_the_tail)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
