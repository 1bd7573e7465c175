import { BillOffice } from './bill-office.js';
import { type Order, type Refund } from './books.js';
import { Books } from './books.js';
import { type KeyPair } from './certificates.js';
import { Clock, type SignatureClock } from './clock.js';
import { DueQueue } from './due-queue.js';
import { Faults } from './faults.js';
import { Gate } from './gate.js';
import { type KeyMode, Keyring } from './keyring.js';
import { Meter } from './limits.js';
import { MiniProgram } from './mini-program.js';
import { Sender } from './notice-sender.js';
import { Notices } from './notices.js';
import { Payments } from './payments.js';
import { Random, randomSeed } from './random.js';
import { Refunds } from './refunds.js';
import { Signer } from './signer.js';

/** Everything that can be chosen at the start. */
export interface SimulationOptions {
  /** Which key material is offered; default `public_key`. */
  mode?: KeyMode;
  /** Of everything left to chance. */
  seed?: number;
  mchid?: string;
  appid?: string;
  merchantName?: string;
  /** Between a payment or the end of a refund and its first notice, in business time; default 0. */
  notifyDelayMs?: number;
  /** How long a receiver of notices may take, in real time; default 5000. */
  notifyTimeoutMs?: number;
  /** How long a refund takes, in business time; default five minutes; null: until told to move. */
  refundDelayMs?: number | null;
  /** What signatures are dated by; default `real`. */
  signatureClock?: SignatureClock;
  /** Account balance at the start; default 0. */
  openingBalanceFen?: number;
  /** RSA pairs to use before new ones are made: for the authority, the merchant, the public key and the certificate. */
  keyPairs?: readonly KeyPair[];
}

const FIVE_MINUTES = 300_000;
const FIVE_SECONDS = 5_000;

/** All parts of the simulator but the server, tied together. */
export class Simulation {
  readonly books: Books = new Books();
  readonly queue: DueQueue;
  readonly faults: Faults;
  readonly meter: Meter;
  readonly gate: Gate;
  readonly signer: Signer;
  readonly notices: Notices;
  readonly payments: Payments;
  readonly refunds: Refunds;
  readonly bills: BillOffice;
  readonly miniProgram: MiniProgram;
  readonly merchantName: string;
  readonly #sender: Sender;

  private constructor(
    readonly clock: Clock,
    readonly random: Random,
    readonly keyring: Keyring,
    private readonly options: SimulationOptions,
  ) {
    this.merchantName = options.merchantName ?? '模拟商户';
    this.queue = new DueQueue(clock);
    this.faults = new Faults(random);
    this.meter = new Meter(clock);
    this.gate = new Gate(clock, keyring);
    this.signer = new Signer(clock, random, keyring);
    const timeoutMs = options.notifyTimeoutMs ?? FIVE_SECONDS;
    this.#sender = new Sender(clock, random, keyring, this.faults, this.signer, timeoutMs);
    const delayMs = options.notifyDelayMs ?? 0;
    this.notices = new Notices(clock, random, this.queue, this.faults, this.#sender, delayMs);
    this.payments = new Payments(clock, random, this.books, this.notices, this.meter);
    const settleMs = options.refundDelayMs === undefined ? FIVE_MINUTES : options.refundDelayMs;
    this.refunds = new Refunds(clock, random, this.books, this.queue, this.notices, settleMs);
    this.bills = new BillOffice(clock, random, this.books, keyring.merchant.mchid);
    this.miniProgram = new MiniProgram(clock, random, keyring.merchant);
    this.#open();
  }

  static async make(options: SimulationOptions): Promise<Simulation> {
    const clock = new Clock(options.signatureClock);
    const random = new Random(options.seed ?? randomSeed());
    const merchant = { mchid: options.mchid ?? '1900009191', appid: options.appid ?? 'wx8888888888888888' };
    const keyring = await Keyring.make(clock, random, options.mode ?? 'public_key', merchant, options.keyPairs);
    return new Simulation(clock, random, keyring, options);
  }

  order(outTradeNo: string): Order | undefined {
    return this.books.order(outTradeNo, this.clock.now());
  }

  refund(outRefundNo: string): Refund | undefined {
    return this.books.refunds.get(outRefundNo);
  }

  /** Sets the account's balance, as a withdrawal or a top-up. */
  setBalance(fen: number): void {
    const difference = fen - this.books.balanceFen;
    if (difference === 0) return;
    const income = difference > 0;
    const name = income ? '充值' : '提现';
    this.books.move({
      at: this.clock.now(),
      businessNo: this.random.digits(28),
      flowNo: this.random.digits(28),
      name,
      type: name,
      income,
      fen: Math.abs(difference),
      applicant: 'system',
      remark: '',
      voucher: '',
    });
  }

  /** As at the start, with the same keys. */
  reset(): void {
    this.queue.clear();
    this.notices.clear();
    this.books.clear();
    this.bills.clear();
    this.miniProgram.clear();
    this.faults.replace([]);
    this.meter.limits = {};
    this.clock.reset();
    this.random.reseed(this.random.seed);
    this.#open();
  }

  close(): void {
    this.queue.close();
    this.#sender.close();
  }

  #open(): void {
    this.setBalance(this.options.openingBalanceFen ?? 0);
  }
}
