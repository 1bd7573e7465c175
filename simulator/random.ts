import { randomBytes } from 'node:crypto';

const DIGITS = '0123456789';
const HEX = '0123456789ABCDEF';
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/**
 * Everything the simulator leaves to chance: numbers, nonces, and whether a fault strikes. One seed, one course of
 * events. Nothing secret comes from here; keys are made by the machine's own generator.
 */
export class Random {
  #state: number;

  constructor(readonly seed: number = randomSeed()) {
    this.#state = seed >>> 0;
  }

  /** Starts again from a seed. */
  reseed(seed: number): void {
    this.#state = seed >>> 0;
  }

  /** At least 0, below 1. A 32-bit Weyl sequence whose steps are scrambled by two multiplications. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000;
  }

  /** True in `probability` of all cases. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  digits(length: number): string {
    return this.#pick(DIGITS, length);
  }

  hex(length: number): string {
    return this.#pick(HEX, length);
  }

  /** Letters and digits, as in a nonce. */
  text(length: number): string {
    return this.#pick(LETTERS, length);
  }

  /** A UUID-shaped id, as notices carry. */
  uuid(): string {
    const hex = this.hex(32).toLowerCase();
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }

  #pick(alphabet: string, length: number): string {
    let text = '';
    for (let index = 0; index < length; index += 1) text += alphabet[this.below(alphabet.length)] ?? '';
    return text;
  }
}

/** A seed nobody chose. */
export function randomSeed(): number {
  return randomBytes(4).readUInt32BE();
}

/** Text for a secret, from the machine's own generator. */
export function secretText(length: number): string {
  return Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('');
}

/** Hex digits, upper case, from the machine's own generator. */
export function secretHex(length: number): string {
  return randomBytes(length).toString('hex').slice(0, length).toUpperCase();
}
