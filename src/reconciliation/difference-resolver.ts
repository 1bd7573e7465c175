import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { DomainError } from '../common/errors.js';
import { inTransaction } from '../database/in-transaction.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { PaymentsService } from '../payments/payments.service.js';
import { ConsoleRefunds } from '../refunds/console-refunds.js';
import { RefundExecutor } from '../refunds/refund-executor.js';
import { type FoundDifference, paymentRefundedElsewhere } from './bill-compare.js';
import type { Run } from './reconciliation-runs.js';

/** What is done about a difference: the channel is asked first; what then remains is a case for a person. */
@Injectable()
export class DifferenceResolver {
  private readonly log = new Logger(DifferenceResolver.name);

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly payments: PaymentsService,
    private readonly refunds: RefundExecutor,
    private readonly consoleRefunds: ConsoleRefunds,
    private readonly discrepancies: DiscrepanciesService,
  ) {}

  /** Answers whether the difference remains. */
  async handle(difference: FoundDifference, run: Run, cause: Cause): Promise<boolean> {
    const asked = await this.ask(difference, cause);
    if (asked === 'agrees') return false;
    const { type, noun, number, here, there } = difference;
    const isPayment = noun === 'payment';
    const isRefund = noun === 'refund';
    await inTransaction(this.db, 'case.open', (tx) =>
      this.discrepancies.open(tx, [
        {
          type,
          caseKey: `bill:${type}:${noun}:${number}`,
          paymentId: isPayment && difference.known ? number : paymentRefundedElsewhere(difference),
          outTradeNo: isPayment ? number : null,
          refundId: isRefund && difference.known ? number : null,
          outRefundNo: isRefund ? number : null,
          runId: run.id,
          detail: { day: run.day, noun, here, there, channel: asked },
        },
      ]),
    );
    return true;
  }

  /** What the channel says now: `agrees` when taking it over did away with the difference, else its word for the case. */
  private async ask(difference: FoundDifference, cause: Cause): Promise<string | null> {
    const { type, noun, number, known, here, agrees } = difference;
    const refundedElsewhere = paymentRefundedElsewhere(difference);
    if (refundedElsewhere === null && (!known || (type !== 'state' && type !== 'missing_there'))) return null;
    try {
      if (refundedElsewhere !== null) return await this.takeOver(refundedElsewhere, difference, cause);
      const said =
        noun === 'payment' ? await this.payments.recheck(number, cause) : await this.refunds.recheck(number, cause);
      // The bill says paid, and so do we, now that the channel was asked, or another process heard of it meanwhile.
      const moved = said.status !== here?.status;
      return type === 'state' && moved && agrees?.includes(said.status) ? 'agrees' : said.channel;
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.log.warn({ number, code: error.code }, 'WeChat Pay could not be queried about a difference');
      return `not answered (${error.code})`;
    }
  }

  /** The line of a refund of ours that we did not make: asked for by its number, and taken over. */
  private async takeOver(paymentId: string, { number, there, agrees }: FoundDifference, cause: Cause): Promise<string> {
    const { status, amountFen } = await this.consoleRefunds.takeOver(paymentId, number, cause);
    return amountFen === there?.amount && agrees?.includes(status) ? 'agrees' : status;
  }
}
