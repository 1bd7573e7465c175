import { ApiError, badField, NUMBERS, refuse } from './api-error.js';
import { chinaTime } from './clock.js';
import { decryptField, encryptField, seal } from './crypto.js';
import { fill } from './fields.js';
import {
  ABNORMAL,
  type AbnormalForm,
  CERTIFICATES_QUERY,
  CLOSE,
  ECHO,
  type EchoForm,
  MCHID_QUERY,
  NO_QUERY,
  ORDER,
  type OrderForm,
  PATH,
  REFUND,
  type RefundForm,
} from './forms.js';
import { namedKey } from './gate.js';
import { type Call, noContent, ok, readQuery, type Reply, type Route } from './router.js';
import { type Simulation } from './simulation.js';
import { refundView, transactionView } from './views.js';

/** The calls a merchant signs: orders, refunds, certificates, self test. */
export function payRoutes(sim: Simulation): Route[] {
  return [
    { method: 'POST', path: '/v3/pay/transactions/jsapi', point: 'order', handle: (call) => order(sim, call) },
    {
      method: 'GET',
      path: '/v3/pay/transactions/out-trade-no/{out_trade_no}',
      point: 'query',
      handle: (call) => query(sim, call),
    },
    {
      method: 'GET',
      path: '/v3/pay/transactions/id/{transaction_id}',
      point: 'query',
      handle: (call) => query(sim, call),
    },
    {
      method: 'POST',
      path: '/v3/pay/transactions/out-trade-no/{out_trade_no}/close',
      point: 'close',
      handle: (call) => close(sim, call),
    },
    { method: 'POST', path: '/v3/refund/domestic/refunds', point: 'refund', handle: (call) => refund(sim, call) },
    {
      method: 'GET',
      path: '/v3/refund/domestic/refunds/{out_refund_no}',
      point: 'refund_query',
      handle: (call) => queryRefund(sim, call),
    },
    {
      method: 'POST',
      path: '/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund',
      point: 'abnormal_refund',
      handle: (call) => abnormalRefund(sim, call),
    },
    { method: 'GET', path: '/v3/certificates', point: 'certificates', handle: (call) => certificates(sim, call) },
    { method: 'POST', path: '/v3/security/echo', point: 'echo', handle: (call) => echo(sim, call) },
  ];
}

function order(sim: Simulation, call: Call): Reply {
  sim.meter.count('order_per_second');
  readQuery(NO_QUERY, call.query);
  const form = fill<OrderForm>(ORDER, call.json);
  sim.gate.checkMchid(form.mchid, 'body');
  if (form.appid !== sim.keyring.merchant.appid) {
    throw refuse('APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', NUMBERS.appidMchid);
  }
  if (!/^[0-9A-Za-z_-]+$/.test(form.payer.openid)) throw refuse('INVALID_REQUEST', '无效的openid', NUMBERS.openid);
  return ok({ prepay_id: sim.payments.place(form) });
}

function query(sim: Simulation, call: Call): Reply {
  sim.meter.count('query_per_second');
  const { mchid } = readQuery<{ mchid: string }>(MCHID_QUERY, call.query);
  sim.gate.checkMchid(mchid, 'query');
  const { out_trade_no: outTradeNo, transaction_id: transactionId } = readPath(call);
  const found =
    outTradeNo === undefined
      ? sim.books.byTransaction.get(transactionId ?? '')
      : sim.books.order(outTradeNo, sim.clock.now());
  if (!found) throw refuse('ORDER_NOT_EXIST', '订单不存在', NUMBERS.orderUnknown);
  return ok(transactionView(found));
}

function close(sim: Simulation, call: Call): Reply {
  sim.meter.count('close_per_second');
  const { mchid } = fill<{ mchid: string }>(CLOSE, call.json);
  sim.gate.checkMchid(mchid, 'body');
  sim.payments.close(readPath(call).out_trade_no ?? '');
  return noContent();
}

