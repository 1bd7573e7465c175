import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Life } from '../../prove/histories/life.js';
import { search } from '../../prove/histories/search.js';
import { World } from '../../prove/histories/world.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

/** A taste of `npm run prove -- histories`, with the same model. */
describe('random histories', () => {
  let database: TestDatabase;
  let keys: string;
  let world: World;

  beforeAll(async () => {
    database = await createTestDatabase();
    keys = await mkdtemp(join(tmpdir(), 'paydesk-histories-'));
    world = await World.open(database.url, keys);
  });
  afterAll(async () => {
    await world.close();
    await database.drop();
    await rm(keys, { recursive: true, force: true });
  });

  it.each([
    ['of a fixed seed', 20_261_123],
    ['of a seed that nobody chose', randomInt(1_000_000_000)],
  ])('%s keep every law, and every fen is in one place', async (_, seed) => {
    // The seed stands in the text of a failure, with the command that plays it again.
    expect(await search(new Life(world), { runs: 20, seed, seconds: 10, shortenSeconds: 0 })).toBeNull();
  });
});
