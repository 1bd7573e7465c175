import { Injectable } from '@nestjs/common';
import { setTimeout as pause } from 'node:timers/promises';
import { Clock } from '../common/clock.js';
import { type ChannelPayment, type ChannelRefund, PaymentProvider } from './payment-provider.js';
import type { Prepay } from './prepay.js';

/** The last call about a number. */
interface LastCall<T> {
  /** By `performance.now()`, and by the application's clock. */
  beganAt: number;
  clockAt: number;
  /** Null once it was answered. */
  running: Promise<T> | null;
  /** The call that waits until this one is a gap old. */
  next: Promise<T> | null;
}

/**
 * Calls to the channel about single numbers, shared by all who want the same: two calls about one number begin at
 * least `gapMs` apart, however many callers there are. Who comes in between waits for the next call, with all others who
 * wait. A gap is over when real time or the application's clock says so: the one does not jump back, the other is moved
 * by tests. For this process alone: N processes may make N calls in a gap.
 */
export class SharedCalls<T> {
  private readonly calls = new Map<string, LastCall<T>>();

  constructor(
    private readonly gapMs: number,
    private readonly clock: Clock,
  ) {}

  /**
   * The answer of the call under way, else of the next one. The answer may be as old as the call under way: for callers
   * who can ask again.
   */
  join(number: string, call: () => Promise<T>): Promise<T> {
    return this.calls.get(number)?.running ?? this.fresh(number, call);
  }

  /** The answer of a call that begins now or later: for callers who must see what happened just before. */
  fresh(number: string, call: () => Promise<T>): Promise<T> {
    const last = this.calls.get(number);
    if (last?.next) return last.next;
    const waitMs = last ? this.leftOfGap(last) : 0;
    if (!last || waitMs <= 0) return this.begin(number, call);
    last.next = pause(waitMs).then(() => this.begin(number, call));
    return last.next;
  }

  private begin(number: string, call: () => Promise<T>): Promise<T> {
    const running = call();
    const begun: LastCall<T> = { beganAt: performance.now(), clockAt: this.clock.now().getTime(), running, next: null };
    this.calls.set(number, begun);
    const answered = (): void => {
      begun.running = null;
      this.forgetLater(number, begun);
    };
    running.then(answered, answered);
    return running;
  }

  /** What is a gap old holds no further call back. */
  private forgetLater(number: string, call: LastCall<T>): void {
    setTimeout(
      () => {
        if (this.calls.get(number) === call && call.next === null) this.calls.delete(number);
      },
      Math.max(0, this.leftOfGap(call)),
    ).unref();
  }

  private leftOfGap({ beganAt, clockAt }: LastCall<T>): number {
    const passed = Math.max(performance.now() - beganAt, this.clock.now().getTime() - clockAt);
    return this.gapMs - passed;
  }
}

/** The shared calls of each kind. Kinds are never mixed: a close is not answered by a question, nor the reverse. */
@Injectable()
export class ChannelCalls {
  readonly prepays: SharedCalls<Prepay>;
  readonly paymentQueries: SharedCalls<ChannelPayment>;
  readonly closes: SharedCalls<ChannelPayment>;
  readonly refundQueries: SharedCalls<ChannelRefund>;

  constructor({ rules }: PaymentProvider, clock: Clock) {
    const gapMs = rules.minSameNumberInterval;
    this.prepays = new SharedCalls(gapMs, clock);
    this.paymentQueries = new SharedCalls(gapMs, clock);
    this.closes = new SharedCalls(gapMs, clock);
    this.refundQueries = new SharedCalls(gapMs, clock);
  }
}
