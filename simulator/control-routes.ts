import { ApiError } from './api-error.js';
import { DIFFERENCE_ORDER, type DifferenceOrder } from './bill-differences.js';
import { cashierPage } from './cashier-page.js';
import { type ConsoleRefund, Control, type FaultPlan, type RequestPayment, type Selection } from './control.js';
import { RULES } from './faults.js';
import { bool, type Fields, fill, int, object, required, text } from './fields.js';
import { KEY_MODES } from './keyring.js';
import { homePage, ledgerPage, noticesPage } from './ledger-page.js';
import { LIMITS } from './limits.js';
import { type PayOptions } from './payments.js';
import { type Call, ok, type Reply, type Route } from './router.js';
import { type Simulation } from './simulation.js';

const PAGE_ROWS = 200;

const PAY: Fields = {
  openid: text(128),
  bank_type: text(32),
  coupon_fen: int(0),
  coupon_type: text(8, { oneOf: ['CASH', 'NOCASH'] }),
};

const CONSOLE_REFUND: Fields = { amount: int(1), reason: text(80, { bytes: true }) };

const KEYS: Fields = {
  mode: text(16, { oneOf: KEY_MODES }),
  switch_day: int(0, 1000),
  rotate: bool(),
  rotation_share: { is: 'number', min: 0, max: 1 },
  retire_old: bool(),
};

const PLAN: Fields = {
  rules: RULES,
  limits: object(LIMITS),
  keys: object(KEYS),
  balance_fen: int(),
  seed: int(0),
};

const REQUEST_PAYMENT: Fields = {
  appId: text(32),
  timeStamp: required(text(32)),
  nonceStr: required(text(32)),
  package: required(text(128)),
  signType: required(text(32)),
  paySign: required(text(512)),
};

/** The control calls: what people and tests do to the simulator. None of it exists at WeChat Pay. */
export function controlRoutes(sim: Simulation): Route[] {
  const control = new Control(sim);
  const named = (call: Call, name: string): string => call.params[name] ?? '';
  return [
    get('/', () => page(homePage(sim))),
    get('/_sim', () => page(homePage(sim))),
    get('/_sim/cashier', (call) => cashier(sim, control, call)),
    get('/_sim/ledger', (call) => ledger(control, call)),
    get('/_sim/notices', (call) => notices(control, call)),
    get('/_sim/messages', () => json({ messages: control.messages() })),
    get('/_sim/faults', () => json(control.faultState())),
    get('/_sim/clock', () => json({ now: control.now() })),
    post('/_sim/clock', (call) => clock(control, call)),
    post('/_sim/settled', async () => {
      await control.settled();
      return json({ now: control.now() });
    }),
    post('/_sim/reset', () => {
      control.reset();
      return json({ now: control.now() });
    }),
    {
      method: 'PUT',
      path: '/_sim/faults',
      handle: async (call) => json(await control.faults(form<FaultPlan>(PLAN, call))),
    },
    post('/_sim/transactions/{no}/pay', (call) => ok(control.pay(named(call, 'no'), form<PayOptions>(PAY, call)))),
    post('/_sim/transactions/{no}/fail', (call) =>
      ok(control.fail(named(call, 'no'), form<{ reason?: string }>({ reason: text(256) }, call).reason)),
    ),
    post('/_sim/transactions/{no}/console-refund', (call) =>
      ok(control.refundInConsole(named(call, 'no'), form<ConsoleRefund>(CONSOLE_REFUND, call))),
    ),
    post('/_sim/refunds/{no}/succeed', (call) => ok(control.settleRefund(named(call, 'no'), 'SUCCESS'))),
    post('/_sim/refunds/{no}/abnormal', (call) => ok(control.settleRefund(named(call, 'no'), 'ABNORMAL'))),
    post('/_sim/refunds/{no}/close', (call) => ok(control.settleRefund(named(call, 'no'), 'CLOSED'))),
    post('/_sim/notices/{id}/send', async (call) => {
      control.resend(named(call, 'id'));
      await control.settled();
      return json({ now: control.now() });
    }),
    post('/_sim/bills/{day}/differences', (call) => {
      const order = form<DifferenceOrder>(DIFFERENCE_ORDER, call);
      return json({ differences: control.billDifferences(named(call, 'day'), order) });
    }),
    post('/_sim/request-payment', (call) => json(control.requestPayment(form<RequestPayment>(REQUEST_PAYMENT, call)))),
    post('/_sim/login-codes', (call) =>
      json(control.loginCode(form<{ user: string }>({ user: required(text(64, { pattern: /^[^.]+$/ })) }, call).user)),
    ),
    post('/_sim/message-quotas', (call) => quota(control, call)),
  ];
}

