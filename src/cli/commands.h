/* SPDX-License-Identifier: Apache-2.0
 * The commands, one file each.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cli__config(int argc, char **argv);
int cli__consume(int argc, char **argv);
int cli__group(int argc, char **argv);
int cli__log(int argc, char **argv);
int cli__produce(int argc, char **argv);
int cli__topic(int argc, char **argv);

#endif
