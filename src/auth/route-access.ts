import { Injectable, OnModuleInit, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/internal';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { ALLOWED_ROLES, OWNERSHIP, PUBLIC, type Role } from './public.js';

type Handler = (...args: unknown[]) => unknown;
type ControllerClass = new (...args: unknown[]) => object;

/**
 * A route with an id in its path must say whose things it is for, or the service does not start: the guard lets any token
 * pass where nothing is said, and a forgotten decorator would show one customer the payments of another.
 */
@Injectable()
export class RouteAccess implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  /** @throws Error that names every route without a rule */
  onModuleInit(): void {
    const classes = new Set(this.discovery.getControllers().map(({ metatype }) => metatype as ControllerClass));
    const unruled = [...classes].flatMap((controller) => this.unruledRoutes(controller));
    if (unruled.length === 0) return;
    throw new Error(
      'Routes with an id in their path and no rule of who may use them; add @OwnedBy, @OwnRowsOnly, @Roles without ' +
        `'user', or @Public:\n${unruled.map((route) => `  - ${route}`).join('\n')}`,
    );
  }

  private unruledRoutes(controller: ControllerClass): string[] {
    const prototype = controller.prototype as Record<string, Handler>;
    return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
      const handler = prototype[name] as Handler;
      const own = Reflect.getMetadata(PATH_METADATA, handler) as string | string[] | undefined;
      if (own === undefined || this.hasRule(handler, controller)) return [];
      const base = Reflect.getMetadata(PATH_METADATA, controller) as string | string[];
      const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod];
      return [base]
        .flat()
        .flatMap((prefix) => [own].flat().map((path) => `/${prefix}/${path}`.replaceAll(/\/+/g, '/')))
        .filter((path) => /[:*{]/.test(path))
        .map((path) => `${method} ${path} (${controller.name}.${name})`);
    });
  }

  private hasRule(handler: Handler, controller: ControllerClass): boolean {
    const has = <T>(key: string) => this.reflector.getAllAndOverride<T | undefined>(key, [handler, controller]);
    const roles = has<Role[]>(ALLOWED_ROLES);
    return Boolean(has(PUBLIC) ?? has(OWNERSHIP) ?? (roles && !roles.includes('user')));
  }
}
