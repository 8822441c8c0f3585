/* SPDX-License-Identifier: Apache-2.0
 * barnabas serve: a broker in this process, until SIGTERM or SIGINT.
 */
#ifndef SERVE_H
#define SERVE_H

/* argv[0] is "serve". The exit status: 0 after a clean stop, 1 when it could not start or stop cleanly, 2 for bad options. */
int serve(int argc, char **argv);

#endif
