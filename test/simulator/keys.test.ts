import { constants, createDecipheriv, privateDecrypt, publicEncrypt, X509Certificate } from 'node:crypto';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Answer, freshNumber, type Merchant, merchantOf } from './support/merchant.js';
import { type Receiver, startReceiver } from './support/receiver.js';

const DAY = 86_400;

interface Offered {
  serial_no: string;
  effective_time: string;
  expire_time: string;
  encrypt_certificate: { nonce: string; ciphertext: string; associated_data: string };
}

describe('platform keys', () => {
  let sim: Simulator;
  let merchant: Merchant;
  let receiver: Receiver;

  beforeEach(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, mode: 'both', seed: 9 });
    receiver = await startReceiver(() => sim);
    merchant = merchantOf(sim, receiver.url);
  });

  afterEach(async () => {
    await sim.close();
    await receiver.close();
  });

  /** The serial an answer is signed with when the request names this one, or none. */
  const answeredBy = async (named?: string): Promise<string | null> => {
    const answer = await merchant.post('/v3/pay/transactions/jsapi', merchant.order(), {
      headers: named === undefined ? {} : { 'Wechatpay-Serial': named },
    });
    expect(answer).toMatchObject({ status: 200, signed: true });
    return answer.headers.get('Wechatpay-Serial');
  };
  const certificates = (): Promise<Answer> => merchant.get('/v3/certificates');
  const opened = (one: Offered): string => {
    const bytes = Buffer.from(one.encrypt_certificate.ciphertext, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', sim.credentials.apiV3Key, one.encrypt_certificate.nonce);
    decipher.setAuthTag(bytes.subarray(-16)).setAAD(Buffer.from(one.encrypt_certificate.associated_data));
    return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString();
  };
  const firstCertificate = (): string => sim.credentials.platformCertificates[0]?.serial ?? '';

  it('during the switch: answers are signed by the key the request names, by certificate when it names none', async () => {
    const { publicKeyId } = sim.credentials;
    expect(await answeredBy(publicKeyId)).toBe(publicKeyId);
    expect(await answeredBy(firstCertificate())).toBe(firstCertificate());
    expect(await answeredBy()).toBe(firstCertificate());
  });

  it('before the switch: naming the public key changes nothing', async () => {
    await sim.faults({ keys: { mode: 'certificate' } });
    expect(await answeredBy(sim.credentials.publicKeyId)).toBe(firstCertificate());
  });

  it('after the switch: everything is signed by public key, and there are no certificates', async () => {
    await sim.faults({ keys: { mode: 'public_key' } });
    expect(await answeredBy()).toBe(sim.credentials.publicKeyId);
    expect(await answeredBy(firstCertificate())).toBe(sim.credentials.publicKeyId);
    expect(await certificates()).toMatchObject({ status: 404, body: { code: 'RESOURCE_NOT_EXISTS' } });
    await merchant.paid();
    await sim.settled();
    expect(receiver.arrivals[0]).toMatchObject({ signed: true, serial: sim.credentials.publicKeyId });
  });

  it('callbacks move over day by day, whatever the merchant does', async () => {
    const shareOnDay = async (day: number): Promise<number> => {
      await sim.faults({ seed: 1, keys: { switch_day: day } });
      receiver.arrivals.length = 0;
      for (let count = 0; count < 60; count += 1) await merchant.paid();
      await sim.settled();
      expect(receiver.arrivals.every((one) => one.signed)).toBe(true);
      return receiver.arrivals.filter((one) => one.serial === sim.credentials.publicKeyId).length / 60;
    };
    expect(await shareOnDay(0)).toBe(0);
    const day6 = await shareOnDay(6);
    expect(day6).toBeGreaterThan(0.25);
    expect(day6).toBeLessThan(0.75);
    expect(await shareOnDay(7)).toBe(1);
  }, 60_000);

  it('the days of the switch pass with the clock', async () => {
    const share = async (): Promise<unknown> =>
      ((await sim.faults({})) as { keys: { callback_share_of_public_key: number } }).keys.callback_share_of_public_key;
    await sim.faults({ keys: { switch_day: 1 } });
    const shares: unknown[] = [await share()];
    for (let day = 2; day <= 8; day += 1) {
      await sim.advance(DAY);
      shares.push(await share());
    }
    expect(shares).toEqual([0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 1]);
  });

  it('certificates are listed encrypted, and open to what they say', async () => {
    const { body } = await certificates();
    const [only] = body.data as Offered[];
    expect(only && opened(only)).toBe(sim.credentials.platformCertificates[0]?.pem);
    const certificate = new X509Certificate(sim.credentials.platformCertificates[0]?.pem ?? '');
    expect(certificate.serialNumber).toBe(only?.serial_no);
    expect(certificate.verify(new X509Certificate(sim.credentials.rootCertificatePem).publicKey)).toBe(true);
    expect(Date.parse(only?.expire_time ?? '')).toBe(Date.parse(certificate.validTo));
  });

  it('a rotation offers two certificates, signs with the new one in its share, and ends with one', async () => {
    const old = firstCertificate();
    await sim.faults({ keys: { mode: 'certificate', rotate: true } });
    expect(((await certificates()).body.data as Offered[]).map((one) => one.serial_no)).toEqual(
      sim.credentials.platformCertificates.map((one) => one.serial),
    );
    const fresh = sim.credentials.platformCertificates[1]?.serial;
    expect(fresh).not.toBe(old);
    expect(await answeredBy()).toBe(old);
    expect(await answeredBy(fresh)).toBe(fresh);
    await sim.faults({ keys: { rotation_share: 1 } });
    expect(await answeredBy()).toBe(fresh);
    await merchant.paid();
    await sim.settled();
    expect(receiver.arrivals.at(-1)).toMatchObject({ signed: true, serial: fresh });
    await sim.faults({ keys: { retire_old: true } });
    expect((await certificates()).body.data).toHaveLength(1);
    expect(await merchant.get('/v3/certificates', { headers: { 'Wechatpay-Serial': old } })).toMatchObject({
      status: 400,
    });
  });

  it('an answer can be signed by the other kind of key than it should', async () => {
    await sim.faults({ rules: [{ at: 'order', do: 'other_mode', times: 1 }] });
    expect(await answeredBy(sim.credentials.publicKeyId)).toBe(firstCertificate());
  });

  describe('the self test', () => {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const encrypted = (text: string, key: string): string =>
      publicEncrypt({ key, padding, oaepHash: 'sha1' }, Buffer.from(text)).toString('base64');

    it('echoes the message, re-encrypts the secret for the merchant, and calls back', async () => {
      const { publicKeyId, publicKeyPem, merchantPrivateKeyPem } = sim.credentials;
      const form = {
        echo_message: '你好',
        encrypted_echo_message: encrypted('秘密', publicKeyPem),
        notify_url: receiver.url,
      };
      expect((await merchant.post('/v3/security/echo', form)).body.code).toBe('PARAM_ERROR');
      const { body } = await merchant.post('/v3/security/echo', form, { headers: { 'Wechatpay-Serial': publicKeyId } });
      expect(body.echo_message).toBe('你好');
      const secret = Buffer.from(String(body.encrypted_echo_message), 'base64');
      const key = { key: merchantPrivateKeyPem, padding, oaepHash: 'sha1' };
      expect(privateDecrypt(key, secret).toString()).toBe('秘密');
      await sim.settled();
      expect(receiver.arrivals[0]).toMatchObject({ eventType: 'SECURITY_ECHO.SUCCESS', signed: true });
    });

    it('refuses a secret encrypted for the other kind of key than the header names', async () => {
      const { publicKeyId, platformCertificates } = sim.credentials;
      const form = {
        echo_message: freshNumber('ECHO'),
        encrypted_echo_message: encrypted('秘密', platformCertificates[0]?.pem ?? ''),
      };
      const mixed = await merchant.post('/v3/security/echo', form, { headers: { 'Wechatpay-Serial': publicKeyId } });
      expect(mixed).toMatchObject({ status: 400, body: { code: 'PARAM_ERROR' } });
      const right = await merchant.post('/v3/security/echo', form, {
        headers: { 'Wechatpay-Serial': firstCertificate() },
      });
      expect(right.status).toBe(200);
    });
  });
});
