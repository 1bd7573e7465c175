import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { DomainError } from '../common/errors.js';
import type { ScopeName } from '../services/scopes.js';
import { Callers } from './callers.js';
import { ALLOWED_ROLES, assertScope, type AuthenticatedRequest, PUBLIC, type Role, SCOPE } from './public.js';

/** Deny by default: every route asks for a token or an API key unless it is marked `@Public()`, and for a role where one is named. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly callers: Callers,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, targets)) return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const bearer = bearerToken(request);
    if (!bearer) throw new DomainError('unauthenticated');
    request.user = await this.callers.prove(bearer);
    const roles = this.reflector.getAllAndOverride<Role[]>(ALLOWED_ROLES, targets);
    if (roles && !roles.includes(request.user.role)) throw new DomainError('forbidden');
    // A route without a scope is for no service: `RouteAccess` sees to it at the start.
    const scope = this.reflector.getAllAndOverride<ScopeName | undefined>(SCOPE, targets);
    if (scope !== undefined) assertScope(request.user, scope);
    return true;
  }
}

/** The token or API key that a request brings; null where there is none, or nothing that could be one. */
export function bearerToken({ headers }: Pick<AuthenticatedRequest, 'headers'>): string | null {
  return /^Bearer +([\w.~+/=-]{1,8192})$/i.exec(headers.authorization ?? '')?.[1] ?? null;
}
