/* SPDX-License-Identifier: Apache-2.0
 * The options of all commands in one table, the parser that follows it, and the help that is printed from it.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include "base/mem.h"
#include "cli/cli_int.h"

enum kind {
    KIND_SWITCH,
    KIND_TEXT,
    KIND_NUMBER,
    KIND_LIST, /* text, may be repeated */
    KIND_PAIRS, /* key=value, may be repeated */
};

struct option {
    const char *name, *value, *help;
    enum kind kind;
    int64_t min, max;
};

static const struct option options[OPTIONS_END] = {
    [OPT_ALL] = {"all", NULL, "show defaults too", .kind = KIND_SWITCH},
    [OPT_ALL_TOPICS] = {"all-topics", NULL, "every topic that the group has offsets of", .kind = KIND_SWITCH},
    [OPT_BOOTSTRAP] = {"bootstrap", "HOST:PORT", "a broker to begin with (127.0.0.1:9092)", .kind = KIND_TEXT},
    [OPT_BROKER] = {"broker", "ID", "the configuration of this broker", .kind = KIND_NUMBER, .min = 0, .max = INT32_MAX},
    [OPT_CLIENT] = {"client", "KEY=VALUE", "a property of librdkafka, such as security.protocol=SSL; may be repeated", .kind = KIND_PAIRS},
    [OPT_COMPRESSION] = {"compression", "CODEC", "none, gzip, snappy, lz4 or zstd (none)", .kind = KIND_TEXT},
    [OPT_CONFIG] = {"config", "KEY=VALUE", "a configuration entry; may be repeated", .kind = KIND_PAIRS},
    [OPT_COUNT] = {"count", "N", "stop after N records", .kind = KIND_NUMBER, .min = 1, .max = INT64_MAX},
    [OPT_DELETE] = {"delete", "KEY", "take a configuration entry back to its default; may be repeated", .kind = KIND_LIST},
    [OPT_DRY_RUN] = {"dry-run", NULL, "only show what would be done", .kind = KIND_SWITCH},
    [OPT_FILE] = {"file", "PATH", "send a whole file as one record instead of standard input; may be repeated", .kind = KIND_LIST},
    [OPT_FORCE] = {"force", NULL, "see below", .kind = KIND_SWITCH},
    [OPT_FORMAT] = {"format", "TEXT", "how a record is written, see below", .kind = KIND_TEXT},
    [OPT_FROM] = {"from", "POSITION", "beginning, end, an offset, or @ and milliseconds since 1970 (beginning)", .kind = KIND_TEXT},
    [OPT_GROUP] = {"group", "GROUP", "read as a member of a group, from where it stopped; commits what was written", .kind = KIND_TEXT},
    [OPT_HEADER] = {"header", "KEY=VALUE", "a header of every record; may be repeated", .kind = KIND_PAIRS},
    [OPT_IF_EXISTS] = {"if-exists", NULL, "what is not there is no error", .kind = KIND_SWITCH},
    [OPT_IF_NOT_EXISTS] = {"if-not-exists", NULL, "what is there already is no error", .kind = KIND_SWITCH},
    [OPT_INTERNAL] = {"internal", NULL, "internal topics too", .kind = KIND_SWITCH},
    [OPT_JSON] = {"json", NULL, "a line, as JSON, for each record; what is no UTF-8 as {\"base64\": ...}", .kind = KIND_SWITCH},
    [OPT_KEY] = {"key", "TEXT", "the key of every record", .kind = KIND_TEXT},
    [OPT_KEY_SEPARATOR] = {"key-separator", "TEXT", "stands between key and value", .kind = KIND_TEXT},
    [OPT_NULL_VALUE] = {"null-value", "TEXT", "stands for null", .kind = KIND_TEXT},
    [OPT_OF_TOPIC] = {"topic", "TOPIC", "of this topic; may be repeated", .kind = KIND_LIST},
    [OPT_PARTITION] = {"partition", "N", "only this partition", .kind = KIND_NUMBER, .min = 0, .max = INT32_MAX},
    [OPT_PARTITIONS] = {"partitions", "N", "how many partitions", .kind = KIND_NUMBER, .min = 1, .max = 1000000},
    [OPT_RATE] = {"rate", "MIB", "read at most so many MiB a second", .kind = KIND_NUMBER, .min = 1, .max = 1 << 20},
    [OPT_RECORDS] = {"records", NULL, "the records of the batches too", .kind = KIND_SWITCH},
    [OPT_REPLICAS] = {"replication-factor", "N", "how many replicas (the broker's default)", .kind = KIND_NUMBER, .min = 1, .max = INT16_MAX},
    [OPT_SET] = {"set", "KEY=VALUE", "a configuration entry; may be repeated", .kind = KIND_PAIRS},
    [OPT_TIMEOUT] = {"timeout", "SECONDS", "how long to wait for an answer (10)", .kind = KIND_NUMBER, .min = 1, .max = 3600},
    [OPT_TO] = {"to", "POSITION", "beginning, end, an offset, or @ and milliseconds since 1970", .kind = KIND_TEXT},
    [OPT_UNTIL_END] = {"until-end", NULL, "stop at the end of the partitions", .kind = KIND_SWITCH},
};

