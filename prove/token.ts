import { createHmac } from 'node:crypto';
import { nowMs } from './now-ms.js';

const TWO_HOURS = 7200;
const THIRTY_DAYS = 30 * 24 * 3600;

/** A token as Paydesk issues them, for a proof of two hours or one whose virtual time is a month. */
export function token(secret: string, sub: string, role: 'user' | 'operator' | 'service', at = nowMs()): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(at / 1000);
  const claims = { sub, role, iat, exp: iat + (role === 'user' ? TWO_HOURS : THIRTY_DAYS) };
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
