import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KeyPair } from '../../simulator/certificates.js';

/** Published test keys, so that a simulator of the tests starts at once: to make four new ones takes half a second. */
export const KEY_PAIRS: readonly KeyPair[] = ['go-A', 'go-D-wechatpay', 'java-merchant', 'java-wechatpay'].map(
  (name) => {
    const text = readFileSync(resolve(`test/vectors/keys/${name}-private.pkcs8.der.b64`), 'latin1');
    const privateKey = createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
    return { privateKey, publicKey: createPublicKey(privateKey) };
  },
);
