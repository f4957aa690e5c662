// WebSockets of npm's ws on streams of Node's HTTP/2 (RFC 8441): what both ends of such a handshake share.
import WebSocket from 'ws';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const lib = join(dirname(require.resolve('ws')), 'lib');
const PerMessageDeflate = require(join(lib, 'permessage-deflate.js'));
const extension = require(join(lib, 'extension.js'));

/** What a header says of permessage-deflate; undefined: nothing. */
export function deflateOffers(header) {
  return header ? extension.parse(header)['permessage-deflate'] : undefined;
}

export function deflate(options, isServer) {
  return new PerMessageDeflate({ ...options, isServer, maxPayload: 1 << 26 }, isServer, 1 << 26);
}

export function formatDeflate(parameters) {
  return extension.format({ 'permessage-deflate': parameters });
}

/** A WebSocket on a stream whose handshake is over. */
export function socketOn(stream, { isServer, perMessageDeflate, protocol = '' }) {
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 5000 });
  socket._isServer = isServer;
  socket._protocol = protocol;
  if (perMessageDeflate) socket._extensions['permessage-deflate'] = perMessageDeflate;
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 26, skipUTF8Validation: false });
  return socket;
}
