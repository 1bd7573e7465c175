import type { FaultRule } from '../../simulator/index.js';

const call = (at: FaultRule['at'], ...kinds: Omit<FaultRule, 'at'>[]): FaultRule[] =>
  kinds.map((kind) => ({ at, ...kind }));

/** The work is done, and the answer tells nothing. Not tried again at once, so it costs no pause. */
const DONE_UNTOLD = { do: 'error', status: 429, code: 'FREQUENCY_LIMITED', when: 'after' } as const;
/** Nothing was done. */
const TURNED_AWAY = { do: 'error', status: 429, code: 'FREQUENCY_LIMITED' } as const;
const DOWN_AFTER = { do: 'error', status: 500, code: 'SYSTEM_ERROR', when: 'after' } as const;
const DOWN = { do: 'error', status: 500, code: 'SYSTEM_ERROR' } as const;
const CUT_AFTER = { do: 'disconnect', when: 'after' } as const;
const FORGED_ANSWERS: Omit<FaultRule, 'at'>[] = [
  { do: 'unsigned' },
  { do: 'wrong_signature' },
  { do: 'signtest' },
  { do: 'unknown_serial' },
  { do: 'stale_timestamp' },
  { do: 'flip_body' },
  { do: 'cut_body' },
];
const LIES: Omit<FaultRule, 'at'>[] = [
  { do: 'wrong_amount' },
  { do: 'wrong_currency' },
  { do: 'wrong_mchid' },
  { do: 'wrong_appid' },
];

/** What may go wrong with a call of the service; every kind of fault that the channel knows of its payment calls. */
export const CALL_TROUBLES: FaultRule[] = [
  ...call('order', DONE_UNTOLD, TURNED_AWAY, DOWN_AFTER, CUT_AFTER, ...FORGED_ANSWERS),
  // Refused for sure: the payment fails.
  ...call('order', { do: 'error', status: 400, code: 'PARAM_ERROR' }),
  ...call('query', TURNED_AWAY, DOWN, { do: 'disconnect' }, ...FORGED_ANSWERS, ...LIES),
  ...call('query', { do: 'error', status: 404, code: 'ORDER_NOT_EXIST' }),
  ...call('close', DONE_UNTOLD, TURNED_AWAY, DOWN_AFTER, CUT_AFTER, { do: 'signtest' }, { do: 'unsigned' }),
  ...call('refund', DONE_UNTOLD, DONE_UNTOLD, TURNED_AWAY, DOWN_AFTER, CUT_AFTER, { do: 'unsigned' }, ...LIES),
  // Refused for sure: the promise is taken back.
  ...call('refund', { do: 'error', status: 403, code: 'USER_ACCOUNT_ABNORMAL' }),
  // Refused, but a person can mend it.
  ...call('refund', { do: 'error', status: 403, code: 'NOT_ENOUGH' }, { do: 'error', status: 403, code: 'NO_AUTH' }),
  ...call('refund_query', TURNED_AWAY, DOWN, { do: 'wrong_signature' }, { do: 'flip_body' }, ...LIES),
  ...call('abnormal_refund', DONE_UNTOLD, TURNED_AWAY, { do: 'unsigned' }),
  ...call('tradebill', TURNED_AWAY, { do: 'error', status: 400, code: 'STATEMENT_CREATING' }, { do: 'wrong_hash' }),
  ...call('download', { do: 'cut_body' }),
  ...call('call', { do: 'delay', ms: 30 }, { do: 'other_mode' }, { do: 'slow_body', ms: 30 }),
];

const SENDS: Omit<FaultRule, 'at'>[] = [
  ...FORGED_ANSWERS.filter((kind) => kind.do !== 'flip_body' && kind.do !== 'cut_body'),
  ...LIES,
  { do: 'other_mode' },
  { do: 'drop' },
  { do: 'double' },
  { do: 'flip_ciphertext' },
  { do: 'wrong_key' },
  { do: 'no_associated_data' },
  { do: 'unknown_event' },
  { do: 'new_id' },
];
const WHOLE: Omit<FaultRule, 'at'>[] = [
  { do: 'lose' },
  { do: 'lose' },
  { do: 'hold_back', seconds: 400 },
  { do: 'hold_back', seconds: 4000 },
  { do: 'reorder' },
];

/** What may go wrong with a notice; every kind of fault that the channel knows of notices. */
export const NOTICE_TROUBLES: FaultRule[] = [
  ...call('payment_notice', ...SENDS, ...WHOLE, { do: 'double' }, { do: 'after_refund' }),
  ...call('refund_notice', ...SENDS, ...WHOLE),
];

/** What may go wrong at these points. */
export function troublesAt(...points: FaultRule['at'][]): FaultRule[] {
  return [...CALL_TROUBLES, ...NOTICE_TROUBLES].filter((rule) => points.includes(rule.at));
}
