import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiCreatedResponse,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { InjectDataSource } from '@nestjs/typeorm';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import { type Caller, CurrentUser, Public, RequestCause, Roles, Scope } from '../auth/public.js';
import type { Cause } from '../common/cause.js';
import { pageQuery } from '../database/page.js';
import { Idempotent, NewId } from '../http/idempotency.interceptor.js';
import { ListQuery } from '../http/list-query.dto.js';
import { momentOf } from '../http/moment.validator.js';
import { Problems } from '../http/openapi.js';
import { channelWith, InPool } from '../http/pool.js';
import { validation } from '../http/validation.js';
import { OrderPage, OrderView, ProductPage, ProductView } from '../orders/order.view.js';
import { OwnedBy } from '../orders/order-owner.guard.js';
import { OrdersService } from '../orders/orders.service.js';
import { Product } from '../orders/product.entity.js';
import { PaymentPage, PaymentView } from '../payments/payment.view.js';
import { PaymentsService } from '../payments/payments.service.js';
import { OrdersQuery, ProductOrderBody, ServiceOrderBody } from './order.dto.js';
import { OrderCancellation } from './order-cancellation.js';
import { OrderPlacement } from './order-placement.js';
import { PlacedOrderView } from './placed-order.view.js';

@ApiTags('orders')
@Controller('api')
@ApiExtraModels(ProductOrderBody, ServiceOrderBody)
export class OrdersController {
  private readonly pipe = validation();

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly orders: OrdersService,
    private readonly payments: PaymentsService,
    private readonly placement: OrderPlacement,
    private readonly cancellation: OrderCancellation,
  ) {}

  @Get('products')
  @Public()
  @ApiOperation({ operationId: 'listProducts', summary: 'The catalogue' })
  @ApiOkResponse({ type: ProductPage })
  async products(): Promise<ProductPage> {
    const products = await this.db.manager.find(Product, { where: { active: true }, order: { position: 'ASC' } });
    return { items: products.map((product) => ProductView.of(product)), next_cursor: null };
  }

  @Post('orders')
  @Scope('orders')
  @InPool(channelWith('start'))
  @Roles('user', 'service')
  @Idempotent()
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Place an order',
    description:
      'By a user: a product of the catalogue. By a service: for any user, at any price, under a number of its own. With ' +
      '`start` its payment is started in the same call.',
  })
  @ApiBody({
    schema: { oneOf: [{ $ref: getSchemaPath(ProductOrderBody) }, { $ref: getSchemaPath(ServiceOrderBody) }] },
  })
  @ApiCreatedResponse({ type: PlacedOrderView, description: 'A new order' })
  @ApiOkResponse({ type: PlacedOrderView, description: 'The order that the service placed under this `external_id`' })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'external_id_conflict',
    'idempotency_in_progress',
    'invalid_metadata',
    'idempotency_key_reused',
    'payer_openid_required',
    'channel_rejected',
    'channel_unavailable',
    'provider_disabled',
    'service_unavailable',
  )
  async create(
    @CurrentUser() caller: Caller,
    @Body() body: unknown,
    @NewId('ord') id: string,
    @RequestCause() cause: Cause,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PlacedOrderView> {
    if (caller.role === 'user') return OrderView.of(await this.own(caller, body, id));
    const placed = await this.placement.place(caller.id, await this.read(ServiceOrderBody, body), id, cause);
    reply.status(placed.created ? 201 : 200);
    return PlacedOrderView.ofPlaced(placed);
  }

  private async own(caller: Caller, body: unknown, id: string) {
    const { product_id, quantity } = await this.read(ProductOrderBody, body);
    return this.orders.createForProduct(id, caller.id, product_id, quantity);
  }

  /** The two kinds of orders share a route, so the form is chosen by the caller's role. */
  private async read<T>(form: new () => T, body: unknown): Promise<T> {
    return (await this.pipe.transform(body ?? {}, { type: 'body', metatype: form })) as T;
  }

  @Get('orders')
  @Scope('read')
  @ApiBearerAuth()
  @ApiOperation({ summary: "A user's own orders, or those that a service placed, newest first" })
  @ApiOkResponse({ type: OrderPage })
  @Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden')
  async list(@CurrentUser() caller: Caller, @Query() query: OrdersQuery): Promise<OrderPage> {
    const page = pageQuery(query.limit, query.cursor);
    const filter = {
      status: query.status,
      userId: query.user_id,
      externalId: query.external_id,
      createdFrom: momentOf(query.created_from),
      createdTo: momentOf(query.created_to),
    };
    const { items, next_cursor } = await (caller.role === 'service'
      ? this.orders.listOfService(caller.id, filter, page)
      : this.orders.listOfUser(caller.id, filter, page));
    return { items: items.map((order) => OrderView.of(order)), next_cursor };
  }

  @Get('orders/:id')
  @Scope('read')
  @OwnedBy('order')
  @ApiBearerAuth()
  @ApiOperation({ summary: 'One order of the caller' })
  @ApiOkResponse({ type: OrderView })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async one(@Param('id') id: string): Promise<OrderView> {
    return OrderView.of(await this.orders.get(id));
  }

  @Get('orders/:id/payments')
  @Scope('read')
  @OwnedBy('order')
  @ApiBearerAuth()
  @ApiOperation({ operationId: 'listOrderPayments', summary: 'The payments of an order, oldest first' })
  @ApiOkResponse({ type: PaymentPage })
  @Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden', 'not_found')
  async paymentsOf(@Param('id') id: string, @Query() query: ListQuery): Promise<PaymentPage> {
    const page = await this.payments.listOfOrder(id, pageQuery(query.limit, query.cursor));
    return { items: page.items.map((payment) => PaymentView.of(payment)), next_cursor: page.next_cursor };
  }

  @Post('orders/:id/cancel')
  @Scope('orders')
  @InPool('channel')
  @HttpCode(200)
  @OwnedBy('order')
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Cancel a pending order',
    description: 'Its open payment is closed before, at WeChat Pay too. A cancelled order is returned as it is.',
  })
  @ApiOkResponse({ type: OrderView })
  @Problems(
    'unauthenticated',
    'forbidden',
    'not_found',
    'order_not_cancellable',
    'order_has_open_payment',
    'other_provider',
    'too_many_requests',
    'channel_rejected',
    'channel_unavailable',
    'provider_disabled',
  )
  async cancel(@Param('id') id: string, @RequestCause() cause: Cause): Promise<OrderView> {
    return OrderView.of(await this.cancellation.cancel(id, cause));
  }
}
