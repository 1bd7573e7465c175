import type { DataSource } from 'typeorm';
import { type CommitStep, failpoint } from '../common/failpoints.js';
import { type Transaction, transaction } from './transaction.js';

/** A transaction between the two points of a step at which a process may die. */
export async function inTransaction<T>(
  db: DataSource,
  step: CommitStep,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const result = await transaction(db, async (tx) => {
    const done = await work(tx);
    failpoint(`${step}.before_commit`);
    return done;
  });
  failpoint(`${step}.after_commit`);
  return result;
}
