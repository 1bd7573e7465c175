import type { NoticeView } from '../../simulator/index.js';
import type { Books } from '../books.js';
import { Counts } from '../report.js';
import type { Done } from './perform.js';

/** What all histories together came to: what never happened was not proved. */
export class Tally {
  histories = 0;
  steps = 0;
  /** `carry done`, `carry refused`, `carry nothing`. */
  readonly outcomes = new Counts();
  readonly answers = new Counts();
  readonly ends = new Counts();
  readonly sends = new Counts();
  /** Sizes of crowds, and the rests with their bills. */
  readonly extra = new Counts();
  takenFen = 0;
  refundedFen = 0;

  step({ step, outcome, answer }: Done): void {
    this.steps += 1;
    this.outcomes.add(`${step.do} ${outcome}`);
    const code = typeof answer?.body.code === 'string' ? ` ${answer.body.code}` : '';
    if (answer) this.answers.add(`${step.do} ${answer.status}${code}`);
  }

  /** How a history stood at rest. */
  rest(books: Books): void {
    this.histories += 1;
    for (const { status } of books.orders.values()) this.ends.add(`order ${status}`);
    for (const { status, late } of books.payments.values()) this.ends.add(`payment ${status}${late ? ' late' : ''}`);
    for (const { status } of books.refunds.values()) this.ends.add(`refund ${status}`);
    for (const { type, status } of books.cases) this.ends.add(`case ${type} ${status}`);
    this.countSends(books.notices);
    this.takenFen += books.channel.totals.taken;
    this.refundedFen += books.channel.totals.refunded;
  }

  private countSends(notices: NoticeView[]): void {
    for (const notice of notices) {
      for (const { outcome } of notice.sends)
        this.sends.add(outcome.startsWith('not reached') ? 'not reached' : outcome);
      if (notice.state === 'lost') this.sends.add('lost for good');
    }
  }
}

/** A table of counts by kind: a line for each kind of step, with what became of it. */
export function stepTable(outcomes: Counts): [kind: string, done: number, refused: number, nothing: number][] {
  const kinds = [...new Set([...outcomes.keys()].map((name) => name.split(' ')[0] ?? ''))].sort();
  const count = (kind: string, outcome: string): number => outcomes.of(`${kind} ${outcome}`);
  return kinds.map((kind) => [kind, count(kind, 'done'), count(kind, 'refused'), count(kind, 'nothing')]);
}
