#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what no file may say and what no room may call: check_banned.py [BUILD_DIR | --self-test]

Text: every source file opens with its licence (an SPDX line); no notes to self; and outside src/rt no call by name of the system, a
clock, a random source, a thread or the allocator.

Objects, when a build directory is given: what a room's library wants from outside the project (nm) must be in the table below. So also
what a macro or a builtin calls is seen, and a function that nobody thought of is refused until somebody gives it a row.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ["base", "rt", "wire", "raft", "store", "partition", "meta", "coord", "broker", "net", "cli"]

# --- what may be called -------------------------------------------------------------------------------------------------------------

# Pure functions of libc: bytes in, bytes out.
PURE = r"""bcmp | mem(chr|cmp|cpy|mem|move|rchr|set) | str(chr|cmp|coll|cspn|error|error_r|len|ncasecmp|casecmp|ncmp|nlen|pbrk|rchr|spn|str|chrnul)
    | strto(d|l|ll|ul|ull|imax|umax) | v?snprintf | qsort | qsort_r | bsearch | abs | labs | pow | log | log2 | exp | floor | ceil | sqrt | fmod | round
    | lround | llround | __ctype_b_loc | __ctype_(tolower|toupper)_loc | tolower | toupper | __errno_location | __isoc99_sscanf | gmtime_r | timegm"""

# What compilers, hardening and sanitizers add.
COMPILER = r"""_GLOBAL_OFFSET_TABLE_ | __tls_get_addr | __stack_chk_fail | __\w+_chk | __(pop|clz|ctz)count\w* | __popcountdi2
    | __(asan|ubsan|tsan|lsan|msan|sanitizer|gcov|sancov|llvm)_\w+ | __sancov_\w+ | __start___\w+ | __stop___\w+ | __(u?div|u?mod)ti\d | __mul\w\wi4 | __muloti4"""

# A room's own, besides: the library that it wraps, and exceptions with their reason.
ROOM = {
    "base": r"crc32_iscsi | crc32_gzip_refl | abort | fprintf | fwrite | stderr",  # a failed assertion prints and aborts
    "wire": r"LZ4F_\w+ | LZ4_\w+ | ZSTD_\w+ | snappy_\w+ | (inflate|deflate)\w* | compressBound | crc32",
    # A command talks to a person: standard streams and named files, Ctrl-C, whether there is a terminal.
    "cli": r"""rd_kafka_\w+ | std(in|out|err) | f(close|eof|error|flush|open64|open|printf|putc|puts|read|write|gets|ileno) | getline | getc
        | __uflow | __overflow | v?fprintf | v?printf | putc | putchar | puts | sigaction | sigemptyset | isatty | exit""",
}

# The one file that may call the allocator.
ALLOCATOR = r"malloc | malloc_usable_size | mallctl | calloc | realloc | free"
ALLOCATOR_OBJECT = ("base", "mem.c")

# Nobody calls these, not even src/rt (base/banned.h refuses most of them when they are compiled).
NEVER = r"""strcpy | strcat | strncpy | strncat | v?sprintf | strtok | gets | atoi | atol | atoll | atof | gmtime | localtime | asctime | ctime | mktime
    | rand | srand | random | srandom | drand48 | system | popen | fork | vfork | exec\w+ | getenv | setenv | putenv | setlocale
    | sleep | usleep | nanosleep | alloca | strdup | strndup | v?asprintf | setjmp | _setjmp | longjmp | tmpnam | mktemp"""

# Names that give a call of the world away in the text outside src/rt (the objects tell the rest).
WORLD = r"""time | clock | clock_gettime | gettimeofday | getrandom | getentropy | arc4random\w* | pthread_\w+ | thrd_\w+ | mtx_\w+ | epoll_\w+
    | eventfd | timerfd_\w+ | signalfd | socket | accept4? | recv(from|msg)? | send(to|msg|file) | mmap | munmap | ioctl | fcntl | open(at)?
    | pread\w* | pwrite\w* | fsync | fdatasync | ftruncate | unlink | rmdir | opendir | readdir | closedir | getpid | gethostname | atomic_\w+"""


