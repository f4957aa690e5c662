// Drawn GraphQL calls over HTTP, valid and damaged, in every form that requests have. Prints a JSON object a line:
// {method, target, type, body, responseType, response}. usage: graphql_documents.mjs COUNT SEED
const [count, seed] = process.argv.slice(2).map(Number);

let state = seed >>> 0 || 1;
const draw = (n) => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; state >>>= 0; return state % n; };
const one = (...list) => list[draw(list.length)];
const many = (least, most, make) => Array.from({ length: least + draw(most - least + 1) }, make);
const maybe = (n, make) => (draw(n) === 0 ? make() : []);

// ── documents, as lists of tokens ──
const name = () => one('a', 'B2', '_x', 'user', 'on', 'query', 'mutation', 'fragment', 'type', 'true', 'null', 'input', 'longName_9');
const string = () => one('""', '"text"', '"a } { # \\" b"', '"\\u00e9 \\n \\/"', '"\\u{1F600}"', '"\\uD83D\\uDE00"', '"äöü 𝄞"', '""""""',
  '"""block "text" \\""" { # }"""', '"""\n  two\n\tlines\r\n"""', '"query { a }"');
const number = () => one('0', '-0', '7', '-12', '1.5', '-0.25', '1e10', '2E-3', '6.02e+23', '123456789012345678901234567890');
function value(depth, constant) {
  const kind = draw(depth > 3 ? 5 : 7);
  if (kind === 0) return [string()];
  if (kind === 1) return [number()];
  if (kind === 2) return [one('true', 'false', 'null', 'ENUM')];
  if (kind === 3 || kind === 4) return constant ? [number()] : ['$', name()];
  if (kind === 5) return ['[', ...many(0, 3, () => value(depth + 1, constant)).flat(), ']'];
  return ['{', ...many(0, 3, () => [name(), ':', ...value(depth + 1, constant)]).flat(), '}'];
}
const args = (constant) => ['(', ...many(1, 3, () => [name(), ':', ...value(0, constant)]).flat(), ')'];
const directives = (constant) => maybe(4, () => many(1, 2, () => ['@', name(), ...maybe(2, () => args(constant))]).flat());
const type = (depth) => [...(depth < 3 && draw(3) === 0 ? ['[', ...type(depth + 1), ']'] : [name()]), ...maybe(3, () => ['!'])];
const variables = () => ['(', ...many(1, 3, () => ['$', name(), ':', ...type(0), ...maybe(3, () => ['=', ...value(0, true)]), ...directives(true)]).flat(), ')'];
const fragmentName = () => one('parts', 'F', 'user', 'query');
function selection(depth) {
  const kind = draw(8);
  if (kind === 0) return ['...', fragmentName(), ...directives(false)];
  if (kind === 1) return ['...', ...maybe(2, () => ['on', name()]), ...directives(false), ...set(depth + 1)];
  return [...maybe(4, () => [name(), ':']), name(), ...maybe(3, () => args(false)), ...directives(false), ...(depth < 4 ? maybe(2, () => set(depth + 1)) : [])];
}
const set = (depth) => ['{', ...many(1, depth > 2 ? 2 : 3, () => selection(depth)).flat(), '}'];
const operationNames = ['Get', 'Put', 'Tick', 'query', 'on', 'fragment'];
const described = () => maybe(12, () => [string()]);
const operation = () => [...described(), one('query', 'query', 'mutation', 'subscription'), ...maybe(2, () => [one(...operationNames)]), ...maybe(3, variables), ...directives(false), ...set(0)];
const fragment = () => [...described(), 'fragment', fragmentName(), 'on', name(), ...directives(false), ...set(0)];
const definition = () => one(operation, operation, operation, fragment, () => set(0))();
const document = () => (draw(3) === 0 ? many(1, 4, definition).flat() : definition());

