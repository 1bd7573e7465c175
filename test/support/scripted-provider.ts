import { ManualClock } from '../../src/common/clock.js';
import { MockProvider } from '../../src/provider/mock/mock.provider.js';
import { MOCK_RULES } from '../../src/provider/mock/mock-rules.js';
import {
  type AbnormalRefundTarget,
  type CallbackFact,
  type ChannelAccount,
  type ChannelOrder,
  type ChannelPayment,
  type ChannelRefund,
  type ChannelRefundOrder,
  PaymentProvider,
  ProviderError,
  type RawCallback,
} from '../../src/provider/payment-provider.js';
import type { ClientParams, Prepay } from '../../src/provider/prepay.js';
import type { ProviderRules } from '../../src/provider/provider-rules.js';
import { startTestApp, type TestApp } from './app.js';
import { NOW } from './rows.js';

export const NO_ANSWER = new ProviderError('unknown', 'timeout', 'no answer');
export const REFUSED = new ProviderError('rejected', 'PARAM_ERROR', 'refused', 400);
/** A fault of our own program: never taken for an answer of the channel. */
export const BROKEN = new TypeError('broken');

interface Calls {
  prepay: [ChannelOrder, Prepay];
  queryPayment: [ChannelOrder, ChannelPayment];
  closePayment: [ChannelOrder, ChannelPayment];
  refund: [ChannelRefundOrder, ChannelRefund];
  queryRefund: [ChannelRefundOrder, ChannelRefund];
  retryAbnormalRefund: [ChannelRefundOrder, ChannelRefund];
}
type Call = keyof Calls;
/** What a call is answered: an error that it fails with, or what is made of what was asked. */
type Answer<C extends Call> = Error | ((order: Calls[C][0]) => Calls[C][1] | Promise<Calls[C][1]>);

/** A provider that answers what a test sets, else what the mock answers, and records what it was asked. */
export class ScriptedProvider extends PaymentProvider {
  readonly name = 'mock';
  /** Those of the mock, or what a test sets. */
  rules: ProviderRules;
  readonly account: ChannelAccount;
  private readonly mock: MockProvider;
  private readonly received = new Map<Call, unknown[]>();
  private readonly onceMore = new Map<Call, Answer<Call>[]>();
  private readonly everMore = new Map<Call, Answer<Call>>();

  constructor(clock: ManualClock, minSameNumberInterval = 0) {
    super();
    this.rules = { ...MOCK_RULES, minSameNumberInterval };
    this.mock = new MockProvider({ callbackSecret: 'told' }, clock);
    this.account = this.mock.account;
  }

  /** The answer of the next call of this kind; set twice, of the next two. */
  next<C extends Call>(call: C, answer: Answer<C>): void {
    this.onceMore.set(call, [...(this.onceMore.get(call) ?? []), answer]);
  }

  /** Every further call of this kind. */
  always<C extends Call>(call: C, answer: Answer<C>): void {
    this.everMore.set(call, answer);
  }

  /** What it was asked in calls of this kind since {@link forgetAsked}. */
  asked<C extends Call>(call: C): Calls[C][0][] {
    return (this.received.get(call) ?? []) as Calls[C][0][];
  }

  /** What it was asked so far. */
  forgetAsked(): void {
    this.received.clear();
  }

  /** Forgets all answers and calls. */
  forget(): void {
    this.rules = MOCK_RULES;
    for (const memory of [this.received, this.onceMore, this.everMore]) memory.clear();
  }

  prepay = (order: ChannelOrder): Promise<Prepay> => this.answer('prepay', order, () => this.mock.prepay(order));
  clientParams = (prepay: Prepay): Promise<ClientParams> => this.mock.clientParams(prepay);
  queryPayment = (order: ChannelOrder): Promise<ChannelPayment> =>
    this.answer('queryPayment', order, () => this.mock.queryPayment(order));
  closePayment = (order: ChannelOrder): Promise<ChannelPayment> =>
    this.answer('closePayment', order, () => this.mock.closePayment(order));
  refund = (order: ChannelRefundOrder): Promise<ChannelRefund> =>
    this.answer('refund', order, () => this.mock.refund(order));
  queryRefund = (order: ChannelRefundOrder): Promise<ChannelRefund> =>
    this.answer('queryRefund', order, () => this.mock.queryRefund(order));
  retryAbnormalRefund = (order: ChannelRefundOrder, target: AbnormalRefundTarget): Promise<ChannelRefund> =>
    this.answer('retryAbnormalRefund', order, () => this.mock.retryAbnormalRefund(order, target));
  readCallback = (callback: RawCallback): Promise<CallbackFact> => this.mock.readCallback(callback);
  tradeBill = () => this.mock.tradeBill();
  fundBill = () => this.mock.fundBill();
  readTradeBill = () => this.mock.readTradeBill();
  override simulatePayment = (order: ChannelOrder): Promise<ChannelPayment> => this.mock.simulatePayment(order);

  private async answer<C extends Call>(
    call: C,
    order: Calls[C][0],
    otherwise: () => Promise<Calls[C][1]>,
  ): Promise<Calls[C][1]> {
    this.received.set(call, [...(this.received.get(call) ?? []), order]);
    const answer = (this.onceMore.get(call)?.shift() ?? this.everMore.get(call)) as Answer<C> | undefined;
    if (answer instanceof Error) throw answer;
    return answer ? answer(order) : otherwise();
  }
}

/** A service with a scripted provider that demands such a pause, in milliseconds, between two questions about one number. */
export async function startScripted(
  env: Record<string, string> = {},
  minSameNumberInterval = 0,
): Promise<TestApp & { channel: ScriptedProvider }> {
  const clock = new ManualClock(NOW);
  const channel = new ScriptedProvider(clock, minSameNumberInterval);
  const app = await startTestApp({ env, clock, provider: channel });
  return { ...app, channel };
}
