import { Injectable } from '@nestjs/common';
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose';
import { createPublicKey, type KeyObject, webcrypto } from 'node:crypto';
import { Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { Settings } from '../config/settings.js';
import { type Caller, type Role, ROLES } from './public.js';

const PROVED_KEPT = 10_000;
/** How far the clock of another issuer may be ahead of ours. */
const CLOCK_SKEW_SECONDS = 60;

/** Whose token it is, and from when until when it holds, in seconds since 1970. */
interface Proved {
  caller: Caller;
  from: number;
  until: number;
}

/**
 * Bearer tokens: HS256 under `JWT_SECRET`, RS256 or ES256 under `JWT_PUBLIC_KEY` where another system issues them. Each
 * key is tried with its own algorithms only, so that a public key can never pass for a secret. Each token must end (`exp`),
 * and within `JWT_MAX_TTL_SECONDS`: one that leaks cannot be called back.
 */
@Injectable()
export class TokensService {
  private readonly secret: Promise<webcrypto.CryptoKey> | null;
  private readonly publicKey: KeyObject | null;
  /** Tokens proved before: a page sends the same one again and again, and each proof waits for the thread pool. */
  private readonly proved = new Map<string, Proved>();

  constructor(
    private readonly settings: Settings,
    private readonly clock: Clock,
  ) {
    this.secret = settings.jwtSecret === null ? null : hmacKey(settings.jwtSecret);
    this.publicKey = settings.jwtPublicKey === null ? null : createPublicKey(settings.jwtPublicKey);
  }

  /** Whether this installation issues tokens itself. */
  get issues(): boolean {
    return this.secret !== null;
  }

  async issue(caller: Pick<Caller, 'id' | 'role'>): Promise<{ token: string; expiresIn: number }> {
    if (!this.secret) throw new DomainError('not_found', 'this server issues no tokens: JWT_SECRET is not set');
    const expiresIn = this.settings.jwtTtlSeconds;
    const now = Math.floor(this.clock.now().getTime() / 1000);
    const token = await new SignJWT({ role: caller.role })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setSubject(caller.id)
      .setAudience(this.settings.jwtAudience)
      .setIssuedAt(now)
      .setExpirationTime(now + expiresIn)
      .sign(await this.secret);
    return { token, expiresIn };
  }

  /** @throws DomainError `unauthenticated` */
  async verify(token: string): Promise<Caller> {
    const now = this.clock.now().getTime() / 1000;
    const known = this.proved.get(token);
    if (known && now >= known.from && now < known.until) return known.caller;
    const proved = await this.prove(token);
    // The oldest goes: those who come often are proved again, which costs what it did before.
    const [oldest] = this.proved.keys();
    if (oldest !== undefined && this.proved.size >= PROVED_KEPT) this.proved.delete(oldest);
    this.proved.set(token, proved);
    return proved.caller;
  }

  private async prove(token: string): Promise<Proved> {
    try {
      const { alg } = decodeProtectedHeader(token);
      const symmetric = alg === 'HS256';
      const key = symmetric ? await this.secret : this.publicKey;
      if (!key) throw new DomainError('unauthenticated');
      const { payload } = await jwtVerify(token, key, {
        algorithms: symmetric ? ['HS256'] : ['RS256', 'ES256'],
        currentDate: this.clock.now(),
        requiredClaims: ['sub', 'exp'],
      });
      const { exp = Infinity, iat } = payload;
      // From when it was issued, where it says so. A time of issue to come would only make it look shorter.
      const life = exp - Math.min(iat ?? Infinity, this.clock.now().getTime() / 1000);
      if (life > this.settings.jwtMaxTtlSeconds + CLOCK_SKEW_SECONDS) {
        throw new DomainError('unauthenticated', 'the lifetime of the token exceeds JWT_MAX_TTL_SECONDS');
      }
      if (payload.aud !== undefined && ![payload.aud].flat().includes(this.settings.jwtAudience)) {
        throw new DomainError('unauthenticated', 'the token is for another audience');
      }
      const role = payload.role ?? 'user';
      if (typeof payload.sub !== 'string' || !/^[\w.:@|-]{1,64}$/.test(payload.sub) || !ROLES.includes(role as Role)) {
        throw new DomainError('unauthenticated');
      }
      const caller = { id: payload.sub, role: role as Role, scopes: null };
      return { caller, from: payload.nbf ?? 0, until: exp };
    } catch (error) {
      if (error instanceof DomainError) throw error;
      throw new DomainError('unauthenticated', reasonOf(error));
    }
  }
}

/** What may be said of a token whose signature was right. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'exp') return 'the token has no exp claim';
  return undefined;
}

/** As the library uses it: it would make this out of a secret again for each token. */
function hmacKey(secret: string): Promise<webcrypto.CryptoKey> {
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  return webcrypto.subtle.importKey('raw', Buffer.from(secret, 'utf8'), hmac, false, ['sign', 'verify']);
}
