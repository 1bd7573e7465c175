import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Answer, type Merchant, merchantOf } from './support/merchant.js';

const HOUR = 3600;
const DAY = 24 * HOUR;

interface Layouts {
  trade_bill: Record<'ALL' | 'SUCCESS' | 'REFUND', { columns: string[]; summary: string[] }>;
  fund_flow: { columns: string[]; summary: string[] };
}
const layouts = JSON.parse(readFileSync(join(__dirname, '../vectors', 'bill', 'bill-layouts.json'), 'utf8')) as Layouts;

interface Bill {
  header: string[];
  rows: Record<string, string>[];
  summaryHeader: string[];
  summary: Record<string, string>;
}

/** Reads a bill the way the manual describes it. */
function read(text: string): Bill {
  expect(text.charCodeAt(0)).toBe(0xfeff);
  expect(text.endsWith('\r\n')).toBe(true);
  const lines = text.slice(1, -2).split('\r\n');
  const header = (lines[0] ?? '').split(',');
  const summaryHeader = (lines.at(-2) ?? '').split(',');
  const values = (line: string, names: string[]): Record<string, string> => {
    expect(line.startsWith('`')).toBe(true);
    const cells = line.slice(1).split(',`');
    expect(cells).toHaveLength(names.length);
    return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? '']));
  };
  return {
    header,
    rows: lines.slice(1, -2).map((line) => values(line, header)),
    summaryHeader,
    summary: values(lines.at(-1) ?? '', summaryHeader),
  };
}

