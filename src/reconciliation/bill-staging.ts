import type { DataSource } from 'typeorm';
import { Session } from '../database/session.js';
import type { FundLine, TradeBill, TradeLine } from '../provider/bill.js';
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
    -- What changes the merchant's account, fees apart.
    settled_fen bigint NOT NULL);
  CREATE TEMPORARY TABLE fund_lines (business_no text NOT NULL, kind text NOT NULL, amount_fen bigint NOT NULL)`;

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

  /** Answers how many lines; `onLines` hears after each chunk how many are in. @throws BadBill */
  async loadTrade(
    { lines }: TradeBill,
    onLines: (lines: number) => void | Promise<void> = () => undefined,
  ): Promise<number> {
    const count = await inChunks(lines, async (chunk, offset) => {
      await this.writeTrade(chunk, offset);
      await onLines(offset + chunk.length);
    });
    await this.session.query(`
      CREATE INDEX ON trade_lines (number, kind, line);
      ANALYZE trade_lines;`);
    return count;
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

  private async writeTrade(lines: TradeLine[], offset: number): Promise<void> {
    await this.session.query(
      `INSERT INTO trade_lines
         (line, kind, at, mchid, transaction_id, out_trade_no, refund_id, out_refund_no, state, agrees_with, amount_fen,
          fee_milli, expected_fee_milli, number, settled_fen)
       SELECT line, kind, at, mchid, transaction_id, out_trade_no, refund_id, out_refund_no, state,
              string_to_array(agrees_with, ' '), amount_fen, fee_milli, expected_fee_milli, number, settled_fen
       FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
                   $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[],
                   $15::bigint[])
         AS l(line, kind, at, mchid, transaction_id, out_trade_no, refund_id, out_refund_no, state, agrees_with,
              amount_fen, fee_milli, expected_fee_milli, number, settled_fen)`,
      [
        lines.map((_, index) => offset + index + 1),
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
        lines.map((line) => line.outRefundNo ?? line.outTradeNo),
        lines.map((line) => line.settledFen),
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
