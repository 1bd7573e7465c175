import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import pg from 'pg';
import { dataSourceOptions } from '../../src/data-source.js';

/** A message of PostgreSQL's protocol: its letter, its length, its contents. */
function message(letter: string, contents: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(contents.length + 4);
  return Buffer.concat([Buffer.from(letter), length, contents]);
}

const WELCOME = [message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))];
const FAREWELL = message(
  'E',
  Buffer.from('SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0'),
);

describe('a PostgreSQL server that dies', () => {
  it('ends no process by saying so in the same breath in which it lets a connection in', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.concat([...WELCOME, FAREWELL])));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `postgresql://paydesk@127.0.0.1:${(server.address() as AddressInfo).port}/paydesk`;
    const pool = new pg.Pool({ connectionString: url, ...(dataSourceOptions(url).extra as pg.PoolConfig) });
    pool.on('error', () => undefined);
    // What is done first on a new connection fails, and who asked for it hears that.
    await expect(pool.connect()).rejects.toThrow();
    await pool.end();
    server.close();
  });
});
