#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the codecs of the messages in schema/.

    codec.py names DIRECTORY          the schemas of a directory, one a line
    codec.py code DIRECTORY OUT       <name>.h and <name>.c for each schema, in the folder OUT (a folder of src/wire)
    codec.py tables SCHEMA OUT        api_keys.h and tables.c: the APIs by key, the messages by name

For each struct of a message, after those that it contains: its declaration, <struct>_init, and the static functions
decode_x, encode_x and print_x that go through its fields in order. What they call is in src/wire/codec.h.
"""
import sys
from pathlib import Path

import schema
from schema import NONE, SCALARS, Api, snake

# scalar type → C type, suffix of reader_/encode_, printer, suffix of the array functions
C_TYPES = {
    "bool": ("bool", "bool", "bool", None),
    "int8": ("int8_t", "i8", "int", "i8s"),
    "int16": ("int16_t", "i16", "int", "i16s"),
    "uint16": ("uint16_t", "u16", "int", None),
    "int32": ("int32_t", "i32", "int", "i32s"),
    "uint32": ("uint32_t", "u32", "int", None),
    "int64": ("int64_t", "i64", "int", "i64s"),
    "float64": ("double", "f64", "f64", None),
    "uuid": ("struct uuid", "uuid", "uuid", "uuids"),
    "string": ("struct str_view", "str", "str", "strs"),
    "bytes": ("struct bytes_view", "bytes", "bytes", None),
    "records": ("struct wire_records", "records", "bytes", None),
}
C_LIMITS = {"0x7fffffff": "INT32_MAX", "-2147483648": "INT32_MIN", "9223372036854775807": "INT64_MAX"}
C_WORDS = {"default", "register", "namespace", "double", "int", "long", "short", "char", "static", "signed", "union"}


def c_field(item):
    name = snake(item.name)
    return name + "_" if name in C_WORDS else name


def c_struct(message, struct):
    return snake(message.name) + ("_" + struct.name if struct.name else "")


def within(field_versions, outer, subject):
    """The C condition that a version inside `outer` is one of the field's; "" when all are."""
    parts = []
    if field_versions[0] > outer[0]:
        parts.append(f"{subject}->version >= {field_versions[0]}")
    if field_versions[1] < outer[1]:
        parts.append(f"{subject}->version <= {field_versions[1]}")
    return " && ".join(parts)


def nullable(item, subject):
    if item.nullable == NONE:
        return "false"
    return within(item.nullable, item.versions, subject) or "true"


def least(message, struct, version):
    """The least number of bytes that the struct takes."""
    flexible = version >= message.flexible
    total = 1 if flexible else 0
    for item in struct.fields:
        if item.tag >= 0 or not item.versions[0] <= version <= item.versions[1]:
            continue
        if item.array:
            total += 1 if flexible else 4
        elif item.struct:
            total += 1 if item.nullable != NONE else least(message, item.struct, version)
        elif item.type == "string":
            total += 1 if flexible and not item.plain else 2
        elif item.type in SCALARS:
            total += SCALARS[item.type]
        else:
            total += 1 if flexible else 4
    return total


def least_element(message, item):
    first, last = max(item.versions[0], message.versions[0]), min(item.versions[1], message.versions[1])
    return max(1, min(least(message, item.struct, v) for v in range(first, last + 1)))


def optional(item):
    """A struct behind a pointer, NULL when null."""
    return bool(item.struct) and not item.array and item.nullable != NONE


def has_default_struct(item):
    return bool(item.struct) and not item.array and not (optional(item) and item.default == "null")


def tagged(struct):
    return sorted((item for item in struct.fields if item.tag >= 0), key=lambda item: item.tag)


