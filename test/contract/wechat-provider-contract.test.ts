import type { KeyChange, KeyMode } from '../../simulator/index.js';
import { keepsTheContract, type Stage } from './payment-provider.contract.js';
import { freshOrder, freshRefund, NO_FAULTS, openShop } from './wechat-provider.support.js';

const BALANCE = 1_000_000;
const ENDS = { succeeded: 'SUCCESS', closed: 'CLOSED', abnormal: 'ABNORMAL' } as const;

async function openStage(mode: KeyMode, keys?: KeyChange): Promise<Stage> {
  const shop = await openShop(mode);
  if (keys) {
    await shop.sim.faults({ keys });
    if (keys.rotate) await shop.provider.renewCertificates();
  }
  const { sim, provider } = shop;
  return {
    provider,
    now: () => new Date(sim.nowMs()),
    freshOrder: () => freshOrder(shop),
    async pay(order) {
      sim.pay(order.outTradeNo);
      await sim.settled();
      return order;
    },
    noticeOf(order) {
      const heard = shop.heard.find(
        ({ fact }) => fact?.kind === 'payment' && fact.payment.outTradeNo === order.outTradeNo,
      );
      return heard ? Promise.resolve(heard.raw) : Promise.reject(new Error('no notice came'));
    },
    async silent(order) {
      await sim.faults({ rules: [{ at: 'order', do: 'disconnect', match: order.outTradeNo }] });
      return order;
    },
    async refusing(order) {
      await sim.faults({
        rules: [{ at: 'order', do: 'error', status: 403, code: 'NO_AUTH', match: order.outTradeNo }],
      });
      return order;
    },
    freshRefund: (order, amountFen) => freshRefund(order, amountFen),
    async settle(refund, end) {
      sim.settleRefund(refund.outRefundNo, ENDS[end]);
      await sim.settled();
      return refund;
    },
    async withoutMoney(refund) {
      await sim.faults({ balance_fen: 0 });
      return refund;
    },
    async calm() {
      await sim.faults({ ...NO_FAULTS, balance_fen: BALANCE });
    },
    close: () => shop.close(),
  };
}

keepsTheContract('WechatV3Provider with the public key', () => openStage('public_key'));
keepsTheContract('WechatV3Provider with platform certificates', () => openStage('certificate'));
keepsTheContract('WechatV3Provider on the sixth of the seven days of the switch', () =>
  openStage('both', { switch_day: 6 }),
);
keepsTheContract('WechatV3Provider while the platform certificate is exchanged', () =>
  openStage('certificate', { rotate: true, rotation_share: 0.5 }),
);
