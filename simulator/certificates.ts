import { generateKeyPair, type KeyObject, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { DAY } from './clock.js';

const YEAR = 365 * DAY;

export interface Certificate {
  /** Hex, upper case: how `serial_no` and `Wechatpay-Serial` name it. */
  serial: string;
  pem: string;
  effectiveAt: number;
  expiresAt: number;
}

export interface KeyPair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

/** A fresh 2048-bit RSA pair, made on the thread pool. */
export function newKeyPair(): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    generateKeyPair('rsa', { modulusLength: 2048 }, (error, publicKey, privateKey) => {
      if (error) reject(error);
      else resolve({ publicKey, privateKey });
    });
  });
}

/** PKCS#8, as `apiclient_key.pem` is. */
export function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** SubjectPublicKeyInfo, as `pub_key.pem` is. */
export function publicPem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

/** The public key inside a certificate. */
export function certificateKey(pem: string): KeyObject {
  return new X509Certificate(pem).publicKey;
}

/** The small house authority that stands in for Tenpay.com Root CA. Its name says that it is not the real one. */
export class Authority {
  readonly certificate: Certificate;
  readonly #key: KeyObject;
  readonly #subject: forge.pki.CertificateField[];

  constructor(pair: KeyPair, serial: string, now: number) {
    this.#key = pair.privateKey;
    this.#subject = name({ commonName: 'Tenpay.com Root CA (Simulator)', organizationName: 'Tenpay.com Simulator' });
    this.certificate = this.#issue(this.#subject, pair.publicKey, serial, now - DAY, now + 20 * YEAR, true);
  }

  /** A certificate of five years, as merchants' and platforms' are. */
  issue(commonName: string, key: KeyObject, serial: string, now: number): Certificate {
    const subject = name({ commonName, organizationName: 'WeChat Pay Simulator' });
    return this.#issue(subject, key, serial, now - DAY, now + 5 * YEAR, false);
  }

  #issue(
    subject: forge.pki.CertificateField[],
    key: KeyObject,
    serial: string,
    effectiveAt: number,
    expiresAt: number,
    isAuthority: boolean,
  ): Certificate {
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = forge.pki.publicKeyFromPem(publicPem(key));
    certificate.serialNumber = serial.toLowerCase();
    certificate.validity.notBefore = new Date(effectiveAt);
    certificate.validity.notAfter = new Date(expiresAt);
    certificate.setSubject(subject);
    certificate.setIssuer(this.#subject);
    certificate.setExtensions([
      { name: 'basicConstraints', cA: isAuthority, critical: true },
      isAuthority
        ? { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true }
        : { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, dataEncipherment: true, critical: true },
    ]);
    signWith(this.#key, certificate);
    return { serial: serial.toUpperCase(), pem: forge.pki.certificateToPem(certificate), effectiveAt, expiresAt };
  }
}

/** Public in node-forge, but left out of its types. */
interface Unsigned {
  getTBSCertificate(certificate: forge.pki.Certificate): forge.asn1.Asn1;
}

/** As `certificate.sign` of node-forge does with SHA-256, but a hundred times as fast: RSA in JavaScript takes 25 ms. */
function signWith(key: KeyObject, certificate: forge.pki.Certificate): void {
  const oid = forge.pki.oids.sha256WithRSAEncryption;
  if (oid === undefined) throw new Error('node-forge does not know RSA with SHA-256');
  certificate.signatureOid = oid;
  certificate.siginfo.algorithmOid = oid;
  const signed = (forge.pki as unknown as Unsigned).getTBSCertificate(certificate);
  certificate.tbsCertificate = signed;
  certificate.signature = sign('sha256', Buffer.from(forge.asn1.toDer(signed).getBytes(), 'binary'), key).toString(
    'binary',
  );
}

function name(values: Record<string, string>): forge.pki.CertificateField[] {
  const fields = [{ name: 'countryName', value: 'CN' }];
  for (const [key, value] of Object.entries(values)) fields.push({ name: key, value });
  return fields;
}
