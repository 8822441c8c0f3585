/* SPDX-License-Identifier: Apache-2.0
 * The life of a topic: created, grown, shortened, deleted, and every way in which that is refused. (Row 8 of the
 * compatibility traps: a topic created anew under an old name has another id.)
 */
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.CreatePartitionsRequestData;
import org.apache.kafka.common.message.CreatePartitionsRequestData.CreatePartitionsAssignment;
import org.apache.kafka.common.message.CreatePartitionsRequestData.CreatePartitionsTopic;
import org.apache.kafka.common.message.CreateTopicsRequestData;
import org.apache.kafka.common.message.CreateTopicsRequestData.CreatableReplicaAssignment;
import org.apache.kafka.common.message.CreateTopicsRequestData.CreatableTopic;
import org.apache.kafka.common.message.CreateTopicsRequestData.CreatableTopicConfig;
import org.apache.kafka.common.message.DeleteRecordsRequestData;
import org.apache.kafka.common.message.DeleteRecordsRequestData.DeleteRecordsPartition;
import org.apache.kafka.common.message.DeleteRecordsRequestData.DeleteRecordsTopic;
import org.apache.kafka.common.message.DeleteTopicsRequestData;
import org.apache.kafka.common.message.DeleteTopicsRequestData.DeleteTopicState;
import org.apache.kafka.common.protocol.ApiKeys;

