#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several log directories, beside Kafka 4.3.1.

    test/logdirs/run.py [PATTERN OF CASES]

same-...      Kafka and Barnabas, each with directories a, b and c, tell the same (Dirs.java): where partitions are put, DescribeLogDirs in every version, moves between
              them, what a client hears while b does not work, from the start on or from then on; and all is there when it works again
journey       that of test/kafkafiles, over three directories and a fourth for the metadata
moves         partitions go from directory to directory while three clients produce (those of test/kill9): nothing is lost, also where the broker is
              killed in the midst of it, and Kafka opens what is left
tools         Kafka's own log-dirs and reassign-partitions
refuse-...    what cannot be carried on is refused, and every directory is as it was
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import broker
import suite

kafkafiles, kill9, dump = suite.program("kafkafiles"), suite.program("kill9"), suite.program("dump")

SETTINGS = {"node.id": 1, "num.partitions": 1, "offsets.topic.num.partitions": 1, "log.flush.offset.checkpoint.interval.ms": 500}
KILLS = 12
KILL_AFTER_S = 0.3      # at most, after moves were asked for


def server_of(home, kind, **settings):
    server = broker.KINDS[kind](home / "data", {**SETTINGS, "log.dirs": ",".join(str(home / name) for name in "abc"), **settings})
    server.log = home.with_suffix(".log")
    return server


def home_of(server):
    return server.data.parent


