import { Injectable } from '@nestjs/common';
import { KEY_START } from '../services/api-key-form.js';
import { ApiKeyVerifier } from '../services/api-key-verifier.js';
import type { Caller } from './public.js';
import { TokensService } from './tokens.service.js';

/** Who is asking: proves what a request brings as its bearer token, a JWT or the API key of a service. */
@Injectable()
export class Callers {
  constructor(
    private readonly tokens: TokensService,
    private readonly keys: ApiKeyVerifier,
  ) {}

  /** @throws DomainError `unauthenticated`; of an API key also the database's error while it cannot be asked */
  async prove(bearer: string): Promise<Caller> {
    if (!bearer.startsWith(KEY_START)) return this.tokens.verify(bearer);
    const { service, scopes } = await this.keys.verify(bearer);
    return { id: service, role: 'service', scopes };
  }
}
