import { createReadStream, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip, gzipSync } from 'node:zlib';
import type { FundLine, TradeLine, UnreadableLine } from '../../../src/provider/bill.js';
import { readFundBill, readTradeBill } from '../../../src/provider/wechat/bill-lines.js';
import { rateMillionths, yuanToMilliFen } from '../../../src/provider/wechat/bill-values.js';
import {
  billText,
  LAYOUTS,
  orderCells,
  PUBLISHED_BILL,
  refundCells,
  sumsOf,
  tradeBillText,
} from '../../support/bill-text.js';

async function linesOf(csv: Readable): Promise<TradeLine[]> {
  return readable((await readTradeBill(csv)).lines);
}

/** All lines, each of which can be read. */
async function readable<Line extends TradeLine | FundLine>(
  bill: AsyncIterable<Line | UnreadableLine>,
): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of bill) {
    if (line.kind === 'unreadable') throw new Error(`line ${line.line} cannot be read: ${line.column} ${line.reason}`);
    lines.push(line);
  }
  return lines;
}

/** In small pieces, so that lines and characters are cut anywhere. */
function inPieces(text: string | Buffer, bytes = 7): Readable {
  const whole = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(whole.length / bytes) }, (_, index) =>
    whole.subarray(index * bytes, (index + 1) * bytes),
  );
  return Readable.from(pieces);
}

const read = (text: string): Promise<TradeLine[]> => linesOf(inPieces(text));

/** Reads on over lines that cannot be read. */
async function readWhole(text: string): Promise<void> {
  for await (const _ of (await readTradeBill(inPieces(text))).lines);
}
const sum = (values: number[]): number => values.reduce((all, value) => all + value, 0);
const ONE_OF_EACH = tradeBillText('ALL', [orderCells(), refundCells()], sumsOf(1, 1));

describe('the published bill', () => {
  it('adds up to its own summary: 31 orders, 14 refunds, 47 fen taken, 14 fen back, 8 fen of fees', async () => {
    const lines = await linesOf(createReadStream(PUBLISHED_BILL));
    const payments = lines.filter((line) => line.kind === 'payment');
    const refunds = lines.filter((line) => line.kind === 'refund');
    expect([payments.length, refunds.length]).toEqual([31, 14]);
    expect(sum(payments.map((line) => line.amountFen))).toBe(47);
    expect(sum(refunds.map((line) => line.amountFen))).toBe(14);
    expect(sum(lines.map((line) => line.feeMilliFen))).toBe(8000);
  });

  it('gives the fields of a refund by their columns', async () => {
    const [first] = await linesOf(createReadStream(PUBLISHED_BILL));
    expect(first).toEqual({
      kind: 'refund',
      line: 2,
      appid: 'wxab8acd895ab1638a',
      at: new Date('2019-02-19T05:01:46+08:00'),
      mchid: '1921000401',
      transactionId: '4200000263201902167700134212',
      outTradeNo: 'autotest_20190216081946_82335',
      refundId: '50000709672019011908420787722',
      outRefundNo: 'REF4200000263201902167700963919',
      state: 'SUCCESS',
      agreesWith: ['succeeded'],
      amountFen: 1,
      settledFen: 1,
      feeMilliFen: 0,
      expectedFeeMilliFen: null,
    });
  });

  it('says the same cut into pieces of any size, without its BOM, with plain line ends, and zipped', async () => {
    const text = readFileSync(PUBLISHED_BILL, 'utf8');
    const whole = await read(text);
    for (const bytes of [1, 2, 3, 1000]) expect(await linesOf(inPieces(text, bytes))).toEqual(whole);
    expect(await read(text.slice(1))).toEqual(whole);
    expect(await read(text.replaceAll('\r\n', '\n'))).toEqual(whole);
    expect(await read(text.trimEnd())).toEqual(whole);
    const zipped = inPieces(gzipSync(text)).pipe(createGunzip());
    expect(await linesOf(zipped)).toEqual(whole);
  });
});

