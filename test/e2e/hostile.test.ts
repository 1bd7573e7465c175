import { Cleanup } from '../../dev/cleanup.js';
import { attack } from '../../prove/hostile/campaign.js';
import { startTarget } from '../../prove/hostile/target.js';
import { Chance } from '../../prove/random.js';
import { createTestDatabase } from '../support/database.js';

/** A slice of `npm run prove -- hostile`, of the same inputs in every run. */
const INPUTS = 1500;
const SEED = 20261123;

describe.each(['wechat', 'mock'] as const)('the built service under hostile input, provider %s', (provider) => {
  it('never fails, tells nothing and moves no row of anybody else', async () => {
    const database = await createTestDatabase();
    const cleanup = new Cleanup();
    try {
      const target = await startTarget(cleanup, provider, database.url, SEED);
      target.keepLog = false;
      const { judge, routes, strangersIds } = await attack(target, INPUTS, new Chance(SEED));
      expect(judge.wrong).toEqual([]);
      expect(judge.wrongCount).toBe(0);
      expect(judge.inputs).toBeGreaterThan(INPUTS);
      expect(routes.filter(({ name }) => !judge.byRoute.has(name))).toEqual([]);
      expect(strangersIds).toBeGreaterThan(routes.length);
      expect(judge.byKind.get('callback: flood')?.get(429)).toBeGreaterThan(0);
    } finally {
      await cleanup.run();
      await database.drop();
    }
  }, 300_000);
});
