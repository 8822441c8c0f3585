/* SPDX-License-Identifier: Apache-2.0
 * Classic groups: members that join, share, leave and are refused; their offsets; what is told about them. (Row 7 of the
 * compatibility traps: the same states and codes, an Empty group before it is Dead, metadata of offsets kept.)
 */
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.message.DeleteGroupsRequestData;
import org.apache.kafka.common.message.DescribeGroupsRequestData;
import org.apache.kafka.common.message.HeartbeatRequestData;
import org.apache.kafka.common.message.JoinGroupRequestData;
import org.apache.kafka.common.message.JoinGroupRequestData.JoinGroupRequestProtocol;
import org.apache.kafka.common.message.JoinGroupResponseData;
import org.apache.kafka.common.message.LeaveGroupRequestData;
import org.apache.kafka.common.message.LeaveGroupRequestData.MemberIdentity;
import org.apache.kafka.common.message.ListGroupsRequestData;
import org.apache.kafka.common.message.OffsetCommitRequestData;
import org.apache.kafka.common.message.OffsetCommitRequestData.OffsetCommitRequestPartition;
import org.apache.kafka.common.message.OffsetCommitRequestData.OffsetCommitRequestTopic;
import org.apache.kafka.common.message.OffsetDeleteRequestData;
import org.apache.kafka.common.message.OffsetFetchRequestData;
import org.apache.kafka.common.message.SyncGroupRequestData;
import org.apache.kafka.common.message.SyncGroupRequestData.SyncGroupRequestAssignment;
import org.apache.kafka.common.protocol.ApiKeys;

final class Groups {
    private static final short JOIN = ApiKeys.JOIN_GROUP.latestVersion(), SYNC = ApiKeys.SYNC_GROUP.latestVersion(),
        HEARTBEAT = ApiKeys.HEARTBEAT.latestVersion(), LEAVE = ApiKeys.LEAVE_GROUP.latestVersion(),
        COMMIT = ApiKeys.OFFSET_COMMIT.latestVersion();

    static void add(Scenes scenes) {
        addJoin(scenes);
        addStatic(scenes);
        addSyncAndHeartbeat(scenes);
        addLeave(scenes);
        addOffsets(scenes);
        addDescribe(scenes);
    }

