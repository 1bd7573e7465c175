import { type Order } from './books.js';
import { CASHIER_SCRIPT, CASHIER_STYLE } from './cashier-assets.js';
import { chinaTime } from './clock.js';
import { html, type Markup, type Page, pageOf } from './page.js';
import { type Simulation } from './simulation.js';
import { yuan } from './yuan.js';

/** The payment sheet as WeChat shows it on a phone, for an order that can be paid; otherwise why it cannot. */
export function cashierPage(sim: Simulation, order: Order | undefined, refusal = '订单不存在或 prepay_id 无效'): Page {
  const body = order ? sheet(sim, order) : notice('无法支付', 'Cannot pay', refusal);
  return pageOf('微信支付 · 模拟收银台', CASHIER_STYLE, phone(body), CASHIER_SCRIPT);
}

function phone(content: Markup): Markup {
  return html`<main class="phone">
    <header><span class="mark">✓</span> 微信支付 <small>WeChat Pay · simulator, no real money</small></header>
    ${content}
  </main>`;
}

function sheet(sim: Simulation, order: Order): Markup {
  const { form } = order;
  if (order.paid) return notice('支付成功', 'Paid', `¥ ${yuan(form.amount.total)}`, 'done');
  if (order.state === 'CLOSED') return notice('订单已关闭', 'Closed', form.description);
  if (sim.clock.now() >= order.expiresAt) return notice('订单已过期', 'Expired', form.description);
  return html`<section class="sheet" id="sheet" data-no="${encodeURIComponent(order.outTradeNo)}">
      <button class="close" id="cancel" aria-label="取消支付 Cancel">✕</button>
      <h1>${sim.merchantName}</h1>
      <p class="amount"><span>¥</span>${yuan(form.amount.total)}</p>
      <dl>
        <div>
          <dt>商品 <small>Item</small></dt>
          <dd>${form.description}</dd>
        </div>
        <div>
          <dt>商户单号 <small>Order</small></dt>
          <dd class="mono">${order.outTradeNo}</dd>
        </div>
        <div>
          <dt>支付截止 <small>Until</small></dt>
          <dd>${chinaTime(order.expiresAt).slice(0, 16).replace('T', ' ')}</dd>
        </div>
        <div>
          <dt>支付方式 <small>Method</small></dt>
          <dd>零钱 <small>Balance</small></dd>
        </div>
      </dl>
      <button class="pay" id="pay">确认支付 <small>Pay</small></button>
      <div class="others">
        <button id="cancel-text">取消支付 <small>Cancel</small></button>
        <button id="fail">模拟失败 <small>Fail</small></button>
      </div>
      <p class="message" id="message" role="status"></p>
    </section>
    <section class="result" id="result" hidden>
      <p class="tick" id="tick">✓</p>
      <h1 id="result-title"></h1>
      <p class="amount"><span>¥</span>${yuan(form.amount.total)}</p>
      <p class="errmsg mono" id="errmsg"></p>
      <button class="pay plain" id="again" hidden>重新支付 <small>Try again</small></button>
    </section>`;
}

function notice(title: string, english: string, text: string, kind = 'refused'): Markup {
  return html`<section class="result ${kind}">
    <p class="tick">${kind === 'done' ? '✓' : '!'}</p>
    <h1>${title} <small>${english}</small></h1>
    <p>${text}</p>
  </section>`;
}
