import { FaultRule, KeyMode } from '../../simulator/index.js';
import { ChannelOrder, ChannelRefundOrder } from '../../src/provider/payment-provider.js';
import {
  always,
  endOf,
  freshOrder,
  freshRefund,
  IMPATIENT,
  NO_FAULTS,
  once,
  openShop,
  paidOrder,
  Shop,
} from './wechat-provider.support.js';

/**
 * Each fault of the simulator against each operation, in each key mode. Whatever strikes, nothing is taken for done or
 * for refused that is not, and after the fault the same call again leads to exactly one order or refund in the books.
 */
const MODES: KeyMode[] = ['public_key', 'certificate', 'both'];

interface Prepared {
  call: () => Promise<unknown>;
  /** The call after the fault, when another one is right then: doubt about an abnormal refund is settled by asking. */
  settle?: () => Promise<unknown>;
  order: ChannelOrder;
  refund?: ChannelRefundOrder;
}

interface Operation {
  at: FaultRule['at'];
  /** How often the provider tries by itself. */
  tries: number;
  prepare(shop: Shop): Promise<Prepared>;
  /** trade_state at the end. */
  ends: string;
}

const OPERATIONS: Operation[] = [
  {
    at: 'order',
    tries: 3,
    ends: 'NOTPAY',
    prepare: (shop) => {
      const order = freshOrder(shop);
      return Promise.resolve({ order, call: () => shop.provider.prepay(order) });
    },
  },
  {
    at: 'query',
    tries: 3,
    ends: 'SUCCESS',
    prepare: async (shop) => {
      const order = await paidOrder(shop);
      return { order, call: () => shop.provider.queryPayment(order) };
    },
  },
  {
    at: 'close',
    tries: 3,
    ends: 'CLOSED',
    prepare: async (shop) => {
      const order = freshOrder(shop);
      await shop.provider.prepay(order);
      return { order, call: () => shop.provider.closePayment(order) };
    },
  },
  {
    at: 'refund',
    tries: 2,
    ends: 'REFUND',
    prepare: async (shop) => {
      const order = await paidOrder(shop);
      const refund = freshRefund(order, 700);
      return { order, refund, call: () => shop.provider.refund(refund) };
    },
  },
  {
    at: 'refund_query',
    tries: 3,
    ends: 'REFUND',
    prepare: async (shop) => {
      const order = await paidOrder(shop);
      const refund = freshRefund(order, 700);
      await shop.provider.refund(refund);
      return { order, refund, call: () => shop.provider.queryRefund(refund) };
    },
  },
  {
    at: 'abnormal_refund',
    tries: 1,
    ends: 'REFUND',
    prepare: async (shop) => {
      const order = await paidOrder(shop);
      const refund = freshRefund(order, 700);
      const { refundId } = await shop.provider.refund(refund);
      shop.sim.settleRefund(refund.outRefundNo, 'ABNORMAL');
      await shop.sim.settled();
      const known = { ...refund, refundId };
      const card = {
        to: 'user_card',
        bankType: 'ICBC_DEBIT',
        bankAccount: '6222000000000000',
        realName: '张三',
      } as const;
      return {
        order,
        refund,
        call: () => shop.provider.retryAbnormalRefund(known, card),
        settle: () => shop.provider.queryRefund(known),
      };
    },
  },
];

