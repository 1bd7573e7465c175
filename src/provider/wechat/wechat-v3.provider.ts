import type { OnApplicationShutdown } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { after, Clock, HOUR, SECOND } from '../../common/clock.js';
import { nonce } from '../../common/ids.js';
import { isSimulated } from '../../config/real-money.js';
import type { Settings } from '../../config/settings.js';
import type { FundLine, TradeBill, UnreadableLine } from '../bill.js';
import {
  AbnormalRefundTarget,
  CallbackFact,
  ChannelAccount,
  ChannelOrder,
  ChannelPayment,
  ChannelRefund,
  ChannelRefundOrder,
  KeyExpiry,
  PaymentProvider,
  RawCallback,
} from '../payment-provider.js';
import type { ClientParams, Prepay } from '../prepay.js';
import { type BillKind, downloadBill } from './bill-download.js';
import { readFundBill, readTradeBill } from './bill-lines.js';
import { readCallback } from './callback.js';
import { CallReport, WechatClient } from './client.js';
import { ExpiryWarning, KeyRing } from './key-ring.js';
import { closeOrder, placeOrder, queryOrder } from './orders.js';
import { applyForRefund, askForRefund, retryAbnormal } from './refunds.js';
import { CertificateRenewal } from './renewal.js';
import { SettingsProblem, WechatSettings, wechatSettings, WechatSettingsError } from './settings.js';
import { payMessage, signMessage } from './signature.js';
import { Transport } from './transport.js';
import { WECHAT_RULES } from './wechat-rules.js';

/** How long a prepay id lives, whatever `time_expire` says (manual, page 4012791897). */
const PREPAY_LIFE_MS = 2 * HOUR;

export interface WechatV3Options {
  /** Told of every HTTP call, for metrics. */
  onCall?: (call: CallReport) => void;
  /** Told in plain words of trouble that no caller sees, for the log. */
  onProblem?: (message: string) => void;
  /** The pause before a second try, in milliseconds (200). */
  retryPauseMs?: number;
}

/** WeChat Pay API v3 for a direct merchant's mini-program (JSAPI). */
export class WechatV3Provider extends PaymentProvider implements OnApplicationShutdown {
  readonly name = 'wechat';
  readonly rules = WECHAT_RULES;
  readonly account: ChannelAccount;
  private readonly ring: KeyRing;
  private readonly transport: Transport;
  private readonly client: WechatClient;
  private readonly renewal: CertificateRenewal;

