import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';

const TEMPLATE = 'TEMPLATE_ID_0001';

type Body = Record<string, unknown>;

describe('the mini-program APIs', () => {
  let sim: Simulator;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 2 });
  });

  beforeEach(() => sim.reset());

  afterAll(() => sim.close());

  const ask = async (path: string, body?: object): Promise<Body> => {
    const answer = await fetch(
      sim.url + path,
      body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) },
    );
    expect(answer.status).toBe(200);
    return (await answer.json()) as Body;
  };
  const login = (code: string, more: Body = {}): Promise<Body> => {
    const { appid, appSecret: secret } = sim.credentials;
    const query = { appid, secret, js_code: code, grant_type: 'authorization_code', ...more };
    return ask(`/sns/jscode2session?${new URLSearchParams(query as Record<string, string>).toString()}`);
  };
  const token = (more: Body = {}): Promise<Body> => {
    const { appid, appSecret: secret } = sim.credentials;
    return ask('/cgi-bin/stable_token', { grant_type: 'client_credential', appid, secret, ...more });
  };
  const accessToken = async (): Promise<string> => String((await token()).access_token);
  const openid = (): string => sim.loginCode('alice').openid;
  const send = async (more: Body = {}, access?: string): Promise<unknown> => {
    const message = {
      touser: openid(),
      template_id: TEMPLATE,
      miniprogram_state: 'formal',
      lang: 'zh_CN',
      data: { thing1: { value: '公仔' }, amount2: { value: '¥1.00' } },
      ...more,
    };
    const query = new URLSearchParams({ access_token: access ?? (await accessToken()) });
    return (await ask(`/cgi-bin/message/subscribe/send?${query.toString()}`, message)).errcode;
  };

  it('log a user in with a code of one use; the same user keeps the same openid', async () => {
    const first = await login('alice.1');
    expect(first).toMatchObject({ openid: openid(), session_key: expect.any(String) as string });
    expect(first.errcode).toBeUndefined();
    expect((await login('alice.2')).openid).toBe(first.openid);
    expect((await login('bob.1')).openid).not.toBe(first.openid);
    expect(await login('alice.1')).toMatchObject({ errcode: 40029 });
  });

  it('give codes that live five minutes', async () => {
    const { code } = sim.loginCode('alice');
    await sim.advance(301);
    expect(await login(code)).toMatchObject({ errcode: 40029 });
    expect((await login(sim.loginCode('alice').code)).openid).toBe(openid());
  });

  it('refuse another app, another secret, and what is missing', async () => {
    expect(await login('alice.1', { appid: 'wx0000000000000000' })).toMatchObject({ errcode: 40013 });
    expect(await login('alice.1', { secret: 'wrong' })).toMatchObject({ errcode: 40125 });
    expect(await login('alice.1', { secret: '' })).toMatchObject({ errcode: 41004 });
    expect(await login('')).toMatchObject({ errcode: 41008 });
    await sim.faults({ rules: [{ at: 'login', do: 'errcode', errcode: 45011, times: 1 }] });
    expect(await login('alice.1')).toMatchObject({ errcode: 45011 });
    expect(await login('alice.1')).toHaveProperty('openid');
  });

  it('give the same stable token until five minutes before its end, then both work for five minutes', async () => {
    const first = await token();
    expect(first.expires_in).toBe(7200);
    await sim.advance(6800);
    expect((await token()).access_token).toBe(first.access_token);
    await sim.advance(150);
    const second = await token();
    expect(second.access_token).not.toBe(first.access_token);
    expect(await send({}, String(first.access_token))).toBe(0);
    expect(await send({}, String(second.access_token))).toBe(0);
    await sim.advance(301);
    expect([42001, 40001]).toContain(await send({}, String(first.access_token)));
    expect(await send({}, String(second.access_token))).toBe(0);
  });

  it('kill the old token when a new one is forced, twenty times a day and not twice in thirty seconds', async () => {
    const first = await accessToken();
    const forced = await token({ force_refresh: true });
    expect(await send({}, first)).toBe(40001);
    expect(await send({}, String(forced.access_token))).toBe(0);
    expect(await token({ force_refresh: true })).toMatchObject({ errcode: 45011 });
    for (let time = 2; time <= 20; time += 1) {
      await sim.advance(31);
      expect(await token({ force_refresh: true })).toHaveProperty('access_token');
    }
    await sim.advance(31);
    expect(await token({ force_refresh: true })).toMatchObject({ errcode: 45009 });
  });

  it('record the messages they take', async () => {
    expect(await send({ page: 'pages/order?id=1' })).toBe(0);
    expect(sim.messages()).toMatchObject([
      { touser: openid(), template_id: TEMPLATE, page: 'pages/order?id=1', data: { thing1: { value: '公仔' } } },
    ]);
    const seen = await ask('/_sim/messages');
    expect(seen.messages).toEqual(sim.messages());
  });

  it.each([
    ['an invalid openid', { touser: 'nobody' }, 40003],
    ['an invalid template', { template_id: 'x' }, 40037],
    ['no data', { data: undefined }, 47003],
    ['a thing of 21 characters', { data: { thing1: { value: '字'.repeat(21) } } }, 47003],
    ['a number that is none', { data: { number1: { value: '1a' } } }, 47003],
    ['a phrase of six characters', { data: { phrase1: { value: '六个字的短语' } } }, 47003],
    ['an amount with two signs', { data: { amount1: { value: '¥¥1' } } }, 47003],
    ['a value that is no text', { data: { thing1: { value: 5 } } }, 47003],
  ])('refuse %s', async (_what, more, errcode) => {
    expect(await send(more)).toBe(errcode);
    expect(sim.messages()).toHaveLength(0);
  });

  it('refuse a message the user did not ask for', async () => {
    sim.messageQuota(openid(), TEMPLATE, 1);
    expect(await send()).toBe(0);
    expect(await send()).toBe(43101);
    expect(sim.messages()).toHaveLength(1);
  });
});
