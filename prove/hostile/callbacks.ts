import { paidContent, refundedContent } from '../../bench/notices.js';
import { requestBytes } from '../../dev/http-line.js';
import { nowMs } from '../api.js';
import type { Chance } from '../random.js';
import { type Facts, type Genuine, genuineMock, genuineNotices, noticeOf } from './genuine.js';
import { type Input, statusIn } from './input.js';
import { mutants } from './mutants.js';
import { type Callback, mockSigned, signed } from './notice.js';
import { AMOUNT_FEN, channelRefundId, type Rows, SENT_FEN, transactionId } from './rows.js';
import type { Target } from './target.js';

const PAYMENT = '/api/payments/callback/wechat';
const REFUND = '/api/refunds/callback/wechat';
const MOCK = '/api/payments/callback/mock';

/** So many from one address stay below what one address may send in a minute. */
const FROM_ONE_ADDRESS = 100;
const FLOOD = 400;
/** A signature is good for five minutes. */
const SIGNED_ANEW_MS = 60_000;

/** Mutants of valid callbacks about the victim's rows, and genuine ones that say odd things. */
export function* callbacks(target: Target, chance: Chance): Generator<Input> {
  const sender = addresses();
  const generators = target.name === 'wechat' ? wechatCallbacks(target, chance) : mockCallbacks(target, chance);
  for (const { path, kind, callback, refused } of taken(generators, chance))
    yield inputOf(path, kind, callback, sender(), refused);
}

interface One {
  path: string;
  kind: string;
  callback: Callback;
  refused: boolean;
}

/** One of each in turn, by chance, so that a part of them is a part of every kind. */
function* taken(generators: Generator<One>[], chance: Chance): Generator<One> {
  const left = [...generators];
  while (left.length > 0) {
    const index = chance.between(0, left.length);
    const next = left[index]?.next();
    if (next && !next.done) yield next.value;
    else left.splice(index, 1);
  }
}

function wechatCallbacks(target: Target, chance: Chance): Generator<One>[] {
  const { channelKey, apiV3Key, victim, player } = target;
  const payment = [paymentFacts(target, victim), paymentFacts(target, player)] as const;
  const refund = [refundFacts(target, victim), refundFacts(target, player)] as const;
  const fresh = (body: Buffer): (() => Callback) => again(() => signed(body, channelKey));
  const sign = (body: Buffer): Callback => signed(body, channelKey);
  return [
    touched(PAYMENT, fresh(noticeOf(payment[0], payment[0].content, apiV3Key)), chance),
    touched(REFUND, fresh(noticeOf(refund[0], refund[0].content, apiV3Key)), chance),
    genuine(PAYMENT, genuineNotices(...payment, apiV3Key, chance), sign),
    genuine(REFUND, genuineNotices(...refund, apiV3Key, chance), sign),
  ];
}

function mockCallbacks({ mockSecret, victim, player }: Target, chance: Chance): Generator<One>[] {
  const sign = (body: Buffer): Callback => mockSigned(body, mockSecret);
  const fresh = again(() => sign(Buffer.from(JSON.stringify(mockFacts(victim)))));
  return [MOCK, PAYMENT].flatMap((path) => [
    touched(path, fresh, chance),
    genuine(path, genuineMock(mockFacts(victim), mockFacts(player), chance), sign),
  ]);
}

function* touched(path: string, fresh: () => Callback, chance: Chance): Generator<One> {
  for (const { kind, ...callback } of mutants(fresh, chance)) yield { path, kind, callback, refused: true };
}

function* genuine(path: string, list: Iterable<Genuine>, sign: (body: Buffer) => Callback): Generator<One> {
  for (const { kind, body, refused } of list) yield { path, kind, callback: sign(body), refused };
}

/** More of them from one address than it may send: they are refused before they cost anything. */
export function* flood(target: Target): Generator<Input> {
  const path = target.name === 'wechat' ? PAYMENT : MOCK;
  for (let index = 0; index < FLOOD; index += 1) {
    const callback: Callback = { headers: [['Content-Type', 'application/json']], body: Buffer.from(`{"n":${index}}`) };
    yield inputOf(path, 'callback: flood', callback, '198.51.100.250', true);
  }
}

/** The valid ones, untouched. */
export function* controls(target: Target): Generator<Input> {
  const { name, victim, mockSecret, apiV3Key, channelKey } = target;
  const sign = (facts: Facts): Callback => signed(noticeOf(facts, facts.content, apiV3Key), channelKey);
  const valid: [string, Callback][] =
    name === 'mock'
      ? [[MOCK, mockSigned(Buffer.from(JSON.stringify(mockFacts(victim))), mockSecret)]]
      : [
          [PAYMENT, sign(paymentFacts(target, victim))],
          [REFUND, sign(refundFacts(target, victim))],
        ];
  for (const [path, callback] of valid)
    yield { ...inputOf(path, 'control: the valid callback', callback, '198.51.100.250', true), must: statusIn(200) };
}

function inputOf(path: string, kind: string, { headers, body }: Callback, address: string, refused: boolean): Input {
  const bytes = requestBytes({
    method: 'POST',
    target: path,
    headers: [...headers, ['X-Forwarded-For', address]],
    body,
  });
  return {
    kind,
    route: `POST ${path}`,
    role: 'none',
    bytes,
    must: ({ status }) =>
      refused && (status < 400 || status >= 500) ? `answered ${status} to what must be refused` : null,
  };
}

/** Another address for every hundred: the limit of each is never reached, so that every one is looked at in full. */
function addresses(): () => string {
  let sent = 0;
  return () => {
    const number = Math.floor((sent += 1) / FROM_ONE_ADDRESS);
    return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  };
}

function again(make: () => Callback): () => Callback {
  let made = make();
  let at = nowMs();
  return () => {
    if (nowMs() - at > SIGNED_ANEW_MS) [made, at] = [make(), nowMs()];
    return made;
  };
}

/** What must be right in every notice about a row of ours. */
const OURS = ['mchid', 'out_trade_no', 'success_time', 'amount', 'amount.total'];

function paymentFacts({ account }: Target, { openPaymentId: paymentId, openid, mark }: Rows): Facts {
  const ids = { paymentId, transactionId: transactionId(paymentId) };
  return {
    eventType: 'TRANSACTION.SUCCESS',
    originalType: 'transaction',
    content: paidContent({ ...account, ...ids, openid, attach: mark, amountFen: AMOUNT_FEN }),
    critical: [...OURS, 'appid', 'trade_state', 'amount.currency'],
  };
}

function refundFacts({ account: { mchid } }: Target, { paymentId, sentRefundId: refundId }: Rows): Facts {
  const ids = { refundId, channelRefundId: channelRefundId(refundId), transactionId: transactionId(paymentId) };
  return {
    eventType: 'REFUND.SUCCESS',
    originalType: 'refund',
    content: refundedContent({ mchid, paymentId, ...ids, amountFen: AMOUNT_FEN, refundFen: SENT_FEN }),
    critical: [...OURS, 'out_refund_no', 'refund_status', 'amount.refund'],
  };
}

function mockFacts({ openPaymentId }: Rows): Record<string, unknown> {
  return {
    payment_id: openPaymentId,
    status: 'SUCCESS',
    amount: AMOUNT_FEN,
    transaction_id: `mock_${openPaymentId.slice(4)}`,
  };
}
