import type { DataSource } from 'typeorm';
import { Session } from '../database/session.js';
import type { BillTotals, FundLine, TradeBill, TradeLine, UnreadableLine } from '../provider/bill.js';
import {
  type ForeignSums,
  isOurNumber,
  looksLikeOurs,
  setForeignAside,
  type Unread,
  unreadOfOurs,
} from './bill-foreign.js';
import { type ChinaDay, dayOf } from './china-day.js';

/** Lines written at once: enough to be fast, few enough to hold. */
const CHUNK = 2000;

const TABLES = `
CREATE TEMPORARY TABLE trade_lines (
    line integer NOT NULL, kind text NOT NULL, at timestamptz NOT NULL, mchid text NOT NULL,
    transaction_id text NOT NULL, out_trade_no text NOT NULL, refund_id text, out_refund_no text,
    state text NOT NULL, agrees_with text[] NOT NULL, amount_fen bigint NOT NULL, fee_milli bigint NOT NULL, expected_fee_milli bigint,
    -- Our own number of it: out_trade_no, or out_refund_no of a refund.
    number text NOT NULL,
    -- Under one of our appids, and a number of our form, or that of the payment that it gives back.
    ours boolean NOT NULL,
    number_is_ours boolean NOT NULL,
    -- What changes the merchant's account, fees apart.
    settled_fen bigint NOT NULL);
  CREATE TEMPORARY TABLE fund_lines (business_no text NOT NULL, kind text NOT NULL, amount_fen bigint NOT NULL)`;

export interface Loading {
  /** Whose bill it is. */
  provider: string;
  /** The appids whose lines are ours. */
  appids: ReadonlySet<string>;
  /** Only the lines of this day; null: all, since the channel made the bill for the day. */
  only: ChinaDay | null;
  onLines: (lines: number) => void | Promise<void>;
}

export interface Loaded {
  /** Lines of the day, those of other shops and those that cannot be read included. */
  lines: number;
  /** Lines of other days in the same file, by day: not looked at any further. */
  other_days: Record<string, number>;
  foreign: ForeignSums;
  totals: BillTotals;
  /** Lines that cannot be read. */
  unread: Unread[];
}

/**
 * A day's bill in temporary tables of one connection: compared in sets by the database, gone when the connection is,
 * and not seen by other sessions. A million lines take the memory of one chunk.
 */
export class BillStaging {
  private constructor(readonly session: Session) {}

  /** @throws DomainError `session_needed` */
  static async open(db: DataSource): Promise<BillStaging> {
    const session = await Session.open(db, 'the comparison of bills');
    try {
      await session.query(TABLES);
      return new BillStaging(session);
    } catch (error) {
      session.close();
      throw error;
    }
  }

  close(): void {
    this.session.close();
  }

  /** `onLines` hears after each chunk how many are in. @throws BadBill */
  async loadTrade({ lines, totals }: TradeBill, loading: Loading): Promise<Loaded> {
    const { provider, appids, only, onLines } = loading;
    const other_days: Record<string, number> = {};
    const unreadable: UnreadableLine[] = [];
    let others = 0;
    const count = await inChunks(lines, async (chunk, offset) => {
      const own: TradeLine[] = [];
      for (const line of chunk) {
        if (only && line.at && (line.at < only.from || line.at >= only.to)) {
          const day = dayOf(line.at);
          other_days[day] = (other_days[day] ?? 0) + 1;
          others += 1;
        } else if (line.kind === 'unreadable') unreadable.push(line);
        else own.push(line);
      }
      await this.writeTrade(own, appids);
      await onLines(offset + chunk.length);
    });
    const foreign = await setForeignAside(this.session, provider);
    const unread = await unreadOfOurs(this.session, unreadable, loading);
    // What the console made is compared under the id of its row.
    await this.session.query(`
      UPDATE trade_lines b SET number = r.id FROM refunds r WHERE b.kind = 'refund' AND r.console_refund_no = b.number;
      CREATE INDEX ON trade_lines (number, kind, line);
      ANALYZE trade_lines;`);
    return {
      lines: count - others,
      other_days,
      foreign: { ...foreign, unreadable: unreadable.length - unread.length },
      totals: totals(),
      unread,
    };
  }

