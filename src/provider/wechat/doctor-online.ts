import { Clock, MINUTE, SECOND } from '../../common/clock.js';
import { nonce } from '../../common/ids.js';
import { isSimulated } from '../../config/real-money.js';
import { WechatCallError } from './call-error.js';
import { WechatClient } from './client.js';
import { Check, fine } from './doctor-check.js';
import { decryptField, encryptField } from './encryption.js';
import { JsonObject, textField } from './json.js';
import { KeyRing } from './key-ring.js';
import { CertificateRenewal } from './renewal.js';
import { WechatSettings } from './settings.js';
import { Transport } from './transport.js';
import { WechatLogin } from './wechat-login.js';

/** WeChat refuses requests whose clock is five minutes off. */
const CLOCK_FAIL_MS = 4 * MINUTE;
const CLOCK_WARN_MS = 10 * SECOND;

/** Calls that move no money: the certificate list where it is in use, the self test, and a login that must be refused. */
export async function checkOnline(settings: WechatSettings, ring: KeyRing, clock: Clock): Promise<Check[]> {
  const transport = new Transport(settings);
  let skew: number | null = null;
  const client = new WechatClient(settings, ring, transport, clock, {
    onCall: ({ clockSkewMs }) => (skew = clockSkewMs ?? skew),
  });
  try {
    const certificates = ring.usesCertificates ? [await certificateCheck(settings, client, ring, clock)] : [];
    const echo = await echoCheck(client, ring);
    const login = await loginCheck(settings);
    return [...certificates, echo, clockCheck(skew), login];
  } finally {
    await transport.close();
  }
}

async function certificateCheck(
  settings: WechatSettings,
  client: WechatClient,
  ring: KeyRing,
  clock: Clock,
): Promise<Check> {
  const name = 'platform certificates';
  const issuer = isSimulated(settings) ? null : 'Tenpay.com';
  try {
    await new CertificateRenewal(client, ring, clock, { issuer }).renew();
    const count = ring.validKeys().filter(({ from }) => from === 'downloaded').length;
    return fine(name, `/v3/certificates lists ${count}, opened with the APIv3 key and verified`);
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === 'RESOURCE_NOT_EXISTS' || failure.code === 'NOT_FOUND') {
      const advice = 'Set WECHAT_PAY_PUBLIC_KEY and WECHAT_PAY_PUBLIC_KEY_ID, and leave the platform certificate out.';
      return {
        name,
        ok: settings.publicKey ? 'warn' : 'fail',
        message: 'this merchant has none: it uses the public key',
        advice,
      };
    }
    return { name, ok: 'fail', ...explain(failure) };
  }
}

/** Proves key, serial, clock and platform key at once: a signed question, a signed answer, a field there and back. */
async function echoCheck(client: WechatClient, ring: KeyRing): Promise<Check> {
  const name = 'self test with WeChat Pay';
  const platform = ring.preferred();
  if (platform === null) {
    const advice = 'See the check of the platform certificates, or set the WeChat Pay public key.';
    return { name, ok: 'fail', message: 'there is no key to verify an answer with', advice };
  }
  const sent = nonce();
  try {
    const { json } = await client.call({
      operation: 'echo',
      method: 'POST',
      target: '/v3/security/echo',
      body: { echo_message: sent, encrypted_echo_message: encryptField(sent, platform.key) },
      named: platform,
      attempts: 2,
    });
    return { name, ...readEcho(json, sent, ring) };
  } catch (error) {
    return { name, ok: 'fail', ...explain(asFailure(error)) };
  }
}

function readEcho(json: JsonObject, sent: string, ring: KeyRing): Omit<Check, 'name'> {
  if (json.echo_message !== sent) {
    const advice = 'Ask WeChat Pay’s support: the answer is genuine, but not to our question.';
    return { ok: 'fail', message: 'WeChat answered, but did not repeat the message', advice };
  }
  const encrypted = textField(json, 'encrypted_echo_message', 4096);
  if (encrypted !== '' && !decryptsTo(encrypted, sent, ring)) {
    return {
      ok: 'warn',
      message: 'the encrypted field came back changed',
      advice: 'Abnormal refunds to a card may fail.',
    };
  }
  return { ok: 'ok', message: 'keys, serial and encryption fit on both sides', advice: '' };
}

