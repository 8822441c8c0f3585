/* SPDX-License-Identifier: Apache-2.0
 * barnabas: one binary, the broker and its tools. `serve` is serve.c; what a person types against a broker is src/cli.
 */
#include "cli/cli.h"
#include "serve.h"

static void usage(FILE *to)
{
    fputs("usage: barnabas <command> [options]\n\n  serve      start a broker\n", to);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        fprintf(to, "  %-9s  %s\n", c->name, c->summary);
    fputs("\nbarnabas <command> --help tells more.\n", to);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";

    if (strcmp(name, "serve") == 0)
        return serve(argc - 1, argv + 1);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(name, c->name) == 0)
            return c->run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return 0;
    }
    fprintf(stderr, "barnabas: there is no command '%s'\n\n", name);
    usage(stderr);
    return 2;
}
