/** What each character of a password has to be written as, where it would end the password or the address. */
const ENCODED: readonly [character: string, code: string][] = [
  ['#', '%23'],
  ['/', '%2F'],
  ['?', '%3F'],
];

const ADVICE = 'DATABASE_URL must encode special characters of the user name and password';

/**
 * Why this is not the address of a PostgreSQL database, or null. Never holds a part of the value: an address that is cut
 * at the wrong place would show the password.
 */
export function databaseUrlProblem(text: string): string | null {
  const [, rest] = /^postgres(?:ql)?:\/\/(.*)$/is.exec(text) ?? [];
  if (rest === undefined) return 'DATABASE_URL must look like postgres://user:password@host:5432/database';
  if (/\s/.test(rest)) return `${ADVICE}: write a blank as %20`;
  if (/%(?![0-9a-f]{2})/i.test(rest)) return `${ADVICE}: write % as %25`;
  if (!decodes(rest)) return `${ADVICE} as UTF-8: % and two hex digits for each byte`;
  // A fragment means nothing to a database, so a # can only belong to the password.
  if (rest.includes('#')) return `${ADVICE}: write # as %23`;
  const authority = /^[^/?]*/.exec(rest)?.[0] ?? '';
  // What follows `?name=` are parameters of the connection, in which an @ may stand.
  const after = rest.slice(authority.length).replace(/\?\w+=.*$/s, '');
  if (!authority.includes('@') && after.includes('@')) {
    const [character, code] = ENCODED.find(([one]) => after.startsWith(one)) ?? ['/', '%2F'];
    return `${ADVICE}: write ${character} as ${code}`;
  }
  const path = /^[^?]*/.exec(after)?.[0] ?? '';
  if (/^\/.*[/@]/.test(path)) return 'DATABASE_URL must end in one database name: write / as %2F and @ as %40';
  // A socket's folder may stand in `?host=`, so the host itself may be left out.
  if (!URL.canParse(`postgres://${rest.replace(/^((?:[^/?]*@)?)(?=[/?]|$)/, '$1localhost')}`)) {
    return 'DATABASE_URL has a host or port that is not valid, or a character of the password that must be encoded';
  }
  return null;
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
