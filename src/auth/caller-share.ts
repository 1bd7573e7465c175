import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { networkOf } from '../common/address.js';
import { DomainError } from '../common/errors.js';
import { Settings } from '../config/settings.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { RateLimitedQueue } from '../http/rate-limited-queue.js';
import { bearerToken } from './auth.guard.js';
import { Callers } from './callers.js';

interface Sharer {
  key: string;
  /** Places that it may hold in any case. */
  share: number;
}

interface SharedRequest extends FastifyRequest {
  /** In whose share this request is counted; null: it is not of those that call the channel. */
  sharer: Sharer | null;
  /** It is counted, and has to be given back. */
  sharing: boolean;
}

type Done = (error?: Error) => void;

/** What of Fastify is used here. */
interface Hooks {
  decorateRequest(name: string, value: null | false): unknown;
  addHook(
    name: 'onRequest' | 'preValidation',
    hook: (request: SharedRequest, reply: FastifyReply, done: Done) => void,
  ): unknown;
  addHook(
    name: 'onSend',
    hook: (request: SharedRequest, reply: FastifyReply, payload: unknown, done: () => void) => void,
  ): unknown;
}

/** Of the places for requests that call the channel, what one caller may hold: some in any case, and this part. */
const AT_LEAST = 4;
const PART_OF_USER = 1 / 4;
/** Many people may share an address, so it gets more; what is left is for those who are logged in. */
const PART_OF_ADDRESS = 3 / 4;
/** A caller may hold more than its share until this part of the places is taken: no other caller needs them. */
const PLENTY = 1 / 2;
const RETRY_AFTER_SECONDS = '1';
/** Refusals answered in a fiftieth of a second, and how many may wait: who asks without end is slowed down. */
const REFUSALS = { perTick: 4, maxWaiting: 2000 };
// Made once: a stack for each refusal would be most of its cost.
const REFUSAL = new DomainError('too_many_requests', 'too many of your requests are waiting for WeChat Pay');

/**
 * Keeps one caller from taking all places for requests that call the channel: once half of them are taken, a caller beyond
 * its share is told 429. A caller is a user by its token, without one an address (of IPv6 its /64). Operators and the
 * shop's own backend (role `service`) have no limit: all of a shop's payers may stand behind it. Counted per process.
 */
@Injectable()
export class CallerShare {
  private readonly running = new Map<string, number>();
  private readonly refusals = new RateLimitedQueue(REFUSALS.perTick, REFUSALS.maxWaiting);
  private total = 0;

  constructor(
    private readonly settings: Settings,
    private readonly callers: Callers,
    private readonly addresses: ClientAddresses,
  ) {}

  /** Knows the caller before anything else is done for it, and counts it once its body is there, as `LoadLimit` does. */
  guard(fastify: Hooks): void {
    fastify.decorateRequest('sharer', null);
    fastify.decorateRequest('sharing', false);
    fastify.addHook('onRequest', (request, reply, done) => {
      if (request.pool !== 'channel') return done();
      this.sharerOf(request).then((sharer) => {
        request.sharer = sharer;
        if (!this.isUsedUp(request)) done();
        else if (!this.refusals.run(() => refuse(reply, done))) request.raw.socket.destroy();
      }, done);
    });
    fastify.addHook('preValidation', (request, reply, done) => {
      // Others may have come while its body was on the way. Told at once: by now it holds a place.
      if (this.isUsedUp(request)) return refuse(reply, done);
      if (request.sharer !== null) this.take(request, request.sharer);
      done();
    });
    fastify.addHook('onSend', (request, _reply, _payload, done) => {
      if (request.sharing && request.sharer !== null) this.giveBack(request, request.sharer);
      done();
    });
  }

  private async sharerOf(request: FastifyRequest): Promise<Sharer> {
    const bearer = bearerToken(request);
    // What is no good is refused with the reason later on; until then it counts for its address.
    const caller = bearer === null ? null : await this.callers.prove(bearer).catch(() => null);
    if (!caller) return { key: networkOf(this.addresses.of(request)), share: this.part(PART_OF_ADDRESS) };
    return { key: caller.id, share: caller.role === 'user' ? this.part(PART_OF_USER) : Infinity };
  }

  private part(part: number): number {
    return Math.max(AT_LEAST, Math.floor(this.settings.maxRequestsInFlight * part));
  }

  private isUsedUp({ sharer }: SharedRequest): boolean {
    if (sharer === null || this.total < this.part(PLENTY)) return false;
    return (this.running.get(sharer.key) ?? 0) >= sharer.share;
  }

  private take(request: SharedRequest, { key }: Sharer): void {
    this.running.set(key, (this.running.get(key) ?? 0) + 1);
    this.total += 1;
    request.sharing = true;
  }

  private giveBack(request: SharedRequest, { key }: Sharer): void {
    request.sharing = false;
    this.total -= 1;
    const left = (this.running.get(key) ?? 0) - 1;
    if (left > 0) this.running.set(key, left);
    else this.running.delete(key);
  }
}

function refuse(reply: FastifyReply, done: Done): void {
  void reply.header('retry-after', RETRY_AFTER_SECONDS);
  done(REFUSAL);
}