class Code:
    """The C of one message."""

    def __init__(self, message):
        self.message = message
        self.name = snake(message.name)
        self.flexible = message.flexible <= message.versions[1]

    def struct(self, struct):
        return "struct " + c_struct(self.message, struct)

    def function(self, verb, struct):
        return f"{verb}_{c_struct(self.message, struct)}"

    # ---- the header ----

    def declaration(self, struct):
        lines = [self.struct(struct) + " {"]
        for item in struct.fields:
            name, kind = c_field(item), self.struct(item.struct) if item.struct else C_TYPES[item.type][0]
            star = "*" if item.array or optional(item) else ""
            const = "const " if optional(item) else ""
            lines.append(f"    {const}{kind} {star}{name};")
            if item.array:
                lines.append(f"    int32_t {name}_count;")
        if self.flexible:
            lines.append("    const struct wire_tag *unknown_tags;")
        return "\n".join(lines) + "\n};\n"

    def header(self):
        full, structs = "struct " + self.name, self.message.structs
        out = [self.declaration(s) for s in structs]
        out.append("".join(f"void {c_struct(self.message, s)}_init({self.struct(s)} *out);\n" for s in structs))
        out.append(f"""extern const struct message {self.name}_message;

static inline MUST_CHECK enum status {self.name}_decode(struct reader *r, int16_t version, struct arena *arena,
                                                        {full} *out)
{{
    return message_decode(&{self.name}_message, r, version, arena, out);
}}

static inline size_t {self.name}_size(const {full} *in, int16_t version)
{{
    return message_size(&{self.name}_message, version, in);
}}

static inline void {self.name}_encode(struct writer *w, int16_t version, const {full} *in)
{{
    message_encode(&{self.name}_message, w, version, in);
}}

static inline size_t {self.name}_print(const {full} *in, int16_t version, char *text, size_t capacity)
{{
    return message_print(&{self.name}_message, version, in, text, capacity);
}}
""")
        return "\n".join(out)

    # ---- defaults ----

    def default(self, item):
        """The C value of a default that is not all zero bytes; None when it is."""
        if item.array:
            return "-1" if item.default == "null" else None
        if optional(item):
            return None if item.default == "null" else f"&{self.function('default', item.struct)}"
        if item.struct:
            return self.initializer(item.struct)
        if item.type in ("string", "bytes") and item.default != "null":
            return '{"", 0}' if item.type == "string" else '{(const uint8_t *)"", 0}'
        if item.type == "records" or item.default in ("", "null"):
            return None
        return C_LIMITS.get(item.default, item.default)

    def initializer(self, struct, comma=", "):
        """All defaults of a struct in braces; None when all of them are zero bytes."""
        defaults = [(item, self.default(item)) for item in struct.fields]
        values = [f".{c_field(item)}{'_count' if item.array else ''} = {value}" for item, value in defaults if value]
        return "{" + comma.join(values) + "}" if values else None

    def init(self, struct):
        name, value = self.struct(struct), self.initializer(struct, ",\n        ") or "{0}"
        return f"void {c_struct(self.message, struct)}_init({name} *out)\n{{\n    *out = ({name}){value};\n}}\n"

    def default_object(self, struct):
        value = self.initializer(struct) or "{0}"
        return f"static const {self.struct(struct)} {self.function('default', struct)} = {value};\n"

    def default_objects(self):
        """The structs that a null-able field refers to when it is neither there nor null."""
        fields = [item for struct in self.message.structs for item in struct.fields]
        used = [item.struct for item in fields if optional(item) and item.default != "null"]
        return [struct for struct in self.message.structs if any(struct is other for other in used)]

    def differs(self, item, at):
        """The C condition that the field is not its default."""
        value = f"{at}->{c_field(item)}"
        if item.array:
            if item.default == "null":
                return f"{value}_count >= 0"
            return f"{value}_count != 0" if item.nullable != NONE else f"{value}_count > 0"
        if item.struct:
            differs = self.function("differs", item.struct)
            if not optional(item):
                return f"{differs}(&{value})"
            return f"{value} != NULL" if item.default == "null" else f"(!{value} || {differs}({value}))"
        if item.type in ("string", "bytes"):
            if item.default == "null":
                return f"{value}.data != NULL"
            return f"({value}.size > 0 || !{value}.data)" if item.nullable != NONE else f"{value}.size > 0"
        if item.type == "records":
            return f"({value}.data || {value}.source)"
        if item.type == "uuid":
            return f"!uuid_is_zero({value})"
        if item.type == "bool":
            return f"!{value}" if item.default == "true" else value
        return f"{value} != {self.default(item) or '0'}"

    def differs_function(self, struct):
        parts = [self.differs(item, "in") for item in struct.fields] + ["in->unknown_tags"]
        return (
            f"static bool {self.function('differs', struct)}(const {self.struct(struct)} *in)\n"
            f"{{\n    return {' || '.join(parts)};\n}}\n"
        )

    def compared(self):
        """The structs that a tagged field compares with their defaults, each after those inside it."""
        out = []

        def add(struct):
            if struct not in out:
                for item in struct.fields:
                    if has_default_struct(item):
                        add(item.struct)
                out.append(struct)

        for struct in self.message.structs:
            for item in struct.fields:
                if item.tag >= 0 and has_default_struct(item):
                    add(item.struct)
        return out

    # ---- decoding ----

    def decode_field(self, item):
        at = f"out->{c_field(item)}"
        null = nullable(item, "d")
        if item.array and item.struct:
            return (
                f"{at} = decode_list(d, {null}, {least_element(self.message, item)}, sizeof *{at}, "
                f"{self.function('decode', item.struct)}, &{at}_count);"
            )
        if item.array:
            return f"{at} = decode_{C_TYPES[item.type][3]}(d, {null}, &{at}_count);"
        if optional(item):
            in_tag = "true" if item.tag >= 0 else "false"
            return f"{at} = decode_optional(d, {in_tag}, sizeof *{at}, {self.function('decode', item.struct)});"
        if item.struct:
            return f"{self.function('decode', item.struct)}(d, &{at});"
        if item.type in schema.SIZED:
            return f"{at} = decode_{C_TYPES[item.type][1]}{'_plain' if item.plain else ''}(d, {null});"
        if item.type == "bool":
            return f"{at} = decode_bool(d);"
        return f"{at} = reader_{C_TYPES[item.type][1]}(d->r);"

    def decode_tags(self, struct, indent):
        lines = [f"{indent}for (struct decoder_tags t = decode_tags(d, &out->unknown_tags); decode_tag(d, &t);)"]
        word = "if"
        for item in tagged(struct):
            condition = " && ".join(filter(None, [f"t.tag == {item.tag}", self.tag_condition(item, struct, "d")]))
            lines += [f"{indent}    {word} ({condition})", f"{indent}        {self.decode_field(item)}"]
            word = "else if"
        return lines + [f"{indent}    else", f"{indent}        decode_unknown(d, &t);"]

    def tag_condition(self, item, struct, subject):
        """As within(), asked where the version is known to be flexible."""
        return within(item.versions, (max(struct.versions[0], self.message.flexible), struct.versions[1]), subject)

    def tagged_section(self, struct, subject, some, none):
        """The lines for the section: some(indent) where the struct knows tags, else the line `none`."""
        always = self.message.flexible <= self.message.versions[0]
        if not self.flexible:
            return []
        if not tagged(struct):
            return [f"    {none}"] if always else [f"    if ({subject}->flexible)", f"        {none}"]
        return some("    ") if always else [f"    if ({subject}->flexible) {{", *some("        "), "    }"]

    def guarded(self, item, struct, subject, line):
        condition = within(item.versions, struct.versions, subject)
        return [f"    if ({condition})", f"        {line}"] if condition else [f"    {line}"]

    def decode(self, struct):
        lines = [f"    {c_struct(self.message, struct)}_init(out);"]
        for item in struct.fields:
            if item.tag < 0:
                lines += self.guarded(item, struct, "d", self.decode_field(item))
        known = lambda indent: self.decode_tags(struct, indent)
        lines += self.tagged_section(struct, "d", known, "decode_no_tags(d, &out->unknown_tags);")
        return self.walker("decode", struct, "struct decoder *d, void *at", f"{self.struct(struct)} *out = at;", lines)

    def walker(self, verb, struct, parameters, local, lines):
        body = "\n".join([f"    {local}", "", *lines])
        return f"static void {self.function(verb, struct)}({parameters})\n{{\n{body}\n}}\n"

    # ---- encoding ----

    def encode_field(self, item, encoder):
        at = f"in->{c_field(item)}"
        null = nullable(item, "e")
        if item.array and item.struct:
            encode = self.function("encode", item.struct)
            return f"encode_list({encoder}, {at}, {at}_count, {null}, sizeof *{at}, {encode});"
        if item.array:
            return f"encode_{C_TYPES[item.type][3]}({encoder}, {at}, {at}_count, {null});"
        if optional(item):
            in_tag = "true" if item.tag >= 0 else "false"
            return f"encode_optional({encoder}, {at}, {in_tag}, {self.function('encode', item.struct)});"
        if item.struct:
            return f"{self.function('encode', item.struct)}({encoder}, &{at});"
        if item.type in schema.SIZED:
            ref = "&" if item.type == "records" else ""
            return f"encode_{C_TYPES[item.type][1]}{'_plain' if item.plain else ''}({encoder}, {ref}{at}, {null});"
        return f"encode_{C_TYPES[item.type][1]}({encoder}, {at});"

    def encode_tags(self, struct, indent):
        items = tagged(struct)
        lines = []
        for item in items:
            condition = " && ".join(filter(None, [self.tag_condition(item, struct, "e"), self.differs(item, "in")]))
            lines.append(f"{indent}const bool tag_{item.tag} = {condition};")
        known = " + ".join(f"tag_{item.tag}" for item in items)
        lines += [f"{indent}const struct wire_tag *unknown = encode_tags(e, in->unknown_tags, {known});", ""]
        for item in items:
            lines.append(f"{indent}if (tag_{item.tag}) {{")
            if item.type in SCALARS and not item.array:
                lines.append(f"{indent}    encode_tag(e, &unknown, {item.tag}, {SCALARS[item.type]});")
            else:
                lines += [
                    f"{indent}    struct encoder measure = encode_measure(e);",
                    "",
                    f"{indent}    {self.encode_field(item, '&measure')}",
                    f"{indent}    encode_tag(e, &unknown, {item.tag}, measure.size);",
                ]
            lines += [f"{indent}    {self.encode_field(item, 'e')}", f"{indent}}}"]
        return lines + [f"{indent}encode_tags_end(e, unknown);"]

    def encode(self, struct):
        lines = []
        for item in struct.fields:
            if item.tag < 0:
                lines += self.guarded(item, struct, "e", self.encode_field(item, "e"))
        known = lambda indent: self.encode_tags(struct, indent)
        lines += self.tagged_section(struct, "e", known, "encode_no_tags(e, in->unknown_tags);")
        local = f"const {self.struct(struct)} *in = at;"
        return self.walker("encode", struct, "struct encoder *e, const void *at", local, lines)

    # ---- printing ----

    def print_field(self, item):
        at, name = f"in->{c_field(item)}", f'"{snake(item.name)}"'
        if item.array and item.struct:
            return f"print_list(p, {name}, {at}, {at}_count, sizeof *{at}, {self.function('print', item.struct)});"
        if item.array:
            return f"print_{C_TYPES[item.type][3]}(p, {name}, {at}, {at}_count);"
        if item.struct:
            value = at if optional(item) else "&" + at
            return f"print_struct(p, {name}, {value}, {self.function('print', item.struct)});"
        if item.type == "bytes":
            return f"print_bytes(p, {name}, {at}.data, {at}.size);"
        if item.type == "records":
            return f"print_bytes(p, {name}, {at}.source ? {at}.source : {at}.data, {at}.size);"
        return f"print_{C_TYPES[item.type][2]}(p, {name}, {at});"

    def print(self, struct):
        lines = []
        for item in struct.fields:
            lines += self.guarded(item, struct, "p", self.print_field(item))
        if self.flexible:
            lines.append("    print_tags(p, in->unknown_tags);")
        local = f"const {self.struct(struct)} *in = at;"
        return self.walker("print", struct, "struct printer *p, const void *at", local, lines)

    # ---- all of it ----

    def source(self):
        message, structs = self.message, self.message.structs
        out = [self.default_object(s) for s in self.default_objects()]
        out += [self.init(s) for s in structs]
        out += [self.differs_function(s) for s in self.compared()]
        for make in (self.decode, self.encode, self.print):
            out += [make(s) for s in structs]
        out.append(
            f"const struct message {self.name}_message = {{\n"
            f'    "{message.name}", MESSAGE_{message.kind.upper().replace("-", "_")}, {message.key}, '
            f"{message.versions[0]}, {message.versions[1]}, {message.flexible}, sizeof(struct {self.name}),\n"
            f"    decode_{self.name}, encode_{self.name}, print_{self.name},\n}};\n"
        )
        return "\n".join(out)


