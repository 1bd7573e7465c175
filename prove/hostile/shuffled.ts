import type { Chance } from '../random.js';

/** The same items in an order of chance, so that a part of them is a part of every kind. */
export function shuffled<T>(items: Iterable<T>, chance: Chance): T[] {
  const mixed = [...items];
  for (let index = mixed.length - 1; index > 0; index -= 1) {
    const other = chance.between(0, index + 1);
    [mixed[index], mixed[other]] = [mixed[other] as T, mixed[index] as T];
  }
  return mixed;
}
