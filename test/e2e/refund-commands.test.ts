import { TokensService } from '../../src/auth/tokens.service.js';
import { buy } from '../support/flows.js';
import { approveRefund, askFor, casesOfRefund, paid, stateOf } from '../support/refunds.js';
import { type Ended, runBuilt, ServiceProcess } from '../support/service-process.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

const CARD = '6222021234987650123';
const NAME = '司马测试';

// Each command is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

describe("operators' commands for refunds", () => {
  let shop: Simulated;
  let env: Record<string, string>;

  beforeAll(async () => {
    // A process has no other time than that on the wall. Refunds wait until they are told to move.
    shop = await startSimulated({ simulator: { signatureClock: 'real', refundDelayMs: null } });
    env = { ...shop.env, NODE_ENV: 'test', LOG_LEVEL: 'trace', DATABASE_URL: shop.databaseUrl };
  });
  afterAll(() => shop.close());

  const cli = (words: string, input = ''): Promise<Ended> =>
    runBuilt('cli.js', words.split(' '), env, undefined, input);

  /** Sent, but nobody knows whether it arrived. */
  async function unknown(): Promise<string> {
    const id = await askFor(await paid(shop), 700);
    await shop.sim.faults({ rules: [{ at: 'refund', do: 'disconnect', match: id }] });
    await approveRefund(shop, id);
    await shop.sim.faults({ rules: [] });
    expect(await stateOf(shop, id)).toBe('processing');
    return id;
  }

  async function abnormal(): Promise<string> {
    const id = await askFor(await paid(shop), 700);
    await approveRefund(shop, id);
    shop.sim.settleRefund(id, 'ABNORMAL');
    await shop.sim.settled();
    return id;
  }

  it('sync_refunds shows what it would ask about, asks about some, then about all', async () => {
    const ids = [await unknown(), await unknown()];
    const sentNow = (): number => shop.sim.ledger().refunds.filter((one) => ids.includes(one.out_refund_no)).length;
    const dry = await cli('sync_refunds --dry-run --json');
    expect([dry.code, dry.stderr]).toEqual([0, '']);
    expect(JSON.parse(dry.stdout)).toMatchObject({
      dry_run: true,
      checked: 0,
      refunds: ids.map((id) => ({ id, status: 'processing' })),
    });
    expect(sentNow()).toBe(0);
    const one = await cli('sync_refunds --limit 1 --json');
    expect(JSON.parse(one.stdout)).toMatchObject({ dry_run: false, checked: 1, failed: 0 });
    expect(sentNow()).toBe(1);
    // Two at once do no work twice.
    await Promise.all([cli('sync_refunds'), cli('sync_refunds')]);
    expect(sentNow()).toBe(2);
    for (const id of ids) {
      shop.sim.settleRefund(id, 'SUCCESS');
      expect(await casesOfRefund(shop, id)).toEqual([]);
    }
    await shop.sim.settled();
    for (const id of ids) expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it('what was typed wrong is wrong usage', async () => {
    const ended = await Promise.all(
      [
        'sync_refunds --limit 0',
        'take_over_refund --payment pay_01KB0A1B2C3D4E5F6G7H8J9KAM',
        'take_over_refund --payment nonsense --out-refund-no 1',
        'take_over_refund --payment pay_01KB0A1B2C3D4E5F6G7H8J9KAM --out-refund-no 1/2',
        'retry_abnormal_refund nonsense --to merchant_card',
        'retry_abnormal_refund ref_01KB0A1B2C3D4E5F6G7H8J9KAM',
        'retry_abnormal_refund ref_01KB0A1B2C3D4E5F6G7H8J9KAM --to user_card --bank-type ICBC_CREDIT',
      ].map((words) => cli(words)),
    );
    expect(ended.map(({ code }) => code)).toEqual(Array(7).fill(2));
  });

  it('take_over_refund takes over a refund that was made in the console, by its number', async () => {
    const { paymentId } = await paid(shop);
    const { out_refund_no: number } = shop.sim.refundInConsole(paymentId, { amount: 700 });
    const ended = await cli(`take_over_refund --payment ${paymentId} --out-refund-no ${number} --json`);
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    const refund = {
      payment_id: paymentId,
      out_refund_no: number,
      origin: 'console',
      status: 'processing',
      amount: 700,
    };
    expect(JSON.parse(ended.stdout)).toMatchObject(refund);
    const none = await cli(`take_over_refund --payment ${paymentId} --out-refund-no 1 --json`);
    expect([none.code, JSON.parse(none.stdout)]).toMatchObject([1, { error: { code: 'not_found' } }]);
    // For the test that asks about everything under way.
    shop.sim.settleRefund(number, 'SUCCESS');
    await shop.sim.settled();
  });

  it('retry_abnormal_refund sends the money to a card that nobody keeps', async () => {
    const id = await abnormal();
    const ended = await cli(
      `retry_abnormal_refund ${id} --to user_card --bank-type ICBC_DEBIT --json`,
      `${CARD}\n${NAME}\n`,
    );
    expect(ended.code).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ id, status: 'abnormal' });
    expect(ended.stdout + ended.stderr).not.toMatch(new RegExp(`${CARD}|${NAME}`));
    const again = await cli(`retry_abnormal_refund ${id} --to merchant_card`);
    expect(again.code).toBe(1);
    shop.sim.settleRefund(id, 'SUCCESS');
    await shop.sim.settled();
    expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it('neither a log line at its finest nor a table holds card data, even when the call fails', async () => {
    const service = await ServiceProcess.start({ ...env, JOBS_ENABLED: 'false' });
    const operator = { id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', role: 'operator' } as const;
    const { token } = await shop.app.get(TokensService).issue(operator);
    const body = { to: 'user_card', bank_type: 'ICBC_DEBIT', bank_account: CARD, real_name: NAME };
    for (const rule of [
      { at: 'abnormal_refund', do: 'error', status: 400, code: 'PARAM_ERROR', message: `bank_account ${CARD}` },
      { at: 'abnormal_refund', do: 'hang' },
      { at: 'abnormal_refund', do: 'flip_body' },
    ] as const) {
      const id = await abnormal();
      await shop.sim.faults({ rules: [rule] });
      const response = await fetch(`${service.url}/api/refunds/${id}/retry-abnormal/`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect([502, 503]).toContain(response.status);
      expect(await response.text()).not.toMatch(new RegExp(`${CARD}|${NAME}`));
      await shop.sim.faults({ rules: [] });
      shop.sim.settleRefund(id, 'SUCCESS');
      await shop.sim.settled();
    }
    await service.end();
    expect(service.output).toContain('retry-abnormal');
    expect(service.output).not.toMatch(new RegExp(`${CARD}|${NAME}`));
    const tables = await shop.db.query<{ name: string }[]>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    );
    for (const { name } of tables) {
      const rows = await shop.db.query<{ row: string }[]>(`SELECT t::text AS row FROM "${name}" t`);
      expect(rows.map(({ row }) => row).join('\n')).not.toMatch(new RegExp(`${CARD}|${NAME}`));
    }
  });

  it('leave alone what was only asked for', async () => {
    const bought = await buy(shop);
    expect((await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId })).status).toBe(409);
    const id = await askFor(await paid(shop), 100);
    await cli('sync_refunds');
    expect(await stateOf(shop, id)).toBe('requested');
  });
});
