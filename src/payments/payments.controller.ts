import { Body, Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { RequestCause, Scope } from '../auth/public.js';
import type { Cause } from '../common/cause.js';
import { Idempotent, NewId } from '../http/idempotency.interceptor.js';
import { Problems } from '../http/openapi.js';
import { InPool } from '../http/pool.js';
import { OwnedBy } from '../orders/order-owner.guard.js';
import { PaymentView, StartedView } from './payment.view.js';
import { PaymentStarter } from './payment-starter.js';
import { PaymentsService } from './payments.service.js';

export class PaymentBody {
  @ApiProperty({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsString()
  order_id!: string;
}

@ApiTags('payments')
@ApiBearerAuth()
@Controller('api/payments')
export class PaymentsController {
  constructor(
    private readonly payments: PaymentsService,
    private readonly starter: PaymentStarter,
  ) {}

  @Post()
  @Scope('orders')
  @OwnedBy({ entity: 'order', at: ['body', 'order_id'] })
  @Idempotent()
  @ApiOperation({ summary: 'Create a payment for an order, or get its open payment' })
  @ApiCreatedResponse({ type: PaymentView, description: 'A new payment' })
  @ApiOkResponse({ type: PaymentView, description: 'The open payment of the order' })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'order_not_payable',
    'order_expired',
    'idempotency_in_progress',
    'idempotency_key_reused',
    'provider_disabled',
    'service_unavailable',
  )
  async create(
    @Body() body: PaymentBody,
    @NewId('pay') id: string,
    @RequestCause() cause: Cause,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PaymentView> {
    const { payment, created } = await this.payments.create(body.order_id, id, cause);
    reply.status(created ? 201 : 200);
    return PaymentView.of(payment);
  }

  @Get(':id')
  @Scope('read')
  @OwnedBy('payment')
  @ApiOperation({ summary: 'One payment of the caller' })
  @ApiOkResponse({ type: PaymentView })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async one(@Param('id') id: string): Promise<PaymentView> {
    return PaymentView.of(await this.payments.get(id));
  }

  @Post(':id/start')
  @Scope('orders')
  @InPool('channel')
  @HttpCode(200)
  @OwnedBy('payment')
  @ApiOperation({
    summary: 'Place the order at WeChat Pay and get the arguments for `wx.requestPayment`',
    description: 'Repeated while the payment is open: the same prepay id, freshly signed, until it expires.',
  })
  @ApiOkResponse({ type: StartedView })
  @Problems(
    'unauthenticated',
    'forbidden',
    'not_found',
    'payment_expired',
    'payment_not_open',
    'payer_unknown',
    'other_provider',
    'too_many_requests',
    'channel_rejected',
    'channel_unavailable',
    'provider_disabled',
    'service_unavailable',
  )
  async start(@Param('id') id: string, @RequestCause() cause: Cause): Promise<StartedView> {
    const { payment, clientParams } = await this.starter.start(id, cause);
    return { payment: PaymentView.of(payment), pay_params: clientParams };
  }

  @Post(':id/succeed')
  @Scope('orders')
  @HttpCode(200)
  @OwnedBy('payment')
  @ApiOperation({
    summary: 'Simulate the payment (mock provider only)',
    description: '404 with the real provider and in production. A repeated call has no further effect.',
  })
  @ApiOkResponse({ type: PaymentView })
  @Problems(
    'unauthenticated',
    'forbidden',
    'not_found',
    'payment_expired',
    'payment_not_open',
    'channel_rejected',
    'channel_unavailable',
  )
  async succeed(@Param('id') id: string, @RequestCause() cause: Cause): Promise<PaymentView> {
    return PaymentView.of(await this.payments.simulatePayment(id, cause));
  }

  @Post(':id/cancel')
  @Scope('orders')
  @InPool('channel')
  @HttpCode(200)
  @OwnedBy('payment')
  @ApiOperation({
    summary: 'Close an open payment, at WeChat Pay too',
    description: 'If WeChat Pay says that it was paid, it becomes `succeeded` instead.',
  })
  @ApiOkResponse({ type: PaymentView })
  @Problems(
    'unauthenticated',
    'forbidden',
    'not_found',
    'payment_expired',
    'payment_not_open',
    'other_provider',
    'too_many_requests',
    'channel_rejected',
    'channel_unavailable',
    'provider_disabled',
  )
  async cancel(@Param('id') id: string, @RequestCause() cause: Cause): Promise<PaymentView> {
    return PaymentView.of(await this.payments.cancel(id, cause));
  }

  @Post(':id/sync')
  @Scope('orders')
  @InPool('channel')
  @HttpCode(200)
  @OwnedBy('payment')
  @ApiOperation({
    summary: 'Query WeChat Pay now, for the page shown after paying',
    description:
      'WeChat Pay is queried about a payment at most once a second; a further call within that second waits for the next ' +
      'query. A payment that has succeeded is returned without a query.',
  })
  @ApiOkResponse({ type: PaymentView })
  @Problems(
    'unauthenticated',
    'forbidden',
    'not_found',
    'other_provider',
    'too_many_requests',
    'channel_rejected',
    'channel_unavailable',
    'provider_disabled',
  )
  async sync(@Param('id') id: string, @RequestCause() cause: Cause): Promise<PaymentView> {
    return PaymentView.of(await this.payments.sync(id, cause));
  }
}
