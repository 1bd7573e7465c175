import { applyDecorators, CanActivate, ExecutionContext, Injectable, SetMetadata, UseGuards } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type AuthenticatedRequest, type Caller, OWNERSHIP, type Role } from '../auth/public.js';
import { DomainError } from '../common/errors.js';
import { isId } from '../common/ids.js';
import { type OwnedEntity, type Owners, OwnershipLookup } from './ownership-lookup.js';

interface Ownership {
  entity: OwnedEntity;
  /** Where the id stands: `params.id`, `body.order_id`, … */
  at: [part: 'params' | 'body' | 'query', field: string];
  /** Roles that may use the route for every user's order; a service never for one that another service placed. */
  orRoles: Role[];
}

const PREFIX = { order: 'ord', payment: 'pay', refund: 'ref' } as const;

/**
 * Lets only its owner touch an order, its payments and refunds: the user who pays, and the service that placed it. Another
 * one's answers 404, the same bytes as one that does not exist.
 */
@Injectable()
export class OrderOwnerGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly owners: OwnershipLookup,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rules = this.reflector.get<Ownership[]>(OWNERSHIP, context.getHandler());
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    for (const rule of rules) await this.assertMayUse(rule, request);
    return true;
  }

  private async assertMayUse({ entity, at, orRoles }: Ownership, request: AuthenticatedRequest): Promise<void> {
    const id = (request[at[0]] as Record<string, unknown> | undefined | null)?.[at[1]];
    // A field that is missing or no text is the validation's business: it says which field is wrong.
    if (typeof id !== 'string' && at[0] !== 'params') return;
    if (!isId(PREFIX[entity], String(id))) throw new DomainError('not_found');

    const owners = await this.owners.of(entity, String(id));
    if (!owners || !request.user || !mayUse(request.user, owners, orRoles)) throw new DomainError('not_found');
  }
}

function mayUse({ role, id }: Caller, { userId, service }: Owners, orRoles: Role[]): boolean {
  if (role === 'service' && service !== null) return service === id;
  return (role === 'user' && userId === id) || orRoles.includes(role);
}

/** One of the things that a route is about. */
interface Owned {
  entity: OwnedEntity;
  /** Where its id stands; left out: the path's `id`. */
  at?: Ownership['at'];
}

/** Only the owner of the thing, or of each of these that the request names, may use the route (and `orRoles`). */
export function OwnedBy(owned: OwnedEntity | Owned | Owned[], ...orRoles: Role[]): MethodDecorator {
  const list = [typeof owned === 'string' ? { entity: owned } : owned].flat();
  const rules = list.map(({ entity, at = ['params', 'id'] }): Ownership => ({ entity, at, orRoles }));
  return applyDecorators(SetMetadata(OWNERSHIP, rules), UseGuards(OrderOwnerGuard));
}
