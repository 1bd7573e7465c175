import { createServer, Server } from 'node:http';
import { AddressInfo } from 'node:net';
import { FaultRule, KeyMode, Simulator, SimulatorOptions, startSimulator } from '../../simulator/index.js';
import { after, Clock, MINUTE } from '../../src/common/clock.js';
import { newId } from '../../src/common/ids.js';
import {
  CallbackFact,
  CallbackRefused,
  ChannelOrder,
  ChannelRefundOrder,
  ProviderError,
  RawCallback,
} from '../../src/provider/payment-provider.js';
import { CallReport } from '../../src/provider/wechat/client.js';
import { WechatSettings, WechatTimeouts } from '../../src/provider/wechat/settings.js';
import { WechatV3Provider } from '../../src/provider/wechat/wechat-v3.provider.js';
import { KEY_PAIRS } from '../support/key-pairs.js';

/** The simulator's own clock: business time moves with it, so that a day can be lived through at once. */
export class SimulatorClock extends Clock {
  constructor(private readonly sim: () => Simulator) {
    super();
  }

  override now(): Date {
    return new Date(this.sim().now());
  }
}

/** What came of one notice: a fact, or why it was refused. */
export interface Heard {
  raw: RawCallback;
  serial: string;
  fact: CallbackFact | null;
  refused: string | null;
}

/** A shop before the simulator: the real provider and a callback address that reads with it. */
export interface Shop {
  sim: Simulator;
  provider: WechatV3Provider;
  settings: WechatSettings;
  calls: CallReport[];
  problems: string[];
  heard: Heard[];
  /** What the settings would be in this mode. */
  settingsFor(mode: KeyMode): WechatSettings;
  providerFor(settings: WechatSettings): WechatV3Provider;
  close(): Promise<void>;
}

/** Long enough for a busy machine; tests of slowness take {@link IMPATIENT}. */
const PATIENT: WechatTimeouts = { connectMs: 2_000, answerMs: 8_000 };
export const IMPATIENT: WechatTimeouts = { connectMs: 100, answerMs: 300 };

export async function openShop(mode: KeyMode, options: SimulatorOptions = {}, timeouts = PATIENT): Promise<Shop> {
  const sim = await startSimulator({
    keyPairs: KEY_PAIRS,
    mode,
    openingBalanceFen: 1_000_000,
    refundDelayMs: null,
    seed: 7,
    ...options,
  });
  const clock = options.signatureClock === 'virtual' ? new SimulatorClock(() => sim) : new Clock();
  const heard: Heard[] = [];
  const calls: CallReport[] = [];
  const problems: string[] = [];
  const providers: WechatV3Provider[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const raw = { headers: request.headers as RawCallback['headers'], body: Buffer.concat(parts) };
      void hear(shop.provider, raw).then((one) => {
        heard.push(one);
        response.writeHead(one.fact ? 200 : 401).end();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const settingsFor = (wanted: KeyMode): WechatSettings => ({ ...settingsOf(sim, wanted, server), timeouts });
  const providerFor = (settings: WechatSettings): WechatV3Provider => {
    const provider = new WechatV3Provider(settings, clock, {
      retryPauseMs: 1,
      onCall: (call) => calls.push(call),
      onProblem: (message) => problems.push(message),
    });
    providers.push(provider);
    return provider;
  };
  const settings = settingsFor(mode);
  const close = async (): Promise<void> => {
    await Promise.all(providers.map((provider) => provider.close()));
    await sim.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const shop: Shop = {
    sim,
    provider: providerFor(settings),
    settings,
    calls,
    problems,
    heard,
    settingsFor,
    providerFor,
    close,
  };
  await shop.provider.start();
  return shop;
}

function settingsOf(sim: Simulator, mode: KeyMode, server: Server): Omit<WechatSettings, 'timeouts'> {
  const keys = sim.credentials;
  const callbacks = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    appid: keys.appid,
    appSecret: keys.appSecret,
    mchid: keys.mchid,
    serialNo: keys.merchantSerial,
    privateKey: keys.merchantPrivateKeyPem,
    apiV3Key: keys.apiV3Key,
    merchantCert: keys.merchantCertificatePem,
    publicKey: mode === 'certificate' ? null : { id: keys.publicKeyId, pem: keys.publicKeyPem },
    platformCerts: mode === 'public_key' ? [] : keys.platformCertificates.map(({ pem }) => pem),
    notifyUrl: `${callbacks}/api/payments/callback/wechat/`,
    refundNotifyUrl: `${callbacks}/api/refunds/callback/wechat/`,
    baseUrl: sim.url,
    backupBaseUrl: null,
    apiBaseUrl: sim.url,
    maxConcurrency: 16,
  };
}

async function hear(provider: WechatV3Provider, raw: RawCallback): Promise<Heard> {
  const serial = raw.headers['wechatpay-serial'] ?? '';
  try {
    return { raw, serial, fact: await provider.readCallback(raw), refused: null };
  } catch (error) {
    if (!(error instanceof CallbackRefused)) throw error;
    return { raw, serial, fact: null, refused: error.code };
  }
}

const clock = new Clock();

export function freshOrder(shop: Shop, amountFen = 1990): ChannelOrder {
  return {
    outTradeNo: newId('pay', clock),
    placed: true,
    amountFen,
    currency: 'CNY',
    description: 'Oolong tea, 100 g',
    openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o',
    expiresAt: after(new Date(shop.sim.now()), 30 * MINUTE),
    metadata: {},
  };
}

/** An order that was placed and paid. */
export async function paidOrder(shop: Shop, amountFen = 1990): Promise<ChannelOrder> {
  const order = freshOrder(shop, amountFen);
  await shop.provider.prepay(order);
  shop.sim.pay(order.outTradeNo);
  await shop.sim.settled();
  return order;
}

export function freshRefund(order: ChannelOrder, amountFen = order.amountFen): ChannelRefundOrder {
  return {
    outRefundNo: newId('ref', clock),
    outTradeNo: order.outTradeNo,
    transactionId: null,
    amountFen,
    totalFen: order.amountFen,
    currency: 'CNY',
    reason: 'arrived broken',
    refundId: null,
    metadata: {},
  };
}

/** How a call ended, short: `ok`, `unknown timeout`, `rejected NOT_ENOUGH`. */
export async function endOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return `${error.outcome} ${error.code}`;
  }
}

export const always = (rule: FaultRule): { rules: FaultRule[] } => ({ rules: [rule] });
export const once = (rule: FaultRule): { rules: FaultRule[] } => ({ rules: [{ ...rule, times: 1 }] });
export const NO_FAULTS = { rules: [] };
