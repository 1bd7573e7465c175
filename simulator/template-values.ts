/** What the values of subscription messages may be, by the kind their key begins with (`subscribeMessage.send` of the mini-program documentation). */
const KINDS: Record<string, { fits: (value: string) => boolean; issue: string }> = {
  thing: { fits: upTo(20), issue: 'is longer than 20 characters' },
  number: { fits: (value) => /^\d{1,32}$/.test(value), issue: 'is not a number of at most 32 digits' },
  letter: { fits: (value) => /^[A-Za-z]{1,32}$/.test(value), issue: 'is not at most 32 letters' },
  symbol: { fits: upTo(5), issue: 'is longer than 5 symbols' },
  character_string: {
    fits: (value) => /^[\x21-\x7e]{1,32}$/.test(value),
    issue: 'is not at most 32 digits, letters or symbols',
  },
  time: { fits: (value) => /\d{1,2}:\d{2}/.test(value), issue: 'is not a time' },
  date: { fits: (value) => /\d{4}\D+\d{1,2}\D+\d{1,2}/.test(value), issue: 'is not a date' },
  amount: { fits: (value) => /^[¥￥$€£]?\d{1,10}(\.\d+)?元?$/.test(value), issue: 'is not an amount' },
  phone_number: { fits: (value) => /^[\d+\-() ]{1,17}$/.test(value), issue: 'is not a phone number' },
  car_number: { fits: upTo(8), issue: 'is longer than 8 characters' },
  name: {
    fits: (value) => value.length <= (/^[\x20-\x7e]+$/.test(value) ? 20 : 10),
    issue: 'is longer than 10 Chinese or 20 Latin characters',
  },
  phrase: { fits: (value) => /^\p{Script=Han}{1,5}$/u.test(value), issue: 'is not at most 5 Chinese characters' },
};

/** What is wrong with a value; undefined when nothing is, or when the key's kind has no rule here. */
export function valueIssue(key: string, value: string): string | undefined {
  const kind = KINDS[key.replace(/\d+$/, '')];
  if (value === '') return 'is empty';
  return !kind || kind.fits(value) ? undefined : kind.issue;
}

function upTo(length: number): (value: string) => boolean {
  return (value) => value.length <= length;
}
