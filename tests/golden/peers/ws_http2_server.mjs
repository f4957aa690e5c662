// Echoes every message of WebSockets over HTTP/2 back, in the clear and inside TLS; a page does so too.
// usage: ws_http2_server.mjs ADDRESS PORT TLS_PORT KEY CERTIFICATE LOG
import { createServer, createSecureServer } from 'node:http2';
import { readFileSync } from 'node:fs';
import { logger } from './ws_log.mjs';
import { deflate, deflateOffers, formatDeflate, socketOn } from './ws_http2.mjs';

const [address, port, tlsPort, key, certificate, path] = process.argv.slice(2);
const page = `<!doctype html><title>ws</title><body><p id=p>waiting</p><img src=/done><script>
const s = new WebSocket('wss://' + location.host + '/page?by=Chromium'); let n = 0;
const text = (i) => JSON.stringify({from: 'page', number: i, words: 'the same words again and again '.repeat(i % 7)});
s.onopen = () => { for (let i = 0; i < 40; i++) s.send(text(i)); };
s.onmessage = (e) => { if (e.data === text(n)) n++; if (n === 40) { document.getElementById('p').textContent = 'all ' + n + ' echoed'; s.close(1000, 'page is done'); } };
</script>`;
let waiting = null, pageIsDone = false; // the page counts as loaded when its image comes: behind its last message

function serveSocket(stream, headers, file) {
  const where = headers[':path'].split('?')[0], refuses = where === '/refused';
  const offers = where === '/plain' ? undefined : deflateOffers(headers['sec-websocket-extensions']);
  if (refuses) return stream.respond({ ':status': 403 }), stream.end('not here');
  const answer = { ':status': 200 };
  const protocol = (headers['sec-websocket-protocol'] || '').split(',')[0].trim();
  if (protocol) answer['sec-websocket-protocol'] = protocol;
  const perMessageDeflate = offers && deflate({ threshold: 0 }, true);
  if (offers) answer['sec-websocket-extensions'] = formatDeflate(perMessageDeflate.accept(offers));
  stream.respond(answer);
  const log = logger(file, 'server'), fromPage = where === '/page' ? logger(file, 'client') : null, compressed = Boolean(offers);
  const socket = socketOn(stream, { isServer: true, perMessageDeflate, protocol });
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? data : data.toString();
    fromPage?.data(text, { compressed });
    log.data(text, { compressed, binary: isBinary, raw: isBinary });
    socket.send(text, { binary: isBinary, compress: compressed });
  });
  socket.on('ping', (data) => log.control('pong', data)); // ws answers by itself
  socket.on('close', (code, reason) => {
    if (fromPage) fromPage.close(code, reason.toString()), pageIsDone = true, waiting?.end();
    log.close(code === 1005 ? undefined : code, reason.toString()); // ws answers with the same
  });
}

function serve(server, onPort, file) {
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    if (headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket') return serveSocket(stream, headers, file);
    stream.respond({ ':status': 200, 'content-type': 'text/html' });
    if (headers[':path'] === '/page') stream.end(page);
    else if (headers[':path'] === '/done' && !pageIsDone) waiting = stream;
    else stream.end('ordinary');
  });
  server.listen(Number(onPort), address);
}

const settings = { enableConnectProtocol: true };
serve(createServer({ settings }), port, path);
serve(createSecureServer({ settings, key: readFileSync(key), cert: readFileSync(certificate) }), tlsPort, `${path}.tls`);
