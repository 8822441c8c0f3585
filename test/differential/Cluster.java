/* SPDX-License-Identifier: Apache-2.0
 * What a client asks to find its way: metadata, the cluster, the quorum, log directories. (Row 5 of the compatibility
 * traps: what is created serves at once; row 9: what user interfaces probe is answered.)
 */
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.DescribeClusterRequestData;
import org.apache.kafka.common.message.DescribeLogDirsRequestData;
import org.apache.kafka.common.message.DescribeLogDirsRequestData.DescribableLogDirTopic;
import org.apache.kafka.common.message.DescribeLogDirsRequestData.DescribableLogDirTopicCollection;
import org.apache.kafka.common.message.DescribeQuorumRequestData;
import org.apache.kafka.common.message.DescribeTopicPartitionsRequestData;
import org.apache.kafka.common.message.DescribeTopicPartitionsRequestData.Cursor;
import org.apache.kafka.common.message.DescribeTopicPartitionsRequestData.TopicRequest;
import org.apache.kafka.common.message.FindCoordinatorRequestData;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.message.MetadataRequestData.MetadataRequestTopic;
import org.apache.kafka.common.protocol.ApiKeys;

final class Cluster {
    static void add(Scenes scenes) {
        scenes.each(ApiKeys.METADATA, "metadata/no-topics", (s, v) ->
            s.call(v, metadata(v)));
        scenes.each(ApiKeys.METADATA, 1, "metadata/all-topics-hold-mine", (s, v) -> {
            String topic = s.topic("", 1);
            var reply = s.main().call(v, new MetadataRequestData().setTopics(null).setAllowAutoTopicCreation(true));
            s.tell("count", reply.json().path("topics").findParents("name").stream()
                .filter(t -> t.path("name").asText().equals(topic)).findFirst().orElseThrow());
        });
        scenes.each(ApiKeys.METADATA, "metadata/two-topics", (s, v) ->
            s.call(v, metadata(v, s.topic("-a", 1), s.topic("-b", 3))));
        scenes.each(ApiKeys.METADATA, "metadata/same-topic-twice", (s, v) -> {
            String topic = s.topic("", 1);
            s.call(v, metadata(v, topic, topic));
        });
        scenes.each(ApiKeys.METADATA, 4, "metadata/unknown-topic", (s, v) ->
            s.call(v, metadata(v, "nowhere-to-be-found").setAllowAutoTopicCreation(false)));
        scenes.each(ApiKeys.METADATA, 4, "metadata/bad-names", (s, v) ->
            s.call(v, metadata(v, "", ".", "..", "a/b", "a b", "x".repeat(249), "x".repeat(250)).setAllowAutoTopicCreation(false)));
        scenes.each(ApiKeys.METADATA, "metadata/creates-on-demand", (s, v) -> {
            String topic = s.name + "-auto";
            s.call(v, metadata(v, topic));
            s.awaitTopic(topic);
            s.call(v, metadata(v, topic));
        });
        scenes.each(ApiKeys.METADATA, 4, "metadata/bad-name-is-not-created", (s, v) ->
            s.call(v, metadata(v, "a bad name").setAllowAutoTopicCreation(true)));
        scenes.each(ApiKeys.METADATA, 12, "metadata/by-id", (s, v) -> {
            Uuid id = s.topicId(s.topic("", 2));
            s.call(v, byId(id));
            s.call(v, byId(new Uuid(7, 7)));
            s.call(v, byId(id, new Uuid(7, 7)));
            s.call(v, byId(Uuid.ZERO_UUID));
        });
        scenes.each(ApiKeys.METADATA, 8, "metadata/authorized-operations", (s, v) -> {
            var request = metadata(v, s.topic("", 1)).setIncludeTopicAuthorizedOperations(true);
            if (v <= 10)
                request.setIncludeClusterAuthorizedOperations(true);
            s.call(v, request);
        });

        scenes.each(ApiKeys.DESCRIBE_CLUSTER, "describe-cluster/plain", (s, v) -> {
            s.call(v, new DescribeClusterRequestData());
            s.call(v, new DescribeClusterRequestData().setIncludeClusterAuthorizedOperations(true));
        });
        scenes.each(ApiKeys.DESCRIBE_CLUSTER, 1, "describe-cluster/endpoint-types", (s, v) -> {
            s.call(v, new DescribeClusterRequestData().setEndpointType((byte) 2));
            s.call(v, new DescribeClusterRequestData().setEndpointType((byte) 3));
        });
        scenes.each(ApiKeys.DESCRIBE_QUORUM, "describe-quorum/plain", (s, v) ->
            s.call(v, quorum("__cluster_metadata", 0)));
        scenes.each(ApiKeys.DESCRIBE_QUORUM, "describe-quorum/of-another-partition", (s, v) -> {
            s.call(v, quorum("__cluster_metadata", 1));
            s.call(v, quorum("elsewhere", 0));
            s.call(v, new DescribeQuorumRequestData());
        });

        scenes.each(ApiKeys.DESCRIBE_TOPIC_PARTITIONS, "describe-topic-partitions/plain", (s, v) -> {
            String topic = s.topic("", 3);
            s.call(v, partitions(100, null, topic));
            s.call(v, partitions(100, null, "missing-" + topic, topic));
            s.call("bad name", v, partitions(100, null, "a b"));
            s.call("limited to two", v, partitions(2, null, topic));
            s.call("from the cursor", v, partitions(100, new Cursor().setTopicName(topic).setPartitionIndex(2), topic));
            s.call("cursor past the end", v, partitions(100, new Cursor().setTopicName(topic).setPartitionIndex(9), topic));
            s.call("negative cursor", v, partitions(100, new Cursor().setTopicName(topic).setPartitionIndex(-1), topic));
            s.call("no limit", v, partitions(0, null, topic));
        });

        scenes.each(ApiKeys.DESCRIBE_LOG_DIRS, "describe-log-dirs/chosen", (s, v) -> {
            String topic = s.topic("", 2);
            Producing.quietly(s, topic, 0, 10);
            s.call(v, logDirs(topic, 0, 1));
            s.call("missing partition", v, logDirs(topic, 7));
            s.call("missing topic", v, logDirs("missing-" + topic, 0));
            s.call("none", v, new DescribeLogDirsRequestData().setTopics(new DescribableLogDirTopicCollection()));
        });

        scenes.each(ApiKeys.FIND_COORDINATOR, 0, "find-coordinator/group", (s, v) -> {
            String group = s.group("");
            s.call(v, coordinator(v, 0, group));
            s.call("empty", v, coordinator(v, 0, ""));
        });
        scenes.each(ApiKeys.FIND_COORDINATOR, 1, "find-coordinator/unknown-type", (s, v) ->
            s.call(v, coordinator(v, 9, s.name)));
        scenes.each(ApiKeys.FIND_COORDINATOR, 4, "find-coordinator/several", (s, v) -> {
            s.group("");
            s.call(v, new FindCoordinatorRequestData().setCoordinatorKeys(List.of("a", "b", "", "a")));
            s.call("none", v, new FindCoordinatorRequestData().setCoordinatorKeys(List.of()));
        });
    }

