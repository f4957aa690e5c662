// Enough of a Kafka broker for a real client library: topics in memory, one partition each, one consumer group member. The
// versions it offers are those that it writes. kafka_server.mjs HOST PORT
import net from "node:net";

const [host, port] = process.argv.slice(2);
const logs = new Map(); // topic → [{ base, count, bytes }]
const committed = new Map();
let generation = 0;

const offered = { 0: [3, 3], 1: [4, 4], 2: [1, 1], 3: [1, 1], 8: [2, 2], 9: [1, 1], 10: [0, 0], 11: [0, 0], 12: [0, 0], 13: [0, 0],
  14: [0, 0], 18: [0, 0], 19: [0, 0], 22: [0, 0] };

class Writer {
  parts = [];
  raw(bytes) { this.parts.push(bytes); return this; }
  number(size, value) {
    const bytes = Buffer.alloc(size);
    if (size === 8) bytes.writeBigInt64BE(BigInt(value)); else bytes.writeIntBE(value, 0, size);
    return this.raw(bytes);
  }
  i8(v) { return this.number(1, v); }
  i16(v) { return this.number(2, v); }
  i32(v) { return this.number(4, v); }
  i64(v) { return this.number(8, v); }
  text(v) { return v === null ? this.i16(-1) : this.i16(Buffer.byteLength(v)).raw(Buffer.from(v)); }
  bytes(v) { return this.i32(v.length).raw(v); }
  list(items, each) { this.i32(items.length); items.forEach((item) => each(item)); return this; }
  done() { return Buffer.concat(this.parts); }
}

class Reader {
  at = 0;
  constructor(bytes) { this.b = bytes; }
  number(size) { this.at += size; return size === 8 ? Number(this.b.readBigInt64BE(this.at - 8)) : this.b.readIntBE(this.at - size, size); }
  i8() { return this.number(1); }
  i16() { return this.number(2); }
  i32() { return this.number(4); }
  i64() { return this.number(8); }
  run(n) { this.at += Math.max(n, 0); return n < 0 ? null : this.b.subarray(this.at - n, this.at); }
  text() { return this.run(this.i16())?.toString() ?? null; }
  bytes() { return this.run(this.i32()); }
  list(each) { return Array.from({ length: Math.max(this.i32(), 0) }, () => each()); }
}

const end = (topic) => logs.get(topic).reduce((n, batch) => n + batch.count, 0);

const answers = {
  18: (r, w) => w.i16(0).list(Object.entries(offered), ([key, [low, high]]) => w.i16(Number(key)).i16(low).i16(high)),
  3(r, w) {
    const asked = r.list(() => r.text());
    const topics = asked.length ? asked : [...logs.keys()];
    w.list([0], () => w.i32(0).text(host).i32(Number(port)).text(null)).i32(0);
    w.list(topics, (topic) => {
      const known = logs.has(topic);
      w.i16(known ? 0 : 3).text(topic).i8(0).list(known ? [0] : [], () => w.i16(0).i32(0).i32(0).list([0], (n) => w.i32(n)).list([0], (n) => w.i32(n)));
    });
  },
  19(r, w) {
    const topics = r.list(() => {
      const topic = r.text();
      r.i32(), r.i16(), r.list(() => (r.i32(), r.list(() => r.i32()))), r.list(() => (r.text(), r.text()));
      return topic;
    });
    w.list(topics, (topic) => {
      w.text(topic).i16(logs.has(topic) ? 36 : 0);
      if (!logs.has(topic)) logs.set(topic, []);
    });
  },
  22: (r, w) => w.i32(0).i16(0).i64(4000).i16(0),
  0(r, w) {
    r.text();
    const acks = r.i16();
    r.i32();
    const topics = r.list(() => ({ topic: r.text(), partitions: r.list(() => ({ partition: r.i32(), records: r.bytes() })) }));
    w.list(topics, ({ topic, partitions }) => w.text(topic).list(partitions, ({ partition, records }) => {
      const base = end(topic), bytes = Buffer.from(records);
      bytes.writeBigInt64BE(BigInt(base), 0);
      logs.get(topic).push({ base, count: bytes.readInt32BE(57), bytes });
      w.i32(partition).i16(0).i64(base).i64(-1);
    })).i32(0);
    return acks !== 0;
  },
  2(r, w) {
    r.i32();
    const topics = r.list(() => ({ topic: r.text(), partitions: r.list(() => ({ partition: r.i32(), time: r.i64() })) }));
    w.list(topics, ({ topic, partitions }) => w.text(topic).list(partitions, ({ partition, time }) =>
      w.i32(partition).i16(0).i64(-1).i64(time === -2 ? 0 : end(topic))));
  },
  1(r, w) {
    r.i32(), r.i32(), r.i32(), r.i32(), r.i8();
    const topics = r.list(() => ({ topic: r.text(), partitions: r.list(() => ({ partition: r.i32(), offset: r.i64(), max: r.i32() })) }));
    w.i32(0).list(topics, ({ topic, partitions }) => w.text(topic).list(partitions, ({ partition, offset }) => {
      const batches = logs.get(topic).filter((batch) => batch.base + batch.count > offset).slice(0, 3);
      w.i32(partition).i16(0).i64(end(topic)).i64(end(topic)).i32(-1).bytes(Buffer.concat(batches.map((batch) => batch.bytes)));
    }));
  },
  10: (r, w) => w.i16(0).i32(0).text(host).i32(Number(port)),
  11(r, w) {
    r.text(), r.i32();
    const member = r.text() || "member-1";
    r.text();
    const protocols = r.list(() => ({ name: r.text(), metadata: r.bytes() }));
    w.i16(0).i32(++generation).text(protocols[0].name).text(member).text(member).list([0], () => w.text(member).bytes(protocols[0].metadata));
  },
  14(r, w) {
    r.text(), r.i32(), r.text();
    w.i16(0).bytes(r.list(() => (r.text(), r.bytes()))[0] ?? Buffer.alloc(0));
  },
  12: (r, w) => w.i16(0),
  13: (r, w) => w.i16(0),
  8(r, w) {
    r.text(), r.i32(), r.text(), r.i64();
    w.list(r.list(() => ({ topic: r.text(), partitions: r.list(() => ({ partition: r.i32(), offset: r.i64(), text: r.text() })) })),
      ({ topic, partitions }) => w.text(topic).list(partitions, ({ partition, offset }) => {
        committed.set(topic, offset);
        w.i32(partition).i16(0);
      }));
  },
  9(r, w) {
    r.text();
    w.list(r.list(() => ({ topic: r.text(), partitions: r.list(() => r.i32()) })), ({ topic, partitions }) =>
      w.text(topic).list(partitions, (partition) => w.i32(partition).i64(committed.get(topic) ?? -1).text("").i16(0)));
  },
};

function respond(socket, bytes) {
  const r = new Reader(bytes);
  const key = r.i16(), version = r.i16(), id = r.i32();
  r.text();
  const w = new Writer();
  w.i32(id);
  if (key === 18 && version !== 0) w.i16(35).i32(0); // a newer client asks again with version 0
  else if (answers[key](r, w) === false) return;
  const body = w.done();
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  setTimeout(() => socket.writable && socket.write(Buffer.concat([size, body])), key === 1 && body.length < 100 ? 50 : 0);
}

net.createServer((socket) => {
  let pending = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
      const length = 4 + pending.readInt32BE(0);
      respond(socket, pending.subarray(4, length));
      pending = pending.subarray(length);
    }
  });
}).listen(Number(port), host);
