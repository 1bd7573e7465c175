import { type HttpLine, requestBytes } from '../../dev/http-line.js';
import type { IdPrefix } from '../../src/common/ids.js';
import type { Route } from './document.js';
import { type Input, type Role, ROLES } from './input.js';
import type { Judge } from './judge.js';
import { freshId, idsOf, type Rows } from './rows.js';

/** Where a route takes an id: in its path, in a body or in a query. */
interface Place {
  route: Route;
  prefix: IdPrefix;
  request: (id: string) => { target: string; body?: Record<string, unknown> };
}

const PREFIXES: readonly [part: string, prefix: IdPrefix][] = [
  ['/discrepancies/', 'dis'],
  ['/orders/', 'ord'],
  ['/payments/', 'pay'],
  ['/refunds/', 'ref'],
  ['/notifications/', 'ntf'],
];

export function prefixOf(path: string): IdPrefix {
  return PREFIXES.find(([part]) => path.includes(part))?.[1] ?? 'pay';
}

/** Good bodies, so that nothing but the id can be refused. */
const BODY = { reason: 'because', note: 'seen', to: 'merchant_card' };

function placesOf(route: Route): Place[] {
  const places: Place[] = [];
  const { path, bodies, query } = route;
  const fields = Object.keys(bodies[0]?.properties ?? {});
  const body = Object.fromEntries(Object.entries(BODY).filter(([name]) => fields.includes(name)));
  if (path.includes('{id}'))
    places.push({
      route,
      prefix: prefixOf(path),
      request: (id) => ({ target: path.replace('{id}', id), ...(fields.length > 0 && { body }) }),
    });
  for (const [field, prefix] of [
    ['order_id', 'ord'],
    ['payment_id', 'pay'],
  ] as const) {
    if (route.callback) continue;
    if (fields.includes(field))
      places.push({ route, prefix, request: (id) => ({ target: path, body: { [field]: id } }) });
    if (query.includes(field)) places.push({ route, prefix, request: (id) => ({ target: `${path}?${field}=${id}` }) });
  }
  return places;
}

/** Operators may use these routes for every customer: for them it is no stranger's id. Another service placed the orders. */
function entitled({ route: { path }, prefix }: Place, role: Role): boolean {
  if (role !== 'operator') return false;
  return path.startsWith('/api/admin/') || (path.startsWith('/api/refunds') && ['ref', 'pay', 'ord'].includes(prefix));
}

/**
 * Sends the victim's ids and unknown ones to every route that takes one, by every role that owns neither: the two
 * answers must be the same bytes, a 404 where the role may use the route at all. Answers how many places it tried.
 */
export async function tryStrangersIds(
  routes: readonly Route[],
  victim: Rows,
  token: (role: Role) => string | null,
  line: HttpLine,
  judge: Judge,
): Promise<number> {
  const ids = idsOf(victim);
  let tried = 0;
  for (const place of routes.flatMap(placesOf))
    for (const role of ROLES) {
      if (entitled(place, role)) continue;
      for (const extra of [[], [['Idempotency-Key', 'one-of-the-strangers']]] as [string, string][][]) {
        for (const id of ids[place.prefix] ?? []) {
          const ask = async (asked: string): Promise<string> => {
            const input = inputOf(place, role, asked, token(role), extra);
            const answer = await line.send(input);
            judge.look(input, answer);
            // The id itself is the one thing in which the two may differ, and nothing echoes it.
            return `${answer.head.replace(/^date:.*$/im, '')}\n${answer.body}`;
          };
          const [theirs, unknown] = [await ask(id), await ask(freshId(place.prefix))];
          if (theirs !== unknown)
            judge.find(
              `${place.route.name} by ${role} tells a stranger's id from an unknown one: ${inShort(theirs)} / ${inShort(unknown)}`,
            );
          tried += 1;
        }
      }
    }
  return tried;
}

function inputOf(place: Place, role: Role, id: string, bearer: string | null, extra: [string, string][]): Input {
  const { target, body } = place.request(id);
  const headers: [string, string][] = [['X-Request-Id', 'one-and-the-same-request'], ...extra];
  if (bearer !== null) headers.push(['Authorization', `Bearer ${bearer}`]);
  if (body) headers.push(['Content-Type', 'application/json']);
  const bytes = requestBytes({
    method: place.route.method,
    target,
    headers,
    ...(body && { body: Buffer.from(JSON.stringify(body)) }),
  });
  const must = role === 'none' ? [401] : [404, 403];
  return {
    kind: "a stranger's id",
    route: place.route.name,
    role,
    bytes,
    must: ({ status }) => {
      if (!must.includes(status)) return `answered ${status} to a stranger's id`;
      if (status === 403 && !mayBeForbidden(place.route, role)) return 'answered 403 instead of 404';
      return null;
    },
  };
}

/** Routes of the staff, and orders which operators do not place: there the role is refused before any id is looked at. */
function mayBeForbidden({ path, method }: Route, role: Role): boolean {
  if (path.startsWith('/api/admin/')) return role !== 'operator';
  return method === 'POST' && /^\/api\/refunds\/\{id\}\/(approve|succeed|reject|retry-abnormal)$/.test(path);
}

const inShort = (answer: string): string => JSON.stringify(`${answer.slice(0, 30)} … ${answer.slice(-200)}`);
