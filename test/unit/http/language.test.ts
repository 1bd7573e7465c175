import { languageOf } from '../../../src/http/language.js';

describe('the language of texts for people', () => {
  it.each([
    [undefined, 'zh'],
    ['', 'zh'],
    ['*', 'zh'],
    ['zh', 'zh'],
    ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
    ['zh-TW', 'zh'],
    ['ZH-Hans-CN', 'zh'],
    ['fr, zh;q=0.1', 'zh'],
    ['en', 'en'],
    ['EN-gb', 'en'],
    ['en-US,en;q=0.9,zh;q=0.8', 'en'],
    ['zh;q=0.3, en;q=0.7', 'en'],
    ['zh;q=0, *', 'en'],
    ['fr-FR, de;q=0.5', 'en'],
    [',;q=;', 'en'],
  ])('of %p is %s', (header, language) => {
    expect(languageOf(header)).toBe(language);
  });

  it('is that of none given for a header longer than any browser sends', () => {
    expect(languageOf('en')).toBe('en');
    expect(languageOf(`en${',en'.repeat(5000)}`)).toBe('zh');
  });
});
