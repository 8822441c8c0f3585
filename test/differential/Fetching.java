/* SPDX-License-Identifier: Apache-2.0
 * Records fetched, with and without sessions, and offsets looked up. (Row 6 of the compatibility traps: min bytes and
 * max wait, the first batch whole whatever the limits, an offset in the middle of a batch, the range check by the log's
 * end.)
 */
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.FetchRequestData;
import org.apache.kafka.common.message.FetchRequestData.FetchPartition;
import org.apache.kafka.common.message.FetchRequestData.FetchTopic;
import org.apache.kafka.common.message.FetchRequestData.ForgottenTopic;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.ListOffsetsRequestData;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsPartition;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsTopic;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData.OffsetForLeaderPartition;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData.OffsetForLeaderTopic;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

final class Fetching {
    static void add(Scenes scenes) {
        scenes.each(ApiKeys.FETCH, "fetch/plain", (s, v) -> {
            String topic = threeBatches(s, "");
            s.call(v, fetch(s, v, topic, 0, 0));
            s.call("inside the first batch", v, fetch(s, v, topic, 0, 1));
            s.call("last record", v, fetch(s, v, topic, 0, 5));
            s.call("at the end", v, fetch(s, v, topic, 0, 6));
            s.call("past the end", v, fetch(s, v, topic, 0, 7));
            s.call("negative", v, fetch(s, v, topic, 0, -1));
            s.call("missing partition", v, fetch(s, v, topic, 7, 0));
            s.call("of a committed reader", v, fetch(s, v, topic, 0, 0).setIsolationLevel((byte) 1));
        });
        scenes.each(ApiKeys.FETCH, "fetch/nowhere", (s, v) -> {
            String topic = s.topic("", 1);
            if (v <= 12) {
                s.call("missing topic", v, fetch(v, null, "missing-" + topic, 0, 0));
                s.call("bad name", v, fetch(v, null, "a b", 0, 0));
            } else {
                s.call("missing id", v, fetch(v, new Uuid(7, 7), null, 0, 0));
                s.call("zero id", v, fetch(v, Uuid.ZERO_UUID, null, 0, 0));
            }
        });
        scenes.each(ApiKeys.FETCH, "fetch/limits", (s, v) -> {
            String topic = threeBatches(s, "");
            s.call("max bytes of 1: the first batch whole", v, fetch(s, v, topic, 0, 0).setMaxBytes(1));
            s.call("partition max bytes of 1", v, limited(fetch(s, v, topic, 0, 0), 1));
            s.call("partition max bytes of 0", v, limited(fetch(s, v, topic, 0, 0), 0));
            s.call("room for one and a half", v, limited(fetch(s, v, topic, 0, 0), 150));
            s.call("max bytes of 0", v, fetch(s, v, topic, 0, 0).setMaxBytes(0));
            s.call("negative", v, limited(fetch(s, v, topic, 0, 0), -1));
        });
        scenes.each(ApiKeys.FETCH, "fetch/limits-over-partitions", (s, v) -> {
            String topic = s.topic("", 3);
            for (int p = 0; p < 3; p++)
                Producing.quietly(s, topic, p, 3);
            FetchRequestData request = fetch(s, v, topic, 0, 0);
            request.topics().get(0).setPartitions(List.of(partition(v, 0, 0), partition(v, 1, 0), partition(v, 2, 0)));
            s.call("all", v, request);
            s.call("max bytes of 1", v, request.duplicate().setMaxBytes(1));
            s.call("a batch each", v, request.duplicate().setMaxBytes(1000).setTopics(limited(request.duplicate(), 1).topics()));
        });
        scenes.each(ApiKeys.FETCH, "fetch/waits-for-min-bytes", (s, v) -> {
            String topic = threeBatches(s, "");
            Connection waiting = s.connection("waiting");
            waiting.send(v, fetch(s, v, topic, 0, 6).setMinBytes(1).setMaxWaitMs(15_000));
            s.quietly(Producing.request(s, ApiKeys.PRODUCE.latestVersion(), topic, 0, Producing.plain(6, 2)));
            s.told("woken by a record", waiting.receive());
            s.told("min bytes there, max wait long", waiting.call(v, fetch(s, v, topic, 0, 0).setMinBytes(200).setMaxWaitMs(15_000)));
            s.told("min bytes of 0 do not wait", waiting.call(v, fetch(s, v, topic, 0, 8).setMinBytes(0).setMaxWaitMs(15_000)));
            s.told("an error does not wait", waiting.call(v, fetch(s, v, topic, 0, 99).setMinBytes(1).setMaxWaitMs(15_000)));
            long before = System.nanoTime();
            s.told("max wait ends it", waiting.call(v, fetch(s, v, topic, 0, 8).setMinBytes(1).setMaxWaitMs(50)));
            s.tell("it did wait", s.story.booleanNode(System.nanoTime() - before > 45_000_000));
        });
        scenes.each(ApiKeys.FETCH, "fetch/large-batch", (s, v) -> {
            String topic = s.topic("", 1);
            s.quietly(Producing.request(s, ApiKeys.PRODUCE.latestVersion(), topic, 0,
                MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(Producing.TIME, new byte[900_000]))));
            s.call(v, limited(fetch(s, v, topic, 0, 0).setMaxBytes(1000), 1000));
        });
        scenes.each(ApiKeys.FETCH, "fetch/after-delete-records", (s, v) -> {
            String topic = threeBatches(s, "");
            s.quietly(Topics.cut(topic, 0, 3));
            s.call("before the start", v, fetch(s, v, topic, 0, 0));
            s.call("from the start", v, fetch(s, v, topic, 0, 3));
        });
        scenes.each(ApiKeys.FETCH, 9, "fetch/leader-epochs", (s, v) -> {
            String topic = threeBatches(s, "");
            for (int epoch : new int[] {-1, 0, 1, 99}) {
                FetchRequestData request = fetch(s, v, topic, 0, 0);
                request.topics().get(0).partitions().get(0).setCurrentLeaderEpoch(epoch);
                s.call("current " + epoch, v, request);
                if (v >= 12) {
                    request.topics().get(0).partitions().get(0).setCurrentLeaderEpoch(0).setLastFetchedEpoch(epoch).setFetchOffset(3);
                    s.call("last fetched " + epoch, v, request);
                }
            }
        });
        scenes.each(ApiKeys.FETCH, 7, "fetch/session", (s, v) -> {
            String topic = s.topic("", 2);
            Producing.quietly(s, topic, 0, 2);
            FetchRequestData both = fetch(s, v, topic, 0, 0);
            both.topics().get(0).setPartitions(List.of(partition(v, 0, 0), partition(v, 1, 0)));
            FetchResponseData first = s.call("created", v, both.duplicate().setSessionEpoch(0));
            if (first == null)
                return;
            int id = first.sessionId();
            s.call("nothing changed, and its records again", v, session(id, 1));
            FetchRequestData on = session(id, 2).setTopics(fetch(s, v, topic, 0, 2).topics());
            s.call("an offset changed", v, on);
            s.call("only what is new is told", v, session(id, 3));
            Producing.quietly(s, topic, 1, 1);
            s.call("the other partition has records", v, session(id, 4));
            ForgottenTopic forgotten = new ForgottenTopic().setPartitions(List.of(1));
            s.call("forgotten", v, session(id, 5).setForgottenTopicsData(List.of(v <= 12
                ? forgotten.setTopic(topic) : forgotten.setTopicId(s.topicId(topic)))));
            s.call("the same epoch again", v, session(id, 5));
            s.call("an epoch too far", v, session(id, 9));
            s.call("of nobody", v, session(0x7ffffff0, 1));
            s.call("closed", v, both.duplicate().setSessionId(id).setSessionEpoch(-1));
            s.call("after it was closed", v, session(id, 6));
        });
        scenes.each(ApiKeys.FETCH, 7, "fetch/session-with-errors", (s, v) -> {
            String topic = s.topic("", 1);
            FetchRequestData request = fetch(s, v, topic, 0, 0);
            request.topics().get(0).setPartitions(List.of(partition(v, 0, 0), partition(v, 5, 0)));
            FetchResponseData first = s.call("created", v, request.setSessionEpoch(0));
            if (first != null)
                s.call("an error is told again", v, session(first.sessionId(), 1));
        });

        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/specials", (s, v) -> {
            String topic = threeBatches(s, "");
            for (long time : new long[] {-1, -2, -3, -4, -5, -6, -7, Long.MIN_VALUE})
                if (least(time) <= v)
                    s.call("time " + time, v, offsets(topic, 0, time));
        });
        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/specials-of-an-empty-log", (s, v) -> {
            String topic = s.topic("", 1);
            for (long time : new long[] {-1, -2, -3, -4, -5, 0, Producing.TIME})
                if (least(time) <= v)
                    s.call("time " + time, v, offsets(topic, 0, time));
        });
        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/too-special-for-the-version", (s, v) -> {
            String topic = s.topic("", 1);
            for (long time : new long[] {-3, -4, -5, -6})
                if (least(time) > v)
                    s.call("time " + time, v, offsets(topic, 0, time));
        });
        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/times", (s, v) -> {
            String topic = threeBatches(s, "");
            for (long time : new long[] {0, -1, 1, 2, 3, 4, 5, 6, 1000})
                s.call("time +" + time, v, offsets(topic, 0, time == 0 ? 0 : Producing.TIME + time));
        });
        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/times-out-of-order", (s, v) -> {
            String topic = s.topic("", 1);
            for (int time : new int[] {50, 10, 90, 20})
                s.quietly(Producing.request(s, ApiKeys.PRODUCE.latestVersion(), topic, 0, Producing.plain(time, 2)));
            for (long time : new long[] {5, 10, 11, 12, 50, 51, 60, 91, 92})
                s.call("time +" + time, v, offsets(topic, 0, Producing.TIME + time));
            if (v >= 7)
                s.call("greatest", v, offsets(topic, 0, -3));
        });
        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/compressed", (s, v) -> {
            String topic = s.topic("", 1);
            s.quietly(Producing.request(s, ApiKeys.PRODUCE.latestVersion(), topic, 0,
                MemoryRecords.withRecords(Compression.zstd().build(), Producing.records(0, 20))));
            s.call("time +7", v, offsets(topic, 0, Producing.TIME + 7));
            if (v >= 7)
                s.call("greatest", v, offsets(topic, 0, -3));
        });
        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/after-delete-records", (s, v) -> {
            String topic = threeBatches(s, "");
            s.quietly(Topics.cut(topic, 0, 4));
            s.call("earliest", v, offsets(topic, 0, -2));
            s.call("time of what is gone", v, offsets(topic, 0, Producing.TIME + 1));
        });
        scenes.each(ApiKeys.LIST_OFFSETS, "list-offsets/refused", (s, v) -> {
            String topic = s.topic("", 1);
            s.call("missing partition", v, offsets(topic, 7, -1));
            s.call("missing topic", v, offsets("missing-" + topic, 0, -1));
            var twice = offsets(topic, 0, -1);
            twice.topics().get(0).setPartitions(List.of(at(0, -1), at(0, -2)));
            s.call("same partition twice", v, twice);
            if (v >= 2)
                s.call("of a committed reader", v, offsets(topic, 0, -1).setIsolationLevel((byte) 1));
            s.call("of a replica", v, offsets(topic, 0, -1).setReplicaId(7));
            s.call("of a debugger", v, offsets(topic, 0, -1).setReplicaId(-2));
            if (v >= 4)
                for (int epoch : new int[] {0, 1, 99}) {
                    var request = offsets(topic, 0, -1);
                    request.topics().get(0).partitions().get(0).setCurrentLeaderEpoch(epoch);
                    s.call("leader epoch " + epoch, v, request);
                }
        });

        scenes.each(ApiKeys.OFFSET_FOR_LEADER_EPOCH, "offset-for-leader-epoch/plain", (s, v) -> {
            String topic = threeBatches(s, "");
            for (int epoch : new int[] {0, 1, -1, 99})
                s.call("epoch " + epoch, v, epochs(v, topic, 0, -1, epoch));
            s.call("current epoch of the future", v, epochs(v, topic, 0, 9, 0));
            s.call("current epoch", v, epochs(v, topic, 0, 0, 0));
            s.call("missing partition", v, epochs(v, topic, 7, -1, 0));
            s.call("missing topic", v, epochs(v, "missing-" + topic, 0, -1, 0));
        });
    }

    /** Offsets 0 1 2, 3 4, 5. */
    private static String threeBatches(Scenes.Scene s, String suffix) throws Exception {
        String topic = s.topic(suffix, 1);
        int from = 0;
        for (int count = 3; count > 0; from += count--)
            s.quietly(Producing.request(s, ApiKeys.PRODUCE.latestVersion(), topic, 0, Producing.plain(from, count)));
        return topic;
    }

    static void tell(Scenes.Scene s, String topic, int partition, long offset) throws Exception {
        s.call("what is there:", 12, fetch((short) 12, null, topic, partition, offset));
    }

    private static FetchRequestData fetch(Scenes.Scene s, short version, String topic, int partition, long offset) throws Exception {
        return fetch(version, version <= 12 ? null : s.topicId(topic), topic, partition, offset);
    }

    static FetchRequestData fetch(short version, Uuid id, String topic, int partition, long offset) {
        FetchTopic wanted = new FetchTopic().setPartitions(List.of(partition(version, partition, offset)));
        return new FetchRequestData().setMaxWaitMs(0).setMinBytes(0).setMaxBytes(50 << 20).setSessionEpoch(-1)
            .setTopics(List.of(version <= 12 ? wanted.setTopic(topic) : wanted.setTopicId(id)));
    }

    private static FetchPartition partition(short version, int partition, long offset) {
        return new FetchPartition().setPartition(partition).setFetchOffset(offset).setPartitionMaxBytes(1 << 20);
    }

    private static FetchRequestData limited(FetchRequestData request, int bytes) {
        request.topics().forEach(t -> t.partitions().forEach(p -> p.setPartitionMaxBytes(bytes)));
        return request;
    }

    private static FetchRequestData session(int id, int epoch) {
        return new FetchRequestData().setMaxWaitMs(0).setMinBytes(0).setMaxBytes(50 << 20).setSessionId(id).setSessionEpoch(epoch);
    }

    /** The version from which a special time may be asked for. */
    private static int least(long time) {
        return time == -3 ? 7 : time == -4 ? 8 : time == -5 ? 9 : time == -6 ? 11 : 1;
    }

    private static ListOffsetsRequestData offsets(String topic, int partition, long time) {
        return new ListOffsetsRequestData().setReplicaId(-1).setTopics(List.of(new ListOffsetsTopic().setName(topic)
            .setPartitions(new ArrayList<>(List.of(at(partition, time))))));
    }

    private static ListOffsetsPartition at(int partition, long time) {
        return new ListOffsetsPartition().setPartitionIndex(partition).setTimestamp(time);
    }

    private static OffsetForLeaderEpochRequestData epochs(short version, String topic, int partition, int current, int epoch) {
        OffsetForLeaderTopic wanted = new OffsetForLeaderTopic().setTopic(topic).setPartitions(List.of(
            new OffsetForLeaderPartition().setPartition(partition).setCurrentLeaderEpoch(current).setLeaderEpoch(epoch)));
        OffsetForLeaderEpochRequestData request = new OffsetForLeaderEpochRequestData();
        request.topics().mustAdd(wanted);
        return version >= 3 ? request.setReplicaId(-1) : request;
    }
}
