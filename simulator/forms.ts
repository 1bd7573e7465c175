import { readTime } from './clock.js';
import { bool, type Field, type Fields, int, type JsonObject, list, object, required, text } from './fields.js';

/**
 * The forms of the calls, field by field as the manual gives them: pages 4012791897 (order), 4012791901 (close), 4013071036
 * (refund), 4013071193 (abnormal refund), 4014551946 (echo).
 * Whatever is not named here is refused.
 */
const OUT_TRADE_NO = /^[0-9A-Za-z_\-|*]{6,32}$/;
const OUT_REFUND_NO = /^[0-9A-Za-z_\-|*@]+$/;
/** The live service's rule for addresses: http or https, any host; no blank, query, fragment or bracket. */
const NOTIFY_URL = /^https?:\/\/([^\s/?#[\]@]+@)?[^\s/?#@:[\]]+[^\s?#[\]]*$/;

export interface OrderForm extends JsonObject {
  appid: string;
  mchid: string;
  description: string;
  out_trade_no: string;
  time_expire?: string;
  attach?: string;
  notify_url: string;
  amount: { total: number; currency?: string };
  payer: { openid: string };
  scene_info?: { payer_client_ip: string; device_id?: string };
}

export interface RefundForm extends JsonObject {
  transaction_id?: string;
  out_trade_no?: string;
  out_refund_no: string;
  reason?: string;
  notify_url?: string;
  funds_account?: string;
  amount: { refund: number; total: number; currency: string; from?: { account: string; amount: number }[] };
}

export interface AbnormalForm extends JsonObject {
  out_refund_no: string;
  type: 'USER_BANK_CARD' | 'MERCHANT_BANK_CARD';
  bank_type?: string;
  bank_account?: string;
  real_name?: string;
}

export interface EchoForm extends JsonObject {
  echo_message: string;
  encrypted_echo_message?: string;
  notify_url?: string;
}

/** What is wrong with an address for notices; undefined when nothing is (4.5). */
export function notifyUrlIssue(address: unknown): string | undefined {
  if (typeof address !== 'string' || !NOTIFY_URL.test(address) || !URL.canParse(address)) return 'notify_url 格式错误';
  if (new URL(address).pathname === '/') return 'notify_url 必须是完整的路径';
  return undefined;
}

const notifyUrl = (max: number): Field => ({ ...text(max), check: notifyUrlIssue });

const goods: Fields = {
  merchant_goods_id: required(text(32, { pattern: /^[0-9A-Za-z_-]+$/ })),
  wechatpay_goods_id: text(32),
  goods_name: text(256),
  quantity: required(int(1)),
  unit_price: required(int(0)),
};

const sceneInfo: Fields = {
  payer_client_ip: required(text(45, { pattern: /^[0-9A-Fa-f:.]+$/ })),
  device_id: text(32),
  store_info: object({ id: required(text(32)), name: text(256), area_code: text(32), address: text(512) }),
};

export const ORDER: Fields = {
  appid: required(text(32)),
  mchid: required(text(32)),
  description: required(text(127, { bytes: true })),
  out_trade_no: required(text(32, { pattern: OUT_TRADE_NO })),
  time_expire: {
    ...text(64),
    check: (value) => (typeof value === 'string' && readTime(value) === null ? 'time_expire 格式错误' : undefined),
  },
  attach: text(128, { bytes: true }),
  notify_url: required(notifyUrl(255)),
  goods_tag: text(32),
  support_fapiao: bool(),
  amount: required(object({ total: required(int(1, 2_147_483_647)), currency: text(16, { oneOf: ['CNY'] }) })),
  payer: required(object({ openid: required(text(128)) })),
  detail: object(
    { cost_price: int(1), invoice_id: text(32), goods_detail: list(object(goods), 1) },
    { maxBytes: 6144 },
  ),
  scene_info: object(sceneInfo),
  settle_info: object({ profit_sharing: bool() }),
};

/** The numbers that stand in paths. */
export const PATH: Fields = {
  out_trade_no: text(32, { pattern: OUT_TRADE_NO }),
  transaction_id: text(32),
  out_refund_no: text(64, { bytes: true, pattern: OUT_REFUND_NO }),
  refund_id: text(32),
};

export const CLOSE: Fields = { mchid: required(text(32)) };

const refundGoods: Fields = {
  merchant_goods_id: required(text(32)),
  wechatpay_goods_id: text(32),
  goods_name: text(256),
  unit_price: required(int(0)),
  refund_amount: required(int(0)),
  refund_quantity: required(int(1)),
};

export const REFUND: Fields = {
  transaction_id: text(32),
  out_trade_no: text(32, { pattern: OUT_TRADE_NO }),
  out_refund_no: required(text(64, { bytes: true, pattern: OUT_REFUND_NO })),
  reason: text(80, { bytes: true }),
  notify_url: notifyUrl(256),
  funds_account: text(32, { oneOf: ['AVAILABLE', 'UNSETTLED'] }),
  amount: required(
    object({
      refund: required(int(1)),
      total: required(int(1)),
      currency: required(text(16, { oneOf: ['CNY'] })),
      from: list(
        object({ account: required(text(32, { oneOf: ['AVAILABLE', 'UNAVAILABLE'] })), amount: required(int(1)) }),
      ),
    }),
  ),
  goods_detail: list(object(refundGoods), 1),
};

const DEBIT_BANKS = 'CMB COMM ABC CCB ICBC BOC PAB SPDB CITIC CEB CMBC CIB GDB PSBC NBCB'.split(' ');

export const ABNORMAL: Fields = {
  out_refund_no: required(text(64, { bytes: true, pattern: OUT_REFUND_NO })),
  type: required(text(32, { oneOf: ['USER_BANK_CARD', 'MERCHANT_BANK_CARD'] })),
  bank_type: text(16, { oneOf: DEBIT_BANKS.map((bank) => `${bank}_DEBIT`) }),
  bank_account: text(1024),
  real_name: text(1024),
};

export const ECHO: Fields = {
  echo_message: required(text(1024)),
  encrypted_echo_message: text(1024),
  notify_url: notifyUrl(256),
};

export const MCHID_QUERY: Fields = { mchid: required(text(32)) };
export const NO_QUERY: Fields = {};
export const CERTIFICATES_QUERY: Fields = { algorithm_type: text(8, { oneOf: ['RSA', 'ALL'] }) };

export const TRADE_BILL_QUERY: Fields = {
  bill_date: required(text(10)),
  bill_type: text(32, { oneOf: ['ALL', 'SUCCESS', 'REFUND'] }),
  tar_type: text(32, { oneOf: ['GZIP'] }),
};

export const FUND_BILL_QUERY: Fields = {
  bill_date: required(text(10)),
  account_type: text(32, { oneOf: ['BASIC', 'OPERATION', 'FEES'] }),
  tar_type: text(32, { oneOf: ['GZIP'] }),
};

export const DOWNLOAD_QUERY: Fields = { token: required(text(2048)), tartype: text(16, { oneOf: ['gzip'] }) };
