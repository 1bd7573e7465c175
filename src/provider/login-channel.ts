/** Turns a `wx.login` code into an openid. Type and injection token; `provider.module.ts` binds the channel's. */
export abstract class LoginChannel {
  abstract readonly appid: string;
  /** @throws DomainError `invalid_request`, `login_failed`, `too_many_requests`, `channel_unavailable`, `login_not_configured` */
  abstract openidOf(code: string): Promise<string>;
}
