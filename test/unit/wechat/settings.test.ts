import { generateKeyPairSync } from 'node:crypto';
import {
  isPrivateHost,
  settingsProblems,
  WechatSettings,
  wechatSettings,
} from '../../../src/provider/wechat/settings.js';
import {
  makeCertificate,
  makePair,
  merchantPair,
  otherPair,
  platformPair,
  settingsOf,
  YEAR_FROM,
  YEAR_TO,
} from './support.js';

const REAL = { baseUrl: 'https://api.mch.weixin.qq.com', apiBaseUrl: 'https://api.weixin.qq.com' };
const { pem: certificate, serial: certificateSerial } = makeCertificate(otherPair, YEAR_FROM, YEAR_TO);
const own = makeCertificate(merchantPair, YEAR_FROM, YEAR_TO);
const issuedTo = (number: string) => [{ name: 'commonName', value: number }];
const named = makeCertificate(merchantPair, YEAR_FROM, YEAR_TO, issuedTo('1900007291'));
const ofAnother = makeCertificate(merchantPair, YEAR_FROM, YEAR_TO, issuedTo('1900000109'));
const older = makeCertificate(otherPair, YEAR_FROM, YEAR_TO, issuedTo('1900007291')).pem;
const ofPublicKey = makeCertificate(platformPair, YEAR_FROM, YEAR_TO).pem;
const ellipticKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
});
const REAL_BACKUP = 'https://api2.mch.weixin.qq.com';
const SERIAL = '408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB';
const PUBLIC_KEY_ID = 'PUB_KEY_ID_1';
const pkcs1 = merchantPair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();

function problemsOf(changes: Partial<WechatSettings>): string[] {
  return settingsProblems(settingsOf({ ...REAL, ...changes })).map(({ setting, message }) => `${setting} ${message}`);
}

