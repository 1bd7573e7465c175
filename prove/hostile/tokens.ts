import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { requestBytes } from '../../dev/http-line.js';
import { base64Json, hmac, jwt } from '../api.js';
import type { Route } from './document.js';
import { type Input, statusIn } from './input.js';

/** What the service checks tokens with, as their issuer knows it. */
export interface TokenKeys {
  secret: string;
  /** PEM of the public key and its private half: RS256. */
  publicPem: string;
  privateKey: KeyObject;
  audience: string;
}

type Claims = Record<string, unknown>;

/** A token signed with a secret or with a private key, whatever algorithm its header names. */
function signedToken(header: object, claims: unknown, key: string | Buffer | KeyObject, hash?: string): string {
  return jwt(header, claims, (text) =>
    typeof key === 'string' || Buffer.isBuffer(key)
      ? hmac(text, key, hash)
      : sign(hash ?? 'sha256', Buffer.from(text), key).toString('base64url'),
  );
}

/** Good tokens of every kind that is taken: the proof that the forged ones fail for what is wrong with them. */
export function goodTokens(keys: TokenKeys, claims: Claims): string[] {
  return [
    signedToken({ alg: 'HS256' }, claims, keys.secret),
    signedToken({ alg: 'HS256', kid: 'any' }, { ...claims, aud: ['x', keys.audience] }, keys.secret),
    signedToken({ alg: 'RS256' }, claims, keys.privateKey),
  ];
}

/** Forged tokens by what is forged about them. `claims` are good ones. */
export function* forgedTokens(keys: TokenKeys, claims: Claims): Generator<[kind: string, token: string]> {
  yield* otherAlgorithms(keys, claims);
  yield* headerTricks(keys, claims);
  yield* wrongClaims(keys, claims);
  yield* brokenTokens(goodTokens(keys, claims)[0] ?? '', claims);
}

function* otherAlgorithms(keys: TokenKeys, claims: Claims): Generator<[string, string]> {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, 0, ['HS256'], ['none'], 'hs256', 'HS256 ', undefined]) {
    yield ['token: alg none', jwt({ alg }, claims, () => '')];
    yield ['token: alg none', signedToken({ alg }, claims, keys.secret)];
  }
  const der = createPublicKey(keys.publicPem).export({ type: 'spki', format: 'der' });
  const { n = '' } = createPublicKey(keys.publicPem).export({ format: 'jwk' });
  const pem = keys.publicPem;
  const texts = [pem, pem.trim(), pem.replaceAll('\n', '\\n'), pem.replaceAll('\n', '\r\n')];
  for (const secret of [...texts, der, n, '', 'secret', 'null']) {
    yield ['token: public key as a secret', signedToken({ alg: 'HS256' }, claims, secret)];
    yield ['token: public key as a secret', signedToken({ alg: 'RS256' }, claims, secret)];
  }
  for (const alg of ['HS384', 'HS512', 'RS256', 'ES256', 'PS256', 'EdDSA', 'A256KW', 'dir'])
    yield ['token: other algorithm', signedToken({ alg }, claims, keys.secret, alg === 'HS512' ? 'sha512' : 'sha256')];
  for (const alg of ['RS384', 'RS512', 'PS256', 'ES256', 'HS256'])
    yield [
      'token: other algorithm',
      signedToken({ alg }, claims, keys.privateKey, alg === 'RS512' ? 'sha512' : 'sha256'),
    ];
}

function* headerTricks(keys: TokenKeys, claims: Claims): Generator<[string, string]> {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = own.publicKey.export({ format: 'jwk' });
  const tricks: Claims[] = [
    { jwk },
    { jku: 'http://evil.test/keys' },
    { x5u: 'http://evil.test/cert' },
    { x5c: ['MIIB'] },
    { kid: '../../../../dev/null' },
    { kid: "x' UNION SELECT 'secret" },
    { kid: '\0' },
    { kid: ['x'] },
    { crit: ['exp'] },
    { crit: ['b64'], b64: false },
    { crit: [] },
    { zip: 'DEF', crit: ['zip'] },
  ];
  for (const trick of tricks) {
    yield ['token: header trick', signedToken({ alg: 'RS256', ...trick }, claims, own.privateKey)];
    yield ['token: header trick', signedToken({ alg: 'HS256', ...trick }, claims, '')];
    if ('crit' in trick) yield ['token: header trick', signedToken({ alg: 'HS256', ...trick }, claims, keys.secret)];
  }
  const doubled = `${Buffer.from('{"alg":"HS256","alg":"none"}').toString('base64url')}.${base64Json(claims)}`;
  yield ['token: header trick', `${doubled}.`];
  yield ['token: header trick', `${doubled}.${hmac(doubled, keys.secret)}`];
}

