import { after, HOUR } from '../../common/clock.js';
import { ChannelOrder, ChannelRefundOrder } from '../payment-provider.js';
import { JsonObject } from './json.js';
import { WechatSettings } from './settings.js';

/** The China of WeChat Pay has one zone and no summer time. */
const CHINA_OFFSET_MS = 8 * HOUR;
/** In bytes of UTF-8. The manual says 127 and not of what; WeChat counts its neighbour `attach` in bytes. */
const MAX_DESCRIPTION_BYTES = 127;
/** In bytes of UTF-8 (manual, page 4013071036). */
const MAX_REASON_BYTES = 80;

/**
 * The body of an order (manual, page 4012791897). Depends on the order and the settings alone, so that the same order
 * gives the same bytes whenever it is sent: with any other value WeChat refuses the number as used.
 */
export function prepayBody(settings: WechatSettings, order: ChannelOrder, openid: string): JsonObject {
  return {
    appid: settings.appid,
    mchid: settings.mchid,
    description: shortText(order.description, MAX_DESCRIPTION_BYTES) || order.outTradeNo,
    out_trade_no: order.outTradeNo,
    time_expire: chinaTime(order.expiresAt),
    attach: order.outTradeNo,
    notify_url: settings.notifyUrl,
    amount: { total: order.amountFen, currency: order.currency },
    payer: { openid },
  };
}

/**
 * The body of a refund (manual, page 4013071036). `notify_url` is always there: without it the notice comes in the
 * format of API v2, or not at all.
 */
export function refundBody(settings: WechatSettings, refund: ChannelRefundOrder): JsonObject {
  const reason = refund.reason === null ? '' : shortText(refund.reason, MAX_REASON_BYTES);
  return {
    // Exactly one of the two; the transaction's own number is known a little earlier at WeChat than ours.
    ...(refund.transactionId === null ? { out_trade_no: refund.outTradeNo } : { transaction_id: refund.transactionId }),
    out_refund_no: refund.outRefundNo,
    ...(reason !== '' && { reason }),
    notify_url: settings.refundNotifyUrl,
    amount: { refund: refund.amountFen, total: refund.totalFen, currency: refund.currency },
  };
}

/** What a reader takes for one character: the same in every language, so that the cut is. */
const GRAPHEMES = new Intl.Segmenter('und', { granularity: 'grapheme' });
/** Of four bytes in UTF-8, or of none: half of a surrogate pair. */
const UNSENDABLE = /[\u{10000}-\u{10FFFF}\p{Cs}]/u;

/**
 * Text as WeChat Pay takes it: no characters of four bytes (emoji), no control characters, at most so many bytes of
 * UTF-8. Cut between whole graphemes; of an emoji that is taken out nothing remains.
 */
export function shortText(text: string, maxBytes: number): string {
  let short = '';
  let bytes = 0;
  for (const { segment } of GRAPHEMES.segment(text.replace(/\p{Cc}+/gu, ' ').trim())) {
    const sent = sendable(segment);
    bytes += Buffer.byteLength(sent);
    if (bytes > maxBytes) break;
    short += sent;
  }
  return short.replace(/\u200d+$/u, '').trim();
}

/** What can be sent of a grapheme: all of it, or what stands before the first character that cannot be. */
function sendable(grapheme: string): string {
  const at = grapheme.search(UNSENDABLE);
  return at === -1 ? grapheme : grapheme.slice(0, at).replace(/\u200d+$/u, '');
}

/** RFC 3339 in China time with whole seconds: `2026-11-23T21:00:00+08:00`. */
export function chinaTime(at: Date): string {
  return `${after(at, CHINA_OFFSET_MS).toISOString().slice(0, 19)}+08:00`;
}

/** A path with its parameters encoded: what is signed is what is sent. */
export function target(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `/v3/${path.map(encodeURIComponent).join('/')}${search.length > 0 ? `?${search.join('&')}` : ''}`;
}
