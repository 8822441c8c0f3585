/* SPDX-License-Identifier: Apache-2.0
 * The judge's input: any lines are taken or refused with a reason, and a history that was taken is judged in order, whatever it says.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "sim/history_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void broken(void *context, const char *rule, const char *what)
{
    ASSERT(rule[0] && what[0]);
    ++*(size_t *)context;
}

static bool take_lines(struct history_text *t, struct str_view text)
{
    while (text.size) {
        const char *end = memchr(text.data, '\n', text.size);
        struct str_view line = {text.data, end ? (size_t)(end - text.data) : text.size};
        struct err err = {0};
        if (history_text_line(t, line, &err)) {
            ASSERT(err.text[0]);
            return false;
        }
        text.data += line.size + (end != NULL);
        text.size -= line.size + (end != NULL);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history_text *t = mem_alloc(1, sizeof *t);
    size_t count = 0;

    ASSERT(t);
    history_text_init(t);
    if (take_lines(t, (struct str_view){(const char *)data, size}))
        ASSERT(history_check(&t->history, broken, &count) == count);
    history_free(&t->history);
    mem_free(t);
    return 0;
}
