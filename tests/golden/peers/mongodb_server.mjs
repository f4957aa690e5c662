// Enough of a MongoDB server for the real driver: hello, writes, finds with cursors, errors, compression, written on npm's
// bson. It answers what it is told to; what matters is that both ends speak the real protocol.
// mongodb_server.mjs HOST PORT
import net from "node:net";
import zlib from "node:zlib";
import { BSON, Long, ObjectId, Timestamp } from "bson";

const [host, port] = process.argv.slice(2);
const collections = new Map();
const cursors = new Map();
const asSent = { promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true };
let lastRequest = 100000, lastCursor = 7000;

function frame(responseTo, opcode, body) {
  const head = Buffer.alloc(16);
  head.writeInt32LE(16 + body.length, 0);
  head.writeInt32LE(++lastRequest, 4);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(opcode, 12);
  return Buffer.concat([head, body]);
}

function message(document, flags = 0) {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(flags, 0);
  return Buffer.concat([head, BSON.serialize(document)]);
}

function readMessage(body) {
  const flags = body.readUInt32LE(0);
  let at = 4, document = {};
  while (at < body.length) {
    const size = body.readInt32LE(at + 1);
    if (body[at] === 0) {
      const bytes = body.subarray(at + 1, at + 1 + size);
      Object.assign(document, BSON.deserialize(bytes), { documents: BSON.deserialize(bytes, asSent).documents });
    } else {
      const end = body.indexOf(0, at + 5);
      const list = [];
      for (let next = end + 1; next < at + 1 + size; next += body.readInt32LE(next)) {
        list.push(BSON.deserialize(body.subarray(next, next + body.readInt32LE(next)), asSent));
      }
      document[body.subarray(at + 5, end).toString()] = list;
    }
    at += 1 + size;
  }
  return { flags, document };
}

const hello = (legacy) => ({
  [legacy ? "ismaster" : "isWritablePrimary"]: true, helloOk: true, maxBsonObjectSize: 16777216, maxMessageSizeBytes: 48000000,
  maxWriteBatchSize: 100000, localTime: new Date(), minWireVersion: 0, maxWireVersion: 21, readOnly: false, ok: 1,
  compression: ["zlib"], topologyVersion: { processId: new ObjectId("65a1b2c3d4e5f60718293a4b"), counter: Long.fromNumber(1) },
});

function rows(name) {
  if (!collections.has(name)) collections.set(name, []);
  return collections.get(name);
}

function batch(ns, all, size, key) {
  const first = all.slice(0, size);
  let id = Long.ZERO;
  if (all.length > size) {
    id = Long.fromNumber(++lastCursor);
    cursors.set(id.toString(), all.slice(size));
  }
  return { cursor: { [key]: first, id, ns }, ok: 1 };
}

const commands = {
  hello: () => hello(false),
  isMaster: () => hello(true),
  ismaster: () => hello(true),
  ping: () => ({ ok: 1 }),
  endSessions: () => ({ ok: 1 }),
  insert(c) {
    const known = new Set(rows(c.insert).map((row) => String(row._id)));
    for (const [index, row] of c.documents.entries()) {
      if (known.has(String(row._id))) {
        return { n: index, writeErrors: [{ index, code: 11000, errmsg: `E11000 duplicate key: ${row._id}` }], ok: 1 };
      }
      rows(c.insert).push(row);
    }
    return { n: c.documents.length, ok: 1, operationTime: new Timestamp({ t: 1700000000, i: 1 }) };
  },
  update: (c) => ({ n: 1, nModified: 1, ok: 1 }),
  delete: (c) => ({ n: rows(c.delete).splice(0, 1).length, ok: 1 }),
  find: (c) => batch(`${c.$db}.${c.find}`, rows(c.find), c.batchSize ?? 101, "firstBatch"),
  getMore(c) {
    const left = cursors.get(c.getMore.toString());
    if (!left) return { ok: 0, errmsg: `cursor id ${c.getMore} not found`, code: 43, codeName: "CursorNotFound" };
    cursors.delete(c.getMore.toString());
    const answer = batch(`${c.$db}.${c.collection}`, left, c.batchSize ?? 101, "nextBatch");
    if (answer.cursor.id.isZero()) return answer;
    cursors.set(c.getMore.toString(), cursors.get(answer.cursor.id.toString()));
    answer.cursor.id = Long.fromValue(c.getMore);
    return answer;
  },
  killCursors: (c) => ({ cursorsKilled: c.cursors, ok: 1 }),
  aggregate: (c) => batch(`${c.$db}.${c.aggregate}`, [{ _id: 1, n: rows(c.aggregate).length }], 101, "firstBatch"),
};

function answer(document) {
  const name = Object.keys(document)[0];
  return commands[name] ? commands[name](document)
    : { ok: 0, errmsg: `no such command: '${name}'`, code: 59, codeName: "CommandNotFound" };
}

function respond(socket, id, opcode, body) {
  if (opcode === 2004) {
    const name = body.indexOf(0, 4);
    const query = BSON.deserialize(body.subarray(name + 9, name + 9 + body.readInt32LE(name + 9)));
    const head = Buffer.alloc(20);
    head.writeInt32LE(8, 0);
    head.writeInt32LE(1, 16);
    socket.write(frame(id, 1, Buffer.concat([head, BSON.serialize(answer(query))])));
    return;
  }
  if (opcode === 2012) {
    const plain = zlib.inflateSync(body.subarray(9));
    const { flags, document } = readMessage(plain);
    const reply = answer(document);
    if (flags & 2) return;
    const packed = message(reply);
    const head = Buffer.alloc(9);
    head.writeInt32LE(2013, 0);
    head.writeInt32LE(packed.length, 4);
    head[8] = 2;
    socket.write(frame(id, 2012, Buffer.concat([head, zlib.deflateSync(packed)])));
    return;
  }
  const { flags, document } = readMessage(body);
  const reply = answer(document);
  if (flags & 2) return;
  const awaits = document.maxAwaitTimeMS !== undefined;
  if (awaits && flags & 0x10000) return; // a monitor that waits for news: there are none
  setImmediate(() => socket.write(frame(id, 2013, message(reply))));
}

net.createServer((socket) => {
  let pending = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 16 && pending.length >= pending.readInt32LE(0)) {
      const length = pending.readInt32LE(0);
      const one = pending.subarray(0, length);
      pending = pending.subarray(length);
      respond(socket, one.readInt32LE(4), one.readInt32LE(12), one.subarray(16));
    }
  });
}).listen(Number(port), host);
