import type { Answer } from '../../dev/http-line.js';
import { ERRORS } from '../../src/common/errors.js';
import { USER_MESSAGES } from '../../src/common/user-messages.js';
import { Counts } from '../report.js';
import type { Input } from './input.js';

/** Texts by which it is seen that something came out. */
export interface Secrets {
  /** Keys, tokens and personal data that may be in no answer and no line of the log, by what they are. */
  never: ReadonlyMap<string, string>;
  /** Marks in the rows of the victim, which neither a user nor a stranger may see, nor who has no token. */
  victim: readonly string[];
}

/** What gives away how the service is made. */
const INNARDS: readonly [what: string, pattern: RegExp][] = [
  ['a stack', /\n?\s+at (async )?[\w.<> [\]]+ ?\(?[^\s()]+:\d+:\d+\)?/],
  ['a path', /node_modules|file:\/\/|\bdist\/(src|prove)\b|\.[jt]s:\d+/],
  ['SQL', /\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\s[\s\S]{1,300}?\b(FROM|SET|VALUES|WHERE|RETURNING)\b/],
  [
    'words of the database',
    /QueryFailedError|syntax error at|violates \w+ constraint|invalid byte sequence|relation "/,
  ],
  ['words of the database', /invalid input syntax|out of range for type|time zone displacement|pg_catalog/],
  ['words of the runtime', /TypeError|RangeError|ERR_[A-Z]+_|Cannot read propert|ECONNREFUSED/],
];

const REQUEST_ID = /^[\w.-]{8,64}$/;
const KEPT = 200;

/** Looks at every answer: what it must never be, whatever the request. Counts what it has seen. */
export class Judge {
  readonly byKind = new Map<string, Counts<number>>();
  readonly byRoute = new Counts();
  readonly byStatus = new Counts<number>();
  readonly wrong: string[] = [];
  wrongCount = 0;
  /** Refused with 503 and Retry-After: protection against overload, no fault. */
  throttled = 0;
  /** Genuine callbacks that a busy machine did not settle in time: the channel is told to send them again. */
  late = 0;
  private readonly seen = new Set<string>();

  constructor(
    private readonly secrets: Secrets,
    private readonly folder: string,
  ) {}

  get inputs(): number {
    return this.byRoute.sum;
  }

  look(input: Input, answer: Answer): void {
    const statuses = this.byKind.get(input.kind) ?? new Counts<number>();
    this.byKind.set(input.kind, statuses);
    statuses.add(answer.status);
    this.byRoute.add(input.route);
    this.byStatus.add(answer.status);
    for (const complaint of this.complaints(input, answer)) this.note(input, answer, complaint);
  }

  /** Something wrong that is not an answer. */
  find(complaint: string): void {
    this.wrongCount += 1;
    this.wrong.push(complaint);
  }

  /** Secrets in a text that is no answer: the log. */
  *leaks(text: string): Generator<string> {
    for (const [what, secret] of this.secrets.never) if (text.includes(secret)) yield what;
  }

  private *complaints(input: Input, answer: Answer): Generator<string> {
    if (answer.status === 0) {
      yield 'no answer at all';
      return;
    }
    if (isLate(input, answer)) {
      this.late += 1;
      return;
    }
    if (answer.status === 503 && /^\d+$/.test(answer.headers.get('retry-after') ?? '')) this.throttled += 1;
    else if (answer.status >= 500) yield `answered ${answer.status}`;
    if (answer.more) yield 'answered twice';
    if (!REQUEST_ID.test(answer.headers.get('x-request-id') ?? '')) yield 'has no X-Request-Id';
    if (answer.status >= 400 && !input.head) yield* formOf(input, answer);
    yield* this.givenAway(input, answer);
    const must = input.must?.(answer) ?? null;
    if (must !== null) yield must;
  }

  private *givenAway({ role }: Input, answer: Answer): Generator<string> {
    const text = `${answer.head}\n${answer.body}`;
    for (const [what, pattern] of INNARDS) if (pattern.test(answer.body)) yield `gives away ${what}`;
    if (text.includes(this.folder)) yield 'gives away a path';
    for (const what of this.leaks(text)) yield `gives away ${what}`;
    if (role === 'operator' || role === 'service') return;
    for (const mark of this.secrets.victim) if (text.includes(mark)) yield `shows ${mark} to role ${role}`;
  }

  /** The same complaint about the same kind of input is kept once, with the request that led to it. */
  private note(input: Input, answer: Answer, complaint: string): void {
    this.wrongCount += 1;
    const key = `${input.kind} ${input.route} ${complaint}`;
    if (this.seen.has(key) || this.wrong.length >= KEPT) return;
    this.seen.add(key);
    const request = JSON.stringify(
      input.bytes
        .toString('latin1')
        .replace(/Bearer \S+/, 'Bearer …')
        .slice(0, 300),
    );
    this.wrong.push(`${complaint}: ${input.kind}, ${input.route} by ${input.role}: ${request} -> ${excerpt(answer)}`);
  }
}

/** The service has 4.5 s for what is genuine, and says 500 then, as the channel knows no other word for later. */
function isLate({ kind }: Input, { status, milliseconds, body }: Answer): boolean {
  const said = status === 500 && body === '{"code":"FAIL","message":"internal_error"}';
  return said && kind.startsWith('genuine callback') && milliseconds >= 4400;
}

/** Every refusal is a problem with a code; under a callback's path it is the channel's envelope. */
function* formOf(input: Input, { status, headers, body }: Answer): Generator<string> {
  const type = headers.get('content-type') ?? '';
  const json = objectOf(body);
  if (json === null) {
    yield 'refuses without a JSON object';
    return;
  }
  if (input.route.includes('/callback/') && json.code === 'FAIL') {
    if (Object.keys(json).join() !== 'code,message' || typeof json.message !== 'string') yield 'has an odd envelope';
    return;
  }
  if (!type.startsWith('application/problem+json')) {
    yield `refuses as ${type}`;
    return;
  }
  const { type: urn, title, status: said, detail, code, user_message: text, ...others } = json;
  const { request_id: requestId, errors, ...more } = others;
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code);
  if (!known || urn !== `urn:paydesk:error:${code}` || title !== ERRORS[code as keyof typeof ERRORS].title)
    yield 'has a problem of no known code';
  else if (!Object.values(USER_MESSAGES[code as keyof typeof ERRORS]).includes(text as string))
    yield 'has a text for the payer that is not the one of its code';
  if (said !== status) yield 'has a problem of another status';
  if (requestId !== headers.get('x-request-id')) yield 'has a problem with another request id';
  if (typeof detail !== 'string' || (errors !== undefined && !Array.isArray(errors))) yield 'has an odd problem';
  if (Object.keys(more).length > 0) yield `has a problem with more in it: ${Object.keys(more).join()}`;
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function excerpt({ status, body }: Answer): string {
  return `${status} ${JSON.stringify(body.slice(0, 200))}`;
}
