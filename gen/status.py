#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes base/status.h and base/status.c from schema/errors: status.py ERRORS OUT.h OUT.c"""
import sys


def rows(path):
    for line in open(path, encoding="utf-8"):
        words = line.split("#")[0].split()
        if words:
            code, name, kind = words
            if kind not in ("retriable", "fatal"):
                sys.exit(f"{path}: {name}: '{kind}' is neither retriable nor fatal")
            yield int(code), name, kind == "retriable"


HEADER = """/* SPDX-License-Identifier: Apache-2.0
 * Made from schema/errors: every expected error. Values of 0 and above, and -1, are Kafka's codes on the wire; those below
 * -100 are ours and are mapped before they leave (status_wire).
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum status {
%s
};

#define STATUS_OK STATUS_NONE
#define MUST_CHECK __attribute__((warn_unused_result))

const char *status_name(enum status status);
bool status_retriable(enum status status);
/* The code for a peer: Kafka's own as it is, one of ours as the nearest that Kafka has. */
int16_t status_wire(enum status status);

#endif
"""

SOURCE = """/* SPDX-License-Identifier: Apache-2.0
 * Made from schema/errors. */
#include "base/status.h"

const char *status_name(enum status status)
{
    switch (status) {
%s
    }
    return "UNKNOWN";
}

bool status_retriable(enum status status)
{
    switch (status) {
%s
    }
    return false;
}

int16_t status_wire(enum status status)
{
    switch ((int)status) {
    case STATUS_IO:
        return STATUS_KAFKA_STORAGE_ERROR;
    case STATUS_NO_MEMORY:
    case STATUS_NO_SPACE:
        return STATUS_KAFKA_STORAGE_ERROR;
    case STATUS_MALFORMED:
    case STATUS_INVALID:
        return STATUS_INVALID_REQUEST;
    case STATUS_CORRUPT:
        return STATUS_CORRUPT_MESSAGE;
    default:
        return (int16_t)((int)status < -100 ? STATUS_UNKNOWN_SERVER_ERROR : (int)status);
    }
}
"""

table = sorted(rows(sys.argv[1]))
enum = "\n".join(f"    STATUS_{name} = {code}," for code, name, _ in table)
names = "\n".join(f'    case STATUS_{name}:\n        return "{name}";' for _, name, _ in table)
retriable = "\n".join(f"    case STATUS_{name}:\n        return {str(r).lower()};" for _, name, r in table)
open(sys.argv[2], "w", encoding="utf-8").write(HEADER % enum)
open(sys.argv[3], "w", encoding="utf-8").write(SOURCE % (names, retriable))
