import { readFileSync } from 'node:fs';
import { HttpLine, requestBytes } from '../../dev/http-line.js';
import type { Chance } from '../random.js';
import { TEA } from '../shop.js';
import { callbacks, controls, flood } from './callbacks.js';
import { LEFT_OUT, type OpenApi, type Route, routesOf } from './document.js';
import { fuzz, type Playground } from './fuzz.js';
import type { Input, Role } from './input.js';
import { Judge } from './judge.js';
import { checksums, idsOf, SPARE, spareId } from './rows.js';
import { prefixOf, tryStrangersIds } from './strangers.js';
import type { Target } from './target.js';
import { forgedTokens, forgeries, goodTokens } from './tokens.js';
import { type Vitals, vitals } from './vitals.js';

export interface Campaign {
  judge: Judge;
  routes: Route[];
  /** Pairs of a stranger's id and an unknown one that answered the same bytes. */
  strangersIds: number;
  vitals: Vitals[];
}

const LANES = 8;
/** The service has met everything once by then, and its heap has its size. */
const WARM_SHARE = 0.1;

/** Sends so many hostile inputs of every class to the target, and looks at every answer, at its rows, log and memory. */
export async function attack(target: Target, inputs: number, chance: Chance): Promise<Campaign> {
  const { program, db, victim } = target;
  const judge = new Judge(target.secrets, process.cwd());
  const document = (await (await fetch(`${program.url}/openapi.json`)).json()) as OpenApi;
  const routes = routesOf(document);
  const before = await checksums(db, victim.userId);
  const lines = Array.from({ length: LANES }, () => new HttpLine(program.port));
  const seen: Vitals[] = [];
  const measure = async (): Promise<void> => {
    const one = program.pid === null ? null : await vitals(program.pid, program.url, db, judge.inputs);
    if (one) seen.push(one);
  };
  const first = lines[0] as HttpLine;
  await checkGoodTokens(target, judge);
  const strangersIds = await tryStrangersIds(routes, victim, (role) => target.token(role), first, judge);

  const doors = await doorsOf(routes, first);
  const bounded = [
    callbacks(target, chance),
    forgeries(doors, chance.shuffled(forgedTokens(target.tokenKeys, target.claims('operator')))),
  ];
  const stream = mixed(bounded, fuzz(routes, playgroundOf(target), chance), inputs, chance);
  const warm = Math.floor(inputs * WARM_SHARE);
  await send(stream, warm, lines, judge);
  await measure();
  for (let part = 0; part < 3; part += 1) {
    await send(stream, Math.ceil((inputs - warm) / 3), lines, judge);
    await measure();
  }
  await send(flood(target), Infinity, lines, judge);

  compare(before, await checksums(db, victim.userId), judge);
  // What was mutated was valid: it is taken when nothing of it is touched.
  await send(controls(target), Infinity, [first], judge);
  for (const line of lines) line.close();
  if (program.pid === null) judge.find('the service has ended');
  const log = readFileSync(program.log, 'utf8');
  for (const what of judge.leaks(log)) judge.find(`the log holds ${what}`);
  if (/eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/.test(log)) judge.find('the log holds a token');
  for (const { name } of routes) if (!judge.byRoute.has(name)) judge.find(`${name} got no input`);
  return { judge, routes, strangersIds, vitals: seen };
}

/** How often something untouched is taken: what is settled is refused at once. */
const SPARE_SHARE = 0.7;

/** All of what is bounded, mixed evenly into what is without end, so many altogether. */
function* mixed(
  bounded: Generator<Input>[],
  endless: Generator<Input>,
  count: number,
  chance: Chance,
): Generator<Input> {
  const left = new Set(bounded);
  // What is bounded is over well before the end, or is a fair part of what there is time for.
  for (let index = 0; index < count; index += 1) {
    const source = left.size > 0 && chance.next() < 0.5 ? chance.pick([...left]) : endless;
    const next = source.next();
    if (!next.done) yield next.value;
    else {
      left.delete(source);
      index -= 1;
    }
  }
}

