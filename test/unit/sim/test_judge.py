# SPDX-License-Identifier: Apache-2.0
"""The judge (sim/judge.c): a doctored history for each of its rules, faultless ones, and lines that are none. test_judge.py JUDGE"""
import subprocess
import sys

SEND = "send process=1 partition=0 begun=10 ended=20 ok value=0 count=3 offset=0 once\n"
READ = "poll process=9 partition=0 begun=90 ended=99 ok offset=0 high=3 start=0 last 0+3:0\n"
KEYED = "compacted partition=0\nsend process=1 partition=0 begun=10 ended=20 ok value=2 count=2 offset=0 once\n"
KEYED_READ = "poll process=9 partition=0 begun=90 ended=99 ok offset=0 high=2 start=0 next=2 last "
KEYED_TOMBSTONE = "compacted partition=0\nsend process=1 partition=0 begun=10 ended=20 ok value=15 count=1 offset=0 once\n" \
    "send process=1 partition=0 begun=11 ended=21 ok value=38 count=1 offset=1 once\n"  # 38 is a tombstone of 15's key
GONE = "poll process=8 partition=0 begun=50 ended=60 ok offset=1 high=2 start=0 next=2\n"
AT_END = "poll process=9 partition=0 begun=90 ended=99 ok offset=0 high=0 start=0 last\n"


def group(kind, begun, more, process=1):
    return f"{kind} process={process} partition=0 begun={begun} ended={begun + 5} ok group=1 {more}\n"


