// Calls of many kinds through the official driver, seen by its own command monitoring; what it saw is what the entries of
// these connections must say. mongodb_client.mjs HOST PORT
import { Binary, Code, Decimal128, Double, EJSON, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, BSONRegExp, BSONSymbol } from "bson";
import { MongoClient } from "mongodb";

const [host, port] = process.argv.slice(2);

function watch(client, compressor) {
  const started = new Map();
  const say = (call, more) => console.log(JSON.stringify({
    mongodb_command: call.commandName, mongodb_database: call.databaseName,
    mongodb_collection: call.collection, mongodb_opcode: "OP_MSG", mongodb_compressor: compressor,
    incomplete: false, ...more }));
  client.on("commandStarted", (event) => {
    const about = event.command[event.commandName];
    started.set(event.requestId, { commandName: event.commandName, databaseName: event.databaseName,
      collection: event.commandName === "getMore" ? event.command.collection : typeof about === "string" ? about : null });
  });
  client.on("commandSucceeded", (event) => {
    if (event.commandName === "endSessions") return;
    const call = started.get(event.requestId), reply = event.reply;
    const errors = reply.writeErrors?.[0];
    const many = reply.cursor?.firstBatch ?? reply.cursor?.nextBatch;
    say(call, errors
      ? { status: "error", mongodb_success: false, mongodb_error_code: errors.code, mongodb_error_code_name: "DuplicateKey",
        mongodb_error_message: errors.errmsg }
      : { status: "ok", mongodb_success: true, mongodb_error_code: null, mongodb_documents: many?.length ?? reply.n ?? null,
        ...(call.commandName === "find" && many?.length ? { "response.body": EJSON.stringify(reply) } : {}) });
  });
  client.on("commandFailed", (event) => {
    if (event.commandName === "endSessions") return; // the driver does not wait for it
    const error = event.failure;
    say(started.get(event.requestId), { status: "error", mongodb_success: false, mongodb_error_code: error.code,
      mongodb_error_code_name: error.codeName, mongodb_error_message: error.errorResponse?.errmsg ?? error.errmsg });
  });
}

const every = (i) => ({
  _id: new ObjectId(i.toString(16).padStart(24, "0")), i: new Int32(i), big: Long.fromString("1234567890123"), half: new Double(i + 0.5),
  whole: new Double(i), nothing: null, yes: true, text: "äöü \"quoted\" \u0001", when: new Date(1700000000000 + i),
  old: new Date(-1), bytes: new Binary(Buffer.from([i & 255, 1, 2])), list: [1, [2, { three: 3 }]], inside: { a: { b: {} } },
  pattern: new BSONRegExp("^a.*b$", "i"), code: new Code("return 1"), scoped: new Code("x", { x: new Int32(1) }),
  symbol: new BSONSymbol("s"), stamp: new Timestamp({ t: 1700000000, i }), least: new MinKey(), most: new MaxKey(),
  dec: Decimal128.fromString(["1.5", "-0.001", "1E+20", "12345678901234567890.123456789", "0", "NaN", "-Infinity", "1E-10"][i % 8]),
  infinite: new Double(Infinity), negative: new Double(-1e300),
});

async function calls(compressors) {
  const client = new MongoClient(`mongodb://${host}:${port}/?directConnection=true&retryWrites=false`, {
    monitorCommands: true, heartbeatFrequencyMS: 600000, serverMonitoringMode: "poll", compressors, zlibCompressionLevel: 6,
    maxPoolSize: 4, promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true });
  watch(client, compressors ? "zlib" : null);
  await client.connect();
  const shop = client.db("shop"), orders = shop.collection(compressors ? "packed" : "orders");
  for (let i = 0; i < 60; i++) await orders.insertOne(every(i));
  await orders.insertMany(Array.from({ length: 300 }, (_, i) => ({ _id: 1000 + i, text: "x".repeat(i) })));
  await orders.insertOne(every(3)).catch(() => {});
  await orders.find({ i: { $gt: 3 } }, { batchSize: 40 }).toArray();
  await orders.updateOne({ i: 1 }, { $set: { seen: true } });
  await orders.deleteOne({ i: 2 });
  await orders.aggregate([{ $group: { _id: 1, n: { $sum: 1 } } }]).toArray();
  await Promise.all(Array.from({ length: 40 }, (_, i) => orders.updateOne({ i }, { $inc: { n: 1 } })));
  await shop.command({ noSuchCommand: 1 }).catch(() => {});
  await shop.command({ ping: 1 });
  await client.close();
}

await calls(null);
await calls(["zlib"]);
