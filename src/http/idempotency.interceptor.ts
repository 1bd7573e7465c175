import {
  applyDecorators,
  CallHandler,
  createParamDecorator,
  ExecutionContext,
  Injectable,
  NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { catchError, concatMap, from, type Observable, of, throwError } from 'rxjs';
import { type Caller, ownerId } from '../auth/public.js';
import { Clock } from '../common/clock.js';
import { invalidField } from '../common/errors.js';
import { derivedId, type IdPrefix, newId } from '../common/ids.js';
import { isDatabaseUnavailable } from '../database/database-errors.js';
import { IdempotencyService } from './idempotency.service.js';
import { toDomainError } from './problem.js';

interface IdempotentRequest extends FastifyRequest {
  user?: Caller;
  /** The id under which this request creates what it creates. */
  resource?: string;
}

/** Runs a creating request at most once for each key of a user or a service, and answers a repeat with the first answer. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly keys: IdempotencyService,
    private readonly clock: Clock,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<IdempotentRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const key = readKey(request.headers['idempotency-key']);
    request.resource = newId('req', this.clock);
    if (key === null || !request.user) return next.handle();

    const userId = ownerId(request.user);
    const claim = await this.keys.claim(userId, key, `${whatIsAsked(request)} ${JSON.stringify(request.body)}`);
    if (claim.kind === 'replay') {
      void reply.status(claim.status).header('idempotent-replayed', 'true');
      return of(claim.body);
    }
    request.resource = claim.resource;
    return next.handle().pipe(
      concatMap((body) => from(this.keys.keep(userId, key, reply.statusCode, body).then(() => body as unknown))),
      catchError((error: unknown) => {
        const released = this.keys.release(userId, key, claim, toDomainError(error).status < 500);
        // The answer does not wait until the database is back.
        const wait = isDatabaseUnavailable(error) ? of(undefined) : from(released);
        return wait.pipe(concatMap(() => throwError(() => error)));
      }),
    );
  }
}

/** `POST /api/orders`, however the URL was written. */
function whatIsAsked({ method, routeOptions, params }: FastifyRequest): string {
  const values = params as Record<string, string>;
  const path = routeOptions.url?.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
  return `${method} ${path}`;
}

/** A proxy may send the header twice: the same value twice is one key, two different values are an error. */
function readKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  const values = new Set([header].flat().flatMap((value) => value.split(',').map((part) => part.trim())));
  const [key = ''] = values;
  if (values.size > 1 || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw invalidField('Idempotency-Key', 'must be one key of 1 to 255 printable ASCII characters without commas');
  }
  return key;
}

/** Marks a creating route: `Idempotency-Key` is honoured. */
export function Idempotent(): MethodDecorator & ClassDecorator {
  return applyDecorators(
    UseInterceptors(IdempotencyInterceptor),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: 'A repeated request with the same key and body gets the first response again, for 24 hours.',
      schema: { type: 'string', maxLength: 255 },
    }),
  );
}

/** The id of what this request creates: the same one when the request is repeated under its key. */
export const NewId = createParamDecorator((prefix: IdPrefix, context: ExecutionContext): string => {
  const { resource } = context.switchToHttp().getRequest<IdempotentRequest>();
  if (!resource) throw new Error('NewId needs @Idempotent() on the route');
  return derivedId(prefix, resource);
});
