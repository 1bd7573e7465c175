import { readFileSync } from 'node:fs';
import { findKeys, type FoundKey, type KeyKind } from './key-form.js';

/** Which key a setting asks for. */
export interface WantedKey {
  kinds: readonly KeyKind[];
  /** Which file it is, as a half sentence. */
  hint: string;
  /** Where a key of another kind belongs, as a half sentence. */
  elsewhere?: Partial<Record<KeyKind, string>>;
}

export const PRIVATE_KEY: WantedKey = {
  kinds: ['private key'],
  hint: 'the private key is the file apiclient_key.pem',
};
export const MERCHANT_CERT: WantedKey = {
  kinds: ['certificate'],
  hint: 'the merchant’s certificate is the file apiclient_cert.pem, and may be left out',
};
export const PUBLIC_KEY: WantedKey = {
  kinds: ['public key'],
  hint: 'WeChat Pay’s public key is the file pub_key.pem of the console',
  elsewhere: { certificate: 'a platform certificate belongs in WECHAT_PAY_PLATFORM_CERT' },
};
export const PLATFORM_CERT: WantedKey = {
  kinds: ['certificate'],
  hint: 'a platform certificate is a file wechatpay_….pem, and may be left out since it is fetched',
  elsewhere: {
    'public key': 'WeChat Pay’s public key belongs in WECHAT_PAY_PUBLIC_KEY, its id in WECHAT_PAY_PUBLIC_KEY_ID',
  },
};

/** A key's PEM text, or why there is none, as the end of a sentence whose subject is the setting. */
export type KeyReading = { pem: string; problem: null } | { pem: null; problem: string };

/**
 * PEM text, as every reader takes it, out of a variable that holds the text itself or a file's path. A problem is added
 * when it is neither, or another key than the one that is wanted; the value is never printed.
 */
export function keyText(name: string, value: string | undefined, wanted: WantedKey, problems: string[]): string | null {
  if (!value) return null;
  const { pem, problem } = readKey(value, wanted);
  if (problem !== null) problems.push(`${name} ${problem}`);
  return pem;
}

/** Reads the key that this value is, or that is in the file that it names. */
export function readKey(value: string, wanted: WantedKey): KeyReading {
  if (value.includes('-----BEGIN')) return keyIn(Buffer.from(value), 'is', wanted);
  try {
    return keyIn(readFileSync(value), 'names', wanted);
  } catch (error) {
    if (findKeys(Buffer.from(value)).length > 0) return keyIn(Buffer.from(value), 'is', wanted);
    return refused(unreadable(value, (error as NodeJS.ErrnoException).code ?? 'unknown', wanted));
  }
}

/** The key that is wanted, of all that is in a text or file. */
export function keyIn(bytes: Buffer, verb: 'is' | 'names', wanted: WantedKey): KeyReading {
  if (bytes.toString().trim() === '')
    return refused(`${verb === 'is' ? 'is empty' : 'names an empty file'}: ${wanted.hint}`);
  const found = findKeys(bytes);
  const right = found.filter((key): key is FoundKey => key.kind !== null && wanted.kinds.includes(key.kind));
  const texts = [...new Set(right.filter(({ bare }) => !bare).map(({ pem }) => pem))];
  // Of certificates there may be several, of keys only its owner can say which one is meant.
  if (texts.length === 1 || (texts.length > 1 && right.every(({ kind }) => kind === 'certificate')))
    return { pem: texts.join('\n'), problem: null };
  if (texts.length > 1) return refused(`${holds(verb)} ${texts.length} keys: leave the one that is meant`);

  const bare = right[0]?.bare;
  if (bare) return refused(`${verb} ${bare.what}: ${bare.advice}`);
  const other = found.find(({ kind }) => kind === null) ?? found[0];
  if (!other)
    return refused(`${holds(verb)} no key in PEM form, which begins with ${firstLine(wanted)}: ${wanted.hint}`);
  if (other.kind === null) return refused(`${verb} ${other.what}: ${other.advice ?? wanted.hint}`);
  const elsewhere = wanted.elsewhere?.[other.kind];
  return refused(`${verb} a ${other.kind}: ${wanted.hint}${elsewhere ? `; ${elsewhere}` : ''}`);
}

const firstLine = ({ kinds }: WantedKey): string => `-----BEGIN ${kinds[0]?.toUpperCase()}-----`;

const holds = (verb: 'is' | 'names'): string => (verb === 'is' ? 'holds' : 'names a file that holds');

function refused(problem: string): KeyReading {
  return { pem: null, problem };
}

/** Why a value that is no key is not the path of one either. */
function unreadable(value: string, code: string, wanted: WantedKey): string {
  if (code === 'EISDIR') return `names a directory, not the file in it: ${wanted.hint}`;
  if (code === 'EACCES' || code === 'EPERM')
    return `names a file that this user may not read (${code}): give it to the user of the service, mode 0400`;
  const isPath = value.length < 1024 && /^[^\n]*([/\\]|\.(pem|key|crt|cer|der|txt))/.test(value);
  if (isPath && (code === 'ENOENT' || code === 'ENOTDIR'))
    return `names a file that does not exist here: ${wanted.hint}; in a container it has to be mounted`;
  if (isPath) return `names a file that cannot be read (${code})`;
  return `is neither PEM text, which begins with ${firstLine(wanted)}, nor the path of a file: ${wanted.hint}`;
}
