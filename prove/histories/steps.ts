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
  do: fc.constant('order' as const),
  who: fc.constantFrom<'one' | 'other'>('one', 'other'),
  fen,
});
const ofPayment = amid(
  fc.record({ do: fc.constantFrom('cancel' as const, 'sync' as const), of, any, by }),
  'query',
  'close',
);
const open = fc.record({ do: fc.constant('open' as const), of, any, by });
const start = amid(fc.record({ do: fc.constant('start' as const), of, any, by }), 'order', 'order', 'close');
const pay = amid(fc.record({ do: fc.constant('pay' as const), of, any, coupon: fc.boolean() }), 'payment_notice');
/** Tenths of what is left; 0 asks for all of it by leaving the amount out, 11 for more than there is. */
const part = fc.constantFrom(0, 0, 1, 3, 5, 7, 10, 11);
const ask = fc.record({
  do: fc.constant('ask' as const),
  of,
  any,
  by,
  part,
  who: fc.constantFrom<'payer' | 'shop'>('payer', 'shop'),
});
const carry = amid(fc.record({ do: fc.constant('carry' as const), of, any, by }), 'refund');
const ofRefund = amid(
  fc.record({ do: fc.constantFrom('reject' as const, 'sync_refund' as const, 'retry_abnormal' as const), of, any, by }),
  'refund_query',
  'abnormal_refund',
);
const wait = amid(
  fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(...SECONDS) }),
  'payment_notice',
  'refund_notice',
);
const work = amid(
  fc.record({ do: fc.constantFrom('tick' as const, 'tick' as const, 'reconcile' as const), by }),
  'query',
  'close',
  'refund',
  'refund_query',
);
const resend = fc.record({ do: fc.constant('resend' as const), of });

const rule = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...NOTICE_TROUBLES) },
      { weight: 2, arbitrary: fc.constantFrom(...CALL_TROUBLES) },
    ),
    fc.constantFrom(1, 1, 2, 3),
  )
  .map(([trouble, times]): FaultRule => ({ ...trouble, times }));

/** What may happen at once: things about the same payment and its refunds, so that they meet. */
const crowd = fc.record({
  do: fc.constant('together' as const),
  steps: fc.tuple(of, fc.constantFrom('payment', 'refund', 'both')).chain(([same, about]) => {
    const payment = fc.oneof(ofPayment, start, work, fc.constant<SingleStep>({ do: 'wait', seconds: 5 }), resend, open);
    const refund = fc.oneof(
      { weight: 4, arbitrary: ask },
      { weight: 2, arbitrary: carry },
      { weight: 1, arbitrary: ofRefund },
      { weight: 1, arbitrary: work },
    );
    const one = about === 'payment' ? payment : about === 'refund' ? refund : fc.oneof(payment, refund);
    const aligned = one.map((step): SingleStep => ('of' in step ? { ...step, of: same } : step));
    return fc.array(aligned, { minLength: 2, maxLength: 5 });
  }),
});

const step: fc.Arbitrary<Step> = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  { weight: 6, arbitrary: order },
  { weight: 11, arbitrary: open },
  { weight: 13, arbitrary: start },
  { weight: 15, arbitrary: pay },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pay_fails' as const), of }) },
  { weight: 9, arbitrary: ofPayment },
  { weight: 13, arbitrary: ask },
  { weight: 13, arbitrary: carry },
  { weight: 6, arbitrary: ofRefund },
  {
    weight: 6,
    arbitrary: amid(
      fc.record({
        do: fc.constant('refund_ends' as const),
        of,
        as: fc.constantFrom('SUCCESS' as const, 'ABNORMAL' as const, 'ABNORMAL' as const, 'CLOSED' as const),
      }),
      'refund_notice',
    ),
  },
  { weight: 3, arbitrary: resend },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('forge' as const),
      by,
      noun: fc.constantFrom('payments' as const, 'refunds' as const),
      kind: fc.constantFrom('unsigned' as const, 'stranger' as const, 'noise' as const),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('fault' as const), rule }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lie' as const), of }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deaf' as const), of }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('account' as const), empty: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('keys' as const),
      change: fc.constantFrom('rotate' as const, 'retire_old' as const, 'switch' as const),
    }),
  },
  { weight: 14, arbitrary: work },
  { weight: 2, arbitrary: amid(fc.record({ do: fc.constant('expire' as const), by }), 'query', 'close') },
  { weight: 2, arbitrary: amid(fc.record({ do: fc.constant('bills' as const), by }), 'tradebill', 'download') },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), by }) },
  { weight: 22, arbitrary: wait },
  { weight: 14, arbitrary: crowd },
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
const ELSEWHERE: Step[] = [...SPOILT, { do: 'retry_abnormal', of: 0, any: false, by: 1 }];
/** Ended here, and the channel knows nothing of it. */
const DEAF: Step[] = [...BOUGHT, { do: 'deaf', of: 0 }, { do: 'cancel', of: 0, any: false, by: 1 }];
const LATE: Step[] = [...DEAF, { do: 'pay', of: 0, any: false, coupon: false }];
/** The channel tells a wrong amount of it. */
const LIED: Step[] = [...BOUGHT, { do: 'lie', of: 0 }, { do: 'pay', of: 0, any: false, coupon: false }];
const TRYING: Step = { do: 'start', of: 0, any: false, by: 0 };
/** Placed without anybody hearing of it, then refused for sure. */
const REFUSED: Step[] = [
  ...BOUGHT.slice(0, 2),
  { ...TRYING, trouble: { at: 'order', do: 'error', status: 429, when: 'after', times: 3 } },
  { ...TRYING, trouble: { at: 'order', do: 'error', status: 400, code: 'PARAM_ERROR', times: 1 } },
];

/** How a history may begin: chance alone would seldom come as far as the money on its way back. */
const OPENINGS: Step[][] = [
  [],
  BOUGHT,
  BOUGHT,
  PAID,
  PAID,
  KNOWN,
  KNOWN,
  ASKED,
  SENT,
  SENT,
  DEAF,
  LATE,
  LIED,
  REFUSED,
  SPOILT,
  ELSEWHERE,
];

const costing = (amount: number, one: Step): Step => (one.do === 'order' ? { ...one, fen: amount } : one);

/** Histories of so many steps at most. */
export function histories(most: number): fc.Arbitrary<History> {
  return fc.record({
    policy: fc.constantFrom<'refund' | 'hold'>('refund', 'refund', 'hold'),
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
