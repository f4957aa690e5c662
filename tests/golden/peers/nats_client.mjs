// Subjects, queues, headers and requests to a nats-server; prints what each operation must look like as an entry.
// usage: nats_client.mjs ADDRESS PORT
import { connect, headers, StringCodec, ErrorCode } from 'nats';

const [address, port] = process.argv.slice(2);
const codec = StringCodec();
const expect = (fields) => console.log(JSON.stringify(fields));

async function open(name) {
  const peer = await connect({ servers: `${address}:${port}`, name, pingInterval: 60000, reconnect: false });
  expect({ nats_op: 'INFO' }), expect({ nats_op: 'CONNECT', status: 'ok' }), expect({ nats_op: 'PING', status: 'ok' });
  return peer;
}

async function flush(peer) {
  expect({ nats_op: 'PING', status: 'ok' });
  await peer.flush();
}

function message(m, queue) {
  const text = codec.decode(m.data);
  expect({ nats_op: m.headers ? 'HMSG' : 'MSG', nats_subject: m.subject, nats_queue: queue ?? null, nats_reply_to: m.reply || null, nats_sid: String(m.sid), nats_payload_size: m.data.length,
    'request.body': text || null, 'src.port': Number(port), status: 'ok', incomplete: false, ...(m.headers ? { 'request.headers.kind': m.headers.get('kind') } : {}) });
}

function publish(peer, subject, text, options = {}) {
  peer.publish(subject, codec.encode(text), options);
  expect({ nats_op: options.headers ? 'HPUB' : 'PUB', nats_subject: subject, nats_reply_to: options.reply || null, 'request.body': text || null, 'dst.port': Number(port), status: 'ok', ...(options.headers ? { 'request.headers.kind': options.headers.get('kind') } : {}) });
}

async function talk(id) {
  const [speaker, listener] = [await open(`speaker ${id}`), await open(`listener ${id}`)];
  let got = 0, wanted = 0, wake = () => {};
  for (const [subject, queue] of [[`t${id}.>`, undefined], [`t${id}.work.*`, 'workers']]) {
    const subscription = listener.subscribe(subject, { queue, callback: (error, m) => { if (error) throw error; message(m, queue); got++; if (got === wanted) wake(); } });
    expect({ nats_op: 'SUB', nats_subject: subject, nats_queue: queue ?? null, nats_sid: String(subscription.getID()) });
  }
  await flush(listener);
  const all = new Promise((resolve) => { wake = resolve; });
  wanted = 60 + 30 + 2;
  for (let i = 0; i < 60; i++) {
    const marked = headers();
    marked.set('kind', `number ${i}`);
    publish(speaker, i % 2 ? `t${id}.work.a` : `t${id}.plain`, i % 5 ? JSON.stringify({ i, text: 'ä€'.repeat(i) }) : '', i % 3 ? {} : { headers: marked });
  }
  publish(speaker, `t${id}.big`, 'B'.repeat(400000)), publish(speaker, `t${id}.reply`, 'x', { reply: `back.${id}` });
  await all;
  // requests: the answers come over one subscription of the client
  const server = listener.subscribe(`ask.${id}`, { callback: (_e, m) => { message(m); const text = `answer to ${codec.decode(m.data)}`; m.respond(codec.encode(text)); expect({ nats_op: 'PUB', nats_subject: m.reply, 'request.body': text }); } });
  expect({ nats_op: 'SUB', nats_subject: `ask.${id}`, nats_sid: String(server.getID()) });
  await flush(listener);
  for (let i = 0; i < 10; i++) {
    const answer = await speaker.request(`ask.${id}`, codec.encode(`question ${i}`), { timeout: 5000 });
    if (i === 0) expect({ nats_op: 'SUB', nats_sid: '1', status: 'ok' }); // its inbox
    expect({ nats_op: 'PUB', nats_subject: `ask.${id}`, nats_reply_to: answer.subject, 'request.body': `question ${i}` });
    message(answer);
  }
  await speaker.request(`nobody.${id}`, codec.encode('?'), { timeout: 5000 }).then(() => { throw new Error('somebody answered'); }, (error) => { if (error.code !== ErrorCode.NoResponders) throw error; });
  expect({ nats_op: 'PUB', nats_subject: `nobody.${id}`, 'request.body': '?' });
  expect({ nats_op: 'HMSG', status_code: 503, nats_payload_size: 0, status: 'error' });
  server.unsubscribe();
  expect({ nats_op: 'UNSUB', nats_sid: String(server.getID()) });
  await flush(listener), await flush(speaker);
  await speaker.close(), await listener.close();
}

await Promise.all([0, 1, 2, 3].map(talk));
