import { createHmac } from 'node:crypto';
import { Clock } from '../src/common/clock.js';

const clock = new Clock();
const TWO_HOURS = 7200;
const THIRTY_DAYS = 30 * 24 * 3600;

/** The time of this machine, in milliseconds since 1970. */
export function nowMs(): number {
  return clock.now().getTime();
}

export const base64Json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JSON Web Token of any header, content and signature. */
export function jwt(header: object, claims: unknown, signature: (text: string) => string): string {
  const text = `${base64Json(header)}.${base64Json(claims)}`;
  return `${text}.${signature(text)}`;
}

export const hmac = (text: string, key: string | Buffer, hash = 'sha256'): string =>
  createHmac(hash, key).update(text).digest('base64url');

/** A token as Paydesk issues them. */
export function token(secret: string, sub: string, role: 'user' | 'operator' | 'service'): string {
  const iat = Math.floor(nowMs() / 1000);
  const claims = { sub, role, iat, exp: iat + (role === 'user' ? TWO_HOURS : THIRTY_DAYS) };
  return jwt({ alg: 'HS256', typ: 'JWT' }, claims, (text) => hmac(text, secret));
}

export interface Answer<T = Record<string, unknown>> {
  /** 0: the connection was lost, or no answer came in time. */
  status: number;
  body: T;
}

/** A client of the service, with a token or without one. */
export interface Api {
  get<T = Record<string, unknown>>(path: string): Promise<Answer<T>>;
  /** @param key the `Idempotency-Key` */
  post<T = Record<string, unknown>>(path: string, body?: object, key?: string): Promise<Answer<T>>;
}

/** @param withinMs milliseconds that an answer may take */
export function apiAt(url: string, token?: string, withinMs = 120_000): Api {
  const send = async <T>(method: string, path: string, body?: object, key?: string): Promise<Answer<T>> => {
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
    };
    try {
      const signal = AbortSignal.timeout(withinMs);
      const request = { method, headers, signal, body: body && JSON.stringify(body) };
      const response = await fetch(`${url}/api${path}`, request);
      const text = await response.text();
      return { status: response.status, body: (text ? JSON.parse(text) : {}) as T };
    } catch (error) {
      // A process that is killed in the middle of its answer has not given one.
      return { status: 0, body: { code: String(error) } as T };
    }
  };
  return { get: (path) => send('GET', path), post: (path, body, key) => send('POST', path, body, key) };
}

/** The body of an answer that must have one of these statuses. @throws Error when it has another */
export async function must<T>(asked: Promise<Answer<T>>, ...statuses: number[]): Promise<T> {
  const { status, body } = await asked;
  if (!statuses.includes(status)) throw new Error(`answered ${status} ${JSON.stringify(body)}`);
  return body;
}
