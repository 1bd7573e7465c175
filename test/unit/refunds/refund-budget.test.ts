import { WECHAT_RULES } from '../../../src/provider/wechat/wechat-rules.js';
import { RefundBudget } from '../../../src/refunds/refund-budget.js';

/** Milliseconds until each of so many calls may go out, asked for at once. */
async function waits(budget: RefundBudget, calls: number): Promise<number[]> {
  const asked = performance.now();
  const turns = Array.from({ length: calls }, () => budget.takeToSend().then(() => performance.now() - asked));
  return Promise.all(turns);
}

describe('refund calls', () => {
  it('go out at once while none fails', async () => {
    expect(Math.max(...(await waits(new RefundBudget(WECHAT_RULES), 5)))).toBeLessThan(200);
  });

  it('are held back for a second from the first that fails, then go four a second', async () => {
    const budget = new RefundBudget(WECHAT_RULES);
    budget.noteFailure();
    budget.noteFailure();
    const [first = 0, second = 0] = await waits(budget, 2);
    expect(first).toBeGreaterThan(950);
    expect(second - first).toBeGreaterThan(200);
    // Another failure does not begin the second anew.
    budget.noteFailure();
    const [third = 0] = await waits(budget, 1);
    expect(third).toBeLessThan(900);
  });

  it('go out at once again after one that does not fail', async () => {
    const budget = new RefundBudget(WECHAT_RULES);
    budget.noteFailure();
    budget.noteSuccess();
    expect(Math.max(...(await waits(budget, 3)))).toBeLessThan(200);
  });
});
