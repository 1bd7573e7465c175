import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentUser, RequestCause, Roles, Scope } from '../auth/public.js';
import type { Cause } from '../common/cause.js';
import { pageQuery } from '../database/page.js';
import { Idempotent, NewId } from '../http/idempotency.interceptor.js';
import { Problems } from '../http/openapi.js';
import { InPool } from '../http/pool.js';
import { OwnedBy } from '../orders/order-owner.guard.js';
import { RefundBody, RefundsQuery, RejectBody, RetryAbnormalBody } from './refund.dto.js';
import { RefundPage, RefundView } from './refund.view.js';
import { RefundExecutor } from './refund-executor.js';
import { RefundsService } from './refunds.service.js';

const STAFF = { orRoles: ['operator', 'service'] as ('operator' | 'service')[] };

@ApiTags('refunds')
@ApiBearerAuth()
@Controller('api/refunds')
export class RefundsController {
  constructor(
    private readonly refunds: RefundsService,
    private readonly executor: RefundExecutor,
  ) {}

  @Post()
  @Scope('refunds')
  @OwnedBy('payment', { at: ['body', 'payment_id'], ...STAFF })
  @Idempotent()
  @ApiOperation({ summary: 'Request a full or partial refund' })
  @ApiCreatedResponse({ type: RefundView })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'payment_not_refundable',
    'refund_exceeds_payment',
    'refund_too_old',
    'refund_too_many',
    'other_provider',
    'idempotency_in_progress',
    'idempotency_key_reused',
    'provider_disabled',
    'service_unavailable',
  )
  async create(
    @CurrentUser() caller: Caller,
    @Body() body: RefundBody,
    @NewId('ref') id: string,
    @RequestCause() cause: Cause,
  ): Promise<RefundView> {
    const { payment_id: paymentId, amount: amountFen, reason } = body;
    const service = caller.role === 'service' ? caller.id : null;
    const asked = { id, paymentId, amountFen, reason: reason ?? null, requestedBy: caller.id };
    return RefundView.of(await this.refunds.request({ ...asked, service }, cause));
  }

  @Get()
  @Scope('read')
  @OwnedBy('payment', { at: ['query', 'payment_id'], ...STAFF })
  @ApiOperation({ summary: "A payment's refunds, oldest first" })
  @ApiOkResponse({ type: RefundPage })
  @Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden', 'not_found')
  async list(@Query() query: RefundsQuery): Promise<RefundPage> {
    const page = await this.refunds.list(query.payment_id, pageQuery(query.limit, query.cursor));
    return { items: page.items.map((refund) => RefundView.of(refund)), next_cursor: page.next_cursor };
  }

  @Get(':id')
  @Scope('read')
  @OwnedBy('refund', STAFF)
  @ApiOperation({ summary: 'One refund' })
  @ApiOkResponse({ type: RefundView })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async one(@Param('id') id: string): Promise<RefundView> {
    return RefundView.of(await this.refunds.get(id));
  }

  @Post(':id/succeed')
  @Scope('approve_refunds')
  @InPool('channel')
  @HttpCode(200)
  @Roles('operator', 'service')
  @OwnedBy('refund', STAFF)
  @ApiOperation({
    summary: 'Approve a refund and carry it out',
    description:
      'Mock provider: `succeeded` at once. WeChat Pay: `processing`, settled later by callback or query; a partial refund ' +
      'less than a minute after another one of the same payment is queued. A repeated call has no further effect.',
  })
  @ApiOkResponse({ type: RefundView })
  @Problems(
    'unauthenticated',
    'forbidden',
    'not_found',
    'refund_not_open',
    'other_provider',
    'provider_disabled',
    'service_unavailable',
  )
  async succeed(@Param('id') id: string, @RequestCause() cause: Cause): Promise<RefundView> {
    return RefundView.of(await this.executor.approve(id, cause));
  }

  @Post(':id/reject')
  @Scope('approve_refunds')
  @HttpCode(200)
  @Roles('operator', 'service')
  @OwnedBy('refund', STAFF)
  @ApiOperation({ summary: 'Reject a requested refund' })
  @ApiOkResponse({ type: RefundView })
  @Problems('invalid_request', 'unauthenticated', 'forbidden', 'not_found', 'refund_not_open')
  async reject(@Param('id') id: string, @Body() body: RejectBody, @RequestCause() cause: Cause): Promise<RefundView> {
    return RefundView.of(await this.refunds.reject(id, body.reason, cause));
  }

  @Post(':id/sync')
  @Scope('refunds')
  @InPool('channel')
  @HttpCode(200)
  @OwnedBy('refund', STAFF)
  @ApiOperation({ summary: 'Query WeChat Pay about a refund in progress' })
  @ApiOkResponse({ type: RefundView })
  @Problems(
    'unauthenticated',
    'forbidden',
    'not_found',
    'other_provider',
    'too_many_requests',
    'provider_disabled',
    'service_unavailable',
  )
  async sync(@Param('id') id: string, @RequestCause() cause: Cause): Promise<RefundView> {
    return RefundView.of(await this.executor.sync(id, cause));
  }

  @Post(':id/retry-abnormal')
  @InPool('channel')
  @HttpCode(200)
  @Roles('operator')
  @OwnedBy('refund', STAFF)
  @ApiOperation({ summary: 'Send the money of an abnormal refund to another account' })
  @ApiOkResponse({ type: RefundView })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'refund_not_open',
    'other_provider',
    'channel_rejected',
    'channel_unavailable',
    'provider_disabled',
  )
  async retryAbnormal(
    @Param('id') id: string,
    @Body() body: RetryAbnormalBody,
    @RequestCause() cause: Cause,
  ): Promise<RefundView> {
    return RefundView.of(await this.executor.retryAbnormal(id, RetryAbnormalBody.target(body), cause));
  }
}