# What is wrong (nothing, one rule, or several), and the history.
CASES = [
    ("", SEND + READ),
    ("", "# nobody knows of the second, and it is there\n" + SEND + "send process=1 partition=0 begun=30 open value=3 count=1 once\n" + READ.replace("high=3", "high=4").replace("0+3:0", "0+3:0 3:3")),
    ("", SEND + READ.replace("0+3:0", "0:0") + "more 1:1\nmore 2:2\n"),
    ("", "dropped partition=0\n" + SEND),
    ("", SEND + "send process=1 partition=0 begun=30 ended=40 ok value=3 count=20000000 offset=3 once\n" + READ.replace("high=3", "high=20000003").replace("0+3", "0+20000003")),
    ("inconsistent-offsets", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=0 high=3 start=0 0:0 1:70 2:2\nsend process=2 partition=0 begun=11 open value=70 count=1\n" + READ),
    ("duplicate", SEND + READ.replace("high=3", "high=4").replace("0+3:0", "0+3:0 3:2")),
    ("reordered", SEND + "send process=1 partition=0 begun=30 open value=3 count=1 once\n" + "send process=1 partition=0 begun=31 open value=4 count=1 once\n"
     + READ.replace("high=3", "high=5").replace("0+3:0", "0+3:0 3:4 4:3")),
    ("int-nonmonotonic-send", "send process=1 partition=0 begun=10 open value=0 count=2 once\n" + READ.replace("high=3", "high=2").replace("0+3:0", "0:1 1:0")),
    ("nonmonotonic-send", "send process=1 partition=0 begun=10 ended=20 ok value=0 count=1 offset=1\nsend process=1 partition=0 begun=30 ended=40 ok value=1 count=1 offset=0\n"
     + READ.replace("high=3", "high=2").replace("0+3:0", "0:1 1:0")),
    ("phantom", SEND + READ.replace("high=3", "high=4").replace("0+3:0", "0+4:0")),
    ("G1a", SEND + "send process=1 partition=0 begun=30 ended=31 refused value=3 count=1 once\n" + READ.replace("high=3", "high=4").replace("0+3:0", "0+4:0")),
    ("lost-write int-poll-skip", "send process=2 partition=0 begun=30 ended=31 ok value=70 count=1 offset=3\n" + SEND + READ.replace("high=3", "high=5").replace("0+3:0", "0+3:0 4:71")
     + "send process=2 partition=0 begun=30 open value=71 count=1\n"),
    ("unseen high-watermark", SEND + "send process=2 partition=0 begun=30 ended=31 ok value=70 count=1 offset=3\n" + READ),
    ("unread", SEND + READ.replace("high=3", "high=4")),
    ("unread", SEND + READ.replace(" last", "")),
    ("poll-skip", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=0 high=3 start=0 1+2:1\n" + READ),
    ("poll-skip", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=0 high=3 start=0 0:0\npoll process=8 partition=0 begun=50 ended=60 ok offset=2 high=3 start=0 follows 2:2\n" + READ),
    ("int-poll-skip", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=0 high=3 start=0 0:0 2:2\n" + READ),
    ("nonmonotonic-poll", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=2 high=3 start=0 1+2:1\n" + READ),
    ("int-nonmonotonic-poll", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=0 high=3 start=0 0+2:0 0+3:0\n" + READ),
    ("beyond-high-watermark", SEND.replace("ended=20 ok", "open").replace(" offset=0", "") + "poll process=8 partition=0 begun=30 ended=40 ok offset=0 high=2 start=0 0+3:0\n" + READ),
    ("high-watermark", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=0 high=2 start=0\n" + READ),
    ("", SEND.replace("once", "timestamp=100") + "find process=8 partition=0 begun=30 ended=40 ok timestamp=102 offset=2 found=102\n" + READ),
    ("time-lookup", SEND.replace("once", "timestamp=100") + "find process=8 partition=0 begun=30 ended=40 ok timestamp=101 offset=2 found=102\n" + READ),
    ("start-offset", SEND + "poll process=8 partition=0 begun=30 ended=40 ok offset=2 high=3 start=2 2:2\n" + READ),
    ("", SEND + "delete process=7 partition=0 begun=25 open offset=2\npoll process=8 partition=0 begun=30 ended=40 ok offset=2 high=3 start=2 2:2\n" + READ),
    ("", KEYED + "# 2 and 3 are of one key\n" + KEYED_READ + "1:3\n"),
    ("", KEYED + KEYED_READ + "0+2:2\n"),
    ("key-lost", KEYED + KEYED_READ + "0:2\n"),
    ("key-lost", KEYED + KEYED_READ + "\n"),
    ("unseen high-watermark", KEYED + KEYED_READ.replace("next=2", "next=1").replace("high=2", "high=1") + "0:2\n"),
    ("unread", KEYED + KEYED_READ.replace("last", "") + "0+2:2\n"),
    ("", KEYED_TOMBSTONE + GONE + KEYED_READ + "\n"),
    ("key-back", KEYED_TOMBSTONE + GONE + KEYED_READ + "0:15\n"),
    ("commit-lost", group("commit", 10, "generation=1 offset=5") + group("commit", 20, "generation=1 offset=6") + group("committed", 30, "offset=5") + AT_END),
    ("commit-lost", group("commit", 10, "generation=1 offset=5") + group("forget", 20, "whole") + group("committed", 30, "offset=5") + AT_END),
    ("commit-phantom", group("committed", 30, "offset=5") + AT_END),
    ("two-owners", group("own", 10, "generation=1") + group("own", 20, "generation=1", 2) + AT_END),
    ("stale-generation", group("own", 10, "generation=2") + group("commit", 20, "generation=1 offset=5") + AT_END),
]

# What is said of lines that are none.
NONE = [
    ("no kind of operation: sent", "sent process=1\n"),
    ("send without count=", SEND.replace("count=3", "")),
    ("send without offset=", SEND.replace("offset=0", "")),
    ("send without ok, refused or open", SEND.replace(" ok", "")),
    ("no such number: count=0", SEND.replace("count=3", "count=0")),
    ("no such number: begun=99999999999999999999", SEND.replace("begun=10", "begun=99999999999999999999")),
    ("no such number: partition=4096", SEND.replace("partition=0", "partition=4096")),
    ("twice: value=0", SEND.replace("value=0", "value=0 value=0")),
    ("ended=10 is not after begun=10", SEND.replace("ended=20", "ended=10")),
    ("unknown word: 0+3:0", SEND.replace("once", "0+3:0")),
    ("neither a word nor a record (OFFSET+COUNT:VALUE): 0+0:1", READ.replace("0+3:0", "0+0:1")),
    ("`more` comes after a poll", SEND + "more 0:0\n"),
    ("not partition=N: 3", "dropped 3\n"),
    ("the line does not end", "# no end"),
    ("the line is too long: use `more`", READ.replace("0+3:0", "0:0 " * 20000)),
]


def run(judge, text):
    return subprocess.run([judge, "-"], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def main():
    judge = sys.argv[1]
    rules = subprocess.run([judge, "--rules"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    for wanted, text in CASES:
        ran = run(judge, text)
        found = " ".join(dict.fromkeys(line.split("rule=")[1].split()[0] for line in ran.stdout.splitlines() if "rule=" in line))
        assert (found, ran.returncode) == (wanted, 1 if wanted else 0), f"wanted {wanted!r}, got {ran}\n{text}"
    for wanted, text in NONE:
        ran = run(judge, text)
        assert wanted in ran.stderr and ran.returncode == 2, f"wanted {wanted!r}, got {ran}"
    shown = {rule for wanted, _ in CASES for rule in wanted.split()}
    for line in rules:
        assert line.split()[0] in shown or "waits for" in line, f"no history breaks it: {line}"


main()
