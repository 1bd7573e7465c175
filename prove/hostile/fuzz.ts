import { gzipSync } from 'node:zlib';
import { requestBytes } from '../../dev/http-line.js';
import type { Chance } from '../random.js';
import { bodyOf, type Route } from './document.js';
import { type Input, type Role, ROLES } from './input.js';
import {
  bigJson,
  BROKEN_HTTP,
  CONTENT_TYPES,
  ODD_HEADERS,
  ODD_JSON,
  ODD_QUERIES,
  ODD_QUERY,
  ODD_SEGMENTS,
  OTHER_METHODS,
} from './values.js';

/** What a request is made of before anything is wrong with it. */
export interface Draft {
  method: string;
  path: string;
  query: string;
  headers: (readonly [name: string, value: string])[];
  /** The body's fields as JSON text; null where the route takes none. */
  fields: Map<string, string> | null;
  /** In place of what the fields make. */
  body: Buffer | null;
  /** In place of everything. */
  raw: Buffer | null;
}

/** What may be played with, and what a request of each role carries. */
export interface Playground {
  token: (role: Role) => string | null;
  /** Values of a body's fields by their name, some of them strange to this role. */
  fields(role: Role, path: string, chance: Chance): Record<string, unknown>;
  /** The id that belongs into this path, some of them strange to this role. */
  id(role: Role, path: string, chance: Chance): string;
}

type Mutate = (draft: Draft, chance: Chance, route: Route) => void;

const QUOTED = (text: string): string => JSON.stringify(text);
const names = (draft: Draft): string[] => [...(draft.fields?.keys() ?? [])];
const write = (draft: Draft): string =>
  `{${[...(draft.fields ?? [])].map(([name, value]) => `${QUOTED(name)}:${value}`).join()}}`;

/** Sets a field, one too many where the route takes none. */
function set(draft: Draft, chance: Chance, value: string): void {
  draft.fields ??= new Map();
  draft.fields.set(chance.pick([...names(draft), ...(draft.fields.size > 0 ? [] : ['extra'])]), value);
}

/** One more than texts may have somewhere. */
const LENGTHS = [33, 65, 81, 129, 201, 257, 2001, 5000];

