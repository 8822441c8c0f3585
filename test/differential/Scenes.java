/* SPDX-License-Identifier: Apache-2.0
 * The stage: scenes are registered by name, played one after the other against one broker, and told as JSON lines,
 *
 *   {"scene": "produce/bad-crc/v9", "steps": {"01 Produce v9": {... the normalised reply ...}, ...}}
 *
 * A scene is played once, or once for each version of the request that it is about. Each has topics, groups and
 * connections of its own, named after it. What prepares a scene is called quietly; what it is about is called aloud, and
 * told.
 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.CreateTopicsRequestData;
import org.apache.kafka.common.message.CreateTopicsRequestData.CreatableTopic;
import org.apache.kafka.common.message.CreateTopicsRequestData.CreatableTopicConfig;
import org.apache.kafka.common.message.CreateTopicsRequestData.CreatableTopicConfigCollection;
import org.apache.kafka.common.message.FindCoordinatorRequestData;
import org.apache.kafka.common.message.FindCoordinatorResponseData;
import org.apache.kafka.common.message.HeartbeatRequestData;
import org.apache.kafka.common.message.HeartbeatResponseData;
import org.apache.kafka.common.message.ListOffsetsRequestData;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsPartition;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsTopic;
import org.apache.kafka.common.message.ListOffsetsResponseData;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.message.MetadataRequestData.MetadataRequestTopic;
import org.apache.kafka.common.message.MetadataResponseData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Errors;

final class Scenes {
    interface Play {
        void play(Scene scene, short version) throws Exception;
    }

    private record Entry(Play play, short version) {}

    private final Map<String, Entry> entries = new LinkedHashMap<>();

    void one(String name, Play play) {
        if (entries.put(name, new Entry(play, (short) -1)) != null)
            throw new IllegalStateException("two scenes are called " + name);
    }

    void each(ApiKeys api, String name, Play play) {
        each(api, api.oldestVersion(), name, play);
    }

    /** From a version on. */
    void each(ApiKeys api, int from, String name, Play play) {
        for (short version = (short) from; version <= api.latestVersion(false); version++)
            if (entries.put(name + "/v" + version, new Entry(play, version)) != null)
                throw new IllegalStateException("two scenes are called " + name);
    }

    void play(InetSocketAddress broker, String pattern) {
        for (var entry : entries.entrySet()) {
            if (!entry.getKey().matches(pattern))
                continue;
            Scene scene = new Scene(entry.getKey(), broker);
            try (scene) {
                entry.getValue().play.play(scene, entry.getValue().version);
            } catch (Exception | AssertionError failed) {
                scene.tell("stopped", JsonNodeFactory.instance.textNode(failed.toString()));
            }
            System.out.println(scene.story);
        }
    }

    static final class Scene implements AutoCloseable {
        final String name; /* usable in names of topics and groups */
        final ObjectNode story = JsonNodeFactory.instance.objectNode();
        private final InetSocketAddress broker;
        private final ObjectNode steps;
        private final Normal normal = new Normal();
        private final List<Connection> connections = new ArrayList<>();
        private Connection main;

        Scene(String path, InetSocketAddress broker) {
            this.broker = broker;
            name = path.replace('/', '-');
            story.put("scene", path);
            steps = story.putObject("steps");
        }

        Connection connection(String clientId) throws IOException {
            Connection made = new Connection(broker, clientId);
            connections.add(made);
            return made;
        }

        Connection main() throws IOException {
            if (main == null)
                main = connection("differential");
            return main;
        }

        /** After the broker has closed it. */
        void forgetMain() {
            main = null;
        }

        <T extends ApiMessage> T call(int version, ApiMessage request) throws IOException {
            return call("", version, request);
        }

        <T extends ApiMessage> T call(String label, int version, ApiMessage request) throws IOException {
            return told(label(label, request, version), main().call((short) version, request));
        }

        /** The reply is returned if it is one; the story goes on without it otherwise. */
        @SuppressWarnings("unchecked")
        <T extends ApiMessage> T told(String label, Connection.Outcome outcome) {
            tell(label, outcome.json());
            if (outcome.json().isTextual())
                forgetMain();
            return (T) outcome.data();
        }

        void tell(String label, JsonNode reply) {
            steps.set(String.format("%02d %s", steps.size() + 1, label.trim()), normal.normal(reply));
        }

        static String label(String label, ApiMessage request, int version) {
            return label + " " + ApiKeys.forId(request.apiKey()).name + " v" + version;
        }

        @SuppressWarnings("unchecked")
        <T extends ApiMessage> T quietly(ApiMessage request) throws IOException {
            ApiKeys api = ApiKeys.forId(request.apiKey());
            Connection.Outcome outcome = main().call(api.latestVersion(false), request);
            if (outcome.data() == null) {
                forgetMain();
                throw new IllegalStateException("preparing with " + api.name + ": " + outcome.json().asText());
            }
            return (T) outcome.data();
        }

        /** Creates a topic called after the scene, waits until it can be used, and returns its name. */
        String topic(String suffix, int partitions, String... configs) throws Exception {
            String topic = name + suffix;
            CreatableTopicConfigCollection settings = new CreatableTopicConfigCollection();
            for (int i = 0; i < configs.length; i += 2)
                settings.add(new CreatableTopicConfig().setName(configs[i]).setValue(configs[i + 1]));
            CreateTopicsRequestData request = new CreateTopicsRequestData().setTimeoutMs(30_000);
            request.topics().add(new CreatableTopic().setName(topic).setNumPartitions(partitions).setReplicationFactor((short) 1)
                .setConfigs(settings));
            quietly(request);
            awaitTopic(topic);
            return topic;
        }

        void awaitTopic(String topic) throws Exception {
            until("topic " + topic, () -> {
                var found = metadata(topic);
                return found.errorCode() == 0 && found.partitions().stream().allMatch(p -> p.errorCode() == 0 && p.leaderId() >= 0)
                    && found.partitions().stream().allMatch(p -> serves(topic, p.partitionIndex()));
            });
        }

        /** Kafka tells of a leader a little before there is one. */
        private boolean serves(String topic, int partition) {
            ListOffsetsRequestData request = new ListOffsetsRequestData().setReplicaId(-1).setTopics(List.of(new ListOffsetsTopic().setName(topic)
                .setPartitions(List.of(new ListOffsetsPartition().setPartitionIndex(partition).setTimestamp(-1)))));
            try {
                ListOffsetsResponseData reply = quietly(request);
                return reply.topics().get(0).partitions().get(0).errorCode() == 0;
            } catch (IOException failed) {
                throw new UncheckedIOException(failed);
            }
        }

        void awaitNoTopic(String topic) throws Exception {
            until("no topic " + topic, () -> metadata(topic).errorCode() == Errors.UNKNOWN_TOPIC_OR_PARTITION.code());
        }

        private MetadataResponseData.MetadataResponseTopic metadata(String topic) throws IOException {
            MetadataRequestData request = new MetadataRequestData().setAllowAutoTopicCreation(false)
                .setTopics(List.of(new MetadataRequestTopic().setName(topic)));
            MetadataResponseData reply = quietly(request);
            return reply.topics().iterator().next();
        }

        Uuid topicId(String topic) throws IOException {
            return metadata(topic).topicId();
        }

        /** A group called after the scene, once its coordinator answers for it. */
        String group(String suffix) throws Exception {
            String group = name + suffix;
            until("coordinator of " + group, () -> {
                FindCoordinatorResponseData found =
                    quietly(new FindCoordinatorRequestData().setCoordinatorKeys(List.of(group)));
                HeartbeatResponseData beat = quietly(new HeartbeatRequestData().setGroupId(group).setMemberId("nobody"));
                return found.coordinators().get(0).errorCode() == 0 && beat.errorCode() == Errors.UNKNOWN_MEMBER_ID.code();
            });
            return group;
        }

        interface Condition {
            boolean holds() throws Exception;
        }

        static void until(String what, Condition condition) throws Exception {
            long end = System.currentTimeMillis() + Connection.DEADLINE_MS;
            while (!condition.holds()) {
                if (System.currentTimeMillis() > end)
                    throw new IllegalStateException("waited in vain for " + what);
                Thread.sleep(5);
            }
        }

        @Override
        public void close() throws IOException {
            for (Connection connection : connections)
                connection.close();
        }
    }

    public static void main(String[] args) {
        String[] address = args[0].split(":");
        Scenes scenes = new Scenes();
        Framing.add(scenes);
        Cluster.add(scenes);
        Topics.add(scenes);
        Configs.add(scenes);
        Producing.add(scenes);
        Fetching.add(scenes);
        Groups.add(scenes);
        scenes.play(new InetSocketAddress(address[0], Integer.parseInt(address[1])), args.length > 1 ? args[1] : ".*");
        System.exit(0);
    }
}