def look(classes, server, *commands):
    """The lines that each command of Dirs.java prints."""
    ran = subprocess.run(broker.java("Dirs", server.address, home_of(server), *commands, classes=classes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         timeout=300)
    if ran.returncode:
        raise RuntimeError(f"Dirs {commands}: {ran.stderr[-2000:]}")
    return [part.splitlines() for part in ran.stdout.split("--\n")[:-1]]


# ---- the same as Kafka ----

def storage_error(line):
    """Of a partition that does not work Kafka says one thing or another, as its threads happen to meet."""
    line = line.replace("REPLICA_NOT_AVAILABLE", "KAFKA_STORAGE_ERROR")
    return line.replace("NOT_LEADER_OR_FOLLOWER", "KAFKA_STORAGE_ERROR") if "offline [1]" in line else line


class Twins:
    """Both kinds; what is done to one is done to the other, and both have to tell the same."""

    def __init__(self, classes, scratch):
        self.classes = classes
        self.servers = [server_of(scratch / kind, kind) for kind in ("kafka", "barnabas")]

    def each(self, function):
        theirs, ours = (function(server) for server in self.servers)
        return theirs, ours

    def same(self, *commands):
        for command, theirs, ours in zip(commands, *self.each(lambda server: look(self.classes, server, *commands))):
            if not command.startswith("watch="):    # what is seen on the way there is a matter of time
                suite.check(ours, [storage_error(line) for line in theirs], command)

    def start(self):
        self.each(lambda server: server.start())

    def stop(self):
        self.each(lambda server: server.stop())

    def kill(self):
        self.each(lambda server: server.kill())


def same_layout(twins):
    twins.start()
    twins.same("fill", "describe", "ask", "find")


def same_moves(twins):
    twins.same("bad-moves", "describe", "move=plain-1-0:/c", "watch=plain-1-0:/c", "move=plain-1-0:/c", "move=wide-2:/a", "watch=wide-2:/a", "move=__consumer_offsets-0:/c", "watch=__consumer_offsets-0:/c",
               "describe", "ask", "move=__consumer_offsets-0:/b", "watch=__consumer_offsets-0:/b")
    for told in twins.each(lambda server: look(twins.classes, server, "throttle=40000000", "move=big-0:/c", "watch=big-0:/c")):
        suite.check((told[1], told[2][0], told[2][-1]), (["[big-0 NONE]"], "[/b, /c future]", "[/c]"), f"a future replica: {told}")
    twins.same("describe", "ask")


def same_cordoned(twins):
    twins.same("cordon=/nowhere", "cordon=/a,/a", "cordon=/a", "create=elsewhere:2", "describe", "move=plain-4-0:/a", "move=plain-0-0:/a", "cordon=/a,/b,/c", "refused=nowhere",
               "grow=wide:8", "describe", "cordon=*", "describe", "cordon=", "create=anywhere:1", "describe")


def away(server):
    """b is somebody's file."""
    home = home_of(server)
    (home / "b").rename(home / "b-away")
    (home / "b").write_text("not a directory\n")


def back(server):
    home = home_of(server)
    (home / "b").unlink()
    (home / "b-away").rename(home / "b")


def same_without_b(twins):
    twins.stop()
    twins.each(away)
    twins.start()
    twins.same("describe", "ask", "find", "move=plain-0-0:/b", "move=plain-4-0:/a", "describe")


def same_with_b_again(twins):
    twins.stop()
    twins.each(back)
    twins.start()
    twins.same("describe", "ask", "find")


def same_with_unreadable_b(twins):
    """What cannot be read of a directory makes it one that does not work."""
    def spoil(server):
        path = home_of(server) / "b/meta.properties"
        path.rename(path.with_name("away"))
        path.mkdir()

    def mend(server):
        path = home_of(server) / "b/meta.properties"
        path.rmdir()
        path.with_name("away").rename(path)

    twins.stop()
    twins.each(spoil)
    twins.start()
    twins.same("describe", "ask")
    twins.stop()
    twins.each(mend)
    twins.start()
    twins.same("describe", "ask")


def same_when_b_goes(twins):
    """While they run. Both find out when they next look for a file of it; what they acknowledged until then is there when it is back."""
    told = {server: {} for server in twins.servers}     # the last offset that was acknowledged, by partition

    def ask(server):
        lines = look(twins.classes, server, "ask")[0]
        for name, offset in (match.groups() for match in (re.match(r"(\S+): .*; produce NONE (\d+);", line) for line in lines) if match):
            told[server][name] = int(offset)
        return lines

    def offline(lines):
        return {line.split(":")[0] for line in lines if "offline [1]" in line}

    described = look(twins.classes, twins.servers[0], "describe")[0]
    in_b = {line.split()[4] for line in described if re.match(r"v5 all NONE: /b \S+ size", line)}
    twins.each(away)
    for server in twins.servers:
        broker.until(lambda: offline(ask(server)) == in_b, f"{in_b} are known to be gone")
    theirs, ours = ([re.sub(r" \d+", " N", storage_error(line)) for line in ask(server)] for server in twins.servers)
    suite.check(ours, theirs, "ask")
    twins.same("find", "move=plain-0-0:/b", "move=plain-4-0:/a")
    twins.servers[0].kill()
    twins.servers[1].stop()
    twins.each(back)
    twins.start()
    for server in twins.servers:
        before = dict(told[server])
        suite.check(offline(ask(server)), set(), "offline partitions")
        lost = {name: (offset, told[server][name]) for name, offset in before.items() if told[server][name] <= offset}
        suite.check(lost, {}, "partitions that lost what they had acknowledged")


def same_at_last(twins):
    """And Kafka goes on with what we made of ours."""
    twins.stop()
    ours = twins.servers[1]
    dump.dump(home_of(ours))
    with server_of(home_of(ours), "kafka") as kafka:
        asked, described = look(twins.classes, kafka, "ask", "describe")
    suite.check([line for line in asked if "offline []" not in line], [], "Kafka on our directories")
    with ours:
        suite.check(look(twins.classes, ours, "describe")[0], described, "after Kafka")


# ---- moves under load ----

class Load:
    """A broker with three directories, and three clients that go on whatever happens."""

    def __init__(self, classes, scratch, chance):
        self.chance = chance
        self.classes = classes
        self.server = server_of(scratch / "moves", "barnabas", **{"log.segment.bytes": 1 << 20})
        self.history = kill9.History(scratch / "history.txt")
        self.server.start()
        self.clients = [kill9.Client(kind, number, self.server.address, chance.randrange(1 << 32), classes, self.history)
                        for number, kind in enumerate(("librdkafka", "java", "kafka-python"))]
        self.go_on()

    def go_on(self):
        counts = [client.acknowledged for client in self.clients]
        for client, count in zip(self.clients, counts):
            client.await_more_than(count + 20)

    def folders(self):
        return [f"{client.topic}-0" for client in self.clients]

    def places(self):
        """Which directories have a folder of each partition, by its whole name."""
        names = sorted(path.name for path in home_of(self.server).glob("[abc]/*-0*"))
        return {folder: [name for name in names if name.startswith(folder)] for folder in self.folders()}

    def end(self):
        for client in self.clients:
            client.finish()
            client.check(client.read_to, "follows")
        self.history.judge("--so-far")
        failed = re.findall(r"log directory offline.*|partition does not move.*", self.server.log.read_text())
        suite.check(failed, [], "what failed, without a failing disk")
        self.server.restart()
        for client in self.clients:
            client.check(0)
        self.server.stop()
        suite.check(self.places(), {folder: [folder] for folder in self.folders()}, "folders")
        dump.dump(home_of(self.server))
        with server_of(home_of(self.server), "kafka") as kafka:
            for client in self.clients:
                client.address = kafka.address
                client.check(0, "last")
        print(self.history.judge(), flush=True)

    def give_up(self):
        self.server.kill()
        for client in self.clients:
            client.process.kill()


def moves_under_load(load):
    for directory in "abcacb":
        moved = [f"{what}={folder}:/{directory}" for folder in load.folders() for what in ("move", "watch")]
        errors = look(load.classes, load.server, *moved)[::2]
        suite.check(errors, [[f"[{folder} NONE]"] for folder in load.folders()], "moves")
        load.go_on()
    for client in load.clients:
        client.check(client.read_to, "follows")
    load.history.judge("--so-far", more="".join(client.under_way() for client in load.clients))


def moves_and_kills(load):
    for number in range(KILLS):
        places = {folder: load.chance.choice("abc") for folder in load.folders()}
        look(load.classes, load.server, *(f"move={folder}:/{directory}" for folder, directory in places.items()))
        time.sleep(load.chance.random() * KILL_AFTER_S)      # the random moment: nothing waits for it
        load.server.kill()
        load.server.start()
        for client in load.clients:
            client.check(client.read_to, "follows")
        load.history.judge("--so-far", more="".join(client.under_way() for client in load.clients))
        load.go_on()


def under_load(classes, scratch):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    load = Load(classes, scratch, random.Random(seed))
    try:
        for name, case in (("moves-under-load", moves_under_load), ("moves-and-kills", moves_and_kills), ("moves-all-is-there", Load.end)):
            if not suite.run_case(name, case, load):
                break  # its clients are behind
    finally:
        load.give_up()


# ---- Kafka's tools ----

REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"


def tool(server, name, *arguments):
    ran = subprocess.run(broker.java(name, "--bootstrap-server", server.address, *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=broker.DEADLINE_S)
    suite.check(ran.returncode, 0, f"{name}: {ran.stdout[-1000:]}")
    return [line for line in ran.stdout.splitlines() if line and not line.startswith("SLF4J")]


def tools(classes, scratch):
    """What log-dirs and reassign-partitions print, of both kinds."""
    def told(server):
        home = home_of(server)
        plan = home.with_suffix(".json")
        plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": "plain-1", "partition": 0, "replicas": [1], "log_dirs": [str(home / "c")]},
                                                                 {"topic": "wide", "partition": 3, "replicas": [1], "log_dirs": [str(home / "a")]}]}))
        with server:
            look(classes, server, "fill")
            lines = tool(server, REASSIGN, "--execute", "--reassignment-json-file", plan)
            look(classes, server, "watch=plain-1-0:/c", "watch=wide-3:/a")
            lines += tool(server, REASSIGN, "--verify", "--reassignment-json-file", plan)
            lines += tool(server, REASSIGN, "--list")
            listed = tool(server, "org.apache.kafka.tools.LogDirsCommand", "--describe")
        found = json.loads(next(line for line in listed if line.startswith("{")))
        for directory in found["brokers"][0]["logDirs"]:
            directory["partitions"].sort(key=lambda one: one["partition"])
            lines.append(json.dumps(directory))
        return sorted(line.replace(str(home), "") for line in lines)

    theirs, ours = (told(server_of(scratch / f"tools-{kind}", kind)) for kind in ("kafka", "barnabas"))
    suite.check(ours, theirs, "what tools print")


