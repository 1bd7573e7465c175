/** What a client does about a refusal; the words are in `dev/error-pages.ts`. */
export type ErrorAction =
  | 'ask_channel'
  | 'ask_operator'
  | 'authenticate'
  | 'check_id'
  | 'fix_request'
  | 'list_anew'
  | 'log_in_again'
  | 'log_payer_in'
  | 'order_again'
  | 'pay_anew'
  | 'read_case'
  | 'read_order'
  | 'read_payment'
  | 'read_refund'
  | 'refund_otherwise'
  | 'repeat'
  | 'use_new_external_id'
  | 'use_new_key'
  | 'use_other_role'
  | 'wait_for_bill';

interface ErrorEntry {
  status: number;
  /** For developers, in English. */
  title: string;
  action: ErrorAction;
}

/**
 * Every refusal that a client can meet: code → HTTP status, title and what to do. A code that is not here does not
 * compile, nor does one without a text in `user-messages.ts`. Codes are stable: clients branch on them.
 * `npm run docs:errors` makes `docs/errors.md` of it.
 */
export const ERRORS = {
  invalid_request: { status: 400, title: 'Invalid request', action: 'fix_request' },
  malformed_json: { status: 400, title: 'The body is not valid JSON', action: 'fix_request' },
  invalid_cursor: { status: 400, title: 'Invalid cursor', action: 'list_anew' },
  unauthenticated: { status: 401, title: 'A valid bearer token is required', action: 'authenticate' },
  login_failed: { status: 401, title: 'WeChat did not accept the login code', action: 'log_in_again' },
  forbidden: { status: 403, title: 'This role is not permitted to do this', action: 'use_other_role' },
  not_found: { status: 404, title: 'Not found', action: 'check_id' },
  method_not_allowed: { status: 405, title: 'Method not allowed', action: 'fix_request' },
  request_timeout: { status: 408, title: 'The request did not arrive in time', action: 'repeat' },
  idempotency_in_progress: {
    status: 409,
    title: 'A request with this Idempotency-Key is still running',
    action: 'repeat',
  },
  order_not_payable: { status: 409, title: 'The order is not open for payment', action: 'read_order' },
  order_expired: { status: 409, title: 'The order has expired', action: 'order_again' },
  order_not_cancellable: { status: 409, title: 'Only a pending order can be cancelled', action: 'read_order' },
  external_id_conflict: {
    status: 409,
    title: 'This external_id was used for another request',
    action: 'use_new_external_id',
  },
  payment_expired: { status: 409, title: 'The payment has expired', action: 'pay_anew' },
  payment_not_open: { status: 409, title: 'The payment is no longer open', action: 'read_payment' },
  other_provider: {
    status: 409,
    title: 'The payment was made through another payment provider',
    action: 'ask_operator',
  },
  provider_bound: { status: 409, title: 'The payment provider is in use and can be queried', action: 'ask_channel' },
  refund_outcome_required: {
    status: 409,
    title: 'The refund may have been carried out: `outcome` must say whether the payer has the money',
    action: 'fix_request',
  },
  payer_unknown: {
    status: 409,
    title: 'The payer has no openid: the user must log in through the mini-program first',
    action: 'log_payer_in',
  },
  payment_not_refundable: { status: 409, title: 'The payment has not succeeded', action: 'read_payment' },
  refund_exceeds_payment: {
    status: 409,
    title: 'The amount exceeds what can still be refunded',
    action: 'read_payment',
  },
  refund_mismatch: {
    status: 409,
    title: "WeChat Pay's refund of this number does not fit the payment",
    action: 'ask_operator',
  },
  refund_not_open: { status: 409, title: 'The status of the refund does not allow this', action: 'read_refund' },
  refund_too_old: {
    status: 409,
    title: 'The payment is more than 365 days old and cannot be refunded through WeChat Pay',
    action: 'refund_otherwise',
  },
  refund_too_many: { status: 409, title: 'A payment can be refunded in at most 50 parts', action: 'refund_otherwise' },
  day_not_over: {
    status: 409,
    title: 'The day is not over in China time: its bill is made on the next one',
    action: 'wait_for_bill',
  },
  discrepancy_resolved: { status: 409, title: 'The case is already resolved', action: 'read_case' },
  case_not_late_money: {
    status: 409,
    title: 'The case is not about late money: it can be resolved by a note or `booked`',
    action: 'fix_request',
  },
  order_has_open_payment: { status: 409, title: 'Another payment of the order is open; try again', action: 'repeat' },
  payment_refunded: {
    status: 409,
    title: 'The payment was refunded, or a refund of it is open',
    action: 'read_payment',
  },
  too_many_api_keys: {
    status: 409,
    title: 'The service has two live API keys: revoke one first',
    action: 'ask_operator',
  },
  illegal_transition: { status: 409, title: 'The status does not allow this', action: 'read_order' },
  payload_too_large: { status: 413, title: 'The body is larger than 64 KB', action: 'fix_request' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json', action: 'fix_request' },
  invalid_metadata: { status: 422, title: 'The metadata is not valid for the mock provider', action: 'fix_request' },
  payer_openid_required: {
    status: 422,
    title: 'The payer has no openid in this app, which a payment inside WeChat needs',
    action: 'log_payer_in',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
    action: 'use_new_key',
  },
  too_many_requests: { status: 429, title: 'Too many requests', action: 'repeat' },
  headers_too_large: { status: 431, title: 'The headers are larger than 16 KB', action: 'fix_request' },
  internal_error: { status: 500, title: 'Internal error', action: 'repeat' },
  session_needed: {
    status: 501,
    title: 'This requires a database session, which a pooler in transaction mode does not provide',
    action: 'ask_operator',
  },
  login_not_configured: {
    status: 501,
    title: 'Login is not configured on this server: use a token of your own issuer',
    action: 'ask_operator',
  },
  channel_rejected: { status: 502, title: 'WeChat Pay rejected the request', action: 'ask_operator' },
  channel_unavailable: { status: 503, title: 'WeChat Pay did not answer; try again', action: 'repeat' },
  provider_disabled: { status: 503, title: 'No payment provider is enabled', action: 'ask_operator' },
  service_unavailable: { status: 503, title: 'The service is temporarily unavailable; try again', action: 'repeat' },
} as const satisfies Record<string, ErrorEntry>;

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