function get(path: string, handle: Route['handle']): Route {
  return { method: 'GET', path, handle };
}

function post(path: string, handle: Route['handle']): Route {
  return { method: 'POST', path, handle };
}

async function clock(control: Control, call: Call): Promise<Reply> {
  const fields: Fields = { advance_seconds: required({ is: 'number', min: 0, max: 10 * 365 * 86_400 }) };
  const { advance_seconds: seconds } = form<{ advance_seconds: number }>(fields, call);
  return json({ now: await control.advance(seconds) });
}

function quota(control: Control, call: Call): Reply {
  const fields: Fields = { openid: required(text(64)), template_id: required(text(64)), left: required(int(0)) };
  const asked = form<{ openid: string; template_id: string; left: number }>(fields, call);
  control.messageQuota(asked.openid, asked.template_id, asked.left);
  return json({ ...asked });
}

function ledger(control: Control, call: Call): Reply {
  if (wantsPage(call)) return page(ledgerPage(control.ledger({ limit: PAGE_ROWS, ...selection(call) })));
  return json(control.ledger(selection(call)));
}

function notices(control: Control, call: Call): Reply {
  if (wantsPage(call)) return page(noticesPage(control.notices({ limit: PAGE_ROWS, ...selection(call) })));
  return json({ notices: control.notices(selection(call)) });
}

function cashier(sim: Simulation, control: Control, call: Call): Reply {
  const given = Object.fromEntries(call.query);
  try {
    // With the other arguments of wx.requestPayment beside the prepay id, the sheet also checks their signature.
    if ('paySign' in given) control.requestPayment(fill<RequestPayment>(REQUEST_PAYMENT, given, 'query'));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return page(cashierPage(sim, undefined, error.message), 400);
  }
  const prepayId = call.query.get('prepay_id') ?? /^prepay_id=(.+)$/.exec(given.package ?? '')?.[1] ?? '';
  const order = sim.books.orderOfPrepay(prepayId, sim.clock.now());
  return page(cashierPage(sim, order), order ? 200 : 404);
}

function selection(call: Call): Selection {
  const outTradeNo = call.query.get('out_trade_no');
  const limit = /^\d{1,9}$/.exec(call.query.get('limit') ?? '')?.[0];
  return {
    ...(outTradeNo === null ? {} : { out_trade_no: outTradeNo }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
  };
}

function wantsPage(call: Call): boolean {
  return (call.headers.accept ?? '').includes('text/html');
}

/** A control call's body; none at all is an empty form. */
function form<T>(fields: Fields, call: Call): T {
  return fill<T>(fields, call.json ?? {});
}

function json(value: object): Reply {
  return { status: 200, raw: { type: 'application/json; charset=utf-8', bytes: Buffer.from(JSON.stringify(value)) } };
}

function page(html: { text: string; policy: string }, status = 200): Reply {
  return {
    status,
    raw: { type: 'text/html; charset=utf-8', bytes: Buffer.from(html.text) },
    headers: { 'Content-Security-Policy': html.policy, 'X-Content-Type-Options': 'nosniff' },
  };
}
