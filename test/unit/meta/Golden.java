// SPDX-License-Identifier: Apache-2.0
// How golden/kafka.log and golden/kafka.checkpoint were made: a fresh Kafka 4.3.1 (combined roles, StandardAuthorizer, super.users=User:ANONYMOUS,
// metadata.log.max.record.bytes.between.snapshots=1) ran while this did its work (java -cp LIBS Golden.java HOST:PORT). kafka.log is its __cluster_metadata-0
// log up to the snapshot, without the batches that hold nothing but a NoOp; kafka.checkpoint is that snapshot; bootstrap.checkpoint is what its StorageTool formatted.
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;

public class Golden {
    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            admin.createTopics(List.of(new NewTopic("plain", 3, (short) 1),
                new NewTopic("compacted", 1, (short) 1).configs(Map.of("cleanup.policy", "compact", "retention.ms", "1000")),
                new NewTopic("gone", 2, (short) 1))).all().get();
            admin.createPartitions(Map.of("plain", NewPartitions.increaseTo(5))).all().get();
            alter(admin, ConfigResource.Type.TOPIC, "plain", "segment.bytes", "1048576", AlterConfigOp.OpType.SET);
            alter(admin, ConfigResource.Type.TOPIC, "plain", "retention.ms", "5", AlterConfigOp.OpType.SET);
            alter(admin, ConfigResource.Type.TOPIC, "plain", "retention.ms", "", AlterConfigOp.OpType.DELETE);
            alter(admin, ConfigResource.Type.BROKER, "1", "log.retention.ms", "600000", AlterConfigOp.OpType.SET);
            alter(admin, ConfigResource.Type.BROKER, "", "message.max.bytes", "2000000", AlterConfigOp.OpType.SET);
            alter(admin, ConfigResource.Type.GROUP, "group", "consumer.session.timeout.ms", "50000", AlterConfigOp.OpType.SET);
            quota(admin, "alice", 1000.0);
            quota(admin, null, 2000.0);
            quota(admin, "bob", 3000.0);
            quota(admin, "bob", null);
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("alice",
                new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("bob",
                new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), "secret"))).all().get();
            admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion("bob", ScramMechanism.SCRAM_SHA_512))).all().get();
            AclBinding read = acl("plain", AclOperation.READ), write = acl("plain", AclOperation.WRITE);
            admin.createAcls(List.of(read, write)).all().get();
            admin.deleteAcls(List.of(write.toFilter())).all().get();
            admin.deleteTopics(List.of("gone")).all().get();
            try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", args[0]),
                    new org.apache.kafka.common.serialization.StringSerializer(), new org.apache.kafka.common.serialization.StringSerializer())) {
                producer.send(new ProducerRecord<>("plain", "key", "value")).get();
            }
        }
    }

    static void alter(Admin admin, ConfigResource.Type type, String name, String key, String value, AlterConfigOp.OpType op) throws Exception {
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(type, name), List.of(new AlterConfigOp(new ConfigEntry(key, value), op)))).all().get();
    }

    static void quota(Admin admin, String user, Double rate) throws Exception {
        var entity = new ClientQuotaEntity(java.util.Collections.singletonMap(ClientQuotaEntity.USER, user));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, Set.of(new ClientQuotaAlteration.Op("producer_byte_rate", rate))))).all().get();
    }

    static AclBinding acl(String topic, AclOperation operation) {
        return new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL),
            new AccessControlEntry("User:alice", "*", operation, AclPermissionType.ALLOW));
    }
}
