// gRPC-Web over HTTP/1.1: npm's connect answers the binary form. It does not know the -text form, which is answered by
// the few lines below: every part in base64 of its own, with padding, in chunks of its own.
// usage: grpc_web_server.mjs ADDRESS PORT
import { createServer } from 'node:http';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Echo, Word } from './grpc_web_schema.mjs';

const [address, port] = process.argv.slice(2);
const notFound = () => new ConnectError('no such thing: 50% ü', Code.NotFound, { 'x-why': 'test' });

const service = {
  unary: (word) => word,
  async *many({ text, count }) {
    for (let i = 1; i <= count; i++) yield { text, count: i };
  },
  fails() {
    throw notFound();
  },
  async *failsLate(word) {
    yield word;
    throw new ConnectError('half', Code.DataLoss);
  },
};

function part(flag, bytes) {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]).toString('base64');
}

async function answerText(request, response) {
  let text = '';
  for await (const piece of request) text += piece;
  const bytes = Buffer.from(text, 'base64');
  const word = fromBinary(Word, bytes.subarray(5));
  const name = request.url.split('/').pop();
  response.writeHead(200, { 'content-type': 'application/grpc-web-text+proto' });
  let status = 'grpc-status:0\r\n';
  try {
    const answer = service[name[0].toLowerCase() + name.slice(1)](word);
    for await (const message of Symbol.asyncIterator in answer ? answer : [answer])
      response.write(part(0, Buffer.from(toBinary(Word, { ...word, ...message }))));
  } catch (error) {
    status = `grpc-status:${error.code}\r\ngrpc-message:${encodeURIComponent(error.rawMessage)}\r\n`;
  }
  response.end(part(0x80, Buffer.from(status)));
}

const binary = connectNodeAdapter({ routes: (router) => router.service(Echo, service) });
createServer((request, response) => {
  if ((request.headers['content-type'] || '').startsWith('application/grpc-web-text')) answerText(request, response);
  else binary(request, response);
}).listen(Number(port), address);
