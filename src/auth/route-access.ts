import { Injectable, OnModuleInit, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/internal';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { ALLOWED_ROLES, OWNERSHIP, PUBLIC, type Role, SCOPE } from './public.js';

type Handler = (...args: unknown[]) => unknown;
type ControllerClass = new (...args: unknown[]) => object;

interface Route {
  handler: Handler;
  controller: ControllerClass;
  /** `GET /api/orders/:id`, one for each path of the route. */
  paths: string[];
  /** For people: where it stands. */
  name: string;
}

/**
 * A route with an id in its path must say whose things it is for, and one that a service may use which scope an API key needs
 * for it, or the service does not start: the guard lets any token pass where nothing is said, and a forgotten decorator would
 * show one customer the payments of another, or open a route to every key.
 */
@Injectable()
export class RouteAccess implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  /** @throws Error that names every route without a rule or a scope */
  onModuleInit(): void {
    const classes = new Set(this.discovery.getControllers().map(({ metatype }) => metatype as ControllerClass));
    const routes = [...classes].flatMap((controller) => this.routesOf(controller));
    const problems = [
      ...list(
        "Routes with an id in their path and no rule of who may use them; add @OwnedBy, @OwnRowsOnly, @Roles without 'user', " +
          'or @Public:',
        routes.filter((route) => !this.hasRule(route)),
        (path) => /[:*{]/.test(path),
      ),
      ...list(
        "Routes that a service may use and that have no scope; add @Scope, @Roles without 'service', or @Public:",
        routes.filter((route) => !this.hasScope(route)),
        () => true,
      ),
    ];
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  private routesOf(controller: ControllerClass): Route[] {
    const prototype = controller.prototype as Record<string, Handler>;
    return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
      const handler = prototype[name] as Handler;
      const own = Reflect.getMetadata(PATH_METADATA, handler) as string | string[] | undefined;
      if (own === undefined) return [];
      const base = Reflect.getMetadata(PATH_METADATA, controller) as string | string[];
      const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod];
      const paths = [base]
        .flat()
        .flatMap((prefix) => [own].flat().map((path) => `${method} /${prefix}/${path}`.replaceAll(/\/+/g, '/')));
      return [{ handler, controller, paths, name: `${controller.name}.${name}` }];
    });
  }

  private hasRule(route: Route): boolean {
    const roles = this.read<Role[]>(route, ALLOWED_ROLES);
    return Boolean(
      this.read(route, PUBLIC) ?? this.read(route, OWNERSHIP) ?? (roles !== undefined && !roles.includes('user')),
    );
  }

  private hasScope(route: Route): boolean {
    const roles = this.read<Role[]>(route, ALLOWED_ROLES);
    return Boolean(
      this.read(route, PUBLIC) ?? this.read(route, SCOPE) ?? (roles !== undefined && !roles.includes('service')),
    );
  }

  private read<T>({ handler, controller }: Route, key: string): T | undefined {
    return this.reflector.getAllAndOverride<T | undefined>(key, [handler, controller]);
  }
}

/** The head and a line for each path; nothing where there is none. */
function list(head: string, routes: Route[], which: (path: string) => boolean): string[] {
  const lines = routes.flatMap(({ paths, name }) => paths.filter(which).map((path) => `  - ${path} (${name})`));
  return lines.length === 0 ? [] : [head, ...lines];
}
