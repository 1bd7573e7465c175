import fc from 'fast-check';
import type { FaultRule } from '../../simulator/index.js';
import { CALL_TROUBLES, NOTICE_TROUBLES, troublesAt } from './faults.js';

/**
 * One thing that happens, as plain data. `of` counts from the newest of those to which it can happen at all (`any`: of
 * all there are, to try what cannot be); `by` is the process that is asked.
 */
type What =
  | { do: 'order'; who: 'one' | 'other'; fen: number }
  | { do: 'open' | 'start' | 'cancel' | 'sync'; of: number; any: boolean; by: 0 | 1 }
  | { do: 'pay'; of: number; any: boolean; coupon: boolean }
  | { do: 'pay_fails'; of: number }
  | { do: 'ask'; of: number; any: boolean; by: 0 | 1; part: number; who: 'payer' | 'shop' }
  | { do: 'carry' | 'reject' | 'sync_refund' | 'retry_abnormal'; of: number; any: boolean; by: 0 | 1 }
  | { do: 'refund_ends'; of: number; as: 'SUCCESS' | 'ABNORMAL' | 'CLOSED' }
  | { do: 'console'; of: number; part: number }
  | { do: 'take_over'; of: number; by: 0 | 1 }
  | { do: 'resend'; of: number }
  | { do: 'forge'; by: 0 | 1; noun: 'payments' | 'refunds'; kind: 'unsigned' | 'stranger' | 'noise' }
  | { do: 'fault'; rule: FaultRule }
  | { do: 'lie'; of: number }
  | { do: 'deaf'; of: number }
  | { do: 'account'; empty: boolean }
  | { do: 'keys'; change: 'rotate' | 'retire_old' | 'switch' }
  | { do: 'tick' | 'reconcile' | 'expire' | 'bills' | 'restart'; by: 0 | 1 }
  | { do: 'wait'; seconds: number }
  | { do: 'together'; steps: SingleStep[] };

/** With what goes wrong while it happens, if anything. */
export type Step = What & { trouble?: FaultRule };
export type SingleStep = Exclude<Step, { do: 'together' }>;
export type StepAbout = Extract<SingleStep, { of: number }>;
export type StepAlone = Exclude<SingleStep, StepAbout>;

export interface History {
  policy: 'refund' | 'hold';
  /** Of what the channel leaves to chance. */
  chance: number;
  /** Whether a day later the bills are compared. */
  bills: boolean;
  steps: Step[];
}

/** One of these texts, each as likely as it stands there. */
const one = <const T extends string>(...texts: [T, ...T[]]): fc.Arbitrary<T> => fc.constantFrom<T[]>(...texts);

/** One of these, as often as the numbers say. */
const weighted = <T>(...parts: [weight: number, arbitrary: fc.Arbitrary<T>][]): fc.Arbitrary<T> =>
  fc.oneof<fc.WeightedArbitrary<T>[]>(...parts.map(([weight, arbitrary]) => ({ weight, arbitrary })));

const of = fc.nat({ max: 3 });
const by = fc.constantFrom<0 | 1>(0, 1);
const any = fc.integer({ min: 0, max: 7 }).map((drawn) => drawn === 7);

const SECONDS = [5, 5, 5, 30, 61, 61, 300, 1200, 1801, 1801, 7200, 100_000];

/** The same step, in one of three cases with something that goes wrong at one of these points. */
function amid<T extends What>(what: fc.Arbitrary<T>, ...points: FaultRule['at'][]): fc.Arbitrary<T & Step> {
  const troubles = fc
    .tuple(fc.constantFrom(...troublesAt(...points)), fc.constantFrom(1, 1, 1, 2, 3))
    .map(([trouble, times]): FaultRule => ({ ...trouble, times }));
  return fc
    .tuple(what, fc.option(troubles, { nil: null, freq: 2 }))
    .map(([one, trouble]) => (trouble ? { ...one, trouble } : one));
}

