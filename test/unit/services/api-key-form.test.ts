import { readFileSync } from 'node:fs';
import { hashOf, isKey, isPrefix, newKey } from '../../../src/services/api-key-form.js';

describe('an API key', () => {
  const keys = Array.from({ length: 200 }, () => newKey());

  it('begins with its public part, and is like no other', () => {
    for (const { key, prefix } of keys) {
      expect(key.startsWith(`${prefix}_`)).toBe(true);
      expect([isKey(key), isPrefix(prefix), isPrefix(key), isKey(prefix)]).toEqual([true, true, false, false]);
    }
    expect(new Set(keys.map(({ prefix }) => prefix)).size).toBe(keys.length);
    expect(new Set(keys.map(({ key }) => key.slice(13))).size).toBe(keys.length);
    expect(new Set(keys.map(({ key }) => hashOf(key).toString('hex'))).size).toBe(keys.length);
  });

  it('is known from what was mistyped, letter by letter', () => {
    const { key } = newKey();
    for (let at = 0; at < key.length; at += 1) {
      const other = key[at] === 'a' ? 'b' : 'a';
      expect([at, isKey(key.slice(0, at) + other + key.slice(at + 1))]).toEqual([at, false]);
    }
    for (const text of [
      '',
      'pdk_',
      key.slice(1),
      key.slice(0, -1),
      `${key}a`,
      ` ${key}`,
      `${key}\n`,
      key.toUpperCase(),
    ])
      expect([text, isKey(text)]).toEqual([text, false]);
  });

  it('is found by the expression that SECURITY.md gives to scanners for secrets, in whatever it stands', () => {
    const [, expression = ''] = /^regex = '''(.+)'''$/m.exec(readFileSync('SECURITY.md', 'utf8')) ?? [];
    const scanner = new RegExp(expression);
    for (const { key } of keys) {
      for (const text of [key, `KEY=${key}`, `"${key}"`, `https://a/?k=${key}&b=c`, `Bearer ${key}\n`])
        expect(scanner.exec(text)?.[1]).toBe(key);
      expect(scanner.test(key.slice(0, -1))).toBe(false);
    }
  });
});
