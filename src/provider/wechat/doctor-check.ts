/** One thing that was looked at. Holds no secret, so that the whole list may be shown to a colleague. */
export interface Check {
  name: string;
  ok: 'ok' | 'warn' | 'fail';
  /** What was found, in plain words. */
  message: string;
  /** What to do about it; empty when nothing is. */
  advice: string;
}

/** A check that found nothing to do. */
export function fine(name: string, message: string): Check {
  return { name, ok: 'ok', message, advice: '' };
}
