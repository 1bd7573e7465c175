import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ApiError } from './api-error.js';
import { billRoutes } from './bill-routes.js';
import { controlRoutes } from './control-routes.js';
import { namedKey } from './gate.js';
import { miniProgramRoutes } from './mini-program-routes.js';
import { answerOf, type Misbehaviour, misbehaviour, pause } from './misbehaviour.js';
import { payRoutes } from './pay-routes.js';
import { type Call, readJson, type Reply, type Route, Router, split } from './router.js';
import { type Simulation } from './simulation.js';

const LARGEST_BODY = 1_048_576;
/** The live service says `Keep-Alive: timeout=8`. */
const IDLE_CONNECTION_MS = 8_000;

/** Serves a simulation over HTTP. The protocol's calls, the mini-program's and the control calls share one port. */
export function serve(sim: Simulation): Server {
  const router = new Router([...payRoutes(sim), ...billRoutes(sim), ...miniProgramRoutes(sim), ...controlRoutes(sim)]);
  const server = createServer((request, response) => {
    // Node would give it a second more.
    response.on('finish', () => request.socket.setTimeout(IDLE_CONNECTION_MS));
    handle(sim, router, request, response).catch((error: unknown) => {
      // Whoever hung up in the middle wants no answer any more.
      if (request.errored || response.destroyed) return;
      console.error('The simulator failed:', error);
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'Content-Type': 'application/json' }).end('{"code":"SYSTEM_ERROR"}');
    });
  });
  server.keepAliveTimeout = IDLE_CONNECTION_MS;
  return server;
}

async function handle(sim: Simulation, router: Router, request: IncomingMessage, response: ServerResponse) {
  const target = request.url ?? '/';
  const method = request.method ?? 'GET';
  const body = await readBody(request);
  const { path, query } = split(target);
  const match = router.find(method, path);
  // The live service answers neither of these with a body, and signs nothing.
  if (match === 'no such path') return void response.writeHead(404, { 'Content-Length': 0 }).end();
  if (match === 'wrong method') return void response.writeHead(405, { 'Content-Length': 0 }).end();
  const { route, params } = match;
  if (body === null) return sendJson(response, 413, { code: 'PARAM_ERROR', message: '请求体过大' });
  const call: Call = { method, target, headers: request.headers, body, path, params, query, json: undefined };
  if (path.startsWith('/v3/')) await answerMerchant(sim, route, call, response);
  else await answerPlainly(sim, route, call, response);
}

/** A call of the payment protocol: let in, worked on, signed, or whatever a fault makes of it. */
async function answerMerchant(sim: Simulation, route: Route, call: Call, response: ServerResponse): Promise<void> {
  const fault = faultAt(sim, route, call);
  const exchange: Exchange = { sim, call, response, fault, isSigned: !route.unsigned };
  await pause(fault.delayMs);
  if (fault.before) return end(fault.before, exchange);
  let reply: Reply;
  let isAuthenticated = false;
  try {
    sim.gate.authenticate(call);
    isAuthenticated = true;
    sim.gate.checkNamedKey(call.headers);
    call.json = readJson(call.body);
    reply = await route.handle(call);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (fault.after) return end(fault.after, exchange);
    return sendRefusal(error, { ...exchange, isSigned: exchange.isSigned && isAuthenticated });
  }
  if (fault.after) return end(fault.after, exchange);
  const { bytes, stream } = answerOf(reply, fault);
  const signed = stream ? {} : await signatureOf(exchange, bytes);
  response.writeHead(reply.status, {
    ...(reply.status === 204 ? {} : { 'Content-Type': reply.raw?.type ?? 'application/json; charset=utf-8' }),
    ...(reply.status === 204 || stream ? {} : { 'Content-Length': bytes.length }),
    'Request-ID': `${requestId(sim)}-0`,
    ...reply.headers,
    ...signed,
  });
  if (stream) return pipeline(Readable.from(stream), response);
  return sendBytes(response, fault.sent(bytes), fault);
}

/** A call of the payment protocol on its way to an answer. */
interface Exchange {
  sim: Simulation;
  call: Call;
  response: ServerResponse;
  fault: Misbehaviour;
  /** Bills are downloaded without a signature, and nobody is signed to who has not proven who it is. */
  isSigned: boolean;
}

