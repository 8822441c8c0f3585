/* SPDX-License-Identifier: Apache-2.0
 * What is seen of a broker's log directories from outside, in lines that two brokers which hold the same print the same.
 *
 *   Dirs ADDRESS HOME COMMAND...    what they print, each behind it a line `--`; of paths what follows HOME
 *
 *   fill            topics plain-0 to plain-9 of one partition, one made after the other, with as many records as their number tells, wide, of six, and big; a group's
 *   describe        DescribeLogDirs in every version: of all partitions, of some, of none, of what is not there
 *   ask             of each partition how requests are answered: an error's name, or an offset; what Metadata says of it
 *   find            whether a group's coordinator is found
 *   move=T-P:DIR    AlterReplicaLogDirs: its error
 *   watch=T-P:DIR   where it is, as often as that changes, until it is there and nowhere else
 *   throttle=N      bytes a second that moves may copy
 *   cordon=DIR,...  nothing new is put there; * is all, and nothing is none: an error, or NONE when it is so
 *   create=T:N      a topic; grow=T:N: its partitions
 *   refused=T       the error of making it, as soon as there is one
 *   bad-moves       the same, in every version, of what cannot be
 */
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.message.AlterReplicaLogDirsRequestData;
import org.apache.kafka.common.message.AlterReplicaLogDirsRequestData.AlterReplicaLogDir;
import org.apache.kafka.common.message.AlterReplicaLogDirsRequestData.AlterReplicaLogDirCollection;
import org.apache.kafka.common.message.AlterReplicaLogDirsRequestData.AlterReplicaLogDirTopic;
import org.apache.kafka.common.message.AlterReplicaLogDirsRequestData.AlterReplicaLogDirTopicCollection;
import org.apache.kafka.common.message.AlterReplicaLogDirsResponseData;
import org.apache.kafka.common.message.DeleteRecordsRequestData;
import org.apache.kafka.common.message.DeleteRecordsRequestData.DeleteRecordsPartition;
import org.apache.kafka.common.message.DeleteRecordsRequestData.DeleteRecordsTopic;
import org.apache.kafka.common.message.DeleteRecordsResponseData;
import org.apache.kafka.common.message.DescribeLogDirsRequestData;
import org.apache.kafka.common.message.DescribeLogDirsRequestData.DescribableLogDirTopic;
import org.apache.kafka.common.message.DescribeLogDirsRequestData.DescribableLogDirTopicCollection;
import org.apache.kafka.common.message.DescribeLogDirsResponseData;
import org.apache.kafka.common.message.DescribeProducersRequestData;
import org.apache.kafka.common.message.DescribeProducersRequestData.TopicRequest;
import org.apache.kafka.common.message.DescribeProducersResponseData;
import org.apache.kafka.common.message.FetchRequestData;
import org.apache.kafka.common.message.FetchRequestData.FetchPartition;
import org.apache.kafka.common.message.FetchRequestData.FetchTopic;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.FindCoordinatorRequestData;
import org.apache.kafka.common.message.FindCoordinatorResponseData;
import org.apache.kafka.common.message.ListOffsetsRequestData;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsPartition;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsTopic;
import org.apache.kafka.common.message.ListOffsetsResponseData;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.message.MetadataResponseData;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData.OffsetForLeaderPartition;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData.OffsetForLeaderTopic;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData.OffsetForLeaderTopicCollection;
import org.apache.kafka.common.message.OffsetForLeaderEpochResponseData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.ProduceRequestData.PartitionProduceData;
import org.apache.kafka.common.message.ProduceRequestData.TopicProduceData;
import org.apache.kafka.common.message.ProduceRequestData.TopicProduceDataCollection;
import org.apache.kafka.common.message.ProduceResponseData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

final class Dirs {
    private static final long WHEN = 1_700_000_000_000L;
    private static final int PLAIN = 10, WIDE = 6, SIZE = 1000, BIG = 60, BIG_SIZE = 1_000_000;
    private static final long PATIENCE_NS = 100_000_000_000L; /* generous: it is only reached by a failure */

    private final String address, home;
    private final Connection connection;

