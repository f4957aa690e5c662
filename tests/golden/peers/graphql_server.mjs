// A small schema over HTTP (/graphql, batches at /batch) and WebSocket; over HTTP/2 without TLS on the next port.
// usage: graphql_server.mjs ADDRESS PORT
import { createServer } from 'node:http';
import { createServer as createServer2 } from 'node:http2';
import { graphql, buildSchema } from 'graphql';
import { createHandler } from 'graphql-http/lib/use/http';
import { createHandler as createHandler2 } from 'graphql-http/lib/use/http2';
import { useServer } from 'graphql-ws/lib/use/ws';
import { WebSocketServer } from 'ws';

const [address, port] = process.argv.slice(2);
const schema = buildSchema(`
  type Query { hello(name: String = "world"): String!  item(id: ID!): Item  fail: String }
  type Item { id: ID!  name: String!  parent: Item }
  type Mutation { put(name: String!): Item! }
  type Subscription { tick(to: Int!): Int! }`);
const item = (id) => ({ id, name: `item ${id}`, parent: () => (id > 0 ? item(id - 1) : null) });
const rootValue = {
  hello: ({ name }) => `hello ${name}`,
  item: ({ id }) => item(Number(id)),
  fail: () => { throw new Error('this field always fails'); },
  put: ({ name }) => ({ id: 1, name }),
  tick: async function* ({ to }) { for (let i = 0; i < to; i++) yield { tick: i }; throw new Error('no more ticks'); },
};
const handler = createHandler({ schema, rootValue });
const read = async (request) => { let body = ''; for await (const part of request) body += part; return body; };

const server = createServer(async (request, response) => {
  if (request.url !== '/batch') return handler(request, response);
  const results = await Promise.all(JSON.parse(await read(request)).map(({ query, operationName, variables }) =>
    graphql({ schema, rootValue, source: query, operationName, variableValues: variables })));
  response.setHeader('content-type', 'application/json').end(JSON.stringify(results));
});
useServer({ schema, roots: { subscription: rootValue, query: rootValue } }, new WebSocketServer({ server, path: '/subscriptions' }));
server.listen(Number(port), address);
createServer2(createHandler2({ schema, rootValue })).listen(Number(port) + 1, address);
