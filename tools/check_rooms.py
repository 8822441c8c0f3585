#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom: check_rooms.py [--self-test]

A room (a folder of src/) includes only the rooms that its row names, no room's internal headers (*_int.h) but its own, the system's
headers only in src/rt, and no header includes itself by any way round. Generated headers (wire/api/*.h, base/status.h and their
like) belong to the room in whose folder the build makes them. Files directly in src/ put the rooms together and see all of
them; sim/ and test/ may see everything and are not checked for rooms.
"""
import pathlib
import re
import sys
import tempfile

# The rows of ARCHITECTURE.md: a room and the rooms that it may include besides itself.
ROOMS = {
    "base": "",
    "rt": "base",
    "wire": "base",
    "raft": "base",
    "store": "base rt wire",
    "partition": "base rt wire store",
    "meta": "base wire raft store",
    "coord": "base wire",
    "broker": "base rt wire raft store partition meta coord",
    "net": "base rt wire broker",
    "cli": "base rt wire store meta",
}

# Headers that only compute: everybody may include them. (time.h has struct tm; check_banned.py watches the clocks.)
PURE = set("""assert.h ctype.h errno.h float.h inttypes.h limits.h math.h stdalign.h stdarg.h stdbool.h stddef.h stdint.h stdio.h
stdlib.h string.h strings.h time.h""".split())

# Libraries, and the room that wraps each.
LIBRARIES = {
    "isa-l/crc.h": "base",
    "jemalloc/jemalloc.h": "base",
    "lz4frame.h": "wire",
    "snappy-c.h": "wire",
    "zlib.h": "wire",
    "zstd.h": "wire",
    "librdkafka/rdkafka.h": "cli",
}

# Every other header is the system's and belongs to src/rt. The command line talks to a person, not to the data.
EXCEPTIONS = {
    ("base", "emmintrin.h"): "base/stream.c: stores past the caches",
    (None, "arpa/inet.h"): "inet_pton: an address in numbers, for the exporter",
    (None, "microhttpd.h"): "src/exporter.c wraps it",
    ("cli", "signal.h"): "Ctrl-C ends a consumer cleanly",
    ("cli", "unistd.h"): "isatty: progress only on a terminal",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """The room of a path below src/; None for a file directly in it."""
    return path.split("/")[0] if "/" in path else None


def complaint(path, quote, header):
    """What is wrong with the file `path` (below src/) including `header`; None when nothing is."""
    room = room_of(path)
    if quote == "<":
        if header in PURE or room == "rt" or (room, header) in EXCEPTIONS:
            return None
        if header in LIBRARIES:
            return None if LIBRARIES[header] == room else f"<{header}> is wrapped by src/{LIBRARIES[header]}: call that"
        return f"<{header}>: the world belongs to src/rt; use rt/io.h, rt/fs.h, rt/shard.h (or give it a row in tools/check_rooms.py)"
    other = room_of(header)
    if other is None:
        return f'"{header}": write the path from src/ on, "{room}/{header}"' if room else None
    if other not in ROOMS:
        return f'"{header}": src/ has no room {other}'
    if room is None or other == room:
        return None
    if other not in ROOMS[room].split():
        return f'"{header}": {room} may include {ROOMS[room] or "nothing"}, not {other}'
    if header.endswith("_int.h"):
        return f'"{header}" is internal to {other}'
    return None


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found[1], found[2]


def circles(graph):
    """Each way round of headers that include each other, once: [header, ..., header]."""
    done = set()
    for start in sorted(graph):
        way = []

        def visit(header):
            if header in way:
                yield way[way.index(header):] + [header]
            elif header not in done:
                way.append(header)
                for other in sorted(graph.get(header, ())):
                    yield from visit(other)
                way.pop()
                done.add(header)

        yield from visit(start)


def check(src):
    """Lines of complaint about the tree below `src`."""
    out, graph = [], {}
    for file in sorted(src.rglob("*.[ch]")):
        path = file.relative_to(src).as_posix()
        if room_of(path) is not None and room_of(path) not in ROOMS:
            out.append(f"src/{path}:1: the room {room_of(path)} has no row in tools/check_rooms.py")
            continue
        for number, quote, header in includes(file.read_text(encoding="utf-8")):
            what = complaint(path, quote, header)
            if what:
                out.append(f"src/{path}:{number}: {what}")
            if quote == '"' and path.endswith(".h"):
                graph.setdefault(path, set()).add(header)
    for way in circles(graph):
        out.append(f"src/{way[0]}:1: includes itself: {' -> '.join(way)}")
    return out


def self_test():
    """Each rule is broken once, and said so."""
    cases = [
        ("base/a.c", '#include "rt/io.h"\n', "base may include nothing, not rt"),
        ("coord/a.c", '#include "store/log.h"\n', "coord may include base wire, not store"),
        ("net/a.c", '#include "base/mem.h"\n\n# include  "broker/broker_int.h"\n', "net/a.c:3: \"broker/broker_int.h\" is internal to broker"),
        ("store/a.c", "#include <sys/uio.h>\n", "the world belongs to src/rt"),
        ("broker/a.c", "#include <stdatomic.h>\n", "the world belongs to src/rt"),
        ("broker/a.c", "#include <zstd.h>\n", "wrapped by src/wire"),
        ("wire/a.c", '#include "codec.h"\n', "write the path from src/ on"),
        ("wire/a.c", '#include "sim/sim.h"\n', "no room sim"),
        ("odd/a.c", "", "has no row"),
        ("raft/a.h", '#include "raft/b.h"\n', "includes itself: raft/a.h -> raft/b.h -> raft/a.h"),
        ("broker/a.c", '#include "store/log.h"\n#include <string.h>\n', None),
        ("rt/a.c", "#include <sys/epoll.h>\n#include <pthread.h>\n", None),
        ("cli/a.c", "#include <unistd.h>\n", None),
        ("main.c", '#include "net/net.h"\n#include "node.h"\n', None),
    ]
    for path, text, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            src = pathlib.Path(folder)
            for name, content in (("raft/b.h", '#include "raft/a.h"\n'), (path, text)):
                (src / name).parent.mkdir(parents=True, exist_ok=True)
                (src / name).write_text(content, encoding="utf-8")
            found = check(src)
        if expected is None and found:
            return f"{path}: {text!r} should pass: {found}"
        if expected is not None and not any(expected in line for line in found):
            return f"{path}: {text!r} should say {expected!r}: {found}"
    return None


def main():
    if sys.argv[1:] == ["--self-test"]:
        failed = self_test()
        sys.exit(f"self-test: {failed}" if failed else None)
    if sys.argv[1:]:
        sys.exit(__doc__)
    out = check(pathlib.Path(__file__).resolve().parent.parent / "src")
    print("\n".join(out), end="\n" if out else "")
    sys.exit(1 if out else 0)


if __name__ == "__main__":
    main()