    private Dirs(String address, String home) throws Exception {
        this.address = address;
        this.home = home;
        int colon = address.lastIndexOf(':');
        connection = new Connection(new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))), "dirs");
    }

    public static void main(String[] args) throws Exception {
        Dirs dirs = new Dirs(args[0], args[1]);
        for (String command : List.of(args).subList(2, args.length)) {
            String[] words = command.split("[=:]");
            switch (words[0]) {
                case "fill" -> dirs.fill();
                case "describe" -> dirs.describe().forEach(System.out::println);
                case "ask" -> dirs.ask().forEach(System.out::println);
                case "find" -> System.out.println(dirs.coordinator());
                case "watch" -> dirs.watch(words[1], words[2]);
                case "move" -> System.out.println(dirs.move(ApiKeys.ALTER_REPLICA_LOG_DIRS.latestVersion(), words[2], words[1]));
                case "cordon" -> System.out.println(dirs.cordon(words.length == 1 ? "" : words[1]));
                case "create" -> System.out.println(dirs.administer(admin -> dirs.make(admin, words[1], Integer.parseInt(words[2]))));
                case "grow" -> System.out.println(dirs.administer(admin ->
                    admin.createPartitions(Map.of(words[1], NewPartitions.increaseTo(Integer.parseInt(words[2])))).all().get()));
                case "refused" -> dirs.refused(words[1]);
                case "throttle" -> dirs.throttle(words[1]);
                case "bad-moves" -> dirs.badMoves();
                default -> throw new IllegalArgumentException(command);
            }
            System.out.println("--");
        }
    }

    private static Errors error(short code) {
        return Errors.forCode(code);
    }

    @SuppressWarnings("unchecked")
    private <T extends ApiMessage> T call(int version, ApiMessage request) throws Exception {
        Connection.Outcome outcome = connection.call((short) version, request);
        if (outcome.data() == null)
            throw new IllegalStateException(request.getClass().getSimpleName() + " v" + version + ": " + outcome.json());
        return (T) outcome.data();
    }

    /* ---- filling ---- */

    private void fill() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            for (int i = 0; i < PLAIN; i++)
                make(admin, "plain-" + i, 1);
            make(admin, "wide", WIDE);
            make(admin, "big", 1);
        }
        for (int i = 0; i < PLAIN; i++)
            for (int n = 0; n < i; n++)
                produce("plain-" + i, 0);
        for (int i = 0; i < WIDE; i++)
            produce("wide", i);
        for (int i = 0; i < BIG; i++)
            produce("big", 0, BIG_SIZE);
        await("a coordinator", () -> coordinator().startsWith("NONE") && listOffsets("__consumer_offsets", 0).startsWith("NONE"));
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(String what, Condition condition) throws Exception {
        for (long end = System.nanoTime() + PATIENCE_NS; !condition.holds(); )
            if (System.nanoTime() > end)
                throw new IllegalStateException("not so: " + what);
    }

    /** It serves when this returns. */
    private void make(Admin admin, String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        for (int i = 0; i < partitions; i++) {
            int partition = i;
            await(topic, () -> listOffsets(topic, partition).startsWith("NONE"));
        }
    }

    /* ---- DescribeLogDirs ---- */

    private List<String> describe() throws Exception {
        List<String> lines = new ArrayList<>();
        for (short v = ApiKeys.DESCRIBE_LOG_DIRS.oldestVersion(); v <= ApiKeys.DESCRIBE_LOG_DIRS.latestVersion(); v++) {
            describe(v, "all", null, lines);
            describe(v, "some", topics("plain-4", List.of(0), "wide", List.of(5, 2)), lines);
            describe(v, "none", topics(), lines);
            describe(v, "unknown", topics("nowhere", List.of(0), "wide", List.of(WIDE, -1)), lines);
            describe(v, "no partitions", topics("wide", List.of()), lines);
        }
        return lines;
    }

    @SuppressWarnings("unchecked")
    private static DescribableLogDirTopicCollection topics(Object... namesAndPartitions) {
        DescribableLogDirTopicCollection topics = new DescribableLogDirTopicCollection();
        for (int i = 0; i < namesAndPartitions.length; i += 2)
            topics.add(new DescribableLogDirTopic().setTopic((String) namesAndPartitions[i]).setPartitions((List<Integer>) namesAndPartitions[i + 1]));
        return topics;
    }

    private void describe(short version, String what, DescribableLogDirTopicCollection topics, List<String> lines) throws Exception {
        DescribeLogDirsResponseData reply = call(version, new DescribeLogDirsRequestData().setTopics(topics));
        var found = new TreeSet<String>();
        for (var dir : reply.results()) {
            String name = dir.logDir().replace(home, "");
            String space = dir.totalBytes() <= 0 || dir.usableBytes() <= 0 ? dir.totalBytes() + "," + dir.usableBytes() : "known";
            found.add(name + " " + error(dir.errorCode()) + " space " + space + (dir.isCordoned() ? " cordoned" : ""));
            for (var topic : dir.topics())
                for (var p : topic.partitions())
                    found.add(name + " " + topic.name() + "-" + p.partitionIndex() + " size " + p.partitionSize() + " lag " + p.offsetLag() + (p.isFutureKey() ? " future" : ""));
        }
        found.forEach(line -> lines.add("v" + version + " " + what + " " + error(reply.errorCode()) + ": " + line));
    }

    /* ---- what is asked of partitions ---- */

    private List<String> ask() throws Exception {
        List<String> lines = new ArrayList<>();
        MetadataResponseData metadata = call(12, new MetadataRequestData().setTopics(null));
        var topics = new TreeMap<String, MetadataResponseData.MetadataResponseTopic>();
        metadata.topics().forEach(topic -> topics.put(topic.name(), topic));
        for (var topic : topics.values()) {
            topic.partitions().sort((a, b) -> Integer.compare(a.partitionIndex(), b.partitionIndex()));
            for (var p : topic.partitions()) {
                String told = topic.name() + "-" + p.partitionIndex() + ": metadata " + error(p.errorCode()) + " leader " + p.leaderId() + " replicas " + p.replicaNodes()
                    + " isr " + p.isrNodes() + " offline " + p.offlineReplicas();
                if (!topic.name().startsWith("__"))
                    told += "; produce " + produce(topic.name(), p.partitionIndex()) + "; fetch " + fetch(topic.name(), p.partitionIndex()) + "; end " + listOffsets(topic.name(), p.partitionIndex())
                        + "; epoch " + epochEnd(topic.name(), p.partitionIndex()) + "; producers " + producers(topic.name(), p.partitionIndex())
                        + "; delete records " + deleteRecords(topic.name(), p.partitionIndex());
                lines.add(told);
            }
        }
        return lines;
    }

    private String produce(String topic, int partition) throws Exception {
        return produce(topic, partition, SIZE);
    }

    private String produce(String topic, int partition, int size) throws Exception {
        MemoryRecords records = MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(WHEN, "key".getBytes(), "x".repeat(size).getBytes()));
        var topics = new TopicProduceDataCollection(1);
        topics.add(new TopicProduceData().setName(topic).setPartitionData(List.of(new PartitionProduceData().setIndex(partition).setRecords(records))));
        ProduceResponseData reply = call(9, new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30000).setTopicData(topics));
        var got = reply.responses().iterator().next().partitionResponses().get(0);
        return error(got.errorCode()) + " " + got.baseOffset();
    }

    private String fetch(String topic, int partition) throws Exception {
        FetchResponseData reply = call(12, new FetchRequestData().setMaxWaitMs(0).setMinBytes(0).setMaxBytes(1 << 20).setTopics(List.of(new FetchTopic().setTopic(topic)
            .setPartitions(List.of(new FetchPartition().setPartition(partition).setFetchOffset(0).setPartitionMaxBytes(1 << 20))))));
        var got = reply.responses().get(0).partitions().get(0);
        return error(got.errorCode()) + " high " + got.highWatermark() + " start " + got.logStartOffset() + " bytes " + (got.records() == null ? 0 : got.records().sizeInBytes());
    }

    private String listOffsets(String topic, int partition) throws Exception {
        ListOffsetsResponseData reply = call(7, new ListOffsetsRequestData().setReplicaId(-1).setTopics(List.of(new ListOffsetsTopic().setName(topic)
            .setPartitions(List.of(new ListOffsetsPartition().setPartitionIndex(partition).setTimestamp(-1))))));
        var got = reply.topics().get(0).partitions().get(0);
        return error(got.errorCode()) + " " + got.offset();
    }

    private String epochEnd(String topic, int partition) throws Exception {
        var topics = new OffsetForLeaderTopicCollection();
        topics.add(new OffsetForLeaderTopic().setTopic(topic).setPartitions(List.of(new OffsetForLeaderPartition().setPartition(partition).setLeaderEpoch(0))));
        OffsetForLeaderEpochResponseData reply = call(4, new OffsetForLeaderEpochRequestData().setReplicaId(-1).setTopics(topics));
        return error(reply.topics().iterator().next().partitions().get(0).errorCode()).toString();
    }

    private String producers(String topic, int partition) throws Exception {
        DescribeProducersResponseData reply = call(0, new DescribeProducersRequestData().setTopics(List.of(new TopicRequest().setName(topic).setPartitionIndexes(List.of(partition)))));
        return error(reply.topics().get(0).partitions().get(0).errorCode()).toString();
    }

    private String deleteRecords(String topic, int partition) throws Exception {
        DeleteRecordsResponseData reply = call(2, new DeleteRecordsRequestData().setTimeoutMs(30000).setTopics(List.of(new DeleteRecordsTopic().setName(topic)
            .setPartitions(List.of(new DeleteRecordsPartition().setPartitionIndex(partition).setOffset(0))))));
        var got = reply.topics().iterator().next().partitions().iterator().next();
        return error(got.errorCode()) + " " + got.lowWatermark();
    }

    private String coordinator() throws Exception {
        FindCoordinatorResponseData reply = call(4, new FindCoordinatorRequestData().setKeyType((byte) 0).setCoordinatorKeys(List.of("group")));
        var got = reply.coordinators().get(0);
        return error(got.errorCode()) + " " + got.nodeId();
    }

    /* ---- AlterReplicaLogDirs ---- */

    private String move(short version, String directory, String... folders) throws Exception {
        var topics = new AlterReplicaLogDirTopicCollection();
        for (String folder : folders) {
            int dash = folder.lastIndexOf('-');
            topics.add(new AlterReplicaLogDirTopic().setName(folder.substring(0, dash)).setPartitions(List.of(Integer.parseInt(folder.substring(dash + 1)))));
        }
        return alter(version, new AlterReplicaLogDir().setPath(directory.startsWith("/") ? home + directory : directory).setTopics(topics));
    }

    private String alter(short version, AlterReplicaLogDir... moves) throws Exception {
        var dirs = new AlterReplicaLogDirCollection();
        dirs.addAll(List.of(moves));
        AlterReplicaLogDirsResponseData reply = call(version, new AlterReplicaLogDirsRequestData().setDirs(dirs));
        var told = new TreeSet<String>();
        for (var topic : reply.results())
            for (var p : topic.partitions())
                told.add(topic.topicName() + "-" + p.partitionIndex() + " " + error(p.errorCode()));
        return told.toString();
    }

    private void throttle(String bytes) throws Exception {
        administer(admin -> configure(admin, "", "replica.alter.log.dirs.io.max.bytes.per.second", bytes));
    }

    private static void configure(Admin admin, String broker, String name, String value) throws Exception {
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.BROKER, broker),
            List.of(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)))).all().get();
    }

    private interface Administration {
        void run(Admin admin) throws Exception;
    }

    private Errors administer(Administration what) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            what.run(admin);
            return Errors.NONE;
        } catch (ExecutionException error) {
            return Errors.forException(error.getCause());
        }
    }

    /* ---- cordoned.log.dirs ---- */

    private Errors cordon(String directories) throws Exception {
        List<String> wanted = directories.isEmpty() ? List.of() : List.of(directories.split(","));
        String value = wanted.stream().map(name -> name.startsWith("/") ? home + name : name).collect(Collectors.joining(","));
        Errors error = administer(admin -> configure(admin, "1", "cordoned.log.dirs", value));
        if (error == Errors.NONE)
            await("cordoned " + directories, () -> describe().stream().filter(line -> line.startsWith("v5 none") && line.endsWith(" cordoned")).count()
                == (directories.equals("*") ? 3 : Set.copyOf(wanted).size()));
        return error;
    }

    /** The controller hears of what is cordoned with a heartbeat. */
    private void refused(String topic) throws Exception {
        var last = new Errors[1];
        await(topic + " is refused", () -> (last[0] = administer(admin ->
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get())) != Errors.NONE);
        System.out.println(last[0]);
    }

    private void watch(String folder, String directory) throws Exception {
        var seen = new ArrayList<TreeSet<String>>();
        await(folder + " in " + directory, () -> {
            var now = where(folder);
            if (seen.isEmpty() || !seen.get(seen.size() - 1).equals(now))
                seen.add(now);
            return now.equals(new TreeSet<>(List.of(directory)));
        });
        seen.forEach(System.out::println);
    }

    private TreeSet<String> where(String folder) throws Exception {
        int dash = folder.lastIndexOf('-');
        DescribeLogDirsResponseData reply = call(ApiKeys.DESCRIBE_LOG_DIRS.latestVersion(),
            new DescribeLogDirsRequestData().setTopics(topics(folder.substring(0, dash), List.of(Integer.parseInt(folder.substring(dash + 1))))));
        var found = new TreeSet<String>();
        for (var dir : reply.results())
            for (var topic : dir.topics())
                for (var p : topic.partitions())
                    found.add(dir.logDir().replace(home, "") + (p.isFutureKey() ? " future" : ""));
        return found;
    }

    private void badMoves() throws Exception {
        for (short v = ApiKeys.ALTER_REPLICA_LOG_DIRS.oldestVersion(); v <= ApiKeys.ALTER_REPLICA_LOG_DIRS.latestVersion(); v++) {
            System.out.println("nothing " + alter(v));
            System.out.println("nowhere " + move(v, "/nowhere", "plain-1-0"));
            System.out.println("not absolute " + move(v, "a", "plain-1-0"));
            System.out.println("no path " + move(v, "", "plain-1-0"));
            System.out.println("unknown partition " + move(v, "/a", "plain-1-7"));
            System.out.println("unknown topic " + move(v, "/a", "unknown-0"));
            System.out.println("unknown partition and directory " + move(v, "/nowhere", "unknown-0"));
            System.out.println("metadata " + move(v, "/a", "__cluster_metadata-0"));
            System.out.println("both " + move(v, "/nowhere", "plain-1-0", "plain-2-0"));
        }
    }
}