async function send(inputs: Generator<Input>, count: number, lines: HttpLine[], judge: Judge): Promise<void> {
  let left = count;
  const lane = async (line: HttpLine): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const next = inputs.next();
      if (next.done) return;
      judge.look(next.value, await line.send(next.value));
    }
  };
  await Promise.all(lines.map(lane));
}

/** Routes that ask for a token: those that answer 401 without one. */
async function doorsOf(routes: readonly Route[], line: HttpLine): Promise<Route[]> {
  const doors: Route[] = [];
  for (const route of routes) {
    const bytes = requestBytes({ method: route.method, target: route.path, headers: [], body: Buffer.alloc(0) });
    if (!route.callback && (await line.send({ bytes })).status === 401) doors.push(route);
  }
  return doors;
}

async function checkGoodTokens({ tokenKeys, claims, program }: Target, judge: Judge): Promise<void> {
  for (const token of goodTokens(tokenKeys, claims('operator'))) {
    const { status } = await fetch(`${program.url}/api/admin/payments`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (status !== 200) judge.find(`a good token is answered ${status}`);
  }
}

function compare(before: Record<string, string>, after: Record<string, string>, judge: Judge): void {
  for (const [name, sum] of Object.entries(before))
    if (after[name] !== sum) judge.find(`rows of ${name} have moved: ${sum} before, ${after[name]} after`);
}

/** The player's rows for every role to play with; the victim's too for those who may not touch them. */
function playgroundOf({ token, victim, player }: Target): Playground {
  const owns = (role: Role): boolean => role === 'operator' || role === 'service';
  const rowsFor = (role: Role, chance: Chance): typeof victim => (!owns(role) && chance.next() < 0.3 ? victim : player);
  let logins = 0;
  return {
    token,
    fields(role, path, chance) {
      const rows = rowsFor(role, chance);
      const own = rows === player && chance.next() < SPARE_SHARE;
      const number = chance.between(0, SPARE);
      logins += 1;
      return {
        code: `hostile_${logins}`,
        product_id: TEA,
        quantity: 1,
        // Fields that exclude each other, and those that not every caller may send.
        ...chance.pick([
          { user_id: LEFT_OUT, payer: { openid: rows.openid } },
          { user_id: rows.userId, payer: LEFT_OUT },
        ]),
        external_id: role === 'service' && chance.next() < 0.5 ? `${logins % 200}` : LEFT_OUT,
        merchant: LEFT_OUT,
        expires_in: 600,
        start: chance.next() < 0.3 ? { scene: 'jsapi' } : LEFT_OUT,
        approve: role !== 'user' && chance.next() < 0.3,
        openid: rows.openid,
        appid: LEFT_OUT,
        description: 'Hostile tea',
        amount: 1,
        metadata: { cart: 'c-17' },
        order_id: own ? spareId('ord', 'new', number) : chance.pick([rows.openOrderId, rows.orderId]),
        payment_id: own ? spareId('pay', 'paid', number) : rows.paymentId,
        ...(path === '/api/refunds' &&
          chance.pick([
            { order_id: LEFT_OUT },
            { payment_id: LEFT_OUT, order_id: own ? spareId('ord', 'paid', number) : rows.orderId },
          ])),
        reason: 'because',
        to: 'merchant_card',
      };
    },
    id(role, path, chance) {
      const rows = rowsFor(role, chance);
      const number = chance.between(0, SPARE);
      if (rows === player && chance.next() < SPARE_SHARE) {
        if (path.startsWith('/api/refunds/')) return spareId('ref', 'paid', number);
        if (path.startsWith('/api/payments/')) return spareId('pay', 'open', number);
      }
      return chance.pick(idsOf(rows)[prefixOf(path)] ?? [rows.paymentId]);
    },
  };
}
