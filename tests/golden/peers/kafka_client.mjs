// Topics, produces (plain, gzip, with headers, idempotent, without acks), a consumer group, through npm's kafkajs, seen by its
// own instrumentation: a line a request. kafka_client.mjs HOST PORT
import { CompressionTypes, Kafka, Partitioners, logLevel } from "kafkajs";

const [host, port] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));
const kafka = new Kafka({ clientId: "billing", brokers: [`${host}:${port}`], logLevel: logLevel.NOTHING });
// The broker of the test knows version 0 of ApiVersions only; a produce without acks has no response.
const watch = (client, silent) => client.on(client.events.REQUEST, ({ payload }) => {
  const refused = payload.apiKey === 18 && payload.apiVersion > 0, unanswered = silent && payload.apiKey === 0;
  say({ call: { kafka_api_key: payload.apiKey, kafka_api_key_name: payload.apiName.replace("GroupCoordinator", "FindCoordinator"),
    kafka_api_version: payload.apiVersion, kafka_client_id: payload.clientId, kafka_correlation_id: payload.correlationId,
    kafka_response: unanswered ? null : true, status: refused ? "error" : "ok",
    kafka_error_code: unanswered ? null : refused ? 35 : 0, incomplete: false } });
});

const admin = kafka.admin();
watch(admin);
await admin.connect();
await admin.createTopics({ topics: [{ topic: "orders" }, { topic: "events" }], waitForLeaders: true });
await admin.listTopics();
await admin.disconnect();

const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, idempotent: true, maxInFlightRequests: 1 });
watch(producer);
await producer.connect();
let sent = 0;
for (let i = 0; i < 60; i++) {
  const messages = Array.from({ length: 1 + (i % 7) }, (_, n) => ({ key: `k${i}`, value: `order ${i}.${n} äöü ${"x".repeat((i * 31) % 900)}`,
    headers: { trace: `t${i}`, n: String(n) } }));
  await producer.send({ topic: "orders", messages, compression: i % 3 ? CompressionTypes.None : CompressionTypes.GZIP });
  for (const message of messages) say({ sent: { topic: "orders", key: message.key, value: message.value, headers: message.headers } });
  sent += messages.length;
}
await producer.disconnect();

const silent = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
watch(silent, true);
await silent.connect();
for (let i = 0; i < 10; i++) {
  await silent.send({ topic: "events", acks: 0, messages: [{ key: null, value: `event ${i}` }] });
  say({ sent: { topic: "events", key: null, value: `event ${i}` }, silent: true });
}
await new Promise((resolve) => setTimeout(resolve, 200));
await silent.disconnect();

const consumer = kafka.consumer({ groupId: "invoicing", maxWaitTimeInMs: 100, heartbeatInterval: 500 });
watch(consumer);
await consumer.connect();
await consumer.subscribe({ topics: ["orders"], fromBeginning: true });
let seen = 0;
await new Promise((resolve) => consumer.run({
  eachMessage: async ({ topic, message }) => {
    say({ seen: { topic, key: message.key.toString(), value: message.value.toString(), offset: Number(message.offset) } });
    if (++seen === sent) resolve();
  },
}));
await consumer.disconnect();
