import { spawnSync } from 'node:child_process';
import { type ErrorCode, ERRORS } from '../../../src/common/errors.js';
import { USER_MESSAGES } from '../../../src/common/user-messages.js';

const codes = Object.keys(ERRORS) as ErrorCode[];

describe('the table of errors', () => {
  it.each(codes)('says %s in both languages, in words for a payer', (code) => {
    const { zh, en } = USER_MESSAGES[code];
    expect(zh).toMatch(/^[\p{Script=Han}，。；]+。$/u);
    expect(en).toMatch(/^[A-Z][A-Za-z ,.:]+\.$/);
    // No code, no name of a field, no header, and nothing of how it is made.
    for (const text of [zh, en]) expect(text).not.toMatch(/_|openid|token|idempot|metadata|json|provider_|令牌|接口/i);
  });

  it('has a status of refusals and a title in English for every code', () => {
    for (const code of codes) {
      const { status, title } = ERRORS[code];
      expect([code, status >= 400 && status < 600, /^[A-Z][\x20-\x7e]+$/.test(title)]).toEqual([code, true, true]);
    }
  });

  it('is what docs/errors.md and its Chinese twin list', () => {
    const { status, stderr } = spawnSync(process.execPath, ['dist/dev/error-pages.js', '--check'], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });
});
