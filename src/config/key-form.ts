import { createPrivateKey, createPublicKey, KeyObject, X509Certificate } from 'node:crypto';
import forge from 'node-forge';

export type KeyKind = 'private key' | 'public key' | 'certificate';

/** A key or certificate, as PEM text that every reader takes. */
export interface FoundKey {
  kind: KeyKind;
  pem: string;
  /** What it lacks to be PEM, though its kind is known. Such a key is named and not taken. */
  bare: { what: string; advice: string } | null;
}

/** Something else than a key that can be used, in words that never hold any of it. */
export interface OtherForm {
  kind: null;
  what: string;
  /** What to do about it, where that does not depend on which key is wanted. */
  advice: string | null;
}

export type Found = FoundKey | OtherForm;

// Word processors turn two hyphens into a dash; copying may lose one of five, or the blanks between the words.
const RULE = '[-\\u2010-\\u2015\\u2212]{2,}';
const BLOCK = new RegExp(`${RULE}\\s*BEGIN([A-Z0-9\\s]+)${RULE}([\\s\\S]*?)${RULE}\\s*END[A-Z0-9\\s]+${RULE}`, 'g');
const FIRST_LINE = new RegExp(`${RULE}\\s*BEGIN`);
const LAST_LINE = new RegExp(`${RULE}\\s*END`);

/** Forms whose label says all: what is between the lines need not be read. */
const BY_LABEL: Record<string, Omit<OtherForm, 'kind'>> = {
  ENCRYPTEDPRIVATEKEY: encrypted(),
  OPENSSHPRIVATEKEY: { what: 'a private key of OpenSSH', advice: null },
  CERTIFICATEREQUEST: { what: 'a certificate request (CSR)', advice: null },
  NEWCERTIFICATEREQUEST: { what: 'a certificate request (CSR)', advice: null },
  PKCS7: { what: 'a PKCS#7 bundle (.p7b)', advice: null },
};

