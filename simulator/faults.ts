import { type Fields, int, list, object, required, text } from './fields.js';
import { type Random } from './random.js';

/** Where a fault can strike: a call by its name, a kind of notice, or all of either. */
export const CALL_POINTS = [
  'call',
  'order',
  'query',
  'close',
  'refund',
  'refund_query',
  'abnormal_refund',
  'certificates',
  'tradebill',
  'fundflowbill',
  'download',
  'echo',
  'login',
  'token',
  'message',
] as const;
export const NOTICE_POINTS = ['notice', 'payment_notice', 'refund_notice', 'echo_notice'] as const;
export type CallPoint = (typeof CALL_POINTS)[number];
export type NoticePoint = (typeof NOTICE_POINTS)[number];

/** Wrong signatures, for answers and notices alike. */
export const SIGNATURE_FAULTS = [
  'wrong_signature',
  'signtest',
  'unknown_serial',
  'stale_timestamp',
  'unsigned',
  'other_mode',
] as const;
/** Wrong contents under a right signature. */
export const CONTENT_FAULTS = ['wrong_amount', 'wrong_mchid', 'wrong_appid', 'wrong_currency'] as const;

export const CALL_FAULTS = [
  ...SIGNATURE_FAULTS,
  ...CONTENT_FAULTS,
  'error',
  'hang',
  'disconnect',
  'delay',
  'slow_body',
  'cut_body',
  'flip_body',
  'wrong_hash',
  'errcode',
] as const;

/** Strike one sending of a notice: the next one may be right. */
export const SEND_FAULTS = [
  ...SIGNATURE_FAULTS,
  ...CONTENT_FAULTS,
  'drop',
  'double',
  'flip_ciphertext',
  'wrong_key',
  'no_associated_data',
  'unknown_event',
  'new_id',
] as const;

/** Strike a notice as a whole, when it is about to be sent for the first time. */
export const NOTICE_FAULTS = ['lose', 'hold_back', 'reorder', 'after_refund'] as const;

export type SignatureFault = (typeof SIGNATURE_FAULTS)[number];
export type ContentFault = (typeof CONTENT_FAULTS)[number];
export type CallFault = (typeof CALL_FAULTS)[number];
export type SendFault = (typeof SEND_FAULTS)[number];
export type NoticeFault = (typeof NOTICE_FAULTS)[number];
export type FaultKind = CallFault | SendFault | NoticeFault;

const KINDS: readonly string[] = [...new Set<string>([...CALL_FAULTS, ...SEND_FAULTS, ...NOTICE_FAULTS])];

/** One rule of misbehaviour. What is left out does not restrict it. */
export interface FaultRule {
  at: CallPoint | NoticePoint;
  do: FaultKind;
  /** Whether the work is done before the fault strikes. Default `before`: nothing was done. */
  when?: 'before' | 'after';
  /** How often it strikes; left out: always. */
  times?: number;
  /** How many fitting occasions it lets pass first. */
  skip?: number;
  /** 0 to 1, drawn from the seed. */
  probability?: number;
  /** Only where this text appears in the call or names the notice's order or refund. */
  match?: string;
  /** For `error`. */
  status?: number;
  code?: string;
  message?: string;
  /** For `delay` and `slow_body`: milliseconds of real time. */
  ms?: number;
  /** For `hold_back` and `reorder`: seconds of business time. */
  seconds?: number;
  /** For `errcode`: the mini-program APIs' refusal. */
  errcode?: number;
}

const RULE: Fields = {
  at: required(text(32, { oneOf: [...CALL_POINTS, ...NOTICE_POINTS] })),
  do: required(text(32, { oneOf: KINDS })),
  when: text(8, { oneOf: ['before', 'after'] }),
  times: int(1),
  skip: int(0),
  probability: { is: 'number', min: 0, max: 1 },
  match: text(128),
  status: int(400, 599),
  code: text(64),
  message: text(256),
  ms: int(0, 600_000),
  seconds: int(0),
  errcode: int(),
};

/** The `rules` part of `PUT /_sim/faults`. */
export const RULES = list({
  ...object(RULE),
  check: (rule) => ruleIssue(rule as unknown as FaultRule),
});

/** What is wrong with a rule beyond its form. */
export function ruleIssue(rule: FaultRule): string | undefined {
  const kinds: readonly string[] = isNoticePoint(rule.at) ? [...SEND_FAULTS, ...NOTICE_FAULTS] : CALL_FAULTS;
  return kinds.includes(rule.do) ? undefined : `"${rule.do}" cannot happen at "${rule.at}"`;
}

function isNoticePoint(point: string): point is NoticePoint {
  return (NOTICE_POINTS as readonly string[]).includes(point);
}

interface Armed extends FaultRule {
  seen: number;
  struck: number;
}

/** The rules in force, and the choice which of them strike now. */
export class Faults {
  #rules: Armed[] = [];

  constructor(private readonly random: Random) {}

  /** Puts these rules in the place of all earlier ones. */
  replace(rules: readonly FaultRule[]): void {
    this.#rules = rules.map((rule) => ({ ...rule, seen: 0, struck: 0 }));
  }

  /** The rules with how often each has struck. */
  state(): object[] {
    return this.#rules.map((rule) => ({ ...rule }));
  }

  /** The faults that strike a call, in the order they were written. `about` is the target and body of the call. */
  atCall(point: CallPoint, about: () => string): FaultRule[] {
    if (this.#rules.length === 0) return [];
    return this.#rules.filter((rule) => (rule.at === point || rule.at === 'call') && this.#strikes(rule, about));
  }

  /** The faults of these kinds that strike a notice. `about` names its order and refund. */
  atNotice(point: NoticePoint, kinds: readonly FaultKind[], about: () => string): FaultRule[] {
    if (this.#rules.length === 0) return [];
    return this.#rules.filter(
      (rule) => (rule.at === point || rule.at === 'notice') && kinds.includes(rule.do) && this.#strikes(rule, about),
    );
  }

  #strikes(rule: Armed, about: () => string): boolean {
    if (rule.match !== undefined && !about().includes(rule.match)) return false;
    if (rule.struck >= (rule.times ?? Infinity)) return false;
    rule.seen += 1;
    if (rule.seen <= (rule.skip ?? 0)) return false;
    if (rule.probability !== undefined && !this.random.chance(rule.probability)) return false;
    rule.struck += 1;
    return true;
  }
}
