/* SPDX-License-Identifier: Apache-2.0
 * Kafka's own serializer as the judge of our codecs.
 *
 *   java -cp CLASSES:KAFKA_JARS Oracle WIRE_ROUNDTRIP SEED CHOSEN LEFT_OUT
 *
 * CHOSEN and LEFT_OUT are regular expressions of messages' names.
 *
 * Every generated message class on the class path (requests and responses of ApiMessageType, and whatever else of the
 * jars has a SCHEMAS table: headers, control records, the records of the coordinators and of the metadata log) is filled
 * for each of its versions with the fields of that version, several times: see Fill. Of each filled object
 *
 *   1. the bytes that Kafka writes must come back unchanged from the program `wire-roundtrip` (decode, then encode),
 *   2. what came back must be read by Kafka as an object equal to the first,
 *   3. the bytes cut anywhere, or with one byte more, must be refused.
 * Tagged fields that no schema knows are among what must come back unchanged.
 *
 * The schema table says which fields a version has. Everything is found by reflection, so the same program runs against any release's jars. One line per message.
 */
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Writable;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

public final class Oracle {
    /** How the values of one object are chosen. The last ones are repeated with fresh random numbers. */
    enum Fill { DEFAULT, EMPTY, NULL, LEAST, GREATEST, LONG, UNKNOWN_TAGS, RANDOM }

    static final int RANDOM_ROUNDS = 6;
    static final int VALUES_MAX = 4000; /* of one object: nested collections stay empty once this many are set */

    public static void main(String[] args) throws Exception {
        long seed = Long.parseLong(args[1]);
        Pattern chosen = Pattern.compile(args[2]), leftOut = Pattern.compile(args[3]);
        boolean failed = false;

        System.out.println("seed " + seed);
        try (RoundTrip peer = new RoundTrip(args[0])) {
            for (Class<?> type : messageClasses()) {
                Check check = new Check(type, peer, seed);
                if (!chosen.matcher(check.name).find() || leftOut.matcher(check.name).matches())
                    continue;
                check.run();
                failed |= check.failures > 0;
            }
        }
        System.exit(failed ? 1 : 0);
    }

