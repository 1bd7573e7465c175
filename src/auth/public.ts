import { createParamDecorator, ExecutionContext, SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Cause } from '../common/cause.js';

export type Role = 'user' | 'operator' | 'service';
export const ROLES: readonly Role[] = ['user', 'operator', 'service'];

/** Who is asking, proved by a token. */
export interface Caller {
  id: string;
  role: Role;
}

export interface AuthenticatedRequest extends FastifyRequest {
  user?: Caller;
}

export const PUBLIC = 'paydesk:public';
export const ALLOWED_ROLES = 'paydesk:roles';
export const OWNERSHIP = 'paydesk:ownership';

/** Opens a route to everybody. Without it a token is asked for. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);

/** The roles that may use a route. Without it any token does, and ownership decides. */
export const Roles = (...roles: Role[]): MethodDecorator & ClassDecorator => SetMetadata(ALLOWED_ROLES, roles);

/**
 * The route asks the database for the caller's own rows and no others, so that other users' do not exist for it. Where a
 * guard looks the owner up instead, the route has `@OwnedBy`.
 */
export const OwnRowsOnly = (): MethodDecorator => SetMetadata(OWNERSHIP, 'own rows only');

export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { user } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!user) throw new Error('CurrentUser on a public route');
  return user;
});

/** Who and why, for the event rows of whatever this request moves. */
export const RequestCause = createParamDecorator((_: unknown, context: ExecutionContext): Cause => {
  const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
  return { kind: 'request', actor: request.user?.id ?? 'anonymous', requestId: request.id };
});
