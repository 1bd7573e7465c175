import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { chinaTime, type Clock, stopwatch } from './clock.js';
import { seal } from './crypto.js';
import { type FaultKind, type Faults, SEND_FAULTS } from './faults.js';
import { type JsonObject } from './fields.js';
import { type Keyring } from './keyring.js';
import { nameOf, type Notice } from './notice.js';
import { type Random, secretText } from './random.js';
import { type Signer } from './signer.js';
import { falsified } from './tampering.js';

/** Sends in flight at once. More wait their turn, so that a burst of payments does not open a burst of sockets. */
const MOST_AT_ONCE = 128;

interface Answer {
  status: number;
  outcome: string;
}

/** Delivers notices: encrypts, signs afresh at each send, and waits five seconds for an answer. */
export class Sender {
  #http = new HttpAgent({ keepAlive: true, maxSockets: MOST_AT_ONCE });
  #https = new HttpsAgent({ keepAlive: true, maxSockets: MOST_AT_ONCE });
  #inFlight = 0;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly keyring: Keyring,
    private readonly faults: Faults,
    private readonly signer: Signer,
    private readonly timeoutMs: number,
  ) {}

  /** Sends a notice once, twice if a fault doubles it; whether it was received. */
  async send(notice: Notice): Promise<boolean> {
    const struck = this.faults.atNotice(notice.point, SEND_FAULTS, () => nameOf(notice)).map((rule) => rule.do);
    const copies = struck.includes('double') ? 2 : 1;
    const results = await Promise.all(Array.from({ length: copies }, () => this.#sendOnce(notice, struck)));
    return results.some((received) => received);
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #sendOnce(notice: Notice, struck: readonly FaultKind[]): Promise<boolean> {
    await this.#turn();
    const elapsed = stopwatch();
    const at = chinaTime(this.clock.now());
    const key = this.keyring.forNotice();
    try {
      const body = Buffer.from(JSON.stringify(this.#envelope(notice, struck)));
      const headers = await this.signer.headers(body, key, struck);
      const answer = struck.includes('drop')
        ? { status: 0, outcome: 'lost on the way' }
        : await this.#post(notice.url, body, headers);
      const serial = headers['Wechatpay-Serial'] ?? '';
      notice.sends.push({ at, ...answer, took_ms: elapsed(), serial, faults: [...struck] });
      return answer.status === 200 || answer.status === 204;
    } finally {
      this.#done();
    }
  }

  #envelope(notice: Notice, struck: readonly FaultKind[]): JsonObject {
    const apiV3Key = struck.includes('wrong_key') ? secretText(32) : this.keyring.merchant.apiV3Key;
    const content = JSON.stringify(falsified(notice.content, struck));
    const associatedData = struck.includes('no_associated_data') ? '' : notice.resourceType;
    const sealed = seal(content, apiV3Key, this.random.text(12), associatedData);
    return {
      id: struck.includes('new_id') ? this.random.uuid() : notice.id,
      create_time: chinaTime(notice.createdAt),
      resource_type: 'encrypt-resource',
      event_type: struck.includes('unknown_event') ? 'SIMULATOR.UNHEARD_OF' : notice.eventType,
      summary: notice.summary,
      resource: {
        original_type: notice.resourceType,
        ...sealed,
        ciphertext: struck.includes('flip_ciphertext') ? flipped(sealed.ciphertext) : sealed.ciphertext,
      },
    };
  }

  /** Only the status counts; the body is read to the end so that the connection can be used again. */
  #post(url: string, body: Buffer, signature: Record<string, string>): Promise<Answer> {
    const secure = url.startsWith('https:');
    const options = {
      method: 'POST',
      agent: secure ? this.#https : this.#http,
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': body.length,
        'User-Agent': 'Mozilla/4.0',
        Accept: '*/*',
        'Request-ID': this.random.digits(24),
        ...signature,
      },
    };
    return new Promise((resolve) => {
      const call = (secure ? httpsRequest : httpRequest)(url, options, (answer) => {
        answer.resume();
        answer.on('close', () => {
          clearTimeout(limit);
          const status = answer.statusCode ?? 0;
          resolve({ status, outcome: status === 200 || status === 204 ? 'received' : `refused with ${status}` });
        });
      });
      const limit = setTimeout(() => {
        resolve({ status: 0, outcome: `no answer within ${this.timeoutMs} ms` });
        call.destroy();
      }, this.timeoutMs);
      call.on('error', (error) => {
        clearTimeout(limit);
        resolve({ status: 0, outcome: `not reached: ${error.message}` });
      });
      call.end(body);
    });
  }

  #turn(): Promise<void> | undefined {
    if (this.#inFlight < MOST_AT_ONCE) {
      this.#inFlight += 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #done(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#inFlight -= 1;
  }
}

/** The same Base64 with one bit of its first byte turned over. */
function flipped(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return bytes.toString('base64');
}