    private static void addJoin(Scenes scenes) {
        scenes.each(ApiKeys.JOIN_GROUP, "join-group/alone", (s, v) -> {
            String group = s.group("");
            JoinGroupResponseData joined = s.call(v, join(v, group, "", "range"));
            if (v >= 4 && joined != null)
                joined = s.call("with the id given", v, join(v, group, joined.memberId(), "range"));
            if (joined == null)
                return;
            s.call("unchanged leader", v, join(v, group, joined.memberId(), "range"));
            s.call("changed protocol", v, join(v, group, joined.memberId(), "other"));
            s.call("unknown member", v, join(v, group, "nobody", "range"));
        });
        scenes.each(ApiKeys.JOIN_GROUP, "join-group/refused", (s, v) -> {
            String group = s.group("");
            s.call("no group", v, join(v, "", "", "range"));
            s.call("no protocols", v, join(v, group, ""));
            s.call("no protocol type", v, join(v, group, "", "range").setProtocolType(""));
            s.call("session too short", v, join(v, group, "", "range").setSessionTimeoutMs(5));
            s.call("session too long", v, join(v, group, "", "range").setSessionTimeoutMs(Integer.MAX_VALUE));
            s.call("session negative", v, join(v, group, "", "range").setSessionTimeoutMs(-1));
            s.call("unknown member of an unknown group", v, join(v, group, "nobody", "range"));
        });
        scenes.each(ApiKeys.JOIN_GROUP, "join-group/not-of-consumers", (s, v) -> {
            String group = s.group("");
            JoinGroupRequestData request = join(v, group, "", "default").setProtocolType("connect");
            request.protocols().iterator().next().setMetadata(new byte[] {1, 2, 3});
            JoinGroupResponseData joined = s.call(v, request);
            if (v >= 4 && joined != null)
                s.call("with the id given", v, request.setMemberId(joined.memberId()));
            s.call("describe", ApiKeys.DESCRIBE_GROUPS.latestVersion(), describe(group));
        });
        scenes.each(ApiKeys.JOIN_GROUP, "join-group/inconsistent", (s, v) -> {
            String group = s.group("");
            Member first = new Member(s, group, "first", "range").joined();
            s.call("another protocol", v, join(v, group, "", "sticky"));
            s.call("another protocol type", v, join(v, group, "", "range").setProtocolType("connect"));
            s.call("beat", HEARTBEAT, first.heartbeat());
        });
        scenes.each(ApiKeys.JOIN_GROUP, "join-group/two-rebalance", (s, v) -> {
            String group = s.group("");
            Member first = new Member(s, group, "first", "range", "sticky").joined();
            s.call("leader assigns", SYNC, first.sync(first));
            Connection other = s.connection("second");
            String id = "";
            if (v >= 4) {
                JoinGroupResponseData given = s.told("second asks", other.call(v, join(v, group, "", "sticky", "range")));
                if (given == null)
                    return;
                id = given.memberId();
            }
            other.send(v, join(v, group, id, "sticky", "range"));
            Scenes.Scene.until("the rebalance", () -> {
                org.apache.kafka.common.message.HeartbeatResponseData beat = s.quietly(first.heartbeat());
                return beat.errorCode() == 27;
            });
            s.call("commit meanwhile", COMMIT, commitOf(s, first));
            first.id(s.call("first again", v, join(v, group, first.id, "range", "sticky")));
            JoinGroupResponseData second = s.told("second", other.receive());
            if (second == null)
                return;
            other.send(SYNC, sync(group, second.generationId(), second.memberId()));
            s.call("old generation", HEARTBEAT, beat(group, 1, first.id));
            s.call("leader assigns", SYNC, sync(group, second.generationId(), first.id, first.id, second.memberId()));
            s.told("second's assignment", other.receive());
            s.call("describe", ApiKeys.DESCRIBE_GROUPS.latestVersion(), describe(group));
            s.told("second leaves", other.call(LEAVE, leave(group, second.memberId(), null)));
            s.call("first is told", HEARTBEAT, beat(group, second.generationId(), first.id));
        });
    }

    private static void addStatic(Scenes scenes) {
        scenes.each(ApiKeys.JOIN_GROUP, 5, "join-group/static", (s, v) -> {
            String group = s.group("");
            JoinGroupResponseData joined = s.call("first", v, join(v, group, "", "range").setGroupInstanceId("one"));
            if (joined == null)
                return;
            s.call("assigns", SYNC, sync(group, joined.generationId(), joined.memberId(), joined.memberId()).setGroupInstanceId("one"));
            JoinGroupResponseData again = s.call("restarted", v, join(v, group, "", "range").setGroupInstanceId("one"));
            if (again == null)
                return;
            s.call("the one before is fenced", HEARTBEAT, beat(group, joined.generationId(), joined.memberId()).setGroupInstanceId("one"));
            s.call("and in join", v, join(v, group, joined.memberId(), "range").setGroupInstanceId("one"));
            s.call("and in sync", SYNC, sync(group, again.generationId(), joined.memberId()).setGroupInstanceId("one"));
            s.call("the new one is not", HEARTBEAT, beat(group, again.generationId(), again.memberId()).setGroupInstanceId("one"));
            s.call("unknown instance", HEARTBEAT, beat(group, again.generationId(), again.memberId()).setGroupInstanceId("two"));
            s.call("its assignment is still there", SYNC, sync(group, again.generationId(), again.memberId()).setGroupInstanceId("one"));
            s.call("unknown id of a known instance", v, join(v, group, "nobody", "range").setGroupInstanceId("one"));
            s.call("describe", ApiKeys.DESCRIBE_GROUPS.latestVersion(), describe(group));
            s.call("leaves by instance", LEAVE, leave(group, "", "one"));
            s.call("leaves again", LEAVE, leave(group, "", "one"));
        });
        scenes.each(ApiKeys.JOIN_GROUP, 5, "join-group/static-with-changed-protocols", (s, v) -> {
            String group = s.group("");
            JoinGroupResponseData joined = s.call("first", v, join(v, group, "", "range", "sticky").setGroupInstanceId("one"));
            if (joined == null)
                return;
            s.call("assigns", SYNC, sync(group, joined.generationId(), joined.memberId(), joined.memberId()).setGroupInstanceId("one"));
            s.call("restarted with others", v, join(v, group, "", "sticky").setGroupInstanceId("one"));
        });
    }

