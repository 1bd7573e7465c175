import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { isIP } from 'node:net';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { failpoint } from '../common/failpoints.js';
import { GroupCommitQueue, LOCK_WAIT } from '../common/group-commit-queue.js';
import { Settings } from '../config/settings.js';
import { type Transaction, transaction } from '../database/transaction.js';
import { Instruments } from '../metrics/instruments.js';
import { type PaymentResult, PaymentSettlement } from '../payments/payment-settlement.js';
import {
  type CallbackFact,
  CallbackRefused,
  type ChannelPayment,
  type ChannelRefund,
  PaymentProvider,
} from '../provider/payment-provider.js';
import { type RefundResult, RefundSettlement } from '../refunds/refund-settlement.js';
import { BadCallbackLimit } from './bad-callback-limit.js';
import { CallbackJournal, type CallbackOutcome, type JournalEntry } from './callback-journal.js';

export interface IncomingCallback {
  headers: Readonly<Record<string, string | undefined>>;
  body: Buffer;
  /** In its normal form. */
  address: string;
  requestId: string;
}

/** What the channel is told: 200 only for what is committed or was known before. */
export interface CallbackAnswer {
  status: 200 | 400 | 401 | 403 | 429 | 500;
  message: string;
}

/** A proved callback that waits for its batch: what it says, how we came to hear it, and its row of the journal. */
interface QueueItem<Reported> {
  reported: Reported;
  cause: Cause;
  entry: JournalEntry;
}

/** What became of one fact, of either kind. */
type Outcome = Pick<PaymentResult | RefundResult, 'outcome' | 'field'>;

/** The door of payments or of refunds, in its three steps. */
interface Settlement<Reported, Rows> {
  lockReported(tx: Transaction, reports: QueueItem<Reported>[]): Promise<Rows>;
  decide(report: QueueItem<Reported>, rows: Rows): Outcome;
  write(tx: Transaction, rows: Rows): Promise<void>;
}

const QUEUE_LIMITS = { maxBatch: 200, maxWaiting: 2000, atOnce: 2 };

const OK: CallbackAnswer = { status: 200, message: 'ok' };
const OUR_FAILURE: CallbackAnswer = { status: 500, message: 'internal_error' };

/** WeChat gives up after 5 s. */
const ANSWER_WITHIN = 4500;

