/* SPDX-License-Identifier: Apache-2.0
 * Configurations read and written. (Row 4 of the compatibility traps: every key of Kafka's with its default and source; what
 * was written is read back.)
 */
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.message.AlterConfigsRequestData;
import org.apache.kafka.common.message.DescribeConfigsRequestData;
import org.apache.kafka.common.message.DescribeConfigsRequestData.DescribeConfigsResource;
import org.apache.kafka.common.message.IncrementalAlterConfigsRequestData;
import org.apache.kafka.common.message.ListConfigResourcesRequestData;
import org.apache.kafka.common.protocol.ApiKeys;

final class Configs {
    static final byte UNKNOWN = 0, TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, CLIENT_METRICS = 16, GROUP = 32;
    static final byte SET = 0, DELETE = 1, APPEND = 2, SUBTRACT = 3;

    static void add(Scenes scenes) {
        scenes.each(ApiKeys.DESCRIBE_CONFIGS, "describe-configs/topic", (s, v) ->
            s.call(v, describe(TOPIC, s.topic("", 1, "retention.ms", "3600000", "segment.bytes", "2097152"), true)));
        scenes.each(ApiKeys.DESCRIBE_CONFIGS, "describe-configs/broker", (s, v) ->
            s.call(v, describe(BROKER, "1", true)));
        scenes.each(ApiKeys.DESCRIBE_CONFIGS, "describe-configs/broker-defaults", (s, v) ->
            s.call(v, describe(BROKER, "", true)));
        scenes.each(ApiKeys.DESCRIBE_CONFIGS, "describe-configs/group", (s, v) ->
            s.call(v, describe(GROUP, "any-group", true)));
        scenes.each(ApiKeys.DESCRIBE_CONFIGS, "describe-configs/chosen-keys", (s, v) -> {
            String topic = s.topic("", 1, "retention.ms", "3600000");
            s.call(v, describe(TOPIC, topic, true, "retention.ms", "cleanup.policy", "no.such.key"));
            s.call("without synonyms", v, describe(TOPIC, topic, false, "retention.ms"));
            s.call("no keys", v, new DescribeConfigsRequestData().setResources(List.of(new DescribeConfigsResource()
                .setResourceType(TOPIC).setResourceName(topic).setConfigurationKeys(List.of()))));
        });
        scenes.each(ApiKeys.DESCRIBE_CONFIGS, "describe-configs/refused", (s, v) -> {
            s.call("missing topic", v, describe(TOPIC, "missing-" + s.name, false));
            s.call("bad topic", v, describe(TOPIC, "a b", false));
            s.call("another broker", v, describe(BROKER, "77", false));
            s.call("no number", v, describe(BROKER, "one", false));
            s.call("unknown kind", v, describe(UNKNOWN, "x", false));
            s.call("impossible kind", v, describe((byte) 99, "x", false));
            s.call("no group", v, describe(GROUP, "", false));
            s.call("no client metrics", v, describe(CLIENT_METRICS, "", false));
            s.call("loggers of another", v, describe(BROKER_LOGGER, "77", false));
        });
        scenes.each(ApiKeys.DESCRIBE_CONFIGS, 3, "describe-configs/documented", (s, v) -> {
            var reply = s.main().call(v, describe(TOPIC, s.topic("", 1), false).setIncludeDocumentation(true));
            reply.json().findValues("documentation").forEach(text -> {
                if (text.asText().isEmpty())
                    throw new AssertionError("a key without documentation");
            });
        });

        scenes.each(ApiKeys.INCREMENTAL_ALTER_CONFIGS, "incremental-alter-configs/topic", (s, v) -> {
            String topic = s.topic("", 1, "cleanup.policy", "delete");
            change(s, v, topic, "set", "retention.ms", SET, "7200000");
            change(s, v, topic, "delete", "retention.ms", DELETE, null);
            change(s, v, topic, "append", "cleanup.policy", APPEND, "compact");
            change(s, v, topic, "append what is there", "cleanup.policy", APPEND, "compact");
            change(s, v, topic, "subtract", "cleanup.policy", SUBTRACT, "delete");
            change(s, v, topic, "subtract what is not there", "cleanup.policy", SUBTRACT, "delete");
            change(s, v, topic, "append to what is no list", "retention.ms", APPEND, "1");
            change(s, v, topic, "unknown key", "no.such.key", SET, "1");
            change(s, v, topic, "wrong type", "retention.ms", SET, "soon");
            change(s, v, topic, "out of bounds", "min.insync.replicas", SET, "0");
            change(s, v, topic, "null", "retention.ms", SET, null);
            change(s, v, topic, "unknown operation", "retention.ms", (byte) 9, "1");
        });
        scenes.each(ApiKeys.INCREMENTAL_ALTER_CONFIGS, "incremental-alter-configs/refused", (s, v) -> {
            s.call("missing topic", v, alter(TOPIC, "missing-" + s.name, "retention.ms", SET, "1"));
            s.call("unknown kind", v, alter(UNKNOWN, "x", "retention.ms", SET, "1"));
            s.call("another broker", v, alter(BROKER, "77", "log.retention.ms", SET, "1"));
            s.call("read-only", v, alter(BROKER, "1", "broker.rack", SET, "r"));
            s.call("read-only everywhere", v, alter(BROKER, "", "num.partitions", SET, "7"));
            s.call("no broker number", v, alter(BROKER, "one", "log.retention.ms", SET, "1"));
            s.call("unknown broker key", v, alter(BROKER, "1", "no.such.key", SET, "1"));
            s.call("broker key of the wrong type", v, alter(BROKER, "1", "log.cleaner.threads", SET, "many"));
        });
        scenes.each(ApiKeys.INCREMENTAL_ALTER_CONFIGS, "incremental-alter-configs/only-validated", (s, v) -> {
            String topic = s.topic("", 1);
            s.call(v, alter(TOPIC, topic, "retention.ms", SET, "7").setValidateOnly(true));
            s.call(describeVersion(), describe(TOPIC, topic, false, "retention.ms"));
        });
        scenes.each(ApiKeys.INCREMENTAL_ALTER_CONFIGS, "incremental-alter-configs/same-resource-twice", (s, v) -> {
            String topic = s.topic("", 1);
            var request = alter(TOPIC, topic, "retention.ms", SET, "7");
            request.resources().mustAdd(alter(TOPIC, topic, "segment.ms", SET, "7").resources().iterator().next().duplicate());
            s.call(v, request);
        });
        scenes.each(ApiKeys.INCREMENTAL_ALTER_CONFIGS, "incremental-alter-configs/same-key-twice", (s, v) -> {
            String topic = s.topic("", 1);
            var request = alter(TOPIC, topic, "retention.ms", SET, "7");
            request.resources().iterator().next().configs().mustAdd(
                new IncrementalAlterConfigsRequestData.AlterableConfig().setName("retention.ms").setConfigOperation(SET).setValue("8"));
            s.call(v, request);
        });
        scenes.each(ApiKeys.INCREMENTAL_ALTER_CONFIGS, "incremental-alter-configs/broker", (s, v) -> {
            String topic = s.topic("", 1);
            s.call("one broker", v, alter(BROKER, "1", "log.segment.delete.delay.ms", SET, "50000"));
            awaitConfig(s, BROKER, "1", "log.segment.delete.delay.ms", "50000");
            s.call(describeVersion(), describe(BROKER, "1", true, "log.segment.delete.delay.ms"));
            s.call("all brokers", v, alter(BROKER, "", "log.segment.delete.delay.ms", SET, "40000"));
            awaitConfig(s, BROKER, "", "log.segment.delete.delay.ms", "40000");
            s.call(describeVersion(), describe(BROKER, "1", true, "log.segment.delete.delay.ms"));
            s.call(describeVersion(), describe(BROKER, "", true, "log.segment.delete.delay.ms"));
            s.call("topics follow", describeVersion(), describe(TOPIC, topic, true, "file.delete.delay.ms"));
            s.call("undone", v, alter(BROKER, "1", "log.segment.delete.delay.ms", DELETE, null));
            s.call("undone", v, alter(BROKER, "", "log.segment.delete.delay.ms", DELETE, null));
            awaitConfig(s, BROKER, "1", "log.segment.delete.delay.ms", "60000");
            s.call(describeVersion(), describe(BROKER, "1", true, "log.segment.delete.delay.ms"));
        });

        scenes.each(ApiKeys.ALTER_CONFIGS, "alter-configs/topic-replaces-all", (s, v) -> {
            String topic = s.topic("", 1, "retention.ms", "3600000");
            s.call(v, replace(TOPIC, topic, "segment.ms", "7200000"));
            awaitConfig(s, TOPIC, topic, "segment.ms", "7200000");
            s.call(describeVersion(), describe(TOPIC, topic, true, "retention.ms", "segment.ms"));
            s.call("unknown key", v, replace(TOPIC, topic, "no.such.key", "1"));
            s.call("wrong type", v, replace(TOPIC, topic, "segment.ms", "soon"));
            s.call("null", v, replace(TOPIC, topic, "segment.ms", null));
            s.call("only validated", v, replace(TOPIC, topic, "segment.ms", "1").setValidateOnly(true));
            s.call("missing topic", v, replace(TOPIC, "missing-" + topic, "segment.ms", "1"));
            s.call("to nothing", v, replace(TOPIC, topic));
            awaitConfig(s, TOPIC, topic, "segment.ms", "604800000");
            s.call(describeVersion(), describe(TOPIC, topic, true, "segment.ms"));
        });

        scenes.each(ApiKeys.LIST_CONFIG_RESOURCES, "list-config-resources/client-metrics", (s, v) ->
            s.call(v, list(v == 0 ? List.of() : List.of(CLIENT_METRICS))));
        scenes.each(ApiKeys.LIST_CONFIG_RESOURCES, 1, "list-config-resources/kinds", (s, v) -> {
            s.call("brokers", v, list(List.of(BROKER)));
            s.call("loggers", v, list(List.of(BROKER_LOGGER)));
            s.call("groups", v, list(List.of(GROUP)));
            s.call("unknown", v, list(List.of((byte) 99)));
        });
    }

