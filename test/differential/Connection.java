/* SPDX-License-Identifier: Apache-2.0
 * One connection to a broker: requests out, replies in, in order. Replies are decoded with Kafka's classes; whatever
 * else may happen to a connection (closed, no answer in time, bytes that do not decode) is an Outcome like any other.
 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Queue;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;

final class Connection implements AutoCloseable {
    static final int DEADLINE_MS = 20_000; /* generous: it is only reached by a failure, or where no answer is expected */

    /** What came of a request: data and json of a reply, or json alone of anything else. */
    record Outcome(ApiMessage data, JsonNode json) {
        static Outcome of(String what) {
            return new Outcome(null, JsonNodeFactory.instance.textNode(what));
        }
    }

    private record Sent(ApiKeys api, short version, int correlation) {}

    private final Socket socket = new Socket();
    private final String clientId;
    private final Queue<Sent> sent = new ArrayDeque<>();
    private int correlation;
    private int deadlineMs = DEADLINE_MS;

    Connection(InetSocketAddress broker, String clientId) throws IOException {
        this.clientId = clientId;
        socket.setTcpNoDelay(true);
        socket.connect(broker, DEADLINE_MS);
    }

    /** For what Kafka does not answer. */
    void impatient() {
        deadlineMs = DEADLINE_MS / 10;
    }

    void send(short version, ApiMessage body) throws IOException {
        ApiKeys api = ApiKeys.forId(body.apiKey());
        sent.add(new Sent(api, version, ++correlation));
        raw(frame(header(api.id, version, api.requestHeaderVersion(version)), bytes(body, version)));
    }

    Outcome call(short version, ApiMessage body) throws IOException {
        send(version, body);
        return receive();
    }

    /** A request that no class of Kafka's would write: any key, version and body, under a header of any version. */
    Outcome call(short key, short version, short headerVersion, byte[] body) throws IOException {
        correlation++;
        raw(frame(header(key, version, headerVersion), body));
        if (key == ApiKeys.API_VERSIONS.id) {
            sent.add(new Sent(ApiKeys.API_VERSIONS, version, correlation));
            return receive();
        }
        return receiveRaw();
    }

    byte[] header(short key, short version, short headerVersion) {
        RequestHeaderData header = new RequestHeaderData()
            .setRequestApiKey(key).setRequestApiVersion(version).setCorrelationId(correlation).setClientId(clientId);
        return bytes(header, headerVersion);
    }

    void raw(byte[] octets) throws IOException {
        try {
            socket.getOutputStream().write(octets);
        } catch (SocketException closed) {
            /* The broker may close while we still send; receive() tells. */
        }
    }

    Outcome receive() throws IOException {
        Sent request = sent.remove();
        ByteBuffer frame;
        try {
            frame = readFrame();
        } catch (EOFException | SocketException closed) {
            return Outcome.of("closed");
        } catch (SocketTimeoutException late) {
            return Outcome.of("no answer");
        }
        try {
            return decode(request, frame);
        } catch (RuntimeException | ReflectiveOperationException bad) {
            return Outcome.of("undecodable " + request.api.name + " v" + request.version + ": " + bad);
        }
    }

    /** For what is not a request that Kafka knows: only whether anything comes. */
    Outcome receiveRaw() throws IOException {
        try {
            return Outcome.of("a reply of " + readFrame().remaining() + " bytes");
        } catch (EOFException | SocketException closed) {
            return Outcome.of("closed");
        } catch (SocketTimeoutException late) {
            return Outcome.of("no answer");
        }
    }

    private ByteBuffer readFrame() throws IOException {
        socket.setSoTimeout(deadlineMs);
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] frame = new byte[in.readInt()];
        in.readFully(frame);
        return ByteBuffer.wrap(frame);
    }

    private Outcome decode(Sent request, ByteBuffer frame) throws ReflectiveOperationException {
        ResponseHeaderData header = new ResponseHeaderData();
        header.read(new ByteBufferAccessor(frame), request.api.responseHeaderVersion(request.version));
        if (header.correlationId() != request.correlation)
            return Outcome.of("correlation id " + header.correlationId() + " for " + request.correlation);
        short version = request.version;
        if (request.api == ApiKeys.API_VERSIONS && (version > ApiKeys.API_VERSIONS.latestVersion() || version < 0))
            version = 0; /* how a broker refuses a version of this request */
        else if (request.api == ApiKeys.API_VERSIONS && frame.getShort(frame.position()) == Errors.UNSUPPORTED_VERSION.code())
            version = 0;
        ApiMessage data = ApiMessageType.fromApiKey(request.api.id).newResponse();
        data.read(new ByteBufferAccessor(frame), version);
        if (frame.hasRemaining())
            return Outcome.of(frame.remaining() + " bytes too many in " + request.api.name + " v" + version);
        ObjectNode json = json(data, version);
        if (data instanceof FetchResponseData fetch)
            describeRecords(fetch, json);
        return new Outcome(data, json);
    }

    static ObjectNode json(Message data, short version) throws ReflectiveOperationException {
        Class<?> converter = Class.forName(data.getClass().getName() + "JsonConverter");
        for (Method method : converter.getMethods())
            if (method.getName().equals("write") && method.getParameterCount() == 2)
                return (ObjectNode) method.invoke(null, data, version);
        throw new NoSuchMethodException(converter.getName());
    }

    /** Kafka's converters leave out the records themselves. */
    private static void describeRecords(FetchResponseData fetch, ObjectNode json) {
        for (int t = 0; t < fetch.responses().size(); t++) {
            var partitions = fetch.responses().get(t).partitions();
            for (int p = 0; p < partitions.size(); p++) {
                ObjectNode node = (ObjectNode) json.get("responses").get(t).get("partitions").get(p);
                node.remove("records");
                node.set("batches", partitions.get(p).records() == null ? node.nullNode() : batches(partitions.get(p).records()));
            }
        }
    }

    static ArrayNode batches(BaseRecords records) {
        ArrayNode list = JsonNodeFactory.instance.arrayNode();
        for (MutableRecordBatch batch : ((MemoryRecords) records).batches()) {
            ObjectNode node = list.addObject();
            node.put("magic", batch.magic()).put("baseOffset", batch.baseOffset()).put("lastOffset", batch.lastOffset());
            node.put("size", batch.sizeInBytes()).put("valid", batch.isValid()).put("leaderEpoch", batch.partitionLeaderEpoch());
            node.put("timestampType", batch.timestampType().name).put("maxTimestamp", batch.maxTimestamp());
            node.put("compression", batch.compressionType().name).put("control", batch.isControlBatch());
            node.put("producerId", batch.producerId()).put("producerEpoch", batch.producerEpoch());
            node.put("baseSequence", batch.baseSequence());
            ArrayNode values = node.putArray("records");
            batch.forEach(record -> values.add(record.offset() + "=" + (record.hasValue() ? text(record.value()) : null)));
        }
        return list;
    }

    private static String text(ByteBuffer value) {
        byte[] octets = new byte[value.remaining()];
        value.duplicate().get(octets);
        return octets.length <= 40 ? new String(octets) : octets.length + " bytes of hash " + java.util.Arrays.hashCode(octets);
    }

    static byte[] frame(byte[]... parts) {
        int size = 0;
        for (byte[] part : parts)
            size += part.length;
        ByteBuffer frame = ByteBuffer.allocate(4 + size).putInt(size);
        for (byte[] part : parts)
            frame.put(part);
        return frame.array();
    }

    static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer) {
            @Override
            public void writeRecords(BaseRecords records) {
                writeByteBuffer(((MemoryRecords) records).buffer());
            }
        }, cache, version);
        return buffer.array();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
