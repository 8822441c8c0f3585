/* SPDX-License-Identifier: Apache-2.0
 * judge: what the checker says of histories that something else has written (history_text.h), of the real binary for one.
 *
 *   judge [--so-far] FILE...   `-`: standard input
 *   judge --rules
 *
 * --so-far: nobody has read everything yet; all polls together are taken for it. Exit status: 0 nothing is broken, 1 something is, 2 a file is no history.
 */
#include <errno.h>
#include <inttypes.h>

#include "sim/history_text.h"

enum { TOLD_MAX = 20 }; /* of what is broken in one file */

struct verdict {
    const char *file;
    size_t count;
};

static void broken(void *context, const char *rule, const char *what)
{
    struct verdict *v = context;

    if (v->count++ < TOLD_MAX)
        printf("BROKEN %s rule=%s %s\n", v->file, rule, what);
}

static int complain(const char *file, size_t line, const char *what)
{
    fprintf(stderr, "%s:%zu: %s\n", file, line, what);
    return 2;
}

static int read_lines(struct history_text *t, FILE *in, const char *file)
{
    static char line[HISTORY_LINE_MAX];
    struct err err;

    for (size_t number = 1; fgets(line, sizeof line, in); number++) {
        size_t size = strlen(line);
        if (!size || line[size - 1] != '\n')
            return complain(file, number, size == sizeof line - 1 ? "the line is too long: use `more`" : "the line does not end");
        if (history_text_line(t, (struct str_view){line, size - 1}, &err))
            return complain(file, number, err.text);
    }
    return ferror(in) ? complain(file, 0, strerror(errno)) : 0;
}

static int judge(const char *file, bool so_far)
{
    struct history_text t;
    FILE *in = strcmp(file, "-") ? fopen(file, "r") : stdin;
    struct verdict verdict = {.file = file};
    uint64_t records = 0;
    int status;

    if (!in)
        return complain(file, 0, strerror(errno));
    history_text_init(&t);
    status = read_lines(&t, in, file);
    if (in != stdin)
        fclose(in);
    for (size_t i = 0; i < t.history.count; i++) {
        t.history.ops[i].last |= so_far && t.history.ops[i].kind == OP_POLL;
        records += t.history.ops[i].kind == OP_SEND && t.history.ops[i].outcome == OP_OK ? t.history.ops[i].count : 0;
    }
    if (!status) {
        history_check(&t.history, broken, &verdict);
        status = verdict.count ? 1 : 0;
        printf("%s: %s operations=%zu acknowledged=%" PRIu64 " broken=%zu\n", file, status ? "BROKEN" : "fine", t.history.count, records, verdict.count);
    }
    history_free(&t.history);
    return status;
}

static int print_rules(void)
{
    for (size_t i = 0; i < history_rules_count; i++) {
        const struct history_rule *rule = &history_rules[i];
        printf("%-24s %-8s %s%s%s\n", rule->name, rule->invariants, rule->what, rule->waits_for ? "; waits for " : "", rule->waits_for ? rule->waits_for : "");
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool so_far = argc > 1 && !strcmp(argv[1], "--so-far");
    int status = 0;

    if (argc == 2 && !strcmp(argv[1], "--rules"))
        return print_rules();
    if (argc < 2 + so_far) {
        fprintf(stderr, "usage: judge [--so-far] FILE...\n       judge --rules\n");
        return 2;
    }
    for (int i = 1 + so_far; i < argc; i++) {
        int one = judge(argv[i], so_far);
        status = one > status ? one : status;
    }
    return status;
}
