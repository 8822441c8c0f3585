/* SPDX-License-Identifier: Apache-2.0
 * What two brokers may answer differently although they mean the same: ids that they draw, the time, where they live,
 * the order of what has none, the words of an error message. Ids become symbols, numbered as they first appear in a
 * case, so that a reply that repeats the wrong one is still seen.
 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class Normal {
    private static final Set<String> DRAWN_UUIDS = Set.of("topicId", "clusterId", "replicaDirectoryId");
    private static final Set<String> DRAWN_NUMBERS = Set.of("producerId", "sessionId");
    private static final Set<String> LOCAL = Set.of("host", "port", "logDir");
    private static final Set<String> WORDS = Set.of("errorMessage", "batchIndexErrorMessage");
    /** Grow with whatever else the broker does. */
    private static final Set<String> COUNTERS = Set.of("finalizedFeaturesEpoch", "totalBytes", "usableBytes", "logEndOffset");
    private static final String QUORUM = "currentVoters"; /* is beside a high watermark that is a counter, too */
    private static final Set<String> TIMES = Set.of("logAppendTimeMs", "timestamp", "maxTimestamp", "lastTimestamp",
        "lastFetchTimestamp", "lastCaughtUpTimestamp");
    private static final long SOON_MS = 3_600_000;
    private static final Pattern DRAWN_NAME = Pattern.compile("(.*-)([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})");
    private static final List<String> KEYS = List.of("name", "topicName", "resourceName", "topic", "groupId", "partitionIndex", "partition", "index",
        "apiKey", "nodeId", "brokerId", "memberId", "configName");
    private static final String ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA";

    private final Map<String, String> symbols = new HashMap<>();
    private final Map<String, Integer> counts = new HashMap<>();

    JsonNode normal(JsonNode node) {
        return normal("", node);
    }

    private JsonNode normal(String field, JsonNode node) {
        if (node instanceof ObjectNode object) {
            ObjectNode made = object.objectNode();
            object.properties().forEach(entry -> made.set(entry.getKey(), normal(entry.getKey(), entry.getValue())));
            if (made.has(QUORUM))
                made.put("highWatermark", "(number)");
            if (isPlaceSetting(made))
                made.put("value", "(local)").put("configSource", "(local)").putArray("synonyms");
            return made;
        }
        if (node instanceof ArrayNode array) {
            List<JsonNode> sorted = new ArrayList<>();
            array.forEach(sorted::add);
            sorted.sort(Comparator.comparing(Normal::sortKey));
            ArrayNode made = array.arrayNode();
            sorted.forEach(element -> made.add(normal(field, element)));
            return made;
        }
        return leaf(field, node);
    }

    /** A broker setting that says where this broker is. */
    private static boolean isPlaceSetting(ObjectNode node) {
        String name = node.path("name").asText();
        return node.has("configSource") && Set.of("listeners", "advertised.listeners", "log.dirs", "log.dir",
            "controller.quorum.voters", "controller.listener.names", "process.roles", "metadata.log.dir").contains(name);
    }

    /** The elements of lists without an order are objects with one of these keys; the others stay as they are. */
    private static String sortKey(JsonNode node) {
        StringBuilder text = new StringBuilder();
        if (node.isObject())
            for (String key : KEYS)
                if (node.has(key))
                    text.append(node.get(key).isNumber() ? String.format("%010d ", node.get(key).asLong()) : node.get(key).asText() + " ");
        return text.toString();
    }

    private JsonNode leaf(String field, JsonNode node) {
        if (node.isNull())
            return node;
        if (LOCAL.contains(field) && !node.asText().isEmpty() && !node.asText().equals("-1"))
            return new TextNode("(" + field + ")");
        if (WORDS.contains(field) && !node.asText().isEmpty())
            return new TextNode("(words)");
        if (DRAWN_UUIDS.contains(field) && !node.asText().equals(ZERO_UUID))
            return symbol(field, node.asText());
        if (DRAWN_NUMBERS.contains(field) && node.asLong() > (field.equals("sessionId") ? 0 : -1))
            return symbol(field, node.asText());
        if (COUNTERS.contains(field) && node.asLong() >= 0)
            return new TextNode("(number)");
        if (TIMES.contains(field) && Math.abs(node.asLong() - System.currentTimeMillis()) < SOON_MS)
            return new TextNode("(now)");
        if (node.isTextual()) {
            Matcher drawn = DRAWN_NAME.matcher(node.asText());
            if (drawn.matches())
                return new TextNode(drawn.group(1) + symbol("id", drawn.group(2)).asText());
        }
        return node.isIntegralNumber() && node.canConvertToInt() ? new IntNode(node.intValue()) : node;
    }

    private TextNode symbol(String kind, String value) {
        return new TextNode(symbols.computeIfAbsent(kind + " " + value,
            unused -> "(" + kind + " " + counts.merge(kind, 1, Integer::sum) + ")"));
    }
}
