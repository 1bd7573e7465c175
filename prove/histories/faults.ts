import type { FaultRule } from '../../simulator/index.js';

const call = (at: FaultRule['at'], ...kinds: Omit<FaultRule, 'at'>[]): FaultRule[] =>
  kinds.map((kind) => ({ at, ...kind }));

/** Kinds that need no more than their name. */
function kinds(...names: FaultRule['do'][]): Omit<FaultRule, 'at'>[] {
  return names.map((name) => ({ do: name }));
}

/** The work is done, and the answer tells nothing. Not tried again at once, so it costs no pause. */
const DONE_UNTOLD = { do: 'error', status: 429, code: 'FREQUENCY_LIMITED', when: 'after' } as const;
/** Nothing was done. */
const TURNED_AWAY = { do: 'error', status: 429, code: 'FREQUENCY_LIMITED' } as const;
const DOWN_AFTER = { do: 'error', status: 500, code: 'SYSTEM_ERROR', when: 'after' } as const;
const DOWN = { do: 'error', status: 500, code: 'SYSTEM_ERROR' } as const;
const CUT_AFTER = { do: 'disconnect', when: 'after' } as const;
const UNPROVED = kinds('unsigned', 'wrong_signature', 'signtest', 'unknown_serial', 'stale_timestamp');
const FORGED_ANSWERS = [...UNPROVED, ...kinds('flip_body', 'cut_body')];
const LIES = kinds('wrong_amount', 'wrong_currency', 'wrong_mchid', 'wrong_appid');

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

const SENDS = [
  ...[...UNPROVED, ...LIES],
  ...kinds('other_mode', 'drop', 'double', 'flip_ciphertext', 'wrong_key', 'no_associated_data', 'unknown_event'),
  ...kinds('new_id'),
];
const HELD_BACK = [400, 4000].map((seconds) => ({ do: 'hold_back', seconds }) as const);
const WHOLE = [...kinds('lose', 'lose', 'reorder'), ...HELD_BACK];

/** What may go wrong with a notice; every kind of fault that the channel knows of notices. */
export const NOTICE_TROUBLES: FaultRule[] = [
  ...call('payment_notice', ...SENDS, ...WHOLE, { do: 'double' }, { do: 'after_refund' }),
  ...call('refund_notice', ...SENDS, ...WHOLE),
];

/** What may go wrong at these points. */
export function troublesAt(...points: FaultRule['at'][]): FaultRule[] {
  return [...CALL_TROUBLES, ...NOTICE_TROUBLES].filter((rule) => points.includes(rule.at));
}