def messages(parsed):
    if isinstance(parsed, Api):
        return [m for m in (parsed.request, parsed.response) if m]
    return [parsed]


def save(path, text):
    """Writes what changed only, so that the build makes no more anew than it must."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


TITLE = "/* SPDX-License-Identifier: Apache-2.0\n * Made from schema/{} by gen/codec.py. */\n"


def write_code(directory, out):
    room = directory.name
    for path in schema.files(directory):
        parsed = schema.parse(path)
        codes = [Code(m) for m in messages(parsed)]
        if not codes:
            continue
        name, title = path.name, TITLE.format(f"{room}/{path.name}")
        upper, (first, last) = name.upper(), parsed.versions
        key = f"{upper}_API_KEY = {parsed.key}, " if parsed.key >= 0 else ""
        versions = f"enum {{ {key}{upper}_VERSION_MIN = {first}, {upper}_VERSION_MAX = {last} }};\n"
        guard = f"WIRE_{room}_{name}_H".upper()
        header = [versions, *(code.header() for code in codes)]
        save(out / f"{name}.h", f'{title}#ifndef {guard}\n#define {guard}\n\n#include "wire/message.h"\n\n'
             + "\n".join(header) + "\n#endif\n")
        source = "\n".join(code.source() for code in codes)
        save(out / f"{name}.c", f'{title}#include "wire/{room}/{name}.h"\n\n#include "wire/codec.h"\n\n{source}')


def api_row(api):
    listeners = " | ".join(f"API_ON_{word.upper()}" for word in api.listeners if word != "-") or "0"
    request, response = [f"&{snake(m.name)}_message" for m in messages(api)] or ["NULL", "NULL"]
    numbers = f"{api.key}, {api.versions[0]}, {api.versions[1]}, {api.flexible}, {api.unstable}"
    return f'    {{"{api.name}", {numbers}, {listeners}, {request}, {response}}},\n'


def write_tables(root, out):
    apis = sorted((schema.parse(p) for p in schema.files(root / "api")), key=lambda api: api.key)
    if [api.key for api in apis] != list(range(len(apis))):
        sys.exit("schema/api: the keys are not 0, 1, 2, ...")
    keys = "".join(f"    API_{snake(api.name).upper()} = {api.key},\n" for api in apis)
    save(out / "api_keys.h", TITLE.format("api") + "#ifndef WIRE_API_KEYS_H\n#define WIRE_API_KEYS_H\n\n"
         f"enum api_key {{\n{keys}    API_COUNT = {len(apis)}, /* keys are dense */\n}};\n\n#endif\n")
    parsed = [schema.parse(path) for room in ("api", "record", "header") for path in schema.files(root / room)]
    names = [snake(m.name) + "_message" for m in sorted(sum(map(messages, parsed), []), key=lambda m: m.name)]
    save(out / "tables.c", "".join([
        TITLE.format("api, schema/record and schema/header"), '#include "wire/apis.h"\n\n',
        *(f"extern const struct message {name};\n" for name in names),
        "\nconst struct api api_table[API_COUNT] = {\n", *map(api_row, apis), "};\n",
        "\nconst struct message *const message_table[] = {\n", *(f"    &{name},\n" for name in names), "};\n",
        f"const size_t message_table_size = {len(names)};\n"]))


def main():
    verb, directory = sys.argv[1], Path(sys.argv[2])
    if verb == "names":
        for path in schema.files(directory):
            if messages(schema.parse(path)):
                print(path.name)
    elif verb == "code":
        write_code(directory, Path(sys.argv[3]))
    else:
        write_tables(directory, Path(sys.argv[3]))


main()
