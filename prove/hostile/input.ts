import type { Answer, Sent } from '../../dev/http-line.js';

/** Who sends an input. `user` owns what may be played with, `stranger` owns nothing, and neither owns the canaries. */
export const ROLES = ['none', 'user', 'stranger', 'operator', 'service'] as const;
export type Role = (typeof ROLES)[number];

/** One hostile request, ready to be sent. */
export interface Input extends Sent {
  /** What is hostile about it: the class it is counted under. */
  kind: string;
  /** `POST /api/orders`, as in the document. */
  route: string;
  role: Role;
  /** What its answer must be besides what every answer must be; a sentence when it is not. */
  must?: (answer: Answer) => string | null;
}

/** `must` of an input whose answer has one of these statuses. */
export function statusIn(...statuses: number[]): (answer: Answer) => string | null {
  return ({ status }) => (statuses.includes(status) ? null : `answered ${status} instead of ${statuses.join(' or ')}`);
}
