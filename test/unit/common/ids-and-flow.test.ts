import fc from 'fast-check';
import { ManualClock } from '../../../src/common/clock.js';
import { assertMove, canMove } from '../../../src/common/flow.js';
import { derivedId, type IdPrefix, isId, newId, nonce } from '../../../src/common/ids.js';
import { ORDER_MOVES, type OrderStatus } from '../../../src/orders/order.entity.js';
import { PAYMENT_MOVES, type PaymentStatus } from '../../../src/payments/payment.entity.js';

const PREFIXES: IdPrefix[] = ['usr', 'ord', 'pay', 'ref', 'evt', 'cbk', 'ntf', 'dis', 'run', 'req'];

describe('ids', () => {
  const clock = new ManualClock(new Date('2026-11-23T08:00:00Z'));

  it('are a prefix and a ULID of 30 characters in all, never the same', () => {
    for (const prefix of PREFIXES) {
      const ids = Array.from({ length: 1000 }, () => newId(prefix, clock));
      expect(new Set(ids).size).toBe(1000);
      for (const id of ids) expect([id.length, isId(prefix, id)]).toEqual([30, true]);
    }
  });

  it('sort by the time they were made', () => {
    const times = fc.array(fc.integer({ min: 1, max: 4_000_000_000_000 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(times, (list) => {
        const sorted = [...new Set(list)].sort((a, b) => a - b);
        const ids = sorted.map((time) => newId('pay', new ManualClock(new Date(time))));
        expect([...ids].sort()).toEqual(ids);
      }),
    );
  });

  it('are told from any other text', () => {
    fc.assert(fc.property(fc.string(), (text) => !isId('pay', text)));
    const id = newId('pay', clock);
    const wrong = [
      id.toLowerCase(),
      `${id} `,
      `${id}\n`,
      ` ${id}`,
      id.slice(0, -1),
      id.replace('pay', 'ord'),
      `${id}'--`,
    ];
    for (const text of wrong) expect(isId('pay', text)).toBe(false);
  });

  it('keep their ULID under another prefix', () => {
    const id = newId('pay', clock);
    expect(derivedId('ref', id)).toBe(`ref_${id.slice(4)}`);
    expect(isId('ref', derivedId('ref', id))).toBe(true);
  });

  it('have nonces beside them, of 32 characters', () => {
    expect(nonce()).toMatch(/^[0-9a-f]{32}$/);
    expect(nonce()).not.toBe(nonce());
  });
});

describe('the moves of a state', () => {
  it('are those of the table and no other', () => {
    const orders = Object.keys(ORDER_MOVES) as OrderStatus[];
    for (const from of orders) {
      for (const to of orders) {
        if (canMove(ORDER_MOVES, from, to)) expect(() => assertMove(ORDER_MOVES, 'order', from, to)).not.toThrow();
        else expect(() => assertMove(ORDER_MOVES, 'order', from, to)).toThrow(`a ${from} order cannot become ${to}`);
      }
    }
  });

  it('never pay an order that is cancelled, and never take a success back', () => {
    expect(ORDER_MOVES.cancelled).toEqual([]);
    expect(PAYMENT_MOVES.succeeded).toEqual([]);
    const settled: PaymentStatus[] = ['failed', 'expired', 'closed'];
    for (const from of settled) expect(PAYMENT_MOVES[from]).toEqual(['succeeded']);
  });
});