describe('settings', () => {
  it('of a merchant with either key, and a key of the older format, are right', () => {
    expect(problemsOf({})).toEqual([]);
    expect(problemsOf({ publicKey: null, platformCerts: [certificate] })).toEqual([]);
    expect(problemsOf({ platformCerts: [certificate] })).toEqual([]);
    expect(problemsOf({ merchantCert: named.pem, serialNo: named.serial })).toEqual([]);
    for (const serialNo of [own.serial, own.serial.toLowerCase()])
      expect(problemsOf({ merchantCert: own.pem, serialNo })).toEqual([]);
    expect(problemsOf({ publicKey: null, platformCerts: [] })).toEqual([]);
    expect(problemsOf({ privateKey: pkcs1 })).toEqual([]);
    expect(problemsOf({ backupBaseUrl: REAL_BACKUP })).toEqual([]);
  });

  it.each([
    [10_000, { connectMs: 3_000, answerMs: 10_000 }],
    [1_000, { connectMs: 1_000, answerMs: 1_000 }],
  ])('are those of the environment, with time-outs that fit an answer in %d ms', (answerTimeoutMs, timeouts) => {
    const { timeouts: _timeouts, maxConcurrency: _calls, ...same } = settingsOf();
    const environment = { ...same, merchantCert: own.pem, publicKey: null, platformCerts: [certificate] };
    expect(wechatSettings({ ...environment, answerTimeoutMs })).toEqual({
      ...environment,
      timeouts,
      maxConcurrency: 64,
    });
  });

  it.each<[string, Partial<WechatSettings>, RegExp]>([
    ['appid', { appid: 'wx1' }, /^WECHAT_APPID must be wx and 16/],
    ['appid with something before it', { appid: 'xwx2421b1c4370ec43b' }, /^WECHAT_APPID must be wx and 16/],
    ['appid with something after it', { appid: 'wx2421b1c4370ec43b0' }, /^WECHAT_APPID must be wx and 16/],
    ['secret with a blank before it', { appSecret: ' c0ffee00c0ffee00' }, /^WECHAT_APP_SECRET must be the secret/],
    ['secret with a blank after it', { appSecret: 'c0ffee00c0ffee00 ' }, /^WECHAT_APP_SECRET must be the secret/],
    ['merchant number', { mchid: '19000O7291' }, /^WECHAT_PAY_MCHID/],
    ['merchant number with something before it', { mchid: 'm1900007291' }, /^WECHAT_PAY_MCHID must be the merchant/],
    ['merchant number of 11 digits', { mchid: '19000072910' }, /^WECHAT_PAY_MCHID must be the merchant/],
    ['serial', { serialNo: 'PUB_KEY_ID_1' }, /^WECHAT_PAY_SERIAL_NO/],
    ['serial with something before it', { serialNo: `0x${SERIAL}` }, /^WECHAT_PAY_SERIAL_NO must be the hex/],
    ['serial with something after it', { serialNo: `${SERIAL}0` }, /^WECHAT_PAY_SERIAL_NO must be the hex/],
    ['certificate for a private key', { privateKey: certificate }, /^WECHAT_PAY_PRIVATE_KEY is a certificate/],
    ['public for a private key', { privateKey: merchantPair.publicPem }, /^WECHAT_PAY_PRIVATE_KEY is a public key/],
    [
      'key without line breaks',
      { privateKey: merchantPair.privatePem.replace(/\n/g, '') },
      /^WECHAT_PAY_PRIVATE_KEY is PEM text without its line breaks$/,
    ],
    ['elliptic key', { privateKey: ellipticKey.toString() }, /is not an RSA key but one of the kind ec/],
    ['short key', { privateKey: makePair(1024).privatePem }, /RSA key of 1024 bits/],
    ['short APIv3 key', { apiV3Key: 'x'.repeat(31) }, /^WECHAT_PAY_API_V3_KEY must be 32 bytes, not 31/],
    ['APIv3 key with wide characters', { apiV3Key: '密'.repeat(32) }, /must be 32 bytes, not 96/],
    ['id of the public key', { publicKey: { id: '0115', pem: platformPair.publicPem } }, /^WECHAT_PAY_PUBLIC_KEY_ID/],
    [
      'id of the public key with a blank before it',
      { publicKey: { id: ' PUB_KEY_ID_1', pem: platformPair.publicPem } },
      /^WECHAT_PAY_PUBLIC_KEY_ID must start with/,
    ],
    [
      'id of the public key with a blank after it',
      { publicKey: { id: 'PUB_KEY_ID_1 ', pem: platformPair.publicPem } },
      /^WECHAT_PAY_PUBLIC_KEY_ID must start with/,
    ],
    [
      'public key without line breaks',
      { publicKey: { id: 'PUB_KEY_ID_1', pem: merchantPair.publicPem.replace(/\n/g, '') } },
      /^WECHAT_PAY_PUBLIC_KEY is PEM text without its line breaks$/,
    ],
    ['certificate for the public key', { publicKey: { id: 'PUB_KEY_ID_1', pem: certificate } }, /PLATFORM_CERT/],
    [
      'private for the public key',
      { publicKey: { id: 'PUB_KEY_ID_1', pem: merchantPair.privatePem } },
      /is a private key/,
    ],
    [
      'public key for a certificate',
      { platformCerts: [merchantPair.publicPem] },
      /^WECHAT_PAY_PLATFORM_CERT is a public key: .* belongs in/,
    ],
    ['merchant certificate', { merchantCert: merchantPair.publicPem }, /^WECHAT_PAY_MERCHANT_CERT is a public key/],
    ['number for the appid', { appid: '1900007291' }, /^WECHAT_APPID is a merchant number: the AppID is/],
    ['original id for the appid', { appid: 'gh_0123456789ab' }, /^WECHAT_APPID is the original id/],
    ['appid for the secret', { appSecret: 'wx2421b1c4370ec43b' }, /^WECHAT_APP_SECRET is an AppID/],
    ['appid for the number', { mchid: 'wx2421b1c4370ec43b' }, /^WECHAT_PAY_MCHID is an AppID: it must be/],
    ['id for the serial', { serialNo: 'PUB_KEY_ID_1' }, /^WECHAT_PAY_SERIAL_NO is the id of WeChat Pay’s public key/],
    [
      'serial for the id of the public key',
      { publicKey: { id: SERIAL, pem: platformPair.publicPem } },
      /^WECHAT_PAY_PUBLIC_KEY_ID is the serial of a certificate: it must start with/,
    ],
    [
      'public key: the merchant’s own',
      { publicKey: { id: PUBLIC_KEY_ID, pem: merchantPair.publicPem } },
      /^WECHAT_PAY_PUBLIC_KEY is the public half of the merchant’s own key: WeChat Pay’s public key is the file pub_key/,
    ],
    [
      'public key: that of the platform certificate',
      { platformCerts: [certificate, ofPublicKey] },
      /^WECHAT_PAY_PUBLIC_KEY is the key of the platform certificate: /,
    ],
    [
      'platform certificate: the merchant’s own',
      { platformCerts: [certificate, own.pem] },
      /^WECHAT_PAY_PLATFORM_CERT is the merchant’s own certificate/,
    ],
    [
      'platform certificate: one that was the merchant’s own before',
      { platformCerts: [older] },
      /^WECHAT_PAY_PLATFORM_CERT is the merchant’s own certificate/,
    ],
    [
      'merchant number: that of another merchant',
      { merchantCert: ofAnother.pem, serialNo: ofAnother.serial },
      /^WECHAT_PAY_MCHID is not the merchant of WECHAT_PAY_MERCHANT_CERT: that is 1900000109$/,
    ],
    [
      'serial: that of the platform certificate',
      { platformCerts: [certificate], serialNo: certificateSerial.toLowerCase() },
      /^WECHAT_PAY_SERIAL_NO is the serial of the platform certificate: it must be the one of the merchant/,
    ],
    [
      'merchant certificate: of another key',
      { merchantCert: certificate },
      /^WECHAT_PAY_MERCHANT_CERT is not the certificate of the private key/,
    ],
    [
      'serial: not that of the merchant certificate',
      { merchantCert: own.pem },
      new RegExp(`^WECHAT_PAY_SERIAL_NO is not the serial of the merchant’s certificate: that is ${own.serial}$`),
    ],
    [
      'base address without https',
      { baseUrl: 'http://api.mch.weixin.qq.com' },
      /^WECHAT_PAY_BASE_URL must be an https/,
    ],
    [
      'base address with a path',
      { baseUrl: 'https://api.mch.weixin.qq.com/v3' },
      /^WECHAT_PAY_BASE_URL must be scheme/,
    ],
    [
      'base address with a name',
      { baseUrl: 'https://me@api.mch.weixin.qq.com' },
      /^WECHAT_PAY_BASE_URL must be scheme/,
    ],
    ['base address with a password', { baseUrl: 'https://:pw@127.0.0.1' }, /^WECHAT_PAY_BASE_URL must be scheme/],
    ['backup address', { backupBaseUrl: `${REAL_BACKUP}/v3` }, /^WECHAT_PAY_BASE_URL must be scheme/],
    ['login address', { apiBaseUrl: 'api.weixin.qq.com' }, /^WECHAT_API_BASE_URL is not a URL$/],
    [
      'login address of another kind',
      { apiBaseUrl: 'ftp://api.weixin.qq.com' },
      /^WECHAT_API_BASE_URL must be an https/,
    ],
    ['login address with a query', { apiBaseUrl: `${REAL.apiBaseUrl}/?a=b` }, /^WECHAT_API_BASE_URL must be scheme/],
    ['login address with a fragment', { apiBaseUrl: `${REAL.apiBaseUrl}/#a` }, /^WECHAT_API_BASE_URL must be scheme/],
  ])('tell of a wrong %s', (_name, changes, problem) => {
    expect(problemsOf(changes)).toEqual([expect.stringMatching(problem)]);
  });

  it('are all listed at once, and none is quoted', () => {
    const problems = problemsOf({ appSecret: '', apiV3Key: 'my secret', privateKey: 'my key', mchid: '' });
    expect(problems).toHaveLength(4);
    expect(problems.join()).not.toMatch(/my secret|my key/);
  });
});

