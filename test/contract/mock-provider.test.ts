import { createHmac } from 'node:crypto';
import { after, Clock, MINUTE } from '../../src/common/clock.js';
import { newId } from '../../src/common/ids.js';
import { MockProvider } from '../../src/provider/mock/mock.provider.js';
import type { ChannelOrder, ChannelRefundOrder } from '../../src/provider/payment-provider.js';
import { keepsTheContract, type Stage } from './payment-provider.contract.js';

const SECRET = 'a secret of the contract suite';
const clock = new Clock();

/** The mock has no books: what happens stands in the metadata, so the stage manager writes it there. */
function openStage(): Stage {
  const provider = new MockProvider({ callbackSecret: SECRET }, clock);
  const directed = (order: ChannelOrder, direction: object): ChannelOrder => ({ ...order, metadata: { ...direction } });
  const refunding = (refund: ChannelRefundOrder, outcome: string): ChannelRefundOrder => ({
    ...refund,
    metadata: { mock_refund_outcome: outcome },
  });
  return {
    provider,
    now: () => clock.now(),
    freshOrder: () => ({
      outTradeNo: newId('pay', clock),
      placed: true,
      amountFen: 1990,
      currency: 'CNY',
      description: 'Oolong tea, 100 g',
      openid: 'mock_alice',
      expiresAt: after(clock.now(), 30 * MINUTE),
      metadata: {},
    }),
    pay: (order) => Promise.resolve(directed(order, { mock_outcome: 'success' })),
    async noticeOf(order) {
      const { transactionId, amountFen } = await provider.queryPayment(order);
      const notice = {
        payment_id: order.outTradeNo,
        status: 'SUCCESS',
        amount: amountFen,
        transaction_id: transactionId,
      };
      const body = Buffer.from(JSON.stringify(notice));
      return { headers: { 'x-mock-signature': createHmac('sha256', SECRET).update(body).digest('hex') }, body };
    },
    silent: (order) => Promise.resolve(directed(order, { mock_outcome: 'timeout' })),
    refusing: (order) => Promise.resolve(directed(order, { mock_outcome: 'error' })),
    freshRefund: (order, amountFen) => ({
      outRefundNo: newId('ref', clock),
      outTradeNo: order.outTradeNo,
      transactionId: null,
      amountFen,
      totalFen: order.amountFen,
      currency: 'CNY',
      reason: 'arrived broken',
      refundId: null,
      metadata: {},
    }),
    settle: (refund, end) => Promise.resolve(refunding(refund, end === 'succeeded' ? 'success' : end)),
    withoutMoney: (refund) => Promise.resolve(refunding(refund, 'not_enough')),
    calm: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

keepsTheContract('MockProvider', () => Promise.resolve(openStage()));
