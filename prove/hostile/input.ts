import type { Answer } from './line.js';

/** Who sends an input. `user` owns what may be played with, `stranger` owns nothing, and neither owns the canaries. */
export const ROLES = ['none', 'user', 'stranger', 'operator', 'service'] as const;
export type Role = (typeof ROLES)[number];

/** One hostile request, ready to be sent. */
export interface Input {
  /** What is hostile about it: the class it is counted under. */
  kind: string;
  /** `POST /api/orders`, as in the document. */
  route: string;
  role: Role;
  bytes: Buffer;
  /** Its answer has no body. */
  head?: boolean;
  /** What its answer must be besides what every answer must be; a sentence when it is not. */
  must?: (answer: Answer) => string | null;
}

/** The parts of a request; whatever is odd about them stays as it is. */
export interface Parts {
  method: string;
  target: string;
  headers: readonly (readonly [name: string, value: string])[];
  body?: Buffer;
}

/** Header values are latin1, so that any byte can be said. A length is added unless the headers say how long it is. */
export function requestBytes({ method, target, headers, body }: Parts): Buffer {
  const said = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = [`${method} ${target} HTTP/1.1`];
  if (!said.has('host')) lines.push('Host: paydesk.test');
  if (body && !said.has('content-length') && !said.has('transfer-encoding'))
    lines.push(`Content-Length: ${body.length}`);
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return body ? Buffer.concat([head, body]) : head;
}

/** `must` of an input whose answer has one of these statuses. */
export function statusIn(...statuses: number[]): (answer: Answer) => string | null {
  return ({ status }) => (statuses.includes(status) ? null : `answered ${status} instead of ${statuses.join(' or ')}`);
}