function refund(sim: Simulation, call: Call): Reply {
  sim.meter.check('refund_failures_per_second');
  try {
    sim.meter.count('refund_per_second');
    readQuery(NO_QUERY, call.query);
    return ok(refundView(sim.refunds.apply(fill<RefundForm>(REFUND, call.json))));
  } catch (error) {
    if (error instanceof ApiError) sim.meter.note('refund_failures_per_second');
    throw error;
  }
}

function queryRefund(sim: Simulation, call: Call): Reply {
  sim.meter.count('refund_query_per_second');
  readQuery(NO_QUERY, call.query);
  const found = sim.books.refunds.get(readPath(call).out_refund_no ?? '');
  if (!found) throw refuse('RESOURCE_NOT_EXISTS', '退款单不存在', NUMBERS.refundUnknown);
  return ok(refundView(found));
}

function abnormalRefund(sim: Simulation, call: Call): Reply {
  sim.meter.count('abnormal_refund_per_second');
  const form = fill<AbnormalForm>(ABNORMAL, call.json);
  if (form.type === 'USER_BANK_CARD') checkCard(sim, call, form);
  const found = sim.books.byRefundId.get(readPath(call).refund_id ?? '');
  if (!found) throw refuse('RESOURCE_NOT_EXISTS', '退款单不存在', NUMBERS.refundUnknown);
  sim.refunds.retryAbnormal(found, form);
  return ok(refundView(found));
}

/** A user's card is named in three fields, two of them encrypted for the key the header names. */
function checkCard(sim: Simulation, call: Call, form: AbnormalForm): void {
  if (form.bank_type === undefined) throw badField('body', '/bank_type', '', '缺少必填参数');
  for (const field of ['bank_account', 'real_name'] as const) {
    const value = form[field];
    if (value === undefined) throw badField('body', `/${field}`, '', '缺少必填参数');
    open(sim, call, field, value);
  }
}

/** Decrypts a field of a request with the key its `Wechatpay-Serial` names (1.9). */
function open(sim: Simulation, call: Call, field: string, value: string): string {
  const serial = namedKey(call.headers);
  const key = serial === undefined ? undefined : sim.keyring.decryptionKey(serial);
  const plaintext = key ? decryptField(value, key) : null;
  if (plaintext === null) throw badField('body', `/${field}`, value, '敏感字段解密失败', NUMBERS.serial);
  return plaintext;
}

function certificates(sim: Simulation, call: Call): Reply {
  sim.meter.count('certificates_per_second');
  readQuery(CERTIFICATES_QUERY, call.query);
  const offered = sim.keyring.offered();
  if (offered.length === 0) {
    throw refuse('RESOURCE_NOT_EXISTS', '无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥');
  }
  const data = offered.map((one) => ({
    serial_no: one.serial,
    effective_time: chinaTime(one.effectiveAt),
    expire_time: chinaTime(one.expiresAt),
    encrypt_certificate: {
      ...seal(one.pem, sim.keyring.merchant.apiV3Key, sim.random.text(12), 'certificate'),
    },
  }));
  return ok({ data });
}

function echo(sim: Simulation, call: Call): Reply {
  const form = fill<EchoForm>(ECHO, call.json);
  if (namedKey(call.headers) === undefined) {
    throw badField('header', 'Wechatpay-Serial', '', '缺少必填参数', NUMBERS.serial);
  }
  const secret = form.encrypted_echo_message;
  const opened = secret === undefined ? undefined : open(sim, call, 'encrypted_echo_message', secret);
  const { mchid } = sim.keyring.merchant;
  if (form.notify_url !== undefined) sim.notices.echo(form.notify_url, form.echo_message, mchid);
  return ok({
    echo_message: form.echo_message,
    ...(opened === undefined ? {} : { encrypted_echo_message: encryptField(opened, sim.keyring.merchantKey()) }),
  });
}

/** The numbers in the path, each of its form. @throws ApiError PARAM_ERROR at `uri_template` */
function readPath(call: Call): Record<string, string> {
  return fill(PATH, call.params, 'uri_template');
}
