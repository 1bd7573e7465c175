import { readFileSync } from 'node:fs';
import { SCOPE_NAMES } from '../../../src/services/scopes.js';

describe('the scopes of API keys', () => {
  it.each(['docs/api-keys.md', 'docs/api-keys.zh-CN.md'])('stand in %s, one in a row', (path) => {
    const section = /^## (?:Scopes|权限范围)$[^]*?(?=^## )/m.exec(readFileSync(path, 'utf8'))?.[0] ?? '';
    expect([...section.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)).toEqual(SCOPE_NAMES);
  });
});
