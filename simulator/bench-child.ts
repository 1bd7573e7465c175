import { type SimulatorCredentials, startSimulator } from './index.js';
import { type Ledger } from './ledger.js';

/** What the benchmark asks of the simulator's process. */
export type ChildRequest =
  | { do: 'usage' }
  | { do: 'reset' }
  | { do: 'ledger' }
  | { do: 'pay'; numbers: string[] }
  | { do: 'advance'; seconds: number };

export interface Report {
  cpuMs: number;
  rssMb: number;
  ledger?: Ledger;
}

export interface Ready {
  url: string;
  credentials: SimulatorCredentials;
}

/** The simulator in a process of its own, told what to do over the channel to its parent. */
export async function benchChild(): Promise<void> {
  const sim = await startSimulator({ seed: 1 });
  process.on('message', (request: ChildRequest) => {
    void obey(request).then((ledger) => process.send?.(report(ledger)));
  });
  process.on('disconnect', () => void sim.close());
  process.send?.({ url: sim.url, credentials: sim.credentials } satisfies Ready);

  const obey = async (request: ChildRequest): Promise<Ledger | undefined> => {
    switch (request.do) {
      case 'pay':
        for (const number of request.numbers) sim.pay(number);
        await sim.settled();
        return undefined;
      case 'advance':
        await sim.advance(request.seconds);
        return undefined;
      case 'reset':
        sim.reset();
        return undefined;
      case 'ledger':
        return sim.ledger();
      case 'usage':
        return undefined;
    }
  };
}

function report(ledger: Ledger | undefined): Report {
  const { user, system } = process.cpuUsage();
  const rssMb = Math.round(process.memoryUsage().rss / 1_048_576);
  return { cpuMs: (user + system) / 1000, rssMb, ...(ledger ? { ledger } : {}) };
}