function decryptsTo(encrypted: string, expected: string, ring: KeyRing): boolean {
  try {
    return decryptField(encrypted, ring.merchant.privateKey) === expected;
  } catch {
    return false;
  }
}

function clockCheck(skew: number | null): Check {
  const name = 'clock';
  if (skew === null)
    return { name, ok: 'warn', message: 'unknown: no answer with a Date came', advice: 'See the checks above.' };
  const seconds = Math.round(Math.abs(skew) / SECOND);
  const message = `ours is ${seconds} s ${skew > 0 ? 'behind' : 'ahead of'} WeChat's`;
  const advice = 'Keep this machine’s time by NTP: from five minutes on every request and every callback is refused.';
  if (Math.abs(skew) >= CLOCK_FAIL_MS) return { name, ok: 'fail', message, advice };
  if (Math.abs(skew) >= CLOCK_WARN_MS) return { name, ok: 'warn', message, advice };
  return fine(name, message);
}

/** A code that was never handed out: "invalid code" proves that appid and secret were right. */
async function loginCheck(settings: WechatSettings): Promise<Check> {
  const name = 'mini-program login';
  if (settings.appSecret === null) {
    const advice = 'Set WECHAT_APP_SECRET, unless another system logs users in and issues their tokens.';
    return {
      name,
      ok: 'warn',
      message: 'WECHAT_APP_SECRET is not set: logins are answered login_not_configured',
      advice,
    };
  }
  const login = new WechatLogin(settings);
  try {
    const answer = await login.ask('paydesk-doctor');
    if ('openid' in answer || answer.errcode === 40029) return fine(name, 'appid and secret are accepted');
    const message = `WeChat refuses appid or secret (errcode ${answer.errcode})`;
    const busy = answer.errcode === -1 || answer.errcode === 45011;
    return {
      name,
      ok: busy ? 'warn' : 'fail',
      message,
      advice: 'Compare WECHAT_APPID and WECHAT_APP_SECRET with the console.',
    };
  } catch {
    const advice = 'Let this machine reach WECHAT_API_BASE_URL by https.';
    return { name, ok: 'fail', message: 'the address for logins did not answer', advice };
  } finally {
    await login.close();
  }
}

/** What a failed call means for the one who has to put it right. */
function explain({ code, message, httpStatus }: WechatCallError): Pick<Check, 'message' | 'advice'> {
  if (code === 'timeout' || code === 'network_failure') {
    const advice =
      'Let this machine reach WECHAT_PAY_BASE_URL by https: DNS, firewall (by name, WeChat’s addresses change), proxy.';
    return { message: `WeChat Pay did not answer: ${message}`, advice };
  }
  if (httpStatus === 401) {
    const advice =
      'Serial and private key must be of the same certificate, the certificate alive, and the clock right.';
    return { message: `WeChat Pay refuses our signature: ${message}`, advice };
  }
  if (code === 'unverified_answer') {
    const advice =
      'The public key or its id is wrong, or the switch to it was not begun in the console: then set the platform certificate too.';
    return { message: `the answer cannot be verified with our platform keys: ${message}`, advice };
  }
  if (code === 'unreadable_answer') {
    return { message, advice: 'The APIv3 key is another one than in the console, or was set anew there.' };
  }
  const advice = 'Compare the merchant number with the console and see that the JSAPI product is opened for it.';
  return { message: `WeChat Pay refuses the call: ${message}`, advice };
}

function asFailure(error: unknown): WechatCallError {
  if (error instanceof WechatCallError) return error;
  return new WechatCallError('unknown', 'internal_error', error instanceof Error ? error.message : 'unexpected');
}
