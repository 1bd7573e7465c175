import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';

const SNIPPETS = resolve('examples/snippets');
const RUNNER = 'run.mjs';
const GUIDES = ['docs/integration.md', 'docs/integration.zh-CN.md'];
const names = readdirSync(SNIPPETS).filter((name) => name !== RUNNER);
const snippet = (name: string): string => readFileSync(join(SNIPPETS, name), 'utf8').trimEnd();

/** The code blocks of a document in this language, in their order. */
function blocks(path: string, language: string): string[] {
  const found = readFileSync(resolve(path), 'utf8').matchAll(/^```(\S*)\n([\s\S]*?)\n```$/gm);
  return [...found].filter((block) => block[1] === language).map((block) => block[2] ?? '');
}

/** As the guide names the languages of the files. */
const LANGUAGES: Record<string, string> = { '.mjs': 'js', '.java': 'java', '.go': 'go', '.php': 'php' };

describe.each(GUIDES)('%s', (guide) => {
  it.each(names.filter((name) => name !== 'pay.sh'))('has %s as it is run', (name) => {
    expect(blocks(guide, LANGUAGES[extname(name)] ?? '')).toEqual([snippet(name)]);
  });

  it('has the commands of pay.sh, one block after another', () => {
    const [head, ...commands] = snippet('pay.sh').split('\n\n');
    expect(head).toMatch(/^#!.*\n# .*\nset -euo pipefail$/);
    expect(blocks(guide, 'sh')).toEqual(commands);
  });
});

it('runs every snippet of the guide', () => {
  const runner = snippet(RUNNER);
  expect(names.filter((name) => !runner.includes(`'${name}': {`))).toEqual([]);
});

it('has a sample shop of less than 200 lines', () => {
  const folder = resolve('examples/shop-backend');
  const code = readdirSync(folder).filter((name) => !name.endsWith('.md'));
  expect(code).toEqual(['shop.mjs']);
  expect(readFileSync(join(folder, 'shop.mjs'), 'utf8').trimEnd().split('\n').length).toBeLessThan(200);
});
