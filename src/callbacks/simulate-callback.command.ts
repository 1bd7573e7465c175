import { Command, CommandRunner, Option } from 'nest-commander';
import { createHmac } from 'node:crypto';
import { DomainError } from '../common/errors.js';
import { isId } from '../common/ids.js';
import { insteadOfMockNotice } from '../config/describe-channel.js';
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
  description: 'Send a signed payment notice of the mock provider to this service',
})
export class SimulateCallbackCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run([paymentId = '']: string[], options: Options): Promise<void> {
    const { status = 'SUCCESS', amount, json } = options;
    if (!isId('pay', paymentId)) throw new UsageError('PAYMENT_ID must be the id of a payment: pay_ and 26 characters');
    const { Settings } = await import('../config/settings.js');
    const { PaymentsService } = await import('../payments/payments.service.js');
    const { CallbacksService } = await import('./callbacks.service.js');
    const answer = await this.terminal.withApp(async (app) => {
      const settings = app.get(Settings);
      if (!settings.mockEnabled) throw new DomainError('not_found', insteadOfMockNotice(settings, paymentId));
      // What is mistyped here would be recorded as a callback for an unknown payment, and opened as a case for a person.
      if (!(await app.get(PaymentsService).exists(paymentId))) throw new UsageError(`there is no payment ${paymentId}`);
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

  @Option({ flags: '--amount <fen>', description: 'In fen (default: the amount of the payment)' })
  amount(value: string): number {
    if (!/^\d{1,12}$/.test(value)) throw new UsageError('--amount must be a whole number of fen');
    return Number(value);
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}
