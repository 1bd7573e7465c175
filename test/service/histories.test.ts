import { randomInt } from 'node:crypto';
import { Cleanup } from '../../dev/cleanup.js';
import { Life } from '../../prove/histories/life.js';
import { search } from '../../prove/histories/search.js';
import { World } from '../../prove/histories/world.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

/** A taste of `npm run prove -- histories`, with the same model. */
describe('random histories', () => {
  let database: TestDatabase;
  const cleanup = new Cleanup();
  let world: World;

  beforeAll(async () => {
    database = await createTestDatabase();
    world = await World.open(cleanup, database.url);
  });
  afterAll(async () => {
    await cleanup.run();
    await database.drop();
  });

  // The other seed is nobody's choice: it stands in the name, and with its command in the text of a failure.
  it.each([20_261_123, randomInt(1_000_000_000)])(
    'of seed %i keep every law, and every fen is in one place',
    async (seed) => {
      const life = new Life(world);
      expect(await search(life, { runs: 20, seed, seconds: 10, shortenSeconds: 0 })).toBeNull();
      expect(life.tally.histories).toBeGreaterThan(0);
    },
  );
});
