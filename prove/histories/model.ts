import { type Books, channelOf, type PaymentRow } from '../books.js';

/** What is known for certain of a history, without asking the service: what people asked for and the channel did. */
export interface Model {
  policy: 'refund' | 'hold';
  /** Refund numbers that the service gave out, each asked for once. */
  asked: Map<string, { paymentId: string; fen: number }>;
  /** Those that a clerk made in the channel's console, by their number there. */
  console: Map<string, { paymentId: string; fen: number }>;
  /** Those that an operator had carried out. */
  approved: Set<string>;
  /** What the channel took, in fen, by payment. */
  taken: Map<string, number>;
  /** Payments of which the channel tells a wrong amount for good. */
  lied: Set<string>;
  /** Payments whose end the channel may have missed, so that it can take money for them afterwards. */
  deaf: Set<string>;
}

export function newModel(policy: Model['policy']): Model {
  return {
    policy,
    asked: new Map(),
    console: new Map(),
    approved: new Set(),
    taken: new Map(),
    lied: new Set(),
    deaf: new Set(),
  };
}

/** The number of the refund of a late payment: the payment's own, as a refund. */
export function lateRefundOf(paymentId: string): string {
  return paymentId.replace(/^pay_/, 'ref_');
}

type Table = Record<string, readonly string[]>;

/** What may follow what. From `null`: how it may begin. Written down here once more, so that two must agree. */
export const MOVES: Record<'order' | 'payment' | 'refund' | 'console refund', Table> = {
  order: {
    pending: ['paid', 'cancelled'],
    paid: ['partially_refunded', 'refunded'],
    partially_refunded: ['refunded'],
  },
  payment: {
    null: ['init'],
    init: ['processing', 'succeeded', 'failed', 'expired', 'closed'],
    processing: ['succeeded', 'failed', 'expired', 'closed'],
    failed: ['succeeded'],
    expired: ['succeeded'],
    closed: ['succeeded'],
  },
  refund: {
    null: ['requested'],
    requested: ['processing', 'succeeded', 'rejected'],
    processing: ['succeeded', 'closed', 'abnormal', 'rejected'],
    // To itself: sent to another card.
    abnormal: ['succeeded', 'closed', 'abnormal'],
  },
  // Neither asked for nor sent by us, so that there is nothing to reject.
  'console refund': {
    null: ['processing'],
    processing: ['succeeded', 'closed', 'abnormal'],
    abnormal: ['succeeded', 'closed', 'abnormal'],
  },
};

/** What a payment must be once the channel was asked about it and told the truth; null: whatever it was before. */
export function truthOf(books: Books, payment: PaymentRow, model: Model): 'succeeded' | 'ended' | null {
  if (model.lied.has(payment.id)) return null;
  const there = channelOf(books, payment.id);
  if (there?.paid_at) return 'succeeded';
  return there?.trade_state === 'CLOSED' ? 'ended' : null;
}

/** Whether a status is what {@link truthOf} says. */
export function agrees(status: string, truth: 'succeeded' | 'ended' | null): boolean {
  if (truth === null) return true;
  return truth === 'succeeded' ? status === 'succeeded' : status !== 'init' && status !== 'processing';
}
