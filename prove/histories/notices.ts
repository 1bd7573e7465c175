import type { NoticeView } from '../../simulator/index.js';
import { type Books, refundByNumber } from '../books.js';

type Send = NoticeView['sends'][number];

/** Faults that a notice must survive: it is genuine all the same. */
const HARMLESS = new Set(['double', 'new_id', 'other_mode', 'no_associated_data']);
const UNPROVED = new Set(['unsigned', 'wrong_signature', 'signtest', 'unknown_serial', 'stale_timestamp']);
const SHUT = new Set(['flip_ciphertext', 'wrong_key']);
const LIES = new Set(['wrong_amount', 'wrong_currency', 'wrong_mchid', 'wrong_appid']);

/** Sends since an earlier look, each with its notice. */
export function newSends(before: Books, after: Books): { notice: NoticeView; send: Send }[] {
  const known = new Map(before.notices.map((notice) => [notice.id, notice.sends.length]));
  return after.notices.flatMap((notice) =>
    notice.sends.slice(known.get(notice.id) ?? 0).map((send) => ({ notice, send })),
  );
}

/**
 * What the channel was told is true: 200 only for what is written down, and never for what was not proved; a good
 * notice is taken.
 * @param known serials of the platform keys that every process knows
 */
export function brokenAnswers(before: Books, after: Books, known: ReadonlySet<string>): string[] {
  return newSends(before, after).flatMap(({ notice, send }) => {
    const about = `${notice.event_type} of ${notice.out_refund_no ?? notice.out_trade_no} [${send.faults.join(' ')}]`;
    const expected = mayBeRefused(notice, before, after) ? null : expectedAnswer(notice, send, known);
    if (expected !== null && send.status !== expected) {
      return [`${about} was answered ${send.status} (${send.outcome}), not ${expected}`];
    }
    if (send.status === 200)
      return isWritten(notice, send, after) ? [] : [`${about} was acknowledged and is not written`];
    const read = !send.faults.some((fault) => SHUT.has(fault));
    if (send.status === 400 && read && send.faults.some((fault) => LIES.has(fault))) {
      const number = String(notice.out_refund_no ?? notice.out_trade_no);
      const names = [number, refundByNumber(after, number)?.id ?? number];
      const isCase = after.cases.some(
        ({ type, case_key: key }) =>
          (type === 'mismatch' || type === 'unknown_refund') && names.some((name) => key.includes(name)),
      );
      return isCase ? [] : [`${about} lied, and there is no case`];
    }
    return [];
  });
}

/**
 * A notice of a refund that is no row of ours yet, which is right to be refused: its payment is not known to be paid, or
 * has a refund of ours too, which may be in the way.
 */
function mayBeRefused({ out_refund_no: number, out_trade_no: id }: NoticeView, before: Books, after: Books): boolean {
  if (number === null || refundByNumber(before, number)) return false;
  const rivals = [...after.refunds.values()].some((one) => one.payment_id === id && one.origin === 'api');
  return rivals || before.payments.get(String(id))?.status !== 'succeeded';
}

/** Null where more than one answer is right. */
function expectedAnswer(notice: NoticeView, { faults, serial }: Send, known: ReadonlySet<string>): number | null {
  if (faults.includes('drop')) return 0;
  if (faults.some((fault) => UNPROVED.has(fault))) return 401;
  if (!known.has(serial)) return null;
  // Of an unknown event nothing is opened.
  if (faults.includes('unknown_event')) return 200;
  if (faults.some((fault) => SHUT.has(fault))) return 400;
  if (faults.some((fault) => LIES.has(fault))) {
    // A refund's notice has no appid, and no currency: what is added to it says nothing.
    return notice.event_type.startsWith('TRANSACTION') ? 400 : null;
  }
  return faults.every((fault) => HARMLESS.has(fault)) ? 200 : null;
}

function isWritten(notice: NoticeView, { faults }: Send, books: Books): boolean {
  if (faults.includes('unknown_event')) return true;
  if (notice.event_type === 'TRANSACTION.SUCCESS') {
    return books.payments.get(String(notice.out_trade_no))?.status === 'succeeded';
  }
  const status = refundByNumber(books, String(notice.out_refund_no))?.status;
  if (notice.event_type === 'REFUND.SUCCESS') return status === 'succeeded';
  if (notice.event_type === 'REFUND.CLOSED') return status === 'closed';
  return status === 'abnormal' || status === 'succeeded' || status === 'closed';
}
