import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { EVENT_TYPES } from '../../src/events/event-types.js';

const ROOT = join(__dirname, '..', '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const twinOf = (path: string): string => path.replace(/\.md$/, '.zh-CN.md');

/** For those who work on the project. */
const FOR_DEVELOPERS = ['decisions.md', 'mutation.md'];
const english = [
  'simulator/README.md',
  'examples/shop-backend/README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md') && !name.endsWith('.zh-CN.md') && !FOR_DEVELOPERS.includes(name))
    .map((name) => `docs/${name}`),
];

const settingsIn = (text: string): string[] => [...new Set(text.match(/\b[A-Z][A-Z0-9]+(_[A-Z0-9]+)+\b/g))].sort();
const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;

describe('a document that users read', () => {
  it('is there in both languages', () => {
    expect(english).toContain('docs/wechat-pay.md');
    expect(english.filter((path) => !existsSync(join(ROOT, twinOf(path))))).toEqual([]);
  });

  it.each(english)('says the same in both: %s', (path) => {
    const twin = twinOf(path);
    const [original, translated] = [read(path), read(twin)];
    expect(original.split('\n', 4)).toContain(`[中文](${basename(twin)})`);
    expect(translated.split('\n', 4)).toContain(`[English](${basename(path)})`);
    expect(settingsIn(translated)).toEqual(settingsIn(original));
    for (const part of [/^#+ /gm, /^\|/gm, /^```/gm, /^- \[ \]/gm]) {
      expect([part, count(translated, part)]).toEqual([part, count(original, part)]);
    }
  });

  it.each(['docs/events.md', 'docs/events.zh-CN.md'])('lists every type of event, and no other: %s', (path) => {
    const listed = [...read(path).matchAll(/^\| `((?:order|payment|refund)\.[a-z_]+)`/gm)].map(([, type]) => type);
    expect(listed).toEqual(EVENT_TYPES);
  });

  it('is what README.zh-CN.md leads to', () => {
    const readme = read('README.zh-CN.md');
    for (const path of english) expect(readme).not.toContain(`(${path})`);
  });
});
