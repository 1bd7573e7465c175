import { ManualClock } from '../../src/common/clock.js';
import type { RawCallback } from '../../src/provider/payment-provider.js';
import {
  answer,
  callbackOf,
  notice,
  NOW,
  PAID,
  settingsOf,
  type SignedAs,
  type StandIn,
  standIn,
} from '../unit/wechat/support.js';
import { startTestApp, type TestApp } from './app.js';
import { type Bought, buyAndStart, raw, type RawAnswer } from './flows.js';

export const PAYMENT_URL = '/api/payments/callback/wechat/';
export const REFUND_URL = '/api/refunds/callback/wechat/';

/** The service before a WeChat Pay whose platform key is the test's own: it can send what no simulator would. */
export interface OwnWechat extends TestApp {
  /** What it was asked, logins included: shows whether a callback made the service call out. */
  channel: StandIn;
  /** A customer's payment of 1990 fen that waits for its notice. */
  waiting(): Promise<Bought>;
  /** The notice that pays it, with some fields changed. */
  paidNotice(bought: Bought, change?: Record<string, unknown>, signedAs?: SignedAs): RawCallback;
  send(callback: RawCallback, url?: string, more?: [name: string, value: string][]): Promise<RawAnswer>;
}

export async function startOwnWechat(env: Record<string, string> = {}): Promise<OwnWechat> {
  const channel = await standIn(({ url, body }, response, count) => {
    if (url.startsWith('/sns/'))
      response.end(JSON.stringify({ openid: `oOwnWechatCustomer_${count}`, session_key: 'x' }));
    else if (url.endsWith('/jsapi')) answer(response, 200, { prepay_id: `wx_${JSON.stringify(body).length}_${count}` });
    else answer(response, 404, { code: 'ORDER_NOT_EXIST', message: 'not here' });
  });
  const settings = settingsOf();
  const clock = new ManualClock(NOW);
  const paydesk = await startTestApp({
    clock,
    env: {
      WECHAT_PAY_ENABLE_REAL: 'true',
      WECHAT_APPID: settings.appid,
      WECHAT_APP_SECRET: settings.appSecret ?? '',
      WECHAT_PAY_MCHID: settings.mchid,
      WECHAT_PAY_SERIAL_NO: settings.serialNo,
      WECHAT_PAY_PRIVATE_KEY: settings.privateKey,
      WECHAT_PAY_API_V3_KEY: settings.apiV3Key,
      WECHAT_PAY_PUBLIC_KEY: settings.publicKey?.pem ?? '',
      WECHAT_PAY_PUBLIC_KEY_ID: settings.publicKey?.id ?? '',
      WECHAT_PAY_NOTIFY_URL: `http://127.0.0.1${PAYMENT_URL}`,
      WECHAT_PAY_REFUND_NOTIFY_URL: `http://127.0.0.1${REFUND_URL}`,
      WECHAT_PAY_BASE_URL: channel.url,
      WECHAT_API_BASE_URL: channel.url,
      BAD_CALLBACKS_PER_MINUTE: '100000',
      ...env,
    },
  });
  let transactions = 0;
  return {
    ...paydesk,
    channel,
    waiting: () => buyAndStart(paydesk, { amount: 1990 }),
    paidNotice(bought, change = {}, signedAs = {}) {
      transactions += 1;
      const transaction_id = `42000002632019021677${String(transactions).padStart(8, '0')}`;
      const content = { ...PAID, out_trade_no: bought.paymentId, attach: bought.paymentId, transaction_id, ...change };
      return callbackOf(notice('TRANSACTION.SUCCESS', content), { at: clock.now(), ...signedAs });
    },
    send({ headers, body }, url = PAYMENT_URL, more = []) {
      // Rows of the journal are sorted by their time.
      clock.advance(1);
      return raw(paydesk.url, 'POST', url, [...(Object.entries(headers) as [string, string][]), ...more], body);
    },
    async close() {
      await paydesk.close();
      await channel.close();
    },
  };
}

/** The last row of the journal: what was kept of the callback that came last. */
export async function lastInJournal(paydesk: TestApp): Promise<Record<string, unknown>> {
  const [row] = await paydesk.db.query<Record<string, unknown>[]>(
    'SELECT outcome, http_status, code, out_trade_no, address, body_bytes FROM callbacks ORDER BY id DESC LIMIT 1',
  );
  return row ?? {};
}

export async function countOf(paydesk: TestApp, table: 'callbacks' | 'payment_events'): Promise<number> {
  const [row] = await paydesk.db.query<{ count: string }[]>(`SELECT count(*) FROM ${table}`);
  return Number(row?.count);
}
