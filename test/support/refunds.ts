import { byTimer } from '../../src/common/cause.js';
import { DueRefunds, type DueRefundsReport } from '../../src/refunds/due-refunds.js';
import type { RefundView } from '../../src/refunds/refund.view.js';
import type { TestApp } from './app.js';
import { type Bought, buyAndStart } from './flows.js';
import type { Simulated } from './simulated.js';

export type { RefundView };

/** A new customer's payment that has succeeded: paid at the simulator, or in pretence under the mock provider. */
export async function paid(
  paydesk: TestApp | Simulated,
  options: { amount?: number; metadata?: Record<string, unknown> } = {},
): Promise<Bought> {
  const bought = await buyAndStart(paydesk, options);
  if ('sim' in paydesk) await paydesk.pay(bought.paymentId);
  else await bought.customer.api.post(`${bought.path}succeed/`);
  return bought;
}

/** Asks for money back in the payer's name. */
export async function askFor(bought: Bought, amount?: number, reason?: string): Promise<string> {
  const { status, body } = await bought.customer.api.post<RefundView>('/refunds/', {
    payment_id: bought.paymentId,
    amount,
    reason,
  });
  if (status !== 201) throw new Error(`POST /refunds/ answered ${status} ${JSON.stringify(body)}`);
  return body.id;
}

/** An operator carries the refund out. */
export async function approveRefund(paydesk: TestApp, id: string): Promise<RefundView> {
  const operator = await paydesk.as('operator');
  const { status, body } = await operator.post<RefundView>(`/refunds/${id}/succeed/`);
  if (status !== 200) throw new Error(`succeed answered ${status} ${JSON.stringify(body)}`);
  return body;
}

export async function refundOf(paydesk: TestApp, id: string): Promise<RefundView> {
  return (await (await paydesk.as('operator')).get<RefundView>(`/refunds/${id}/`)).body;
}

/** Status and code in a word: `processing NOT_ENOUGH`. */
export async function stateOf(paydesk: TestApp, id: string): Promise<string> {
  const { status, failure } = await refundOf(paydesk, id);
  return failure ? `${status} ${failure.code}` : status;
}

/** What the timer does at each tick. */
export function tick(paydesk: TestApp): Promise<DueRefundsReport> {
  return paydesk.app.get(DueRefunds).run({ scope: 'due', cause: byTimer('send_and_check_refunds'), limit: 1000 });
}

/** Ticks and moves the clock until nothing is under way any more, at most so many times. */
export async function untilSettled(shop: Simulated, steps = 60): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await tick(shop);
    await shop.advance(60_000);
    const [row] = await shop.db.query<{ open: number }[]>(
      `SELECT count(*)::int AS open FROM refunds WHERE status = 'processing'`,
    );
    if (row?.open === 0) return;
  }
  throw new Error('refunds are still under way');
}

/** Every move of a refund with who made it, oldest first: `processing by request usr_…`. */
export async function movesOfRefund(paydesk: TestApp, id: string): Promise<string[]> {
  const rows = await paydesk.db.query<{ to_status: string; cause: string; actor: string }[]>(
    'SELECT to_status, cause, actor FROM payment_events WHERE refund_id = $1 AND entity = $2 ORDER BY id',
    [id, 'refund'],
  );
  return rows.map((row) => `${row.to_status} by ${row.cause} ${row.actor}`);
}

/** What was announced of a refund, to its owner and to the operators. */
export async function announced(paydesk: TestApp, id: string): Promise<string[]> {
  const rows = await paydesk.db.query<{ type: string; user_id: string | null }[]>(
    'SELECT type, user_id FROM users_notification WHERE subject_id = ANY ($1) ORDER BY type, user_id NULLS LAST',
    [[id, `${id}:operators`]],
  );
  return rows.map((row) => `${row.type} to ${row.user_id === null ? 'operators' : 'owner'}`);
}

/** The cases about a refund: `refund_held open`. */
export async function casesOfRefund(paydesk: TestApp, id: string): Promise<string[]> {
  const rows = await paydesk.db.query<{ type: string; status: string }[]>(
    'SELECT type, status FROM discrepancies WHERE out_refund_no = $1 ORDER BY id',
    [id],
  );
  return rows.map((row) => `${row.type} ${row.status}`);
}

export interface Books {
  refunds: string[];
  payments: string[];
}

const IN_BOOKS: Record<string, string> = {
  succeeded: 'SUCCESS',
  processing: 'PROCESSING',
  abnormal: 'ABNORMAL',
  closed: 'CLOSED',
};

/** What our database says was sent to the channel, a line for each refund and each payment with a refund, in fen. */
export async function ourBooks(paydesk: TestApp): Promise<Books> {
  const refunds = await paydesk.db.query<{ id: string; status: string; amount_fen: number }[]>(
    'SELECT id, status, amount_fen FROM refunds ORDER BY id',
  );
  const payments = await paydesk.db.query<{ id: string; reserved_fen: number; refunded_fen: number }[]>(
    `SELECT id, reserved_fen, refunded_fen FROM payments p
     WHERE EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.status NOT IN ('rejected', 'requested'))
     ORDER BY id`,
  );
  return {
    refunds: refunds
      .filter((refund) => refund.status in IN_BOOKS)
      .map((refund) => `${refund.id} ${refund.amount_fen} ${IN_BOOKS[refund.status]}`),
    payments: payments.map((row) => `${row.id} promised ${row.reserved_fen} paid ${row.refunded_fen}`),
  };
}

/** What the channel's own ledger says, in the same words. */
export function channelBooks(shop: Simulated): Books {
  const { refunds } = shop.sim.ledger();
  const sum = (payment: string, counts: (status: string) => boolean): number =>
    refunds
      .filter((refund) => refund.out_trade_no === payment && counts(refund.status))
      .reduce((all, refund) => all + refund.refund, 0);
  const payments = [...new Set(refunds.map((refund) => refund.out_trade_no))].sort();
  return {
    refunds: refunds.map((refund) => `${refund.out_refund_no} ${refund.refund} ${refund.status}`).sort(),
    payments: payments.map((id) => {
      const promised = sum(id, (status) => status !== 'CLOSED');
      return `${id} promised ${promised} paid ${sum(id, (status) => status === 'SUCCESS')}`;
    }),
  };
}
