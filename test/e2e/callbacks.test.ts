import { MINUTE } from '../../src/common/clock.js';
import { newId } from '../../src/common/ids.js';
import { startTestApp, type TestApp, times } from '../support/app.js';
import {
  announcementsOf,
  type Bought,
  buy,
  buyAndStart,
  casesOf,
  inTurns,
  journalOf,
  mockSignature,
  movesOf,
  paymentOf,
  raw,
  type RawAnswer,
  statesOf,
} from '../support/flows.js';

const SUCCESS = { code: 'SUCCESS', message: '成功' };

describe('callbacks of the mock provider', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp({
      env: { LATE_PAYMENT_POLICY: 'hold', JWT_TTL_SECONDS: '86400', BAD_CALLBACKS_PER_MINUTE: '100000' },
    });
  });
  afterAll(() => paydesk.close());

  /** Sends these bytes, signed as said. */
  const send = (body: string | Buffer, signature?: string, path = 'payments/callback/mock/'): Promise<RawAnswer> => {
    paydesk.clock.advance(1); // so that its row of the journal is the last one
    const headers: [string, string][] = [['content-type', 'application/json']];
    if (signature !== undefined) headers.push(['x-mock-signature', signature]);
    return raw(paydesk.url, 'POST', `/api/${path}`, headers, body);
  };
  const signed = (body: string | Buffer, path?: string): Promise<RawAnswer> =>
    send(body, mockSignature(paydesk, body), path);

  const lastRow = async (): Promise<Record<string, unknown>> => {
    const [row] = await paydesk.db.query<[Record<string, unknown>]>(
      'SELECT outcome, http_status, code, body_bytes FROM callbacks ORDER BY id DESC LIMIT 1',
    );
    return row;
  };

  it.each([
    ['SUCCESS', 'succeeded/paid', 'payment.succeeded'],
    ['FAIL', 'failed/pending', 'payment.failed'],
    ['CLOSED', 'closed/pending', 'payment.closed'],
  ])('takes over %s once, however often it comes', async (status, states, announced) => {
    const bought = await buyAndStart(paydesk);
    for (let repeat = 0; repeat < 3; repeat += 1) {
      paydesk.clock.advance(1);
      const answer = await paydesk.callback({ payment_id: bought.paymentId, status });
      expect([answer.status, answer.body]).toEqual([200, SUCCESS]);
    }
    expect(await statesOf(bought)).toBe(states);
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual([announced]);
    expect(await journalOf(paydesk, bought.paymentId)).toEqual(['applied 200', 'known 200', 'known 200']);
    const moves = await movesOf(paydesk, bought.orderId);
    expect(moves.filter((move) => move.endsWith('by callback'))).toHaveLength(status === 'SUCCESS' ? 2 : 1);
  });

  it('settles once what comes a hundred times at once', async () => {
    const bought = await buyAndStart(paydesk);
    const notice = { payment_id: bought.paymentId, status: 'SUCCESS', amount: 1800 };
    const answers = await times(100, () => paydesk.callback(notice));
    expect(answers.map((answer) => answer.status)).toEqual(Array(100).fill(200));
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect((await movesOf(paydesk, bought.orderId)).slice(2)).toEqual([
      'payment succeeded by callback',
      'order paid by callback',
    ]);
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.succeeded']);
    const journal = await journalOf(paydesk, bought.paymentId);
    expect(journal.filter((row) => row === 'applied 200')).toHaveLength(1);
    expect(journal.filter((row) => row === 'known 200')).toHaveLength(99);
  });

  it('settles many payments at once, the good ones beside the bad ones', async () => {
    const all = await inTurns(20, () => buyAndStart(paydesk));
    const answers = await times(60, (index) => {
      const { paymentId } = all[index % 20] as Bought;
      if (index < 20) return paydesk.callback({ payment_id: paymentId, status: 'SUCCESS', amount: 1 });
      if (index < 40) return paydesk.callback({ payment_id: newId('pay', paydesk.clock), status: 'SUCCESS' });
      return paydesk.callback({ payment_id: paymentId, status: 'SUCCESS', amount: 1800 });
    });
    expect(answers.slice(0, 40).map((answer) => answer.status)).toEqual(Array(40).fill(400));
    expect(answers.slice(40).map((answer) => answer.status)).toEqual(Array(20).fill(200));
    for (const bought of all) expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it.each<[string, (body: string) => string | undefined]>([
    ['no signature', () => undefined],
    ['an empty signature', () => ''],
    ['a signature of other bytes', (body) => mockSignature(paydesk, `${body} `)],
    ['a signature that is too short', (body) => mockSignature(paydesk, body).slice(2)],
    ['a signature that is no hex', () => 'g'.repeat(64)],
    ['two signatures', (body) => `${mockSignature(paydesk, body)}, ${mockSignature(paydesk, body)}`],
  ])('answers 401 FAIL to %s, records it and moves nothing', async (_, sign) => {
    const bought = await buyAndStart(paydesk);
    const body = JSON.stringify({ payment_id: bought.paymentId, status: 'SUCCESS' });
    const answer = await send(body, sign(body));
    expect([answer.status, JSON.parse(answer.text)]).toEqual([401, { code: 'FAIL', message: 'bad_signature' }]);
    expect(await statesOf(bought)).toBe('processing/pending');
    expect(await lastRow()).toEqual({
      outcome: 'unverified',
      http_status: 401,
      code: 'bad_signature',
      body_bytes: body.length,
    });
  });

  it('checks the signature over the bytes as they came, before anything is parsed', async () => {
    const bought = await buyAndStart(paydesk);
    const spaced = `{ "status":"SUCCESS",\n\t"payment_id" : "${bought.paymentId}" }`;
    const compact = JSON.stringify(JSON.parse(spaced));
    expect((await send(spaced, mockSignature(paydesk, compact))).status).toBe(401);
    expect((await send('not json', 'f'.repeat(64))).status).toBe(401);
    expect((await signed(spaced)).status).toBe(200);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it.each<[string, (id: string) => string, string]>([
    ['no JSON', () => 'SUCCESS', 'bad_json'],
    ['nothing', () => '', 'bad_json'],
    ['a list', () => '[]', 'bad_body'],
    ['no payment', () => '{"status":"SUCCESS"}', 'bad_payment_id'],
    ['a payment that is no text', () => '{"payment_id":7,"status":"SUCCESS"}', 'bad_payment_id'],
    ['an unknown status', (id) => `{"payment_id":"${id}","status":"PAID"}`, 'bad_status'],
    ['no status', (id) => `{"payment_id":"${id}"}`, 'bad_status'],
    ['a status of another type', (id) => `{"payment_id":"${id}","status":["SUCCESS"]}`, 'bad_status'],
    ['a fractional amount', (id) => `{"payment_id":"${id}","status":"SUCCESS","amount":18.5}`, 'bad_amount'],
    ['an amount as text', (id) => `{"payment_id":"${id}","status":"SUCCESS","amount":"1800"}`, 'bad_amount'],
    ['a bad number', (id) => `{"payment_id":"${id}","status":"SUCCESS","transaction_id":"a b"}`, 'bad_transaction_id'],
  ])('answers 400 FAIL to a signed body with %s, records it and moves nothing', async (_, make, code) => {
    const bought = await buyAndStart(paydesk);
    const answer = await signed(make(bought.paymentId));
    expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { code: 'FAIL', message: code }]);
    expect(await statesOf(bought)).toBe('processing/pending');
    expect(await lastRow()).toMatchObject({ outcome: 'unreadable', http_status: 400, code });
  });

  it.each([1, 0, -1800, 1799, 1801, 180_000])(
    'answers 400 FAIL to an amount of %i and opens a case',
    async (amount) => {
      const bought = await buyAndStart(paydesk);
      const notice = { payment_id: bought.paymentId, status: 'SUCCESS', amount };
      for (let repeat = 0; repeat < 3; repeat += 1) {
        const answer = await paydesk.callback(notice);
        expect([answer.status, answer.body]).toMatchObject([400, { code: 'FAIL' }]);
      }
      expect(await statesOf(bought)).toBe('processing/pending');
      expect(await casesOf(paydesk, bought.paymentId)).toEqual(['mismatch']);
      expect(await journalOf(paydesk, bought.paymentId)).toEqual(['mismatch 400', 'mismatch 400', 'mismatch 400']);
      expect(await announcementsOf(paydesk, bought.paymentId)).toEqual([]);
    },
  );

  it('answers 400 FAIL to money under a number that we never gave, and opens a case', async () => {
    const id = newId('pay', paydesk.clock);
    const answers = [
      await paydesk.callback({ payment_id: id, status: 'SUCCESS', amount: 5 }),
      await paydesk.callback({ payment_id: id, status: 'SUCCESS', amount: 5 }),
      await paydesk.callback({ payment_id: id, status: 'CLOSED' }),
    ];
    expect(answers.map((answer) => [answer.status, answer.body.code])).toEqual(Array(3).fill([400, 'FAIL']));
    expect(await casesOf(paydesk, id)).toEqual(['unknown_payment']);
    expect(await journalOf(paydesk, id)).toEqual(Array(3).fill('mismatch 400'));
  });

  it("answers 400 FAIL to another payment's transaction id, and opens a case", async () => {
    const [first, second] = [await buyAndStart(paydesk), await buyAndStart(paydesk)];
    const transaction_id = `T${first.paymentId.slice(4)}`;
    expect((await paydesk.callback({ payment_id: first.paymentId, status: 'SUCCESS', transaction_id })).status).toBe(
      200,
    );
    const answer = await paydesk.callback({ payment_id: second.paymentId, status: 'SUCCESS', transaction_id });
    expect([answer.status, answer.body.code]).toEqual([400, 'FAIL']);
    expect([await statesOf(first), await statesOf(second)]).toEqual(['succeeded/paid', 'processing/pending']);
    expect(await casesOf(paydesk, second.paymentId)).toEqual(['mismatch']);
  });

  it('gives one transaction id to one payment, when two payments claim it at once', async () => {
    const all = await inTurns(10, () => buyAndStart(paydesk));
    const transaction_id = `T_for_all_${all[0]?.paymentId.slice(-10)}`;
    const answers = await times(10, (index) =>
      paydesk.callback({ payment_id: all[index]?.paymentId, status: 'SUCCESS', transaction_id }),
    );
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    const payments = await Promise.all(all.map(paymentOf));
    expect(payments.filter((payment) => payment.status === 'succeeded')).toHaveLength(1);
    expect(payments.filter((payment) => payment.status === 'processing')).toHaveLength(9);
  });

  it('answers 400 FAIL to a second transaction of a paid payment, and opens a case', async () => {
    const bought = await buyAndStart(paydesk);
    const notice = { payment_id: bought.paymentId, status: 'SUCCESS' };
    await paydesk.callback({ ...notice, transaction_id: `A${bought.paymentId.slice(4)}` });
    const answer = await paydesk.callback({ ...notice, transaction_id: `B${bought.paymentId.slice(4)}` });
    expect([answer.status, answer.body.code]).toEqual([400, 'FAIL']);
    expect(await paymentOf(bought)).toMatchObject({ transaction_id: `A${bought.paymentId.slice(4)}` });
    expect(await casesOf(paydesk, bought.paymentId)).toEqual(['double_transaction']);
  });

  it.each(['FAIL', 'CLOSED'])('never takes money back by a %s that comes after the success', async (status) => {
    const bought = await buyAndStart(paydesk);
    await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' });
    expect((await paydesk.callback({ payment_id: bought.paymentId, status })).status).toBe(200);
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.succeeded']);
  });

  it('calls a close past its time an expiry, and cancels the order with it', async () => {
    const bought = await buyAndStart(paydesk);
    paydesk.clock.advance(30 * MINUTE);
    await paydesk.callback({ payment_id: bought.paymentId, status: 'CLOSED' });
    expect(await statesOf(bought)).toBe('expired/cancelled');
  });

  it.each(['payments/callback/wechat/', 'refunds/callback/wechat', 'payments/callback/mock?from=channel'])(
    'listens under %s too',
    async (path) => {
      const bought = await buy(paydesk);
      const answer = await signed(JSON.stringify({ payment_id: bought.paymentId, status: 'SUCCESS' }), path);
      expect([answer.status, JSON.parse(answer.text)]).toEqual([200, SUCCESS]);
      expect(await statesOf(bought)).toBe('succeeded/paid');
    },
  );

  it('reads the bytes whatever content type they come with, and answers JSON', async () => {
    const bought = await buyAndStart(paydesk);
    const body = JSON.stringify({ payment_id: bought.paymentId, status: 'SUCCESS' });
    for (const type of ['text/plain', 'application/octet-stream', 'application/json; charset=gbk']) {
      const headers: [string, string][] = [
        ['content-type', type],
        ['x-mock-signature', mockSignature(paydesk, body)],
      ];
      const answer = await raw(paydesk.url, 'POST', '/api/payments/callback/mock/', headers, body);
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    }
  });

  it('answers 413 FAIL to a body that is too large, and records it', async () => {
    const answer = await signed('x'.repeat(70_000));
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([413, { code: 'FAIL' }]);
    expect(await lastRow()).toMatchObject({ outcome: 'unreadable', http_status: 413 });
  });
});