/** Files that are known by how they begin. */
const BY_BEGINNING: readonly [beginning: RegExp, what: string][] = [
  [/^<(!doctype|html|head|body|\?xml)/i, 'a web page or XML'],
  [/^[{[]/, 'JSON'],
  [/^ssh-[a-z0-9-]+ AAAA/, 'a public key of SSH'],
  [/^PuTTY-User-Key-File/, 'a private key of PuTTY'],
  [/^PK\u0003\u0004/, 'a ZIP archive'],
];

/**
 * What keys and certificates a text or file holds, in whatever unambiguous form: line breaks real, lost, escaped or
 * turned into blanks, quotes and text around them, a byte order mark, UTF-16, the whole PEM text in Base64. Empty when
 * nothing is known of it.
 */
export function findKeys(bytes: Buffer): Found[] {
  const text = unescaped(textOf(bytes));
  const blocks = [...text.matchAll(BLOCK)].flatMap(([, label = '', body = '']) => readBlock(label, body));
  if (blocks.length > 0) return blocks;
  if (FIRST_LINE.test(text)) {
    const advice =
      'copy it whole; as a value of several lines it belongs in double quotes, or \\n stands for each line break';
    return [{ kind: null, what: 'a PEM text without its last line', advice }];
  }
  if (LAST_LINE.test(text)) return [{ kind: null, what: 'a PEM text without its first line', advice: 'copy it whole' }];
  const named = BY_BEGINNING.find(([beginning]) => beginning.test(text));
  if (named) return [{ kind: null, what: named[1], advice: null }];
  return readDer(bytes, 'in binary form (DER)') ?? readBase64(text);
}

/** Text as editors save it. */
function textOf(bytes: Buffer): string {
  const mark = bytes.subarray(0, 2).toString('hex');
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8';
  // The decoder takes the byte order mark off.
  return new TextDecoder(encoding).decode(bytes).trim();
}

/** No key has a backslash in it: each is an escape, of `\n` once or several times, of JSON's `\/` or `\u002b`. */
function unescaped(text: string): string {
  return text
    .replace(/\\+u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    .replace(/\\+[nrt]/g, '\n')
    .replaceAll('\\', '');
}

function readBlock(label: string, body: string): Found[] {
  const known = label.replace(/\s/g, '');
  if (/(PARAMETERS|CRL)$/.test(known)) return [];
  const named = BY_LABEL[known];
  if (named) return [{ kind: null, ...named }];
  if (/Proc-Type:\s*4,\s*ENCRYPTED/i.test(body)) return [{ kind: null, ...encrypted() }];
  // Quotes, blanks and marks that no eye sees are no part of Base64.
  const base64 = body.replace(/[\s"'`\u200b-\u200d\u2060\ufeff]/g, '');
  const read = /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? identify(Buffer.from(base64, 'base64')) : null;
  if (read) return [read];
  const advice = 'characters are missing or changed, copy the whole file again';
  return [{ kind: null, what: 'a damaged PEM text', advice }];
}

/** A key without the lines that say what it is: named, since only its owner knows that nothing else is missing. */
function readDer(bytes: Buffer, form: string): Found[] | null {
  const found = identify(bytes);
  if (!found?.kind) return found && [found];
  const option = { 'private key': 'pkey', 'public key': 'pkey -pubin', certificate: 'x509' }[found.kind];
  const advice = `convert it with: openssl ${option} -inform der -in FILE -out FILE.pem`;
  return [{ ...found, bare: { what: `a ${found.kind} ${form}`, advice } }];
}

function readBase64(text: string): Found[] {
  const base64 = text.replace(/\s/g, '');
  if (!/^[A-Za-z0-9+/]{64,}={0,2}$/.test(base64)) return [];
  const bytes = Buffer.from(base64, 'base64');
  // The whole PEM text in Base64, as secrets are kept by some tools, lacks nothing.
  if (FIRST_LINE.test(bytes.toString('latin1'))) return findKeys(bytes);
  return (readDer(bytes, '') ?? []).map((found): Found => {
    if (!found.kind) return found;
    const label = found.kind === 'private key' && isPkcs1(bytes) ? 'RSA PRIVATE KEY' : found.kind.toUpperCase();
    const advice = `put -----BEGIN ${label}----- before it and -----END ${label}----- after it, each on its own line`;
    return { ...found, bare: { what: `the Base64 of a ${found.kind} without its first and last line`, advice } };
  });
}

/** What these bytes are, by what they say and not by what stands above them. */
function identify(der: Buffer): Found | null {
  const key = (kind: KeyKind, pem: string | Buffer): FoundKey => ({ kind, pem: pem.toString(), bare: null });
  const certificate = attempt(() => new X509Certificate(der));
  if (certificate instanceof X509Certificate) return key('certificate', certificate.toString());
  // Private keys before public ones: their public half would be read from them without a word.
  for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const) {
    const read = attempt(() => createPrivateKey({ key: der, format: 'der', type }));
    if (read instanceof KeyObject) return key('private key', read.export({ type: 'pkcs8', format: 'pem' }));
    if (read === 'ERR_MISSING_PASSPHRASE') return { kind: null, ...encrypted() };
  }
  for (const type of ['spki', 'pkcs1'] as const) {
    const read = attempt(() => createPublicKey({ key: der, format: 'der', type }));
    if (read instanceof KeyObject) return key('public key', read.export({ type: 'spki', format: 'pem' }));
  }
  return isPkcs12(der) ? { kind: null, what: 'a PKCS#12 file (.p12 or .pfx)', advice: null } : null;
}

/** What it gives, or the code of the error that it throws. */
function attempt<T>(read: () => T): T | string | undefined {
  try {
    return read();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

function isPkcs1(der: Buffer): boolean {
  return !(attempt(() => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })) instanceof KeyObject);
}

/** `PFX ::= SEQUENCE { version INTEGER (3), authSafe ContentInfo, … }` (RFC 7292, section 4). */
function isPkcs12(der: Buffer): boolean {
  try {
    const [version, safe] = forge.asn1.fromDer(der.toString('latin1')).value as forge.asn1.Asn1[];
    return version?.type === forge.asn1.Type.INTEGER && version.value === '\x03' && safe?.constructed === true;
  } catch {
    return false;
  }
}

function encrypted(): Omit<OtherForm, 'kind'> {
  const advice = 'take off its password with: openssl pkey -in FILE -out apiclient_key.pem';
  return { what: 'an encrypted private key', advice };
}