type Fault = Omit<FaultRule, 'at'>;
const UNVERIFIED = 'unknown unverified_answer';
const FAULTS: [Fault, string][] = [
  [{ do: 'wrong_signature' }, UNVERIFIED],
  [{ do: 'signtest' }, 'unknown signature_probe'],
  [{ do: 'unknown_serial' }, UNVERIFIED],
  [{ do: 'stale_timestamp' }, UNVERIFIED],
  [{ do: 'unsigned' }, UNVERIFIED],
  [{ do: 'error', status: 500 }, 'unknown SYSTEM_ERROR'],
  [{ do: 'error', status: 500, when: 'after' }, 'unknown SYSTEM_ERROR'],
  [{ do: 'error', status: 502, when: 'after' }, 'unknown SERVICE_UNAVAILABLE'],
  [{ do: 'error', status: 503 }, 'unknown SERVICE_UNAVAILABLE'],
  [{ do: 'error', status: 429 }, 'unknown FREQUENCY_LIMITED'],
  [{ do: 'error', status: 429, when: 'after', code: 'RATELIMIT_EXCEEDED' }, 'unknown FREQUENCY_LIMITED'],
  [{ do: 'disconnect' }, 'unknown network_failure'],
  [{ do: 'disconnect', when: 'after' }, 'unknown network_failure'],
  [{ do: 'cut_body' }, 'unknown network_failure'],
  [{ do: 'flip_body' }, UNVERIFIED],
];
/** Faults that cost real time. */
const SLOW_FAULTS: [Fault, string][] = [
  [{ do: 'hang', when: 'after' }, 'unknown timeout'],
  [{ do: 'delay', ms: 600 }, 'unknown timeout'],
  [{ do: 'slow_body', ms: 600 }, 'unknown timeout'],
];

/** A 204 has no body that could be slow, cut or changed. */
function faultsOf({ at }: Operation, faults: readonly [Fault, string][]): [Fault, string][] {
  return at === 'close' ? faults.filter(([fault]) => !fault.do.endsWith('_body')) : [...faults];
}

function expectOneOfEach(shop: Shop, operation: Operation, { order, refund }: Prepared): void {
  const { transactions, refunds } = shop.sim.ledger({ out_trade_no: order.outTradeNo });
  expect(transactions).toMatchObject([{ trade_state: operation.ends, total: 1990, refunded: refund ? 700 : 0 }]);
  expect(refunds.map(({ out_refund_no }) => out_refund_no)).toEqual(refund ? [refund.outRefundNo] : []);
}

function itSurvives(operation: Operation, faults: readonly [Fault, string][], shopOf: () => Shop): void {
  it.each(faultsOf(operation, faults))('%j for good: %s; the same call later succeeds, once', async (fault, end) => {
    const shop = shopOf();
    const prepared = await operation.prepare(shop);
    await shop.sim.faults(always({ ...fault, at: operation.at }));
    expect(await endOf(prepared.call())).toBe(end);
    await shop.sim.faults(NO_FAULTS);
    expect(await endOf((prepared.settle ?? prepared.call)())).toBe('ok');
    expectOneOfEach(shop, operation, prepared);
  });

  if (operation.tries === 1) return;
  it.each(faultsOf(operation, faults))('%j once: made good by the provider itself', async (fault, end) => {
    const shop = shopOf();
    const prepared = await operation.prepare(shop);
    await shop.sim.faults(once({ ...fault, at: operation.at }));
    // A limit that was hit is not knocked at again, unless a payer is waiting.
    const waits = end === 'unknown FREQUENCY_LIMITED' && operation.at !== 'order';
    expect(await endOf(prepared.call())).toBe(waits ? end : 'ok');
    await shop.sim.faults(NO_FAULTS);
    if (waits) expect(await endOf(prepared.call())).toBe('ok');
    expectOneOfEach(shop, operation, prepared);
  });
}

describe('when WeChat is slow', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop('public_key', {}, IMPATIENT);
  });
  afterEach(() => shop.sim.faults(NO_FAULTS));
  afterAll(() => shop.close());

  describe.each(OPERATIONS)('$at', (operation) => {
    itSurvives(operation, SLOW_FAULTS, () => shop);
  });
});

