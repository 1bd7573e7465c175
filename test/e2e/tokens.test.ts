import { SignJWT } from 'jose';
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { HOUR } from '../../src/common/clock.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { newCustomer, type Problem } from '../support/flows.js';

/** In seconds. */
const DAYS = 86_400;
const STRICT = { JWT_MAX_TTL_SECONDS: '3600' };

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token put together by hand: any header, any signature. */
function forged(header: Record<string, unknown>, claims: Record<string, unknown>, secret?: string): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  const signature = secret === undefined ? '' : createHmac('sha256', secret).update(signed).digest('base64url');
  return `${signed}.${signature}`;
}

describe('bearer tokens', () => {
  let paydesk: TestApp;
  let claims: Record<string, unknown>;

  const ask = async (token: string): Promise<number> => (await paydesk.api(token).get('/orders/')).status;

  beforeAll(async () => {
    paydesk = await startTestApp();
    const now = Math.floor(paydesk.clock.now().getTime() / 1000);
    claims = { sub: 'usr_somebody', role: 'user', iat: now, exp: now + 600 };
  });
  afterAll(() => paydesk.close());

  const secret = (): string => paydesk.settings.jwtSecret ?? '';

  it('opens the API with a token of our own making, HS256 under JWT_SECRET', async () => {
    expect(await ask(forged({ alg: 'HS256' }, claims, secret()))).toBe(200);
    expect(await ask(forged({ alg: 'HS256' }, { ...claims, role: undefined }, secret()))).toBe(200);
    expect(await ask(forged({ alg: 'HS256' }, { ...claims, aud: ['other', 'paydesk'] }, secret()))).toBe(200);
  });

  it.each<[string, () => string]>([
    ['no token at all', () => ''],
    ['something else than a token', () => 'not-a-token'],
    ['a token without signature, alg none', () => forged({ alg: 'none' }, claims)],
    ['alg none in capitals', () => forged({ alg: 'NONE' }, claims)],
    ['a signature under another secret', () => forged({ alg: 'HS256' }, claims, 'another secret of 32 characters!')],
    ['an algorithm beside the three', () => forged({ alg: 'HS512' }, claims, secret())],
    ['a token for another audience', () => forged({ alg: 'HS256' }, { ...claims, aud: 'other' }, secret())],
    ['a token without a subject', () => forged({ alg: 'HS256' }, { ...claims, sub: undefined }, secret())],
    ['a subject that is no text', () => forged({ alg: 'HS256' }, { ...claims, sub: 17 }, secret())],
    ['a subject with a line break', () => forged({ alg: 'HS256' }, { ...claims, sub: 'a\nb' }, secret())],
    ['a role that nobody has', () => forged({ alg: 'HS256' }, { ...claims, role: 'root' }, secret())],
    ['a token that is not valid yet', () => forged({ alg: 'HS256' }, { ...claims, nbf: 32503680000 }, secret())],
    ['an expired token', () => forged({ alg: 'HS256' }, { ...claims, exp: Number(claims.iat) - 1 }, secret())],
    ['a critical extension that we do not know', () => forged({ alg: 'HS256', crit: ['x'], x: 1 }, claims, secret())],
  ])('answers 401 to %s', async (_, make) => {
    const token = make();
    const answer = await paydesk.api(token === '' ? undefined : token).get<Problem>('/orders/');
    expect(answer.status).toBe(401);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it.each<[string, (now: number) => Record<string, unknown>, string]>([
    ['that never ends', () => ({ exp: undefined }), 'the token has no exp claim'],
    ['that says in words when it ends', () => ({ exp: 'tomorrow' }), 'the token has no exp claim'],
    [
      'that lives longer than thirty days',
      (now) => ({ iat: now, exp: now + 30 * DAYS + 61 }),
      'the lifetime of the token exceeds',
    ],
    [
      'that is old, and was made for a year',
      (now) => ({ iat: now - 364 * DAYS, exp: now + DAYS }),
      'the lifetime of the token exceeds',
    ],
    [
      'that claims to be issued later',
      (now) => ({ iat: now + 300 * DAYS, exp: now + 301 * DAYS }),
      'the lifetime of the token exceeds',
    ],
    [
      'that does not say when it was issued',
      (now) => ({ iat: undefined, exp: now + 31 * DAYS }),
      'the lifetime of the token exceeds',
    ],
  ])('answers 401 to a token of any role %s', async (_, changes, detail) => {
    for (const role of ['user', 'operator', 'service']) {
      const token = forged({ alg: 'HS256' }, { ...claims, role, ...changes(Number(claims.iat)) }, secret());
      const answer = await paydesk.api(token).get<Problem>('/orders/');
      expect([role, answer.status, answer.body.code]).toEqual([role, 401, 'unauthenticated']);
      expect(answer.body.detail).toContain(detail);
    }
  });

  it('takes a token of thirty days, from a clock that is a little ahead', async () => {
    const iat = Number(claims.iat) + 20;
    expect(await ask(forged({ alg: 'HS256' }, { ...claims, iat, exp: iat + 30 * DAYS }, secret()))).toBe(200);
  });

  it('lets tokens live as long as JWT_MAX_TTL_SECONDS says', async () => {
    const strict = await startTestApp({ databaseUrl: paydesk.databaseUrl, clock: paydesk.clock, env: STRICT });
    try {
      const status = async (life: number): Promise<number> => {
        const token = forged({ alg: 'HS256' }, { ...claims, exp: Number(claims.iat) + life }, secret());
        return (await strict.api(token).get('/orders/')).status;
      };
      expect([await status(3600), await status(3661)]).toEqual([200, 401]);
      expect((await (await strict.as('operator')).get('/admin/payments/')).status).toBe(200);
    } finally {
      await strict.close();
    }
  });

  it('answers 401 to a token whose claims were changed after it was signed', async () => {
    const [head, , signature] = forged({ alg: 'HS256' }, claims, secret()).split('.');
    expect(await ask(`${head}.${encode({ ...claims, role: 'operator' })}.${signature}`)).toBe(401);
  });

  it('takes a token in the Authorization header alone, as Bearer in any case', async () => {
    const token = forged({ alg: 'HS256' }, claims, secret());
    const withHeader = (value: string): Promise<number> =>
      paydesk
        .api()
        .get('/orders/', { authorization: value })
        .then((answer) => answer.status);
    expect(await withHeader(`bearer ${token}`)).toBe(200);
    expect(await withHeader(token)).toBe(401);
    expect(await withHeader(`Basic ${token}`)).toBe(401);
    expect((await paydesk.api().get(`/products/?access_token=${token}`)).status).toBe(200);
    expect((await paydesk.api().get(`/orders/?access_token=${token}`)).status).toBe(401);
  });

  it('ends a login after its time', async () => {
    const customer = await newCustomer(paydesk);
    expect((await customer.api.get('/orders/')).status).toBe(200);
    paydesk.clock.advance(2 * HOUR + 1000);
    const late = await customer.api.get<Problem>('/orders/');
    expect(late).toMatchObject({ status: 401, body: { code: 'unauthenticated', detail: 'the token has expired' } });
    paydesk.clock.advance(-2 * HOUR - 1000);
  });
});

describe.each([
  ['RS256', rsa],
  ['ES256', ec],
])('tokens of another system, %s under JWT_PUBLIC_KEY', (alg, keys) => {
  let paydesk: TestApp;

  const issue = (key: KeyObject, header = alg): Promise<string> => {
    const now = Math.floor(paydesk.clock.now().getTime() / 1000);
    return new SignJWT({ role: 'user' })
      .setProtectedHeader({ alg: header })
      .setSubject('customer-17')
      .setExpirationTime(now + 60)
      .sign(key);
  };
  const ask = async (token: string): Promise<number> => (await paydesk.api(token).get('/orders/')).status;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { JWT_PUBLIC_KEY: pem(keys.publicKey).replaceAll('\n', '\\n') } });
  });
  afterAll(() => paydesk.close());

  it('are taken, and theirs alone', async () => {
    expect(await ask(await issue(keys.privateKey))).toBe(200);
    const stranger = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : ec2();
    expect(await ask(await issue(stranger.privateKey))).toBe(401);
  });

  it('cannot be made out of the public key, used as if it were a secret', async () => {
    const text = pem(keys.publicKey);
    const claims = { sub: 'customer-17', role: 'operator', exp: 32503680000 };
    for (const secret of [text, text.trim(), text.replaceAll('\n', '\\n')]) {
      expect(await ask(forged({ alg: 'HS256' }, claims, secret))).toBe(401);
    }
    expect(await ask(forged({ alg }, claims, text))).toBe(401);
  });

  it('expire', async () => {
    const token = await issue(keys.privateKey);
    paydesk.clock.advance(61_000);
    expect(await ask(token)).toBe(401);
  });

  it('make a login of our own impossible, as nobody here can sign', async () => {
    expect((await paydesk.api().post('/auth/login/', { code: 'alice' })).status).toBe(404);
  });
});

function ec2(): { privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}
