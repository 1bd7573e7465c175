import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { linesWith, MAX_LINES, TEXT_RULES, TIDY_RULES } from '../support/tidy-rules.js';

const ROOT = resolve('.');
const NOT_OURS = new Set(['node_modules', 'dist', 'var', 'coverage', 'reports', '.git', '.stryker-tmp', 'vectors']);
const TEXT = new Set(['.ts', '.mjs', '.cjs', '.js', '.json', '.md', '.yml', '.yaml', '.html', '.css', '.sh', '']);
const CODE = new Set(['.ts', '.mjs', '.cjs', '.js']);

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (NOT_OURS.has(entry.name) || /^\.(env|dist-)/.test(entry.name)) return [];
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() && TEXT.has(extname(path)) && entry.name !== 'package-lock.json' ? [path] : [];
  });
}

const files = filesBelow(ROOT).map((path) => ({
  path: relative(ROOT, path).replaceAll('\\', '/'),
  text: readFileSync(path, 'utf8'),
}));

/** What a rule finds outside its one place, and permissions that nobody needs any more. */
function complaints(
  rule: { what: string; instead: string; allowed: Readonly<Record<string, string>> },
  find: (file: { path: string; text: string }) => number[],
): string[] {
  const found = files.map((file) => ({ path: file.path, lines: find(file) })).filter(({ lines }) => lines.length > 0);
  const paths = new Set(found.map(({ path }) => path));
  return [
    ...found
      .filter(({ path }) => !(path in rule.allowed))
      .map(({ path, lines }) => `${path}:${lines.join(',')} ${rule.what}. Write instead: ${rule.instead}`),
    ...Object.keys(rule.allowed)
      .filter((path) => existsSync(path) && !paths.has(path))
      .map((path) => `${path} has no ${rule.what} any more. Take it off the list in test/support/tidy-rules.ts`),
  ];
}

describe('the source tree', () => {
  it.each(TIDY_RULES)('has $what only in its one place', (rule) => {
    expect(linesWith(rule, 'example.ts', rule.example)).not.toEqual([]);
    const inScope = ({ path }: { path: string }): boolean =>
      CODE.has(extname(path)) && rule.within.some((start) => path.startsWith(start));
    expect(complaints(rule, (file) => (inScope(file) ? linesWith(rule, file.path, file.text) : []))).toEqual([]);
  });

  it.each(TEXT_RULES)('has $what nowhere', (rule) => {
    expect(rule.example).toMatch(rule.pattern);
    const lines = (text: string): number[] =>
      text.split('\n').flatMap((line, index) => (rule.pattern.test(line) ? [index + 1] : []));
    expect(complaints(rule, ({ text }) => lines(text))).toEqual([]);
  });

  it('names each file after its class: thing.service.ts holds ThingService', () => {
    const CLASS =
      /^@(?:Injectable|Controller|Module|Catch)\b(?:(?!^export )[\s\S])*?^export (?:abstract )?class (\w+)/gm;
    const kebab = (name: string): string => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase();
    const named = files
      .filter(({ path }) => path.startsWith('src/') && path.endsWith('.ts'))
      .flatMap(({ path, text }) => [...text.matchAll(CLASS)].map(([, name = '']) => ({ path, name })));
    expect(named.length).toBeGreaterThan(50);
    const others = named.filter(({ path, name }) => basename(path, '.ts').replaceAll('.', '-') !== kebab(name));
    expect(others).toEqual([]);
  });

  it(`has no file of more than ${MAX_LINES} lines beside the tests`, () => {
    const long = files
      .filter(({ path }) => CODE.has(extname(path)) && /^(src|dev|simulator|bench|prove|migrations)\//.test(path))
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ path, lines }) => `${path} has ${lines} lines. Write instead: two files, each with one purpose`);
    expect(long).toEqual([]);
  });
});

describe('what readers are told', () => {
  /** A document by its path, but not a call such as `md.sha1` of node-forge. */
  const DOCUMENT = /(?<![\w/.-])(?:\.{0,2}\/)*\w[\w/.-]*\.md\b(?!\.\w)/g;

  it('cites documents of this repository only', () => {
    const cited = files.flatMap(({ path, text }) =>
      [...text.matchAll(DOCUMENT)].map(([document]) => ({ path, document })),
    );
    expect(cited.length).toBeGreaterThan(20);
    const missing = cited.filter(
      ({ path, document }) => !['.', 'docs', dirname(path)].some((folder) => existsSync(resolve(folder, document))),
    );
    expect(missing).toEqual([]);
  });

  it.each(['README.md', 'README.zh-CN.md'])('%s names the button that the cashier has', (name) => {
    const text = (path: string): string => files.find((file) => file.path === path)?.text ?? '';
    const button = /id="pay">(\S+) /.exec(text('simulator/cashier-page.ts'))?.[1] ?? '';
    expect(button).not.toBe('');
    expect(/(?:press |点击“)(\p{Script=Han}+)/u.exec(text(name))?.[1]).toBe(button);
  });
});