    /** The top-level generated classes of Kafka's jars, by name. */
    static List<Class<?>> messageClasses() throws Exception {
        Map<String, Class<?>> found = new TreeMap<>();
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (!new File(path).getName().startsWith("kafka-"))
                continue;
            try (JarFile jar = new JarFile(path)) {
                for (String entry : Collections.list(jar.entries()).stream().map(Object::toString).toList()) {
                    if (!entry.endsWith("JsonConverter.class") || entry.contains("$"))
                        continue;
                    String name = entry.replace("JsonConverter.class", "").replace('/', '.');
                    Class<?> type = Class.forName(name);
                    if (Message.class.isAssignableFrom(type))
                        found.put(type.getSimpleName(), type);
                }
            }
        }
        return new ArrayList<>(found.values());
    }

    /** One message through all of its versions. */
    static final class Check {
        final Class<?> type;
        final RoundTrip peer;
        final long seed;
        final String name;
        final boolean request;
        int failures, samples;
        String first = "";

        Check(Class<?> type, RoundTrip peer, long seed) {
            this.type = type;
            this.peer = peer;
            this.seed = seed;
            name = type.getSimpleName().replaceAll("(Request|Response|Header)Data$", "$1");
            request = name.endsWith("Request");
        }

        void run() throws Exception {
            Message empty = newMessage();
            short least = empty.lowestSupportedVersion(), most = empty.highestSupportedVersion();
            for (short version = least; version <= most; version++)
                for (Fill fill : Fill.values())
                    for (int round = 0; round < (fill == Fill.RANDOM ? RANDOM_ROUNDS : 1); round++)
                        one(version, fill, round);
            String versions = least == most ? "v" + least : "v" + least + "-" + most;
            if (least > most)
                System.out.println("PASS " + name + " (no version left)");
            else if (failures == 0)
                System.out.println("PASS " + name + " " + versions + " " + samples + " samples");
            else
                System.out.println("FAIL " + name + " " + versions + ": " + failures + " of " + samples + ": " + first);
            System.out.flush();
        }

        Message newMessage() throws Exception {
            return (Message) type.getConstructor().newInstance();
        }

        Message filled(short version, Fill fill, long sampleSeed) throws Exception {
            Message message = newMessage();
            Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
            new Filler(fill, new Random(sampleSeed)).struct(message, schemas[version]);
            return message;
        }

        void one(short version, Fill fill, int round) throws Exception {
            long sampleSeed = seed ^ ((long) name.hashCode() << 20) ^ (version * 1009L) ^ (fill.ordinal() * 31L + round);
            Message message = filled(version, fill, sampleSeed);
            byte[] sent = bytes(message, version);

            samples++;
            Reply reply = ask(version, sent);
            String where = "v" + version + " " + fill + " #" + round + ": ";
            if (reply.status != 0) {
                fail(where + "status " + reply.status + " for " + hex(sent, 0, 48) + " (" + sent.length + " bytes)");
                return;
            }
            if (!Arrays.equals(sent, reply.body)) {
                fail(where + difference(sent, reply.body));
                return;
            }
            Message again = newMessage();
            ByteBuffer buffer = ByteBuffer.wrap(reply.body);
            again.read(new ByteBufferAccessor(buffer), version);
            if (buffer.hasRemaining() || !again.equals(message))
                fail(where + "Kafka reads our bytes as another object");
            Random random = new Random(sampleSeed + 1);
            if (sent.length > 0) {
                refused(version, Arrays.copyOf(sent, sent.length - 1), where);
                refused(version, Arrays.copyOf(sent, random.nextInt(sent.length)), where);
            }
            refused(version, Arrays.copyOf(sent, sent.length + 1), where);
        }

        void refused(short version, byte[] sent, String where) throws Exception {
            if (ask(version, sent).status == 0)
                fail(where + "accepted with its length changed to " + sent.length);
        }

        Reply ask(short version, byte[] body) throws Exception {
            if (name.endsWith("Request") || name.endsWith("Response"))
                return peer.message(request ? 'q' : 'r', ((ApiMessage) newMessage()).apiKey(), version, body);
            return peer.record(name, version, body);
        }

        void fail(String what) {
            if (failures++ == 0)
                first = what;
        }
    }

    static String difference(byte[] expected, byte[] got) {
        int at = Arrays.mismatch(expected, got);
        return expected.length + " bytes, got " + got.length + ", differ at " + at + ": expected "
            + hex(expected, at, 16) + ", got " + hex(got, at, 16);
    }

    static String hex(byte[] b, int from, int count) {
        StringBuilder text = new StringBuilder();
        for (int i = from; i < b.length && i < from + count; i++)
            text.append(String.format("%02x", b[i]));
        return text.isEmpty() ? "(end)" : text.toString();
    }

    /** What Kafka writes. Records are written as they are: ByteBufferAccessor does not do that by itself. */
    static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        int size = message.size(cache, version);
        ByteBuffer buffer = ByteBuffer.allocate(size);
        ByteBufferAccessor plain = new ByteBufferAccessor(buffer);
        InvocationHandler handler = (proxy, method, args) -> {
            if (method.getName().equals("writeRecords")) {
                plain.writeByteBuffer(recordBytes(args[0]));
                return null;
            }
            return method.invoke(plain, args);
        };
        message.write((Writable) Proxy.newProxyInstance(Oracle.class.getClassLoader(), new Class<?>[] {Writable.class}, handler),
            cache, version);
        if (buffer.hasRemaining())
            throw new IllegalStateException(message.getClass() + ": Kafka's size is not what Kafka wrote");
        return buffer.array();
    }

    static ByteBuffer recordBytes(Object records) throws Exception {
        return ((ByteBuffer) records.getClass().getMethod("buffer").invoke(records)).duplicate();
    }

    /** Sets the fields that a schema names, choosing the values by one Fill. */
    static final class Filler {
        final Fill fill;
        final Random random;
        int values;

        Filler(Fill fill, Random random) {
            this.fill = fill;
            this.random = random;
        }

        void struct(Object object, Schema schema) throws Exception {
            Map<String, Field> fields = new HashMap<>();
            for (Field field : object.getClass().getDeclaredFields())
                if (!Modifier.isStatic(field.getModifiers())) {
                    field.setAccessible(true);
                    fields.put(plain(field.getName()), field);
                }
            for (org.apache.kafka.common.protocol.types.BoundField bound : schema.fields()) {
                if (bound.def.type instanceof TaggedFields tagged) {
                    for (var field : taggedFields(tagged).values())
                        if (fill != Fill.DEFAULT && (fill != Fill.RANDOM || random.nextInt(3) > 0))
                            set(object, fields, field.name, field.type);
                    if (fill == Fill.UNKNOWN_TAGS)
                        addUnknownTags(object, tagged);
                } else {
                    set(object, fields, bound.def.name, bound.def.type);
                }
            }
        }

        /** Private in 3.9, and public from 4.0 on. */
        @SuppressWarnings("unchecked")
        static TreeMap<Integer, org.apache.kafka.common.protocol.types.Field> taggedFields(TaggedFields section) throws Exception {
            Field fields = TaggedFields.class.getDeclaredField("fields");
            fields.setAccessible(true);
            return new TreeMap<>((Map<Integer, org.apache.kafka.common.protocol.types.Field>) fields.get(section));
        }

        void addUnknownTags(Object object, TaggedFields known) throws Exception {
            Method method = object.getClass().getMethod("unknownTaggedFields");
            @SuppressWarnings("unchecked")
            List<RawTaggedField> tags = (List<RawTaggedField>) method.invoke(object);
            var taken = taggedFields(known);
            int past = taken.isEmpty() ? 50 : taken.lastKey() + 50; /* past those of later releases, too */
            tags.add(new RawTaggedField(past, new byte[0]));
            tags.add(new RawTaggedField(past + 127, new byte[] {1, 2, 3}));
            tags.add(new RawTaggedField(1 << 30, new byte[200]));
        }

        void set(Object object, Map<String, Field> fields, String name, Type type) throws Exception {
            Field field = fields.get(plain(name));
            if (field == null)
                throw new IllegalStateException(object.getClass() + " has no field for " + name);
            values++;
            if (fill == Fill.DEFAULT && !field.getName().equals("unalignedRecords"))
                return;
            if (field.getName().equals("unalignedRecords")) /* cannot be null, which the schemas of 3.9 do not say */
                field.set(object, records(field.getType()));
            else
                field.set(object, value(field.getType(), field.getGenericType(), type));
        }

        Object value(Class<?> kind, java.lang.reflect.Type generic, Type type) throws Exception {
            if (!kind.isPrimitive() && type.isNullable() && isNull())
                return null;
            if (Collection.class.isAssignableFrom(kind))
                return collection(kind, generic, type);
            if (kind == boolean.class || kind == Boolean.class)
                return fill == Fill.GREATEST || fill == Fill.LONG || fill.ordinal() > Fill.LONG.ordinal() && random.nextBoolean();
            if (kind == byte.class || kind == Byte.class)
                return (byte) number(Byte.MIN_VALUE, Byte.MAX_VALUE);
            if (kind == short.class || kind == Short.class)
                return (short) number(Short.MIN_VALUE, Short.MAX_VALUE);
            if (kind == int.class || kind == Integer.class)
                return (int) (type == Type.UINT16 ? number(0, 65535) : number(Integer.MIN_VALUE, Integer.MAX_VALUE));
            if (kind == long.class || kind == Long.class)
                return type == Type.UNSIGNED_INT32 ? number(0, 0xffffffffL) : number(Long.MIN_VALUE, Long.MAX_VALUE);
            if (kind == double.class)
                return real();
            if (kind == String.class)
                return string();
            if (kind == Uuid.class)
                return uuid();
            if (kind == byte[].class)
                return octets();
            if (kind == ByteBuffer.class)
                return ByteBuffer.wrap(octets());
            if (kind.getSimpleName().equals("BaseRecords"))
                return records(kind);
            Object nested = instance(kind);
            struct(nested, (Schema) type);
            return nested;
        }

        boolean isNull() {
            return switch (fill) {
                case NULL -> true;
                case UNKNOWN_TAGS, RANDOM -> random.nextInt(4) == 0;
                default -> false;
            };
        }

        Object collection(Class<?> kind, java.lang.reflect.Type generic, Type type) throws Exception {
            @SuppressWarnings("unchecked")
            Collection<Object> made = kind == List.class ? new ArrayList<>() : (Collection<Object>) instance(kind);
            java.lang.reflect.Type element = elementType(kind, generic);
            Class<?> elementKind = (Class<?>) element;
            Type elementType = type.arrayElementType().orElseThrow();
            int count = count(elementType instanceof Schema);
            for (int i = 0; i < count; i++)
                made.add(value(elementKind, element, elementType));
            return made;
        }

        /** List<E>, or a generated collection of Es which says so in its superclass. */
        static java.lang.reflect.Type elementType(Class<?> kind, java.lang.reflect.Type generic) {
            var parameterized = (ParameterizedType) (kind == List.class ? generic : kind.getGenericSuperclass());
            return parameterized.getActualTypeArguments()[0];
        }

        static Object instance(Class<?> kind) throws Exception {
            Constructor<?> made = kind.getDeclaredConstructor();
            made.setAccessible(true);
            return made.newInstance();
        }

        int count(boolean structs) {
            if (values > VALUES_MAX)
                return 0;
            return switch (fill) {
                case DEFAULT, EMPTY -> 0;
                case NULL, LEAST -> 1;
                case GREATEST -> 2;
                case LONG -> structs ? 1 : 126 + random.nextInt(3); /* around where a compact length needs a second byte */
                case UNKNOWN_TAGS -> 1 + random.nextInt(2);
                case RANDOM -> random.nextInt(structs ? 4 : 6);
            };
        }

        long number(long least, long most) {
            long[] edges = {0, least, most, -1, 1, least + 1, most - 1};
            switch (fill) {
                case EMPTY, NULL: return 0;
                case LEAST: return least;
                case GREATEST: return most;
                default:
            }
            if (random.nextInt(3) == 0)
                return Math.max(least, Math.min(most, edges[random.nextInt(edges.length)]));
            long bits = random.nextLong() >>> random.nextInt(64);
            return most == Long.MAX_VALUE ? bits : least + Math.floorMod(bits, most - least + 1);
        }

        double real() {
            return switch (fill) {
                case EMPTY, NULL -> 0.0;
                case LEAST -> -Double.MAX_VALUE;
                case GREATEST -> Double.POSITIVE_INFINITY;
                default -> random.nextGaussian() * 1e6;
            };
        }

        int length(int... long_) {
            return switch (fill) {
                case EMPTY, NULL -> 0;
                case LEAST -> 1;
                case LONG -> long_[random.nextInt(long_.length)];
                case RANDOM -> random.nextInt(3) == 0 ? 0 : random.nextInt(40);
                default -> 1 + random.nextInt(12);
            };
        }

        /** LONG: around the lengths at which a varint grows, and the greatest that an int16 holds. */
        String string() {
            int bytes = length(126, 127, 128, 16382, 16383, 16384, 32767);
            StringBuilder text = new StringBuilder();
            while (bytes > 0) {
                String next = switch (random.nextInt(8)) {
                    case 0 -> bytes >= 2 ? "\u00e9" : "e";
                    case 1 -> bytes >= 3 ? "\u20ac" : "\u0001";
                    case 2 -> bytes >= 4 ? "\ud83e\udd80" : "\u007f";
                    default -> String.valueOf((char) ('a' + random.nextInt(26)));
                };
                text.append(next);
                bytes -= next.getBytes(StandardCharsets.UTF_8).length;
            }
            return text.toString();
        }

        byte[] octets() {
            byte[] made = new byte[length(126, 127, 128, 16383, 70000)];
            random.nextBytes(made);
            return made;
        }

        /** Any bytes will do: neither side looks into them here. */
        Object records(Class<?> base) throws Exception {
            Class<?> memory = Class.forName(base.getPackageName() + ".MemoryRecords");
            return memory.getMethod("readableRecords", ByteBuffer.class).invoke(null, ByteBuffer.wrap(octets()));
        }

        Uuid uuid() {
            return switch (fill) {
                case EMPTY, NULL -> Uuid.ZERO_UUID;
                case LEAST -> new Uuid(Long.MIN_VALUE, 0);
                case GREATEST -> new Uuid(-1, -1);
                default -> random.nextInt(4) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
            };
        }
    }

    /** What kRaftVersion and k_raft_version, its name in a schema, have in common. */
    static String plain(String name) {
        return name.replace("_", "").toLowerCase(Locale.ROOT);
    }

    record Reply(int status, byte[] body) {}

    /** The program under test, started anew when it died: that is then the failure of one sample, not of the rest. */
    static final class RoundTrip implements AutoCloseable {
        static final int DIED = 0xdead;

        final String program;
        Process process;
        DataOutputStream out;
        DataInputStream in;

        RoundTrip(String program) throws IOException {
            this.program = program;
            start();
        }

        void start() throws IOException {
            process = new ProcessBuilder(program).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            out = new DataOutputStream(new BufferedOutputStream(process.getOutputStream(), 1 << 18));
            in = new DataInputStream(new java.io.BufferedInputStream(process.getInputStream(), 1 << 18));
        }

        Reply message(char direction, short key, short version, byte[] body) throws IOException {
            return exchange(() -> {
                out.writeByte(direction);
                out.writeShort(key);
                out.writeShort(version);
                out.writeInt(body.length);
                out.write(body);
            });
        }

        Reply record(String name, short version, byte[] body) throws IOException {
            return exchange(() -> {
                byte[] octets = name.getBytes(StandardCharsets.US_ASCII);
                out.writeByte('m');
                out.writeShort(version);
                out.writeInt(2 + octets.length + body.length);
                out.writeShort(octets.length);
                out.write(octets);
                out.write(body);
            });
        }

        interface Send {
            void run() throws IOException;
        }

        Reply exchange(Send send) throws IOException {
            try {
                send.run();
                out.flush();
                int status = in.readInt();
                return new Reply(status, in.readNBytes(in.readInt()));
            } catch (IOException e) {
                close();
                start();
                return new Reply(DIED, new byte[0]);
            }
        }

        @Override
        public void close() {
            process.destroy();
        }
    }
}
