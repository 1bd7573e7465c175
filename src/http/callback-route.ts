import type { FastifyRequest } from 'fastify';

/** Whether this is the channel calling back: the body is bytes with a signature over them. */
export function isCallback(request: FastifyRequest): boolean {
  return request.pool === 'callback';
}

/**
 * Lets the body be read as bytes, whatever content type the channel or a proxy gives it, or none: the signature is checked
 * before anything is parsed, and a type that Fastify cannot read would be refused before that.
 */
export function readAsBytes(request: FastifyRequest): void {
  request.headers['content-type'] = 'application/octet-stream';
}

export const SUCCESS_BODY = JSON.stringify({ code: 'SUCCESS', message: '成功' });

/** The body that, with a 4xx or 5xx status, makes WeChat Pay send the notice again. */
export function fail(message: string): string {
  return JSON.stringify({ code: 'FAIL', message });
}
