import { type Books, readBooks } from '../books.js';
import { brokenAnswer, brokenPromise } from './expect.js';
import { brokenLaws, forgotten } from './laws.js';
import { type Model, newModel } from './model.js';
import { brokenAnswers } from './notices.js';
import { type Done, Performer } from './perform.js';
import { brokenAtRest, comeToRest } from './rest.js';
import type { History, Step } from './steps.js';
import { Tally } from './tally.js';
import { Troubles } from './troubles.js';
import type { World } from './world.js';

/** Something did not hold. */
export class Broken extends Error {
  override readonly name = 'Broken';

  constructor(
    message: string,
    /** Steps that were taken; those that follow have no part in it. */
    readonly steps: number,
  ) {
    super(message);
  }
}

/** Plays histories in one world, one after another, and holds what is seen against the model. */
export class Life {
  readonly tally = new Tally();
  readonly troubles: Troubles;

  constructor(private readonly world: World) {
    this.troubles = new Troubles(world.sim);
  }

  /** @throws Broken with the step and all that did not hold after it */
  async live(history: History): Promise<void> {
    const { world, troubles } = this;
    await world.begin(history.policy, history.chance);
    await troubles.forget();
    const model = newModel(history.policy);
    let books = await readBooks(world.db, world.sim);
    for (const [index, step] of history.steps.entries()) {
      const { after, wrong } = await this.step(step, books, model);
      if (wrong.length > 0) throw new Broken(`step ${index + 1}, ${step.do}:\n  ${wrong.join('\n  ')}`, index + 1);
      books = after;
    }
    const rest = await comeToRest(world, troubles, model, history.bills);
    if (rest.compared) this.tally.extra.add('bills compared at rest');
    const wrong = [
      ...rest.wrong,
      ...brokenLaws(rest.books, model),
      ...forgotten(books, rest.books),
      ...brokenAnswers(books, rest.books, world.knownSerials),
      ...brokenAtRest(rest.books, model),
    ];
    if (wrong.length > 0) throw new Broken(`at rest:\n  ${wrong.join('\n  ')}`, history.steps.length);
    this.tally.rest(rest.books);
  }

  private async step(step: Step, before: Books, model: Model): Promise<{ after: Books; wrong: string[] }> {
    const { world, troubles } = this;
    const crowd = step.do === 'together' ? step.steps : null;
    const alone = crowd === null;
    if (crowd) this.tally.extra.add(`crowds of ${crowd.length}`);
    const things = step.do === 'together' ? step.steps : [step];
    await troubles.arm(...things.flatMap((one) => one.trouble ?? []));
    const performer = new Performer(world, troubles, model, before);
    const all = await Promise.all(things.map((one) => performer.perform(one)));
    // Notices that were let go by what happened; those that are due later wait for their time.
    await world.sim.settled();
    const disturbing = troubles.note();
    all.forEach((done) => this.tally.step(done));
    if (!alone && disturbing.some((rule) => rule.at === 'close' || rule.at === 'query')) markDeaf(all, model);
    const after = await readBooks(world.db, world.sim);
    const calm = disturbing.length === 0;
    const wrong = [
      ...all.flatMap((done) => brokenAnswer(done, before, { calm, alone })),
      ...(alone && calm ? all.flatMap((done) => brokenPromise(done, before, after, model)) : []),
      ...brokenLaws(after, model),
      ...forgotten(before, after),
      ...brokenAnswers(before, after, world.knownSerials),
      ...this.untouched(all, before, after),
    ];
    return { after, wrong };
  }

  /** Nothing that is not proved moves anything, or makes the service call out. */
  private untouched([done]: Done[], before: Books, after: Books): string[] {
    if (done?.step.do !== 'forge') return [];
    const moved = after.events.length !== before.events.length || after.cases.length !== before.cases.length;
    const called = this.troubles.calls;
    return [
      ...(moved ? ['a forged notice moved something'] : []),
      ...(called > 0 ? [`a forged notice made ${called} calls`] : []),
    ];
  }
}

/** What was placed and closed at once, while closing failed, may be left open there: no client holds its prepay id. */
function markDeaf(all: Done[], model: Model): void {
  for (const { step, subject } of all) if (step.do === 'start' && subject) model.deaf.add(subject);
}