# ---- refusals ----

def meta(home, name):
    return home / name / "meta.properties"


def another_cluster(home):
    kafkafiles.forge.replace(meta(home, "b"), "cluster.id=.*", "cluster.id=AAAAAAAAAAAAAAAAAAAAZZ")


def another_node(home):
    kafkafiles.forge.replace(meta(home, "c"), "node.id=1", "node.id=2")


def same_directory_id(home):
    meta(home, "b").write_text(meta(home, "c").read_text())


def same_partition(home):
    """And in none of them the metadata has it."""
    shutil.copytree(home / "a/plain-3-0", home / "b/plain-3-0")
    (home / "a/plain-3-0").rename(home / "c/plain-3-0")


def unformatted(home):
    meta(home, "b").unlink()


def metadata_is_a_file(home):
    shutil.rmtree(home / "a")
    (home / "a").write_text("not a directory\n")


def nothing(home):
    pass


# What is done, how the directories are named, what is said.
REFUSED = [
    ("another-cluster", another_cluster, "abc", "belongs to cluster"),
    ("another-node", another_node, "abc", "belongs to node 2"),
    ("same-directory-id", same_directory_id, "abc", "have the same directory.id"),
    ("same-partition", same_partition, "abc", "plain-3-0 is in both"),
    ("unformatted", unformatted, "abc", "has partitions but no meta.properties"),
    ("metadata-is-a-file", metadata_is_a_file, "abc", "Not a directory"),
    ("directory-twice", nothing, "abcb", "twice"),
]


