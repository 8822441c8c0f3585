/* SPDX-License-Identifier: Apache-2.0
 * The table of the commands, and the one that is too small for a file.
 */
#include "cli/commands.h"

#include "cli/cli.h"
#include "cli/cli_int.h"

static enum cli_exit version(const struct cli_args *args)
{
    printf("barnabas %s (librdkafka %s)\n", BARNABAS_VERSION, rd_kafka_version_str());
    return CLI_DONE;
}

static int cli__version(int argc, char **argv)
{
    static const struct cli_verb verb = {"", "", "what this is", 0, 0, 0, version, NULL};

    return cli__run(&verb, 1, argc, argv);
}

const struct cli_command cli_commands[] = {
    {"topic", "make, list, describe, alter and delete topics", cli__topic},
    {"produce", "send standard input, a record a line, or whole files", cli__produce},
    {"consume", "write records to standard output", cli__consume},
    {"group", "list, describe, reset and delete consumer groups", cli__group},
    {"config", "show and change the configuration of topics and brokers", cli__config},
    {"log", "dump, list, verify and repair the files of a data directory", cli__log},
    {"version", "what this is", cli__version},
    {NULL, NULL, NULL},
};
