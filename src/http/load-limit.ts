import { Logger } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DomainError } from '../common/errors.js';
import type { Settings } from '../config/settings.js';
import type { PaymentProvider } from '../provider/payment-provider.js';
import { isCallback, type Pool } from './pool.js';
import { sendProblem } from './problem.js';
import { RateLimitedQueue } from './rate-limited-queue.js';

/** So many requests of one pool at once, and no more. */
interface Bulkhead {
  readonly limit: number;
  running: number;
  refused: number;
}

/** What the metrics show of a bulkhead; `refused` since the start. */
interface BulkheadState {
  kind: string;
  running: number;
  refused: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Where this request is counted; null before and after. */
    bulkhead: Bulkhead | null;
    /** It was refused here: such refusals are logged in sums. */
    shed?: true;
  }
}

/** Probes are asked by machines of our own, one at a time: a sender of more is not one of them. */
const MAX_PROBES = 16;
const RETRY_AFTER_SECONDS = '2';
/**
 * Refusals answered in a fiftieth of a second, and how many may wait for that. At 0.1 ms each, a thousand a second take a
 * tenth of the process, however many come (measured without: what was let in took 20 s, as 2,000 connections were
 * refused between any two of its steps).
 */
const REFUSALS = { perTick: 20, maxWaiting: 4000 };
const LOG_EVERY_MS = 10_000;
// Made once: a stack for each refusal would be a third of its cost.
const REFUSAL = new DomainError('service_unavailable', 'more requests than can be served; try again');

/**
 * Bounds what is in work at once. What goes beyond is refused before its body is read, with 503 and `Retry-After`:
 * a queue without end serves none in time. Callbacks have a bulkhead of their own, so that no other traffic crowds out
 * the news of money. A request is counted from when its body has arrived (a client that dribbles takes no place) until
 * its work is done (a client that goes away gives none back).
 */
export class LoadLimit {
  private readonly log = new Logger('http');
  /** Words the refusals of callbacks; set before the first request can come. */
  provider!: Pick<PaymentProvider, 'reject'>;
  private readonly bulkheads: Record<Exclude<Pool, 'unlimited'>, Bulkhead>;
  private readonly refusals = new RateLimitedQueue(REFUSALS.perTick, REFUSALS.maxWaiting);
  private refusedUnlogged = 0;
  private lastLogged = -Infinity;

  constructor({ maxRequestsInFlight, maxCallbacksInFlight }: Settings) {
    const bulkhead = (limit: number): Bulkhead => ({ limit, running: 0, refused: 0 });
    this.bulkheads = {
      callback: bulkhead(maxCallbacksInFlight),
      channel: bulkhead(maxRequestsInFlight),
      own: bulkhead(maxRequestsInFlight),
      probe: bulkhead(MAX_PROBES),
    };
  }

  /** Its hooks come right after `readPools`, so that a refusal costs nothing of what the others do (measured: a third). */
  guard(fastify: FastifyInstance): void {
    fastify.decorateRequest('bulkhead', null);
    fastify.addHook('onRequest', (request, reply, done) => {
      const bulkhead = this.bulkheadOf(request);
      if (bulkhead === null || bulkhead.running < bulkhead.limit) done();
      else this.refuse(bulkhead, request, reply);
    });
    fastify.addHook('preValidation', (request, reply, done) => {
      const bulkhead = this.bulkheadOf(request);
      if (bulkhead === null) return done();
      // Others may have come while its body was on the way.
      if (bulkhead.running >= bulkhead.limit) return this.refuse(bulkhead, request, reply);
      bulkhead.running += 1;
      request.bulkhead = bulkhead;
      done();
    });
    fastify.addHook('onSend', (request, _reply, _payload, done) => {
      if (request.bulkhead) request.bulkhead.running -= 1;
      request.bulkhead = null;
      done();
    });
  }

  /** Lets the metrics read what is counted here. */
  reportTo(instruments: { readBulkheads: () => BulkheadState[] }): void {
    instruments.readBulkheads = () => Object.entries(this.bulkheads).map(([kind, one]) => ({ kind, ...one }));
  }

  /** Null: never refused. */
  private bulkheadOf({ pool = 'own' }: FastifyRequest): Bulkhead | null {
    return pool === 'unlimited' ? null : this.bulkheads[pool];
  }

  private refuse(bulkhead: Bulkhead, request: FastifyRequest, reply: FastifyReply): void {
    bulkhead.refused += 1;
    this.logRejections();
    if (!this.refusals.run(() => this.answer(request, reply))) request.raw.socket.destroy();
  }

  private answer(request: FastifyRequest, reply: FastifyReply): void {
    request.refusedWith = REFUSAL.code;
    request.shed = true;
    void reply.header('x-request-id', request.id).header('retry-after', RETRY_AFTER_SECONDS);
    if (!isCallback(request)) return sendProblem(REFUSAL, request, reply);
    void reply
      .status(REFUSAL.status)
      .header('content-type', 'application/json; charset=utf-8')
      .send(this.provider.reject(REFUSAL.code));
  }

  /** One line for many refusals: a log that grows with a flood would be a second one. */
  private logRejections(): void {
    this.refusedUnlogged += 1;
    const now = performance.now();
    if (now - this.lastLogged < LOG_EVERY_MS) return;
    this.log.warn({ refused: this.refusedUnlogged }, 'overloaded: requests are refused');
    this.lastLogged = now;
    this.refusedUnlogged = 0;
  }
}
