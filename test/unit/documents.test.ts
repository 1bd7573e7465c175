import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCS = join(__dirname, '..', '..', 'docs');
const read = (name: string): string => readFileSync(join(DOCS, name), 'utf8');

/** For those who work on the project, and made by its commands. */
const FOR_DEVELOPERS = ['mutation.md', 'query-plans.md'];
const names = readdirSync(DOCS).filter((name) => name.endsWith('.md'));
const english = names.filter((name) => !name.endsWith('.zh-CN.md') && !FOR_DEVELOPERS.includes(name));

const settingsIn = (text: string): string[] => [...new Set(text.match(/\b[A-Z][A-Z0-9]+(_[A-Z0-9]+)+\b/g))].sort();
const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;

describe('a document that users read', () => {
  it('is there in both languages', () => {
    expect(english).toContain('wechat-pay.md');
    expect(names).toEqual(expect.arrayContaining(english.map((name) => name.replace(/\.md$/, '.zh-CN.md'))));
  });

  it.each(english)('says the same in both: %s', (name) => {
    const twin = name.replace(/\.md$/, '.zh-CN.md');
    const [original, translated] = [read(name), read(twin)];
    expect(original.split('\n', 4)).toContain(`[中文](${twin})`);
    expect(translated.split('\n', 4)).toContain(`[English](${name})`);
    expect(settingsIn(translated)).toEqual(settingsIn(original));
    for (const part of [/^#+ /gm, /^\|/gm, /^```/gm, /^- \[ \]/gm]) {
      expect([part, count(translated, part)]).toEqual([part, count(original, part)]);
    }
  });

  it('is what README.zh-CN.md leads to', () => {
    const readme = readFileSync(join(DOCS, '..', 'README.zh-CN.md'), 'utf8');
    for (const name of english) expect(readme).not.toContain(`(docs/${name})`);
  });
});