    private static void addSyncAndHeartbeat(Scenes scenes) {
        scenes.each(ApiKeys.SYNC_GROUP, "sync-group/errors", (s, v) -> {
            String group = s.group("");
            s.call("no such group", v, sync(v, group, 1, "nobody"));
            s.call("no group", v, sync(v, "", 1, "nobody"));
            Member member = new Member(s, group, "only", "range").joined();
            s.call("unknown member", v, sync(v, group, member.generation, "nobody"));
            s.call("old generation", v, sync(v, group, member.generation - 1, member.id));
            s.call("generation to come", v, sync(v, group, member.generation + 1, member.id));
            if (v >= 5) {
                s.call("another protocol", v, sync(v, group, member.generation, member.id).setProtocolType("consumer").setProtocolName("other"));
                s.call("another type", v, sync(v, group, member.generation, member.id).setProtocolType("connect").setProtocolName("range"));
            }
            s.call("good", v, sync(v, group, member.generation, member.id, member.id));
            s.call("again", v, sync(v, group, member.generation, member.id));
        });
        scenes.each(ApiKeys.SYNC_GROUP, "sync-group/leader-assigns-strangers", (s, v) -> {
            String group = s.group("");
            Member member = new Member(s, group, "only", "range").joined();
            s.call(v, sync(v, group, member.generation, member.id, "stranger"));
        });
        scenes.each(ApiKeys.HEARTBEAT, "heartbeat/errors", (s, v) -> {
            String group = s.group("");
            s.call("no such group", v, beat(group, 1, "nobody"));
            s.call("no group", v, beat("", 1, "nobody"));
            Member member = new Member(s, group, "only", "range").joined();
            s.call("before sync", v, beat(group, member.generation, member.id));
            s.call("assigns", SYNC, member.sync(member));
            s.call("good", v, beat(group, member.generation, member.id));
            s.call("unknown member", v, beat(group, member.generation, "nobody"));
            s.call("old generation", v, beat(group, member.generation - 1, member.id));
        });
        scenes.one("heartbeat/session-expires", (s, v) -> {
            String group = s.group("");
            Member member = new Member(s, group, "mortal", "range").sessionMs(100).joined();
            s.call("assigns", SYNC, member.sync(member));
            Scenes.Scene.until("the session's end", () -> {
                org.apache.kafka.common.message.DescribeGroupsResponseData told = s.quietly(describe(group));
                return told.groups().get(0).groupState().equals("Empty");
            });
            s.call("too late", HEARTBEAT, member.heartbeat());
            s.call("describe", ApiKeys.DESCRIBE_GROUPS.latestVersion(), describe(group));
        });
    }

    private static void addLeave(Scenes scenes) {
        scenes.each(ApiKeys.LEAVE_GROUP, "leave-group/plain", (s, v) -> {
            String group = s.group("");
            s.call("no such group", v, leave(v, group, "nobody"));
            s.call("no group", v, leave(v, "", "nobody"));
            Member member = new Member(s, group, "only", "range").joined();
            s.call("assigns", SYNC, member.sync(member));
            s.call("unknown member", v, leave(v, group, "nobody"));
            s.call("good", v, leave(v, group, member.id));
            s.call("again", v, leave(v, group, member.id));
            s.call("now empty", ApiKeys.DESCRIBE_GROUPS.latestVersion(), describe(group));
        });
        scenes.each(ApiKeys.LEAVE_GROUP, 3, "leave-group/several", (s, v) -> {
            String group = s.group("");
            Member member = new Member(s, group, "only", "range").joined();
            s.call(v, new LeaveGroupRequestData().setGroupId(group).setMembers(List.of(
                new MemberIdentity().setMemberId("nobody"), new MemberIdentity().setMemberId(member.id),
                new MemberIdentity().setMemberId("").setGroupInstanceId("no instance"))));
            s.call("none", v, new LeaveGroupRequestData().setGroupId(group));
        });
    }

