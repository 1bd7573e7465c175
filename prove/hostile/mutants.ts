import type { Chance } from '../random.js';
import type { Callback } from './notice.js';

/** A callback that was valid until one byte of it was touched. */
export interface Mutant extends Callback {
  kind: string;
}

/** What is done to a valid callback. */
type Touch = (valid: Callback) => Mutant;

const VISIBLE = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index));

/**
 * Every byte of the body and of every signature header changed, dropped, another one put before it, and everything from
 * it on cut off; every header left out, doubled and emptied. In an order of chance.
 * @param fresh answers the valid callback, signed not long ago: the same body and headers of the same length each time
 */
export function* mutants(fresh: () => Callback, chance: Chance): Generator<Mutant> {
  const { headers, body } = fresh();
  const touches = [
    ...Array.from(body, (_, at) => bodyTouches(at, chance)).flat(),
    ...headers.flatMap(([name, value], index) =>
      name === 'Content-Type' ? [] : headerTouches(index, value.length, chance),
    ),
  ];
  for (const touch of chance.shuffled(touches)) {
    const mutant = touch(fresh());
    if (!sameMeaning(mutant, fresh())) yield mutant;
  }
}

function bodyTouches(at: number, chance: Chance): Touch[] {
  const touch =
    (kind: string, change: (body: Buffer) => Buffer[]): Touch =>
    ({ headers, body }) => ({ kind: `callback body: ${kind}`, headers, body: Buffer.concat(change(body)) });
  return [
    touch('byte changed', (body) => [
      body.subarray(0, at),
      Buffer.from([(body[at] ?? 0) ^ (1 << chance.between(0, 8))]),
      body.subarray(at + 1),
    ]),
    touch('byte dropped', (body) => [body.subarray(0, at), body.subarray(at + 1)]),
    touch('byte added', (body) => [body.subarray(0, at), Buffer.from([chance.between(0, 256)]), body.subarray(at)]),
    touch('cut off', (body) => [body.subarray(0, at)]),
  ];
}

function headerTouches(index: number, size: number, chance: Chance): Touch[] {
  const touch =
    (kind: string, change: (value: string) => string[]): Touch =>
    ({ headers, body }) => {
      const [name, value] = headers[index] ?? ['', ''];
      const changed = change(value).map((one): [string, string] => [name, one]);
      return { kind: `callback header: ${kind}`, headers: headers.toSpliced(index, 1, ...changed), body };
    };
  const other = (value: string, at: number): string => chance.pick(VISIBLE.filter((one) => one !== value[at]));
  return [
    touch('left out', () => []),
    touch('emptied', () => ['']),
    touch('doubled', (value) => [value, value]),
    ...Array.from({ length: size }, (_, at) => [
      touch('byte changed', (value) => [`${value.slice(0, at)}${other(value, at)}${value.slice(at + 1)}`]),
      touch('byte dropped', (value) => [`${value.slice(0, at)}${value.slice(at + 1)}`]),
      touch('byte added', (value) => [`${value.slice(0, at)}${other(value, at)}${value.slice(at)}`]),
      touch('cut off', (value) => [value.slice(0, at)]),
    ]).flat(),
  ];
}

/** Hex means the same in either case, and the type of the signature goes without saying. */
function sameMeaning(mutant: Callback, valid: Callback): boolean {
  const plain = ({ headers, body }: Callback): string => {
    const told = headers.filter(
      ([name]) => name !== 'Wechatpay-Signature-Type' || mutant.headers.length === valid.headers.length,
    );
    const lines = told.map(([name, value]) => `${name}:${name === 'X-Mock-Signature' ? value.toLowerCase() : value}`);
    return `${lines.join()}\n${body.toString('latin1')}`;
  };
  return plain(mutant) === plain(valid);
}