    private static MetadataRequestData metadata(short version, String... topics) {
        List<MetadataRequestTopic> wanted = new ArrayList<>();
        for (String topic : topics)
            wanted.add(new MetadataRequestTopic().setName(topic));
        if (version == 0 && wanted.isEmpty())
            wanted.add(new MetadataRequestTopic().setName("in-v0-an-empty-list-means-all"));
        return new MetadataRequestData().setTopics(wanted);
    }

    private static MetadataRequestData byId(Uuid... ids) {
        List<MetadataRequestTopic> wanted = new ArrayList<>();
        for (Uuid id : ids)
            wanted.add(new MetadataRequestTopic().setTopicId(id).setName(null));
        return new MetadataRequestData().setTopics(wanted);
    }

    private static DescribeQuorumRequestData quorum(String topic, int partition) {
        return new DescribeQuorumRequestData().setTopics(List.of(new DescribeQuorumRequestData.TopicData().setTopicName(topic)
            .setPartitions(List.of(new DescribeQuorumRequestData.PartitionData().setPartitionIndex(partition)))));
    }

    private static DescribeTopicPartitionsRequestData partitions(int limit, Cursor cursor, String... topics) {
        List<TopicRequest> wanted = new ArrayList<>();
        for (String topic : topics)
            wanted.add(new TopicRequest().setName(topic));
        return new DescribeTopicPartitionsRequestData().setTopics(wanted).setResponsePartitionLimit(limit).setCursor(cursor);
    }

    private static DescribeLogDirsRequestData logDirs(String topic, Integer... partitions) {
        DescribableLogDirTopicCollection wanted = new DescribableLogDirTopicCollection();
        wanted.add(new DescribableLogDirTopic().setTopic(topic).setPartitions(List.of(partitions)));
        return new DescribeLogDirsRequestData().setTopics(wanted);
    }

    private static FindCoordinatorRequestData coordinator(short version, int type, String key) {
        FindCoordinatorRequestData request = new FindCoordinatorRequestData().setKeyType((byte) type);
        return version >= 4 ? request.setCoordinatorKeys(List.of(key)) : request.setKey(key);
    }
}
