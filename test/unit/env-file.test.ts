import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvFile, withoutQuotes } from '../../src/config/env-file.js';

const folder = mkdtempSync(join(tmpdir(), 'paydesk-env-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

function read(content: string | Buffer): ReturnType<typeof readEnvFile> {
  const path = join(folder, '.env');
  writeFileSync(path, content);
  const { values, problems } = readEnvFile(path);
  return { values, problems: problems.map((line) => line.replace(folder, '')) };
}

const TEXT = 'WECHAT_PAY_ENABLE_REAL=true\nWECHAT_PAY_MCHID=1900000109\n';
const VALUES = { WECHAT_PAY_ENABLE_REAL: 'true', WECHAT_PAY_MCHID: '1900000109' };

describe('the file .env', () => {
  it('need not be there', () => {
    expect(readEnvFile(join(folder, 'nothing'))).toEqual({ values: {}, problems: [] });
  });

  it('that cannot be read does not count as empty', () => {
    expect(readEnvFile(folder).problems).toEqual([expect.stringMatching(/cannot be read \(EISDIR\)$/)]);
  });

  it.each<[string, string | Buffer]>([
    ['as it should be', TEXT],
    ['with a byte order mark', `\uFEFF${TEXT}`],
    ['with line ends of Windows', TEXT.replaceAll('\n', '\r\n')],
    ['with line ends of old Macs', TEXT.replaceAll('\n', '\r')],
    ['with comments, blank lines, export and no end of line', `# 说明\n\n  export ${TEXT}   # end`],
  ])('is read %s', (_, content) => {
    expect(read(content)).toEqual({ values: VALUES, problems: [] });
  });

  it.each<[string, Buffer]>([
    ['UTF-16, little endian', Buffer.from(`\uFEFF${TEXT}`, 'utf16le')],
    ['UTF-16, big endian', Buffer.from(`\uFEFF${TEXT}`, 'utf16le').swap16()],
    ['UTF-16 without a mark', Buffer.from(TEXT, 'utf16le')],
    ['GBK', Buffer.from([...Buffer.from('# '), 0xcb, 0xb5, 0xc3, 0xf7, ...Buffer.from(`\n${TEXT}`)])],
  ])('is refused in %s', (_, content) => {
    const { values, problems } = read(content);
    expect(values).toEqual({});
    expect(problems).toEqual([expect.stringMatching(/^\/\.env is .*: save it as UTF-8$/)]);
  });

  it.each<[string, string, number]>([
    ['a colon for the equals sign', `${TEXT}JOBS_ENABLED: false\n`, 3],
    ['a key whose lines are not in quotes', `${TEXT}\nWECHAT_PAY_PRIVATE_KEY=-----BEGIN\nMIIE+/abc\n`, 5],
    ['a quote that is not closed', `JWT_SECRET="abc\n${TEXT}WECHAT_APPID="wx"\n`, 1],
  ])('is refused for %s, by the number of the line', (_, content, line) => {
    const { problems } = read(content);
    expect(problems).toEqual([expect.stringContaining(`, line ${line}, `)]);
    expect(problems[0]).not.toMatch(/abc|MIIE|false/);
  });

  it('may hold a key of several lines in quotes', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nABCD+/==\nAB==\n-----END PRIVATE KEY-----';
    expect(read(`A="${pem}"\nB='x\ny' # z\n`)).toEqual({ values: { A: pem, B: 'x\ny' }, problems: [] });
  });
});

describe('quotes around a value', () => {
  it.each([
    ['true', 'true'],
    [' true\t', 'true'],
    ['"true"', 'true'],
    ["'true '", 'true'],
    ['" "', ''],
    ['""', ''],
    ['"', '"'],
    ['"true', '"true'],
    ['\'true"', '\'true"'],
    ['"a" and "b"', '"a" and "b"'],
    ['a "b" c', 'a "b" c'],
    ['\uFEFFtrue\u00A0', 'true'],
  ])('are taken off where they are around all of it: %j', (given, expected) => {
    expect(withoutQuotes(given)).toBe(expected);
  });
});