describe('notify_url', () => {
  const problem = (notifyUrl: string, changes: Partial<WechatSettings> = {}): string | undefined =>
    problemsOf({ notifyUrl, ...changes })[0]?.replace('WECHAT_PAY_NOTIFY_URL ', '');

  it.each([
    ['https://pay.shop.cn/api/payments/callback/wechat/', undefined],
    ['http://pay.shop.cn/api/', 'must be an https URL'],
    ['https://pay.shop.cn/api/?from=wx', 'must not have a query string'],
    ['https://pay.shop.cn/api/?', 'must not have a query string'],
    ['https://pay.shop.cn/api/#top', 'must not have a fragment'],
    ['https://me:pw@pay.shop.cn/api/', 'must not hold a user name or password'],
    ['https://me@pay.shop.cn/api/', 'must not hold a user name or password'],
    ['https://:pw@pay.shop.cn/api/', 'must not hold a user name or password'],
    [' https://pay.shop.cn/api/', 'is not a URL'],
    ['pay.shop.cn/api/', 'is not a URL'],
    ['https://pay.shop.cn', 'must have a path, not only a host'],
    [`https://pay.shop.cn/${'x'.repeat(235)}`, undefined],
    [`https://pay.shop.cn/${'x'.repeat(236)}`, 'must not be longer than 255 characters'],
    ['https://localhost/api/', 'must be reachable from the internet: this host is local or private'],
    ['https://192.168.1.2/api/', 'must be reachable from the internet: this host is local or private'],
  ])('%s: %s', (url, expected) => {
    expect(problem(url)).toBe(expected);
  });

  it('may be local and plain before a simulator', () => {
    const simulator = { baseUrl: 'http://127.0.0.1:4000', apiBaseUrl: 'http://127.0.0.1:4000' };
    expect(problem('http://127.0.0.1:3000/api/', simulator)).toBeUndefined();
    expect(problem('ftp://127.0.0.1/api/', simulator)).toBe('must be an https URL');
  });

  it.each(['http://10.0.0.8', 'https://gateway.example.cn', 'https://api.wechatpay.cn'])(
    'is WeChat’s to call back wherever money may be real: by way of %s',
    (baseUrl) => {
      expect(problem('http://127.0.0.1:3000/api/', { baseUrl })).toBe('must be an https URL');
      expect(problem('http://127.0.0.1:3000/api/', { baseUrl: 'http://127.0.0.1:4000' })).toBe('must be an https URL');
    },
  );

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.1',
    '169.254.1.1',
    '192.168.0.1',
    '100.64.0.1',
    '100.127.255.1',
    '0.0.0.0',
    '[::]',
    '[::1]',
    '[fd00::1]',
    '[fe80::1]',
    '[::ffff:10.0.0.1]',
    'localhost',
    'localhost.',
    'db.internal.',
    'shop',
    'shop.local',
    'db.internal',
  ])('never reaches %s', (host) => {
    expect(isPrivateHost(host)).toBe(true);
  });

  it.each([
    '8.8.8.8',
    '11.0.0.1',
    // Beside each private block, and its second number under another first one.
    '172.15.0.1',
    '172.32.0.1',
    '8.16.0.1',
    '100.63.0.1',
    '100.128.0.1',
    '8.64.0.1',
    '169.253.0.1',
    '8.254.0.1',
    '192.167.0.1',
    '8.168.0.1',
    '[2400:3200::1]',
    '[::1:0:0:1]',
    'pay.shop.cn',
  ])('may reach %s', (host) => {
    expect(isPrivateHost(host)).toBe(false);
  });
});
