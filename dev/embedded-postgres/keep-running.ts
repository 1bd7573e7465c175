import { setTimeout as sleep } from 'node:timers/promises';
import { Server, ServerOptions, stopOrphan } from './server.js';

/** Waits before each new attempt. After the last one the server is given up. */
const WAITS_MILLISECONDS = [200, 500, 1000, 2000, 5000, 10_000];

/** A server that ran this long before it fell is not in a loop of crashes: the waits begin anew. */
const SETTLED_AFTER_MILLISECONDS = 60_000;

export interface KeptServer {
  port: number;
  stop(): Promise<void>;
}

/**
 * A server that is started again on the same port when it falls, so that the application's pool finds it again and
 * the application need not be restarted.
 * @param givenUp called once when it fell and could not be brought back
 */
export async function keepRunning(options: ServerOptions, givenUp: (reason: string) => void): Promise<KeptServer> {
  let server = await Server.start(options);
  const { port } = server;
  const stopping = new AbortController();

  const watch = async (): Promise<void> => {
    let attempt = 0;
    for (;;) {
      const since = performance.now();
      let reason = await server.ended;
      if (performance.now() - since > SETTLED_AFTER_MILLISECONDS) attempt = 0;
      for (let back = false; !back; attempt += 1) {
        if (stopping.signal.aborted) return;
        const wait = WAITS_MILLISECONDS[attempt];
        if (wait === undefined) return givenUp(reason);
        options.log(`PostgreSQL ended by itself and is started again: ${reason}`);
        await sleep(wait, undefined, { signal: stopping.signal }).catch(() => undefined);
        if (stopping.signal.aborted) return;
        try {
          await stopOrphan(options.cluster.data, options.log);
          server = await Server.start(options, port);
          if (stopping.signal.aborted) return await server.stop();
          options.log(`PostgreSQL runs again on port ${port}`);
          back = true;
        } catch (error) {
          reason = error instanceof Error ? error.message : String(error);
        }
      }
    }
  };
  const watching = watch();

  return {
    port,
    async stop() {
      stopping.abort();
      await server.stop();
      // An attempt may have been under way: it stops what it brought up.
      await watching;
    },
  };
}