final class Topics {
    static void add(Scenes scenes) {
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/plain", (s, v) -> {
            s.call(v, create(s.name, t -> t.setNumPartitions(2).setReplicationFactor((short) 1)));
            s.call("again", v, create(s.name, t -> t.setNumPartitions(2).setReplicationFactor((short) 1)));
        });
        refused(scenes, "no-partitions", t -> t.setNumPartitions(0));
        refused(scenes, "negative-partitions", t -> t.setNumPartitions(-2));
        refused(scenes, "no-replicas", t -> t.setReplicationFactor((short) 0));
        refused(scenes, "too-many-replicas", t -> t.setReplicationFactor((short) 3));
        refused(scenes, "unknown-config", t -> config(t, "no.such.config", "1"));
        refused(scenes, "config-of-the-wrong-type", t -> config(t, "retention.ms", "soon"));
        refused(scenes, "config-out-of-bounds", t -> config(t, "segment.bytes", "5"));
        refused(scenes, "config-not-in-the-list", t -> config(t, "cleanup.policy", "shred"));
        refused(scenes, "config-null", t -> config(t, "retention.ms", null));
        for (String bad : List.of("", ".", "..", "a/b", "a b", "name!", "\u00e9"))
            scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/bad-name-" + bad.codePoints().sum() + "-" + bad.length(), (s, v) ->
                s.call(v, create(bad, t -> { })));
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/name-of-249-and-250", (s, v) -> {
            String longest = s.name + "x".repeat(249 - s.name.length());
            s.call(v, create(longest, t -> { }));
            s.call(v, create(longest + "x", t -> { }));
        });
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/names-that-collide", (s, v) -> {
            s.call(v, create(s.name + ".a_b", t -> { }));
            s.call(v, create(s.name + "_a.b", t -> { }));
        });
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/with-configs", (s, v) ->
            s.call(v, create(s.name, t -> config(config(t, "retention.ms", "3600000"), "cleanup.policy", "compact,delete"))));
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/twice-in-one-request", (s, v) -> {
            var request = create(s.name, t -> { });
            request.topics().mustAdd(new CreatableTopic().setName(s.name).setNumPartitions(4).setReplicationFactor((short) 1));
            s.call(v, request);
        });
        scenes.each(ApiKeys.CREATE_TOPICS, 4, "create-topics/defaults", (s, v) ->
            s.call(v, create(s.name, t -> t.setNumPartitions(-1).setReplicationFactor((short) -1))));
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/only-validated", (s, v) -> {
            s.call(v, create(s.name, t -> t.setNumPartitions(2)).setValidateOnly(true));
            s.call("and now created", v, create(s.name, t -> t.setNumPartitions(2)));
            s.awaitTopic(s.name);
            s.call("exists", v, create(s.name, t -> t.setNumPartitions(2)).setValidateOnly(true));
        });
        assigned(scenes, "good", 0, List.of(1), 1, List.of(1));
        assigned(scenes, "unknown-broker", 0, List.of(42));
        assigned(scenes, "gap", 0, List.of(1), 2, List.of(1));
        assigned(scenes, "same-broker-twice", 0, List.of(1, 1));
        assigned(scenes, "no-brokers", 0, List.of());
        assigned(scenes, "same-partition-twice", 0, List.of(1), 0, List.of(1));
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/assignment-and-count", (s, v) ->
            s.call(v, create(s.name, t -> t.setNumPartitions(3).assignments()
                .add(new CreatableReplicaAssignment().setPartitionIndex(0).setBrokerIds(List.of(1))))));
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/mixed", (s, v) -> {
            var request = create(s.name + "-good", t -> { });
            request.topics().mustAdd(new CreatableTopic().setName("bad name").setNumPartitions(1).setReplicationFactor((short) 1));
            request.topics().mustAdd(new CreatableTopic().setName(s.name + "-wide").setNumPartitions(1).setReplicationFactor((short) 9));
            s.call(v, request);
        });
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/none", (s, v) -> s.call(v, new CreateTopicsRequestData()));
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/internal-names", (s, v) -> {
            s.group(""); /* __consumer_offsets exists from here on */
            s.call(v, create("__consumer_offsets", t -> { }));
            s.call(v, create("__cluster_metadata", t -> { }));
        });

        scenes.each(ApiKeys.DELETE_TOPICS, "delete-topics/plain", (s, v) -> {
            String topic = s.topic("", 1);
            s.call(v, delete(v, topic));
            s.awaitNoTopic(topic);
            s.call("again", v, delete(v, topic));
        });
        scenes.each(ApiKeys.DELETE_TOPICS, "delete-topics/several", (s, v) ->
            s.call(v, delete(v, s.topic("-a", 1), "missing-" + s.name, s.topic("-b", 1))));
        scenes.each(ApiKeys.DELETE_TOPICS, "delete-topics/twice-in-one-request", (s, v) -> {
            String topic = s.topic("", 1);
            s.call(v, delete(v, topic, topic));
        });
        scenes.each(ApiKeys.DELETE_TOPICS, "delete-topics/created-anew-has-another-id", (s, v) -> {
            Uuid before = s.topicId(s.topic("", 1));
            s.call(v, delete(v, s.name));
            s.awaitNoTopic(s.name);
            Uuid after = s.topicId(s.topic("", 1));
            s.tell("same id: " + before.equals(after), s.story.booleanNode(before.equals(after)));
        });
        scenes.each(ApiKeys.DELETE_TOPICS, 6, "delete-topics/by-id", (s, v) -> {
            Uuid id = s.topicId(s.topic("", 1));
            s.call(v, deleteStates(new DeleteTopicState().setName(null).setTopicId(id)));
            s.awaitNoTopic(s.name);
            s.call("again", v, deleteStates(new DeleteTopicState().setName(null).setTopicId(id)));
            s.call("zero", v, deleteStates(new DeleteTopicState().setName(null)));
            s.call("both", v, deleteStates(new DeleteTopicState().setName("x").setTopicId(new Uuid(7, 7))));
        });

        scenes.each(ApiKeys.CREATE_PARTITIONS, "create-partitions/plain", (s, v) -> {
            String topic = s.topic("", 2);
            s.call(v, grow(topic, 4));
            s.call("to what it has", v, grow(topic, 4));
            s.call("to less", v, grow(topic, 1));
            s.call("to none", v, grow(topic, 0));
            s.call("to fewer than none", v, grow(topic, -1));
            s.call("of no topic", v, grow("missing-" + topic, 4));
            s.call("only validated", v, grow(topic, 6).setValidateOnly(true));
            s.call("then done", v, grow(topic, 5));
        });
        scenes.each(ApiKeys.CREATE_PARTITIONS, "create-partitions/assigned", (s, v) -> {
            String topic = s.topic("", 1);
            s.call("unknown broker", v, grow(topic, 2, List.of(9)));
            s.call("too many assignments", v, grow(topic, 2, List.of(1), List.of(1)));
            s.call("too few", v, grow(topic, 4, List.of(1)));
            s.call("twice the same", v, grow(topic, 2, List.of(1, 1)));
            s.call("none", v, grow(topic, 2, List.of()));
            s.call("good", v, grow(topic, 2, List.of(1)));
        });

        scenes.each(ApiKeys.DELETE_RECORDS, "delete-records/plain", (s, v) -> {
            String topic = s.topic("", 1);
            Producing.quietly(s, topic, 0, 10);
            s.call(v, cut(topic, 0, 4));
            s.call("back", v, cut(topic, 0, 2));
            s.call("past the end", v, cut(topic, 0, 11));
            s.call("negative", v, cut(topic, 0, -2));
            s.call("missing partition", v, cut(topic, 7, 1));
            s.call("missing topic", v, cut("missing-" + topic, 0, 1));
            s.call("to the end", v, cut(topic, 0, -1));
        });
        scenes.each(ApiKeys.DELETE_RECORDS, "delete-records/of-a-compacted-topic", (s, v) ->
            s.call(v, cut(s.topic("", 1, "cleanup.policy", "compact"), 0, 0)));
        scenes.each(ApiKeys.DELETE_RECORDS, "delete-records/of-an-internal-topic", (s, v) -> {
            s.group("");
            s.call(v, cut("__consumer_offsets", 0, 0));
        });
    }

    private static CreateTopicsRequestData create(String name, Consumer<CreatableTopic> change) {
        CreatableTopic topic = new CreatableTopic().setName(name).setNumPartitions(1).setReplicationFactor((short) 1);
        change.accept(topic);
        CreateTopicsRequestData request = new CreateTopicsRequestData().setTimeoutMs(30_000);
        request.topics().mustAdd(topic);
        return request;
    }

    private static CreatableTopic config(CreatableTopic topic, String name, String value) {
        topic.configs().mustAdd(new CreatableTopicConfig().setName(name).setValue(value));
        return topic;
    }

    private static void refused(Scenes scenes, String name, Consumer<CreatableTopic> change) {
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/" + name, (s, v) -> s.call(v, create(s.name, change)));
    }

    @SuppressWarnings("unchecked")
    private static void assigned(Scenes scenes, String name, Object... partitionAndBrokers) {
        scenes.each(ApiKeys.CREATE_TOPICS, "create-topics/assignment-" + name, (s, v) ->
            s.call(v, create(s.name, t -> {
                t.setNumPartitions(-1).setReplicationFactor((short) -1);
                for (int i = 0; i < partitionAndBrokers.length; i += 2)
                    t.assignments().mustAdd(new CreatableReplicaAssignment().setPartitionIndex((Integer) partitionAndBrokers[i])
                        .setBrokerIds((List<Integer>) partitionAndBrokers[i + 1]));
            })));
    }

    private static DeleteTopicsRequestData delete(short version, String... names) {
        if (version < 6)
            return new DeleteTopicsRequestData().setTopicNames(List.of(names)).setTimeoutMs(30_000);
        return deleteStates(List.of(names).stream().map(name -> new DeleteTopicState().setName(name)).toArray(DeleteTopicState[]::new));
    }

    private static DeleteTopicsRequestData deleteStates(DeleteTopicState... states) {
        return new DeleteTopicsRequestData().setTopics(List.of(states)).setTimeoutMs(30_000);
    }

    @SafeVarargs
    private static CreatePartitionsRequestData grow(String topic, int count, List<Integer>... assignments) {
        CreatePartitionsTopic wanted = new CreatePartitionsTopic().setName(topic).setCount(count).setAssignments(null);
        if (assignments.length > 0)
            wanted.setAssignments(Arrays.stream(assignments).map(a -> new CreatePartitionsAssignment().setBrokerIds(a)).toList());
        CreatePartitionsRequestData request = new CreatePartitionsRequestData().setTimeoutMs(30_000);
        request.topics().mustAdd(wanted);
        return request;
    }

    static DeleteRecordsRequestData cut(String topic, int partition, long offset) {
        return new DeleteRecordsRequestData().setTimeoutMs(30_000).setTopics(List.of(new DeleteRecordsTopic().setName(topic)
            .setPartitions(List.of(new DeleteRecordsPartition().setPartitionIndex(partition).setOffset(offset)))));
    }
}
