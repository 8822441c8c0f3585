# SPDX-License-Identifier: Apache-2.0
"""Reads the notation of schema/ (described in schema/README.md) into messages, structs and fields.

Versions are pairs (first, last), both included. What a line leaves out is filled in here, so that whoever makes code
from it sees no defaults of the notation: every field has the versions in which it is there, a nullable one those in
which it may be null.
"""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

SCALARS = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16}
SIZED = {"string", "bytes", "records"}
NONE = (0, -1)


@dataclass
class Field:
    name: str
    type: str  # a scalar, string, bytes, records, or "" for a struct
    array: bool
    versions: tuple
    nullable: tuple  # NONE when never
    tag: int = -1
    plain: bool = False  # keeps its old form in flexible versions
    default: str = ""
    struct: "Struct" = None


@dataclass
class Struct:
    name: str  # of the C struct, without the message's name; "" is the message itself
    versions: tuple
    fields: list = field(default_factory=list)


@dataclass
class Message:
    name: str  # as Kafka spells it
    kind: str  # request, response, or the first word of its file
    key: int  # -1: none
    versions: tuple
    flexible: int  # the first flexible version; beyond the last one when there is none
    root: Struct = None
    structs: list = field(default_factory=list)  # each after those that it contains, the message itself last


@dataclass
class Api:
    name: str
    key: int
    versions: tuple
    flexible: int
    unstable: int  # the first version that is not final; -1: none
    listeners: list
    request: Message = None
    response: Message = None


def snake(name):
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name.replace("KRaft", "Kraft"))
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def singular(name):
    for end, one in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("xes", "x"), ("ss", "ss"), ("us", "us"), ("s", "")):
        if name.endswith(end):
            return name[: -len(end)] + one
    return name


def span(word, within):
    """'3' is one version, '3+' goes to the end, '3-7' is both and all between."""
    first, dash, last = word.rstrip("+").partition("-")
    return int(first), within[1] if word.endswith("+") else int(last if dash else first)


class Lines:
    """The lines of a file that say something, each with its depth (two spaces a level) and its words."""

    def __init__(self, path):
        self.path, self.rows, self.at = path, [], 0
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            text = line.split("#")[0].rstrip()
            if text:
                indent = len(text) - len(text.lstrip())
                self.rows.append((indent // 2, text.split(), number))

    def peek(self):
        return self.rows[self.at] if self.at < len(self.rows) else (-1, [""], 0)

    def next(self):
        self.at += 1
        return self.rows[self.at - 1]

    def fail(self, number, what):
        sys.exit(f"{self.path}:{number}: {what}")


def parse_field(lines, within, path, inline, shared):
    depth, words, number = lines.next()
    match = re.fullmatch(r"(\[\])?(\{\}|\w+)?(\?)?(\d+(?:\+|-\d+)?)?", words[1]) if len(words) > 1 else None
    if not match:
        lines.fail(number, "a field is: Name type [versions] [tag N] [plain] [= default]")
    array, kind, null, null_versions = match.groups()
    item = Field(words[0], kind or "{}", bool(array), within, NONE)
    rest = words[2:]
    if rest and rest[0][0].isdigit():
        item.versions = span(rest.pop(0), within)
    if rest[:1] == ["tag"]:
        item.tag = int(rest[1])
        rest = rest[2:]
    if rest[:1] == ["plain"]:
        item.plain = bool(rest.pop(0))
    if rest[:1] == ["="]:
        item.default = rest[1]
        rest = rest[2:]
    if rest:
        lines.fail(number, f"'{rest[0]}' means nothing here")
    if null:
        item.nullable = span(null_versions, item.versions) if null_versions else item.versions
    if item.type == "{}":
        path = path + [singular(snake(item.name)) if array else snake(item.name)]
        item.type, item.struct = "", Struct("", item.versions)
        inline.append((path, item.struct))
        parse_fields(lines, depth + 1, item.struct, path, inline, shared)
    elif item.type not in SCALARS and item.type not in SIZED:
        item.struct = shared.setdefault(item.type, Struct(snake(item.type), NONE))
        item.type = ""
    return item


def parse_fields(lines, depth, struct, path, inline, shared):
    while lines.peek()[0] == depth and lines.peek()[1][0] != "struct":
        struct.fields.append(parse_field(lines, struct.versions, path, inline, shared))


def name_structs(inline, shared):
    """A struct has its field's name; where two fields share one, as much of the path as tells them apart."""
    paths = [path for path, _ in inline] + [[name] for name in map(snake, shared)]
    for path, struct in inline:
        size = 1
        while size < len(path) and sum(other[-size:] == path[-size:] for other in paths) > 1:
            size += 1
        struct.name = "_".join(path[-size:])


def in_order(root):
    """Each struct once, after those that it contains."""
    out = []

    def visit(struct):
        for item in struct.fields:
            if item.struct:
                visit(item.struct)
        if not any(struct is other for other in out):
            out.append(struct)

    visit(root)
    return out


def parse_message(lines, name, kind, key, versions, flexible):
    message = Message(name, kind, key, versions, flexible, Struct("", versions))
    inline, shared, bodies = [], {}, {}
    parse_fields(lines, 1, message.root, [], inline, shared)
    while lines.peek()[1][0] == "struct": # its versions are those of the message, its users say when it is there
        _, words, number = lines.next()
        struct = bodies[words[1]] = shared.setdefault(words[1], Struct(snake(words[1]), versions))
        struct.versions = versions
        parse_fields(lines, 2, struct, [snake(words[1])], inline, shared)
    for missing in shared.keys() - bodies.keys():
        lines.fail(0, f"{name}: no struct {missing}")
    name_structs(inline, shared)
    message.structs = in_order(message.root)
    names = [s.name for s in message.structs]
    for twice in {n for n in names if names.count(n) > 1}:
        lines.fail(0, f"{name}: two structs are called {twice}")
    return message


def parse(path):
    """One file: an Api, or the Message of a record or a header."""
    lines = Lines(Path(path))
    _, head, number = lines.next()
    facts = {}
    while lines.peek()[1][0] in ("versions", "flexible", "unstable", "listeners"):
        _, words, _ = lines.next()
        facts[words[0]] = words[1:]
    kind, key, name = head[0], int(head[1]) if len(head) == 3 else -1, head[-1]
    versions = NONE if facts["versions"] == ["none"] else span(facts["versions"][0], NONE)
    flexible = int(facts["flexible"][0].rstrip("+")) if "flexible" in facts else versions[1] + 1
    if kind != "api":
        lines.next()  # "fields"
        out = parse_message(lines, name, kind, key, versions, flexible)
    else:
        out = Api(name, key, versions, flexible, int(facts.get("unstable", ["-1"])[0]), facts.get("listeners", []))
        if versions != NONE:
            lines.next()
            out.request = parse_message(lines, name + "Request", "request", key, versions, flexible)
            lines.next()
            out.response = parse_message(lines, name + "Response", "response", key, versions, flexible)
    depth, words, number = lines.peek()
    if number:
        lines.fail(number, f"'{words[0]}' stands where nothing is expected")
    return out


def files(directory):
    return sorted(p for p in Path(directory).iterdir() if p.suffix == "" and p.is_file())
