import { type Ledger, type NoticeView } from './ledger.js';
import { html, type Markup, type Page, pageOf } from './page.js';
import { type Simulation } from './simulation.js';
import { yuan } from './yuan.js';

const STYLE = `
body{font:13px/1.5 -apple-system,"PingFang SC","Noto Sans CJK SC",sans-serif;margin:24px;color:#191919;background:#fafafa}
h1{font-size:20px}h2{font-size:16px;margin-top:28px}small{color:#888;font-weight:400}
main{max-width:1200px;margin:0 auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;background:#fff;width:100%}
th,td{border:1px solid #e4e4e4;padding:5px 8px;text-align:left;vertical-align:top;white-space:nowrap}
td.wide{white-space:normal;min-width:220px}
th{background:#f3f3f3;font-weight:600;white-space:nowrap}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.sums{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px}
.sums div{background:#fff;border:1px solid #e4e4e4;border-radius:8px;padding:10px 16px}
.sums b{display:block;font-size:20px;font-variant-numeric:tabular-nums}
code{font-size:12px;overflow-wrap:anywhere}
.good{color:#07914a}.bad{color:#d43030}
`;

const nav = html`<p>
  <a href="/_sim">模拟器 Home</a> · <a href="/_sim/ledger">账本 Ledger</a> · <a href="/_sim/notices">通知 Notices</a>
</p>`;

/** The books as a page for people. */
export function ledgerPage(ledger: Ledger): Page {
  const { totals } = ledger;
  const sum = (label: string, value: string | number): Markup => html`<div>${label}<b>${value}</b></div>`;
  const money = (label: string, fen: number): Markup => sum(label, `¥ ${yuan(fen)}`);
  const body = html`${nav}
    <h1>账本 Ledger <small>${ledger.mchid} · ${short(ledger.now)}</small></h1>
    <div class="sums">
      ${sum('订单 Orders', totals.transactions)} ${sum('已支付 Paid', totals.paid)} ${money('收款 Taken', totals.taken)}
      ${money('已退 Refunded', totals.refunded)} ${money('退款中 Refunding', totals.refunding)}
      ${money('手续费 Fees', totals.fees)} ${money('余额 Balance', totals.balance)}
    </div>
    <h2>交易 Transactions</h2>
    ${table(
      ['商户单号', '微信单号', '状态', '金额', '手续费', '已退', '商品', '下单', '支付'],
      ledger.transactions.map((one) => [
        cell(one.out_trade_no),
        cell(one.transaction_id ?? ''),
        cell(one.trade_state),
        amount(one.total),
        amount(one.fee),
        amount(one.refunded),
        html`<td class="wide">${one.description}</td>`,
        moment(one.created_at),
        moment(one.paid_at),
      ]),
    )}
    <h2>退款 Refunds</h2>
    ${table(
      ['商户退款单号', '微信退款单号', '商户单号', '状态', '金额', '受理', '到账'],
      ledger.refunds.map((one) => [
        cell(one.out_refund_no),
        cell(one.refund_id),
        cell(one.out_trade_no),
        cell(one.status),
        amount(one.refund),
        moment(one.created_at),
        moment(one.success_at),
      ]),
    )}`;
  return pageOf('账本 Ledger', STYLE, body);
}

/** Every notice with what was answered to each send. */
export function noticesPage(notices: readonly NoticeView[]): Page {
  const body = html`${nav}
    <h1>通知 Notices</h1>
    ${table(
      ['事件', '商户单号', '地址', '状态', '下次', '发送记录'],
      notices.map((one) => [
        cell(one.event_type),
        cell(one.out_refund_no ?? one.out_trade_no ?? ''),
        html`<td class="wide"><code>${one.url}</code></td>`,
        html`<td class="${one.state === 'received' ? 'good' : 'bad'}">${one.state}</td>`,
        moment(one.next_at),
        html`<td class="wide">
          ${one.sends.map((send) => html`<div>${short(send.at)} · ${send.outcome} · ${send.took_ms} ms ${send.faults.join(', ')}</div>`)}
        </td>`,
      ]),
    )}`;
  return pageOf('通知 Notices', STYLE, body);
}

/** Where everything is. */
export function homePage(sim: Simulation): Page {
  const { mchid, appid } = sim.keyring.merchant;
  const body = html`${nav}
    <h1>微信支付模拟器 WeChat Pay simulator</h1>
    <p>
      mchid <code>${mchid}</code> · appid <code>${appid}</code> · 密钥模式 key mode <code>${sim.keyring.mode}</code>
    </p>
    <p>
      付款 Pay: <code>POST /_sim/transactions/{out_trade_no}/pay</code> · 收银台 Cashier:
      <code>/_sim/cashier?prepay_id=…</code>
    </p>
    <p>
      时间 Clock: <code>POST /_sim/clock {"advance_seconds": 7200}</code> · 故障 Faults: <code>PUT /_sim/faults</code>
    </p>
    <p>详见 See <code>simulator/README.md</code></p>`;
  return pageOf('微信支付模拟器', STYLE, body);
}

function table(head: string[], rows: Markup[][]): Markup {
  if (rows.length === 0) return html`<p><small>暂无 None yet</small></p>`;
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${head.map((name) => html`<th>${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            html`<tr>
              ${cells}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function cell(text: string): Markup {
  return html`<td>${text}</td>`;
}

/** Without the zone, which is always China's. */
function short(time: string): string {
  return time.slice(0, 19).replace('T', ' ');
}

function moment(time: string | null): Markup {
  return cell(time === null ? '' : short(time));
}

function amount(fen: number): Markup {
  return html`<td class="number">${yuan(fen)}</td>`;
}
