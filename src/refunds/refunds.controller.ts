import { applyDecorators, Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { assertScope, type Caller, CurrentUser, RequestCause, Roles, Scope } from '../auth/public.js';
import type { Cause } from '../common/cause.js';
import { DomainError, invalidField } from '../common/errors.js';
import { type Page, pageQuery } from '../database/page.js';
import { Idempotent, NewId } from '../http/idempotency.interceptor.js';
import { Problems } from '../http/openapi.js';
import { channelWith, InPool } from '../http/pool.js';
import { OwnedBy } from '../orders/order-owner.guard.js';
import { RefundBody, RefundsQuery, RejectBody, RetryAbnormalBody } from './refund.dto.js';
import type { Refund } from './refund.entity.js';
import { RefundPage, RefundView } from './refund.view.js';
import { RefundExecutor } from './refund-executor.js';
import { RefundsService } from './refunds.service.js';

/** They may use every user's refunds; a service none of another service's. */
const STAFF = ['operator', 'service'] as const;
const FOR_SERVICES = invalidField('external_id', 'is for services');

/** A route that approves a refund. */
function Approval(summary: string, options: { deprecated?: boolean } = {}): MethodDecorator {
  return applyDecorators(
    InPool('channel'),
    HttpCode(200),
    Roles('operator', 'service'),
    Scope('approve_refunds'),
    OwnedBy('refund', ...STAFF),
    ApiOperation({
      ...options,
      summary,
      description:
        'Mock provider: `succeeded` at once. WeChat Pay: `processing`, settled later by callback or query; a partial refund ' +
        'less than a minute after another one of the same payment is queued. A repeated call has no further effect.',
    }),
    ApiOkResponse({ type: RefundView }),
    Problems(
      'unauthenticated',
      'forbidden',
      'not_found',
      'refund_not_open',
      'other_provider',
      'provider_disabled',
      'service_unavailable',
    ),
  );
}

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
  @OwnedBy(
    [
      { entity: 'payment', at: ['body', 'payment_id'] },
      { entity: 'order', at: ['body', 'order_id'] },
    ],
    ...STAFF,
  )
  @Idempotent()
  @InPool(channelWith('approve'))
  @ApiOperation({
    summary: 'Request a full or partial refund',
    description: 'With `approve`, by a service or an operator, it is also carried out, as by `/approve/`.',
  })
  @ApiCreatedResponse({ type: RefundView, description: 'A new refund' })
  @ApiOkResponse({ type: RefundView, description: 'The refund that the service requested under this `external_id`' })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'external_id_conflict',
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
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RefundView> {
    const service = caller.role === 'service' ? caller.id : undefined;
    if (body.external_id && service === undefined) throw FOR_SERVICES;
    if (body.approve && caller.role === 'user') throw new DomainError('forbidden', 'a user cannot approve a refund');
    if (body.approve) assertScope(caller, 'approve_refunds');
    const refund = await this.refunds.request(
      {
        ...{ id, service, externalId: body.external_id ?? undefined, requestedBy: caller.id },
        ...{ paymentId: await this.paymentOf(body), amountFen: body.amount ?? undefined, reason: body.reason ?? null },
      },
      cause,
    );
    reply.status(refund.id === id ? 201 : 200);
    // One that has ended is answered as it is: to approve it would be refused.
    const approve = body.approve && refund.isReserved;
    return RefundView.of(approve ? await this.executor.approve(refund.id, cause) : refund);
  }

  private async paymentOf({ payment_id: paymentId, order_id: orderId }: RefundBody): Promise<string> {
    if (paymentId && orderId) throw invalidField('order_id', 'must be left out where payment_id is given');
    if (paymentId) return paymentId;
    if (!orderId) throw invalidField('payment_id', 'or order_id is required');
    return this.refunds.paidPaymentOf(orderId);
  }

  @Get()
  @Scope('read')
  @OwnedBy(
    [
      { entity: 'payment', at: ['query', 'payment_id'] },
      { entity: 'order', at: ['query', 'order_id'] },
    ],
    ...STAFF,
  )
  @ApiOperation({
    summary: 'The refunds of a payment or of an order, oldest first, or the one with a number of the service',
  })
  @ApiOkResponse({ type: RefundPage })
  @Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden', 'not_found')
  async list(@CurrentUser() caller: Caller, @Query() query: RefundsQuery): Promise<RefundPage> {
    const page = await this.find(caller, query);
    return { items: page.items.map((refund) => RefundView.of(refund)), next_cursor: page.next_cursor };
  }

  private find(caller: Caller, query: RefundsQuery): Promise<Page<Refund>> {
    const { payment_id: paymentId, order_id: orderId, external_id: externalId } = query;
    const given = [paymentId, orderId, externalId].filter((value) => value !== undefined);
    if (given.length === 0) throw invalidField('payment_id', 'or order_id, or external_id is required');
    if (given.length > 1) throw invalidField('payment_id', 'order_id and external_id exclude each other');
    const page = pageQuery(query.limit, query.cursor);
    if (paymentId !== undefined) return this.refunds.list(paymentId, page);
    if (orderId !== undefined) return this.refunds.listOfOrder(orderId, page);
    if (caller.role !== 'service') throw FOR_SERVICES;
    return this.refunds.listByExternalId(caller.id, externalId ?? '');
  }

  @Get(':id')
  @Scope('read')
  @OwnedBy('refund', ...STAFF)
  @ApiOperation({ summary: 'One refund' })
  @ApiOkResponse({ type: RefundView })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async one(@Param('id') id: string): Promise<RefundView> {
    return RefundView.of(await this.refunds.get(id));
  }

  @Post(':id/approve')
  @Approval('Approve a refund and carry it out')
  async approve(@Param('id') id: string, @RequestCause() cause: Cause): Promise<RefundView> {
    return RefundView.of(await this.executor.approve(id, cause));
  }

  @Post(':id/succeed')
  @Approval('The former name of `/approve/`', { deprecated: true })
  succeed(@Param('id') id: string, @RequestCause() cause: Cause): Promise<RefundView> {
    return this.approve(id, cause);
  }

  @Post(':id/reject')
  @Scope('approve_refunds')
  @HttpCode(200)
  @Roles('operator', 'service')
  @OwnedBy('refund', ...STAFF)
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
  @OwnedBy('refund', ...STAFF)
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
  @OwnedBy('refund', ...STAFF)
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
