/** What an order's `metadata.mock_outcome` makes the pretend channel do. Null: nothing directed. */
export type MockOutcome = 'success' | 'fail' | 'pending' | 'error' | 'timeout';

const OUTCOMES: readonly string[] = ['success', 'fail', 'pending', 'error', 'timeout'] satisfies MockOutcome[];

export function mockOutcome(metadata: Readonly<Record<string, unknown>>): MockOutcome | null {
  const outcome = metadata.mock_outcome;
  return typeof outcome === 'string' && OUTCOMES.includes(outcome) ? (outcome as MockOutcome) : null;
}

/** What `metadata.mock_refund_outcome` makes of a refund; `success` when nothing is directed. */
export type MockRefundOutcome = 'success' | 'processing' | 'closed' | 'abnormal' | 'not_enough' | 'timeout';

const REFUND_OUTCOMES: readonly string[] = [
  'success',
  'processing',
  'closed',
  'abnormal',
  'not_enough',
  'timeout',
] satisfies MockRefundOutcome[];

export function mockRefundOutcome(metadata: Readonly<Record<string, unknown>>): MockRefundOutcome {
  const outcome = metadata.mock_refund_outcome;
  return typeof outcome === 'string' && REFUND_OUTCOMES.includes(outcome) ? (outcome as MockRefundOutcome) : 'success';
}