def refuse(scratch, whole, name, change, names, word):
    home = shutil.copytree(whole, scratch / name)
    change(home)
    before = kafkafiles.content(home)
    server = server_of(home, "barnabas", **{"log.dirs": ",".join(str(home / one) for one in names)})
    try:
        server.start()
    except RuntimeError as error:
        said = str(error)
    else:
        server.kill()
        raise AssertionError("it was opened")
    if word not in said:
        raise AssertionError(f"not {word!r}: {said[-800:]}")
    suite.check(kafkafiles.content(home), before, "the directories")


def refusals(arguments, classes, scratch):
    chosen = [case for case in REFUSED if arguments.chosen(f"refuse-{case[0]}")]
    if chosen:
        with server_of(scratch / "whole", "barnabas") as server:
            look(classes, server, "fill")
    for case in chosen:
        suite.run_case(f"refuse-{case[0]}", refuse, scratch, scratch / "whole", *case)


def metadata_goes(classes, scratch):
    """The broker ends when the directory of the metadata's log does not work any more, and says why."""
    with_metadata = server_of(scratch / "metadata-goes", "barnabas", **{"metadata.log.dir": str(scratch / "metadata-goes/m")})
    home = home_of(with_metadata)
    with_metadata.start()
    try:
        look(classes, with_metadata, "fill")
        (home / "m").rename(home / "m-away")
        (home / "m").write_text("not a directory\n")
        broker.until(lambda: with_metadata.process.poll() is not None, "the broker's end")
        suite.check(with_metadata.process.returncode, 1, "exit status")
        if str(home / "m") not in with_metadata.log_tail():
            raise AssertionError(with_metadata.log_tail())
    finally:
        with_metadata.kill()


def main():
    arguments = suite.arguments(__doc__.splitlines()[0])
    scratch = broker.scratch("logdirs")
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", f"{broker.DEPS}/kafka/libs/*", HERE.parent / "differential/Connection.java", HERE.parent / "kill9/JavaProducer.java",
                        HERE / "Dirs.java"], check=True, stderr=subprocess.DEVNULL)
        refusals(arguments, classes, scratch)
        if arguments.chosen("metadata-goes"):
            suite.run_case("metadata-goes", metadata_goes, classes, scratch)
        if arguments.chosen("same-*"):
            same(Twins(classes, scratch))
        if arguments.chosen("tools"):
            suite.run_case("tools", tools, classes, scratch)
        if arguments.chosen("moves"):
            under_load(classes, scratch)
    if arguments.chosen("journey"):
        home = scratch / "journey"
        kafkafiles.journey(home, {"log.dirs": f"{home}/data/a,{home}/data/b,{home}/data/c", "metadata.log.dir": f"{home}/data/m"}, "m")
    suite.finish()


def same(twins):
    try:
        for case in (same_layout, same_moves, same_cordoned, same_without_b, same_with_b_again, same_with_unreadable_b, same_when_b_goes, same_at_last):
            if not suite.run_case(case.__name__.replace("_", "-"), case, twins):
                break  # the next one needs what this one leaves
    finally:
        twins.kill()


if __name__ == "__main__":
    main()