describe('a trade bill', () => {
  it.each([
    ['ALL' as const, [orderCells(), refundCells()], sumsOf(1, 1), { payments: true, refunds: true }],
    ['SUCCESS' as const, [orderCells()], sumsOf(1, 0), { payments: true, refunds: false }],
    ['REFUND' as const, [refundCells()], sumsOf(0, 1), { payments: false, refunds: true }],
  ])('of type %s is read by its own columns', async (type, rows, sums, covers) => {
    const text = tradeBillText(type, rows, sums);
    const lines = await read(text);
    expect(lines.map((line) => [line.kind, line.amountFen, line.feeMilliFen])).toEqual(
      rows.map((row) => (row.交易状态 === 'REFUND' ? ['refund', 700, -4000] : ['payment', 1800, 11000])),
    );
    expect((await readTradeBill(inPieces(text))).covers).toEqual(covers);
  });

  it('is read by name when columns were moved and new ones came', async () => {
    const { columns, summary } = LAYOUTS.trade_bill.ALL;
    const moved = ['新的一列', ...columns.toReversed()];
    const text = billText(
      moved,
      [orderCells({ 新的一列: 'x' }), refundCells()],
      [summary.with(0, '总交易单数'), { 总交易单数: '2.0', ...sumsOf(1, 1) }],
    );
    expect(await read(text)).toEqual(await read(ONE_OF_EACH));
  });

  it('does not care for quotes, escapes and blanks in free text', async () => {
    const nasty = [
      '"',
      '"tea',
      `tea"s`,
      String.raw`a\\b\'c\"d`,
      String.raw`\``,
      String.raw`\140`,
      String.raw`x\ y`,
      "'",
    ];
    const rows = nasty.map((text) => orderCells({ 商品名称: text, 商户数据包: text, 设备号: text }));
    const lines = await read(tradeBillText('ALL', rows, sumsOf(rows.length, 0)));
    expect(lines).toHaveLength(nasty.length);
    expect(new Set(lines.map((line) => JSON.stringify({ ...line, line: 0 }))).size).toBe(1);
  });

  it('takes decimals of any scale', async () => {
    const rows = [
      orderCells({ 订单金额: '18', 应结订单金额: '18.0' }),
      orderCells({ 订单金额: '18.00000', 手续费: '0.11' }),
    ];
    const lines = await read(
      tradeBillText('ALL', rows, { ...sumsOf(2, 0), 订单总金额: '36.0', 手续费总金额: '0.22000' }),
    );
    expect(lines.map((line) => [line.amountFen, line.feeMilliFen])).toEqual([
      [1800, 11000],
      [1800, 11000],
    ]);
  });

  it('without a line is an empty day', async () => {
    expect(await read(tradeBillText('ALL', [], sumsOf(0, 0)))).toEqual([]);
  });

  it.each([
    ['in the middle of its lines', ONE_OF_EACH.slice(0, ONE_OF_EACH.indexOf('REFUND'))],
    ['before its summary', ONE_OF_EACH.slice(0, ONE_OF_EACH.indexOf('总交易单数'))],
    ['before the last line', `${ONE_OF_EACH.trimEnd().split('\r\n').slice(0, -1).join('\r\n')}\r\n`],
    ['to nothing', ''],
  ])('cut off %s is not believed', async (_, text) => {
    await expect(readWhole(text)).rejects.toMatchObject({ code: 'bill_cut_off' });
  });

  it.each([
    ['订单总金额', '18.01', 'bill_sums_differ'],
    ['申请退款总金额', '6.99', 'bill_sums_differ'],
    ['手续费总金额', '0.08', 'bill_sums_differ'],
    ['总交易单数', '3.0', 'bill_cut_off'],
  ])('whose %s does not add up is not believed', async (name, value, code) => {
    const text = tradeBillText('ALL', [orderCells(), refundCells()], { ...sumsOf(1, 1), [name]: value });
    await expect(read(text)).rejects.toMatchObject({ code });
  });

  it('without a column that is needed is refused by the name of the column', async () => {
    const { columns, summary } = LAYOUTS.trade_bill.ALL;
    const text = billText(
      columns.filter((name) => name !== '订单金额'),
      [orderCells()],
      [summary, sumsOf(1, 0)],
    );
    await expect(read(text)).rejects.toMatchObject({
      code: 'bill_columns_missing',
      message: expect.stringContaining('订单金额') as unknown,
    });
  });

  it('that breaks off while it streams fails with the reason of the stream', async () => {
    const broken = new Readable({
      read() {
        this.push(ONE_OF_EACH.slice(0, 300));
        this.destroy(new Error('the disk is gone'));
      },
    });
    await expect(linesOf(broken)).rejects.toThrow('the disk is gone');
  });
});

describe('a fund-flow bill', () => {
  const { columns, summary, sample_row_community: sample } = LAYOUTS.fund_flow;

  it('gives what came in and went out by business number', async () => {
    const rows = [
      { 微信支付业务单号: '42001', 业务类型: '交易', 收支类型: '收入', '收支金额(元)': '18.00' },
      { 微信支付业务单号: '42001', 业务类型: '扣除交易手续费', 收支类型: '支出', '收支金额(元)': '0.11' },
    ];
    const sums = { 资金流水总笔数: '2.0', 收入笔数: '1.0', 收入金额: '18.0', 支出笔数: '1.0', 支出金额: '0.11' };
    const lines = await readable(await readFundBill(inPieces(billText(columns, rows, [summary, sums]))));
    expect(lines).toEqual([
      { businessNo: '42001', kind: 'other', amountFen: 1800 },
      { businessNo: '42001', kind: 'fee', amountFen: -11 },
    ]);
  });

  it('takes a line from life', async () => {
    const text = [columns.join(','), sample, summary.join(','), '`1.0,`0.0,`0.0,`1.0,`0.01'].join('\n');
    const lines = await readable(await readFundBill(inPieces(text)));
    expect(lines).toEqual([{ businessNo: '50300806962021020105978994968', kind: 'other', amountFen: -1 }]);
  });
});

describe('amounts of a bill', () => {
  it.each([
    ['0.01000', 1000],
    ['45.0', 4_500_000],
    ['-0.00600', -600],
    ['+1', 100_000],
    ['0.000001', 0],
    ['-0.0', 0],
  ])('%s yuan are %d thousandths of a fen', (text, milli) => {
    expect(yuanToMilliFen(text)).toBe(milli);
  });

  it.each(['', '.5', '1.', '1e3', '1,000.00', '0x10', 'NaN'])('"%s" is no amount', (text) => {
    expect(() => yuanToMilliFen(text)).toThrow(RangeError);
  });

  it.each([
    ['0.60%', 6000],
    ['39.00%', 390_000],
    ['1%', 10_000],
    ['', null],
    ['0.6', null],
  ])('a rate of %s is %p millionths', (text, millionths) => {
    expect(rateMillionths(text)).toBe(millionths);
  });
});
