import type { FaultRule, Simulator } from '../../simulator/index.js';
import { Counts } from '../report.js';

/** Does nothing but count the calls that reach the channel. */
const COUNTER: FaultRule = { at: 'call', do: 'delay', ms: 0 };
/** Faults that a call survives unharmed. */
const HARMLESS = new Set(['delay', 'slow_body', 'other_mode']);

interface Struck extends FaultRule {
  struck: number;
}

/** A short name for what a rule does: `refund: error 429 after`. */
export function nameOf({ at, do: what, status, when }: FaultRule): string {
  return [`${at}:`, what, status, when].filter((part) => part !== undefined).join(' ');
}

/** The faults in force, one added to another, and how often each has struck. */
export class Troubles {
  /** Total strikes by name, over all histories. */
  readonly struck = new Counts();
  readonly armed = new Set<string>();
  private rules: FaultRule[] = [];
  private seen: number[] = [];
  /** Calls that reached the channel since the last {@link note}. */
  calls = 0;

  constructor(private readonly sim: Simulator) {}

  async arm(...rules: FaultRule[]): Promise<void> {
    this.note();
    for (const rule of rules) this.armed.add(nameOf(rule));
    await this.put([...this.left(), ...rules]);
  }

  /** Keeps only what lasts for good, as a channel that has come to itself. */
  async calm(): Promise<void> {
    this.note();
    await this.put(this.left().filter((rule) => rule.times === undefined));
  }

  async forget(): Promise<void> {
    await this.put([]);
  }

  /** Looks what has struck since the last time. Answers the rules that may have changed what a call came to. */
  note(): FaultRule[] {
    const { rules: state } = this.sim.faultState() as { rules: Struck[] };
    const counts = state.map((rule) => rule.struck);
    this.calls = (counts[0] ?? 0) - (this.seen[0] ?? 0);
    const disturbing: FaultRule[] = [];
    this.rules.forEach((rule, index) => {
      const times = (counts[index + 1] ?? 0) - (this.seen[index + 1] ?? 0);
      if (times === 0) return;
      this.struck.add(nameOf(rule), times);
      if (!rule.at.endsWith('notice') && !HARMLESS.has(rule.do)) disturbing.push(rule);
    });
    this.seen = counts;
    return disturbing;
  }

  private left(): FaultRule[] {
    return this.rules.flatMap((rule, index) => {
      if (rule.times === undefined) return [rule];
      const times = rule.times - (this.seen[index + 1] ?? 0);
      return times > 0 ? [{ ...rule, times }] : [];
    });
  }

  private async put(rules: FaultRule[]): Promise<void> {
    this.rules = rules;
    this.seen = [COUNTER, ...rules].map(() => 0);
    await this.sim.faults({ rules: [COUNTER, ...rules] });
  }
}
