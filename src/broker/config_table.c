/* SPDX-License-Identifier: Apache-2.0
 * See config_table.h. Values are read as Java's ConfigDef reads them, and refused with its words: tools show them to
 * people who search for them.
 */
#include "broker/config_table.h"

#include <math.h>
#include <strings.h>

enum { NAME_MAX_COMPARED = 96 };

int config_row_find(const struct config_row *rows, unsigned count, struct str_view name)
{
    unsigned low = 0, high = count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = str_order(name, str_from(rows[middle].name));

        if (order == 0)
            return (int)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

/* Levenshtein's distance, one row of the matrix at a time; `most` when it is no less (so only what is nearer than that to its diagonal matters). */
static unsigned distance(struct str_view a, struct str_view b, unsigned most)
{
    unsigned row[NAME_MAX_COMPARED + 1];

    for (unsigned j = 0; j <= b.size; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.size; i++) {
        unsigned from = i > most ? i - most : 1, to = i + most < b.size ? i + most : (unsigned)b.size;
        unsigned diagonal = row[from - 1], least;

        least = row[from - 1] = from == 1 ? i : most;
        for (unsigned j = from; j <= to; j++) {
            unsigned replace = diagonal + (a.data[i - 1] != b.data[j - 1]);
            unsigned other = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);

            diagonal = row[j];
            row[j] = replace < other ? replace : other;
            least = row[j] < least ? row[j] : least;
        }
        if (least >= most) /* no later row has less */
            return most;
    }
    return row[b.size];
}

const char *config_row_nearest(const struct config_row *rows, unsigned count, struct str_view name)
{
    unsigned best = (unsigned)(name.size / 4 + 2);
    const char *nearest = NULL;

    if (!name.size || name.size > NAME_MAX_COMPARED)
        return NULL;
    for (unsigned i = 0; i < count; i++) {
        struct str_view known = str_from(rows[i].name);
        size_t apart = known.size > name.size ? known.size - name.size : name.size - known.size; /* the distance is no less */
        unsigned d = known.size > NAME_MAX_COMPARED || apart >= best ? best : distance(name, known, best);

        if (d < best) {
            best = d;
            nearest = rows[i].name;
        }
    }
    return nearest;
}

