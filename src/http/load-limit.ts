import { Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError } from '../common/errors.js';
import type { Settings } from '../config/settings.js';
import { fail, isCallback } from './callback-route.js';
import { Pace } from './pace.js';
import { toProblem } from './problem.js';

/** Requests that wait for the same thing share a room: when the channel stands still, lists and orders do not. */
type Kind = 'callback' | 'channel' | 'own' | 'probe';

interface Room {
  readonly limit: number;
  running: number;
  refused: number;
}

/** What the metrics show of a room; `refused` since the start. */
interface RoomState {
  kind: string;
  running: number;
  refused: number;
}

interface LimitedRequest extends FastifyRequest {
  /** Where this request is counted; null before and after. */
  room: Room | null;
}

type Done = () => void;

/** What of Fastify is used here: the adapter's own type has more parameters than anybody can read. */
interface Hooks {
  decorateRequest(name: 'room', value: null): unknown;
  addHook(
    name: 'onRequest' | 'preValidation',
    hook: (request: LimitedRequest, reply: FastifyReply, done: Done) => void,
  ): unknown;
  addHook(
    name: 'onSend',
    hook: (request: LimitedRequest, reply: FastifyReply, payload: unknown, done: Done) => void,
  ): unknown;
}

/** Routes that call the channel, or wait for others who do. */
const CALLS_CHANNEL =
  /^\/api\/(auth\/login|payments\/[^/?]+\/(start|cancel|sync)|refunds\/[^/?]+\/(succeed|sync|retry-abnormal))\/?(\?|$)/;
export function callsChannel(url: string): boolean {
  return CALLS_CHANNEL.test(url);
}

const LIVE = /^\/health\/live\/?(\?|$)/;
const PROBE = /^\/(health|metrics)(\/|\?|$)/;

/** Probes are asked by machines of our own, one at a time: whoever sends more is not one of them. */
const MAX_PROBES = 16;
const RETRY_AFTER_SECONDS = '2';
/**
 * Refusals answered in a fiftieth of a second, and how many may wait for that. At 0.1 ms each, a thousand a second take a
 * tenth of the process, however many come (measured without: what was let in took 20 s, as 2,000 connections were
 * refused between any two of its steps).
 */
const REFUSALS = { perTick: 20, maxWaiting: 4000 };
const SAY_EVERY_MS = 10_000;
// Made once: a stack for each refusal would be a third of its cost.
const REFUSAL = new DomainError('service_unavailable', 'more requests than can be served; try again');

/**
 * Bounds what is in work at once. What goes beyond is refused before its body is read, with 503 and `Retry-After`:
 * a queue without end serves nobody in time. Callbacks have a room of their own, so that no other traffic crowds out
 * the news of money. A request is counted from when its body has arrived (a client that dribbles takes no place) until
 * its work is done (a client that goes away gives none back).
 */
export class LoadLimit {
  private readonly log = new Logger('http');
  private readonly rooms: Record<Kind, Room>;
  private readonly pace = new Pace(REFUSALS.perTick, REFUSALS.maxWaiting);
  private refusedUnsaid = 0;
  private lastSaid = -Infinity;

  constructor({ maxRequestsInFlight, maxCallbacksInFlight }: Settings) {
    const room = (limit: number): Room => ({ limit, running: 0, refused: 0 });
    this.rooms = {
      callback: room(maxCallbacksInFlight),
      channel: room(maxRequestsInFlight),
      own: room(maxRequestsInFlight),
      probe: room(MAX_PROBES),
    };
  }

  /** Its hooks come first, so that a refusal costs nothing of what the others do (measured: a third of it). */
  guard(fastify: Hooks): void {
    fastify.decorateRequest('room', null);
    fastify.addHook('onRequest', (request, reply, done) => {
      const room = this.roomFor(request.url);
      if (room === null || room.running < room.limit) done();
      else this.refuse(room, request, reply);
    });
    fastify.addHook('preValidation', (request, reply, done) => {
      const room = this.roomFor(request.url);
      if (room === null) return done();
      // Others may have come while its body was on the way.
      if (room.running >= room.limit) return this.refuse(room, request, reply);
      room.running += 1;
      request.room = room;
      done();
    });
    fastify.addHook('onSend', (request, _reply, _payload, done) => {
      if (request.room) request.room.running -= 1;
      request.room = null;
      done();
    });
  }

  /** Lets the metrics read what is counted here. */
  reportTo(instruments: { readRooms: () => RoomState[] }): void {
    instruments.readRooms = () => Object.entries(this.rooms).map(([kind, room]) => ({ kind, ...room }));
  }

  /** Null: never refused. */
  private roomFor(url: string): Room | null {
    if (isCallback(url)) return this.rooms.callback;
    if (callsChannel(url)) return this.rooms.channel;
    if (!PROBE.test(url)) return this.rooms.own;
    return LIVE.test(url) ? null : this.rooms.probe;
  }

  private refuse(room: Room, request: FastifyRequest, reply: FastifyReply): void {
    room.refused += 1;
    this.say();
    if (!this.pace.run(() => this.answer(request, reply))) request.raw.socket.destroy();
  }

  private answer(request: FastifyRequest, reply: FastifyReply): void {
    const callback = isCallback(request.url);
    void reply
      .status(REFUSAL.status)
      .header('x-request-id', request.id)
      .header('retry-after', RETRY_AFTER_SECONDS)
      .header('content-type', `application/${callback ? 'json' : 'problem+json'}; charset=utf-8`)
      .send(callback ? fail(REFUSAL.code) : JSON.stringify(toProblem(REFUSAL, request.id)));
  }

  /** One line for many refusals: a log that grows with a flood would be a second one. */
  private say(): void {
    this.refusedUnsaid += 1;
    const now = performance.now();
    if (now - this.lastSaid < SAY_EVERY_MS) return;
    this.log.warn({ refused: this.refusedUnsaid }, 'overloaded: requests are refused');
    this.lastSaid = now;
    this.refusedUnsaid = 0;
  }
}
