import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { runStatements } from '../../dev/databases.js';
import type { TcpProxy } from '../../dev/tcp-proxy.js';
import type { DatabasePair } from './database-pair.js';

export interface Ground {
  pair: DatabasePair;
  /** What the service takes for its database. */
  proxy: TcpProxy;
}

/** Something that databases do. */
export interface Scene {
  name: string;
  about: string;
  /** Whether the service must say that it is not ready while it lasts. */
  unready: boolean;
  /** Seconds that it lasts at least: longer than what the service waits for. */
  least: number;
  /** Answers how the trouble ends; null: it cannot be made here. */
  begin(ground: Ground): Promise<(() => unknown) | null>;
}

const silence: Scene = {
  name: 'silence',
  about: 'what is sent to the database is swallowed, and the connections of before never speak again',
  unready: true,
  least: 6,
  begin({ proxy }) {
    proxy.fallSilent();
    return Promise.resolve(() => proxy.speak());
  },
};

const standby: Scene = {
  name: 'standby',
  about: "the database's name leads to a server that takes no writes; the way back breaks no connection",
  unready: true,
  least: 2,
  begin({ pair, proxy }) {
    proxy.turnTo(pair.standbyUrl);
    proxy.breakAll();
    return Promise.resolve(() => proxy.turnTo(pair.primaryUrl));
  },
};

const readOnly: Scene = {
  name: 'read-only',
  about:
    'the server takes no writes any more over the connections that there are, for ever; then over new ones it does',
  unready: true,
  least: 2,
  async begin({ pair }) {
    await runStatements(
      pair.primaryUrl,
      'ALTER SYSTEM SET default_transaction_read_only = on',
      'SELECT pg_reload_conf()',
    );
    // Each connection hears of it by itself.
    await sleep(500);
    return () =>
      runStatements(
        pair.primaryUrl,
        'SET default_transaction_read_only = off',
        `ALTER DATABASE ${pair.name} SET default_transaction_read_only = off`,
      );
  },
};

const LOCK_MORE_EVERY = 100;

const locks: Scene = {
  name: 'locks',
  about: 'another session holds the rows of the orders that are open',
  unready: false,
  least: 4,
  async begin({ pair }) {
    const holder = new pg.Client({ connectionString: pair.primaryUrl });
    await holder.connect();
    await holder.query('BEGIN');
    let holding = true;
    const lockMore = async (): Promise<void> => {
      while (holding) {
        await holder.query(`SELECT FROM orders WHERE status = 'pending' FOR UPDATE SKIP LOCKED`);
        await sleep(LOCK_MORE_EVERY);
      }
    };
    const locking = lockMore();
    return async () => {
      holding = false;
      await locking;
      await holder.query('ROLLBACK');
      await holder.end();
    };
  },
};

const disk: Scene = {
  name: 'disk',
  about: 'the disk of the data is full to the last byte',
  unready: false,
  least: 2,
  async begin({ pair }) {
    if (!pair.disk) return null;
    await pair.disk.fill();
    return () => pair.disk?.makeRoom();
  },
};

const noStandby: Scene = {
  name: 'no-standby',
  about: 'the standby stands still, so that no commit of the primary comes to an end',
  unready: false,
  least: 8,
  async begin({ pair }) {
    return pair.haltStandby();
  },
};

const failOver: Scene = {
  name: 'fail-over',
  about: 'the primary is killed, its standby is promoted, and the name of the database leads there',
  unready: true,
  least: 2,
  async begin({ pair, proxy }) {
    await pair.killPrimary();
    return async () => {
      await pair.promote();
      proxy.turnTo(pair.standbyUrl);
    };
  },
};

/** In the order in which one pair can live through them: the last one uses it up. */
export const SCENES: readonly Scene[] = [silence, standby, readOnly, locks, disk, noStandby, failOver];