struct str_view config_trimmed(struct str_view text)
{
    while (text.size && (uint8_t)text.data[0] <= ' ')
        text = (struct str_view){text.data + 1, text.size - 1};
    while (text.size && (uint8_t)text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

struct str_view config_list_next(struct str_view *list)
{
    const char *comma = list->size ? memchr(list->data, ',', list->size) : NULL;
    size_t size = comma ? (size_t)(comma - list->data) : list->size;
    struct str_view item = {list->data, size};

    list->data += comma ? size + 1 : size;
    list->size -= comma ? size + 1 : size;
    return config_trimmed(item);
}

/* Why a value is refused; .data NULL: it is not. */
struct refusal {
    struct arena *arena;
    const struct config_row *row;
    struct str_view message;
    bool refused;
};

static void refuse(struct refusal *r, struct str_view value, const char *why)
{
    r->refused = true;
    r->message =
        arena_format(r->arena, "Invalid value " STR_FMT " for configuration %s: %s", STR_ARG(value), r->row->name, why);
}

static const char *number_name(enum config_type type)
{
    return type == CONFIG_TYPE_INT     ? "Not a number of type INT"
           : type == CONFIG_TYPE_SHORT ? "Not a number of type SHORT"
           : type == CONFIG_TYPE_LONG  ? "Not a number of type LONG"
                                       : "Not a number of type DOUBLE";
}

static bool parse_integer(struct str_view text, int64_t low, int64_t high, int64_t *out)
{
    bool negative = text.size && text.data[0] == '-';
    size_t i = text.size && (text.data[0] == '-' || text.data[0] == '+');
    int64_t value = 0;

    if (i == text.size)
        return false;
    for (; i < text.size; i++) {
        int digit = text.data[i] - '0';

        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) /* downwards: the negative side is the longer one */
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    *out = value;
    return value >= low && value <= high;
}

static bool parse_double(struct str_view text, double *out)
{
    char copy[64], *end;

    if (!text.size || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    *out = strtod(copy, &end);
    return *end == 0;
}

static bool parse_number(const struct config_row *row, struct str_view text, struct config_value *value)
{
    if (row->type == CONFIG_TYPE_SHORT)
        return parse_integer(text, INT16_MIN, INT16_MAX, &value->i);
    if (row->type == CONFIG_TYPE_INT)
        return parse_integer(text, INT32_MIN, INT32_MAX, &value->i);
    if (row->type == CONFIG_TYPE_LONG)
        return parse_integer(text, INT64_MIN, INT64_MAX, &value->i);
    return parse_double(text, &value->d);
}

/* "1e+300" as Java writes it: "1.0E300". */
static struct str_view java_exponent(struct arena *arena, struct str_view text)
{
    const char *e = text.size ? memchr(text.data, 'e', text.size) : NULL;
    struct str_view mantissa = {text.data, e ? (size_t)(e - text.data) : 0};

    if (!e)
        return text;
    return arena_format(arena, STR_FMT "%sE%ld", STR_ARG(mantissa),
                        memchr(mantissa.data, '.', mantissa.size) ? "" : ".0", strtol(e + 1, NULL, 10));
}

struct str_view config_double_text(struct arena *arena, double d)
{
    if (d == floor(d) && fabs(d) < 1e7)
        return arena_format(arena, "%.1f", d);
    for (int digits = 1; digits < 17; digits++) { /* the shortest text that reads back as the same number */
        struct str_view text = arena_format(arena, "%.*g", digits, d);
        double again;

        if (!text.data || (parse_double(text, &again) && !(again < d) && !(again > d)))
            return java_exponent(arena, text);
    }
    return java_exponent(arena, arena_format(arena, "%.17g", d));
}

static struct str_view number_text(const struct config_row *row, const struct config_value *value, struct arena *arena)
{
    return row->type == CONFIG_TYPE_DOUBLE ? config_double_text(arena, value->d)
                                           : arena_format(arena, "%lld", (long long)value->i);
}

static void check_range(struct refusal *r, const struct config_value *value)
{
    double d = r->row->type == CONFIG_TYPE_DOUBLE ? value->d : (double)value->i;
    double bound = d < r->row->min ? r->row->min : r->row->max;
    char why[96];

    if (d >= r->row->min && d <= r->row->max)
        return;
    (void)snprintf(why, sizeof why,
                   bound == r->row->min ? "Value must be at least %.16g" : "Value must be no more than %.16g", bound);
    refuse(r, number_text(r->row, value, r->arena), why);
}

static void check_words(struct refusal *r, struct str_view text)
{
    char why[512];
    size_t at;

    for (const char *const *word = r->row->words; *word; word++) {
        if (r->row->check == CHECK_ONE_OF_ANY_CASE
                ? strlen(*word) == text.size && strncasecmp(*word, text.data, text.size) == 0
                : str_is(text, *word))
            return;
    }
    at = (size_t)snprintf(why, sizeof why,
                          r->row->check == CHECK_ONE_OF_ANY_CASE ? "String must be one of (case insensitive):"
                                                                 : "String must be one of:");
    for (const char *const *word = r->row->words; *word && at < sizeof why; word++)
        at += (size_t)snprintf(why + at, sizeof why - at, " %s%s", *word, word[1] ? "," : "");
    refuse(r, text, why);
}

static void check_list(struct refusal *r, struct str_view list)
{
    if (list.size == 0) /* Kafka 4 lets it be empty */
        return;
    do {
        check_words(r, config_list_next(&list));
    } while (list.size && !r->refused);
}

/* [partition]:[broker],... or * */
static void check_throttled(struct refusal *r, struct str_view text)
{
    struct str_view list = text;
    char why[256];
    bool good = true;

    while (list.size && good && !str_is(text, "*")) {
        struct str_view item = config_list_next(&list);
        const char *colon = item.size ? memchr(item.data, ':', item.size) : NULL;
        size_t left = colon ? (size_t)(colon - item.data) : 0;
        int64_t ignored;

        good = colon && parse_integer((struct str_view){item.data, left}, 0, INT32_MAX, &ignored) &&
               parse_integer((struct str_view){colon + 1, item.size - left - 1}, 0, INT32_MAX, &ignored);
    }
    if (good)
        return;
    (void)snprintf(why, sizeof why,
                   "%s must be the literal '*' or a list of replicas in the following format: "
                   "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
                   r->row->name);
    refuse(r, arena_format(r->arena, "[" STR_FMT "]", STR_ARG(text)), why);
}

/* PnDTnHnMn.nS: at least one part, T only before a time. */
static bool is_duration(struct str_view text)
{
    static const char parts[] = "DTHMS";
    unsigned next = 0, found = 0;
    size_t i = 1;

    if (text.size < 3 || (text.data[0] != 'P' && text.data[0] != 'p'))
        return false;
    while (i < text.size) {
        size_t from = i;
        const char *at;

        while (i < text.size && ((text.data[i] >= '0' && text.data[i] <= '9') || text.data[i] == '.'))
            i++;
        if (i == text.size)
            return false;
        at = strchr(parts + next, text.data[i] & ~0x20);
        if (!at || !*at || (*at == 'T') != (i == from) || (*at != 'D' && *at != 'T' && next < 2))
            return false;
        found += *at != 'T';
        next = (unsigned)(at - parts) + 1;
        i++;
    }
    return found > 0 && (text.data[text.size - 1] & ~0x20) != 'T';
}

static void check_offset_reset(struct refusal *r, struct str_view text)
{
    static const struct str_view prefix = {"by_duration:", 12};
    char why[320];

    if (str_is(text, "latest") || str_is(text, "earliest") ||
        (text.size > prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0 &&
         is_duration((struct str_view){text.data + prefix.size, text.size - prefix.size})))
        return;
    (void)snprintf(why, sizeof why,
                   "Invalid value `" STR_FMT
                   "` for configuration %s. The value must be either 'earliest', 'latest' or of the "
                   "format 'by_duration:<PnDTnHnMn.nS>'.",
                   STR_ARG(text), r->row->name);
    refuse(r, text, why);
}

static void check(struct refusal *r, const struct config_value *value)
{
    switch (r->row->check) {
    case CHECK_ANY:
        return;
    case CHECK_RANGE:
        check_range(r, value);
        return;
    case CHECK_ONE_OF:
    case CHECK_ONE_OF_ANY_CASE:
        check_words(r, value->s);
        return;
    case CHECK_ALL_OF:
        check_list(r, value->s);
        return;
    case CHECK_NOT_EMPTY:
        if (!value->s.size)
            refuse(r, value->s, "String must be non-empty");
        return;
    case CHECK_GZIP_LEVEL:
        if (value->i != -1 && (value->i < 1 || value->i > 9))
            refuse(r, number_text(r->row, value, r->arena), "Value must be between 1 and 9 or equal to -1");
        return;
    case CHECK_THROTTLED:
        check_throttled(r, value->s);
        return;
    case CHECK_OFFSET_RESET:
        check_offset_reset(r, value->s);
        return;
    }
}

static bool parse(const struct config_row *row, struct str_view text, struct config_value *value, const char **why)
{
    switch (row->type) {
    case CONFIG_TYPE_BOOLEAN:
        value->i = text.size == 4 && strncasecmp(text.data, "true", 4) == 0;
        *why = "Expected value to be either true or false";
        return value->i || (text.size == 5 && strncasecmp(text.data, "false", 5) == 0);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_SHORT:
    case CONFIG_TYPE_LONG:
    case CONFIG_TYPE_DOUBLE:
        *why = number_name(row->type);
        return parse_number(row, text, value);
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_CLASS:
    case CONFIG_TYPE_PASSWORD:
        value->s = text;
        return true;
    }
    return false;
}

enum status config_value_parse(const struct config_row *row, struct str_view text, struct config_value *value,
                               struct arena *arena, struct str_view *message)
{
    struct refusal r = {.arena = arena, .row = row};
    struct str_view inner = config_trimmed(text);
    const char *why = NULL;

    *value = (struct config_value){.null = !text.data};
    if (!text.data)
        return STATUS_OK;
    if (!parse(row, inner, value, &why))
        refuse(&r, text, why);
    else
        check(&r, value);
    *message = r.message;
    return r.refused ? STATUS_INVALID_CONFIG : STATUS_OK;
}
