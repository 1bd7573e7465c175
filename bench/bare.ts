import pg from 'pg';
import { inParallel } from './load.js';

const CONNECTIONS = 8;

/** One prepared statement for each set of values, over eight bare connections: nothing can write these rows faster. */
export async function bareStatements(databaseUrl: string, text: string, values: unknown[][]) {
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      return client;
    }),
  );
  return {
    async run() {
      try {
        return await inParallel(values.length, CONNECTIONS, async (index, lane) => {
          const done = await clients[lane]?.query({ name: 'bare', text, values: values[index] });
          return done?.rowCount === 1;
        });
      } finally {
        await Promise.all(clients.map((client) => client.end()));
      }
    },
  };
}
