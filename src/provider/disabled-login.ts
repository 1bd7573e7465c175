import { DomainError } from '../common/errors.js';
import { LoginChannel } from './login-channel.js';

/** Without a channel a `wx.login` code cannot be traded for an openid. */
export class DisabledLogin extends LoginChannel {
  readonly appid = '';

  /** @throws DomainError `login_not_configured` */
  openidOf(): Promise<string> {
    return Promise.reject(new DomainError('login_not_configured'));
  }
}
