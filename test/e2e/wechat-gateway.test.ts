import { byTimer } from '../../src/common/cause.js';
import { HOUR } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { buy, type Problem, statesOf } from '../support/flows.js';
import { type OwnWechat, startOwnWechat } from '../support/own-wechat.js';
import { answer, type StandIn, standIn } from '../unit/wechat/support.js';

/** Who answers when the service calls WeChat Pay. */
let inFront: 'wechat' | 'gateway';

describe('a gateway in front of WeChat Pay that answers itself', () => {
  let gateway: StandIn;
  let shop: OwnWechat;

  beforeAll(async () => {
    gateway = await standIn(({ url }, response, count) => {
      if (inFront === 'gateway') answer(response, 404, { code: 'NOT_FOUND', message: 'no such route' });
      else if (url.endsWith('/jsapi')) answer(response, 200, { prepay_id: `wx_${count}` });
      else answer(response, 404, { code: 'ORDER_NOT_EXIST', message: '订单不存在' });
    });
    shop = await startOwnWechat({ WECHAT_PAY_BASE_URL: gateway.url, JWT_TTL_SECONDS: '86400' });
  });
  afterAll(async () => {
    await shop.close();
    await gateway.close();
  });
  beforeEach(() => {
    inFront = 'wechat';
  });

  it('never makes a payment fail, close or expire', async () => {
    const placed = await shop.waiting();
    const unplaced = await buy(shop);
    inFront = 'gateway';
    for (const [{ customer, path }, action] of [
      [unplaced, 'start'],
      [placed, 'sync'],
      [placed, 'cancel'],
    ] as const) {
      const { status, body } = await customer.api.post<Problem>(`${path}${action}/`);
      expect([action, status, body.code]).toEqual([action, 503, 'channel_unavailable']);
    }
    shop.clock.advance(HOUR);
    const run = () => shop.app.get(DuePayments).run({ scope: 'expired', cause: byTimer('test'), limit: 10 });
    expect(await run()).toMatchObject({ unknown: 2, expired: 0 });
    expect(await Promise.all([placed, unplaced].map(statesOf))).toEqual(['processing/pending', 'processing/pending']);

    inFront = 'wechat';
    shop.clock.advance(HOUR);
    expect(await run()).toMatchObject({ unknown: 0, expired: 2 });
    expect(await Promise.all([placed, unplaced].map(statesOf))).toEqual(['expired/cancelled', 'expired/cancelled']);
  });
});
