import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { isLocalHost } from '../common/address.js';
import { DomainError } from '../common/errors.js';
import { isOrigin } from '../config/cors-origins.js';
import type { Settings } from '../config/settings.js';

/** Seconds for which a browser need not ask again. */
const PREFLIGHT_SECONDS = 600;
/** What pages call. A channel and the machines that look after the service are no pages. */
const FOR_PAGES = /^\/api\/(?!(?:payments|refunds)\/callback\/)/;

/**
 * Lets pages of other origins call the API: those of `CORS_ORIGINS`, in development those of this machine and its network. Never
 * with cookies, as there are none. Comes after `LoadLimit`, so that a flood of preflights is refused like any other; that
 * refusal a page cannot read.
 */
export async function allowPages(fastify: FastifyInstance, { corsOrigins }: Settings): Promise<void> {
  if (corsOrigins !== 'local' && corsOrigins.length === 0) return;
  const isAllowed = corsOrigins === 'local' ? isLocalOrigin : (origin: string): boolean => corsOrigins.includes(origin);
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.method !== 'OPTIONS') return done();
    void reply.header('x-request-id', request.id);
    // A preflight has no route of its own to say it. Another spelling of a path is refused too: the browser asks for no other.
    done(FOR_PAGES.test(request.url) ? undefined : new DomainError('not_found'));
  });
  await fastify.register(cors, {
    // The plugin writes no header for `false`.
    origin: (origin, done) => done(null, origin !== undefined && isAllowed(origin)),
    methods: ['GET', 'HEAD', 'POST'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'X-Request-Id', 'Accept-Language'],
    exposedHeaders: ['X-Request-Id', 'Idempotent-Replayed', 'Retry-After', 'Content-Language'],
    maxAge: PREFLIGHT_SECONDS,
  });
}

/** A page that comes from this machine or from a machine beside it. Names other than `localhost` prove nothing of that. */
export function isLocalOrigin(origin: string): boolean {
  return isOrigin(origin) && isLocalHost(new URL(origin).hostname);
}