const fen = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 100, max: 50_000 }));
const order = fc.record({
  do: one('order'),
  who: one('one', 'other'),
  fen,
});
const ofPayment = amid(fc.record({ do: one('cancel', 'sync'), of, any, by }), 'query', 'close');
const open = fc.record({ do: one('open'), of, any, by });
const start = amid(fc.record({ do: one('start'), of, any, by }), 'order', 'order', 'close');
const pay = amid(fc.record({ do: one('pay'), of, any, coupon: fc.boolean() }), 'payment_notice');
/** Tenths of what is left; 0 asks for all of it by leaving the amount out, 11 for more than there is. */
const part = fc.constantFrom(0, 0, 1, 3, 5, 7, 10, 11);
const ask = fc.record({
  do: one('ask'),
  of,
  any,
  by,
  part,
  who: one('payer', 'shop'),
});
/** A clerk gives money back in the channel's console; an operator asks for a refund by its number. */
const inConsole = amid(fc.record({ do: one('console'), of, part }), 'refund_notice');
const takeOver = amid(fc.record({ do: one('take_over'), of, by }), 'refund_query');
const carry = amid(fc.record({ do: one('carry'), of, any, by }), 'refund');
const ofRefund = amid(
  fc.record({ do: one('reject', 'sync_refund', 'retry_abnormal'), of, any, by }),
  'refund_query',
  'abnormal_refund',
);
const wait = amid(
  fc.record({ do: one('wait'), seconds: fc.constantFrom(...SECONDS) }),
  'payment_notice',
  'refund_notice',
);
const work = amid(fc.record({ do: one('tick', 'tick', 'reconcile'), by }), 'query', 'close', 'refund', 'refund_query');
const resend = fc.record({ do: one('resend'), of });

const rule = fc
  .tuple(
    weighted([3, fc.constantFrom(...NOTICE_TROUBLES)], [2, fc.constantFrom(...CALL_TROUBLES)]),
    fc.constantFrom(1, 1, 2, 3),
  )
  .map(([trouble, times]): FaultRule => ({ ...trouble, times }));

const refundEnds = fc.record({ do: one('refund_ends'), of, as: one('SUCCESS', 'ABNORMAL', 'ABNORMAL', 'CLOSED') });

/** What may happen at once: things about the same payment and its refunds, so that they meet. */
const crowd = fc.record({
  do: one('together'),
  steps: fc.tuple(of, fc.constantFrom('payment', 'refund', 'both')).chain(([same, about]) => {
    const payment = fc.oneof(ofPayment, start, work, fc.constant<SingleStep>({ do: 'wait', seconds: 5 }), resend, open);
    const refund = weighted<SingleStep>(
      [4, ask],
      [2, carry],
      [1, ofRefund],
      [1, work],
      [2, inConsole],
      [1, takeOver],
      [1, refundEnds],
      [1, resend],
    );
    const drawn = about === 'payment' ? payment : about === 'refund' ? refund : fc.oneof(payment, refund);
    const aligned = drawn.map((step): SingleStep => ('of' in step ? { ...step, of: same } : step));
    return fc.array(aligned, { minLength: 2, maxLength: 5 });
  }),
});

const kind = one('unsigned', 'stranger', 'noise');

const step: fc.Arbitrary<Step> = weighted<Step>(
  [6, order],
  [11, open],
  [13, start],
  [15, pay],
  [1, fc.record({ do: one('pay_fails'), of })],
  [9, ofPayment],
  [13, ask],
  [13, carry],
  [6, ofRefund],
  [7, inConsole],
  [3, takeOver],
  [6, amid(refundEnds, 'refund_notice')],
  [3, resend],
  [2, fc.record({ do: one('forge'), by, noun: one('payments', 'refunds'), kind })],
  [6, fc.record({ do: one('fault'), rule })],
  [3, fc.record({ do: one('lie'), of })],
  [6, fc.record({ do: one('deaf'), of })],
  [2, fc.record({ do: one('account'), empty: fc.boolean() })],
  [1, fc.record({ do: one('keys'), change: one('rotate', 'retire_old', 'switch') })],
  [14, work],
  [2, amid(fc.record({ do: one('expire'), by }), 'query', 'close')],
  [2, amid(fc.record({ do: one('bills'), by }), 'tradebill', 'download')],
  [2, fc.record({ do: one('restart'), by })],
  [22, wait],
  [14, crowd],
);

