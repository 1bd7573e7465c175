import { createPublicKey } from 'node:crypto';
import { Clock } from '../../common/clock.js';
import { isSimulated } from '../../config/real-money.js';
import { Check, fine } from './doctor-check.js';
import { checkOnline } from './doctor-online.js';
import { KeyRing } from './key-ring.js';
import { SettingsProblem, settingsProblems, WECHAT_API_URL, WECHAT_PAY_URL, WechatSettings } from './settings.js';
import { payMessage, verifyMessage } from './signature.js';

/**
 * Looks at a real configuration from the outside in: first what can be told without the network, then, if the keys are
 * usable, one call of each kind that moves no money. Never throws. `isWhole`: no setting had to be left out because it
 * could not be read.
 */
export async function checkWechat(settings: WechatSettings, clock: Clock, isWhole = true): Promise<Check[]> {
  const problems = settingsProblems(settings);
  const offline = [
    ...settingChecks(settings, problems),
    ...(problems.length === 0 ? keyChecks(settings, clock) : []),
    vectorCheck(),
  ];
  if (problems.length > 0 || !isWhole) {
    const message = 'WeChat was not called: the settings above have to be right first';
    return [...offline, { name: 'calls to WeChat', ok: 'warn', message, advice: 'Correct them and run this again.' }];
  }
  return [...offline, ...(await checkOnline(settings, new KeyRing(settings, clock), clock))];
}

const SETTINGS: readonly [variable: string, name: string, advice: string][] = [
  ['WECHAT_APPID', 'appid', 'Mini-program console, "开发管理", "开发设置": AppID.'],
  ['WECHAT_APP_SECRET', 'app secret', 'Mini-program console, "开发管理", "开发设置": AppSecret.'],
  ['WECHAT_PAY_MCHID', 'merchant number', 'Merchant console, "账户中心", "商户信息".'],
  [
    'WECHAT_PAY_SERIAL_NO',
    'merchant serial',
    'Merchant console, "账户中心", "API安全": serial of the API certificate.',
  ],
  [
    'WECHAT_PAY_PRIVATE_KEY',
    'merchant private key',
    'The file apiclient_key.pem that was made with the API certificate.',
  ],
  ['WECHAT_PAY_MERCHANT_CERT', 'merchant certificate', 'The file apiclient_cert.pem; it may be left out.'],
  ['WECHAT_PAY_API_V3_KEY', 'APIv3 key', 'Merchant console, "API安全", "APIv3密钥": set it anew if it is lost.'],
  ['WECHAT_PAY_PUBLIC_KEY_ID', 'public key id', 'Merchant console, "API安全", "微信支付公钥": the id beside the key.'],
  [
    'WECHAT_PAY_PUBLIC_KEY',
    'WeChat Pay public key',
    'Merchant console, "API安全", "微信支付公钥": download pub_key.pem.',
  ],
  ['WECHAT_PAY_PLATFORM_CERT', 'platform certificate', 'Leave it out: certificates are fetched from WeChat.'],
  [
    'WECHAT_PAY_NOTIFY_URL',
    'payment notify_url',
    'An https address on the internet that ends in /api/payments/callback/wechat/.',
  ],
  [
    'WECHAT_PAY_REFUND_NOTIFY_URL',
    'refund notify_url',
    'An https address on the internet that ends in /api/refunds/callback/wechat/.',
  ],
  ['WECHAT_PAY_BASE_URL', 'WeChat Pay address', 'Leave it out: https://api.mch.weixin.qq.com is the default.'],
  ['WECHAT_API_BASE_URL', 'WeChat address', 'Leave it out: https://api.weixin.qq.com is the default.'],
];

function settingChecks(settings: WechatSettings, problems: readonly SettingsProblem[]): Check[] {
  const unset = new Set([
    ...(settings.appSecret === null ? ['WECHAT_APP_SECRET'] : []),
    // Left out, it is the payment's address; WeChat's own addresses are there by themselves.
    ...(settings.refundNotifyUrl === settings.notifyUrl ? ['WECHAT_PAY_REFUND_NOTIFY_URL'] : []),
    ...(settings.baseUrl === WECHAT_PAY_URL ? ['WECHAT_PAY_BASE_URL'] : []),
    ...(settings.apiBaseUrl === WECHAT_API_URL ? ['WECHAT_API_BASE_URL'] : []),
    ...(settings.merchantCert ? [] : ['WECHAT_PAY_MERCHANT_CERT']),
    ...(settings.publicKey ? [] : ['WECHAT_PAY_PUBLIC_KEY', 'WECHAT_PAY_PUBLIC_KEY_ID']),
    ...(settings.platformCerts.length > 0 ? [] : ['WECHAT_PAY_PLATFORM_CERT']),
  ]);
  return SETTINGS.filter(([variable]) => !unset.has(variable)).map(([variable, name, advice]) => {
    const found = problems.filter(({ setting }) => setting === variable).map(({ message }) => message);
    if (found.length === 0) return fine(name, `${variable} has the right form`);
    return { name, ok: 'fail', message: `${variable} ${found.join('; ')}`, advice };
  });
}

