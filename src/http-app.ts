import type { DynamicModule, NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import helmet from 'helmet';
import { Logger } from 'nestjs-pino';
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { AppModule, type AppOptions } from './app.module.js';
import { CallerShare } from './auth/caller-share.js';
import { CallbacksService } from './callbacks/callbacks.service.js';
import { Clock } from './common/clock.js';
import { DomainError, invalidField } from './common/errors.js';
import { newId } from './common/ids.js';
import type { Settings } from './config/settings.js';
import { refuseBrokenHttp } from './http/broken-http.js';
import { ClientAddresses } from './http/client-addresses.js';
import { allowPages } from './http/cors.js';
import { assertSafeJson } from './http/json-shape.js';
import { LoadLimit } from './http/load-limit.js';
import { isCallback, readAsBytes, readPools } from './http/pool.js';
import { ProblemFilter } from './http/problem.filter.js';
import { Readiness } from './http/readiness.js';
import { logAnswer, logRequests } from './http/request-log.js';
import { SOCKET_LIMITS } from './http/socket-limits.js';
import { validation } from './http/validation.js';
import { Instruments } from './metrics/instruments.js';
import { openApiDocument, serveDocs } from './openapi.js';
import { PaymentProvider } from './provider/payment-provider.js';

/** 64 KB: far more than any honest request. */
const BODY_LIMIT = 65_536;

const NEST_OPTIONS = {
  logger: ['error', 'warn'],
  bodyParser: false,
  abortOnError: false,
} satisfies NestApplicationOptions;

/** Puts a module on an adapter; tests do it with parts of their own. */
export type MakeApp = (
  module: DynamicModule,
  adapter: FastifyAdapter,
  options: NestApplicationOptions,
) => Promise<NestFastifyApplication>;

const makeWithNest: MakeApp = (module, adapter, options) =>
  NestFactory.create<NestFastifyApplication>(module, adapter, options);

/** The service, ready to listen (or to be injected requests into). */
export async function createHttpApp(options: AppOptions, makeApp = makeWithNest): Promise<NestFastifyApplication> {
  const { settings } = options;
  const filter = new ProblemFilter();
  const adapter = makeAdapter(settings, filter, options.clock ?? new Clock());
  const fastify = adapter.getInstance();
  readPools(fastify);
  const limit = new LoadLimit(settings);
  limit.guard(fastify);
  const app = await makeApp(AppModule.with(options), adapter, NEST_OPTIONS);
  app.useLogger(app.get(Logger));
  filter.provider = limit.provider = app.get(PaymentProvider);
  await app.get(PaymentProvider).start();
  limit.reportTo(app.get(Instruments));
  await allowPages(fastify, settings);
  app.get(CallerShare).guard(fastify);
  app.get(ClientAddresses).warnWithoutProxy();
  app.useGlobalFilters(filter);
  app.useGlobalPipes(validation());
  logRequests(fastify, settings);
  prepareAnswers(fastify);
  parseBodies(fastify);
  journalTooLarge(fastify, app);
  closeConnectionsWhenStopping(fastify, app.get(Readiness));
  serveDocs(app, openApiDocument(app, settings));
  return app;
}

function makeAdapter(settings: Settings, filter: ProblemFilter, clock: Clock): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    // So many hops of X-Forwarded-For are believed as there are proxies of our own.
    trustProxy: (_address: string, hop: number) => hop < settings.trustedProxyHops,
    // A path that cannot be decoded or is endless: refused before there is a route, and so before the hooks.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      void reply.header('x-request-id', request.id);
      filter.answer(error, request, reply);
      logAnswer(request, reply);
    },
    clientErrorHandler: (error: Error, socket: Socket) => refuseBrokenHttp(error, socket, newId('req', clock)),
    genReqId: (request: IncomingMessage) => requestId(request.headers['x-request-id'], clock),
    ...SOCKET_LIMITS,
    // Node itself would refuse a request without Host with no word of why: `prepareAnswers` does.
    http: { ...SOCKET_LIMITS.http, requireHostHeader: false },
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  });
  const { server } = adapter.getInstance();
  server.maxConnections = settings.maxConnections;
  // An unknown expectation may be ignored (RFC 9110, 10.1.1). Node would refuse it with no word of why.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  return adapter;
}

/** What every answer carries, and how the body is going to be read. */
function prepareAnswers(fastify: FastifyInstance): void {
  // Made once: what the plugin for this framework does again for each request.
  const protect = helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } });
  // Not an async hook: a reply is a thenable that settles when it was sent.
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    const { headers, httpVersion } = request.raw;
    if (headers.host === undefined && httpVersion === '1.1') return done(invalidField('Host', 'must be present'));
    if (!isCallback(request)) return protect(request.raw, reply.raw, (error) => done(error as Error | undefined));
    // A channel is no browser: no headers for one.
    readAsBytes(request);
    done();
  });
}

/** A callback too large to be read is in the journal too. */
function journalTooLarge(fastify: FastifyInstance, app: NestFastifyApplication): void {
  fastify.addHook('onError', async (request, _reply, error) => {
    if (error.code !== 'FST_ERR_CTP_BODY_TOO_LARGE' || !isCallback(request)) return;
    await app.get(CallbacksService).tooLarge(app.get(ClientAddresses).of(request), request.id);
  });
}

/** Else a client that keeps its connection would hold up the end of the process for as long as it likes. */
function closeConnectionsWhenStopping(fastify: FastifyInstance, readiness: Readiness): void {
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (readiness.stopping) void reply.header('connection', 'close');
    done();
  });
}

/** JSON for the API, bytes for callbacks (see `readAsBytes`). Any other content type is refused. */
function parseBodies(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) done(null, undefined);
    // Else what is no UTF-8 would be replaced in silence, and something else be kept than was said.
    else if (!isUtf8(body)) done(new DomainError('malformed_json', 'the body is not UTF-8'), undefined);
    else {
      const text = body.toString('utf8');
      void parseJson(request, text, (error, parsed) => {
        try {
          if (error) throw new DomainError('malformed_json');
          assertSafeJson(parsed, text);
          done(null, parsed);
        } catch (refused) {
          done(refused as Error, undefined);
        }
      });
    }
  });
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (isCallback(request)) done(null, body);
    else if (body.length === 0) done(null, undefined);
    else done(Object.assign(new Error('unsupported media type'), { statusCode: 415 }), undefined);
  });
}

/** The caller's id if it is well formed, else one of ours. */
function requestId(header: string | string[] | undefined, clock: Clock): string {
  return typeof header === 'string' && /^[\w.-]{8,64}$/.test(header) ? header : newId('req', clock);
}
