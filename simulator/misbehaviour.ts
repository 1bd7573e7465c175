import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type ErrorCode } from './api-error.js';
import { type FaultKind, type FaultRule } from './faults.js';
import { type Reply } from './router.js';
import { falsified } from './tampering.js';

/** How a call ends when a fault ends it. */
type End = ApiError | 'hang' | 'disconnect';

/** All that the faults striking one call do to it, put together. */
export interface Misbehaviour {
  kinds: FaultKind[];
  delayMs: number;
  slowMs: number;
  cutBody: boolean;
  /** Ends the call before any work is done. */
  before: End | null;
  /** Ends the call after the work is done. */
  after: End | null;
  /** A refusal of the mini-program APIs, which always answer 200. */
  refused: Reply | null;
  /** The body as it goes out, after it was signed. */
  sent: (bytes: Buffer) => Buffer;
}

const NONE: Misbehaviour = {
  kinds: [],
  delayMs: 0,
  slowMs: 0,
  cutBody: false,
  before: null,
  after: null,
  refused: null,
  sent: (bytes) => bytes,
};

const DEFAULT_MS = 1000;

const CODE_OF: Record<number, ErrorCode> = {
  429: 'FREQUENCY_LIMITED',
  502: 'SERVICE_UNAVAILABLE',
  503: 'SERVICE_UNAVAILABLE',
};

/** Reads the rules that strike a call. */
export function misbehaviour(rules: readonly FaultRule[]): Misbehaviour {
  if (rules.length === 0) return NONE;
  const kinds = rules.map((rule) => rule.do);
  const ms = (kind: FaultKind): number =>
    rules.filter((rule) => rule.do === kind).reduce((sum, rule) => sum + (rule.ms ?? DEFAULT_MS), 0);
  const errcode = rules.find((rule) => rule.do === 'errcode');
  return {
    kinds,
    delayMs: ms('delay'),
    slowMs: ms('slow_body'),
    cutBody: kinds.includes('cut_body'),
    before: endOf(rules, 'before'),
    after: endOf(rules, 'after'),
    refused: errcode
      ? { status: 200, body: { errcode: errcode.errcode ?? -1, errmsg: errcode.message ?? 'system error' } }
      : null,
    sent: kinds.includes('flip_body') ? flipped : (bytes) => bytes,
  };
}

/** The reply's bytes, with what the faults make of its contents before it is signed. */
export function answerOf(reply: Reply, fault: Misbehaviour): { bytes: Buffer; stream?: AsyncIterable<Buffer> } {
  if (reply.raw) {
    const { bytes } = reply.raw;
    return Buffer.isBuffer(bytes) ? { bytes } : { bytes: Buffer.alloc(0), stream: bytes };
  }
  if (!reply.body) return { bytes: Buffer.alloc(0) };
  const body = falsified(reply.body, fault.kinds);
  const lied =
    fault.kinds.includes('wrong_hash') && 'hash_value' in body ? { ...body, hash_value: '0'.repeat(40) } : body;
  return { bytes: Buffer.from(JSON.stringify(lied)) };
}

/** Waits in real time. */
export async function pause(ms: number): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { ref: false });
}

function endOf(rules: readonly FaultRule[], when: 'before' | 'after'): End | null {
  for (const rule of rules) {
    if ((rule.when ?? 'before') !== when) continue;
    if (rule.do === 'hang' || rule.do === 'disconnect') return rule.do;
    if (rule.do === 'error') return errorOf(rule);
  }
  return null;
}

/** The usual status of a code, the usual code of a status, 500 SYSTEM_ERROR when neither is given. */
function errorOf(rule: FaultRule): ApiError {
  const code = rule.code ?? CODE_OF[rule.status ?? 500] ?? 'SYSTEM_ERROR';
  return new ApiError(code, rule.message ?? '系统异常，请稍后重试', 0, undefined, rule.status);
}

/** One bit of the last digit turned over: still JSON of the same length, no longer what was signed. */
function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
  const index = Math.max(0, copy.findLastIndex(isDigit));
  if (copy.length > 0) copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}