const ENCODINGS: readonly ((text: string) => Buffer)[] = [
  (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  (text) => Buffer.from(text, 'utf16le').swap16(),
  (text) => Buffer.from(`\ufeff${text}`),
  (text) => Buffer.concat([Buffer.from(text), Buffer.alloc(64)]),
  (text) => Buffer.from(text.replaceAll('"', '"\xff'), 'latin1'),
  (text) => Buffer.from(text.replace(/:"/, ':"\xed\xa0\x80'), 'latin1'),
  (text) => Buffer.from(text.replace(/:"/, ':"\xc0\x80'), 'latin1'),
  (text) => Buffer.from(text.replace(/"}/, '\xe8\x8c"}'), 'latin1'),
  (text) => Buffer.from(text.replace(/:"/, ':"\0')),
  (text) => Buffer.from(`\0${text}`),
];

const BROKEN_JSON: readonly ((text: string) => string)[] = [
  (text) => text.slice(0, -1),
  (text) => `${text}${text}`,
  (text) => text.replace(/}$/, ',}'),
  (text) => `//\n${text}`,
  (text) => text.replaceAll('"', "'"),
  (text) => `)]}',\n${text}`,
  () => ' \n\t ',
  () => '}',
];

/** Everything that can be wrong with a request, by the class it is counted under. */
const MUTATIONS: Readonly<Record<string, Mutate>> = {
  'as the document says': () => undefined,
  'field: odd value': (draft, chance) => set(draft, chance, chance.pick(ODD_JSON)),
  'field: huge or deep': (draft, chance) => set(draft, chance, bigJson(chance)),
  'field: a little too long': (draft, chance) => {
    const texts = [...(draft.fields ?? [])].filter(([, text]) => text.startsWith('"')).map(([name]) => name);
    if (texts.length > 0) draft.fields?.set(chance.pick(texts), QUOTED('x'.repeat(chance.pick(LENGTHS))));
  },
  'field: missing': (draft, chance) => void draft.fields?.delete(chance.pick(['', ...names(draft)])),
  'field: number as text': (draft) => {
    for (const [name, text] of draft.fields ?? []) if (/^\d+$/.test(text)) draft.fields?.set(name, QUOTED(text));
  },
  'field: one too many': (draft, chance) => {
    draft.fields ??= new Map();
    draft.fields.set(
      chance.pick(['id', 'role', 'status', 'price', 'constructor', '', '\0', '茶']),
      chance.pick(ODD_JSON),
    );
  },
  'field: doubled': (draft, chance) => {
    const text = write(draft);
    const name = chance.pick([...names(draft), 'extra']);
    draft.body = Buffer.from(
      text.replace(/^{/, `{${QUOTED(name)}:${chance.pick(ODD_JSON)}${text === '{}' ? '' : ','}`),
    );
  },
  'field: prototype': (draft, chance) => {
    const name = chance.pick(['"__proto__"', '"\\u005f\\u005fproto__"', '"constructor"', '"prototype"']);
    const text = write(draft);
    draft.body = Buffer.from(
      text.replace(/}$/, `${text === '{}' ? '' : ','}${name}:{"prototype":{"role":"operator"}}}`),
    );
  },
  'body: another shape': (draft, chance) => {
    const text = write(draft);
    draft.body = Buffer.from(chance.pick([`[${text}]`, `{"body":${text}}`, QUOTED(text), ...ODD_JSON]));
  },
  'body: huge or deep': (draft, chance) => void (draft.body = Buffer.from(bigJson(chance))),
  'body: encoding': (draft, chance) => void (draft.body = chance.pick(ENCODINGS)(write(draft))),
  'body: broken JSON': (draft, chance) => void (draft.body = Buffer.from(chance.pick(BROKEN_JSON)(write(draft)))),
  'body: compressed': (draft, chance) => {
    draft.body = gzipSync(write(draft));
    if (chance.next() < 0.8) draft.headers.push(['Content-Encoding', chance.pick(['gzip', 'deflate', 'br', 'x'])]);
  },
  'body: empty': (draft) => void (draft.body = Buffer.alloc(0)),
  'body: in chunks': (draft) => {
    const text = Buffer.from(write(draft));
    const chunks = [...text].map((byte) => `1;x=${'y'.repeat(3)}\r\n${String.fromCharCode(byte)}\r\n`).join('');
    draft.headers.push(['Transfer-Encoding', 'chunked']);
    draft.body = Buffer.from(`${chunks}0\r\n\r\n`, 'latin1');
  },
  'content type': (draft, chance) => {
    draft.headers = draft.headers.filter(([name]) => name !== 'Content-Type');
    draft.body = Buffer.from(write(draft));
    const type = chance.pick(CONTENT_TYPES);
    if (type !== '') draft.headers.push(['Content-Type', type]);
  },
  method: (draft, chance) => void (draft.method = chance.pick(OTHER_METHODS)),
  'query: odd value': (draft, chance, { query }) => {
    const name = chance.pick([...query, ...query, 'extra']);
    draft.query = `?${name}=${chance.pick(ODD_QUERY)}`;
  },
  'query: doubled': (draft, chance, { query }) => {
    const name = chance.pick([...query, 'extra']);
    draft.query = `?${name}=${chance.pick(ODD_QUERY)}&${name}=${chance.pick(ODD_QUERY)}`;
  },
  'query: odd as a whole': (draft, chance) => void (draft.query = `?${chance.pick(ODD_QUERIES)}`),
  'path: odd id': (draft, chance, { path }) => {
    const odd = chance.pick(ODD_SEGMENTS);
    draft.path = path.includes('{id}') ? path.replace('{id}', odd) : `${path}/${odd}`;
  },
  'path: odd shape': (draft, chance) => {
    const make = chance.pick<(path: string) => string>([
      (path) => `/${path}`,
      (path) => `${path}//`,
      (path) => path.toUpperCase(),
      (path) => path.replace(/[aeiou]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
      (path) => `${path}%2F`,
      (path) => `/x/..${path}`,
      (path) => `http://evil.test${path}`,
      (path) => `/${path.slice(1).replaceAll('/', '%2f')}`,
      (path) => `${path};jsessionid=1`,
      (path) => `${path}/%00`,
      (path) => `${path}.json`,
    ]);
    draft.path = make(draft.path);
  },
  'header: odd value': (draft, chance) => {
    const [name, value] = chance.pick(ODD_HEADERS);
    draft.headers = [...draft.headers.filter(([other]) => other !== name), [name, value]];
  },
  'header: doubled': (draft, chance) => {
    draft.headers.push(...chance.pick([draft.headers, [...draft.headers].reverse(), [chance.pick(ODD_HEADERS)]]));
    draft.headers.push(['Idempotency-Key', 'one'], ['Idempotency-Key', chance.pick(['one', 'two'])]);
  },
  'several at once': (draft, chance, route) => {
    for (let index = 0; index < 3; index += 1) MUTATIONS[chance.pick(MIXED)]?.(draft, chance, route);
  },
  'no HTTP': (draft, chance) => {
    draft.raw = Buffer.from(chance.pick(BROKEN_HTTP).replaceAll('PATH', draft.path), 'latin1');
  },
};

const KINDS = Object.keys(MUTATIONS);
const MIXED = KINDS.filter((kind) => kind.startsWith('field') || kind.startsWith('query') || kind.startsWith('header'));

/**
 * Every route in every class, in an order of chance, and then so on without end: mostly by the role that may use the
 * route, since the others are sent away at its door.
 */
export function* fuzz(routes: readonly Route[], playground: Playground, chance: Chance): Generator<Input> {
  const all = routes.flatMap((route) => KINDS.flatMap((kind) => rolesOf(route).map((role) => ({ route, role, kind }))));
  for (;;) {
    for (const { route, role, kind } of chance.shuffled(all)) {
      if (role !== 'any') yield make(route, role, kind, playground, chance);
      else yield make(route, chance.pick(ROLES), kind, playground, chance);
    }
  }
}

function rolesOf({ path, callback }: Route): (Role | 'any')[] {
  if (callback || path.startsWith('/health')) return ['any'];
  if (path.startsWith('/api/admin/')) return ['operator', 'operator', 'any'];
  return path.startsWith('/api/refunds') || path === '/api/orders'
    ? ['user', 'service', 'any']
    : ['user', 'user', 'any'];
}

function make(route: Route, role: Role, kind: string, playground: Playground, chance: Chance): Input {
  const token = playground.token(role);
  const schema = route.bodies.length > 0 ? chance.pick(route.bodies) : null;
  const body = schema ? bodyOf(schema, playground.fields(role, route.path, chance)) : null;
  const draft: Draft = {
    method: route.method,
    path: route.path.replace('{id}', playground.id(role, route.path, chance)),
    query: route.query.includes('payment_id') ? `?payment_id=${playground.id(role, '/payments/', chance)}` : '',
    headers: [
      ['Content-Type', 'application/json'],
      ...(token === null ? [] : [['Authorization', `Bearer ${token}`] as const]),
    ],
    fields: body ? new Map(Object.entries(body).map(([name, value]) => [name, JSON.stringify(value)])) : null,
    body: null,
    raw: null,
  };
  // Else the limit of one address would be all that is met.
  if (route.callback) draft.headers.push(['X-Forwarded-For', `192.0.2.${chance.between(0, 256)}`]);
  MUTATIONS[kind]?.(draft, chance, route);
  const { method, path, query, headers } = draft;
  const bytes = draft.body ?? (draft.fields ? Buffer.from(write(draft)) : undefined);
  const parts = { method, target: `${path}${query}`, headers, ...(bytes && { body: bytes }) };
  return { kind, route: route.name, role, bytes: draft.raw ?? requestBytes(parts), head: method === 'HEAD' };
}
