import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type pg from 'pg';
import { makeKeys, serviceEnvironment } from '../bench/keys.js';
import { memoryOf, runCommand } from '../dev/built-program.js';
import { DIRECTORY, openPlace } from './place.js';
import { stopwatch } from './report.js';
import { proof } from './run.js';

const DAY = '2026-11-22';
const MOST_MB = 300;
const AMOUNT_FEN = 1990;
/** Seeded differences: so many lines left out, made up, with another amount, doubled. */
const SEEDED = 5;
/** Nothing listens there: asking about a difference gets no answer, and it remains. */
const NO_CHANNEL = 9;

interface Found {
  lines: number;
  differences: Record<string, number>;
  payments: { here: { count: number } };
}

export const billMillion = proof({
  name: 'bill-million',
  about: `a bill of a million lines against a million payments: below ${MOST_MB} MB`,
  options: { lines: 1_000_000 },
  async run({ lines }, { report, cleanup }) {
    const { db, databaseUrl } = await openPlace(cleanup, 'bill_million');
    const keys = makeKeys();
    const filling = stopwatch();
    await fill(db, lines, keys.mchid, keys.appid);
    const file = `${DIRECTORY}/bill.csv.gz`;
    await pipeline(Readable.from(bill(lines, keys.mchid)), createGzip({ level: 1 }), createWriteStream(file));
    report.say('payments and a bill made', `${lines} in ${filling()} s`);

    const env = { ...serviceEnvironment(keys, NO_CHANNEL), DATABASE_URL: databaseUrl };
    const reconciling = stopwatch();
    let peakMb = 0;
    const words = ['reconcile_bill', '--date', DAY, '--file', file, '--json'];
    const { stdout } = await runCommand(words, env, (pid) => {
      peakMb = Math.max(peakMb, Math.round(memoryOf(pid)?.peak ?? 0));
    });
    if (!stdout.startsWith('{')) throw new Error('reconcile_bill printed no report');
    const found = JSON.parse(stdout) as Found;
    const took = reconciling();
    report.expect('lines read', found.lines, lines + SEEDED);
    report.expect('payments here', found.payments.here.count, lines);
    report.expect(
      'differences, each seeded one and no other',
      sorted(found.differences),
      sorted({ missing_here: SEEDED, amount: SEEDED, missing_there: SEEDED, duplicate: SEEDED }),
    );
    report.say('seconds, start of the program included', took);
    report.say('lines/s', Math.round(lines / took));
    report.check('most memory of the process, in MB', peakMb, peakMb > 0 && peakMb < MOST_MB);
  },
});

const sorted = (counts: Record<string, number>): string => JSON.stringify(Object.entries(counts).sort());
const id = (prefix: string, number: number): string => `${prefix}_01JM${String(number).padStart(22, '0')}`;
const transaction = (number: number): string => `4200${String(number).padStart(24, '0')}`;

async function fill(db: pg.Pool, count: number, mchid: string, appid: string): Promise<void> {
  const name = (prefix: string): string => `'${prefix}_01JM' || lpad(g::text, 22, '0')`;
  const at = `timestamptz '${DAY} 00:00:00+08' + g % 80000 * interval '1 second'`;
  await db.query(
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, paid_payment_id, created_by, created_at,
                         expires_at, paid_at)
     SELECT ${name('ord')}, 'usr_0', 'paid', ${AMOUNT_FEN}, 'CNY', 'tea', ${name('pay')}, 'usr_0', ${at}, ${at}, ${at}
     FROM generate_series(1, ${count}) g`,
  );
  await db.query(
    `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, transaction_id, created_at,
                           expires_at, paid_at, settled_at, next_check_at)
     SELECT ${name('pay')}, ${name('ord')}, 'wechat', $1, $2, 'succeeded', ${AMOUNT_FEN}, 'CNY',
            '4200' || lpad(g::text, 24, '0'), ${at}, ${at}, ${at}, ${at}, ${at} FROM generate_series(1, ${count}) g`,
    [mchid, appid],
  );
  await db.query('VACUUM (ANALYZE) payments');
}

const COLUMNS = [
  ...['交易时间', '公众账号ID', '商户号', '特约商户号', '设备号', '微信订单号', '商户订单号', '用户标识', '交易类型'],
  ...['交易状态', '付款银行', '货币种类', '应结订单金额', '代金券金额', '微信退款单号', '商户退款单号', '退款金额'],
  ...['充值券退款金额', '退款类型', '退款状态', '商品名称', '商户数据包', '手续费', '费率', '订单金额', '申请退款金额'],
  '费率备注',
];
const SUMS = '总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额';

/** The text of a trade bill of type ALL, in the order of chance. */
function* bill(lines: number, mchid: string): Generator<string> {
  yield `\uFEFF${COLUMNS.join(',')}\r\n`;
  let [count, fen] = [0, 0];
  const line = (number: number, amount: number): string => {
    count += 1;
    fen += amount;
    const at = new Date(Date.parse(`${DAY}T00:00:00Z`) + (number % 80_000) * 1000).toISOString();
    const time = at.slice(0, 19).replace('T', ' ');
    const yuan = (amount / 100).toFixed(2);
    const ids = ['wx8888888888888888', mchid, '0', '', transaction(number), id('pay', number), 'oUpF8uMuAJO_M2pxb1Q9'];
    const middle = ['JSAPI', 'SUCCESS', 'OTHERS', 'CNY', yuan, '0.00', '0', '0', '0.00', '0.00', '', '', 'Oolong tea'];
    return `\`${[time, ...ids, ...middle, '', '0.12000', '0.60%', yuan, '0.00', ''].join(',`')}\r\n`;
  };
  // A step that shares no factor with the count visits every number once, far from any order.
  for (let index = 0, number = 0; index < lines; index += 1) {
    number = (number + 611_953) % lines;
    const one = number + 1;
    if (one <= SEEDED) continue;
    const amount = one <= 2 * SEEDED ? AMOUNT_FEN + 1 : AMOUNT_FEN;
    yield line(one, amount);
    if (one > 2 * SEEDED && one <= 3 * SEEDED) yield line(one, amount);
  }
  for (let extra = 1; extra <= SEEDED; extra += 1) yield line(lines + extra, AMOUNT_FEN);
  yield `${SUMS}\r\n`;
  const yuan = `${Math.trunc(fen / 100)}.${String(fen % 100).padStart(2, '0')}`;
  yield `\`${[`${count}.0`, yuan, '0.0', '0.0', `${((count * 12) / 100).toFixed(2)}`, yuan, '0.0'].join(',`')}\r\n`;
}
