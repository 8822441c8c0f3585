/* SPDX-License-Identifier: Apache-2.0
 * What is not a request: frames of impossible sizes, other protocols, keys and versions that nobody serves, bodies that
 * do not decode; and the one request whose every version has an answer. (Rows 1 and 2 of the compatibility traps: every
 * version is served without gaps, ApiVersions of the future is answered in v0 with error 35 and its own range.)
 */
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.message.ApiVersionsRequestData;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.message.MetadataRequestData.MetadataRequestTopic;
import org.apache.kafka.common.protocol.ApiKeys;

final class Framing {
    static void add(Scenes scenes) {
        raw(scenes, "size-negative", size(-1));
        raw(scenes, "size-zero", size(0));
        raw(scenes, "size-least", size(Integer.MIN_VALUE));
        raw(scenes, "size-greatest", size(Integer.MAX_VALUE));
        raw(scenes, "size-too-short-for-a-header", Connection.frame(new byte[] {0, 3, 0}));
        raw(scenes, "http", "GET / HTTP/1.1\r\n\r\n".getBytes());
        raw(scenes, "tls-hello", new byte[] {0x16, 3, 1, 2, 0, 1, 0, 1, (byte) 0xfc, 3, 3});
        raw(scenes, "header-with-lying-client-id", Connection.frame(new byte[] {0, 3, 0, 1, 0, 0, 0, 7, 0x7f, (byte) 0xff, 'x'}));
        raw(scenes, "header-with-negative-client-id", Connection.frame(new byte[] {0, 3, 0, 1, 0, 0, 0, 7, (byte) 0xff, (byte) 0xfe, 0, 0, 0, 0}));

        scenes.one("framing/half-a-frame-then-the-rest", (s, v) -> {
            Connection c = s.connection("slow");
            byte[] body = Connection.bytes(new ApiVersionsRequestData(), (short) 0);
            byte[] frame = Connection.frame(c.header(ApiKeys.API_VERSIONS.id, (short) 0, (short) 1), body);
            for (byte octet : frame)
                c.raw(new byte[] {octet});
            s.told("one byte at a time", c.receiveRaw().json().asText().equals("closed")
                ? Connection.Outcome.of("closed") : Connection.Outcome.of("answered"));
        });
        scenes.one("framing/pipelined-answers-come-in-order", (s, v) -> {
            Connection c = s.connection("pipeline");
            for (int i = 0; i < 20; i++)
                c.send((short) (i % 13), new MetadataRequestData().setTopics(List.of()));
            for (int i = 0; i < 20; i++)
                s.told("answer", c.receive());
        });

        for (short key : new short[] {-1, 4, 5, 6, 7, 95, 999, Short.MAX_VALUE})
            scenes.one("unsupported/key/" + key, (s, v) ->
                s.told("request", s.connection("stranger").call(key, (short) 0, (short) 1, new byte[8])));
        for (ApiKeys api : List.of(ApiKeys.METADATA, ApiKeys.FIND_COORDINATOR, ApiKeys.HEARTBEAT, ApiKeys.DESCRIBE_GROUPS, ApiKeys.CREATE_TOPICS,
            ApiKeys.LIST_OFFSETS, ApiKeys.OFFSET_COMMIT, ApiKeys.INIT_PRODUCER_ID, ApiKeys.DESCRIBE_CLUSTER)) {
            unsupported(scenes, api, (short) -1);
            unsupported(scenes, api, (short) (api.latestVersion() + 1));
            unsupported(scenes, api, Short.MAX_VALUE);
        }

        for (ApiKeys api : List.of(ApiKeys.METADATA, ApiKeys.PRODUCE, ApiKeys.FETCH, ApiKeys.JOIN_GROUP, ApiKeys.CREATE_TOPICS, ApiKeys.OFFSET_COMMIT)) {
            body(scenes, api, "empty", new byte[0]);
            body(scenes, api, "array-of-2^31-1-in-a-few-bytes", fill(64, 0x7f));
            body(scenes, api, "all-ones", fill(64, 0xff));
        }

        for (short version : new short[] {0, 1, 2, 3, 4})
            scenes.one("api-versions/plain/v" + version, (s, v) -> s.call(version, apiVersions()));
        for (short version : new short[] {-1, 6, 99, Short.MAX_VALUE})
            scenes.one("api-versions/of-the-future/v" + version, (s, v) -> {
                Connection c = s.connection("future");
                s.told("unknown version", c.call(ApiKeys.API_VERSIONS.id, version, (short) 2, new byte[] {1, 1, 0}));
                s.told("and then a known one", c.call((short) 0, apiVersions()));
            });
        scenes.one("api-versions/bad-software-name", (s, v) ->
            s.call(3, apiVersions().setClientSoftwareName("-bad name-")));
    }

    static ApiVersionsRequestData apiVersions() {
        return new ApiVersionsRequestData().setClientSoftwareName("differential").setClientSoftwareVersion("1.0");
    }

    private static void raw(Scenes scenes, String name, byte[] octets) {
        scenes.one("framing/" + name, (s, v) -> {
            Connection c = s.connection("raw");
            c.raw(octets);
            s.told("bytes", c.receiveRaw());
            s.call("the broker still serves", 1, new MetadataRequestData().setTopics(List.of()));
        });
    }

    private static void unsupported(Scenes scenes, ApiKeys api, short version) {
        scenes.one("unsupported/version/" + api.name + "/v" + version, (s, v) ->
            s.told("request", s.connection("stranger").call(api.id, version, (short) 1, new byte[8])));
    }

    private static void body(Scenes scenes, ApiKeys api, String name, byte[] body) {
        for (short version : new short[] {api.oldestVersion(), api.latestVersion()})
            scenes.one("framing/body-" + name + "/" + api.name + "-v" + version, (s, v) ->
                s.told("request", s.connection("liar").call(api.id, version, api.requestHeaderVersion(version), body)));
    }

    private static byte[] size(int size) {
        return ByteBuffer.allocate(4).putInt(size).array();
    }

    private static byte[] fill(int count, int octet) {
        byte[] made = new byte[count];
        Arrays.fill(made, (byte) octet);
        return made;
    }

    static MetadataRequestTopic topic(String name) {
        return new MetadataRequestTopic().setName(name);
    }
}
