import { Module } from '@nestjs/common';
import { ApiKeyVerifier } from './api-key-verifier.js';

@Module({ providers: [ApiKeyVerifier], exports: [ApiKeyVerifier] })
export class ServicesModule {}
