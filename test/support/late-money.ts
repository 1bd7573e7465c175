import type { Answer, TestApp } from './app.js';
import { type Bought, buyAndStart, placePayment, statesOf } from './flows.js';

/** What tests read of a case. */
export interface Case {
  id: string;
  status: string;
  action: string | null;
  action_refund_id: string | null;
  note: string | null;
}

/** The mock channel calls back: the money of this payment came. */
export function paymentArrives(paydesk: TestApp, paymentId: string): Promise<Answer> {
  return paydesk.callback({ payment_id: paymentId, status: 'SUCCESS' });
}

/** A payment that its owner closed and whose money came all the same, and its case; the order is still pending. */
export async function heldPayment(
  paydesk: TestApp,
  metadata?: Record<string, unknown>,
): Promise<Bought & { caseId: string }> {
  const bought = await buyAndStart(paydesk, { metadata });
  await bought.customer.api.post(`${bought.path}cancel/`);
  await paymentArrives(paydesk, bought.paymentId);
  const states = await statesOf(bought);
  if (states !== 'succeeded/pending') throw new Error(`the late payment and its order are ${states}`);
  return { ...bought, caseId: await openCaseOf(paydesk, bought) };
}

/** The one open case about the late money of a payment. */
export async function openCaseOf(paydesk: TestApp, { paymentId }: Bought): Promise<string> {
  const rows = await paydesk.db.query<{ id: string }[]>(
    `SELECT id FROM discrepancies WHERE payment_id = $1 AND type = 'late_payment' AND status = 'open'`,
    [paymentId],
  );
  if (rows.length !== 1 || !rows[0]) throw new Error(`${rows.length} open cases of late money`);
  return rows[0].id;
}

/** Another payment of the order, handed to the channel. */
export async function startAnother({ customer, orderId }: Bought): Promise<string> {
  const id = await placePayment(customer, orderId);
  await customer.api.post(`/payments/${id}/start/`);
  return id;
}

/** Holds a row until it is let go. */
export async function holdRow(
  paydesk: TestApp,
  table: 'orders' | 'discrepancies',
  id: string,
): Promise<() => Promise<void>> {
  const lock = paydesk.db.createQueryRunner();
  await lock.startTransaction();
  await lock.query(`SELECT 1 FROM ${table} WHERE id = $1 FOR UPDATE`, [id]);
  return async () => {
    await lock.commitTransaction();
    await lock.release();
  };
}
