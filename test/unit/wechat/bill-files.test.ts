import { createReadStream, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import type { BillTotals, TradeLine, UnreadableLine } from '../../../src/provider/bill.js';
import { readFundBill, readTradeBill } from '../../../src/provider/wechat/bill-lines.js';
import {
  billCase,
  type Cells,
  orderCells,
  PUBLISHED_BILL,
  refundCells,
  sumsOf,
  tradeBillText,
} from '../../support/bill-text.js';

interface Whole {
  readable: TradeLine[];
  unreadable: UnreadableLine[];
  totals: BillTotals;
}

async function readWhole(file: Readable): Promise<Whole> {
  const { lines, totals } = await readTradeBill(file);
  const whole: Omit<Whole, 'totals'> = { readable: [], unreadable: [] };
  for await (const line of lines) {
    if (line.kind === 'unreadable') whole.unreadable.push(line);
    else whole.readable.push(line);
  }
  return { ...whole, totals: totals() };
}

const bytes = (content: Buffer | string): Readable => Readable.from([Buffer.from(content)]);
const read = (content: Buffer | string): Promise<Whole> => readWhole(bytes(content));
const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';

/** What all cases of one payment of ¥18 say. */
const ONE_PAYMENT = {
  kind: 'payment',
  at: new Date('2026-11-24T12:00:00+08:00'),
  appid: 'wxd678efh567hg6787',
  mchid: '1900000109',
  transactionId: '4200000000000000000000000001',
  outTradeNo: 'pay_01AAAAAAAAAAAAAAAAAAAAAAAA',
  state: 'SUCCESS',
  amountFen: 1800,
  settledFen: 1800,
  feeMilliFen: 10_800,
  expectedFeeMilliFen: 10_800,
};

describe('a bill as people have it', () => {
  it.each(['bill-comma-in-name', 'bill-dates-by-spreadsheet', 'bill-saved-as-gbk', 'bill-tab-after-values'])(
    '%s is read',
    async (name) => {
      const { readable, unreadable, totals } = await readWhole(createReadStream(billCase(name)));
      expect(readable).toEqual([expect.objectContaining(ONE_PAYMENT)]);
      expect([unreadable, totals]).toEqual([[], { agree: true, differ: [] }]);
    },
  );

  it('bill-two-days has a line of each, and totals over both', async () => {
    const { readable, totals } = await readWhole(createReadStream(billCase('bill-two-days')));
    expect(readable.map(({ line, at }) => [line, at.toISOString()])).toEqual([
      [2, '2026-11-24T04:00:00.000Z'],
      [3, '2026-11-21T04:00:00.000Z'],
    ]);
    expect(totals.agree).toBe(true);
  });

  it('a fund-flow bill given as a trade bill is named for what it is, and the other way round', async () => {
    const fund = createReadStream(billCase('fund-flow-given-as-trade-bill'));
    await expect(readWhole(fund)).rejects.toMatchObject({
      code: 'bill_columns_missing',
      message: expect.stringContaining(
        'it is a fund-flow bill (资金账单); a trade bill (交易账单) is needed',
      ) as unknown,
    });
    await expect(readFundBill(createReadStream(PUBLISHED_BILL))).rejects.toMatchObject({
      message: expect.stringContaining('it is a trade bill (交易账单)') as unknown,
    });
  });

  it.each([
    ['an Excel workbook', 'PK\x03\x04xl/worksheets', 'an Excel workbook (.xlsx) or a zip archive'],
    ['an old Excel workbook', Buffer.from('d0cf11e0a1b11ae1', 'hex'), 'an Excel workbook (.xls)'],
    ['UTF-16', Buffer.from('\uFEFF交易时间\t商户号\r\n', 'utf16le'), 'text in UTF-16'],
    ['UTF-16, zipped', gzipSync(Buffer.from('\uFEFF交易时间\t商户号\r\n', 'utf16le')), 'text in UTF-16'],
  ])('%s is named, with what to do', async (_, content, message) => {
    await expect(read(content)).rejects.toMatchObject({
      code: 'bill_unreadable',
      message: expect.stringMatching(`${message.replace(/[().]/g, '\\$&')}.*CSV`) as unknown,
    });
  });

  it.each([
    ['semicolons', '交易时间;商户号;微信订单号\r\n', 'not separated by commas'],
    ['a lost encoding', '????,???,?????\r\n', 'no Chinese column names'],
  ])('with %s it is refused by its likely cause', async (_, content, message) => {
    await expect(read(content)).rejects.toMatchObject({
      code: 'bill_columns_missing',
      message: expect.stringContaining(message) as unknown,
    });
  });

  const ONE_OF_EACH = tradeBillText('ALL', [orderCells(), refundCells()], sumsOf(1, 1));
  const untouched = (): Promise<Whole> => read(ONE_OF_EACH);

  it.each<[string, (text: string) => Buffer | string]>([
    ['zipped', (text) => gzipSync(text)],
    [
      'in parts that were zipped one by one',
      (text) => Buffer.concat([gzipSync(text.slice(0, 99)), gzipSync(text.slice(99))]),
    ],
    ['with line ends of Unix', (text) => text.replaceAll('\r\n', '\n')],
    ['with line ends of an old Mac', (text) => text.replaceAll('\r\n', '\r')],
    ['without its back-ticks', (text) => text.replaceAll('`', '')],
    ['without some of its back-ticks', (text) => text.replaceAll('`1900000001', '1900000001')],
    ['with quotes around every value', (text) => text.replace(/[^,\r\n\uFEFF]+/g, '"$&"')],
    ['with empty lines and cells at its end', (text) => `${text.replaceAll('\r\n', ',,\r\n')}\r\n,,,,\r\n\r\n`],
  ])('%s says the same', async (_, changed) => {
    const { readable, unreadable, totals } = await read(changed(ONE_OF_EACH));
    expect({ readable, unreadable, totals }).toEqual(await untouched());
  });

  it('with quotes around a text that has commas says the same', async () => {
    const rows = [orderCells({ 商品名称: 'QUOTED' }), refundCells()];
    const text = tradeBillText('ALL', rows, sumsOf(1, 1)).replaceAll('`', '').replace('QUOTED', '"tea, ""green"""');
    expect(await read(text)).toEqual(await untouched());
  });

  it('of several days put together is read to its end, each with its own totals', async () => {
    const other = tradeBillText('ALL', [orderCells({ 交易时间: '2026-11-22 09:30:00' })], sumsOf(1, 0));
    const { readable, unreadable, totals } = await read(ONE_OF_EACH + other);
    expect(readable.map(({ kind, line }) => [kind, line])).toEqual([
      ['payment', 2],
      ['refund', 3],
      ['payment', 7],
    ]);
    expect([unreadable, totals.agree]).toEqual([[], true]);
    await expect(read(ONE_OF_EACH + other.replace('`1.0', '`2.0'))).rejects.toMatchObject({ code: 'bill_cut_off' });
  });

  it('does not keep its file open when it is refused, zipped or not', async () => {
    for (const content of ['PK\x03\x04', gzipSync('PK\x03\x04'), gzipSync('nothing of a bill\n'.repeat(9999))]) {
      const file = bytes(content);
      await expect(readWhole(file)).rejects.toMatchObject({ name: 'BadBill' });
      expect(file.destroyed).toBe(true);
    }
  });

  it('of one endless line, or zipped and cut off, is refused', async () => {
    await expect(read('交'.repeat(70_000))).rejects.toMatchObject({ code: 'bill_unreadable' });
    const zipped = gzipSync(readFileSync(PUBLISHED_BILL));
    await expect(read(zipped.subarray(0, zipped.length - 9))).rejects.toMatchObject({ code: 'bill_unreadable' });
  });
});

describe('a line that cannot be read', () => {
  const withLine = (cells: Cells, sums = sumsOf(2, 0)): Promise<Whole> =>
    read(tradeBillText('ALL', [orderCells({ 用户标识: OPENID, ...cells }), orderCells()], sums));

  it.each([
    ['订单金额', '18.001', 'is an amount in yuan with more than two decimals'],
    ['订单金额', 'abc', 'is not a decimal amount in yuan'],
    ['订单金额', '', 'is not a decimal amount in yuan'],
    ['应结订单金额', '1,800.00', 'is not a decimal amount in yuan'],
    ['手续费', '0,11', 'is not a decimal amount in yuan'],
    ['交易时间', '2026-13-01 00:00:00', 'is not a time of the calendar'],
    ['交易时间', '24/11/2026 12:00', 'a spreadsheet may have changed it'],
    ['交易时间', '46350.5', 'a spreadsheet may have changed it'],
    ['微信订单号', '4.2E+27', 'is a number that a spreadsheet has shortened, its last digits are lost'],
    ['微信订单号', '4200000263201900000000000000', 'is a number that a spreadsheet has shortened'],
    ['商户订单号', '2.02E+13', 'is a number that a spreadsheet has shortened'],
    ['手续费', OPENID, 'is not a decimal amount in yuan'],
  ])('is one with its line, column and value, and the rest goes on: %s "%s"', async (column, value, reason) => {
    const { readable, unreadable } = await withLine({ [column]: value });
    expect(readable).toHaveLength(1);
    expect(unreadable).toEqual([
      expect.objectContaining({
        line: 2,
        column,
        value: value === OPENID ? 'o…' : value,
        reason: expect.stringContaining(reason) as unknown,
      }),
    ]);
  });

  it('is known by a number of ours that stands in it, else by a digest of its text', async () => {
    const names = async (cells: Cells, make = orderCells): Promise<unknown[]> => {
      const text = tradeBillText('ALL', [make({ 手续费: 'x', ...cells })], sumsOf(0, 0));
      return (await read(text)).unreadable.map(({ entity, number }) => [entity, number]);
    };
    expect(await names({})).toEqual([['payment', 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB']]);
    expect(await names({}, refundCells)).toEqual([['refund', 'ref_01JD8Q5Z6T8RZ1M0V4N9X2K7CB']]);
    const [one, again, other] = [
      await names({ 商户订单号: 'POS-1' }),
      await names({ 商户订单号: 'POS-1' }),
      await names({ 商户订单号: 'POS-2' }),
    ];
    expect(one).toEqual([['line', expect.stringMatching(/^[0-9a-f]{16}$/)]]);
    expect([again, other]).toEqual([one, [['line', expect.not.stringMatching(String((one[0] as string[])[1]))]]]);
  });

  it('with a comma too many, and no back-ticks, names how many values it has', async () => {
    const text = tradeBillText(
      'ALL',
      [orderCells({ 商品名称: '茶,礼盒', 用户标识: OPENID }), orderCells()],
      sumsOf(2, 0),
    );
    const { readable, unreadable } = await read(text.replaceAll('`', ''));
    expect(readable).toHaveLength(1);
    expect(unreadable).toMatchObject([
      { line: 2, column: '', value: '', reason: expect.stringMatching(/has 28 values .* 27 columns/) as unknown },
    ]);
    expect(JSON.stringify(unreadable)).not.toContain(OPENID);
  });

  it('leaves totals that then do not agree, which says so and is no refusal', async () => {
    const { totals } = await withLine({ 订单金额: '18.0O' });
    expect(totals).toEqual({
      agree: false,
      differ: [
        { name: '订单总金额', said_milli_fen: 3_600_000, read_milli_fen: 1_800_000 },
        { name: '手续费总金额', said_milli_fen: 22_000, read_milli_fen: 11_000 },
      ],
    });
  });

  it('counts as a line: a bill that is cut off is found out all the same', async () => {
    await expect(withLine({ 订单金额: 'x' }, { ...sumsOf(2, 0), 总交易单数: '3' })).rejects.toMatchObject({
      code: 'bill_cut_off',
    });
  });

  it('after the totals is in none of them', async () => {
    const text = tradeBillText('ALL', [orderCells()], sumsOf(1, 0));
    const { readable, unreadable, totals } = await read(`${text}made by Wang\r\n`);
    expect([readable.length, totals.agree]).toEqual([1, true]);
    expect(unreadable).toMatchObject([
      { line: 5, entity: 'line', reason: 'follows the totals, and is in none of them' },
    ]);
  });

  it('with a NUL character is one', async () => {
    expect((await withLine({ 商品名称: 'a\0b' })).unreadable).toMatchObject([
      { line: 2, reason: 'has a NUL character' },
    ]);
  });

  it('is the whole file when there are too many of them, or hardly any other: the first is named', async () => {
    const spoiled = (bad: number, good: number): Promise<Whole> => {
      const rows = [
        ...Array<Cells>(bad).fill(orderCells({ 微信订单号: '4.2E+27' })),
        ...Array<Cells>(good).fill(orderCells()),
      ] as Cells[];
      return read(tradeBillText('ALL', rows, sumsOf(bad + good, 0)));
    };
    const message = expect.stringContaining('line 2, 微信订单号: "4.2E+27" is a number that a spreadsheet') as unknown;
    await expect(spoiled(10, 0)).rejects.toMatchObject({ code: 'bill_line_unreadable', message });
    await expect(spoiled(1001, 2000)).rejects.toMatchObject({ code: 'bill_line_unreadable', message });
    expect((await spoiled(9, 0)).unreadable).toHaveLength(9);
    expect((await spoiled(1000, 1)).unreadable).toHaveLength(1000);
  });
});

describe('the totals of a bill', () => {
  it.each([
    ['总交易单数', '3', 'bill_cut_off', 'line 5: '],
    ['订单总金额', '18.01', 'bill_sums_differ', 'line 5, 订单总金额: '],
    ['订单总金额', 'x', 'bill_line_unreadable', 'line 5, 订单总金额: "x" is not a decimal amount in yuan'],
  ])('whose %s is "%s" are refused by line and column', async (name, value, code, message) => {
    const text = tradeBillText('ALL', [orderCells(), refundCells()], { ...sumsOf(1, 1), [name]: value });
    await expect(read(text)).rejects.toMatchObject({ code, message: expect.stringContaining(message) as unknown });
  });
});
