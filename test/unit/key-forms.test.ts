import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import forge from 'node-forge';
import { ConfigError, parseSettings, type Settings } from '../../src/config/settings.js';
import { checkWechat } from '../../src/provider/provider.module.js';
import {
  makeCertificate,
  makePair,
  merchantPair,
  otherPair,
  platformPair,
  YEAR_FROM,
  YEAR_TO,
} from './wechat/support.js';

type Env = Record<string, string>;
type Place = 'the variable' | 'a file';
type Key = 'PRIVATE_KEY' | 'PUBLIC_KEY' | 'PLATFORM_CERT' | 'MERCHANT_CERT';

const folder = mkdtempSync(join(tmpdir(), 'paydesk-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
function fileOf(bytes: string | Buffer, ending = 'pem'): string {
  const path = join(folder, `${(files += 1)}.${ending}`);
  writeFileSync(path, bytes);
  return path;
}

const PLACES: Place[] = ['the variable', 'a file'];
const merchantCert = makeCertificate(merchantPair, YEAR_FROM, YEAR_TO);
const platformCert = makeCertificate(otherPair, YEAR_FROM, YEAR_TO);
const pem = (key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'spki'): string =>
  key.export({ type: type, format: 'pem' }).toString();
const bare = (text: string): string => text.replace(/-----[^-]+-----/g, '').replace(/\s/g, '');
const der = (text: string): Buffer => Buffer.from(bare(text), 'base64');

/** A shop in both modes, before a simulator. */
const GOOD: Env = {
  WECHAT_PAY_ENABLE_REAL: 'true',
  WECHAT_APPID: 'wx8888888888888888',
  WECHAT_PAY_MCHID: '1900009191',
  WECHAT_PAY_SERIAL_NO: merchantCert.serial,
  WECHAT_PAY_PRIVATE_KEY: merchantPair.privatePem,
  WECHAT_PAY_MERCHANT_CERT: merchantCert.pem,
  WECHAT_PAY_API_V3_KEY: 'abcdefghijklmnopqrstuvwxyz012345',
  WECHAT_PAY_PUBLIC_KEY: platformPair.publicPem,
  WECHAT_PAY_PUBLIC_KEY_ID: 'PUB_KEY_ID_0119000091912026112300000001',
  WECHAT_PAY_PLATFORM_CERT: platformCert.pem,
  WECHAT_PAY_NOTIFY_URL: 'https://pay.example.cn/api/payments/callback/wechat/',
  WECHAT_PAY_BASE_URL: 'http://127.0.0.1:9000',
  WECHAT_API_BASE_URL: 'http://127.0.0.1:9000',
};

/** The same with one key given in another way: as text, or as a file that holds these bytes. */
function withKey(key: Key, value: string | Buffer, place: Place): Env {
  if (place === 'the variable') return { ...GOOD, [`WECHAT_PAY_${key}`]: value.toString() };
  return { ...GOOD, [`WECHAT_PAY_${key}`]: '', [`WECHAT_PAY_${key}_PATH`]: fileOf(value) };
}

type Outcome = { wechat: NonNullable<Settings['wechat']>; problems: null } | { wechat: null; problems: string[] };

function read(env: Env): Outcome {
  try {
    const { wechat } = parseSettings(env, checkWechat);
    if (wechat === null) throw new Error('no merchant was read');
    return { wechat, problems: null };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { wechat: null, problems: error.problems };
  }
}

/** Whether text of a key, or of its Base64 lines, has got into a line of complaint. */
function leaks(line: string): boolean {
  return /[A-Za-z0-9+/]{48}/.test(line);
}

// ---------------------------------------------------------------------------------------------------------------------
// What is taken: every form of every key, in both places.

const FORMS: [form: string, change: (text: string) => string | Buffer][] = [
  ['as it is', (text) => text],
  ['with CRLF', (text) => text.replaceAll('\n', '\r\n')],
  ['with CR alone', (text) => text.replaceAll('\n', '\r')],
  ['with \\n', (text) => text.replaceAll('\n', '\\n')],
  ['with \\r\\n', (text) => text.replaceAll('\n', '\\r\\n')],
  ['with \\n escaped twice', (text) => text.replaceAll('\n', '\\\\n')],
  ['with \\n before each line break', (text) => text.replaceAll('\n', '\\n\n')],
  ['as JSON writes it', (text) => JSON.stringify(text)],
  ['as PHP writes it in JSON', (text) => JSON.stringify(text).replaceAll('/', '\\/')],
  ['as .NET writes it in JSON', (text) => JSON.stringify(text).replaceAll('+', '\\u002B')],
  ['as a field of JSON', (text) => JSON.stringify({ key: text })],
  ['with blanks for line breaks', (text) => text.trim().replaceAll('\n', ' ')],
  ['with tabs for line breaks', (text) => text.trim().replaceAll('\n', '\t')],
  ['without line breaks', (text) => text.replaceAll('\n', '')],
  ['without any blank', (text) => text.replace(/\s/g, '')],
  [
    'with lines of 76 characters',
    (text) => text.replace(/[^-]{65,}/, (body) => bare(body).replace(/(.{76})/g, '$1\n')),
  ],
  ['with empty lines between', (text) => text.replaceAll('\n', '\n\n')],
  ['indented', (text) => text.replace(/^/gm, '    ')],
  ['with blanks around', (text) => `\n  ${text} \n\n`],
  ['in double quotes', (text) => `"${text}"`],
  ['in single quotes, on one line', (text) => `'${text.trim().replaceAll('\n', '\\n')}'`],
  ['each line in quotes', (text) => text.trim().replace(/^.*$/gm, '"$&"')],
  ['with a byte order mark', (text) => `\ufeff${text}`],
  ['with marks that no eye sees', (text) => text.replaceAll('\n', '\u200b\n')],
  ['with text around', (text) => `Bag Attributes\n    friendlyName: Tenpay Certificate\n${text}\nend of file`],
  ['with four hyphens', (text) => text.replaceAll('-----', '----')],
  ['with dashes for hyphens', (text) => text.replaceAll('-----', '——-')],
  ['without its padding', (text) => text.replace(/=+\n/, '\n')],
  ['as Base64 of the whole text', (text) => Buffer.from(text).toString('base64')],
];
const FILE_FORMS: typeof FORMS = [
  ['in UTF-16', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
  ['in UTF-16, big-endian', (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
];
const KINDS: [kind: string, key: Key, text: string][] = [
  ['a private key (PKCS#8)', 'PRIVATE_KEY', merchantPair.privatePem],
  ['a private key (PKCS#1)', 'PRIVATE_KEY', pem(merchantPair.privateKey, 'pkcs1')],
  ['a public key (SPKI)', 'PUBLIC_KEY', platformPair.publicPem],
  ['a public key (PKCS#1)', 'PUBLIC_KEY', pem(createPublicKey(platformPair.privateKey), 'pkcs1')],
  ['a platform certificate', 'PLATFORM_CERT', platformCert.pem],
  ['a merchant certificate', 'MERCHANT_CERT', merchantCert.pem],
];
const TAKEN = KINDS.flatMap(([kind, key, text]) =>
  PLACES.flatMap((place) =>
    [...FORMS, ...(place === 'a file' ? FILE_FORMS : [])].map(
      ([form, change]) => [kind, form, place, key, change(text)] as const,
    ),
  ),
);

/** What the code that signs and verifies makes of the settings' texts. */
function fingerprint(wechat: NonNullable<Settings['wechat']>): string[] {
  const spki = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64');
  return [
    spki(createPublicKey(createPrivateKey(wechat.privateKey))),
    spki(createPublicKey(wechat.publicKey?.pem ?? '')),
    ...wechat.platformCerts.map((text) => new X509Certificate(text).fingerprint256),
    new X509Certificate(wechat.merchantCert ?? '').fingerprint256,
  ];
}

describe('a key that is there', () => {
  const expected = fingerprint(read(GOOD).wechat ?? (undefined as never));

  it('is looked at in every form, kind and place', () => {
    expect(TAKEN).toHaveLength(6 * (2 * 29 + 2));
  });

  it.each(TAKEN)('%s %s in %s is taken', (_kind, _form, place, key, value) => {
    const { wechat, problems } = read(withKey(key, value, place));
    expect(problems).toBeNull();
    if (wechat) expect(fingerprint(wechat)).toEqual(expected);
  });

  it('is found beside others in one file, as `openssl pkcs12` writes them', () => {
    const both = fileOf(`${merchantCert.pem}\n${merchantPair.privatePem}`);
    const env = { ...withKey('PRIVATE_KEY', merchantPair.privatePem, 'a file'), WECHAT_PAY_PRIVATE_KEY_PATH: both };
    const read1 = read({ ...env, WECHAT_PAY_MERCHANT_CERT: '', WECHAT_PAY_MERCHANT_CERT_PATH: both });
    expect(read1.wechat && fingerprint(read1.wechat)).toEqual(expected);
  });

  it('may be one of several platform certificates, each of which is taken', () => {
    const second = makeCertificate(platformPair, YEAR_FROM, YEAR_TO);
    const { wechat } = read({
      ...withKey('PLATFORM_CERT', `${platformCert.pem}${second.pem}`, 'a file'),
      WECHAT_PAY_PUBLIC_KEY: '',
      WECHAT_PAY_PUBLIC_KEY_ID: '',
    });
    expect(wechat?.platformCerts.map((text) => new X509Certificate(text).serialNumber)).toEqual([
      platformCert.serial,
      second.serial,
    ]);
  });
});

// ---------------------------------------------------------------------------------------------------------------------
// What is not the key that is wanted: one line that names it, and what to do.

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const short = makePair(1024);
const encryptedPem = merchantPair.privateKey
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  .toString();
const encryptedPkcs1 = merchantPair.privateKey
  .export({ type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' })
  .toString();
const request = (() => {
  const csr = forge.pki.createCertificationRequest();
  csr.publicKey = forge.pki.publicKeyFromPem(merchantPair.publicPem);
  csr.setSubject([{ name: 'commonName', value: '1900009191' }]);
  csr.sign(forge.pki.privateKeyFromPem(merchantPair.privatePem), forge.md.sha256.create());
  return forge.pki.certificationRequestToPem(csr);
})();
const p12 = Buffer.from(
  forge.asn1
    .toDer(
      forge.pkcs12.toPkcs12Asn1(
        forge.pki.privateKeyFromPem(merchantPair.privatePem),
        [forge.pki.certificateFromPem(merchantCert.pem)],
        '1900009191',
        { algorithm: '3des' },
      ),
    )
    .getBytes(),
  'latin1',
);
// The lines of an OpenSSH key say what it is; what is between them is not read.
const openssh = `-----BEGIN OPENSSH PRIVATE KEY-----\n${Buffer.from('openssh-key-v1\0none').toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`;
const cut = merchantPair.privatePem.slice(0, 900);
const damaged = merchantPair.privatePem.replace(/\n[^\n]+\n/, '\n');
const HINT: Record<Key, string> = {
  PRIVATE_KEY: 'the private key is the file apiclient_key.pem',
  PUBLIC_KEY: 'WeChat Pay’s public key is the file pub_key.pem of the console',
  PLATFORM_CERT: 'a platform certificate is a file wechatpay_….pem, and may be left out since it is fetched',
  MERCHANT_CERT: 'the merchant’s certificate is the file apiclient_cert.pem, and may be left out',
};
const PASSWORD = 'take off its password with: openssl pkey -in FILE -out apiclient_key.pem';
const AROUND = (label: string): string =>
  `put -----BEGIN ${label}----- before it and -----END ${label}----- after it, each on its own line`;
const CONVERT = (option: string): string => `convert it with: openssl ${option} -inform der -in FILE -out FILE.pem`;
const ELSEWHERE_CERT = 'a platform certificate belongs in WECHAT_PAY_PLATFORM_CERT';
const ELSEWHERE_KEY = 'WeChat Pay’s public key belongs in WECHAT_PAY_PUBLIC_KEY, its id in WECHAT_PAY_PUBLIC_KEY_ID';
const WHOLE =
  'copy it whole; as a value of several lines it belongs in double quotes, or \\n stands for each line break';

/** `is` begins the line for a variable; for a file it is `names`, and what follows is the same. */
const REFUSED: [what: string, key: Key, value: string | Buffer, line: string, places?: Place[]][] = [
  ['a PKCS#12 file', 'PRIVATE_KEY', p12, `a PKCS#12 file (.p12 or .pfx): ${HINT.PRIVATE_KEY}`, ['a file']],
  ['a PKCS#12 file', 'MERCHANT_CERT', p12, `a PKCS#12 file (.p12 or .pfx): ${HINT.MERCHANT_CERT}`, ['a file']],
  [
    'a PKCS#12 file in Base64',
    'PRIVATE_KEY',
    p12.toString('base64'),
    `a PKCS#12 file (.p12 or .pfx): ${HINT.PRIVATE_KEY}`,
  ],
  ['an encrypted private key', 'PRIVATE_KEY', encryptedPem, `an encrypted private key: ${PASSWORD}`],
  ['an encrypted private key, bare', 'PRIVATE_KEY', bare(encryptedPem), `an encrypted private key: ${PASSWORD}`],
  [
    'an encrypted private key, binary',
    'PRIVATE_KEY',
    der(encryptedPem),
    `an encrypted private key: ${PASSWORD}`,
    ['a file'],
  ],
  ['an encrypted private key (PKCS#1)', 'PRIVATE_KEY', encryptedPkcs1, `an encrypted private key: ${PASSWORD}`],
  [
    'bare Base64 (PKCS#8)',
    'PRIVATE_KEY',
    bare(merchantPair.privatePem),
    `the Base64 of a private key without its first and last line: ${AROUND('PRIVATE KEY')}`,
  ],
  [
    'bare Base64 (PKCS#1)',
    'PRIVATE_KEY',
    bare(pem(merchantPair.privateKey, 'pkcs1')),
    `the Base64 of a private key without its first and last line: ${AROUND('RSA PRIVATE KEY')}`,
  ],
  [
    'bare Base64 in lines',
    'PUBLIC_KEY',
    platformPair.publicPem.split('\n').slice(1, -2).join('\n'),
    `the Base64 of a public key without its first and last line: ${AROUND('PUBLIC KEY')}`,
  ],
  [
    'bare Base64',
    'PLATFORM_CERT',
    bare(platformCert.pem),
    `the Base64 of a certificate without its first and last line: ${AROUND('CERTIFICATE')}`,
  ],
  ['bare Base64 of another kind', 'PRIVATE_KEY', bare(merchantCert.pem), `a certificate: ${HINT.PRIVATE_KEY}`],
  [
    'binary',
    'PRIVATE_KEY',
    der(merchantPair.privatePem),
    `a private key in binary form (DER): ${CONVERT('pkey')}`,
    ['a file'],
  ],
  [
    'binary',
    'PUBLIC_KEY',
    der(platformPair.publicPem),
    `a public key in binary form (DER): ${CONVERT('pkey -pubin')}`,
    ['a file'],
  ],
  [
    'binary',
    'PLATFORM_CERT',
    der(platformCert.pem),
    `a certificate in binary form (DER): ${CONVERT('x509')}`,
    ['a file'],
  ],
  ['the merchant certificate', 'PRIVATE_KEY', merchantCert.pem, `a certificate: ${HINT.PRIVATE_KEY}`],
  [
    'the merchant certificate, labelled as a key',
    'PRIVATE_KEY',
    merchantCert.pem.replaceAll('CERTIFICATE', 'PRIVATE KEY'),
    `a certificate: ${HINT.PRIVATE_KEY}`,
  ],
  ['a public key', 'PRIVATE_KEY', merchantPair.publicPem, `a public key: ${HINT.PRIVATE_KEY}`],
  ['a certificate request', 'PRIVATE_KEY', request, `a certificate request (CSR): ${HINT.PRIVATE_KEY}`],
  ['a certificate request', 'MERCHANT_CERT', request, `a certificate request (CSR): ${HINT.MERCHANT_CERT}`],
  ['an OpenSSH key', 'PRIVATE_KEY', openssh, `a private key of OpenSSH: ${HINT.PRIVATE_KEY}`],
  [
    'an SSH public key',
    'PUBLIC_KEY',
    `ssh-rsa ${'AAAAB3NzaC1yc2E'.repeat(4)} me@shop`,
    `a public key of SSH: ${HINT.PUBLIC_KEY}`,
  ],
  [
    'two private keys',
    'PRIVATE_KEY',
    `${merchantPair.privatePem}${otherPair.privatePem}`,
    '2 keys: leave the one that is meant',
  ],
  ['a key that is cut off', 'PRIVATE_KEY', cut, `a PEM text without its last line: ${WHOLE}`],
  ['the first line alone', 'PRIVATE_KEY', '-----BEGIN PRIVATE KEY-----', `a PEM text without its last line: ${WHOLE}`],
  [
    'a key without its first line',
    'PRIVATE_KEY',
    merchantPair.privatePem.replace(/^.*\n/, ''),
    'a PEM text without its first line: copy it whole',
  ],
  [
    'a key that lacks a line',
    'PRIVATE_KEY',
    damaged,
    'a damaged PEM text: characters are missing or changed, copy the whole file again',
  ],
  [
    'a key with + turned into blanks',
    'PRIVATE_KEY',
    merchantPair.privatePem.replaceAll('+', ' '),
    'a damaged PEM text: characters are missing or changed, copy the whole file again',
  ],
  [
    'a placeholder',
    'PRIVATE_KEY',
    '-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----',
    'a damaged PEM text: characters are missing or changed, copy the whole file again',
  ],
  [
    'a web page',
    'PLATFORM_CERT',
    '<!DOCTYPE html>\n<html><body>404</body></html>',
    `a web page or XML: ${HINT.PLATFORM_CERT}`,
  ],
  ['JSON', 'PLATFORM_CERT', '{"code":"SIGN_ERROR","message":"签名错误"}', `JSON: ${HINT.PLATFORM_CERT}`],
  ['a ZIP archive', 'PRIVATE_KEY', Buffer.from('PK\u0003\u0004rest'), `a ZIP archive: ${HINT.PRIVATE_KEY}`, ['a file']],
  ['a private key', 'PUBLIC_KEY', merchantPair.privatePem, `a private key: ${HINT.PUBLIC_KEY}`],
  ['a certificate', 'PUBLIC_KEY', platformCert.pem, `a certificate: ${HINT.PUBLIC_KEY}; ${ELSEWHERE_CERT}`],
  ['a public key', 'PLATFORM_CERT', platformPair.publicPem, `a public key: ${HINT.PLATFORM_CERT}; ${ELSEWHERE_KEY}`],
  ['a private key', 'PLATFORM_CERT', merchantPair.privatePem, `a private key: ${HINT.PLATFORM_CERT}`],
  ['a private key', 'MERCHANT_CERT', merchantPair.privatePem, `a private key: ${HINT.MERCHANT_CERT}`],
  ['a public key', 'MERCHANT_CERT', merchantPair.publicPem, `a public key: ${HINT.MERCHANT_CERT}`],
  ['an empty file', 'PRIVATE_KEY', '', `an empty file: ${HINT.PRIVATE_KEY}`, ['a file']],
  ['blanks alone', 'PUBLIC_KEY', '\ufeff\r\n \n', `an empty file: ${HINT.PUBLIC_KEY}`, ['a file']],
];

/** Right in form and of the right kind, but no key that WeChat Pay uses, or not the one that belongs here. */
const UNFIT: [what: string, key: Key, value: string, line: string][] = [
  [
    'an EC key',
    'PRIVATE_KEY',
    pem(ec.privateKey, 'pkcs8'),
    'is not an RSA key but one of the kind ec: WeChat Pay’s keys are RSA',
  ],
  [
    'an EC key (SEC1)',
    'PRIVATE_KEY',
    ec.privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    'is not an RSA key but one of the kind ec: WeChat Pay’s keys are RSA',
  ],
  [
    'an EC key',
    'PUBLIC_KEY',
    pem(ec.publicKey, 'spki'),
    'is not an RSA key but one of the kind ec: WeChat Pay’s keys are RSA',
  ],
  ['a short key', 'PRIVATE_KEY', short.privatePem, 'is an RSA key of 1024 bits: at least 2048 are needed'],
  ['a short key', 'PUBLIC_KEY', short.publicPem, 'is an RSA key of 1024 bits: at least 2048 are needed'],
  [
    'the merchant’s own key',
    'PUBLIC_KEY',
    merchantPair.publicPem,
    `is the public half of the merchant’s own key: ${HINT.PUBLIC_KEY}`,
  ],
  [
    'the key of the platform certificate',
    'PUBLIC_KEY',
    otherPair.publicPem,
    `is the key of the platform certificate: ${HINT.PUBLIC_KEY}`,
  ],
  [
    'the merchant’s own certificate',
    'PLATFORM_CERT',
    merchantCert.pem,
    `is the merchant’s own certificate (apiclient_cert.pem): ${HINT.PLATFORM_CERT}`,
  ],
  [
    'the platform certificate',
    'MERCHANT_CERT',
    platformCert.pem,
    'is not the certificate of the private key: take apiclient_cert.pem and apiclient_key.pem from the same download',
  ],
];

const ROWS = [
  ...REFUSED.flatMap(([what, key, value, line, places = PLACES]) =>
    places.map((place) => {
      const several = line.startsWith('2 keys');
      const verb = place === 'a file' ? (several ? 'names a file that holds' : 'names') : several ? 'holds' : 'is';
      const name = `WECHAT_PAY_${key}${place === 'a file' ? '_PATH' : ''}`;
      return [what, key, place, value, `${name} ${verb} ${line}`] as const;
    }),
  ),
  ...UNFIT.flatMap(([what, key, value, line]) =>
    PLACES.map((place) => [what, key, place, value, `WECHAT_PAY_${key} ${line}`] as const),
  ),
];

describe('a key that is another one than is wanted', () => {
  it('is looked at in many kinds', () => {
    expect(ROWS.length).toBeGreaterThan(60);
  });

  it.each(ROWS)('%s as %s in %s is named', (_what, key, place, value, line) => {
    const { problems } = read(withKey(key, value, place));
    expect(problems).toEqual([line]);
    for (const problem of problems ?? []) expect([problem, leaks(problem)]).toEqual([problem, false]);
  });

  const pathRow = (key: Key, path: string): string[] | null =>
    read({ ...GOOD, [`WECHAT_PAY_${key}`]: '', [`WECHAT_PAY_${key}_PATH`]: path }).problems;

  it('is a directory, or a file that is not there', () => {
    mkdirSync(join(folder, 'secrets'));
    expect(pathRow('PRIVATE_KEY', join(folder, 'secrets'))).toEqual([
      `WECHAT_PAY_PRIVATE_KEY_PATH names a directory, not the file in it: ${HINT.PRIVATE_KEY}`,
    ]);
    const absent = `names a file that does not exist here: ${HINT.PRIVATE_KEY}; in a container it has to be mounted`;
    for (const path of [join(folder, 'no.pem'), 'apiclient_key.pem', join(fileOf('x'), 'apiclient_key.pem')])
      expect(pathRow('PRIVATE_KEY', path)).toEqual([`WECHAT_PAY_PRIVATE_KEY_PATH ${absent}`]);
    expect(read({ ...GOOD, WECHAT_PAY_PRIVATE_KEY: '/run/secrets/apiclient_key.pem' }).problems).toEqual([
      `WECHAT_PAY_PRIVATE_KEY ${absent}`,
    ]);
  });

  it('is a file that only others may read', () => {
    const path = fileOf(merchantPair.privatePem);
    chmodSync(path, 0o000);
    // For root no file is closed: the question is asked as another user.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) {
      chmodSync(folder, 0o755);
      process.seteuid?.(65534);
    }
    try {
      expect(pathRow('PRIVATE_KEY', path)).toEqual([
        'WECHAT_PAY_PRIVATE_KEY_PATH names a file that this user may not read (EACCES): give it to the user of the service, mode 0400',
      ]);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it.each([...PLACES])('is no key at all, in %s', (place) => {
    const [line = ''] = read(withKey('PRIVATE_KEY', 'put the key here', place)).problems ?? [];
    expect(line).toMatch(/^WECHAT_PAY_PRIVATE_KEY/);
    expect(line).toContain('which begins with -----BEGIN PRIVATE KEY-----');
    expect(line).not.toContain('put the key');
  });

  it.each<Key>(['PRIVATE_KEY', 'PUBLIC_KEY', 'PLATFORM_CERT', 'MERCHANT_CERT'])('is given twice: %s', (key) => {
    const env = { ...GOOD, [`WECHAT_PAY_${key}_PATH`]: fileOf(GOOD[`WECHAT_PAY_${key}`] ?? '') };
    expect(read(env).problems).toEqual([
      `WECHAT_PAY_${key} and WECHAT_PAY_${key}_PATH are both set: take one of them out`,
    ]);
  });
});

// ---------------------------------------------------------------------------------------------------------------------

describe('a serial', () => {
  const serial = '5157F09EFDC096DE15EBE81A47057A7232F1B8E1';
  const zero = '0B57F09EFDC096DE15EBE81A47057A7232F1B8E1';
  const pairs = (text: string): string[] => text.match(/../g) ?? [];
  const base: Env = { ...GOOD, WECHAT_PAY_MERCHANT_CERT: '' };

  it.each<[spelling: string, text: string, means?: string]>([
    ['as it is', serial],
    ['in small letters', serial.toLowerCase()],
    ['with colons', pairs(serial).join(':')],
    ['with blanks', pairs(serial.toLowerCase()).join(' ')],
    ['after 0x', `0x${serial.toLowerCase()}`],
    ['as openssl prints it', `serial=${serial}`],
    ['as openssl prints it in a text', `Serial Number:\n    ${pairs(serial.toLowerCase()).join(':')}`],
    ['in decimal', BigInt(`0x${serial}`).toString()],
    ['without its leading zero', zero.slice(1), zero],
    ['in decimal, with a leading zero in hex', BigInt(`0x${zero}`).toString(), zero],
    ['with the zero byte of its sign', `00${serial.replace(/^5/, 'D')}`, serial.replace(/^5/, 'D')],
    ['of 40 digits that could be decimal', '1'.repeat(40), '1'.repeat(40)],
  ])('%s is taken', (_spelling, text, means = serial) => {
    const { wechat, problems } = read({ ...base, WECHAT_PAY_SERIAL_NO: text });
    expect(problems).toBeNull();
    expect(wechat?.serialNo).toBe(means);
  });

  it.each<[what: string, text: string, line: string]>([
    ['a name', 'my serial', 'must be the hex serial of the merchant API certificate'],
    ['a letter that is no digit', serial.replace('0', 'O'), 'must be the hex serial of the merchant API certificate'],
    ['a part', serial.slice(0, 10), 'must be the hex serial of the merchant API certificate'],
    [
      'the id of the public key',
      'PUB_KEY_ID_0119000091912026112300000001',
      'is the id of WeChat Pay’s public key: it must be the one of the merchant’s API certificate, apiclient_cert.pem',
    ],
    [
      'that of the platform certificate',
      pairs(platformCert.serial.toLowerCase()).join(':'),
      'is the serial of the platform certificate: it must be the one of the merchant’s API certificate, apiclient_cert.pem',
    ],
  ])('that is %s is named', (_what, text, line) => {
    expect(read({ ...base, WECHAT_PAY_SERIAL_NO: text }).problems).toEqual([`WECHAT_PAY_SERIAL_NO ${line}`]);
  });
});