_Static_assert(OPTIONS_END <= 64, "a set of options is a word");

static bool takes(const struct cli_verb *verb, int option)
{
    return verb->options >> option & 1;
}

static void print_option(const char *name, const char *value, const char *help)
{
    char left[64];

    snprintf(left, sizeof left, "--%s%s%s", name, value ? " " : "", value ? value : "");
    printf("  %-28s %s\n", left, help);
}

static void print_help(const char *command, const struct cli_verb *verb)
{
    printf("barnabas %s%s%s%s%s [options]: %s\n\n", command, *verb->name ? " " : "", verb->name, *verb->arguments ? " " : "",
           verb->arguments, verb->summary);
    for (int i = 0; i < OPTIONS_END; i++)
        if (takes(verb, i))
            print_option(options[i].name, options[i].value, options[i].help);
    print_option("help", NULL, "this");
    if (verb->details)
        printf("\n%s", verb->details);
}

static void print_verbs(FILE *out, const char *command, const struct cli_verb *verbs, size_t count)
{
    fprintf(out, "barnabas %s VERB: one of\n\n", command);
    for (size_t i = 0; i < count; i++) {
        char left[64];

        snprintf(left, sizeof left, "%s %s", verbs[i].name, verbs[i].arguments);
        fprintf(out, "  %-28s %s\n", left, verbs[i].summary);
    }
    fprintf(out, "\nbarnabas %s VERB --help tells more.\n", command);
}

static bool parse_number(const char *text, int64_t min, int64_t max, int64_t *number)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || end == text || *end || isspace((unsigned char)*text) || n < min || n > max)
        return false;
    *number = n;
    return true;
}

static bool set_value(struct cli_args *args, int option, const char *text, int argc)
{
    const struct option *row = &options[option];

    args->of[option].given = true;
    switch (row->kind) {
    case KIND_SWITCH:
        return true;
    case KIND_TEXT:
        args->of[option].text = text;
        return true;
    case KIND_NUMBER:
        if (parse_number(text, row->min, row->max, &args->of[option].number))
            return true;
        cli__say("--%s takes a number of at least %" PRId64 ", not '%s'", row->name, row->min, text);
        return false;
    case KIND_PAIRS:
        if (!strchr(text, '=') || *text == '=') {
            cli__say("--%s takes KEY=VALUE, not '%s'", row->name, text);
            return false;
        }
        break;
    case KIND_LIST:
        break;
    }
    if (!args->of[option].list)
        args->of[option].list = mem_alloc((size_t)argc, sizeof *args->of[option].list);
    if (!args->of[option].list) {
        cli__say("no memory");
        return false;
    }
    args->of[option].list[args->of[option].list_count++] = text;
    return true;
}

/* The option that `word` ("--name" or "--name=value") names, -1 for none; *value is what follows the '='. */
static int find_option(const struct cli_verb *verb, const char *word, const char **value)
{
    const char *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);

    *value = equals ? equals + 1 : NULL;
    for (int i = 0; i < OPTIONS_END; i++)
        if (takes(verb, i) && strlen(options[i].name) + 2 == size && memcmp(options[i].name, word + 2, size - 2) == 0)
            return i;
    return -1;
}