describe.each(MODES)('in %s mode', (mode) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop(mode);
  });
  afterEach(() => shop.sim.faults(NO_FAULTS));
  afterAll(() => shop.close());

  describe.each(OPERATIONS)('$at', (operation) => {
    itSurvives(operation, FAULTS, () => shop);
  });

  it.each(['wrong_signature', 'signtest', 'unknown_serial', 'stale_timestamp', 'flip_body'] as const)(
    'a refusal with %s is not believed, and asked for again',
    async (fault) => {
      const nobodys = freshOrder(shop);
      await shop.sim.faults(always({ at: 'query', do: fault }));
      const end = fault === 'signtest' ? 'unknown signature_probe' : UNVERIFIED;
      expect(await endOf(shop.provider.queryPayment(nobodys))).toBe(end);
      await shop.sim.faults(once({ at: 'query', do: fault }));
      expect(await shop.provider.queryPayment(nobodys)).toMatchObject({ state: 'not_found' });

      const order = await paidOrder(shop);
      const refund = freshRefund(order, order.amountFen + 1);
      await shop.sim.faults(once({ at: 'refund', do: fault }));
      expect(await endOf(shop.provider.refund(refund))).toBe('rejected INVALID_REQUEST');
    },
  );

  it.each([
    ['wrong_amount', { amountFen: 1991 }],
    ['wrong_currency', { currency: 'USD' }],
    ['wrong_mchid', { account: { mchid: '1999999999' } }],
    ['wrong_appid', { account: { appid: 'wx9999999999999999' } }],
  ] as const)('query answers with %s what the channel says, for the caller to compare', async (fault, seen) => {
    const order = await paidOrder(shop);
    await shop.sim.faults(always({ at: 'query', do: fault }));
    expect(await shop.provider.queryPayment(order)).toMatchObject({ state: 'succeeded', ...seen });
  });

  const NOTICE_FAULTS: [FaultRule['do'], string][] = [
    ['wrong_signature', 'bad_signature'],
    ['signtest', 'signature_probe'],
    ['unknown_serial', 'unknown_serial'],
    ['stale_timestamp', 'clock_skew'],
    ['unsigned', 'missing_header'],
    ['flip_ciphertext', 'not_decrypted'],
    ['wrong_key', 'not_decrypted'],
  ];
  it.each(NOTICE_FAULTS)('a notice with %s is refused as %s, and read when it comes again', async (fault, code) => {
    const order = freshOrder(shop);
    await shop.provider.prepay(order);
    await shop.sim.faults(once({ at: 'payment_notice', do: fault }));
    shop.heard.length = 0;
    const before = shop.calls.length;
    shop.sim.pay(order.outTradeNo);
    await shop.sim.settled();
    expect(shop.heard).toMatchObject([{ fact: null, refused: code }]);
    expect(shop.calls).toHaveLength(before); // nothing in a callback makes us call out
    await shop.sim.advance(15);
    await shop.sim.settled();
    expect(shop.heard.at(-1)?.fact).toMatchObject({
      kind: 'payment',
      payment: { outTradeNo: order.outTradeNo, amountFen: 1990 },
    });
  });

  it('reads notices without associated data, under another id, of unheard-of events, and with another amount', async () => {
    for (const fault of ['no_associated_data', 'new_id', 'unknown_event', 'wrong_amount'] as const) {
      const order = freshOrder(shop);
      await shop.provider.prepay(order);
      await shop.sim.faults(once({ at: 'payment_notice', do: fault }));
      shop.sim.pay(order.outTradeNo);
      await shop.sim.settled();
      const kind = fault === 'unknown_event' ? 'ignored' : 'payment';
      expect(shop.heard.at(-1)?.fact).toMatchObject({ kind });
    }
  });

  it('at the end every paid fen in the books was asked for by us', () => {
    const { totals, transactions } = shop.sim.ledger({ limit: 10_000 });
    const paid = transactions.filter(({ paid_at }) => paid_at !== null);
    expect(paid.every(({ total }) => total === 1990)).toBe(true);
    expect(totals.taken).toBe(paid.length * 1990);
    expect(totals.refunding + totals.refunded).toBe(totals.refunds * 700);
  });
});
