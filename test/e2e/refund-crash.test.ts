import { REFUND_WAYS } from '../../prove/crashes/refund-ways.js';
import { TIMER_WAYS } from '../../prove/crashes/timer-ways.js';
import { casesOf } from '../../prove/crashes/ways.js';
import { killAndCompare } from '../support/crash-cases.js';

/** Where money that goes back can be half way; every other point and way is the proof's. */
const CHOSEN: Record<string, string[]> = {
  'refund-ask': ['refund.request.before_commit', 'refund.request.after_commit'],
  'refund-carry': [
    'refund.intent.before_commit',
    'refund.send.before_call',
    'refund.send.after_call',
    'refund.outcome.before_commit',
    'refund.outcome.after_commit',
  ],
  'refund-send-again': ['refund.send.before_call', 'refund.send.after_call'],
  'refund-check': [
    'refund.check.after_claim',
    'refund.query.before_call',
    'refund.query.after_call',
    'refund.outcome.before_commit',
  ],
  'refund-notice': ['callback.before_commit', 'callback.after_commit'],
  'notice-late': ['callback.before_commit', 'callback.after_commit'],
  'refund-elsewhere': ['refund.abnormal.before_call', 'refund.abnormal.after_call'],
};

describe('a service that is killed while money goes back', () => {
  killAndCompare(
    casesOf([...REFUND_WAYS, ...TIMER_WAYS]).filter(({ way, point }) => CHOSEN[way.name]?.includes(point)),
  );
});