const BOUGHT: Step[] = [
  { do: 'order', who: 'one', fen: 1800 },
  { do: 'open', of: 0, any: false, by: 0 },
  { do: 'start', of: 0, any: false, by: 0 },
];
const PAID: Step[] = [...BOUGHT, { do: 'pay', of: 0, any: false, coupon: false }];
const KNOWN: Step[] = [...PAID, { do: 'wait', seconds: 5 }];
const ASKED: Step[] = [...KNOWN, { do: 'ask', of: 0, any: false, by: 1, part: 3, who: 'payer' }];
const SENT: Step[] = [...ASKED, { do: 'carry', of: 0, any: false, by: 0 }];
/** The payer's account cannot take it. */
const SPOILT: Step[] = [...SENT, { do: 'refund_ends', of: 0, as: 'ABNORMAL' }, { do: 'wait', seconds: 5 }];
/** A clerk was quicker than the refund that was asked for, or than the one that nobody knows to have arrived. */
const CLERK: Step = { do: 'console', of: 0, part: 0 };
const CLERK_FIRST: Step[] = [...ASKED, CLERK, { do: 'refund_ends', of: 0, as: 'SUCCESS' }, { do: 'wait', seconds: 5 }];
const CARRIED_IN_VAIN: Step = {
  do: 'carry',
  of: 0,
  any: false,
  by: 0,
  trouble: { at: 'refund', do: 'error', status: 500, times: 2 },
};
const CLERK_BESIDE: Step[] = [
  ...ASKED,
  CARRIED_IN_VAIN,
  CLERK,
  { do: 'refund_ends', of: 0, as: 'SUCCESS' },
  { do: 'wait', seconds: 5 },
];
const ELSEWHERE: Step[] = [...SPOILT, { do: 'retry_abnormal', of: 0, any: false, by: 1 }];
/** Ended here, and the channel knows nothing of it. */
const DEAF: Step[] = [...BOUGHT, { do: 'deaf', of: 0 }, { do: 'cancel', of: 0, any: false, by: 1 }];
const LATE: Step[] = [...DEAF, { do: 'pay', of: 0, any: false, coupon: false }];
/** The channel tells a wrong amount of it. */
const LIED: Step[] = [...BOUGHT, { do: 'lie', of: 0 }, { do: 'pay', of: 0, any: false, coupon: false }];
const TRYING: Step = { do: 'start', of: 0, any: false, by: 0 };
/** Placed without an answer, then refused for sure. */
const REFUSED: Step[] = [
  ...BOUGHT.slice(0, 2),
  { ...TRYING, trouble: { at: 'order', do: 'error', status: 429, when: 'after', times: 3 } },
  { ...TRYING, trouble: { at: 'order', do: 'error', status: 400, code: 'PARAM_ERROR', times: 1 } },
];

/** How a history may begin: chance alone would seldom come as far as the money on its way back. */
const OPENINGS: Step[][] = [
  ...[[], BOUGHT, BOUGHT, PAID, PAID, KNOWN, KNOWN, ASKED, SENT, SENT],
  ...[DEAF, LATE, LIED, REFUSED, SPOILT, ELSEWHERE, CLERK_FIRST, CLERK_BESIDE],
];

const costing = (amount: number, one: Step): Step => (one.do === 'order' ? { ...one, fen: amount } : one);

/** Histories of so many steps at most. */
export function histories(most: number): fc.Arbitrary<History> {
  return fc.record({
    policy: one('refund', 'refund', 'hold'),
    chance: fc.nat({ max: 999 }),
    bills: fc.constantFrom(false, false, true),
    steps: fc
      .tuple(
        fen,
        fc.constantFrom(...OPENINGS),
        fc.constantFrom([], [], KNOWN, SENT),
        fc.array(step, { minLength: 1, maxLength: most, size: 'max' }),
      )
      .map(([first, opening, second, steps]) => [...opening.map((one) => costing(first, one)), ...second, ...steps]),
  });
}

/** A history as a person reads it. */
export function inWords({ policy, chance, bills, steps }: History): string {
  const line = (one: Step): string => {
    const { do: what, ...rest } = one;
    if (one.do === 'together') return `together: ${one.steps.map(line).join('  |  ')}`;
    const facts = Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    return [what, ...facts].join(' ');
  };
  const head = `late money: ${policy}, chance ${chance}, bills ${bills ? 'compared' : 'left alone'}`;
  return [head, ...steps.map((one, index) => `${index + 1}. ${line(one)}`)].join('\n');
}