/** What answers before WeChat Pay does, in the place of a service that is down. */
const OF_THE_FRONT: readonly number[] = [502, 503];

/** Ends a call the way a fault wants it: an error, a cut connection, or silence. */
function end(how: NonNullable<Misbehaviour['before']>, exchange: Exchange): Promise<void> | void {
  if (!(how instanceof ApiError)) return strike(how, exchange.sim, exchange.response);
  const isSigned = exchange.isSigned && how.status !== 401 && !OF_THE_FRONT.includes(how.status);
  return sendRefusal(how, { ...exchange, isSigned });
}

/** Refusals are signed as successes are, and struck by the same faults. */
async function sendRefusal(error: ApiError, exchange: Exchange): Promise<void> {
  const { sim, call, response, fault } = exchange;
  const bytes = Buffer.from(JSON.stringify(error.envelope()));
  // The payment calls do not even give a number to who has not proven who it is.
  const isNameless = error.status === 401 && call.path.startsWith('/v3/pay/transactions');
  response.writeHead(error.status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': bytes.length,
    ...(isNameless ? {} : { 'Request-ID': `${requestId(sim)}-${error.number}` }),
    ...(await signatureOf(exchange, bytes)),
  });
  return sendBytes(response, fault.sent(bytes), fault);
}

async function signatureOf(exchange: Exchange, bytes: Buffer): Promise<Record<string, string>> {
  const { sim, call, fault, isSigned } = exchange;
  return isSigned ? sim.signer.headers(bytes, sim.keyring.forAnswer(namedKey(call.headers)), fault.kinds) : {};
}

/** Control calls, pages and the mini-program APIs: plain JSON or HTML, nothing signed. */
async function answerPlainly(sim: Simulation, route: Route, call: Call, response: ServerResponse): Promise<void> {
  const fault = faultAt(sim, route, call);
  await pause(fault.delayMs);
  if (fault.before) return strike(fault.before, sim, response);
  let reply: Reply;
  try {
    call.json = readJson(call.body);
    reply = fault.refused ?? (await route.handle(call));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    reply = { status: error.status, body: { ...error.envelope() } };
  }
  if (fault.after) return strike(fault.after, sim, response);
  const { bytes, stream } = answerOf(reply, fault);
  response.writeHead(reply.status, {
    'Content-Type': reply.raw?.type ?? 'application/json; charset=utf-8',
    ...(stream ? {} : { 'Content-Length': bytes.length }),
    ...reply.headers,
  });
  if (stream) return pipeline(Readable.from(stream), response);
  return sendBytes(response, bytes, fault);
}

function faultAt(sim: Simulation, route: Route, call: Call): Misbehaviour {
  const rules =
    route.point === undefined
      ? []
      : sim.faults.atCall(
          route.point,
          () => `${call.target} ${Object.values(call.params).join(' ')} ${call.body.toString('utf8')}`,
        );
  return misbehaviour(rules);
}

/** The same without a signature. */
function strike(end: NonNullable<Misbehaviour['before']>, sim: Simulation, response: ServerResponse): void {
  if (end === 'hang') return;
  if (end === 'disconnect') return void response.destroy();
  const headers = { 'Content-Type': 'application/json', 'Request-ID': `${requestId(sim)}-${end.number}` };
  response.writeHead(end.status, headers).end(JSON.stringify(end.envelope()));
}

function sendJson(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  const bytes = Buffer.from(JSON.stringify(body));
  const common = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': bytes.length };
  response.writeHead(status, { ...common, ...headers }).end(bytes);
}

async function sendBytes(response: ServerResponse, bytes: Buffer, fault: Misbehaviour): Promise<void> {
  if (fault.cutBody) {
    response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
  } else if (fault.slowMs > 0 && bytes.length > 1) {
    // The first half at once, the rest when the time is up: a reader that gives up in between has half a body.
    response.write(bytes.subarray(0, bytes.length >> 1));
    await pause(fault.slowMs);
    response.end(bytes.subarray(bytes.length >> 1));
  } else {
    response.end(bytes);
  }
}

function requestId(sim: Simulation): string {
  return `08${sim.random.hex(16)}`;
}

/** The body's exact bytes; null when there are too many. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= LARGEST_BODY) chunks.push(chunk);
  }
  return size > LARGEST_BODY ? null : Buffer.concat(chunks);
}
