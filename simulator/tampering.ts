import { CONTENT_FAULTS, type ContentFault, type FaultKind } from './faults.js';
import { type JsonObject } from './fields.js';

/** How each content fault falsifies a transaction or a refund. */
const FALSIFY: Record<ContentFault, (content: JsonObject) => JsonObject> = {
  wrong_amount: (content) => withAmount(content, (amount) => ({ ...amount, total: Number(amount.total) + 1 })),
  wrong_currency: (content) => withAmount(content, (amount) => ({ ...amount, currency: 'USD' })),
  wrong_mchid: (content) => ({ ...content, mchid: '1999999999' }),
  wrong_appid: (content) => ({ ...content, appid: 'wx9999999999999999' }),
};

/** The content with the falsehoods the faults ask for; the very same object when they ask for none. */
export function falsified(content: JsonObject, struck: readonly FaultKind[]): JsonObject {
  return struck.filter(isContentFault).reduce((current, kind) => FALSIFY[kind](current), content);
}

function isContentFault(kind: FaultKind): kind is ContentFault {
  return (CONTENT_FAULTS as readonly string[]).includes(kind);
}

function withAmount(content: JsonObject, change: (amount: JsonObject) => JsonObject): JsonObject {
  const { amount } = content;
  const isObject = typeof amount === 'object' && amount !== null && !Array.isArray(amount);
  return isObject ? { ...content, amount: change(amount) } : content;
}