const ODD_ROLES = ['user,operator', '__proto__', 'constructor'];

function* wrongClaims(keys: TokenKeys, claims: Claims): Generator<[string, string]> {
  const now = Number(claims.iat);
  const wrong: [kind: string, change: Claims][] = [
    ...[now - 1, now - 1e6, 0, -1, -0, `${now + 600}`, null, [now + 600], {}, true].map((exp): [string, Claims] => [
      'expired',
      { exp },
    ]),
    ...[now + 600, 1e15, `${now - 600}`, [0], {}, false].map((nbf): [string, Claims] => ['not valid yet', { nbf }]),
    ...['other', '', ['other'], [], [[keys.audience]], {}, 0, `${keys.audience} `, null].map(
      (aud): [string, Claims] => ['other audience', { aud }],
    ),
    ...['root', '', 'OPERATOR', 'operator ', ['operator'], [['user']], {}, 0, true, ...ODD_ROLES].map(
      (role): [string, Claims] => ['odd role', { role }],
    ),
    ...[undefined, null, '', 0, ['usr_x'], {}, 'a b', 'a\nb', 'a\0b', '茶', "' OR 1=1--", 'x'.repeat(65), '../x'].map(
      (sub): [string, Claims] => ['odd subject', { sub }],
    ),
  ];
  for (const [kind, change] of wrong)
    yield [`token: ${kind}`, signedToken({ alg: 'HS256' }, { ...claims, ...change }, keys.secret)];
  for (const payload of ['text', [], [claims], null, 1, true])
    yield ['token: odd payload', signedToken({ alg: 'HS256' }, payload, keys.secret)];
  yield ['token: other secret', signedToken({ alg: 'HS256' }, claims, `${keys.secret}x`)];
}

/** A good token cut off, with one letter changed at every place, and with its claims changed. */
function* brokenTokens(good: string, claims: Claims): Generator<[string, string]> {
  const [head = '', body = '', signature = ''] = good.split('.');
  for (let at = 1; at < good.length; at += 1) yield ['token: cut off', good.slice(0, at)];
  for (let at = 0; at < good.length; at += 1) {
    if (good[at] === '.') continue;
    const changed = `${good.slice(0, at)}${good[at] === 'A' ? 'B' : 'A'}${good.slice(at + 1)}`;
    // The last letter of a signature holds two bits that mean nothing.
    if (
      !Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(Buffer.from(signature, 'base64url')) ||
      at < good.lastIndexOf('.')
    )
      yield ['token: letter changed', changed];
  }
  const changes = [{ role: 'user' }, { role: 'service' }, { sub: 'usr_other' }, { exp: 32503680000 }, { admin: true }];
  for (const change of changes)
    yield ['token: claims changed', `${head}.${base64Json({ ...claims, ...change })}.${signature}`];
  const odd = [`${head}.${body}`, `${head}.${body}.${signature}.`, `${head}.${body}${`.${signature}`.repeat(3)}`];
  odd.push(`.${body}.${signature}`, `${head}..${signature}`, '..', `${good}, Bearer ${good}`);
  for (const form of odd) yield ['token: odd form', form];
  for (const huge of [`${head}.${'A'.repeat(8000)}.${signature}`, 'A'.repeat(9000)]) yield ['token: huge', huge];
}

/** Forged tokens, each at two of the doors in turn; each must be refused as no token at all. */
export function* forgeries(doors: readonly Route[], forged: Iterable<[string, string]>): Generator<Input> {
  let turn = 0;
  for (const [kind, value] of forged) {
    const headers = [['Authorization', `Bearer ${value}`] as const];
    for (const door of [doors[turn % doors.length], doors[(turn += 3) % doors.length]]) {
      if (!door) continue;
      const bytes = requestBytes({ method: door.method, target: door.path, headers });
      yield { kind, route: door.name, role: 'none', bytes, must: statusIn(401) };
    }
  }
}
