import { setTimeout as pause } from 'node:timers/promises';
import { type Api, type TestApp, times } from '../support/app.js';
import { type Bought, buy, buyAndStart, type Problem } from '../support/flows.js';
import { type ScriptedProvider, startScripted } from '../support/scripted-provider.js';

/** So many places: half of them is plenty, a quarter one user's share, three quarters that of an address. */
const PLACES = 20;
const PLENTY = 10;
const SHARE = 5;

describe('the places for calls to the channel', () => {
  let paydesk: TestApp & { channel: ScriptedProvider };
  let release: () => void;

  beforeAll(async () => {
    paydesk = await startScripted({ MAX_REQUESTS_IN_FLIGHT: String(PLACES) });
  });
  afterAll(() => paydesk.close());
  afterEach(async () => {
    release();
    while ((await inWork()) > 0) await pause(10);
    paydesk.channel.forget();
  });

  /** From now on the channel answers no question until {@link release}. */
  const hold = (): void => {
    const released = new Promise<void>((resolve) => (release = resolve));
    paydesk.channel.always('queryPayment', async ({ outTradeNo }) => {
      await released;
      const nothing = { transactionId: null, amountFen: null, currency: null, paidAt: null, account: null };
      return { outTradeNo, state: 'open', ...nothing };
    });
  };
  const inWork = async (): Promise<number> => {
    const text = await (await fetch(`${paydesk.url}/metrics`)).text();
    return Number(/paydesk_requests_in_flight\{kind="channel"\} (\d+)/.exec(text)?.[1]);
  };
  const sync = ({ path }: Bought, api: Api) => api.post<Problem>(`${path}sync/`);
  /** Asks so often at once, and answers the refusals; the others wait. */
  const refusals = async (bought: Bought, count: number): Promise<number[]> => {
    const refused: number[] = [];
    const before = await inWork();
    void times(count, async () => {
      const { status, headers, body } = await sync(bought, bought.customer.api);
      if (status === 200) return;
      expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'too_many_requests', '1']);
      refused.push(status);
    });
    while ((await inWork()) - before + refused.length < count) await pause(10);
    return refused;
  };

  it('are shared: who holds more than a quarter gets no more once half of them are taken', async () => {
    const [greedy, second, third] = [await buyAndStart(paydesk), await buyAndStart(paydesk), await buy(paydesk)];
    hold();
    expect(await refusals(greedy, PLENTY + 5)).toHaveLength(5);
    expect(await inWork()).toBe(PLENTY);
    expect(await refusals(second, SHARE + 3)).toHaveLength(3);
    expect((await third.customer.api.post(`${third.path}start/`)).status).toBe(200);
    expect((await paydesk.api().post('/auth/login/', { code: 'newcomer' })).status).toBe(200);
    release();
    while ((await inWork()) > 0) await pause(10);
    expect((await sync(greedy, greedy.customer.api)).status).toBe(200);
  });

  it('are not given back by going away, and not lost by it', async () => {
    const bought = await buyAndStart(paydesk);
    hold();
    const leaving = new AbortController();
    const url = `${paydesk.url}/api${bought.path}sync/`;
    const headers = { authorization: `Bearer ${bought.customer.token}` };
    const gone = times(PLENTY, () =>
      fetch(url, { method: 'POST', headers, signal: leaving.signal }).then(
        () => 'answered',
        () => 'gone',
      ),
    );
    while ((await inWork()) < PLENTY) await pause(10);
    leaving.abort();
    expect(await gone).toEqual(Array(PLENTY).fill('gone'));
    expect((await sync(bought, bought.customer.api)).status).toBe(429);
    release();
    while ((await inWork()) > 0) await pause(10);
    hold();
    expect(await refusals(bought, PLENTY)).toHaveLength(0);
  });

  it('of a bad token count for its address, which is told why and loses nothing', async () => {
    hold();
    const answers = await times(PLACES, () => paydesk.api('not.a.token').post<Problem>('/payments/pay_x/sync/'));
    expect(answers.every(({ status }) => status === 401 || status === 429 || status === 503)).toBe(true);
    expect((await paydesk.api('not.a.token').post('/payments/pay_x/sync/')).status).toBe(401);
  });
});
