// Echoes every message back, compressed as the path says. usage: ws_server.mjs ADDRESS PORT LOG
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { logger } from './ws_log.mjs';

const [address, port, path] = process.argv.slice(2);
const log = logger(path, 'server');
const page = `<!doctype html><title>ws</title><body><p id=p>waiting</p><img src=/done><script>
const s = new WebSocket('ws://' + location.host + '/default'); let n = 0;
const text = (i) => JSON.stringify({from: 'page', number: i, words: 'the same words again and again '.repeat(i % 7)});
s.onopen = () => { for (let i = 0; i < 40; i++) s.send(text(i)); };
s.onmessage = (e) => { if (e.data === text(n)) n++; if (n === 40) { document.getElementById('p').textContent = 'all ' + n + ' echoed'; s.close(1000, 'page is done'); } };
</script>`;

// The page counts as loaded (and is printed) when its image comes: behind its last message.
let waiting = null;
let pageIsDone = false;

const VARIANTS = {
  plain: false,
  default: { threshold: 0 },
  notakeover: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  small: { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
};
const servers = Object.fromEntries(Object.entries(VARIANTS).map(([name, perMessageDeflate]) => [name, new WebSocketServer({ noServer: true, perMessageDeflate, maxPayload: 1 << 26 })]));

for (const [name, server] of Object.entries(servers))
  server.on('connection', (socket, request) => {
    const compressed = VARIANTS[name] !== false && socket.extensions !== '';
    const isPage = (request.headers['user-agent'] || '').includes('Chrome');
    const fromPage = logger(path, 'client');
    socket.on('message', (data, isBinary) => {
      const text = isBinary ? data : data.toString();
      if (isPage) fromPage.data(text, { compressed });
      log.data(text, { compressed, binary: isBinary, raw: isBinary });
      socket.send(text, { binary: isBinary, compress: compressed });
    });
    socket.on('ping', (data) => log.control('pong', data)); // ws answers by itself
    socket.on('close', (code, reason) => {
      if (isPage) fromPage.close(code, reason.toString()), pageIsDone = true, waiting?.end();
      log.close(code === 1005 ? undefined : code, reason.toString(), code === 1011 ? 'error' : 'ok'); // ws answers with the same
    });
  });

createServer((request, response) => {
  if (request.url === '/page') response.setHeader('content-type', 'text/html').end(page);
  else if (request.url === '/done' && !pageIsDone) waiting = response;
  else response.end();
})
  .on('upgrade', (request, socket, head) => {
    const server = servers[request.url.slice(1)];
    server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request));
  })
  .listen(Number(port), address);