def names(*tables):
    """A pattern that matches one whole name of the tables."""
    return re.compile("(?:" + "|".join(f"(?:{''.join(table.split())})" for table in tables) + r")\Z")


def allowed(room, source):
    tables = [PURE, COMPILER, ROOM[room]] if room in ROOM else [PURE, COMPILER]
    if (room, source) == ALLOCATOR_OBJECT:
        tables.append(ALLOCATOR)
    return names(*tables)


# --- the text -----------------------------------------------------------------------------------------------------------------------

SOURCE = {".c", ".h", ".py", ".sh", ".java", ".go", ".js"}
NOTE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")
NO_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
DECLARATION = re.compile(r"^\s*(static|extern|inline|const|void|bool|int|unsigned|size_t|struct|enum|u?int\d+_t|char)\b[^=(]*$")


def code_of(text):
    """C text with comments and literals blanked, lines kept."""
    return NO_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def calls(text):
    """(line, name) of what is called in C text, but for what the text declares itself (the objects tell whose it is)."""
    found = [(number, line[:call.start()], call[1])
             for number, line in enumerate(code_of(text).splitlines(), 1) for call in CALL.finditer(line)]
    declared = {name for _, before, name in found if DECLARATION.match(before)}
    return [(number, name) for number, _, name in found if name not in declared]


def check_calls(path, text):
    """Complaints about the calls in a C file; `path` from the root on."""
    parts = path.split("/")
    room = parts[1] if parts[0] == "src" and len(parts) > 2 else None
    if parts[0] != "src":
        return []
    refused = [NEVER] + ([] if room == "rt" else [WORLD])
    if (room, parts[-1]) != ALLOCATOR_OBJECT:
        refused.append(ALLOCATOR)
    pattern = names(*refused)
    mine = allowed(room, parts[-1]) if room else names(PURE)
    return [f"{path}:{line}: {name}() is not for this room (see tools/check_banned.py)" for line, name in calls(text)
            if pattern.match(name) and (not mine.match(name) or names(NEVER).match(name))]


def check_text(path, text):
    out = []
    head = text.splitlines()[:2]
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in head):
        out.append(f"{path}:1: no SPDX line")
    for number, line in enumerate(text.splitlines(), 1):
        note = NOTE.search(line)
        if note:
            out.append(f"{path}:{number}: {note[0]}: do it, or open an issue")
    if path.endswith((".c", ".h")):
        out += check_calls(path, text)
    return out


