import { type Browser, chromium, type Page } from 'playwright-core';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { type Merchant, merchantOf } from '../simulator/support/merchant.js';
import { BROWSER_FLAGS, CHROMIUM, PHONE } from './browser.js';

jest.setTimeout(60_000);

/** The payment sheet in a real browser, of the size of a phone. Fails, not skips, where there is no browser. */
describe('the cashier page', () => {
  let sim: Simulator;
  let merchant: Merchant;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    sim = await startSimulator({ merchantName: '小店 Paydesk' });
    merchant = merchantOf(sim);
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: BROWSER_FLAGS });
  });

  beforeEach(async () => {
    sim.reset();
    page = await browser.newPage({ viewport: PHONE, deviceScaleFactor: 2, locale: 'zh-CN' });
    complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on(
      'console',
      (message) => message.type() === 'error' && complaints.push(`${message.text()} ${message.location().url}`),
    );
  });

  afterEach(async () => {
    await page.close();
    expect(complaints.filter((one) => !one.includes('favicon'))).toEqual([]);
  });

  afterAll(async () => {
    await browser.close();
    await sim.close();
  });

  const open = async (more: Record<string, unknown> = {}): Promise<string> => {
    const order = await merchant.place({ amount: { total: 128_800 }, description: '经典款公仔 × 2', ...more });
    const prepayId = sim.ledger({ out_trade_no: order }).transactions[0]?.prepay_ids[0] ?? '';
    await page.goto(`${sim.url}/_sim/cashier?prepay_id=${prepayId}`);
    return order;
  };
  const state = (order: string): string | undefined => sim.ledger({ out_trade_no: order }).transactions[0]?.trade_state;

  it('shows merchant, goods and amount, and fits the phone', async () => {
    const order = await open();
    for (const text of ['小店 Paydesk', '经典款公仔 × 2', '1288.00', order]) {
      expect(await page.getByText(text).first().isVisible()).toBe(true);
    }
    const box = await page.locator('#pay').boundingBox();
    expect(box && box.x >= 0 && box.x + box.width <= PHONE.width && box.y + box.height <= PHONE.height).toBe(true);
  });

  it('pays', async () => {
    const order = await open();
    await page.locator('#pay').click();
    await page.getByText('支付成功 Paid').waitFor();
    expect(state(order)).toBe('SUCCESS');
    expect(await page.locator('#errmsg').textContent()).toBe('requestPayment:ok');
    expect(await page.locator('#again').isVisible()).toBe(false);
    await page.reload();
    expect(await page.getByText('支付成功').first().isVisible()).toBe(true);
    expect(await page.locator('#pay').count()).toBe(0);
  });

  it('cancels without touching the order, and can be tried again', async () => {
    const order = await open();
    await page.locator('#cancel').click();
    await page.getByText('requestPayment:fail cancel').waitFor();
    expect(state(order)).toBe('NOTPAY');
    await page.locator('#again').click();
    await page.locator('#pay').click();
    await page.getByText('支付成功 Paid').waitFor();
    expect(state(order)).toBe('SUCCESS');
  });

  it('lets a payment fail; the order stays open', async () => {
    const order = await open();
    await page.locator('#fail').click();
    await page.getByText('支付失败 Failed').waitFor();
    expect(state(order)).toBe('NOTPAY');
    expect(sim.ledger().transactions[0]?.failed_attempts).toBe(1);
  });

  it('tells the page that opened it what the client would hear', async () => {
    const order = await merchant.place();
    const prepayId = sim.ledger({ out_trade_no: order }).transactions[0]?.prepay_ids[0] ?? '';
    await page.goto(`${sim.url}/_sim/clock`);
    const popup = page.waitForEvent('popup');
    const address = JSON.stringify(`${sim.url}/_sim/cashier?prepay_id=${prepayId}`);
    await page.evaluate(`
      window.heard = [];
      window.addEventListener('message', (event) => window.heard.push(event.data));
      void window.open(${address});
    `);
    const sheet = await popup;
    await sheet.locator('#pay').click();
    await sheet.getByText('支付成功 Paid').waitFor();
    const heard = await page.evaluate<unknown>('window.heard');
    expect(heard).toEqual([{ type: 'requestPayment', errMsg: 'requestPayment:ok' }]);
  });

  it('says why an order cannot be paid', async () => {
    const order = await open({ description: '<b onclick=alert(1)>粗体</b>' });
    expect(await page.getByText('<b onclick=alert(1)>粗体</b>').isVisible()).toBe(true);
    await merchant.post(`/v3/pay/transactions/out-trade-no/${order}/close`, { mchid: sim.credentials.mchid });
    await page.locator('#pay').click();
    await page.getByText('订单已关闭').waitFor();
    await page.reload();
    expect(await page.getByText('订单已关闭').isVisible()).toBe(true);
    complaints = [];
  });

  it('shows ledger and notices to people', async () => {
    const order = await merchant.paid();
    await sim.settled();
    await page.goto(`${sim.url}/_sim/ledger`);
    expect(await page.getByText(order).first().isVisible()).toBe(true);
    await page.goto(`${sim.url}/_sim/notices`);
    expect(await page.getByText('TRANSACTION.SUCCESS').isVisible()).toBe(true);
  });
});
