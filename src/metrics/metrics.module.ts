import { Global, Module } from '@nestjs/common';
import { Instruments } from './instruments.js';

@Global()
@Module({ providers: [Instruments], exports: [Instruments] })
export class MetricsModule {}
