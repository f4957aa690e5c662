// Many WebSockets on one HTTP/2 connection to ws_http2_server.mjs, with ordinary calls between them.
// usage: ws_http2_client.mjs ADDRESS PORT LOG
import { connect } from 'node:http2';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { logger } from './ws_log.mjs';
import { deflate, deflateOffers, formatDeflate, socketOn } from './ws_http2.mjs';

const [address, port, path] = process.argv.slice(2);
const log = logger(path, 'client');
const note = (fields) => appendFileSync(path, JSON.stringify(fields) + '\n');
const session = connect(`http://${address}:${port}`);
await once(session, 'remoteSettings');

async function open(where, { compress = false, protocol = '' } = {}) {
  const perMessageDeflate = compress && deflate({ threshold: 0 }, false);
  const headers = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': where, ':scheme': 'http', 'sec-websocket-version': '13' };
  if (compress) headers['sec-websocket-extensions'] = formatDeflate(perMessageDeflate.offer());
  if (protocol) headers['sec-websocket-protocol'] = protocol;
  const stream = session.request(headers, { endStream: false });
  const [answer] = await once(stream, 'response');
  const expected = { protocol: 'http', method: 'CONNECT', path: where.split('?')[0], host: `${address}:${port}`, h2_protocol: 'websocket', h2_stream_id: stream.id, status_code: answer[':status'], status: 'ok', incomplete: false };
  note(expected);
  if (answer[':status'] !== 200) return stream.resume(), stream.end(), await once(stream, 'close'), null;
  if (compress) perMessageDeflate.accept(deflateOffers(answer['sec-websocket-extensions']));
  return { socket: socketOn(stream, { isServer: false, perMessageDeflate, protocol }), compressed: compress, stream };
}

async function echo({ socket, compressed }, data) {
  const binary = typeof data !== 'string';
  log.data(data, { compressed, binary, raw: binary });
  const answer = once(socket, 'message');
  socket.send(data, { compress: compressed });
  const [back] = await answer;
  if (Buffer.compare(back, Buffer.from(data)) !== 0) throw new Error('another echo');
}

async function end({ socket }, code, reason) {
  log.close(code, reason);
  const closed = once(socket, 'close');
  socket.close(code, reason);
  await closed;
}

async function call(where) {
  const stream = session.request({ ':path': where });
  stream.setEncoding('utf8');
  let body = '';
  stream.on('data', (piece) => (body += piece));
  await once(stream, 'end');
  note({ protocol: 'http', method: 'GET', path: where, status_code: 200, 'response.body': body, status: 'ok', incomplete: false });
}

async function talk(where, id, compress) {
  const peer = await open(where, { compress, protocol: id % 2 ? 'chat' : '' });
  for (let i = 0; i < 40; i++) {
    await echo(peer, JSON.stringify({ id, i, words: 'what was said before is said again '.repeat(i % 11), ä: 'ü€𝄞' }));
    if (i % 10 === id) await call(`/between/${id}/${i}`);
  }
  await echo(peer, randomBytes(100 + id));
  await echo(peer, Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(5000, id)]));
  await echo(peer, randomBytes(40000).toString('hex') + 'z'.repeat(id)); // more than a frame of HTTP/2 and than a window
  await end(peer, 1000, `done ${id}`);
}

async function details() {
  const peer = await open('/plain?details');
  log.control('ping', 'are you there');
  const pong = once(peer.socket, 'pong');
  peer.socket.ping('are you there');
  await pong;
  const answer = once(peer.socket, 'message'), second = once(peer.socket, 'pong');
  log.data('one, two, three'), log.control('ping', 'between');
  peer.socket.send('one, ', { fin: false });
  peer.socket.ping('between');
  peer.socket.send('two, ', { fin: false });
  peer.socket.send('three', { fin: true });
  await answer, await second;
  await end(peer, 4001, 'of the application');
  await open('/refused');
}

const jobs = [details()];
for (let id = 0; id < 6; id++) jobs.push(talk('/plain', id, false), talk(`/deflated?id=${id}`, id, true));
await Promise.all(jobs);
session.close();
