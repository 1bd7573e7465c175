import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import type { ErrorCode } from '../common/errors.js';
import { isAnyId } from '../common/ids.js';
import type { Settings } from '../config/settings.js';
import type { Pool } from './pool.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What it was refused with; undefined: it was not. */
    refusedWith?: ErrorCode;
  }
}

/** Health checks would fill the log, and the log of callbacks is the journal. */
const WITHOUT_LINE: ReadonlySet<Pool | undefined> = new Set<Pool>(['callback', 'probe', 'unlimited']);

/** A line for every answered request: `error` for our own failures, `info` for what was refused, `debug` for the rest. */
export function logRequests(fastify: FastifyInstance, { logLevel }: Settings): void {
  const everything = logLevel === 'debug' || logLevel === 'trace';
  fastify.addHook('onResponse', (request, reply, done) => {
    if (reply.statusCode >= 400 || everything) logAnswer(request, reply);
    done();
  });
}

/**
 * The line of one request. It names the route, never the URL, whose query, fragment and unknown paths may hold a token; of
 * the values in it only an id of ours.
 */
export function logAnswer(request: FastifyRequest, reply: FastifyReply): void {
  if (WITHOUT_LINE.has(request.pool)) return;
  const { statusCode: status, elapsedTime } = reply;
  const { id } = (request.params ?? {}) as { id?: string };
  // What is refused for overload is logged in sums.
  const level = status < 400 || request.shed ? 'debug' : status < 500 ? 'info' : 'error';
  PinoLogger.root[level](
    {
      request_id: request.id,
      method: request.method,
      route: request.routeOptions.url ?? null,
      ...(id !== undefined && isAnyId(id) && { id }),
      status,
      code: request.refusedWith,
      duration_ms: Math.round(elapsedTime),
    },
    'request completed',
  );
}
