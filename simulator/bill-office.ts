import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { NUMBERS, refuse } from './api-error.js';
import { chooseDifferences, type Difference, type DifferenceOrder, withDifferences } from './bill-differences.js';
import { billBytes, billHash, type BillText } from './bill-text.js';
import { type Books } from './books.js';
import { chinaDay, type Clock, DAY, HOUR, MINUTE, startOfDay } from './clock.js';
import { fundBill } from './fund-bill.js';
import { Random } from './random.js';
import { type BillType, tradeBill, type TradeRow, tradeRow } from './trade-bill.js';

/** A bill is made from 09:00 of the next day on, and shows refunds as they were then; it is ready at 10:00. */
const MADE_AFTER = DAY + 9 * HOUR;
const READY_AFTER = DAY + 10 * HOUR;
const MONTHS_BACK = 3;
const TOKEN_LIFE = 5 * MINUTE;

export interface BillTicket {
  token: string;
  hash: string;
}

interface Issued {
  bill: BillText;
  gzip: boolean;
  expiresAt: number;
}

/** Makes the bills of a day from the books, and hands them out against a token (manual, pages 4013071227, 4013071235, 4013071238). */
export class BillOffice {
  #differences = new Map<string, Difference[]>();
  #issued = new Map<string, Issued>();

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly books: Books,
    private readonly mchid: string,
  ) {}

  /** @throws ApiError NO_STATEMENT_EXIST, STATEMENT_CREATING, INVALID_REQUEST, PARAM_ERROR */
  async trade(day: string, type: BillType, gzip: boolean): Promise<BillTicket> {
    const start = this.#readyDay(day);
    const bill = tradeBill(type, () => this.#rows(start));
    return this.#issue(bill, gzip);
  }

  /** @throws ApiError as {@link trade} */
  async fundFlow(day: string, account: string, gzip: boolean): Promise<BillTicket> {
    const start = this.#readyDay(day);
    // Everything goes through the basic account; the other two have no movements.
    const flows = account === 'BASIC' ? within(this.books.flows, start) : [];
    return this.#issue(
      fundBill(() => flows),
      gzip,
    );
  }

  /** The bytes a token stands for. @throws ApiError INVALID_REQUEST when it is unknown or older than five minutes */
  open(token: string): { bytes: AsyncIterable<Buffer>; gzip: boolean } {
    const issued = this.#issued.get(token);
    if (!issued || this.clock.now() > issued.expiresAt) {
      throw refuse('INVALID_REQUEST', '下载链接已失效，请重新申请账单', NUMBERS.illegalParameter);
    }
    const plain = billBytes(issued.bill);
    const bytes = issued.gzip ? (Readable.from(plain).pipe(createGzip()) as AsyncIterable<Buffer>) : plain;
    return { bytes, gzip: issued.gzip };
  }

  /**
   * Makes the trade bill of a day differ from the books; takes the place of what was asked for before.
   * @returns the differences, line by line
   * @throws RangeError when there is no such day, or it has too few lines
   */
  differ(day: string, order: DifferenceOrder): Difference[] {
    const start = startOfDay(day);
    if (start === null) throw new RangeError(`${day} is not a day`);
    const random = order.seed === undefined ? this.random : new Random(order.seed);
    const events = within(this.books.events, start);
    const chosen = chooseDifferences(
      events.map((event) => tradeRow(event, start + MADE_AFTER)),
      order,
      random,
    );
    this.#differences.set(day, chosen);
    return chosen;
  }

  clear(): void {
    this.#differences.clear();
    this.#issued.clear();
  }

  *#rows(start: number): Generator<TradeRow> {
    const asOf = start + MADE_AFTER;
    const events = within(this.books.events, start);
    const differences = this.#differences.get(chinaDay(start));
    const rows = mapped(events, (event) => tradeRow(event, asOf));
    yield* differences ? withDifferences(rows, differences) : rows;
  }

  async #issue(bill: BillText, gzip: boolean): Promise<BillTicket> {
    const [first] = bill.lines();
    if (first === undefined) throw refuse('NO_STATEMENT_EXIST', '账单不存在', NUMBERS.billNone);
    const hash = await billHash(bill);
    const token = `${this.mchid}${this.random.text(54)}`;
    this.#issued.set(token, { bill, gzip, expiresAt: this.clock.now() + TOKEN_LIFE });
    return { token, hash };
  }

  #readyDay(day: string): number {
    const start = startOfDay(day);
    if (start === null) throw refuse('PARAM_ERROR', '日期格式错误，应为 yyyy-MM-DD', NUMBERS.billDate);
    const now = this.clock.now();
    if (day >= chinaDay(now)) throw refuse('INVALID_REQUEST', '不能申请当天及以后的账单', NUMBERS.billDate);
    if (day < oldestDay(now)) throw refuse('INVALID_REQUEST', '账单日期超过三个月', NUMBERS.billTooOld);
    if (now < start + READY_AFTER) throw refuse('STATEMENT_CREATING', '账单生成中', NUMBERS.billCreating);
    return start;
  }
}

function oldestDay(now: number): string {
  const date = new Date(now);
  date.setUTCMonth(date.getUTCMonth() - MONTHS_BACK);
  return chinaDay(date.getTime());
}

function* mapped<T, R>(items: Iterable<T>, change: (item: T) => R): Generator<R> {
  for (const item of items) yield change(item);
}

/** What happened on the day that begins at `start`, in a list that is in the order of time. */
function within<T extends { at: number }>(items: readonly T[], start: number): T[] {
  return items.slice(firstFrom(items, start), firstFrom(items, start + DAY));
}

function firstFrom(items: readonly { at: number }[], at: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.at ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
