import { createParamDecorator, ExecutionContext, SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Cause } from '../common/cause.js';
import { DomainError } from '../common/errors.js';
import type { ScopeName } from '../services/scopes.js';

export type Role = 'user' | 'operator' | 'service';
export const ROLES: readonly Role[] = ['user', 'operator', 'service'];

/** Who is asking, proved by a token or an API key. */
export interface Caller {
  /** The user's or operator's id; of a service its name, whichever key or token it uses. */
  id: string;
  role: Role;
  /** What the API key may be used for; null: everything that the role may, as with every token. */
  scopes: readonly ScopeName[] | null;
}

/**
 * Under which id a caller owns rows of tables that belong to users and services alike. A service's is its name, whichever API
 * key or token it uses, and never that of a user whose id is the same text: no id has a slash.
 */
export function ownerId({ id, role }: Caller): string {
  return role === 'service' ? `service/${id}` : id;
}

export interface AuthenticatedRequest extends FastifyRequest {
  user?: Caller;
}

export const PUBLIC = 'paydesk:public';
export const ALLOWED_ROLES = 'paydesk:roles';
export const OWNERSHIP = 'paydesk:ownership';
export const SCOPE = 'paydesk:scope';

/** Opens a route to everybody. Without it a token is asked for. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);

/** The roles that may use a route. Without it any token does, and ownership decides. */
export const Roles = (...roles: Role[]): MethodDecorator & ClassDecorator => SetMetadata(ALLOWED_ROLES, roles);

/**
 * What an API key needs to use the route. Each route that a service may use has one: without it the start names the route.
 * Users, operators and services with a token have every scope.
 */
export const Scope = (scope: ScopeName): MethodDecorator & ClassDecorator => SetMetadata(SCOPE, scope);

/** For what a field of the body asks beyond the route's own scope. @throws DomainError `forbidden`, naming the scope */
export function assertScope({ scopes }: Caller, scope: ScopeName): void {
  if (scopes !== null && !scopes.includes(scope))
    throw new DomainError('forbidden', `the API key does not have the scope ${scope}`);
}

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
