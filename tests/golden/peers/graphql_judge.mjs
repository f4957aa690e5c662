// What GraphQL's reference implementation (npm's graphql) says of HTTP exchanges and WebSocket messages. In: a JSON object
// a line {method, target, type, body, responseType, response} or {subprotocol, fromClient, message}, texts one character a
// byte. Out: a line each, null where it is no GraphQL, else {operation, name, query, errors}; null for what is absent.
import { createInterface } from 'node:readline';
import { getOperationAST, parse } from 'graphql';
import { isExecutableDefinitionNode } from 'graphql/language/predicates.js';

const bytes = (text) => Buffer.from(text ?? '', 'latin1');
const json = (text) => { try { return JSON.parse(text); } catch { return undefined; } };
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const text = (value) => (typeof value === 'string' && value !== '' ? value : null);

// Of a document that can be executed: the operation that a server would run.
function read(query) {
  try {
    const document = parse(query, { noLocation: true });
    const executable = document.definitions.every(isExecutableDefinitionNode);
    return executable && document.definitions.some((d) => d.kind === 'OperationDefinition') ? document : null;
  } catch {
    return null;
  }
}

// One request object; `expected`: place or media type say that it is GraphQL, so it may be faulty or known by its hash.
function judgeRequest(request, expected) {
  if (!isObject(request)) return null;
  const query = typeof request.query === 'string' ? request.query : null;
  const persisted = isObject(request.extensions) && 'persistedQuery' in request.extensions;
  const document = query === null ? null : read(query);
  if (!document && !(persisted && query === null) && !(expected && query !== null)) return null;
  // An empty name is none for most servers.
  const operation = document && getOperationAST(document, request.operationName || null);
  return { operation: operation?.operation ?? null, name: operation ? operation.name?.value ?? null : text(request.operationName), query: text(query) };
}

function judgeRequests(value, expected) {
  if (!Array.isArray(value)) return judgeRequest(value, expected);
  const calls = value.map((one) => judgeRequest(one, expected));
  if (!calls.length || calls.includes(null)) return null;
  const join = (member, glue) => text(calls.map((c) => c[member]).filter((v) => v !== null).join(glue));
  return { operation: text([...new Set(calls.map((c) => c.operation).filter(Boolean))].join(', ')), name: join('name', ', '), query: join('query', '\n\n') };
}

const messages = (answers) => { const list = [answers].flat().flatMap((a) => (isObject(a) && a.errors ? [a.errors].flat() : [])).map((e) => e?.message).filter(text); return list.length ? list : null; };

async function judgeHttp({ method, target, type, body, responseType, response }) {
  const media = (value) => (value ?? '').split(';')[0].trim().toLowerCase();
  const url = new URL(target, 'http://a');
  const expected = /\/graphql\/*$/i.test(url.pathname) || ['application/graphql', 'application/graphql+json'].includes(media(type)) ||
    media(responseType) === 'application/graphql-response+json';
  let call = null;
  if (method === 'GET') {
    const [query, operationName, extensions] = ['query', 'operationName', 'extensions'].map((name) => url.searchParams.get(name));
    if (query !== null || expected) call = judgeRequest({ query: query ?? undefined, operationName, extensions: json(extensions ?? '') }, expected);
  } else if (media(type) === 'application/graphql') {
    call = judgeRequest({ query: bytes(body).toString() }, true);
  } else if (media(type) === 'multipart/form-data') {
    const form = await new Response(bytes(body), { headers: { 'content-type': type } }).formData().catch(() => null);
    call = judgeRequests(json(form?.get('operations')), expected);
  } else {
    call = judgeRequests(json(bytes(body).toString()), expected);
  }
  return call && { ...call, errors: messages(json(bytes(response).toString())) };
}

// The subprotocols of npm's graphql-ws and subscriptions-transport-ws.
function judgeMessage({ subprotocol, fromClient, message }) {
  const said = json(bytes(message).toString());
  if (!['graphql-transport-ws', 'graphql-ws'].includes(subprotocol) || !isObject(said)) return null;
  if (fromClient && ['subscribe', 'start'].includes(said.type)) { const call = judgeRequest(said.payload, true); return call && { ...call, errors: null }; }
  const errors = fromClient ? null : ['next', 'data'].includes(said.type) ? messages(said.payload) : said.type === 'error' ? messages({ errors: said.payload }) : null;
  return errors && { operation: null, name: null, query: null, errors };
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  console.log(JSON.stringify('message' in asked ? judgeMessage(asked) : await judgeHttp(asked)));
}
