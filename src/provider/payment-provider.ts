import { Readable } from 'node:stream';
import { DomainError } from '../common/errors.js';
import type { Settings } from '../config/settings.js';
import type { FundLine, TradeBill, UnreadableLine } from './bill.js';
import type { ClientParams, Prepay } from './prepay.js';
import type { ProviderRules } from './provider-rules.js';

/** Who made a payment: kept in its row. */
export const PROVIDER_NAMES = ['mock', 'wechat'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

/** What identifies a charge at the channel, and all that a provider may need to know of it. */
export interface ChannelOrder {
  /** Our payment id. */
  outTradeNo: string;
  /** Whether it was ever sent to the channel, as far as we know. */
  placed: boolean;
  amountFen: number;
  currency: string;
  description: string;
  /** `openid` of the payer under our appid; null when the user never logged in through WeChat. */
  openid: string | null;
  expiresAt: Date;
  /** The shop's own data of the order. The mock reads its scenarios (`mock_outcome`, …) from it; WeChat none. */
  metadata: Readonly<Record<string, unknown>>;
}

export interface ChannelAccount {
  mchid: string;
  appid: string;
}

/**
 * What the channel says of a payment, by a query, a callback or a bill. Only verified answers become one of these.
 * `not_found`: the channel does not know the number (yet).
 */
export interface ChannelPayment {
  outTradeNo: string;
  state: 'succeeded' | 'open' | 'closed' | 'failed' | 'not_found';
  /** Null unless the payer paid. */
  transactionId: string | null;
  /** The order's total in fen, coupons included (`amount.total`); null where the channel does not say. */
  amountFen: number | null;
  currency: string | null;
  /** When the payer paid (`success_time`). */
  paidAt: Date | null;
  /** Which merchant and mini-program the channel speaks of; null where it does not say. */
  account: ChannelAccount | null;
  /** Why it failed, a short code. */
  failureCode?: string;
  /** Where the provider says nothing, it is as ordered. A real channel always says everything. */
  restAsOrdered?: true;
}

/** What a refund call needs. A repeat with the same `outRefundNo` must carry the same values. */
export interface ChannelRefundOrder {
  /** Our refund id, or the number that the channel's console gave. */
  outRefundNo: string;
  outTradeNo: string;
  transactionId: string | null;
  /** 0 when a refund is queried of which only the number is known. */
  amountFen: number;
  /** The payment's total in fen. */
  totalFen: number;
  currency: string;
  reason: string | null;
  /** The channel's own number of the refund, once known. */
  refundId: string | null;
  metadata: Readonly<Record<string, unknown>>;
}

export interface ChannelRefund {
  outRefundNo: string;
  outTradeNo: string | null;
  state: 'processing' | 'succeeded' | 'closed' | 'abnormal' | 'not_found';
  refundId: string | null;
  amountFen: number | null;
  totalFen: number | null;
  currency: string | null;
  /** The payment's number at the channel; null where it does not say. */
  transactionId: string | null;
  /** When the channel accepted it; null where it does not say, as in a notice. */
  createdAt: Date | null;
  succeededAt: Date | null;
  /** Null where the channel does not say. */
  mchid: string | null;
}

/** Where the money of an abnormal refund goes (WeChat Pay's manual, page 4013071193). Card data is encrypted at once and never kept. */
export type AbnormalRefundTarget =
  { to: 'merchant_card' } | { to: 'user_card'; bankType: string; bankAccount: string; realName: string };

/** A callback as it came in: raw bytes, nothing parsed. */
export interface RawCallback {
  /** Lower-case names; a header sent twice is joined by `, `. */
  headers: Readonly<Record<string, string | undefined>>;
  body: Buffer;
}

/** What a proven callback says. `ignored`: genuine, but of a kind that moves nothing here (recorded, answered 200). */
export type CallbackFact =
  | { kind: 'payment'; eventType: string; notificationId: string | null; payment: ChannelPayment }
  | { kind: 'refund'; eventType: string; notificationId: string | null; refund: ChannelRefund }
  | { kind: 'ignored'; eventType: string; notificationId: string | null };

/**
 * A callback that proves nothing. `unverified`: bad signature, unknown serial, clock off (401);
 * `unreadable`: genuine, but it does not decrypt or is not what the protocol says (400).
 */
export class CallbackRefused extends Error {
  constructor(
    readonly reason: 'unverified' | 'unreadable',
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'CallbackRefused';
  }
}

/**
 * What follows from a failed call beside its outcome. `final`: nothing more. `fixable`: a person has to remove its cause (an
 * empty account, a missing permission), and the call is repeated under the same number. `query`: the order is there
 * already, its state has to be queried.
 */
export type AfterFailure = 'final' | 'fixable' | 'query';

/**
 * A call to the channel that did not end in a verified answer. `rejected`: surely not done. `unknown`: it may have
 * happened, so it is asked again under the same number, and nothing is settled by it.
 */
export class ProviderError extends Error {
  constructor(
    readonly outcome: 'rejected' | 'unknown',
    /** The channel's own code, or ours (`timeout`, `unverified_answer`). */
    readonly code: string,
    message: string,
    readonly httpStatus: number | null = null,
    readonly then: AfterFailure = 'final',
    /** What the channel says of it to people, without anything that it may quote of the request. Null if nothing. */
    readonly words: string | null = null,
  ) {
    super(message);
    this.name = 'ProviderError';
  }
}

/** A key or certificate, and the whole days until it ends. */
export interface KeyExpiry {
  name: string;
  days: number;
}

/** The bill of a day is not ready: to be asked for again later. */
export class BillNotReady extends ProviderError {
  constructor(code: string, message: string, httpStatus: number | null = null) {
    super('unknown', code, message, httpStatus);
    this.name = 'BillNotReady';
  }
}

/** The answer to a callback that need not be sent again. */
export const ACKNOWLEDGED = { code: 'SUCCESS', message: '成功' };
const ACKNOWLEDGEMENT = JSON.stringify(ACKNOWLEDGED);

/**
 * THE SEAM. Type and injection token of the payment channel; `provider.module.ts` alone decides which one is bound.
 * The calls to the channel (`prepay` to `retryAbnormalRefund`, and those that fetch bills) must never be made inside a
 * database transaction; they throw {@link ProviderError}. `readCallback` throws {@link CallbackRefused}. Only
 * {@link DisabledProvider} throws DomainError `provider_disabled` instead, from each of them and from `account`.
 */
export abstract class PaymentProvider {
  abstract readonly name: ProviderName | 'disabled';
  /** Whom the channel pays: frozen into each payment when it is made, compared with whatever settles it. */
  abstract readonly account: ChannelAccount;
  abstract readonly rules: ProviderRules;

  /** Every account whose payments are ours. A merchant number may also serve shops of other appids: those are not. */
  get accounts(): readonly ChannelAccount[] {
    return [this.account];
  }

  /** Places the order at the channel. The same order again gives a live prepay again. */
  abstract prepay(order: ChannelOrder): Promise<Prepay>;
  /** What the client pays with, signed afresh at each call. No network. */
  abstract clientParams(prepay: Prepay): Promise<ClientParams>;
  abstract queryPayment(order: ChannelOrder): Promise<ChannelPayment>;
  /** Closes the order and answers what the payment *is* afterwards: `closed`, or `succeeded` when it was paid before. */
  abstract closePayment(order: ChannelOrder): Promise<ChannelPayment>;
  abstract refund(refund: ChannelRefundOrder): Promise<ChannelRefund>;
  abstract queryRefund(refund: ChannelRefundOrder): Promise<ChannelRefund>;
  abstract retryAbnormalRefund(refund: ChannelRefundOrder, target: AbnormalRefundTarget): Promise<ChannelRefund>;
  /** Proves, then opens, then translates a callback, in one step, so that what was not verified is never translated. */
  abstract readCallback(callback: RawCallback): Promise<CallbackFact>;
  /**
   * The trade bill of a day (`YYYY-MM-DD`, China time); null when the channel says there was nothing that day.
   * @throws BillNotReady, BadBill
   */
  abstract tradeBill(day: string): Promise<TradeBill | null>;
  /** The movements of the merchant's account of a day. @throws BillNotReady, BadBill */
  abstract fundBill(day: string): Promise<AsyncIterable<FundLine | UnreadableLine> | null>;
  /** A trade bill that a person downloaded. @throws BadBill */
  abstract readTradeBill(file: Readable): Promise<TradeBill>;

  /**
   * Begins what the service needs beside calls, such as keys for callbacks, and keeps it fresh. Commands do without: what a
   * call needs comes with the call. Never throws.
   */
  start(): Promise<void> {
    return Promise.resolve();
  }

  /** The body, with status 200, of the answer to a callback whose fact is committed. */
  acknowledge(): string {
    return ACKNOWLEDGEMENT;
  }

  /** The body, with a 4xx or 5xx status, of the answer to a callback that is refused or shall be sent again. */
  reject(reason: string): string {
    return JSON.stringify({ code: 'FAIL', message: reason });
  }

  /** What the channel reads from an order's metadata must be what it knows. @throws DomainError `invalid_metadata` */
  checkMetadata(_metadata: Readonly<Record<string, unknown>>): void {
    // Only the mock reads any.
  }

  /** The end of each key and certificate that it works with, for a gauge. */
  keyExpiries(_now: Date): KeyExpiry[] {
    return [];
  }

  /** Takes over keys that changed in the settings, all or none. @throws ConfigError and goes on with what it had */
  reloadKeys(_settings: Settings): void {
    return;
  }

  /** The simulated payment of `POST /payments/{id}/succeed/`: only the mock provider has one. */
  simulatePayment(_order: ChannelOrder): Promise<ChannelPayment> {
    return Promise.reject(new DomainError('not_found'));
  }
}