    private static void change(Scenes.Scene s, short version, String topic, String label, String key, byte operation, String value) throws Exception {
        s.call(label, version, alter(TOPIC, topic, key, operation, value));
        /* Both brokers apply an accepted change shortly after they answer: read it back once a later one is seen. */
        String marker = Integer.toString(1_000_000 + s.story.get("steps").size());
        s.quietly(alter(TOPIC, topic, "flush.messages", SET, marker));
        awaitConfig(s, TOPIC, topic, "flush.messages", marker);
        s.call("after " + label, describeVersion(), describe(TOPIC, topic, true, "retention.ms", "cleanup.policy", "min.insync.replicas"));
    }

    private static void awaitConfig(Scenes.Scene s, byte type, String name, String key, String value) throws Exception {
        Scenes.Scene.until(key + " = " + value, () -> {
            org.apache.kafka.common.message.DescribeConfigsResponseData reply = s.quietly(describe(type, name, false, key));
            var configs = reply.results().get(0).configs();
            return !configs.isEmpty() && value.equals(configs.get(0).value());
        });
    }

    private static short describeVersion() {
        return ApiKeys.DESCRIBE_CONFIGS.latestVersion();
    }

    private static DescribeConfigsRequestData describe(byte type, String name, boolean synonyms, String... keys) {
        return new DescribeConfigsRequestData().setIncludeSynonyms(synonyms).setResources(List.of(new DescribeConfigsResource()
            .setResourceType(type).setResourceName(name).setConfigurationKeys(keys.length == 0 ? null : List.of(keys))));
    }

    private static IncrementalAlterConfigsRequestData alter(byte type, String name, String key, byte operation, String value) {
        var resource = new IncrementalAlterConfigsRequestData.AlterConfigsResource().setResourceType(type).setResourceName(name);
        resource.configs().mustAdd(new IncrementalAlterConfigsRequestData.AlterableConfig().setName(key).setConfigOperation(operation).setValue(value));
        var request = new IncrementalAlterConfigsRequestData();
        request.resources().mustAdd(resource);
        return request;
    }

    private static AlterConfigsRequestData replace(byte type, String name, String... keysAndValues) {
        var resource = new AlterConfigsRequestData.AlterConfigsResource().setResourceType(type).setResourceName(name);
        for (int i = 0; i < keysAndValues.length; i += 2)
            resource.configs().mustAdd(new AlterConfigsRequestData.AlterableConfig().setName(keysAndValues[i]).setValue(keysAndValues[i + 1]));
        var request = new AlterConfigsRequestData();
        request.resources().mustAdd(resource);
        return request;
    }

    private static ListConfigResourcesRequestData list(List<Byte> types) {
        return new ListConfigResourcesRequestData().setResourceTypes(new ArrayList<>(types));
    }
}