describe('a bill', () => {
  let sim: Simulator;
  let merchant: Merchant;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 21 });
    merchant = merchantOf(sim);
  });

  /** Noon in China, so that no test straddles midnight. */
  beforeEach(async () => {
    sim.reset();
    await sim.advance(untilHour(12));
  });

  afterAll(() => sim.close());

  /** Seconds from now to the next time it is that hour in China. */
  const untilHour = (hour: number): number => {
    const china = Date.parse(sim.now()) / 1000 + 8 * HOUR;
    return (hour * HOUR - (china % DAY) + DAY) % DAY;
  };
  const today = (): string => sim.now().slice(0, 10);
  const apply = (day: string, more = '', kind = 'tradebill'): Promise<Answer> =>
    merchant.get(`/v3/bill/${kind}?bill_date=${day}${more}`);
  const download = async (answer: Answer): Promise<Bill> => {
    expect(answer).toMatchObject({ status: 200, signed: true, body: { hash_type: 'SHA1' } });
    const url = new URL(String(answer.body.download_url));
    const file = await merchant.get(url.pathname + url.search);
    expect(file.headers.get('Wechatpay-Signature')).toBeNull();
    const bytes = Buffer.from(`\uFEFF${file.text.replace(/^\uFEFF/, '')}`);
    expect(createHash('sha1').update(bytes).digest('hex')).toBe(answer.body.hash_value);
    return read(bytes.toString());
  };
  const bill = async (day: string, more = '', kind = 'tradebill'): Promise<Bill> =>
    download(await apply(day, more, kind));
  const ready = (): Promise<string> => sim.advance(untilHour(10) + 1);

  it('is ready from ten in the morning of the next day', async () => {
    const day = today();
    await merchant.paid();
    expect((await apply(day)).body.code).toBe('INVALID_REQUEST');
    await sim.advance(untilHour(9));
    expect(await apply(day)).toMatchObject({ status: 400, body: { code: 'STATEMENT_CREATING' } });
    await sim.advance(HOUR + 1);
    expect((await apply(day)).status).toBe(200);
  });

  it('does not exist for a day without trades, a malformed day, or one too long ago', async () => {
    const day = today();
    await merchant.paid();
    await sim.advance(2 * DAY);
    expect((await apply(day, '', 'fundflowbill')).status).toBe(200);
    const dayAfter = new Date(Date.parse(`${day}T00:00:00Z`) + DAY * 1000).toISOString().slice(0, 10);
    expect(await apply(dayAfter)).toMatchObject({ status: 400, body: { code: 'NO_STATEMENT_EXIST' } });
    expect((await apply(dayAfter, '', 'fundflowbill')).body.code).toBe('NO_STATEMENT_EXIST');
    for (const wrong of ['2026-2-3', '2026-02-31', '20260203']) {
      expect((await apply(wrong)).body.code).toBe('PARAM_ERROR');
    }
    expect((await apply(day, '&bill_type=')).body.code).toBe('PARAM_ERROR');
    await sim.advance(93 * DAY);
    expect((await apply(day)).body.code).toBe('INVALID_REQUEST');
  });

  it('has the published columns and sums, and says what happened', async () => {
    const day = today();
    const order = await merchant.place({ amount: { total: 10_000 }, attach: 'a,b`c"d\\e\'f' });
    sim.pay(order, { coupon_fen: 1000, coupon_type: 'NOCASH' });
    const other = await merchant.paid({ amount: { total: 1 } });
    await merchant.refund(order, 'R_1', 5000);
    await ready();
    const all = await bill(day);
    expect(all.header).toEqual(layouts.trade_bill.ALL.columns);
    expect(all.summaryHeader).toEqual(layouts.trade_bill.ALL.summary);
    expect(all.rows).toHaveLength(3);
    expect(all.rows[0]).toMatchObject({
      商户号: sim.credentials.mchid,
      特约商户号: '0',
      商户订单号: order,
      交易类型: 'JSAPI',
      交易状态: 'SUCCESS',
      应结订单金额: '90.00',
      代金券金额: '10.00',
      商户退款单号: '0',
      商户数据包: 'a\\ b\\`c\\"d\\\\e\\\'f',
      手续费: '0.54000',
      费率: '0.60%',
      订单金额: '100.00',
      申请退款金额: '0.00',
    });
    expect(all.rows[1]).toMatchObject({ 商户订单号: other, 订单金额: '0.01', 手续费: '0.00000' });
    expect(all.rows[2]).toMatchObject({
      商户订单号: order,
      商户退款单号: 'R_1',
      交易状态: 'REFUND',
      退款类型: 'ORIGINAL',
      退款状态: 'SUCCESS',
      应结订单金额: '0.00',
      退款金额: '45.00',
      充值券退款金额: '5.00',
      商户数据包: 'a\\ b\\140c\\"d\\\\e\'f',
      手续费: '-0.27000',
      申请退款金额: '50.00',
    });
    expect(all.summary).toEqual({
      总交易单数: '3.0',
      应结订单总金额: '90.01',
      退款总金额: '45.0',
      充值券退款总金额: '5.0',
      手续费总金额: '0.27',
      订单总金额: '100.01',
      申请退款总金额: '50.0',
    });
    const success = await bill(day, '&bill_type=SUCCESS');
    expect([success.header, success.summaryHeader]).toEqual([
      layouts.trade_bill.SUCCESS.columns,
      layouts.trade_bill.SUCCESS.summary,
    ]);
    expect(success.rows.map((row) => row['商户订单号'])).toEqual([order, other]);
    const refunds = await bill(day, '&bill_type=REFUND');
    expect([refunds.header, refunds.summaryHeader]).toEqual([
      layouts.trade_bill.REFUND.columns,
      layouts.trade_bill.REFUND.summary,
    ]);
    expect(refunds.rows.map((row) => row['商户退款单号'])).toEqual(['R_1']);
    expect(refunds.rows[0]?.['退款成功时间']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  });

  it('belongs to the day in China, and freezes a refund as it was the next morning at nine', async () => {
    const day = today();
    const order = await merchant.paid();
    await sim.advance(untilHour(23) + HOUR - 120);
    await merchant.refund(order, 'R_LATE', 10);
    sim.settleRefund('R_LATE', 'ABNORMAL');
    await sim.advance(untilHour(9) + 60);
    sim.settleRefund('R_LATE', 'SUCCESS');
    await merchant.paid();
    await ready();
    const { rows } = await bill(day);
    expect(rows).toHaveLength(2);
    expect(rows[1]).toMatchObject({ 商户退款单号: 'R_LATE', 退款状态: 'CHANGE' });
    expect((await bill(day, '&bill_type=REFUND')).rows[0]?.['退款成功时间']).toBe('');
  });

  it('of the funds has every movement with its balance, and adds up', async () => {
    const day = today();
    const order = await merchant.paid({ amount: { total: 10_000 } });
    await merchant.refund(order, 'R_1', 5000);
    sim.settleRefund('R_1', 'CLOSED');
    await ready();
    const { header, rows, summaryHeader, summary } = await bill(day, '&account_type=BASIC', 'fundflowbill');
    expect([header, summaryHeader]).toEqual([layouts.fund_flow.columns, layouts.fund_flow.summary]);
    expect(rows.map((row) => [row['业务类型'], row['收支类型'], row['收支金额(元)'], row['账户结余(元)']])).toEqual([
      ['交易', '收入', '100.00', '100.00'],
      ['扣除交易手续费', '支出', '0.60', '99.40'],
      ['退款', '支出', '49.70', '49.70'],
      ['退款关闭', '收入', '49.70', '99.40'],
    ]);
    expect(rows[2]?.['备注']).toBe('退款总金额50.00元;含手续费0.30元');
    expect(summary).toEqual({
      资金流水总笔数: '4.0',
      收入笔数: '2.0',
      收入金额: '149.7',
      支出笔数: '2.0',
      支出金额: '50.3',
    });
    expect((await apply(day, '&account_type=FEES', 'fundflowbill')).body.code).toBe('NO_STATEMENT_EXIST');
  });

  it('comes zipped when asked for, its hash over the plain text, its link good for five minutes', async () => {
    const day = today();
    await merchant.paid();
    await ready();
    const { body } = await apply(day, '&tar_type=GZIP');
    const url = new URL(String(body.download_url));
    expect(url.search).toContain('&tartype=gzip');
    const target = url.pathname + url.search;
    expect((await merchant.get(target, { authorization: () => '' })).status).toBe(401);
    const plain = await bill(day);
    const zipped = await rawBytes(sim, target, merchant);
    const text = gunzipSync(zipped);
    expect(createHash('sha1').update(text).digest('hex')).toBe(body.hash_value);
    expect(read(text.toString()).rows).toEqual(plain.rows);
    await sim.advance(301);
    expect(await merchant.get(target)).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
  });

  it('differs from the books where it is told to, the same from the same seed', async () => {
    const day = today();
    for (let count = 0; count < 20; count += 1) await merchant.paid({ amount: { total: 1000 + count } });
    const count = { missing: 2, extra: 1, amount: 1, status: 1, fee: 1, duplicate: 1 };
    const chosen = sim.billDifferences(day, { count, seed: 4 });
    expect(sim.billDifferences(day, { count, seed: 4 }).filter((one) => one.kind !== 'extra')).toEqual(
      chosen.filter((one) => one.kind !== 'extra'),
    );
    expect(() => sim.billDifferences(day, { count: { missing: 21 } })).toThrow('too few');
    const told = sim.billDifferences(day, { count, seed: 4 });
    const number = (kind: string): string[] => told.filter((one) => one.kind === kind).map((one) => one.number);
    await ready();
    const { rows, summary } = await bill(day);
    const lines = (name: string | undefined): Record<string, string>[] =>
      rows.filter((row) => row['商户订单号'] === name);
    expect(summary['总交易单数']).toBe('20.0');
    expect(number('missing').map((name) => lines(name).length)).toEqual([0, 0]);
    expect(lines(number('extra')[0])).toHaveLength(1);
    expect(lines(number('duplicate')[0])).toHaveLength(2);
    expect(lines(number('status')[0])[0]?.['交易状态']).toBe('REVOKED');
    expect(lines(number('fee')[0])[0]?.['手续费']).toBe('0.07000');
    const book = sim.ledger({ out_trade_no: number('amount')[0] }).transactions[0]?.total ?? 0;
    expect(lines(number('amount')[0])[0]?.['订单金额']).toBe(`10.${String(book + 1).slice(-2)}`);
  });

  it('can tell a wrong hash, and can be asked for once a minute at most', async () => {
    const day = today();
    await merchant.paid();
    await ready();
    await sim.faults({ rules: [{ at: 'tradebill', do: 'wrong_hash', times: 1 }] });
    expect((await apply(day)).body.hash_value).toBe('0'.repeat(40));
    await sim.faults({ limits: { tradebill_per_minute: 0, fundflowbill_per_second: 0 } });
    expect(await apply(day)).toMatchObject({ status: 429, body: { code: 'FREQUENCY_LIMITED' } });
    expect((await apply(day, '', 'fundflowbill')).status).toBe(429);
  });
});

/** The download's bytes, signed for like any other call. */
async function rawBytes(sim: Simulator, target: string, merchant: Merchant): Promise<Buffer> {
  let header = '';
  await merchant.get(target, { authorization: (made) => (header = made) });
  const response = await fetch(sim.url + target, { headers: { Authorization: header, 'User-Agent': 'paydesk-test' } });
  return Buffer.from(await response.arrayBuffer());
}
