import { invalidField } from '../../common/errors.js';
import { LoginChannel } from '../login-channel.js';

/** Any code of 1 to 64 letters, digits, `_` and `-` is the user with openid `mock_CODE`. */
export class MockLogin extends LoginChannel {
  constructor(readonly appid: string) {
    super();
  }

  openidOf(code: string): Promise<string> {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(code)) {
      return Promise.reject(invalidField('code', 'must be 1 to 64 letters, digits, _ or -'));
    }
    return Promise.resolve(`mock_${code}`);
  }
}
