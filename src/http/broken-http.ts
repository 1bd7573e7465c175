import { PinoLogger } from 'nestjs-pino';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { DomainError, type ErrorCode } from '../common/errors.js';
import { CONTENT_LANGUAGE } from './language.js';
import { toProblem } from './problem.js';

const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/**
 * Answers bytes that never became a request (no HTTP, endless headers, too slow): a problem like any other, written to
 * the socket by hand, as there is no route and no reply. The connection ends, as it is unknown where the next request
 * would begin.
 */
export function refuseBrokenHttp(error: Error & { code?: string }, socket: Socket, requestId: string): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const code = CODES[error.code ?? ''];
  const known = code ? new DomainError(code) : new DomainError('invalid_request', 'the request is not valid HTTP');
  // Its headers were not read, so it is answered as one that asks for no language.
  const body = JSON.stringify(toProblem(known, requestId, 'zh'));
  PinoLogger.root.info({ request_id: requestId, status: known.status, code: known.code }, 'request that is no HTTP');
  const head = [
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}`,
    'content-type: application/problem+json; charset=utf-8',
    `content-language: ${CONTENT_LANGUAGE.zh}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy();
}
