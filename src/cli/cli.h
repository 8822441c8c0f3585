/* SPDX-License-Identifier: Apache-2.0
 * The commands that a person types beside `serve`: each speaks to a broker as any other client does.
 *
 * Data goes to standard output, everything else (counts, progress, errors) to standard error. Exit codes: 0 done, 1 something failed,
 * 2 the command line is wrong.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

struct cli_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct cli_command cli_commands[]; /* ends with a row whose name is NULL */

#endif
