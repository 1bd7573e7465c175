import { Aes, Formatter, Wechatpay } from 'wechatpay-axios-plugin';
import { type KeyMode, type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { freshNumber } from './support/merchant.js';
import { type Receiver, startReceiver } from './support/receiver.js';

/**
 * A client that is not ours, with its own signature checks on, takes the simulator for WeChat Pay.
 * Its type declarations leave the chained calls open, so this file says what it uses of them.
 */
interface Response {
  status: number;
  data: Record<string, unknown>;
  headers: Record<string, string>;
}
interface Endpoint {
  get: (config?: object) => Promise<Response>;
  post: (data?: object, config?: object) => Promise<Response>;
}

const CHINA = 8 * 3_600_000;

describe.each<KeyMode>(['public_key', 'certificate'])('wechatpay-axios-plugin in %s mode', (mode) => {
  let sim: Simulator;
  let receiver: Receiver;
  let endpoint: (path: string) => Endpoint;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, mode, openingBalanceFen: 0 });
    receiver = await startReceiver(() => sim);
    const keys = sim.credentials;
    const certs =
      mode === 'public_key'
        ? { [keys.publicKeyId]: keys.publicKeyPem }
        : Object.fromEntries(keys.platformCertificates.map((one) => [one.serial, one.pem]));
    const client = new Wechatpay({
      baseURL: `${sim.url}/`,
      mchid: keys.mchid,
      serial: keys.merchantSerial,
      privateKey: keys.merchantPrivateKeyPem,
      certs,
      headers: { 'Wechatpay-Serial': Object.keys(certs)[0] },
    } as ConstructorParameters<typeof Wechatpay>[0]);
    endpoint = (path) => client.chain(path);
  });

  beforeEach(async () => {
    await sim.faults({ rules: [] });
  });

  afterAll(async () => {
    await sim.close();
    await receiver.close();
  });

  const place = async (total: number, more: object = {}): Promise<{ number: string; answer: Response }> => {
    const number = freshNumber(`SDK${mode.slice(0, 3)}`);
    const answer = await endpoint('v3/pay/transactions/jsapi').post({
      appid: sim.credentials.appid,
      mchid: sim.credentials.mchid,
      description: 'QQ公仔',
      out_trade_no: number,
      notify_url: receiver.url,
      amount: { total, currency: 'CNY' },
      payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
      ...more,
    });
    return { number, answer };
  };
  const query = (number: string): Promise<Response> =>
    endpoint('v3/pay/transactions/out-trade-no/{out_trade_no}').get({
      params: { mchid: sim.credentials.mchid },
      out_trade_no: number,
    });

  it('places, queries and closes an order', async () => {
    const { number, answer } = await place(100);
    expect(answer.data.prepay_id).toMatch(/^wx\d{14}[0-9a-f]{20}$/);
    expect((await query(number)).data).toMatchObject({ out_trade_no: number, trade_state: 'NOTPAY' });
    const closed = await endpoint('v3/pay/transactions/out-trade-no/{out_trade_no}/close').post(
      { mchid: sim.credentials.mchid },
      { out_trade_no: number },
    );
    expect(closed.status).toBe(204);
    expect((await query(number)).data.trade_state).toBe('CLOSED');
  });

  it('queries a paid order by either number and refunds it', async () => {
    const { number } = await place(888);
    sim.pay(number);
    const paid = (await query(number)).data;
    expect(paid).toMatchObject({ trade_state: 'SUCCESS', amount: { total: 888, payer_total: 888 } });
    const byId = await endpoint('v3/pay/transactions/id/{transaction_id}').get({
      params: { mchid: sim.credentials.mchid },
      transaction_id: paid.transaction_id,
    });
    expect(byId.data).toEqual(paid);
    const refund = await endpoint('v3/refund/domestic/refunds').post({
      out_trade_no: number,
      out_refund_no: `R${number}`,
      notify_url: receiver.url,
      amount: { refund: 888, total: 888, currency: 'CNY' },
    });
    expect(refund.data).toMatchObject({ status: 'PROCESSING', out_refund_no: `R${number}` });
    sim.settleRefund(`R${number}`, 'SUCCESS');
    const settled = await endpoint('v3/refund/domestic/refunds/{out_refund_no}').get({ out_refund_no: `R${number}` });
    expect(settled.data).toMatchObject({ status: 'SUCCESS', amount: { payer_refund: 888 } });
  });

  it('hears of a payment under its own signature rules', async () => {
    const { number } = await place(5);
    sim.pay(number);
    await sim.settled();
    const heard = receiver.arrivals.find((one) => one.content?.out_trade_no === number);
    expect(heard?.signed).toBe(true);
    expect(heard?.content).toMatchObject({ trade_state: 'SUCCESS', amount: { total: 5 } });
  });

  it.each(['wrong_signature', 'signtest', 'unknown_serial', 'stale_timestamp', 'unsigned', 'flip_body'] as const)(
    'refuses an answer with %s',
    async (fault) => {
      const { number } = await place(100);
      await sim.faults({ rules: [{ at: 'query', do: fault, times: 1 }] });
      await expect(query(number)).rejects.toMatchObject({ code: expect.stringMatching(/^EV3_RES_HEADER/) as string });
      expect((await query(number)).status).toBe(200);
    },
  );

  it('downloads and reads the bill of a day', async () => {
    sim.reset();
    const totals = [1, 250, 1999];
    for (const total of totals) {
      const { number } = await place(total, { attach: 'a,b`c' });
      sim.pay(number);
    }
    const day = new Date(Date.now() + CHINA).toISOString().slice(0, 10);
    await sim.advance(2 * 86_400);
    const applied = await endpoint('v3/bill/tradebill').get({ params: { bill_date: day, bill_type: 'ALL' } });
    const url = new URL(String(applied.data.download_url));
    const file = await endpoint(url.pathname.slice(1)).get({
      params: Object.fromEntries(url.searchParams),
      responseType: 'arraybuffer',
    });
    const bytes = file.data as unknown as Buffer;
    const bill = Formatter.castCsvBill(bytes) as { rows: Record<string, string>[]; summary: Record<string, string> };
    expect(bill.rows.map((row) => row['订单金额'])).toEqual(['0.01', '2.50', '19.99']);
    expect(bill.rows[0]).toMatchObject({ 交易状态: 'SUCCESS', 商户退款单号: '0', 商户数据包: 'a\\ b\\`c' });
    expect(bill.summary).toMatchObject({ 总交易单数: '3.0', 订单总金额: '22.5', 退款总金额: '0.0' });
  });

  it(
    mode === 'certificate' ? 'opens the certificates it is sent' : 'is told that there are no certificates',
    async () => {
      const asked = endpoint('v3/certificates').get();
      if (mode === 'public_key') {
        await expect(asked).rejects.toMatchObject({ response: { status: 404, data: { code: 'RESOURCE_NOT_EXISTS' } } });
        return;
      }
      const { data } = (await asked).data as {
        data: { serial_no: string; encrypt_certificate: Record<'nonce' | 'ciphertext' | 'associated_data', string> }[];
      };
      const sealed = data[0]?.encrypt_certificate;
      const pem = Aes.AesGcm.decrypt(
        sealed?.ciphertext ?? '',
        sim.credentials.apiV3Key,
        sealed?.nonce ?? '',
        sealed?.associated_data,
      );
      expect(pem).toBe(sim.credentials.platformCertificates[0]?.pem);
    },
  );
});
