// SPDX-License-Identifier: Apache-2.0
// kafkajs for run.py: see adapter.py for the form of commands and answers.
const readline = require('readline')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const { ZstdCodec } = require('zstd-codec')

const address = process.argv[2]
const POLL_MS = 250
const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD }
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: encoder => lz4.compressFrame(encoder.buffer),
  decompress: buffer => lz4.decompressFrame(buffer) })
const zstd = new Promise(done => ZstdCodec.run(library => done(new library.Streaming())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)) })

const kafka = new Kafka({ brokers: [address], logLevel: logLevel.ERROR,
  logCreator: () => entry => console.error(JSON.stringify(entry)) })
const decode = text => text === null ? null : Buffer.from(text, 'base64')
const encode = data => data === null || data === undefined ? null : data.toString('base64')

let member, received = [], arrived = () => {}

const recordOf = (partition, message) => ({
  partition, offset: Number(message.offset), timestamp: Number(message.timestamp),
  key: encode(message.key), value: encode(message.value),
  headers: Object.entries(message.headers || {}).flatMap(([name, data]) => [data].flat().map(each => [name, encode(each)])) })

async function withClient(client, use) {
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.disconnect()
  }
}

// kafkajs takes headers as an object, in which a name that occurs twice has a list.
function headersOf(item) {
  const headers = {}
  for (const [name, data] of item.headers)
    headers[name] = name in headers ? [headers[name], decode(data)].flat() : decode(data)
  return headers
}

const commands = {
  create: ({ topic, partitions }) => withClient(kafka.admin(), admin =>
    admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] }).then(() => [])),

  produce: ({ topic, codec, records }) => withClient(kafka.producer({ idempotent: true }), async producer => {
    await producer.send({ topic, acks: -1, compression: codecs[codec], messages: records.map(item => ({
      key: decode(item.key), value: decode(item.value), partition: item.partition, headers: headersOf(item),
      timestamp: item.timestamp === null ? undefined : String(item.timestamp) })) })
    return []
  }),

  // kafkajs reads only as a member of a group: one of its own, moved to the place that is asked for.
  read: async ({ topic, partition, count, offset, timestamp }) => {
    if (timestamp !== undefined)
      offset = await withClient(kafka.admin(), async admin =>
        (await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)).find(each => each.partition === partition).offset)
    const own = kafka.consumer({ groupId: `read-${topic}-${process.pid}-${Date.now()}` })
    return withClient(own, consumer => new Promise((done, fail) => {
      const records = []
      const eachMessage = async each => {
        if (each.partition === partition && Number(each.message.offset) >= Number(offset))
          records.push(recordOf(partition, each.message))
        if (records.length === count)
          done(records)
      }
      consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || fail(payload.error))
      consumer.subscribe({ topic, fromBeginning: true })
        .then(() => consumer.run({ autoCommit: false, eachMessage }))
        .then(() => consumer.seek({ topic, partition, offset: String(offset) }), fail)
    }))
  },

  join: async ({ topic, group }) => {
    member = kafka.consumer({ groupId: group, heartbeatInterval: 300, rebalanceTimeout: 10000 })
    await member.connect()
    await member.subscribe({ topic, fromBeginning: true })
    await member.run({ autoCommit: false, eachMessage: async ({ topic, partition, message }) => {
      received.push({ topic, ...recordOf(partition, message) })
      arrived()
    } })
    return []
  },

  poll: async () => {
    if (!received.length)
      await new Promise(done => { arrived = done; setTimeout(done, POLL_MS) })
    const records = received
    received = []
    for (const { topic, partition, offset } of records)
      positions[`${topic} ${partition}`] = { topic, partition, offset: String(offset + 1) }
    return records.map(({ topic, ...item }) => item)
  },

  commit: async () => {
    await member.commitOffsets(Object.values(positions))
    return []
  },

  leave: async () => {
    await member.disconnect()
    return []
  },
}
const positions = {}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    let answer
    try {
      answer = { records: await commands[command.do](command) }
    } catch (error) {
      console.error(error)
      answer = { error: String(error) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
  process.exit(0)
}

main()
