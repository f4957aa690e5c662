// Messages of every kind to ws_server.mjs, several connections at once. usage: ws_client.mjs ADDRESS PORT LOG
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import WebSocket from 'ws';
import { logger } from './ws_log.mjs';

const [address, port, path] = process.argv.slice(2);
const log = logger(path, 'client');

async function open(variant) {
  const perMessageDeflate = variant === 'plain' ? false : { threshold: 0 };
  const socket = new WebSocket(`ws://${address}:${port}/${variant}`, { perMessageDeflate });
  await once(socket, 'open');
  return { socket, compressed: socket.extensions !== '' };
}

// Sends and waits for the echo.
async function echo({ socket, compressed }, data) {
  const binary = typeof data !== 'string';
  log.data(data, { compressed, binary, raw: binary });
  const answer = once(socket, 'message');
  socket.send(data, { compress: compressed });
  const [back] = await answer;
  if (Buffer.compare(back, Buffer.from(data)) !== 0) throw new Error('another echo');
}

async function end({ socket }, code, reason) {
  log.close(code, reason, code === 1011 ? 'error' : 'ok');
  const closed = once(socket, 'close');
  socket.close(code, reason);
  await closed;
}

async function talk(variant, id) {
  const peer = await open(variant);
  for (let i = 0; i < 60; i++)
    await echo(peer, JSON.stringify({ id, variant, i, words: 'what was said before is said again '.repeat(i % 11), ä: 'ü€𝄞' }));
  await echo(peer, randomBytes(100 + id));
  await echo(peer, Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(5000, id)]));
  await echo(peer, 'x'.repeat(125)), await echo(peer, 'y'.repeat(126)), await echo(peer, 'z'.repeat(65536)), await echo(peer, randomBytes(32768).toString('hex') + 'z'.repeat(id));
  await end(peer, 1000, `done ${id}`);
}

async function details() {
  const peer = await open('plain');
  log.control('ping', 'are you there');
  const pong = once(peer.socket, 'pong');
  peer.socket.ping('are you there');
  await pong;
  // fragments with a ping between them
  const answer = once(peer.socket, 'message'), second = once(peer.socket, 'pong');
  log.data('one, two, three'), log.control('ping', 'between');
  peer.socket.send('one, ', { fin: false });
  peer.socket.ping('between');
  peer.socket.send('two, ', { fin: false });
  peer.socket.send('three', { fin: true });
  await answer, await second;
  log.data('');
  const empty = once(peer.socket, 'message');
  peer.socket.send('');
  await empty;
  await end(peer, 1011, 'cannot go on');
  await end(await open('default'), 4001, 'of the application');
  const silent = await open('plain');
  log.close(undefined, '');
  const closed = once(silent.socket, 'close');
  silent.socket.close();
  await closed;
}

const jobs = [details()];
for (const variant of ['plain', 'default', 'notakeover', 'small']) for (let id = 0; id < 4; id++) jobs.push(talk(variant, id));
await Promise.all(jobs);
