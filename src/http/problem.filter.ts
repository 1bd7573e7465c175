import { ArgumentsHost, Catch, ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError } from '../common/errors.js';
import type { PaymentProvider } from '../provider/payment-provider.js';
import { isCallback } from './pool.js';
import { sendProblem, toDomainError } from './problem.js';

/** The one place where an error becomes an answer. Never a stack, SQL or a secret. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly log = new Logger('http');
  /** Words the refusals of callbacks; set before the first request can come. */
  provider!: Pick<PaymentProvider, 'reject'>;

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    this.answer(error, request, reply);
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const known = toDomainError(error);
    request.refusedWith = known.code;
    if (known.code === 'internal_error') this.log.error({ err: error, request_id: request.id }, 'unexpected error');
    else if (known.status === 503) {
      // A refusal that we make ourselves says all in its words; of other errors the stack tells where they came from.
      const why = error instanceof DomainError ? { reason: error.message } : { err: error };
      this.log.warn({ ...why, request_id: request.id }, known.code);
    }
    if (reply.sent) return;
    if (known.status === 503) void reply.header('retry-after', '2');
    if (known.status === 429 && !reply.hasHeader('retry-after')) void reply.header('retry-after', '60');
    if (isCallback(request)) {
      const body = this.provider.reject(known.code);
      void reply.status(known.status).header('content-type', 'application/json; charset=utf-8').send(body);
      return;
    }
    sendProblem(known, request, reply);
  }
}