    private static void addOffsets(Scenes scenes) {
        scenes.each(ApiKeys.OFFSET_COMMIT, "offset-commit/simple", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 2);
            s.call(v, commit(s, v, group, "", -1, topic, 0, 5, "some words"));
            s.call("back", v, commit(s, v, group, "", -1, topic, 0, 3, ""));
            s.call("null metadata", v, commit(s, v, group, "", -1, topic, 1, 7, null));
            s.call("metadata too long", v, commit(s, v, group, "", -1, topic, 1, 7, "x".repeat(4097)));
            s.call("metadata just fits", v, commit(s, v, group, "", -1, topic, 1, 8, "x".repeat(4096)));
            s.call("negative offset", v, commit(s, v, group, "", -1, topic, 1, -3, ""));
            s.call("missing partition", v, commit(s, v, group, "", -1, topic, 9, 1, ""));
            if (v <= 9)
                s.call("missing topic", v, commit(s, v, group, "", -1, "missing-" + topic, 0, 1, ""));
            else
                s.call("missing id", v, commit(group, "", -1, new OffsetCommitRequestTopic().setTopicId(new Uuid(7, 7)), 0, 1, ""));
            s.call("a member of no generation", v, commit(s, v, group, "nobody", -1, topic, 0, 5, ""));
            s.call("a generation", v, commit(s, v, group, "", 4, topic, 0, 5, ""));
            s.call("no group", v, commit(s, v, "", "", -1, topic, 0, 5, ""));
            for (short read = 1; read <= ApiKeys.OFFSET_FETCH.latestVersion(); read++)
                s.call("read", read, read(s, read, group, topic, 0, 1));
        });
        scenes.each(ApiKeys.OFFSET_COMMIT, "offset-commit/of-a-member", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 1);
            Member member = new Member(s, group, "only", "range").joined();
            s.call("before sync", v, commit(s, v, group, member.id, member.generation, topic, 0, 1, ""));
            s.call("assigns", SYNC, member.sync(member));
            s.call("good", v, commit(s, v, group, member.id, member.generation, topic, 0, 2, ""));
            s.call("unknown member", v, commit(s, v, group, "nobody", member.generation, topic, 0, 3, ""));
            s.call("old generation", v, commit(s, v, group, member.id, member.generation - 1, topic, 0, 4, ""));
            s.call("without a generation", v, commit(s, v, group, "", -1, topic, 0, 5, ""));
            if (v >= 7)
                s.call("unknown instance", v, commit(s, v, group, member.id, member.generation, topic, 0, 6, "").setGroupInstanceId("nobody"));
            s.call("read", 5, read(s, (short) 5, group, topic, 0));
        });
        scenes.each(ApiKeys.OFFSET_FETCH, "offset-fetch/plain", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 2);
            s.call("before any commit", v, read(s, v, group, topic, 0, 1));
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, "words"));
            s.call(v, read(s, v, group, topic, 0, 1));
            s.call("missing partition", v, read(s, v, group, topic, 9));
            if (v <= 9)
                s.call("missing topic", v, read(s, v, group, "missing-" + topic, 0));
            if (v >= 2)
                s.call("all", v, readAll(v, group));
            s.call("no group", v, read(s, v, "", topic, 0));
            if (v >= 7)
                s.call("stable", v, read(s, v, group, topic, 0).setRequireStable(true));
        });
        scenes.each(ApiKeys.OFFSET_FETCH, 8, "offset-fetch/several-groups", (s, v) -> {
            String group = s.group("-a"), other = s.group("-b"), topic = s.topic("", 1);
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, "words"));
            OffsetFetchRequestData request = read(s, v, group, topic, 0);
            List<OffsetFetchRequestData.OffsetFetchRequestGroup> groups = new ArrayList<>(request.groups());
            groups.addAll(readAll(v, other).groups());
            groups.addAll(readAll(v, "").groups());
            s.call(v, request.setGroups(groups));
        });
        scenes.each(ApiKeys.OFFSET_FETCH, 9, "offset-fetch/as-a-member-of-a-classic-group", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 1);
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, ""));
            OffsetFetchRequestData request = read(s, v, group, topic, 0);
            request.groups().get(0).setMemberId("somebody").setMemberEpoch(3);
            s.call(v, request);
        });
        scenes.each(ApiKeys.OFFSET_DELETE, "offset-delete/plain", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 2);
            s.call("no such group", v, forget(group, topic, 0));
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, ""));
            s.call(v, forget(group, topic, 0, 1, 9));
            s.call("read", 5, read(s, (short) 5, group, topic, 0));
            s.call("missing topic", v, forget(group, "missing-" + topic, 0));
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, ""));
            Member member = new Member(s, group, "subscribed", "range").subscribed(topic).joined();
            s.call("subscribed", v, forget(group, topic, 0));
            s.call("no group", v, forget("", topic, 0));
            member.connection.close();
        });
        scenes.each(ApiKeys.OFFSET_COMMIT, "offset-commit/to-a-topic-created-anew", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 1);
            var before = commit(s, v, group, "", -1, topic, 0, 5, "");
            s.call(v, before);
            s.quietly(new org.apache.kafka.common.message.DeleteTopicsRequestData().setTimeoutMs(30_000).setTopics(List.of(
                new org.apache.kafka.common.message.DeleteTopicsRequestData.DeleteTopicState().setName(topic))));
            s.awaitNoTopic(topic);
            s.topic("", 1);
            s.call("what was committed is gone", 5, read(s, (short) 5, group, topic, 0));
            s.call("committed as before", v, before);
        });
    }

    private static void addDescribe(Scenes scenes) {
        scenes.each(ApiKeys.DESCRIBE_GROUPS, "describe-groups/states", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 1);
            s.call("no such group", v, describe(group));
            s.call("no group", v, describe(""));
            s.call("none", v, new DescribeGroupsRequestData());
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, ""));
            s.call("only offsets", v, describe(group));
            Member member = new Member(s, group, "only", "range").joined();
            s.call("completing", v, describe(group));
            s.call("assigns", SYNC, member.sync(member));
            s.call("stable", v, describe(group));
            if (v >= 3)
                s.call("operations", v, describe(group).setIncludeAuthorizedOperations(true));
            s.call("leaves", LEAVE, leave(group, member.id, null));
            s.call("empty", v, describe(group));
            s.call("two", v, new DescribeGroupsRequestData().setGroups(List.of(group, "missing-" + group)));
        });
        scenes.each(ApiKeys.LIST_GROUPS, "list-groups/mine", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 1);
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, ""));
            listed(s, v, "empty", group, new ListGroupsRequestData());
            Member member = new Member(s, group, "only", "range").joined();
            listed(s, v, "completing", group, new ListGroupsRequestData());
            s.call("assigns", SYNC, member.sync(member));
            listed(s, v, "stable", group, new ListGroupsRequestData());
            if (v >= 4) {
                listed(s, v, "chosen by state", group, new ListGroupsRequestData().setStatesFilter(List.of("stable")));
                listed(s, v, "not chosen by state", group, new ListGroupsRequestData().setStatesFilter(List.of("Empty")));
                s.call("unknown state", v, new ListGroupsRequestData().setStatesFilter(List.of("Sleepy")));
            }
            if (v >= 5) {
                listed(s, v, "chosen by type", group, new ListGroupsRequestData().setTypesFilter(List.of("Classic")));
                listed(s, v, "not chosen by type", group, new ListGroupsRequestData().setTypesFilter(List.of("consumer")));
                s.call("unknown type", v, new ListGroupsRequestData().setTypesFilter(List.of("sleepy")));
            }
        });
        scenes.each(ApiKeys.DELETE_GROUPS, "delete-groups/plain", (s, v) -> {
            String group = s.group(""), topic = s.topic("", 1);
            s.call("no such group", v, delete(group));
            s.quietly(commit(s, COMMIT, group, "", -1, topic, 0, 5, ""));
            Member member = new Member(s, group, "only", "range").joined();
            s.call("not empty", v, delete(group));
            s.call("leaves", LEAVE, leave(group, member.id, null));
            s.call("good and unknown", v, delete(group, "missing-" + group, ""));
            s.call("gone", ApiKeys.DESCRIBE_GROUPS.latestVersion(), describe(group));
            s.call("its offsets too", 5, read(s, (short) 5, group, topic, 0));
        });
    }

    /** A member of one protocol type, on a connection of its own. */
    private static final class Member {
        final Scenes.Scene scene;
        final Connection connection;
        final String group;
        final String[] protocols;
        String id = "";
        int generation, sessionMs = 30_000;
        byte[] metadata = subscription("");

        Member(Scenes.Scene scene, String group, String clientId, String... protocols) throws Exception {
            this.scene = scene;
            this.group = group;
            this.protocols = protocols;
            connection = scene.connection(clientId);
        }

        Member sessionMs(int ms) {
            /* Below what a group may have: the suite's brokers allow it. */
            sessionMs = ms;
            return this;
        }

        Member subscribed(String topic) {
            metadata = subscription("", topic);
            return this;
        }

        Member joined() throws Exception {
            JoinGroupResponseData reply = (JoinGroupResponseData) connection.call(JOIN, request()).data();
            id = reply.memberId();
            if (reply.errorCode() == 79) /* MEMBER_ID_REQUIRED */
                reply = (JoinGroupResponseData) connection.call(JOIN, request()).data();
            if (reply.errorCode() != 0)
                throw new IllegalStateException("join failed with " + reply.errorCode());
            generation = reply.generationId();
            return this;
        }

        private JoinGroupRequestData request() {
            JoinGroupRequestData request = join(JOIN, group, id, protocols).setSessionTimeoutMs(sessionMs);
            request.protocols().forEach(p -> p.setMetadata(metadata));
            return request;
        }

        void id(JoinGroupResponseData reply) {
            if (reply != null) {
                id = reply.memberId();
                generation = reply.generationId();
            }
        }

        SyncGroupRequestData sync(Member assigned) {
            return Groups.sync(group, generation, id, assigned.id);
        }

        HeartbeatRequestData heartbeat() {
            return beat(group, generation, id);
        }
    }

    private static JoinGroupRequestData join(short version, String group, String member, String... protocols) {
        JoinGroupRequestData request = new JoinGroupRequestData().setGroupId(group).setMemberId(member).setProtocolType("consumer")
            .setSessionTimeoutMs(30_000);
        if (version >= 1)
            request.setRebalanceTimeoutMs(30_000);
        for (String protocol : protocols)
            request.protocols().mustAdd(new JoinGroupRequestProtocol().setName(protocol).setMetadata(subscription(protocol)));
        return request;
    }

    /** What consumers say when they join, in v0: the topics that they want, and bytes of their own. */
    private static byte[] subscription(String userData, String... topics) {
        byte[] body = Connection.bytes(new ConsumerProtocolSubscription().setTopics(List.of(topics))
            .setUserData(ByteBuffer.wrap(userData.getBytes())), (short) 0);
        return ByteBuffer.allocate(2 + body.length).putShort((short) 0).put(body).array();
    }

    private static SyncGroupRequestData sync(String group, int generation, String member, String... assigned) {
        return sync(SYNC, group, generation, member, assigned).setProtocolType("consumer");
    }

    private static SyncGroupRequestData sync(short version, String group, int generation, String member, String... assigned) {
        SyncGroupRequestData request = new SyncGroupRequestData().setGroupId(group).setGenerationId(generation).setMemberId(member)
            .setProtocolName(version >= 5 ? "range" : null).setProtocolType(version >= 5 ? "consumer" : null);
        List<SyncGroupRequestAssignment> assignments = new ArrayList<>();
        for (String one : assigned)
            assignments.add(new SyncGroupRequestAssignment().setMemberId(one).setAssignment(("for " + assignments.size()).getBytes()));
        return request.setAssignments(assignments);
    }

    private static HeartbeatRequestData beat(String group, int generation, String member) {
        return new HeartbeatRequestData().setGroupId(group).setGenerationId(generation).setMemberId(member);
    }

    private static LeaveGroupRequestData leave(String group, String member, String instance) {
        return new LeaveGroupRequestData().setGroupId(group).setMembers(List.of(
            new MemberIdentity().setMemberId(member).setGroupInstanceId(instance)));
    }

    private static LeaveGroupRequestData leave(short version, String group, String member) {
        return version >= 3 ? leave(group, member, null) : new LeaveGroupRequestData().setGroupId(group).setMemberId(member);
    }

    private static OffsetCommitRequestData commitOf(Scenes.Scene s, Member member) throws Exception {
        String topic = s.topic("-committed", 1);
        return commit(s, COMMIT, member.group, member.id, member.generation, topic, 0, 1, "");
    }

    private static OffsetCommitRequestData commit(Scenes.Scene s, short version, String group, String member, int generation, String topic,
                                                  int partition, long offset, String metadata) throws Exception {
        OffsetCommitRequestTopic named = new OffsetCommitRequestTopic();
        return commit(group, member, generation, version >= 10 ? named.setTopicId(s.topicId(topic)) : named.setName(topic), partition, offset, metadata);
    }

    private static OffsetCommitRequestData commit(String group, String member, int generation, OffsetCommitRequestTopic topic, int partition,
                                                  long offset, String metadata) {
        return new OffsetCommitRequestData().setGroupId(group).setMemberId(member).setGenerationIdOrMemberEpoch(generation)
            .setTopics(List.of(topic.setPartitions(List.of(
                new OffsetCommitRequestPartition().setPartitionIndex(partition).setCommittedOffset(offset).setCommittedMetadata(metadata)))));
    }

    private static OffsetFetchRequestData read(Scenes.Scene s, short version, String group, String topic, Integer... partitions) throws Exception {
        if (version < 8)
            return new OffsetFetchRequestData().setGroupId(group).setTopics(List.of(new OffsetFetchRequestData.OffsetFetchRequestTopic()
                .setName(topic).setPartitionIndexes(List.of(partitions))));
        var wanted = new OffsetFetchRequestData.OffsetFetchRequestTopics().setPartitionIndexes(List.of(partitions));
        return new OffsetFetchRequestData().setGroups(List.of(new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId(group)
            .setTopics(List.of(version >= 10 ? wanted.setTopicId(s.topicId(topic)) : wanted.setName(topic)))));
    }

    private static OffsetFetchRequestData readAll(short version, String group) {
        if (version < 8)
            return new OffsetFetchRequestData().setGroupId(group).setTopics(null);
        return new OffsetFetchRequestData().setGroups(List.of(new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId(group).setTopics(null)));
    }

    private static OffsetDeleteRequestData forget(String group, String topic, int... partitions) {
        var wanted = new OffsetDeleteRequestData.OffsetDeleteRequestTopic().setName(topic);
        List<OffsetDeleteRequestData.OffsetDeleteRequestPartition> list = new ArrayList<>();
        for (int partition : partitions)
            list.add(new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(partition));
        OffsetDeleteRequestData request = new OffsetDeleteRequestData().setGroupId(group);
        request.topics().mustAdd(wanted.setPartitions(list));
        return request;
    }

    private static DescribeGroupsRequestData describe(String group) {
        return new DescribeGroupsRequestData().setGroups(List.of(group));
    }

    private static DeleteGroupsRequestData delete(String... groups) {
        return new DeleteGroupsRequestData().setGroupsNames(List.of(groups));
    }

    /** Of all the groups that there are, the one of this scene. */
    private static void listed(Scenes.Scene s, short version, String label, String group, ListGroupsRequestData request) throws Exception {
        Connection.Outcome reply = s.main().call(version, request);
        if (reply.data() == null) {
            s.told(label, reply);
            return;
        }
        var mine = s.story.arrayNode();
        reply.json().get("groups").forEach(one -> {
            if (one.get("groupId").asText().equals(group))
                mine.add(one);
        });
        s.tell(label + " error " + reply.json().path("errorCode"), mine);
    }
}
