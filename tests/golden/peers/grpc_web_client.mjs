// Calls to grpc_web_server.mjs by npm's connect (binary) and by npm's grpc-web (binary and text); prints the entry of each.
// usage: grpc_web_client.mjs ADDRESS PORT
import { createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-node';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import grpcWeb from 'grpc-web';
import XMLHttpRequest from 'xhr2';
import { Echo, Word } from './grpc_web_schema.mjs';

globalThis.XMLHttpRequest = XMLHttpRequest;
const [address, port] = process.argv.slice(2);
const base = `http://${address}:${port}`;
const lines = [];

const shown = ({ text, count }) => [...(text ? [{ field: 1, type: 'string', value: text }] : []), ...(count ? [{ field: 2, type: 'varint', value: count }] : [])];
const body = (words) => (words.length ? JSON.stringify(words.map(shown)) : null);

function expect(method, asked, answered, { code = 0, name = 'OK', message = null, ...more } = {}) {
  lines.push({ protocol: 'grpc', grpc_service: 'test.Echo', grpc_method: method, path: `/test.Echo/${method}`, method: 'POST', http_version: '1.1', host: `${address}:${port}`,
    grpc_status: code, grpc_status_name: name, grpc_message: message, status: code ? 'error' : 'ok', incomplete: false, truncated: null, summary: `test.Echo/${method} → ${name}`,
    'request.body': body([asked]), 'response.body': body(answered), grpc_request_messages: 1, grpc_response_messages: answered.length,
    grpc_streaming: answered.length > 1 ? 'server' : 'unary', ...more });
}

function same(a, b) {
  if (JSON.stringify(a.map(shown)) !== JSON.stringify(b.map(shown))) throw new Error('another answer');
}

const NOT_FOUND = { code: 5, name: 'NOT_FOUND', message: 'no such thing: 50% ü' }, DATA_LOSS = { code: 15, name: 'DATA_LOSS', message: 'half' };

/** One way to call: unary(method, word) and stream(method, word) give the answers, and throw what has a code and a text. */
async function calls(peer, type, prefix) {
  const more = { 'request.headers.content-type': type };
  for (let i = 1; i <= 30; i++) {
    const word = { text: `${prefix} ${i} ${'again and again '.repeat(i % 3 ? 1 : 200)}`, count: i * 1000 };
    const answer = await peer.unary('Unary', word);
    same([answer], [word]);
    expect('Unary', word, [word], more);
  }
  const many = { text: prefix, count: 40 };
  const told = await peer.stream('Many', many);
  same(told, Array.from({ length: 40 }, (_, i) => ({ text: prefix, count: i + 1 })));
  expect('Many', many, told, more);
  const error = await peer.unary('Fails', many).then(() => null, (e) => e);
  if (error?.code !== 5) throw new Error('it does not fail');
  expect('Fails', many, [], { ...NOT_FOUND, ...more });
  const late = await peer.stream('FailsLate', many).then(() => null, (e) => e);
  if (late?.code !== 15) throw new Error('it does not fail late');
  expect('FailsLate', many, [many], { ...DATA_LOSS, ...more });
}

function connectPeer() {
  const client = createClient(Echo, createGrpcWebTransport({ baseUrl: base, httpVersion: '1.1' }));
  const of = (method) => client[method[0].toLowerCase() + method.slice(1)];
  return {
    unary: (method, word) => of(method)(word),
    async stream(method, word) {
      const words = [];
      for await (const answer of of(method)(word)) words.push(answer);
      return words;
    },
  };
}

function officialPeer(format) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const descriptor = (method, type) => new grpcWeb.MethodDescriptor(`/test.Echo/${method}`, type, Object, Object, (word) => toBinary(Word, create(Word, word)), (bytes) => fromBinary(Word, bytes));
  return {
    unary: (method, word) => new Promise((resolve, reject) =>
      client.rpcCall(`${base}/test.Echo/${method}`, word, {}, descriptor(method, grpcWeb.MethodType.UNARY), (error, answer) => (error ? reject(error) : resolve(answer)))),
    stream: (method, word) => new Promise((resolve, reject) => {
      const words = [];
      const stream = client.serverStreaming(`${base}/test.Echo/${method}`, word, {}, descriptor(method, grpcWeb.MethodType.SERVER_STREAMING));
      stream.on('data', (answer) => words.push(answer));
      stream.on('error', reject);
      stream.on('end', () => resolve(words));
    }),
  };
}

await calls(connectPeer(), 'application/grpc-web+proto', 'connect');
await calls(officialPeer('binary'), 'application/grpc-web+proto', 'official');
await calls(officialPeer('text'), 'application/grpc-web-text', 'official text');
await Promise.all(Array.from({ length: 6 }, (_, i) => calls(connectPeer(), 'application/grpc-web+proto', `at once ${i}`)));
for (const line of lines) console.log(JSON.stringify(line));
process.exit(0);