static bool parse(struct cli_args *args, int argc, char **argv)
{
    bool only_arguments = false;

    args->arguments = mem_alloc((size_t)argc + 1, sizeof *args->arguments);
    if (!args->arguments) {
        cli__say("no memory");
        return false;
    }
    for (int i = 0; i < argc; i++) {
        const char *value;
        int option;

        if (only_arguments || argv[i][0] != '-' || argv[i][1] == '\0') {
            args->arguments[args->arguments_count++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            only_arguments = true;
            continue;
        }
        option = find_option(args->verb, argv[i], &value);
        if (option < 0) {
            cli__say("there is no option '%s' here", argv[i]);
            return false;
        }
        if ((options[option].kind == KIND_SWITCH) != (value == NULL) && options[option].kind == KIND_SWITCH) {
            cli__say("--%s takes no value", options[option].name);
            return false;
        }
        if (options[option].kind != KIND_SWITCH && !value) {
            if (i + 1 == argc) {
                cli__say("--%s takes a value: %s", options[option].name, options[option].value);
                return false;
            }
            value = argv[++i];
        }
        if (!set_value(args, option, value, argc))
            return false;
    }
    if (args->arguments_count < args->verb->arguments_min || args->arguments_count > args->verb->arguments_max) {
        cli__say("it takes %s%s", *args->verb->arguments ? "" : "no arguments", args->verb->arguments);
        return false;
    }
    return true;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static enum cli_exit finish(enum cli_exit result)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
        return result;
    return cli__fail("cannot write to standard output: %s", strerror(errno));
}

static int run_verb(const char *command, const struct cli_verb *verb, int argc, char **argv)
{
    struct cli_args args = {.verb = verb};
    int result;

    if (wants_help(argc, argv)) {
        print_help(command, verb);
        return finish(CLI_DONE);
    }
    args.of[OPT_BOOTSTRAP].text = "127.0.0.1:9092";
    args.of[OPT_TIMEOUT].number = 10;
    if (parse(&args, argc, argv)) {
        result = finish(verb->run(&args));
    } else {
        fprintf(stderr, "barnabas %s%s%s --help tells what it takes.\n", command, *verb->name ? " " : "", verb->name);
        result = CLI_USAGE;
    }
    for (int i = 0; i < OPTIONS_END; i++)
        mem_free(args.of[i].list);
    mem_free(args.arguments);
    return result;
}

int cli__run(const struct cli_verb *verbs, size_t count, int argc, char **argv)
{
    if (*verbs[0].name == '\0')
        return run_verb(argv[0], &verbs[0], argc - 1, argv + 1);
    for (size_t i = 0; argc > 1 && i < count; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return run_verb(argv[0], &verbs[i], argc - 2, argv + 2);
    if (argc > 1 && wants_help(argc - 1, argv + 1)) {
        print_verbs(stdout, argv[0], verbs, count);
        return finish(CLI_DONE);
    }
    if (argc > 1)
        cli__say("'%s' is no verb of %s", argv[1], argv[0]);
    print_verbs(stderr, argv[0], verbs, count);
    return CLI_USAGE;
}

bool cli__pair(const char *text, char **key, const char **value)
{
    size_t size = strcspn(text, "=");
    char *copy = mem_copy(text, strlen(text));

    if (!copy) {
        cli__say("no memory");
        return false;
    }
    copy[size] = '\0';
    *key = copy;
    *value = copy + size + 1;
    return true;
}

bool cli__position(const char *text, struct cli_position *position)
{
    *position = (struct cli_position){.kind = POSITION_BEGINNING};
    if (strcmp(text, "beginning") == 0)
        return true;
    position->kind = POSITION_END;
    if (strcmp(text, "end") == 0)
        return true;
    position->kind = *text == '@' ? POSITION_TIME : POSITION_OFFSET;
    if (parse_number(text + (*text == '@'), 0, INT64_MAX, &position->value))
        return true;
    cli__say("a position is beginning, end, an offset, or @ and milliseconds since 1970, not '%s'", text);
    return false;
}
