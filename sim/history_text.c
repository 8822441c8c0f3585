/* SPDX-License-Identifier: Apache-2.0
 * See history_text.h. Words are looked up in tables; each kind says which it must have.
 */
#include "sim/history_text.h"

#include <inttypes.h>

enum { WORD_MAX = 80 };

/* What a line has said. */
enum said { BEGUN = 1, ENDED = 2, PROCESS = 4, PARTITION = 8, VALUE = 16, COUNT = 32, OFFSET = 64, HIGH = 128, START = 256, GROUP = 512, GENERATION = 1024, OUTCOME = 2048, TIMESTAMP = 4096, FOUND = 8192, NEXT = 16384 };

static const struct {
    const char *name;
    unsigned needs, needs_when_ok;
} kinds[] = {
    [OP_SEND] = {"send", VALUE | COUNT, OFFSET},
    [OP_POLL] = {"poll", OFFSET, HIGH | START},
    [OP_COMMIT] = {"commit", GROUP | GENERATION | OFFSET, 0},
    [OP_COMMITTED] = {"committed", GROUP, OFFSET},
    [OP_OWN] = {"own", GROUP | GENERATION, 0},
    [OP_DELETE] = {"delete", OFFSET, 0},
    [OP_FORGET] = {"forget", GROUP, 0},
    [OP_FIND] = {"find", TIMESTAMP, OFFSET | FOUND},
};

static const struct {
    const char *name;
    enum said said;
    int64_t min, max;
} numbers[] = {
    {"begun", BEGUN, 0, INT64_MAX},          {"ended", ENDED, 0, INT64_MAX},
    {"process", PROCESS, 0, UINT32_MAX},     {"partition", PARTITION, 0, HISTORY_PARTITIONS_MAX - 1},
    {"value", VALUE, 0, INT64_MAX >> 1},     {"count", COUNT, 1, UINT32_MAX},
    {"offset", OFFSET, -1, INT64_MAX >> 1},  {"high", HIGH, -1, INT64_MAX >> 1},
    {"start", START, -1, INT64_MAX >> 1},    {"group", GROUP, 0, UINT32_MAX},
    {"generation", GENERATION, -1, INT32_MAX}, {"timestamp", TIMESTAMP, -3, INT64_MAX},
    {"found", FOUND, -1, INT64_MAX},         {"next", NEXT, 1, INT64_MAX >> 1},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static const char *const outcomes[] = {[OP_OPEN] = "open", [OP_OK] = "ok", [OP_REFUSED] = "refused"};

static bool *flag_of(struct op *op, struct str_view word)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"once", &op->once}, {"follows", &op->follows}, {"last", &op->last}, {"whole", &op->whole}};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (str_is(word, flags[i].name))
            return flags[i].flag;
    return NULL;
}

static void set_number(struct op *op, enum said said, int64_t number)
{
    switch (said) {
    case BEGUN: op->begun = (uint64_t)number; break;
    case ENDED: op->ended = (uint64_t)number; break;
    case PROCESS: op->process = (uint32_t)number; break;
    case PARTITION: op->partition = (uint32_t)number; break;
    case VALUE: op->value = (uint64_t)number; break;
    case COUNT: op->count = (uint32_t)number; break;
    case OFFSET: op->offset = number; break;
    case HIGH: op->high_watermark = number; break;
    case START: op->start_offset = number; break;
    case GROUP: op->group = (uint32_t)number; break;
    case GENERATION: op->generation = (int32_t)number; break;
    case TIMESTAMP: op->timestamp = number; break;
    case FOUND: op->found = number; break;
    case NEXT: op->next = number; break;
    case OUTCOME: break;
    }
}

/* The next word; empty at the end. */
static struct str_view next_word(struct str_view *line)
{
    struct str_view word;

    while (line->size && line->data[0] == ' ') {
        line->data++;
        line->size--;
    }
    word = (struct str_view){line->data, 0};
    while (word.size < line->size && word.data[word.size] != ' ')
        word.size++;
    line->data += word.size;
    line->size -= word.size;
    return word;
}

