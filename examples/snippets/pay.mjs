// Node 20.19 or later, no packages: PAYDESK_API_KEY=pdk_… node pay.mjs
import { setTimeout as sleep } from 'node:timers/promises';

const { PAYDESK_URL = 'http://127.0.0.1:3000', PAYDESK_API_KEY } = process.env;

/** Sends a request again, as it is, while nobody knows what became of it. @throws Error with Paydesk's `problem` */
async function paydesk(method, path, body) {
  for (let attempt = 1; ; attempt += 1) {
    const headers = { authorization: `Bearer ${PAYDESK_API_KEY}`, 'content-type': 'application/json' };
    const request = { method, headers, body: JSON.stringify(body), signal: AbortSignal.timeout(15_000) };
    const answer = await fetch(`${PAYDESK_URL}/api${path}`, request).catch(() => null);
    const said = await answer?.json().catch(() => null);
    if (answer?.ok && said) return said;
    const isRefused = answer?.status >= 400 && answer.status < 500 && ![408, 429].includes(answer.status);
    if (isRefused || said?.code === 'channel_rejected' || attempt === 4) {
      throw Object.assign(new Error(`${method} ${path}: ${said?.code ?? 'no answer'}`), { problem: said });
    }
    await sleep(1000 * (Number(answer?.headers.get('retry-after')) || 2 ** (attempt - 1)));
  }
}

/** Reads the feed after an event until the one that is wanted. A shop processes each of them and keeps its id. */
async function follow(after, isWanted) {
  for (;;) {
    const { items, next_cursor } = await paydesk('GET', `/events/?types=order.paid,refund.succeeded&after=${after}`);
    for (const event of items) {
      after = event.id;
      if (isWanted(event)) return after;
    }
    if (next_cursor === null) await sleep(1000);
  }
}

// The shop's own number. It is in the shop's database before this call, so that it can be sent again.
const number = `demo-${Date.now()}`;
const order = await paydesk('POST', '/orders/', {
  external_id: number,
  payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
  description: 'Two cups of tea',
  amount: 3600,
  start: { scene: 'jsapi' },
});
console.log('for wx.requestPayment:', order.pay_params);

// In place of the payer, with the mock only.
await paydesk('POST', `/payments/${order.payment.id}/succeed/`);

const paid = await follow('', ({ type, data }) => type === 'order.paid' && data.order.external_id === number);
console.log(`${number} is paid: deliver`);

const refund = { order_id: order.id, external_id: `${number}-r1`, amount: 1800, approve: true };
await paydesk('POST', '/refunds/', refund);
await follow(paid, ({ data }) => data.refund?.external_id === refund.external_id);
console.log(`${refund.external_id}: the payer has 18.00 yuan back`);
