import { HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError, type ErrorCode, ERRORS, type FieldError } from '../common/errors.js';
import { type Language, USER_MESSAGES } from '../common/user-messages.js';
import { isDatabaseUnavailable } from '../database/database-errors.js';
import { CONTENT_LANGUAGE, languageOf } from './language.js';

/** RFC 9457 `application/problem+json`, with a stable `code`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  /** What may be shown to a payer, in the language that was asked for. */
  user_message: string;
  code: ErrorCode;
  request_id: string;
  errors?: FieldError[];
}

/** What an HTTP framework error means in our codes; whatever is not listed is `internal_error`. */
const BY_STATUS: Partial<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  414: 'invalid_request',
  415: 'unsupported_media_type',
  429: 'too_many_requests',
  503: 'service_unavailable',
};

/** Turns anything thrown into a refusal with a code. What is not one is a bug: `internal_error`, with no word of why. */
export function toDomainError(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  const { statusCode, code } = (error ?? {}) as { statusCode?: unknown; code?: unknown };
  // Before the database: a client that hangs up in the middle of its body is an ECONNRESET too.
  if (code === 'ECONNRESET' && statusCode === 400)
    return new DomainError('invalid_request', 'the request body is incomplete');
  if (isDatabaseUnavailable(error)) return new DomainError('service_unavailable');
  if (error instanceof HttpException) return new DomainError(BY_STATUS[error.getStatus()] ?? 'internal_error');
  if (typeof code === 'string' && code.startsWith('FST_ERR_CTP_INVALID_JSON')) return new DomainError('malformed_json');
  if (error instanceof SyntaxError && statusCode === 400) return new DomainError('malformed_json');
  if (typeof statusCode === 'number' && statusCode < 500)
    return new DomainError(BY_STATUS[statusCode] ?? 'invalid_request');
  return new DomainError('internal_error');
}

export function toProblem(error: DomainError, requestId: string, language: Language): Problem {
  const { title, status } = ERRORS[error.code];
  return {
    type: `urn:paydesk:error:${error.code}`,
    title,
    status,
    detail: error.message,
    user_message: USER_MESSAGES[error.code][language],
    code: error.code,
    request_id: requestId,
    ...(error.errors ? { errors: error.errors } : {}),
  };
}

/** Answers with the problem, its `user_message` in the language that the client prefers. */
export function sendProblem(error: DomainError, request: FastifyRequest, reply: FastifyReply): void {
  const language = languageOf(request.headers['accept-language']);
  const vary = reply.getHeader('vary');
  void reply
    .status(error.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .header('content-language', CONTENT_LANGUAGE[language])
    .header('vary', vary === undefined ? 'Accept-Language' : `${String(vary)}, Accept-Language`)
    .send(JSON.stringify(toProblem(error, request.id, language)));
}
