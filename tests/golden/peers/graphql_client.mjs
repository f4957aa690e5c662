// Asks graphql_server.mjs and prints what each call must look like as an entry. usage: graphql_client.mjs ADDRESS PORT
import { once } from 'node:events';
import { connect } from 'node:http2';
import WebSocket from 'ws';

const [address, port] = process.argv.slice(2);
const base = `${address}:${port}`;
const expect = (fields) => console.log(JSON.stringify(fields));
const messages = (answers) => { const list = [answers].flat().flatMap((a) => (a.errors ?? []).map((e) => e.message)); return list.length ? list : null; };

async function post(path, body, fields, headers = {}) {
  const response = await fetch(`http://${base}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
  const text = await response.text();
  const errors = messages(JSON.parse(text));
  expect({ protocol: 'gql', method: 'POST', path, status_code: response.status, 'response.body': text, gql_errors: errors, status: errors || response.status >= 500 ? 'error' : 'ok', incomplete: false, ...fields });
}

const one = (query, type, name, extra = {}) => post('/graphql', { query, ...extra }, { gql_query: query, gql_operation: type, gql_operation_name: name });

async function http(worker) {
  for (let i = 0; i < 25; i++) {
    await one(`{ hello(name: "${worker}-${i} {\\"x\\"}") }`, 'query', null);
    await one(`# comment { \nquery Item${i}($id: ID!) { item(id: $id) { ...parts parent { ...parts } } }\nfragment parts on Item { id name }`, 'query', `Item${i}`, { variables: { id: i } });
    await one(`mutation Put { put(name: """\n  block "string" ${i} }\n""") { id name } }`, 'mutation', 'Put');
    await one('query Fails { hello fail }', 'query', 'Fails');
    await one('query Two { a: hello } mutation Other { put(name: "x") { id } }', 'mutation', 'Other', { operationName: 'Other' });
  }
  await one('query Unknown { nothing }', 'query', 'Unknown');
  await one('query Broken { hello(', null, null);
  const batch = [{ query: 'query A { hello }' }, { query: 'mutation B { put(name: "b") { id } }' }, { query: 'query C { fail }' }];
  await post('/batch', batch, { gql_operation: 'query, mutation', gql_operation_name: 'A, B, C', gql_query: batch.map((b) => b.query).join('\n\n') });
}

async function subscriptions() {
  const socket = new WebSocket(`ws://${base}/subscriptions`, 'graphql-transport-ws');
  expect({ protocol: 'http', path: '/subscriptions', status_code: 101 });
  const said = (data, fields = {}) => expect({ protocol: 'ws', ws_protocol: 'graphql-transport-ws', ws_response: true, 'response.body': data, status: 'ok', gql_errors: null, ...fields });
  const send = (message, fields = {}) => { const data = JSON.stringify(message); expect({ protocol: 'ws', ws_request: true, 'request.body': data, status: 'ok', gql_operation: null, ...fields }); socket.send(data); };
  await once(socket, 'open');
  const query = 'subscription Ticks { tick(to: 40) }';
  const done = new Promise((resolve) => socket.on('message', (data) => {
    const message = JSON.parse(data);
    const errors = message.type === 'error' ? messages({ errors: message.payload }) : messages(message.payload ?? {});
    said(data.toString(), errors ? { gql_errors: errors, status: 'error' } : {});
    if (message.type === 'connection_ack') send({ id: '1', type: 'subscribe', payload: { query } }, { gql_operation: 'subscription', gql_operation_name: 'Ticks', gql_query: query });
    if (message.type === 'error' || message.type === 'complete' || (errors && message.type === 'next')) resolve();
  }));
  send({ type: 'connection_init' });
  await Promise.race([done, once(socket, 'close').then(([code, reason]) => expect({ ws_opcode: 'close', ws_response: true, ws_close_code: code, ws_close_reason: reason.toString() || null }))]);
  if (socket.readyState === WebSocket.OPEN) {
    expect({ ws_opcode: 'close', ws_request: true, ws_close_code: 1000 }), expect({ ws_opcode: 'close', ws_response: true, ws_close_code: 1000 });
    socket.close(1000);
    await once(socket, 'close');
  } else {
    expect({ ws_opcode: 'close', ws_request: true });
  }
}

async function http2() {
  const session = connect(`http://${address}:${Number(port) + 1}`);
  const ask = async (query, fields) => {
    const stream = session.request({ ':method': 'POST', ':path': '/graphql', 'content-type': 'application/json' });
    stream.end(JSON.stringify({ query }));
    let text = '';
    for await (const part of stream) text += part;
    const errors = messages(JSON.parse(text));
    expect({ protocol: 'gql', http_version: '2', 'response.body': text, gql_query: query, gql_errors: errors, status: errors ? 'error' : 'ok', ...fields });
  };
  await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`query Two${i} { item(id: ${i}) { name } }`, { gql_operation: 'query', gql_operation_name: `Two${i}` })));
  await ask('mutation M { put(name: "x") { id } }', { gql_operation: 'mutation', gql_operation_name: 'M' });
  await ask('{ fail }', { gql_operation: 'query', gql_operation_name: null });
  session.close();
  await once(session, 'close');
}

await Promise.all([http2(), http(1), http(2), http(3), subscriptions()]);
process.exit(0);
