import { envelope, sealed } from '../../bench/notices.js';
import type { Chance } from '../random.js';
import { bigJson, ODD_JSON } from './values.js';

/** A callback with a right signature over something odd. */
export interface Genuine {
  kind: string;
  /** The bytes that are to be signed. */
  body: Buffer;
  /** What it says is not so: it may not be taken. Else it may, about a payment that is there to be played with. */
  refused: boolean;
}

/** The facts of a notice, and the fields that must be right for it to be one. */
export interface Facts {
  eventType: string;
  originalType: 'transaction' | 'refund';
  content: Record<string, unknown>;
  critical: readonly string[];
}

type Fields = Record<string, unknown>;

/** A text that no honest value contains: where odd JSON is put in. */
const HOLE = '\u0001hole\u0001';

/** Odd texts in the place of each field, by its path; each field left out. In an order of chance. */
function changed(content: Fields, chance: Chance): { path: string; text: string }[] {
  const all = pathsOf(content).flatMap((path) => {
    const whole = JSON.stringify(withField(content, path, HOLE));
    const odd = [...ODD_JSON, bigJson(chance), bigJson(chance)].filter(
      (text) => text !== JSON.stringify(fieldOf(content, path)),
    );
    const texts = odd.map((text) => whole.replace(JSON.stringify(HOLE), () => text));
    return [JSON.stringify(withField(content, path, undefined)), ...texts].map((text) => ({ path, text }));
  });
  return chance.shuffled(all);
}

/** Plain texts that are no notice at all. */
function bombs(text: string): Buffer[] {
  const doubled = `{${text.slice(1, -1)},${text.slice(1, -1)}}`;
  const texts = [
    ...['', '[]', 'null', '1', '"x"', 'NaN', '{', `[${text}]`, `${text}x`, '{"__proto__":{"trade_state":"SUCCESS"}}'],
    ...[
      '['.repeat(40_000),
      '{"a":'.repeat(8000),
      `{"a":${'['.repeat(23)}${']'.repeat(23)}}`,
      `"${'\\'.repeat(30_000)}`,
    ],
    ...[`{${'"a":1,'.repeat(6000)}"b":1}`, `{"a":"${'\\u0000'.repeat(6000)}"}`, `{"a":1e${'9'.repeat(30_000)}}`],
    ...[doubled.replace(/^{/, '{"amount":{"total":1},'), `\ufeff${text}`, '\0'.repeat(100), text + ' '.repeat(40_000)],
  ].map((one) => Buffer.from(one));
  return [
    ...texts,
    Buffer.from(text, 'utf16le'),
    Buffer.from([0xff, 0xfe, 0xc0, 0x80]),
    Buffer.from('{"a":"\xff"}', 'latin1'),
  ];
}

/** Genuine notices of WeChat Pay about `canary`, of which none may be taken, and about what may be played with. */
export function* genuineNotices(canary: Facts, toy: Facts, apiV3Key: string, chance: Chance): Generator<Genuine> {
  const notice = (plain: string | Buffer): Buffer => noticeOf(canary, plain, apiV3Key);
  const sealedPart = /^resource(\.|$)/;
  type Odd = [kind: string, refused: boolean, body: () => Buffer];
  const odd = (kind: string, refused: boolean, texts: { text: string }[], make: (text: string) => Buffer): Odd[] =>
    texts.map(({ text }) => [kind, refused, () => make(text)]);
  const critical = (facts: Facts, wanted: boolean): { text: string }[] =>
    changed(facts.content, chance).filter(({ path }) => facts.critical.includes(path) === wanted);
  const inEnvelope = (facts: Facts, isSealed: boolean): { text: string }[] =>
    changed(JSON.parse(noticeOf(facts, facts.content, apiV3Key).toString()) as Fields, chance).filter(
      ({ path }) => sealedPart.test(path) === isSealed,
    );
  const all: Odd[] = [
    ...odd('odd fact', true, critical(canary, true), notice),
    ...odd('odd detail', false, critical(toy, false), notice),
    ...bombs(JSON.stringify(toy.content)).map((plain): Odd => ['odd plain text', false, () => notice(plain)]),
    ...odd('odd resource', true, inEnvelope(canary, true), (text) => Buffer.from(text)),
    // What is not sealed may say what it likes; another event is none of ours and is taken as such, moving nothing.
    ...odd('odd envelope', false, inEnvelope(toy, false), (text) => Buffer.from(text)),
    ...bombs('{}').map((body): Odd => ['odd body', true, () => body]),
  ];
  for (const [kind, refused, body] of chance.shuffled(all))
    yield { kind: `genuine callback: ${kind}`, refused, body: body() };
}

/** The same of the mock provider, whose callbacks are not sealed. */
export function* genuineMock(canary: Fields, toy: Fields, chance: Chance): Generator<Genuine> {
  for (const { path, text } of changed(canary, chance))
    // Without the amount, or with another transaction, it says nothing wrong.
    if (path !== 'transaction_id' && text.includes('"amount"'))
      yield { kind: 'genuine callback: odd fact', body: Buffer.from(text), refused: true };
  for (const { path, text } of changed(toy, chance))
    if (path === 'transaction_id')
      yield { kind: 'genuine callback: odd detail', body: Buffer.from(text), refused: false };
  for (const body of bombs(JSON.stringify(toy))) yield { kind: 'genuine callback: odd body', body, refused: false };
}

/** The notice of these facts that says this, sealed and not yet signed. */
export function noticeOf({ eventType, originalType }: Facts, says: string | Buffer | Fields, apiV3Key: string): Buffer {
  const plain = typeof says === 'string' || Buffer.isBuffer(says) ? says : JSON.stringify(says);
  return Buffer.from(JSON.stringify(envelope(eventType, sealed(plain, originalType, apiV3Key))));
}

function pathsOf(content: Fields, before = ''): string[] {
  return Object.entries(content).flatMap(([name, value]) => {
    const path = `${before}${name}`;
    return typeof value === 'object' && value !== null ? [path, ...pathsOf(value as Fields, `${path}.`)] : [path];
  });
}

function fieldOf(content: Fields, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Fields)[name], content);
}

function withField(content: Fields, path: string, value: unknown): Fields {
  const [name = '', ...rest] = path.split('.');
  const inner = rest.length > 0 ? withField(content[name] as Fields, rest.join('.'), value) : value;
  return { ...content, [name]: inner };
}