// ── layout and damage ──
const gap = () => one(' ', ' ', ' ', '\n', ', ', '\t', '\r\n', ' # a comment " { }\n', '\ufeff ', ' ,,\n');
const isWord = (token) => /^[\w"-]/.test(token);
function lay(tokens) {
  const tight = draw(3) === 0;
  return tokens.map((token, i) => (i === 0 ? (draw(6) ? '' : gap()) : tight && !(isWord(token) && isWord(tokens[i - 1])) && !token.startsWith('...') ? '' : gap()) + token).join('') + (draw(4) ? '' : gap());
}
function damage(tokens) {
  const list = [...tokens], at = draw(list.length);
  const kind = draw(5);
  if (kind === 0) list.splice(at, 1);
  else if (kind === 1) list.splice(at, 0, list[draw(list.length)]);
  else if (kind === 2) [list[at], list[draw(list.length)]] = [list[draw(list.length)], list[at]];
  else if (kind === 3) list.splice(at, 1, one('$', '!', '|', '&', '..', '....', '01', '1.', '-', '.5', '1e', '0x1', '1a', '"', '"\\q"', '"\\u12"', '"\\uD83D"', '"\\u{110000}"', '"\\u{}"', '"a\nb"', '"""', "'a'", '()', '{}', '%', 'ü', '\\', '\u0000'));
  else list.splice(at);
  return list;
}
const notGraphql = ['', 'SELECT 1', '{app="nginx"} |= "error"', 'sum(rate(x[5m])) by (job)', 'shoes', '{', '{}', 'query', 'type T { a: Int }', 'schema { query: Q } { a }', '{ a } type T { a: Int }',
  'extend type T @d', 'fragment on on T { a } { b }', 'fragment F on T { a }', '{ ...on }', '{ ... on { a } }', '{ ...F { a } }', '{ ... @a }', '"text" { a }', 'query Q() { a }', '{ a() }', 'query ($a: Int = $b) { a }', '{ a(b: ) }', '{ a(: 1) }', '{a:b:c}', '{a{b}{c}}', '@a { b }',
  'query @a(b: $c) { d }', 'query ($a: Int @b(c: $d)) { e }', 'query ($a: [Int) { b }', 'query ($a: Int!!) { b }', 'query ($a) { b }', '{ a(b: [1 2) }', '{ a(b: {c 1}) }', 'subscription { a } # end', '\ufeff{ a }', '{ a } \u0001'];
function query() {
  const kind = draw(10);
  if (kind < 6) return lay(document());
  if (kind < 9) return lay(damage(document()));
  return one(...notGraphql);
}

// ── requests and responses ──
function request() {
  const made = { query: query() };
  if (draw(4) === 0) made.operationName = one(null, '', 'Nobody', ...operationNames);
  if (draw(3) === 0) made.variables = { a: 1, query: '{ inner }', operationName: 'Wrong' };
  if (draw(10) === 0) made.extensions = { persistedQuery: { version: 1, sha256Hash: 'ab' } };
  if (draw(12) === 0) made.extensions = one(null, { tracing: true });
  if (draw(20) === 0) { delete made.query; made.extensions = { persistedQuery: { version: 1 } }; }
  if (draw(40) === 0) made.query = one(null, 5, { match_all: {} }, ['{ a }']);
  return made;
}
const failure = () => ({ message: one('no', 'Syntax Error: Expected Name, found <EOF>.', 'a "quoted" ü', ''), path: ['a', 1], extensions: { message: 'not this' } });
const response = () => one({ data: { a: 1, errors: [{ message: 'of the application' }] } }, { data: null, errors: many(1, 4, failure) }, { errors: many(0, 2, failure) }, { data: {}, errors: [{ code: 1 }, failure()] });
function exchange() {
  const path = one('/graphql', '/graphql', '/v1/GraphQL/', '/api', '/api', '/graphql/more');
  const responseType = one('application/json', 'application/json; charset=utf-8', 'application/graphql-response+json');
  const call = (fields) => ({ method: 'POST', target: path, type: 'application/json', body: '', responseType, response: JSON.stringify(response()), ...fields });
  const kind = draw(12);
  if (kind === 0) {
    const made = request(), parts = Object.entries(made).filter(([, v]) => typeof v === 'string' || (v && typeof v === 'object')).map(([k, v]) => [k, typeof v === 'string' ? v : JSON.stringify(v)]);
    return call({ method: 'GET', type: null, target: `${path}?${draw(2) ? new URLSearchParams(parts) : parts.map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&')}` });
  }
  if (kind === 1) return call({ type: 'application/graphql', body: query() });
  if (kind === 2) {
    const batch = many(0, 4, request);
    return call({ body: JSON.stringify(batch), response: JSON.stringify(batch.map(response)) });
  }
  if (kind === 3) return call({ type: 'multipart/form-data; boundary=abc', body: `--abc\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${JSON.stringify(request())}\r\n--abc\r\nContent-Disposition: form-data; name="map"\r\n\r\n{"0":["variables.f"]}\r\n--abc\r\nContent-Disposition: form-data; name="0"; filename="q"\r\n\r\n{"query":"{ file }"}\r\n--abc--\r\n` });
  return call({ body: JSON.stringify(request(), null, one(0, 0, 2)) });
}
for (let i = 0; i < count; i++) {
  const made = exchange();
  for (const member of ['body', 'response']) made[member] = Buffer.from(made[member]).toString('latin1');
  console.log(JSON.stringify(made));
}
