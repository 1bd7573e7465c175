import type { DataSource } from 'typeorm';
import { Session } from '../database/session.js';
import type { FundLine, TradeBill, TradeLine } from '../provider/bill.js';
import { type ForeignSums, isOurNumber, looksLikeOurs, setForeignAside } from './bill-foreign.js';
import type { ChinaDay } from './china-day.js';

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
  onLines: (lines: number) => void | Promise<void>;
}

export interface Loaded {
  /** All of them, those of other shops included. */
  lines: number;
  foreign: ForeignSums;
}

/**
 * A day's bill in temporary tables of one connection: compared in sets by the database, gone when the connection is,
 * and never seen by anybody else. A million lines take the memory of one chunk.
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
  async loadTrade({ lines }: TradeBill, { provider, appids, onLines }: Loading): Promise<Loaded> {
    const count = await inChunks(lines, async (chunk, offset) => {
      await this.writeTrade(chunk, appids);
      await onLines(offset + chunk.length);
    });
    const foreign = await setForeignAside(this.session, provider);
    await this.session.query(`
      CREATE INDEX ON trade_lines (number, kind, line);
      ANALYZE trade_lines;`);
    return { lines: count, foreign };
  }

  /** Whether there are lines, and not one of them is of this day. */
  async isOfAnotherDay(day: ChinaDay): Promise<boolean> {
    const rows = await this.session.query<{ other: boolean }>(
      'SELECT count(*) > 0 AND count(*) FILTER (WHERE at >= $1 AND at < $2) = 0 AS other FROM trade_lines',
      [day.from, day.to],
    );
    return rows[0]?.other ?? false;
  }

  /** @throws BadBill */
  async loadFund(bill: AsyncIterable<FundLine>): Promise<number> {
    const lines = await inChunks(bill, (chunk) => this.writeFund(chunk));
    await this.session.query('CREATE INDEX ON fund_lines (business_no); ANALYZE fund_lines;');
    return lines;
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
