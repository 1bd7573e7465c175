import { EventEmitter } from 'node:events';
import { Agent, Dispatcher } from 'undici';
import { WechatCallError } from './call-error.js';
import { ConcurrencyGate, GateFull } from './gate.js';
import { WechatTimeouts } from './settings.js';

/** One request as it goes on the wire: the path is sent as it stands, nothing is encoded or normalised again. */
export interface WireRequest {
  /** For messages: `prepay`, `query_refund`, … */
  operation: string;
  origin: string;
  method: 'GET' | 'POST';
  target: string;
  headers: Record<string, string>;
  body: Buffer;
}

/** An answer as it came in: raw bytes, nothing trusted. */
export interface WireAnswer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

/** An answer whose body has not been read yet. */
export interface WireStream extends Omit<WireAnswer, 'body'> {
  body: Dispatcher.ResponseData['body'];
}

export interface TransportLimits {
  timeouts: WechatTimeouts;
  maxConcurrency: number;
}

/** A bill may be large and slow, but must not stand still for longer than this. */
const STREAM_IDLE_MS = 30_000;

/**
 * WeChat's servers end an idle connection after 8 seconds (recorded: `Keep-Alive: timeout=8`). Ours ends before, whatever a
 * server promises, so that a request seldom meets a connection that is being closed.
 */
export const KEEP_ALIVE = { keepAliveTimeout: 7_000, keepAliveMaxTimeout: 7_000 } as const;

/** Calls that may wait for a free connection, per connection; one more is told to come back later. */
const QUEUE_PER_CONNECTION = 16;

/**
 * HTTP with kept-alive connections, time-outs, a limit on calls under way and one on the size of answers. Redirects are
 * not followed. Whatever goes wrong here leaves the outcome unknown.
 */
export class Transport {
  private readonly agent: Agent;
  private readonly gate: ConcurrencyGate;

  constructor(private readonly limits: TransportLimits) {
    this.agent = new Agent({
      connections: limits.maxConcurrency,
      pipelining: 1,
      connect: { timeout: limits.timeouts.connectMs },
      headersTimeout: limits.timeouts.answerMs,
      bodyTimeout: STREAM_IDLE_MS,
      ...KEEP_ALIVE,
    });
    const queue = limits.maxConcurrency * QUEUE_PER_CONNECTION;
    this.gate = new ConcurrencyGate(limits.maxConcurrency, queue, limits.timeouts.answerMs);
  }

  /**
   * Sends a request and reads the whole answer.
   * @throws WechatCallError `unknown`: `timeout`, `network_failure`, `overloaded` or `answer_too_large`
   */
  async send(request: WireRequest, maxBytes: number): Promise<WireAnswer> {
    try {
      return await this.gate.run(() => this.sendInTime(request, maxBytes));
    } catch (error) {
      throw asCallError(request.operation, error);
    }
  }

  /**
   * Sends a request and hands over the answer's body as a stream, which the caller must read or destroy.
   * @throws WechatCallError `unknown`
   */
  async open(request: WireRequest): Promise<WireStream> {
    try {
      const { statusCode, headers, body } = await this.request(request);
      return { status: statusCode, headers, body };
    } catch (error) {
      throw asCallError(request.operation, error);
    }
  }

  private async sendInTime(request: WireRequest, maxBytes: number): Promise<WireAnswer> {
    const { connectMs, answerMs } = this.limits.timeouts;
    // Not an AbortSignal, which costs a call a third more.
    const signal = new EventEmitter();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      signal.emit('abort');
    }, connectMs + answerMs);
    try {
      const { statusCode, headers, body } = await this.request(request, signal);
      return { status: statusCode, headers, body: await readAll(request.operation, body, maxBytes) };
    } catch (error) {
      throw late ? timedOut(request.operation) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  private request(request: WireRequest, signal?: EventEmitter): Promise<Dispatcher.ResponseData> {
    return this.agent.request({
      origin: request.origin,
      path: request.target,
      method: request.method,
      headers: request.headers,
      body: request.body.length > 0 ? request.body : null,
      signal,
    });
  }

  /** Lets what is under way end, then closes the connections. */
  close(): Promise<void> {
    return this.agent.close();
  }
}

/** Reads a body to its end. @throws WechatCallError `answer_too_large` */
export async function readAll(operation: string, body: WireStream['body'], maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes)
      throw new WechatCallError('unknown', 'answer_too_large', `${operation}: the response is too large`);
    parts.push(part);
  }
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
}

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);

/** Says by code what went wrong; the original message may hold an address with a secret in its query. */
export function asCallError(operation: string, error: unknown): WechatCallError {
  if (error instanceof WechatCallError) return error;
  if (error instanceof GateFull)
    return new WechatCallError('unknown', 'overloaded', `${operation}: too many concurrent calls`);
  const { code, name } = error as { code?: unknown; name?: unknown };
  if ((typeof code === 'string' && TIMEOUTS.has(code)) || name === 'TimeoutError') return timedOut(operation);
  const why = typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code) ? code : 'connection lost';
  return new WechatCallError('unknown', 'network_failure', `${operation}: ${why}`);
}

function timedOut(operation: string): WechatCallError {
  return new WechatCallError('unknown', 'timeout', `${operation}: no answer in time`);
}