  /** @throws WechatSettingsError that lists every problem */
  constructor(
    private settings: WechatSettings,
    private readonly clock: Clock,
    private readonly options: WechatV3Options = {},
  ) {
    super();
    this.account = { mchid: settings.mchid, appid: settings.appid };
    this.ring = new KeyRing(settings, clock);
    this.transport = new Transport(settings);
    this.client = new WechatClient(settings, this.ring, this.transport, clock, {
      ...options,
      onUnknownSerial: () => this.renewal.requestEarlyRefresh(),
      beforeCall: () => this.renewal.beforeCall(),
    });
    this.renewal = new CertificateRenewal(this.client, this.ring, clock, {
      issuer: isSimulated(settings) ? null : 'Tenpay.com',
      onProblem: options.onProblem,
    });
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** Begins to keep certificates fresh. Never throws: with WeChat out of reach the service still starts. */
  override async start(): Promise<void> {
    await this.renewal.start();
    this.warnOfExpiry();
  }

  async close(): Promise<void> {
    await this.renewal.stop();
    await this.transport.close();
  }

  /**
   * Takes over changed keys and addresses without a restart, all or none. Account, hosts and limits need a restart.
   * @throws WechatSettingsError and goes on with what it had
   */
  reload(settings: WechatSettings): void {
    const fixed = (['appid', 'mchid', 'baseUrl', 'backupBaseUrl', 'apiBaseUrl', 'maxConcurrency'] as const).filter(
      (name) => settings[name] !== this.settings[name],
    );
    const problems: SettingsProblem[] = fixed.map((name) => ({
      setting: name,
      message: 'cannot change without a restart',
    }));
    if (problems.length > 0) throw new WechatSettingsError(problems);
    this.ring.reload(settings);
    this.settings = settings;
    this.renewal.afterReload();
  }

  /**
   * Fetches the platform certificates now.
   * @throws ProviderError
   */
  renewCertificates(): Promise<void> {
    return this.renewal.renew();
  }

  override reloadKeys({ wechat }: Settings): void {
    if (wechat) this.reload(wechatSettings(wechat));
    this.warnOfExpiry();
  }

  override keyExpiries(now: Date): KeyExpiry[] {
    return this.expiries(now).map(({ what, serial, days }) => ({ name: `${what} ${serial}`, days }));
  }

  private warnOfExpiry(): void {
    for (const { what, serial, days } of this.expiryWarnings(this.clock.now()))
      this.options.onProblem?.(`the ${what.replace('_', ' ')} ${serial} ends in ${days} days`);
  }

  /** Certificates that end within 30 days of `now`. */
  expiryWarnings(now: Date): ExpiryWarning[] {
    return this.ring.expiryWarnings(now);
  }

  /** The end of every certificate known, for a gauge. */
  expiries(now: Date): ExpiryWarning[] {
    return this.ring.expiries(now);
  }

  /**
   * Places the order. The same order again sends the same bytes and gets a live prepay id again.
   * @throws ProviderError; `rejected` with `ORDERPAID`, `ORDER_CLOSED` or `OUT_TRADE_NO_USED` when the number is used up
   */
  async prepay(order: ChannelOrder): Promise<Prepay> {
    if (order.openid === null) throw new TypeError('a payment without an openid: needsOpenid was not asked');
    // Counted from before the call, so that ours ends no later than the channel's.
    const expiresAt = after(this.clock.now(), PREPAY_LIFE_MS);
    const prepayId = await placeOrder(this.client, this.settings, order, order.openid);
    return { scene: 'jsapi', prepayId, expiresAt };
  }

  /** Signs the arguments of `wx.requestPayment`: RSA, since the client's default, MD5, is not of v3. */
  async clientParams({ prepayId }: Prepay): Promise<ClientParams> {
    const params = {
      timeStamp: String(Math.floor(this.clock.now().getTime() / SECOND)),
      nonceStr: nonce(),
      package: `prepay_id=${prepayId}`,
    };
    const paySign = await signMessage(payMessage(this.settings.appid, params), this.ring.merchant.privateKey);
    return { ...params, signType: 'RSA', paySign };
  }

  queryPayment(order: ChannelOrder): Promise<ChannelPayment> {
    return queryOrder(this.client, this.settings, order.outTradeNo);
  }

  closePayment(order: ChannelOrder): Promise<ChannelPayment> {
    return closeOrder(this.client, this.settings, order.outTradeNo);
  }

  refund(refund: ChannelRefundOrder): Promise<ChannelRefund> {
    return applyForRefund(this.client, this.settings, refund);
  }

  queryRefund(refund: ChannelRefundOrder): Promise<ChannelRefund> {
    return askForRefund(this.client, refund);
  }

  retryAbnormalRefund(refund: ChannelRefundOrder, destination: AbnormalRefundTarget): Promise<ChannelRefund> {
    return retryAbnormal(this.client, this.ring, refund, destination);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws must arrive as a rejection
  async readCallback(callback: RawCallback): Promise<CallbackFact> {
    return readCallback(callback, this.ring, this.clock);
  }

  async tradeBill(day: string): Promise<TradeBill | null> {
    const csv = await this.downloadBill(day, 'trade');
    return csv && readTradeBill(csv);
  }

  async fundBill(day: string): Promise<AsyncIterable<FundLine | UnreadableLine> | null> {
    const csv = await this.downloadBill(day, 'fund_flow');
    return csv && readFundBill(csv);
  }

  readTradeBill(file: Readable): Promise<TradeBill> {
    return readTradeBill(file);
  }

  /** The text of a bill, unzipped, its hash checked; null when there is none. @throws BillNotReady, ProviderError */
  downloadBill(day: string, kind: BillKind): Promise<Readable | null> {
    return downloadBill(this.client, day, kind);
  }
}
