/**
 * Every refusal that a client can meet: code → HTTP status and title. A code that is not here does not compile.
 * Codes are stable: clients branch on them.
 */
export const ERRORS = {
  invalid_request: { status: 400, title: 'Invalid request' },
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_cursor: { status: 400, title: 'Invalid cursor' },
  unauthenticated: { status: 401, title: 'A valid bearer token is required' },
  login_failed: { status: 401, title: 'WeChat did not accept the login code' },
  forbidden: { status: 403, title: 'This role is not permitted to do this' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  idempotency_in_progress: { status: 409, title: 'A request with this Idempotency-Key is still running' },
  order_not_payable: { status: 409, title: 'The order is not open for payment' },
  order_expired: { status: 409, title: 'The order has expired' },
  payment_expired: { status: 409, title: 'The payment has expired' },
  payment_not_open: { status: 409, title: 'The payment is no longer open' },
  other_provider: { status: 409, title: 'The payment was made through another payment provider' },
  provider_bound: { status: 409, title: 'The payment provider is in use and can be queried' },
  refund_outcome_required: {
    status: 409,
    title: 'The refund may have been carried out: `outcome` must say whether the payer has the money',
  },
  payer_unknown: { status: 409, title: 'The payer has no openid: the user must log in through the mini-program first' },
  payment_not_refundable: { status: 409, title: 'The payment has not succeeded' },
  refund_exceeds_payment: { status: 409, title: 'The amount exceeds what can still be refunded' },
  refund_mismatch: { status: 409, title: "WeChat Pay's refund of this number does not fit the payment" },
  refund_not_open: { status: 409, title: 'The status of the refund does not allow this' },
  refund_too_old: {
    status: 409,
    title: 'The payment is more than 365 days old and cannot be refunded through WeChat Pay',
  },
  refund_too_many: { status: 409, title: 'A payment can be refunded in at most 50 parts' },
  day_not_over: { status: 409, title: 'The day is not over in China time: its bill is made on the next one' },
  discrepancy_resolved: { status: 409, title: 'The case is already resolved' },
  case_not_late_money: {
    status: 409,
    title: 'The case is not about late money: it can be resolved by a note or `booked`',
  },
  order_has_open_payment: { status: 409, title: 'Another payment of the order is open; try again' },
  payment_refunded: { status: 409, title: 'The payment was refunded, or a refund of it is open' },
  too_many_api_keys: { status: 409, title: 'The service has two live API keys: revoke one first' },
  illegal_transition: { status: 409, title: 'The status does not allow this' },
  payload_too_large: { status: 413, title: 'The body is larger than 64 KB' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  invalid_metadata: { status: 422, title: 'The metadata is not valid for the mock provider' },
  idempotency_key_reused: { status: 422, title: 'This Idempotency-Key was used for another request' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The headers are larger than 16 KB' },
  internal_error: { status: 500, title: 'Internal error' },
  session_needed: {
    status: 501,
    title: 'This requires a database session, which a pooler in transaction mode does not provide',
  },
  login_not_configured: {
    status: 501,
    title: 'Login is not configured on this server: use a token of your own issuer',
  },
  channel_rejected: { status: 502, title: 'WeChat Pay rejected the request' },
  channel_unavailable: { status: 503, title: 'WeChat Pay did not answer; try again' },
  provider_disabled: { status: 503, title: 'No payment provider is enabled' },
  service_unavailable: { status: 503, title: 'The service is temporarily unavailable; try again' },
} as const;

export type ErrorCode = keyof typeof ERRORS;

export interface FieldError {
  field: string;
  message: string;
}

/** A refusal with a stable code. The one filter turns it into problem+json; anything else thrown is a bug and a 500. */
export class DomainError extends Error {
  constructor(
    readonly code: ErrorCode,
    detail?: string,
    readonly errors?: FieldError[],
  ) {
    super(detail ?? ERRORS[code].title);
    this.name = 'DomainError';
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** `invalid_request` that names one field. */
export function invalidField(field: string, message: string): DomainError {
  return new DomainError('invalid_request', `${field} ${message}`, [{ field, message }]);
}
