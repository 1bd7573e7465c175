import type { OnApplicationShutdown } from '@nestjs/common';
import { Agent } from 'undici';
import { DomainError } from '../../common/errors.js';
import { LoginChannel } from '../login-channel.js';
import { idField, JsonObject, parseObject } from './json.js';
import { WechatSettings } from './settings.js';
import { asCallError, KEEP_ALIVE, readAll } from './transport.js';

/** What the mini-program server answered: an openid, or the number of a refusal. */
export type LoginAnswer = { openid: string } | { errcode: number };

const LIMITS = { maxBytes: 16 * 1024, maxDepth: 8 };

/** The code was never good, was used before, or is of another mini-program. 40163: used. */
const BAD_CODE = new Set([40029, 40163, 41008]);
const TOO_OFTEN = new Set([45009, 45011]);
/** "System busy": nothing was decided. */
const BUSY = -1;
/** WeChat holds the user for risky. */
const BLOCKED_USER = 40226;

/** Login of mini-program users: `GET /sns/jscode2session` (mini-program manual, "api_code2session"). */
export class WechatLogin extends LoginChannel implements OnApplicationShutdown {
  readonly appid: string;
  private readonly agent: Agent;

  constructor(private readonly settings: Pick<WechatSettings, 'appid' | 'appSecret' | 'apiBaseUrl' | 'timeouts'>) {
    super();
    this.appid = settings.appid;
    this.agent = new Agent({
      connections: 32,
      connect: { timeout: settings.timeouts.connectMs },
      headersTimeout: settings.timeouts.answerMs,
      bodyTimeout: settings.timeouts.answerMs,
      ...KEEP_ALIVE,
    });
  }

  /**
   * Trades the code of `wx.login` for the user's openid; the session key of the same answer is not kept. A code works
   * once, so nothing is tried twice.
   * @throws DomainError `login_failed`, `too_many_requests`, `channel_unavailable`, `login_not_configured` where there
   * is no secret or, when our own appid or secret is wrong, `channel_rejected`
   */
  async openidOf(code: string): Promise<string> {
    if (!/^[!-~]{1,256}$/.test(code)) throw new DomainError('login_failed');
    const answer = await this.ask(code);
    if ('openid' in answer) return answer.openid;
    throw refusalOf(answer.errcode);
  }

  /**
   * Asks, and answers what was said, untranslated: for a check of the settings.
   * @throws DomainError `channel_unavailable`, `login_not_configured`
   */
  async ask(code: string): Promise<LoginAnswer> {
    const { appid, appSecret, apiBaseUrl, timeouts } = this.settings;
    if (appSecret === null) throw new DomainError('login_not_configured');
    const query = new URLSearchParams({ appid, secret: appSecret, js_code: code, grant_type: 'authorization_code' });
    try {
      const answer = await this.agent.request({
        origin: apiBaseUrl,
        path: `/sns/jscode2session?${query.toString()}`,
        method: 'GET',
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(timeouts.connectMs + timeouts.answerMs),
      });
      const json = parseObject(await readAll('login', answer.body, LIMITS.maxBytes), LIMITS);
      if (answer.statusCode !== 200) throw new DomainError('channel_unavailable');
      return readAnswer(json);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      // Neither the cause nor its message goes on: the address of the call holds the secret of the mini-program.
      throw new DomainError('channel_unavailable', `WeChat login: ${asCallError('login', error).code}`);
    }
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    return this.agent.close();
  }
}

function readAnswer(json: JsonObject): LoginAnswer {
  const { errcode } = json;
  if (typeof errcode === 'number' && errcode !== 0) return { errcode };
  return { openid: idField(json, 'openid', 128) };
}

function refusalOf(errcode: number): DomainError {
  if (BAD_CODE.has(errcode)) return new DomainError('login_failed');
  if (errcode === BLOCKED_USER) return new DomainError('login_failed', 'WeChat has blocked this user');
  if (TOO_OFTEN.has(errcode)) return new DomainError('too_many_requests', 'WeChat: too many logins of this user');
  if (errcode === BUSY) return new DomainError('channel_unavailable', 'WeChat is busy');
  return new DomainError(
    'channel_rejected',
    `WeChat rejected the login (errcode ${errcode}): check the settings of the mini-program`,
  );
}
