/** Who made a state move, and why: written into every event row. */
export interface Cause {
  kind: 'request' | 'callback' | 'command' | 'timer';
  /** A user's id, `wechat`, `mock`, or the name of the command or timer. */
  actor: string;
  requestId: string | null;
}

export function byTimer(name: string): Cause {
  return { kind: 'timer', actor: name, requestId: null };
}

export function byCommand(name: string): Cause {
  return { kind: 'command', actor: name, requestId: null };
}
