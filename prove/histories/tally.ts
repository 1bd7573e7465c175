import type { NoticeView } from '../../simulator/index.js';
import type { Books } from '../books.js';
import type { Done } from './perform.js';

type Counts = Map<string, number>;

const add = (counts: Counts, name: string, times = 1): void => void counts.set(name, (counts.get(name) ?? 0) + times);

/** What all histories together came to: so that nobody takes for proved what never happened. */
export class Tally {
  histories = 0;
  steps = 0;
  /** `carry done`, `carry refused`, `carry nothing`. */
  readonly outcomes: Counts = new Map();
  readonly answers: Counts = new Map();
  readonly ends: Counts = new Map();
  readonly sends: Counts = new Map();
  /** Sizes of crowds, and the rests with their bills. */
  readonly extra: Counts = new Map();
  takenFen = 0;
  refundedFen = 0;

  step({ step, outcome, answer }: Done): void {
    this.steps += 1;
    add(this.outcomes, `${step.do} ${outcome}`);
    const code = typeof answer?.body.code === 'string' ? ` ${answer.body.code}` : '';
    if (answer) add(this.answers, `${step.do} ${answer.status}${code}`);
  }

  note(name: string, times = 1): void {
    add(this.extra, name, times);
  }

  /** How a history stood at rest. */
  rest(books: Books): void {
    this.histories += 1;
    for (const { status } of books.orders.values()) add(this.ends, `order ${status}`);
    for (const { status, late } of books.payments.values()) add(this.ends, `payment ${status}${late ? ' late' : ''}`);
    for (const { status } of books.refunds.values()) add(this.ends, `refund ${status}`);
    for (const { type, status } of books.cases) add(this.ends, `case ${type} ${status}`);
    this.countSends(books.notices);
    this.takenFen += books.channel.totals.taken;
    this.refundedFen += books.channel.totals.refunded;
  }

  private countSends(notices: NoticeView[]): void {
    for (const notice of notices) {
      for (const { outcome } of notice.sends)
        add(this.sends, outcome.startsWith('not reached') ? 'not reached' : outcome);
      if (notice.state === 'lost') add(this.sends, 'lost for good');
    }
  }
}

/** A table of counts by kind: a line for each kind of step, with what became of it. */
export function stepTable(outcomes: Counts): [kind: string, done: number, refused: number, nothing: number][] {
  const kinds = [...new Set([...outcomes.keys()].map((name) => name.split(' ')[0] ?? ''))].sort();
  const count = (kind: string, outcome: string): number => outcomes.get(`${kind} ${outcome}`) ?? 0;
  return kinds.map((kind) => [kind, count(kind, 'done'), count(kind, 'refused'), count(kind, 'nothing')]);
}

/** `closed 3, expired 5`, in the order of their names. */
export function listed(counts: Counts): string {
  return [...counts]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
}
