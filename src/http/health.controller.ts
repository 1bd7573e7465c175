import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Public } from '../auth/public.js';
import { DomainError } from '../common/errors.js';
import { isWritable } from '../database/connection.js';
import { Problems } from './openapi.js';
import { InPool } from './pool.js';
import { Readiness } from './readiness.js';

class HealthView {
  @ApiProperty({ enum: ['ok'] }) status!: 'ok';
}

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly readiness: Readiness,
  ) {}

  @Get('live')
  @InPool('unlimited')
  @Public()
  @ApiOperation({ operationId: 'getLiveness', summary: 'Liveness: the process is running' })
  @ApiOkResponse({ type: HealthView })
  live(): HealthView {
    return { status: 'ok' };
  }

  @Get('ready')
  @InPool('probe')
  @Public()
  @ApiOperation({
    operationId: 'getReadiness',
    summary: 'Readiness: the database accepts writes and the process is not shutting down',
  })
  @ApiOkResponse({ type: HealthView })
  @Problems('service_unavailable')
  async ready(): Promise<HealthView> {
    if (this.readiness.stopping) throw new DomainError('service_unavailable', 'the service is shutting down');
    // A standby that was promoted away from, or a server switched to reading: what is written there fails.
    if (!(await isWritable(this.db))) throw new DomainError('service_unavailable', 'the database is read-only');
    return { status: 'ok' };
  }
}
