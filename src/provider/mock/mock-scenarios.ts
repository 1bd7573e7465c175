import { DomainError } from '../../common/errors.js';

const OUTCOMES = ['success', 'fail', 'pending', 'error', 'timeout'] as const;
const REFUND_OUTCOMES = ['success', 'processing', 'closed', 'abnormal', 'not_enough', 'timeout'] as const;

type Metadata = Readonly<Record<string, unknown>>;

/** What an order's `metadata.mock_outcome` makes the mock provider do. Null: none is set. */
export type MockOutcome = (typeof OUTCOMES)[number];

export function mockOutcome(metadata: Metadata): MockOutcome | null {
  return OUTCOMES.find((outcome) => outcome === metadata.mock_outcome) ?? null;
}

/** What `metadata.mock_refund_outcome` makes of a refund; `success` when none is set. */
export type MockRefundOutcome = (typeof REFUND_OUTCOMES)[number];

export function mockRefundOutcome(metadata: Metadata): MockRefundOutcome {
  return REFUND_OUTCOMES.find((outcome) => outcome === metadata.mock_refund_outcome) ?? 'success';
}

const ALLOWED: Readonly<Record<string, readonly unknown[]>> = {
  mock_outcome: OUTCOMES,
  mock_refund_outcome: REFUND_OUTCOMES,
  auto_success: [true, false],
};

/** A misspelled scenario would be ignored in silence. @throws DomainError `invalid_metadata` */
export function checkMockScenario(metadata: Metadata): void {
  for (const [name, allowed] of Object.entries(ALLOWED)) {
    const value = metadata[name];
    if (value === undefined || value === null || allowed.includes(value)) continue;
    const message = `metadata.${name} must be one of the following values: ${allowed.join(', ')}`;
    throw new DomainError('invalid_metadata', message, [{ field: `metadata.${name}`, message }]);
  }
}
