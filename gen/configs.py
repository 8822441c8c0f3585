#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the configuration tables from schema/configs: configs.py BROKER TOPIC GROUP CLIENT_METRICS OUT.h OUT.c

The notation is explained at the head of each input.
"""
import json
import re
import sys
from dataclasses import dataclass, field

SCOPES = {"read-only": "CONFIG_READ_ONLY", "per-broker": "CONFIG_PER_BROKER", "cluster-wide": "CONFIG_CLUSTER_WIDE"}
TYPES = {"boolean", "string", "int", "short", "long", "double", "list", "class", "password"}
NAMED_CHECKS = {"-": "CHECK_ANY", "not-empty": "CHECK_NOT_EMPTY", "gzip-level": "CHECK_GZIP_LEVEL",
                "throttled-replicas": "CHECK_THROTTLED", "offset-reset": "CHECK_OFFSET_RESET"}
TABLES = (("broker", "config", "CONFIG"), ("topic", "topic", "TOPIC"), ("group", "group", "GROUP"),
          ("client_metrics", "client_metrics", "CLIENT_METRICS"))


@dataclass
class Key:
    name: str
    type: str
    initial: str
    check: str
    scope: str
    flags: set = field(default_factory=set)
    origins: list = field(default_factory=list)  # (broker key, factor)
    doc: str = ""


def parse(path):
    keys = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            keys[-1].doc = line.strip()
            continue
        name, kind, initial, check, scope, *rest = line.split()
        if kind not in TYPES or scope not in SCOPES:
            sys.exit(f"{path}:{number}: unknown type or scope")
        key = Key(name, kind, initial, check, scope)
        while rest and rest[0] in ("internal", "dynamic-only"):
            key.flags.add(rest.pop(0))
        if rest and rest[0] in ("from", "family"):
            for origin in rest[1:]:
                origin, _, factor = origin.partition("*")
                key.origins.append((origin, int(factor or 1)))
        elif rest:
            sys.exit(f"{path}:{number}: what is '{rest[0]}'?")
        keys.append(key)
    if [k.name for k in keys] != sorted(k.name for k in keys):
        sys.exit(f"{path}: the keys are not sorted")
    return keys


def enum_name(prefix, name):
    return f"{prefix}_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def check_fields(check):
    """The designated initialisers of a check, and the words that it needs."""
    if check in NAMED_CHECKS:
        return f".check = {NAMED_CHECKS[check]}", []
    if ".." in check:
        low, high = check.split("..")
        return f".check = CHECK_RANGE, .min = {low or '-INFINITY'}, .max = {high or 'INFINITY'}", []
    words = check.split("|")
    if words[-1] == "ANY_CASE":
        return ".check = CHECK_ONE_OF_ANY_CASE", words[:-1]
    return ".check = CHECK_ONE_OF", words


def row(prefix, key, index, arrays):
    check, words = check_fields(key.check)
    if key.type == "list" and words:
        check = ".check = CHECK_ALL_OF"
    fields = [f".name = {quoted(key.name)}", f".type = CONFIG_TYPE_{key.type.upper()}", f".scope = {SCOPES[key.scope]}", check]
    if words:
        arrays.append(f"static const char *const {prefix}_words_{index}[] = {{{', '.join(quoted(w) for w in words)}, NULL}};")
        fields.append(f".words = {prefix}_words_{index}")
    if key.origins:
        items = ", ".join(f"{{{enum_name('CONFIG', o)}, {f}}}" for o, f in key.origins)
        arrays.append(f"static const struct config_origin {prefix}_origins_{index}[] = {{{items}}};")
        fields += [f".origins = {prefix}_origins_{index}", f".origins_count = {len(key.origins)}"]
    fields += [f".{flag.replace('-', '_')} = true" for flag in sorted(key.flags)]
    if key.initial == "required":
        fields.append(".required = true")
    elif key.initial != "null":
        fields.append(f".initial = {quoted('' if key.initial == chr(34) * 2 else key.initial)}")
    return f"    {{{', '.join(fields)},\n     .doc = {quoted(key.doc)}}},"


def main():
    tables = [(name, stem, prefix, parse(path)) for (name, stem, prefix), path in zip(TABLES, sys.argv[1:5])]
    header = ["/* SPDX-License-Identifier: Apache-2.0", " * Made from schema/configs by gen/configs.py: one value a key, the index of its row. */",
              "#ifndef BROKER_CONFIG_KEYS_H", "#define BROKER_CONFIG_KEYS_H", ""]
    source = ["/* SPDX-License-Identifier: Apache-2.0", " * Made from schema/configs by gen/configs.py. */",
              '#include "broker/config_table.h"', "", "#include <math.h>", "", '#include "broker/config_keys.h"', ""]
    for name, stem, prefix, keys in tables:
        header += [f"enum {stem}_key {{"] + [f"    {enum_name(prefix, k.name)}," for k in keys] + [f"    {prefix}_KEYS,", "};", ""]
        arrays = []
        rows = [row(name, key, index, arrays) for index, key in enumerate(keys)]
        source += arrays + ["", f"const struct config_row config_{name}_rows[] = {{"] + rows + ["};"]
        source += [f"const unsigned config_{name}_rows_count = {prefix}_KEYS;", ""]
    header.append("#endif")
    open(sys.argv[5], "w", encoding="utf-8").write("\n".join(header) + "\n")
    open(sys.argv[6], "w", encoding="utf-8").write("\n".join(source) + "\n")


main()