def sources(root):
    """Files under version control, or new and not ignored."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            check=True, capture_output=True, text=True).stdout
    for path in sorted(filter(None, listed.split("\0"))):
        if (pathlib.Path(path).suffix in SOURCE or path.startswith("script/")) and (root / path).is_file():
            yield path


# --- the objects --------------------------------------------------------------------------------------------------------------------

def symbols(library):
    """(object's source, kind, symbol) of an archive; kind U: wanted."""
    listed = subprocess.run(["nm", "-A", "-g", "--format=posix", library], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        where, *words = line.split()
        member = re.search(r"\[(.*)\]:?$", where)
        if member and len(words) >= 2:
            yield pathlib.PurePath(member[1]).name.removesuffix(".o"), words[1], words[0]


def place(root, room, source, symbol):
    """file:line of a call of the symbol, as near as the text tells."""
    path = root / "src" / room / source
    if path.is_file():
        for number, name in calls(path.read_text(encoding="utf-8")):
            if name == re.sub("64$", "", symbol):
                return f"src/{room}/{source}:{number}"
    return f"src/{room}/{source}:1"


def check_objects(root, libraries):
    """`libraries`: (room, archive). What is wanted and defined by none of them must be allowed."""
    wanted, defined, out = [], set(), []
    for room, library in libraries:
        for source, kind, symbol in symbols(library):
            if kind in "Uwv":
                wanted.append((room, source, symbol))
            else:
                defined.add(symbol)
    never = names(NEVER)
    for room, source, symbol in sorted(set(wanted)):
        if symbol in defined:
            continue
        if never.match(symbol) or (room != "rt" and not allowed(room, source).match(symbol)) or (
                room == "rt" and names(ALLOCATOR).match(symbol)):
            out.append(f"{place(root, room, source, symbol)}: calls {symbol}, which {room} may not (see tools/check_banned.py)")
    return out


def libraries_of(build):
    return [(room, library) for room in ROOMS for library in sorted(build.glob(f"src/{room}/*.a"))]


# --- running ------------------------------------------------------------------------------------------------------------------------

def self_test_objects():
    """A room that calls the world, the allocator and a pure function; seen through nm."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        text = ("#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\nvoid *f(const char *);\n"
                "void *f(const char *s)\n{\n    if (strlen(s) > 3)\n        (void)getpid();\n    return malloc(strlen(s));\n}\n")
        (root / "src/store").mkdir(parents=True)
        (root / "src/store/a.c").write_text(text, encoding="utf-8")
        for room in ("store", "rt"):
            subprocess.run(["cc", "-O1", "-c", "-o", root / "a.c.o", root / "src/store/a.c"], check=True)
            subprocess.run(["ar", "rcsD", root / f"{room}.a", root / "a.c.o"], check=True)
        store = check_objects(root, [("store", root / "store.a")])
        rt = check_objects(root, [("rt", root / "rt.a")])
    if [line.split(",")[0] for line in store] != ["src/store/a.c:8: calls getpid", "src/store/a.c:9: calls malloc"]:
        return f"objects of store: {store}"
    if len(rt) != 1 or "calls malloc" not in rt[0]:
        return f"objects of rt: {rt}"
    return None


def self_test():
    spdx = "/* SPDX-License-Identifier: Apache-2.0 */\n"
    note = "TO" + "DO"
    cases = [
        ("src/store/a.c", "int x;\n", "a.c:1: no SPDX line"),
        ("src/store/a.c", f"{spdx}/* {note} later */\n", f"a.c:2: {note}"),
        ("src/store/a.c", f"{spdx}x = time(NULL);\n", "a.c:2: time()"),
        ("src/store/a.c", f"{spdx}p = malloc(3);\n", "a.c:2: malloc()"),
        ("src/rt/a.c", f"{spdx}p = malloc(3);\n", "a.c:2: malloc()"),
        ("src/rt/a.c", f"{spdx}sleep(1);\n", "a.c:2: sleep()"),
        ("src/cli/a.c", f"{spdx}n = atoi(s);\n", "a.c:2: atoi()"),
        ("src/main.c", f"{spdx}fd = open(p, 0);\n", "main.c:2: open()"),
        ("src/broker/a.c", f"{spdx}atomic_load(&x);\n", "a.c:2: atomic_load()"),
        ("src/rt/a.c", f"{spdx}fd = open(p, 0); atomic_load(&x);\n", None),
        ("src/base/mem.c", f"{spdx}p = malloc(3);\n", None),
        ("src/store/a.c", f'{spdx}/* time(NULL) */ f("open(x)"); log->open(x); s.time(1); log_open(3);\n', None),
        ("src/store/a.c", f"{spdx}static void free(struct x *x)\n", None),
        ("src/wire/a.c", f"{spdx}n = inflate(&z, 0);\n", None),
    ]
    for path, text, expected in cases:
        found = check_text(path, text)
        if (expected is None) != (not found) or (expected and not any(expected in line for line in found)):
            return f"{path}: {text!r} should say {expected!r}: {found}"
    return self_test_objects()


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        failed = self_test()
        sys.exit(f"self-test: {failed}" if failed else None)
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        sys.exit(__doc__)
    out = []
    for path in sources(ROOT):
        out += check_text(path, (ROOT / path).read_text(encoding="utf-8"))
    if arguments:
        libraries = libraries_of(pathlib.Path(arguments[0]))
        if not libraries:
            sys.exit(f"{arguments[0]}: no libraries of rooms there: build first")
        out += check_objects(ROOT, libraries)
    print("\n".join(out), end="\n" if out else "")
    sys.exit(1 if out else 0)


if __name__ == "__main__":
    main()