  /** Answers the lines that cannot be read. @throws BadBill */
  async loadFund(bill: AsyncIterable<FundLine | UnreadableLine>, loading: Loading): Promise<Unread[]> {
    const unreadable: UnreadableLine[] = [];
    await inChunks(bill, async (chunk) => {
      const readable: FundLine[] = [];
      for (const line of chunk) {
        if (line.kind === 'unreadable') unreadable.push(line);
        else readable.push(line);
      }
      await this.writeFund(readable);
    });
    await this.session.query('CREATE INDEX ON fund_lines (business_no); ANALYZE fund_lines;');
    return unreadOfOurs(this.session, unreadable, loading);
  }

  private async writeTrade(lines: TradeLine[], appids: ReadonlySet<string>): Promise<void> {
    await this.session.query(
      `INSERT INTO trade_lines
         (line, kind, at, mchid, transaction_id, out_trade_no, refund_id, out_refund_no, state, agrees_with, amount_fen,
          fee_milli, expected_fee_milli, number, settled_fen, ours, number_is_ours)
       SELECT line, kind, at, mchid, transaction_id, out_trade_no, refund_id, out_refund_no, state,
              string_to_array(agrees_with, ' '), amount_fen, fee_milli, expected_fee_milli, number, settled_fen,
              ours, number_is_ours
       FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
                   $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[],
                   $15::bigint[], $16::boolean[], $17::boolean[])
         AS l(line, kind, at, mchid, transaction_id, out_trade_no, refund_id, out_refund_no, state, agrees_with,
              amount_fen, fee_milli, expected_fee_milli, number, settled_fen, ours, number_is_ours)`,
      [
        lines.map(({ line }) => line),
        lines.map((line) => line.kind),
        lines.map((line) => line.at),
        lines.map((line) => line.mchid),
        lines.map((line) => line.transactionId),
        lines.map((line) => line.outTradeNo),
        lines.map((line) => line.refundId),
        lines.map((line) => line.outRefundNo),
        lines.map((line) => line.state),
        lines.map((line) => line.agreesWith.join(' ')),
        lines.map((line) => line.amountFen),
        lines.map((line) => line.feeMilliFen),
        lines.map((line) => line.expectedFeeMilliFen),
        lines.map(numberOf),
        lines.map((line) => line.settledFen),
        lines.map((line) => looksLikeOurs(line, appids)),
        lines.map((line) => isOurNumber(line)),
      ],
    );
  }

  private async writeFund(lines: FundLine[]): Promise<void> {
    await this.session.query('INSERT INTO fund_lines SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])', [
      lines.map((line) => line.businessNo),
      lines.map((line) => line.kind),
      lines.map((line) => line.amountFen),
    ]);
  }
}

/** Our own number of a line; the channel's where the merchant gave none. */
function numberOf({ kind, outTradeNo, outRefundNo, refundId, transactionId }: TradeLine): string {
  return (kind === 'refund' ? outRefundNo || refundId : outTradeNo) || transactionId;
}

/** Hands a stream of lines on in chunks, and answers how many there were. */
async function inChunks<Line>(
  lines: AsyncIterable<Line>,
  write: (chunk: Line[], offset: number) => Promise<void>,
): Promise<number> {
  let chunk: Line[] = [];
  let written = 0;
  for await (const line of lines) {
    chunk.push(line);
    if (chunk.length < CHUNK) continue;
    await write(chunk, written);
    written += chunk.length;
    chunk = [];
  }
  if (chunk.length > 0) await write(chunk, written);
  return written + chunk.length;
}