/** From raw bytes to a committed fact: address, proof, then the one door of settlement. Every callback is recorded. */
@Injectable()
export class CallbacksService {
  private readonly log = new Logger(CallbacksService.name);
  private readonly paymentQueue: GroupCommitQueue<QueueItem<ChannelPayment>, Outcome>;
  private readonly refundQueue: GroupCommitQueue<QueueItem<ChannelRefund>, Outcome>;

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly provider: PaymentProvider,
    payments: PaymentSettlement,
    refunds: RefundSettlement,
    private readonly journal: CallbackJournal,
    private readonly badLimit: BadCallbackLimit,
    private readonly settings: Settings,
    private readonly instruments: Instruments,
  ) {
    const optionsOf = (entity: string) => ({
      ...QUEUE_LIMITS,
      onBatch: (size: number) => instruments.batchSize.observe({ entity }, size),
    });
    this.paymentQueue = new GroupCommitQueue((items, waitForLocks) => this.settle(payments, items, waitForLocks), {
      ...optionsOf('payment'),
      keyOf: ({ reported }) => reported.outTradeNo,
    });
    this.refundQueue = new GroupCommitQueue((items, waitForLocks) => this.settle(refunds, items, waitForLocks), {
      ...optionsOf('refund'),
      keyOf: ({ reported }) => reported.outRefundNo,
    });
  }

  async receive(incoming: IncomingCallback): Promise<CallbackAnswer> {
    const seconds = this.instruments.callbackSeconds.startTimer();
    try {
      return await this.prove(incoming);
    } finally {
      seconds();
    }
  }

  private async prove(incoming: IncomingCallback): Promise<CallbackAnswer> {
    const entry = this.newEntry(incoming);
    if (!this.allows(incoming.address)) return this.refuse(entry, 'forbidden', 403, 'address_not_allowed');
    let fact: CallbackFact;
    try {
      fact = await this.provider.readCallback({ headers: incoming.headers, body: incoming.body });
    } catch (error) {
      if (!(error instanceof CallbackRefused)) throw error;
      return this.refuse(entry, error.reason, error.reason === 'unverified' ? 401 : 400, error.code);
    }
    const settled = this.take(fact, entry).catch((error: unknown) => this.failed(entry, error));
    return this.inTime(settled, entry);
  }

  /** What is not settled in time is refused, though it may still be settled: it is sent again and known then. */
  private async inTime(settled: Promise<CallbackAnswer>, entry: JournalEntry): Promise<CallbackAnswer> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<CallbackAnswer>((resolve) => {
      timer = setTimeout(() => {
        this.log.warn(
          { request_id: entry.requestId, out_trade_no: entry.outTradeNo },
          'callback not processed in time',
        );
        resolve(OUR_FAILURE);
      }, ANSWER_WITHIN);
    });
    return Promise.race([settled, late]).finally(() => clearTimeout(timer));
  }

  /** A proved fact. The answer is 200 only after the commit. */
  private async take(fact: CallbackFact, entry: JournalEntry): Promise<CallbackAnswer> {
    entry.eventType = fact.eventType;
    entry.notificationId = fact.notificationId;
    const cause: Cause = { kind: 'callback', actor: this.provider.name, requestId: entry.requestId };
    switch (fact.kind) {
      case 'payment':
        entry.outTradeNo = fact.payment.outTradeNo;
        return answer(await this.paymentQueue.submit({ reported: fact.payment, entry, cause }));
      case 'refund':
        entry.outTradeNo = fact.refund.outTradeNo;
        entry.outRefundNo = fact.refund.outRefundNo;
        return answer(await this.refundQueue.submit({ reported: fact.refund, entry, cause }));
      case 'ignored':
        await this.journal.addAlone({ ...entry, outcome: 'ignored', httpStatus: 200 });
        return OK;
    }
  }

  /** One transaction for all that came while the last one committed: the facts and their journal rows together. */
  private async settle<Reported, Rows>(
    settlement: Settlement<Reported, Rows>,
    items: QueueItem<Reported>[],
    waitForLocks: boolean,
  ): Promise<Outcome[]> {
    const outcomes = await transaction(this.db, async (tx, commit) => {
      const [, rows] = await Promise.all([
        tx.query(`SET LOCAL lock_timeout = ${waitForLocks ? LOCK_WAIT.isolated : LOCK_WAIT.inBatch}`),
        settlement.lockReported(tx, items),
      ]);
      const decided = items.map((item) => settlement.decide(item, rows));
      const written = settlement.write(tx, rows);
      const recorded = this.journal.add(
        tx,
        items.map(({ entry }, index) => entryOf(entry, decided[index])),
      );
      failpoint('callback.before_commit');
      await Promise.all([written, recorded, commit()]);
      return decided;
    });
    failpoint('callback.after_commit');
    return outcomes;
  }

  private async refuse(
    entry: JournalEntry,
    outcome: CallbackOutcome,
    status: 400 | 401 | 403,
    code: string,
  ): Promise<CallbackAnswer> {
    if (!(await this.badLimit.allows(entry.address))) return { status: 429, message: 'too_many_requests' };
    await this.journal.addAlone({ ...entry, outcome, httpStatus: status, code }).catch((error: unknown) => {
      this.log.error({ err: error, request_id: entry.requestId }, 'a rejected callback could not be recorded');
    });
    return { status, message: code };
  }

  /** Our own failure: the channel sends it again. Recorded if the database lets us. */
  private async failed(entry: JournalEntry, error: unknown): Promise<CallbackAnswer> {
    this.log.error(
      { err: error, request_id: entry.requestId, out_trade_no: entry.outTradeNo },
      'callback could not be processed',
    );
    await this.journal.addAlone({ ...entry, outcome: 'failed', httpStatus: 500 }).catch(() => undefined);
    return OUR_FAILURE;
  }

  /** A body that was too large to be read at all. */
  async tooLarge(address: string, requestId: string): Promise<void> {
    const entry = this.newEntry({ headers: {}, body: Buffer.alloc(0), address, requestId });
    if (!(await this.badLimit.allows(address))) return;
    await this.journal.addAlone({ ...entry, outcome: 'unreadable', httpStatus: 413, code: 'payload_too_large' });
  }

  private allows(address: string): boolean {
    const list = this.settings.callbackAllowedIps;
    if (!list) return true;
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }

  private newEntry({ headers, body, address, requestId }: IncomingCallback): JournalEntry {
    return {
      provider: this.provider.name,
      outcome: 'failed',
      httpStatus: 500,
      address,
      eventType: null,
      notificationId: null,
      outTradeNo: null,
      outRefundNo: null,
      code: null,
      serial: headers['wechatpay-serial'] ?? null,
      body,
      requestId,
    };
  }
}

function entryOf(entry: JournalEntry, one: Outcome | undefined): JournalEntry {
  if (!one) throw new Error('a callback without an outcome');
  return { ...entry, outcome: journalled(one), httpStatus: answer(one).status, code: one.field ?? null };
}

function journalled({ outcome }: Outcome): CallbackOutcome {
  return outcome === 'unknown_payment' || outcome === 'unknown_refund' ? 'mismatch' : outcome;
}

function answer({ outcome, field }: Outcome): CallbackAnswer {
  switch (outcome) {
    case 'applied':
    case 'known':
      return OK;
    case 'mismatch':
      return { status: 400, message: `${field ?? 'data'} mismatch` };
    case 'unknown_payment':
      return { status: 400, message: 'unknown out_trade_no' };
    case 'unknown_refund':
      return { status: 400, message: 'unknown out_refund_no' };
  }
}
