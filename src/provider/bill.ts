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

/** A day's trade bill, read as it streams by. */
export interface TradeBill {
  covers: BillCoverage;
  /** Throws {@link BadBill} where the bill cannot be believed: up to its end nothing of it may be taken for true. */
  lines: AsyncIterable<TradeLine>;
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
