import { type NoticePoint } from './faults.js';
import { type JsonObject } from './fields.js';

export type NoticeState = 'waiting' | 'held' | 'received' | 'given_up' | 'lost';

export interface Send {
  at: string;
  /** What the receiver answered; 0 when nothing came in time. */
  status: number;
  took_ms: number;
  serial: string;
  outcome: string;
  faults: string[];
}

export interface Notice {
  id: string;
  point: NoticePoint;
  eventType: string;
  resourceType: string;
  summary: string;
  url: string;
  outTradeNo: string | null;
  outRefundNo: string | null;
  createdAt: number;
  content: JsonObject;
  state: NoticeState;
  nextAt: number | null;
  sends: Send[];
}

/** What a rule's `match` is compared with. */
export function nameOf(notice: Notice): string {
  return `${notice.outTradeNo ?? ''} ${notice.outRefundNo ?? ''}`;
}
