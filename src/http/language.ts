import Negotiator from 'negotiator';
import { type Language, LANGUAGES } from '../common/user-messages.js';

/** Chinese texts are in simplified characters. */
export const CONTENT_LANGUAGE: Readonly<Record<Language, string>> = { zh: 'zh-CN', en: 'en' };

/** Browsers send less. Longer ones cost more to read than a refusal may. */
const LONGEST_HEADER = 256;

/**
 * The language of texts for people: what `Accept-Language` prefers of those that there are, Chinese where it says nothing
 * (or anything), English where it names only others.
 */
export function languageOf(acceptLanguage: string | undefined): Language {
  if (!acceptLanguage || acceptLanguage.length > LONGEST_HEADER) return 'zh';
  const preferred = new Negotiator({ headers: { 'accept-language': acceptLanguage } }).language([...LANGUAGES]);
  return preferred === 'zh' ? 'zh' : 'en';
}
