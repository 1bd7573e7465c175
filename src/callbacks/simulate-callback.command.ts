import { createHmac } from 'node:crypto';
import { Command, CommandRunner, Option } from 'nest-commander';
import { Terminal, UsageError } from '../terminal/terminal.js';

const STATUSES = ['SUCCESS', 'FAIL', 'CLOSED'];

interface Options {
  status?: string;
  amount?: number;
  json?: boolean;
}

@Command({
  name: 'simulate_callback',
  arguments: '<payment_id>',
  description: 'Hand in a signed notice of the mock provider, as the channel would',
})
export class SimulateCallbackCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run([paymentId]: string[], options: Options): Promise<void> {
    const { status = 'SUCCESS', amount, json } = options;
    const { Settings } = await import('../config/settings.js');
    const { CallbacksService } = await import('./callbacks.service.js');
    const answer = await this.terminal.withApp(async (app) => {
      const settings = app.get(Settings);
      if (!settings.mockEnabled) throw new Error('the mock provider is off: this command has no channel to play');
      const body = Buffer.from(JSON.stringify({ payment_id: paymentId, status, amount }));
      const signature = createHmac('sha256', settings.mockCallbackSecret).update(body).digest('hex');
      const headers = { 'x-mock-signature': signature };
      return app.get(CallbacksService).receive({ headers, body, address: '127.0.0.1', requestId: 'simulate_callback' });
    });
    this.terminal.report({ payment_id: paymentId, http_status: answer.status, message: answer.message }, json);
    if (answer.status !== 200) process.exitCode = 1;
  }

  @Option({ flags: '--status <status>', description: 'SUCCESS (default), FAIL or CLOSED' })
  status(value: string): string {
    if (!STATUSES.includes(value)) throw new UsageError(`--status must be one of ${STATUSES.join(', ')}`);
    return value;
  }

  @Option({ flags: '--amount <fen>', description: 'In fen; left out: what the payment says' })
  amount(value: string): number {
    if (!/^\d{1,12}$/.test(value)) throw new UsageError('--amount must be a whole number of fen');
    return Number(value);
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}