/* A decimal number at the start of `text`, which is moved behind it. */
static bool take_number(struct str_view *text, int64_t *number)
{
    bool negative = text->size && text->data[0] == '-';
    size_t at = negative, from = at;
    int64_t n = 0;

    for (; at < text->size && text->data[at] >= '0' && text->data[at] <= '9'; at++) {
        int digit = text->data[at] - '0';
        if (n > (INT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *number = negative ? -n : n;
    text->data += at;
    text->size -= at;
    return at > from;
}

static bool take_char(struct str_view *text, char c)
{
    if (!text->size || text->data[0] != c)
        return false;
    text->data++;
    text->size--;
    return true;
}

static enum status wrong(struct err *err, const char *what, struct str_view word)
{
    return err_set(err, STATUS_INVALID, "%s: %.*s", what, (int)(word.size < WORD_MAX ? word.size : WORD_MAX), word.data ? word.data : "");
}

static enum status take_sighting(struct history *h, struct str_view word, struct err *err)
{
    struct str_view left = word;
    int64_t offset, value, count = 1;

    if (!take_number(&left, &offset) || offset < 0 || (take_char(&left, '+') && !take_number(&left, &count)) || count < 1 || !take_char(&left, ':') ||
        !take_number(&left, &value) || value < 0 || left.size || offset > INT64_MAX / 4 || count > INT64_MAX / 4 || value > INT64_MAX / 4)
        return wrong(err, "neither a word nor a record (OFFSET+COUNT:VALUE)", word);
    if (h->sightings_count == HISTORY_SIGHTINGS_MAX)
        return err_set(err, STATUS_INVALID, "more than %d records that are not consecutive", HISTORY_SIGHTINGS_MAX);
    history_sight(h, h->count - 1, offset, (uint64_t)value, (uint64_t)count);
    return STATUS_OK;
}

/* A word that is not a record: a number, a flag, an outcome. *taken: it was one. */
static enum status take_word(struct op *op, unsigned *said, struct str_view word, bool *taken, struct err *err)
{
    bool *flag = flag_of(op, word);
    const char *equals = memchr(word.data, '=', word.size);

    *taken = true;
    if (flag) {
        *flag = true;
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (str_is(word, outcomes[i])) {
            op->outcome = (enum op_outcome)i;
            *said |= OUTCOME;
            return STATUS_OK;
        }
    for (size_t i = 0; equals && i < NUMBERS; i++) {
        struct str_view name = {word.data, (size_t)(equals - word.data)}, left = {equals + 1, word.size - name.size - 1};
        int64_t number;
        if (!str_is(name, numbers[i].name))
            continue;
        if (!take_number(&left, &number) || left.size || number < numbers[i].min || number > numbers[i].max)
            return wrong(err, "no such number", word);
        if (*said & numbers[i].said)
            return wrong(err, "twice", word);
        *said |= numbers[i].said;
        set_number(op, numbers[i].said, number);
        return STATUS_OK;
    }
    *taken = false;
    return STATUS_OK;
}

static enum status check_complete(const struct op *op, unsigned said, struct err *err)
{
    unsigned needs = OUTCOME | PROCESS | PARTITION | BEGUN | kinds[op->kind].needs;

    if (op->outcome == OP_OK)
        needs |= kinds[op->kind].needs_when_ok;
    if (op->outcome != OP_OPEN)
        needs |= ENDED;
    if (needs & OUTCOME & ~said)
        return err_set(err, STATUS_INVALID, "%s without ok, refused or open", kinds[op->kind].name);
    for (size_t i = 0; i < NUMBERS; i++)
        if (needs & ~said & numbers[i].said)
            return err_set(err, STATUS_INVALID, "%s without %s=", kinds[op->kind].name, numbers[i].name);
    if (op->outcome == OP_OPEN && said & ENDED)
        return err_set(err, STATUS_INVALID, "open, and ended");
    if (op->ended <= op->begun)
        return err_set(err, STATUS_INVALID, "ended=%" PRIu64 " is not after begun=%" PRIu64, op->ended, op->begun);
    return STATUS_OK;
}

static enum status take_op(struct history *h, enum op_kind kind, struct str_view line, struct err *err)
{
    size_t index = history_begin(h, (struct op){.kind = kind, .offset = -1, .high_watermark = -1, .start_offset = -1, .generation = -1});
    struct op *op = &h->ops[index]; /* sightings live elsewhere: it stays where it is */
    unsigned said = 0;
    bool taken;

    for (struct str_view word = next_word(&line); word.size; word = next_word(&line)) {
        if (take_word(op, &said, word, &taken, err))
            return err->status;
        if (!taken && (kind != OP_POLL || take_sighting(h, word, err)))
            return kind == OP_POLL ? err->status : wrong(err, "unknown word", word);
    }
    if (op->partition >= h->partitions)
        h->partitions = op->partition + 1;
    return check_complete(op, said, err);
}

static enum status take_more(struct history *h, struct str_view line, struct err *err)
{
    if (!h->count || h->ops[h->count - 1].kind != OP_POLL)
        return err_set(err, STATUS_INVALID, "`more` comes after a poll");
    for (struct str_view word = next_word(&line); word.size; word = next_word(&line))
        if (take_sighting(h, word, err))
            return err->status;
    return STATUS_OK;
}

static enum status take_partition(bool *flags, struct str_view line, struct err *err)
{
    struct str_view word = next_word(&line), left = word;
    int64_t partition;

    left.data += left.size < 10 ? left.size : 10;
    left.size -= left.size < 10 ? left.size : 10;
    if (word.size < 10 || memcmp(word.data, "partition=", 10) != 0 || !take_number(&left, &partition) || left.size || partition < 0 || partition >= HISTORY_PARTITIONS_MAX)
        return wrong(err, "not partition=N", word);
    flags[partition] = true;
    return STATUS_OK;
}

void history_text_init(struct history_text *t)
{
    *t = (struct history_text){.history = {.dropped = t->dropped, .compacted = t->compacted}};
}

enum status history_text_line(struct history_text *t, struct str_view line, struct err *err)
{
    struct history *h = &t->history;
    struct str_view word = next_word(&line);

    if (!word.size || word.data[0] == '#')
        return STATUS_OK;
    if (str_is(word, "more"))
        return take_more(h, line, err);
    if (str_is(word, "dropped"))
        return take_partition(t->dropped, line, err);
    if (str_is(word, "compacted"))
        return take_partition(t->compacted, line, err);
    if (h->count == HISTORY_OPS_MAX)
        return err_set(err, STATUS_INVALID, "more than %d operations", HISTORY_OPS_MAX);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(word, kinds[i].name))
            return take_op(h, (enum op_kind)i, line, err);
    return wrong(err, "no kind of operation", word);
}