/** What can be said of usable keys without a call. */
function keyChecks(settings: WechatSettings, clock: Clock): Check[] {
  const ring = new KeyRing(settings, clock);
  const checks = [serialCheck(settings), channelCheck(settings), modeCheck(settings)];
  if (settings.merchantCert)
    checks.push(fine('merchant certificate and key', 'certificate, private key and serial belong together'));
  for (const { what, expiresAt, days } of ring.expiries(clock.now())) {
    const name =
      what === 'merchant_certificate' ? 'end of the merchant certificate' : 'end of the platform certificate';
    const on = expiresAt.toISOString().slice(0, 10);
    const advice =
      what === 'merchant_certificate'
        ? 'Make a new API certificate in the merchant console; put its key and serial in together, then send SIGHUP.'
        : 'Move to the WeChat Pay public key, which never ends, or see why /v3/certificates brings no newer one.';
    if (days < 0)
      checks.push({
        name,
        ok: what === 'merchant_certificate' ? 'fail' : 'warn',
        message: `it ended on ${on}`,
        advice,
      });
    else if (days < 30) checks.push({ name, ok: 'warn', message: `it ends on ${on}, in ${days} days`, advice });
    else checks.push(fine(name, `it is valid until ${on}`));
  }
  return checks;
}

function serialCheck({ serialNo }: WechatSettings): Check {
  const name = 'form of the merchant serial';
  if (/^[0-9A-F]{40}$/.test(serialNo)) return fine(name, 'it is 40 hex digits');
  const advice = 'Copy it again from the console; `openssl x509 -in apiclient_cert.pem -noout -serial` prints it too.';
  return { name, ok: 'warn', message: `it is not 40 upper-case hex digits but ${serialNo.length} characters`, advice };
}

function channelCheck(settings: WechatSettings): Check {
  const name = 'channel';
  if (!isSimulated(settings)) return fine(name, 'calls leave this machine: real money');
  const message = 'calls stay on this machine, so this is a simulation';
  return {
    name,
    ok: 'warn',
    message,
    advice: 'Leave WECHAT_PAY_BASE_URL and WECHAT_API_BASE_URL out to take real money.',
  };
}

function modeCheck(settings: WechatSettings): Check {
  const name = 'platform key mode';
  if (settings.publicKey && settings.platformCerts.length > 0) {
    const advice = 'Once the console says 100 % for callbacks and answers, leave the platform certificate out.';
    return {
      name,
      ok: 'warn',
      message: 'public key and certificates side by side: meant for the days of a switch',
      advice,
    };
  }
  if (settings.publicKey) return fine(name, 'WeChat Pay public key');
  const advice = 'WeChat recommends its public key, which never ends; docs/wechat-pay.md tells how to switch.';
  return { name, ok: 'ok', message: 'platform certificates, fetched and renewed by themselves', advice };
}

/** The paySign example that the manual publishes, with the public half of the key it publishes for it. */
const PUBLISHED = {
  appid: 'wx2421b1c4370ec43b',
  timeStamp: '1554208460',
  nonceStr: '593BEC0C930BF1AFEB40B4A08C8FB242',
  package: 'prepay_id=wx201410272009395522657a690389285100',
  paySign:
    'mI35pfNEQV6777ke/1T+LJLQDNTm7yeoUJH+j/adPGhmCCi0PbgkvYQTRcXH0uibcLVtvFLdGLpmoYO9FV6lBBsTAjuhh5YOvQi0e2g3e0yytit' +
    'iNET9FEuqM0pjnKfRW4K6LIZDdbWJv9KhZUx3DrJa5TL7OJ7VdADVivxVySIlPVKjGwuCXzuXSJes0UcILgWQUMyha5/3nYofuHtS7r+KYyMux' +
    'D+oJ9VM1Qdxk4UIG59CP5Y3wtYIFybyF3bdu1caHTRRX+DLyMXyYA/IrTmiW01c4RPjpHBX5Dk1sZyY1zVsWNsvMHr2e1NTWtBxKJ+qk5N61J7c' +
    'aYoepHFaxw==',
  publicKey:
    'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAptpm+qvIDCh/9wjU26SQCK26ogYkBhDrYxnAaw2JbbBsp1oDbHKk+1r381NeBUG2HEFA' +
    'uU+Fr72u5ot3yKdzoF/FajAzQNKnm569/D3upKoi8mYBaST15Uig8j8qoUW1U217LL0jEHlSnHV3lcaDTXqDpTRR4Bfz9IqOgJgFZ8/oTfEomSrj' +
    'rLYef81Eyxr7ZIMQXEKKEK7V4UXKS0+/fDsiG/cXidhzt8UbTL9vqXqxM2+IDImyO+FAc/tkBG55LmzxPto1Nq0WbnZzRM/wTzrd0I/8NlevxtFb' +
    'phg4evlHjFNI7+GrqR87ViEwuAJJ9Je5QQjct5YJfFRWiZ5CMQIDAQAB',
} as const;

function vectorCheck(): Check {
  const name = 'paySign example of the manual';
  const key = createPublicKey({ key: Buffer.from(PUBLISHED.publicKey, 'base64'), format: 'der', type: 'spki' });
  if (verifyMessage(payMessage(PUBLISHED.appid, PUBLISHED), PUBLISHED.paySign, key)) {
    return fine(name, 'this build lays out and checks signatures as WeChat does');
  }
  const advice = 'Do not take money with this build; install it anew, with the Node version that package.json names.';
  return { name, ok: 'fail', message: 'this build does not reproduce the signature that WeChat publishes', advice };
}
