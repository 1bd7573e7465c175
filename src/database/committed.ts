import type { DataSource, EntityManager } from 'typeorm';
import { type CommitStep, crashPoint } from '../common/crash-points.js';

/** A transaction between the two points of a step at which a process may die. */
export async function committed<T>(
  db: DataSource,
  step: CommitStep,
  work: (tx: EntityManager) => Promise<T>,
): Promise<T> {
  const result = await db.transaction(async (tx) => {
    const done = await work(tx);
    crashPoint(`${step}.before_commit`);
    return done;
  });
  crashPoint(`${step}.after_commit`);
  return result;
}
