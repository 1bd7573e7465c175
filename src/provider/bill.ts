/** A line of a trade bill: a payment, or a refund as soon as it was initiated. Amounts are in fen. */
export interface TradeLine {
  kind: 'payment' | 'refund';
  /** Its line in the file, counted from 1, the head included. */
  line: number;
  at: Date;
  /** Empty where the bill does not say. */
  appid: string;
  mchid: string;
  transactionId: string;
  outTradeNo: string;
  /** Null on a payment's line. */
  refundId: string | null;
  outRefundNo: string | null;
  /** The bill's own word, frozen when it was made; to be shown, not to be compared. */
  state: string;
  /** The statuses of our payment or refund that agree with it; it may have moved on since the bill was made. */
  agreesWith: readonly string[];
  amountFen: number;
  /** The amount without coupons that are not settled with the merchant. */
  settledFen: number;
  /** In thousandths of a fen. */
  feeMilliFen: number;
  /** What the rate makes of the settled amount; null when the bill gives no rate. */
  expectedFeeMilliFen: number | null;
}

/** What a trade bill has lines of; it says nothing about what it does not cover. */
export interface BillCoverage {
  payments: boolean;
  refunds: boolean;
}

/** A line that cannot be read: a difference of its own. No openid is in it. */
export interface UnreadableLine {
  kind: 'unreadable';
  /** Counted from 1, the head included. */
  line: number;
  /** Null where not even that can be read. */
  at: Date | null;
  /** Empty where not even that can be read. */
  appid: string;
  /** What is wrong with it: the value of a column, or, where `column` is empty, the line itself. */
  column: string;
  value: string;
  /** Follows the value: `is not a decimal amount in yuan`. */
  reason: string;
  /** What our number in its text is of; `line`: there is none, and `number` is a digest of the text. */
  noun: 'payment' | 'refund' | 'line';
  number: string;
}

/** How the totals that a bill gives itself compare with its lines. They can differ only where lines cannot be read. */
export interface BillTotals {
  agree: boolean;
  differ: { name: string; said_milli_fen: number; read_milli_fen: number }[];
}

/** A day's trade bill, read as it streams by. */
export interface TradeBill {
  covers: BillCoverage;
  /** Throws {@link BadBill} where the bill cannot be believed: up to its end nothing of it may be taken for true. */
  lines: AsyncIterable<TradeLine | UnreadableLine>;
  /** To be asked after the last line. */
  totals: () => BillTotals;
}

/** A movement of the merchant's account. */
export interface FundLine {
  /** The channel's number of the payment or refund. */
  businessNo: string;
  /** `refund_closed`: what a refund that was closed gave back. */
  kind: 'fee' | 'refund_closed' | 'other';
  /** In fen; negative: money that left the account. */
  amountFen: number;
}

/** A bill that cannot be believed: cut off, sums that do not add up, or columns that are not there. */
export class BadBill extends Error {
  constructor(
    readonly code:
      | 'bill_unreadable'
      | 'bill_cut_off'
      | 'bill_sums_differ'
      | 'bill_columns_missing'
      | 'bill_line_unreadable'
      | 'bill_of_another_day',
    message: string,
  ) {
    super(message);
    this.name = 'BadBill';
  }
}
