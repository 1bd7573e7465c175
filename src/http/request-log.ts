import type { FastifyInstance } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import type { Settings } from '../config/settings.js';
import { isCallback } from './callback-route.js';

/**
 * A line for every answered request: `debug`, and `warn` for our own failures. Not for health checks, which would fill
 * the log, nor for callbacks, whose log is the journal.
 */
export function logRequests(fastify: FastifyInstance, { logLevel }: Settings): void {
  const everything = logLevel === 'debug' || logLevel === 'trace';
  fastify.addHook('onResponse', (request, reply, done) => {
    const failed = reply.statusCode >= 500;
    if (!failed && !everything) return done();
    const path = request.url.split('?')[0] ?? '';
    if (!path.startsWith('/health') && !isCallback(request)) {
      PinoLogger.root[failed ? 'warn' : 'debug'](
        {
          request_id: request.id,
          req: { method: request.method, url: path },
          res: { statusCode: reply.statusCode },
          responseTime: Math.round(reply.elapsedTime),
        },
        'request completed',
      );
    }
    done();
  });
}
