import { type Answer, startTestApp, type TestApp } from '../support/app.js';
import type { Problem } from '../support/flows.js';
import { startOwnWechat } from '../support/own-wechat.js';
import { standIn } from '../unit/wechat/support.js';

const LIMIT = 3;

function login(paydesk: TestApp, code: string, address: string): Promise<Answer<Problem>> {
  return paydesk.api().post<Problem>('/auth/login/', { code }, { 'x-forwarded-for': address });
}

async function statuses(count: number, ask: () => Promise<Answer<Problem>>): Promise<number[]> {
  const seen: number[] = [];
  for (let index = 0; index < count; index += 1) seen.push((await ask()).status);
  return seen;
}

describe('logins that fail', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { LOGINS_PER_MINUTE: String(LIMIT), TRUSTED_PROXY_HOPS: '1' } });
  });
  afterAll(() => paydesk.close());

  it('are limited per address, and those that succeed are not', async () => {
    expect(await statuses(LIMIT * 3, () => login(paydesk, 'alice', '6.6.6.6'))).toEqual(Array(LIMIT * 3).fill(200));
    expect(await statuses(LIMIT, () => login(paydesk, 'no such code', '6.6.6.6:1'))).toEqual(Array(LIMIT).fill(400));
    for (const same of ['6.6.6.6', '6.6.6.6:2', '::ffff:6.6.6.6']) {
      const { status, body, headers } = await login(paydesk, 'alice', same);
      expect([same, status, body.code]).toEqual([same, 429, 'too_many_requests']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await login(paydesk, 'alice', '7.7.7.7')).status).toBe(200);
  });

  it('are limited per /64 of IPv6, of which one caller has them all', async () => {
    let host = 0;
    const fail = () => login(paydesk, 'no such code', `[2001:db8::${(host += 1)}]:443`);
    expect(await statuses(LIMIT + 2, fail)).toEqual([400, 400, 400, 429, 429]);
    expect((await login(paydesk, 'alice', '2001:db8:0:1::1')).status).toBe(200);
  });
});

describe('logins that WeChat does not answer', () => {
  it('are not counted: its failure would keep everybody out when it is over', async () => {
    const wechat = await standIn((_request, response) => void response.writeHead(500).end());
    const env = { LOGINS_PER_MINUTE: '2', WECHAT_API_BASE_URL: wechat.url };
    const shop = await startOwnWechat(env);
    try {
      expect(await statuses(5, () => login(shop, 'code', '6.6.6.6'))).toEqual([503, 503, 503, 503, 503]);
    } finally {
      await shop.close();
      await wechat.close();
    }
  });

  it('are counted when it refuses the code, and then it is asked no more', async () => {
    const wechat = await standIn((_request, response) => void response.end('{"errcode":40029}'));
    const shop = await startOwnWechat({ LOGINS_PER_MINUTE: '2', WECHAT_API_BASE_URL: wechat.url });
    try {
      expect(await statuses(4, () => login(shop, 'guessed', '6.6.6.6'))).toEqual([401, 401, 429, 429]);
      expect(wechat.received).toHaveLength(2);
    } finally {
      await shop.close();
      await wechat.close();
    }
  });
});
