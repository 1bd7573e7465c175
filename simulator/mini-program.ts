import { createHash } from 'node:crypto';
import { chinaTime, type Clock, DAY, MINUTE, SECOND } from './clock.js';
import { type Json, type JsonObject } from './fields.js';
import { type Merchant } from './keyring.js';
import { type Random } from './random.js';
import { valueIssue } from './template-values.js';

const CODE_LIFE = 5 * MINUTE;
const TOKEN_LIFE = 7200 * SECOND;
/** Before a token ends, and after it was renewed, old and new are good together for this long. */
const OVERLAP = 5 * MINUTE;
const FORCED_PER_DAY = 20;
const FORCED_APART = 30 * SECOND;

/** A refusal of `api.weixin.qq.com`: HTTP says 200, `errcode` says no. */
export class Refusal extends Error {
  constructor(
    readonly errcode: number,
    errmsg: string,
  ) {
    super(errmsg);
    this.name = 'Refusal';
  }
}

export interface Message {
  at: string;
  touser: string;
  template_id: string;
  data: JsonObject;
  page: string | null;
  miniprogram_state: string;
}

/** The mini-program APIs around a payment: login, access token, subscription messages (developers.weixin.qq.com/miniprogram/dev). */
export class MiniProgram {
  readonly messages: Message[] = [];
  #usedCodes = new Set<string>();
  #issuedCodes = new Map<string, number>();
  #tokens: { value: string; endsAt: number }[] = [];
  #forced: number[] = [];
  /** Messages a user still accepts, by openid and template; pairs not named here accept any number. */
  #quotas = new Map<string, number>();

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly merchant: Merchant,
  ) {}

  /** A code as `wx.login` would give it, good for five minutes and one use. */
  codeFor(user: string): string {
    const code = `${user}.${this.random.text(16)}`;
    this.#issuedCodes.set(code, this.clock.now() + CODE_LIFE);
    return code;
  }

  /**
   * Logs a user in. Any code is taken, once; up to its first `.` it names the user, so that `alice.1` and `alice.2`
   * are the same person. @throws Refusal
   */
  login(appid: string, secret: string, code: string): JsonObject {
    this.#checkApp(appid, secret, 40125);
    const endsAt = this.#issuedCodes.get(code) ?? Infinity;
    if (this.#usedCodes.has(code) || this.clock.now() > endsAt) throw new Refusal(40029, 'invalid code');
    this.#usedCodes.add(code);
    const openid = this.openidOf(code.split('.')[0] ?? code);
    return { openid, session_key: Buffer.from(this.random.text(16)).toString('base64') };
  }

  /** The openid of a user: the same name, the same openid, under this appid. */
  openidOf(user: string): string {
    const digest = createHash('sha256').update(`${this.merchant.appid}/${user}`).digest('base64url');
    return `o${digest.slice(0, 27)}`;
  }

  /** The stable access token. @throws Refusal */
  token(appid: string, secret: string, force: boolean): JsonObject {
    this.#checkApp(appid, secret, 40125);
    const now = this.clock.now();
    const current = this.#tokens.at(-1);
    if (force) this.#force(now);
    else if (current && current.endsAt - now >= OVERLAP) return tokenView(current, now);
    if (current && !force) current.endsAt = Math.min(current.endsAt, now) + OVERLAP;
    const token = { value: `${this.random.digits(2)}_${this.random.text(134)}`, endsAt: now + TOKEN_LIFE };
    this.#tokens = [...(force || !current ? [] : [current]), token];
    return tokenView(token, now);
  }

  /** Sets how many more messages of a template a user accepts. */
  setQuota(openid: string, templateId: string, left: number): void {
    this.#quotas.set(`${openid} ${templateId}`, left);
  }

  /** Sends a subscription message. @throws Refusal */
  send(accessToken: string, body: JsonObject): void {
    this.#checkToken(accessToken);
    const { touser, template_id: templateId, data } = body;
    if (typeof touser !== 'string' || !/^o[\w-]{27}$/.test(touser)) throw new Refusal(40003, 'invalid openid');
    if (typeof templateId !== 'string' || !/^[\w-]{8,64}$/.test(templateId)) {
      throw new Refusal(40037, 'invalid template_id');
    }
    const values = checkedValues(data);
    this.#useQuota(`${touser} ${templateId}`);
    this.messages.push({
      at: chinaTime(this.clock.now()),
      touser,
      template_id: templateId,
      data: values,
      page: typeof body.page === 'string' ? body.page : null,
      miniprogram_state: typeof body.miniprogram_state === 'string' ? body.miniprogram_state : 'formal',
    });
  }

  clear(): void {
    this.messages.length = 0;
    this.#usedCodes.clear();
    this.#issuedCodes.clear();
    this.#tokens = [];
    this.#forced = [];
    this.#quotas.clear();
  }

  #checkApp(appid: string, secret: string, badSecret: number): void {
    if (appid === '') throw new Refusal(41002, 'appid missing');
    if (secret === '') throw new Refusal(41004, 'appsecret missing');
    if (appid !== this.merchant.appid) throw new Refusal(40013, 'invalid appid');
    if (secret !== this.merchant.appSecret) throw new Refusal(badSecret, 'invalid appsecret');
  }

  #force(now: number): void {
    this.#forced = this.#forced.filter((at) => now - at < DAY);
    const latest = this.#forced.at(-1);
    if (this.#forced.length >= FORCED_PER_DAY) throw new Refusal(45009, 'reach max api daily quota limit');
    if (latest !== undefined && now - latest < FORCED_APART) throw new Refusal(45011, 'api minute-quota reach limit');
    this.#forced.push(now);
  }

  #checkToken(value: string): void {
    const token = this.#tokens.find((one) => one.value === value);
    if (!token) throw new Refusal(40001, 'invalid credential, access_token is invalid or not latest');
    if (token.endsAt <= this.clock.now()) throw new Refusal(42001, 'access_token expired');
  }

  #useQuota(pair: string): void {
    const left = this.#quotas.get(pair);
    if (left === undefined) return;
    if (left <= 0) throw new Refusal(43101, 'user refuse to accept the msg');
    this.#quotas.set(pair, left - 1);
  }
}

function tokenView(token: { value: string; endsAt: number }, now: number): JsonObject {
  return { access_token: token.value, expires_in: Math.floor((token.endsAt - now) / SECOND) };
}

/** @throws Refusal 47003 that names the first value that does not fit its kind */
function checkedValues(data: Json | undefined): JsonObject {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new Refusal(47003, 'argument invalid! data is not an object');
  }
  for (const [key, entry] of Object.entries(data)) {
    const isEntry = typeof entry === 'object' && entry !== null && !Array.isArray(entry);
    const value = isEntry ? entry.value : undefined;
    const issue = typeof value === 'string' ? valueIssue(key, value) : 'is not a string';
    if (issue !== undefined) throw new Refusal(47003, `argument invalid! data.${key}.value ${issue}`);
  }
  return data;
}
