import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/**
 * What a request waits for, and so with which others it shares a limit: when the channel stands still, lists and orders
 * do not.
 *
 * - `callback`: the channel calls us. The body is kept as raw bytes, and refusals have the form that the channel reads.
 * - `channel`: we call the channel, or wait for others who do.
 * - `own`: our database alone.
 * - `probe`: machines of our own ask how we are.
 * - `unlimited`: never refused.
 */
export type Pool = 'callback' | 'channel' | 'own' | 'probe' | 'unlimited';

/** The pool of a request by its parsed body, where that decides whether the channel is called. */
type PoolOfBody = (body: unknown) => Pool;

declare module 'fastify' {
  interface FastifyContextConfig {
    pool?: Pool | PoolOfBody;
  }
  interface FastifyRequest {
    /** Undefined before there is a route, as for a path that cannot be decoded. */
    pool?: Pool;
    poolOfBody?: PoolOfBody | null;
  }
}

/**
 * The pool of a route; without it the route is in `own`, as is a path without a route. It is said on the route and never
 * read from the URL, since one path has many spellings: `%73ync`, `http://host/…`, `#`, a slash at the end.
 */
export const InPool = (pool: Pool | PoolOfBody): MethodDecorator =>
  RouteConfig(typeof pool === 'string' && FOR_MACHINES.has(pool) ? { pool, cors: { origin: false } } : { pool });

/** No page reads their answers, so they have no headers for one (see `cors.ts`). */
const FOR_MACHINES: ReadonlySet<Pool> = new Set<Pool>(['callback', 'probe', 'unlimited']);

/** `channel` where the body has this field with something in it, else `own`. */
export const channelWith =
  (field: string): PoolOfBody =>
  (body) =>
    typeof body === 'object' && body !== null && (body as Record<string, unknown>)[field] ? 'channel' : 'own';

/**
 * Lets every later hook read `request.pool`. Asked for once: Fastify makes `routeOptions` anew each time. Where the body
 * decides, the request is in `own` until it has been read.
 */
export function readPools(fastify: FastifyInstance): void {
  fastify.decorateRequest('pool', undefined);
  fastify.decorateRequest('poolOfBody', null);
  fastify.addHook('onRequest', (request, _reply, done) => {
    const { pool = 'own' } = request.routeOptions.config;
    request.pool = typeof pool === 'function' ? 'own' : pool;
    request.poolOfBody = typeof pool === 'function' ? pool : null;
    done();
  });
  fastify.addHook('preValidation', (request, _reply, done) => {
    if (request.poolOfBody) request.pool = request.poolOfBody(request.body);
    done();
  });
}

/** Whether this is the channel calling back: the body is bytes with a signature over them. */
export function isCallback(request: FastifyRequest): boolean {
  return request.pool === 'callback';
}

/**
 * Lets the body be read as bytes, whatever content type the channel or a proxy gives it, or none: the signature is checked
 * before anything is parsed, and a type that Fastify cannot read would be refused before that.
 */
export function readAsBytes(request: FastifyRequest): void {
  request.headers['content-type'] = 'application/octet-stream';
}
