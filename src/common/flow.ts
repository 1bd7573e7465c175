import { DomainError } from './errors.js';

/** The moves that a state machine allows, a literal above the entity it governs. */
export type Moves<S extends string> = Readonly<Record<S, readonly S[]>>;

/** Types the literal; nothing happens at run time. */
export function moves<S extends string>(table: Moves<S>): Moves<S> {
  return table;
}

export function canMove<S extends string>(table: Moves<S>, from: S, to: S): boolean {
  return table[from].includes(to);
}

/** @throws DomainError `illegal_transition` when the table does not list the move */
export function assertMove<S extends string>(table: Moves<S>, entity: string, from: S, to: S): void {
  if (!canMove(table, from, to)) throw new DomainError('illegal_transition', `a ${from} ${entity} cannot become ${to}`);
}
