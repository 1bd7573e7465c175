import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
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
import { DataSource } from 'typeorm';
import { type Caller, CurrentUser, Public, Roles, Scope } from '../auth/public.js';
import { UsersService } from '../auth/users.service.js';
import { invalidField } from '../common/errors.js';
import { pageQuery } from '../database/page.js';
import { Idempotent, NewId } from '../http/idempotency.interceptor.js';
import { ListQuery } from '../http/list-query.dto.js';
import { Problems } from '../http/openapi.js';
import { validation } from '../http/validation.js';
import { ProductOrderBody, ServiceOrderBody } from './order.dto.js';
import { OrderPage, OrderView, ProductPage, ProductView } from './order.view.js';
import { OwnedBy } from './order-owner.guard.js';
import { OrdersService } from './orders.service.js';
import { Product } from './product.entity.js';

@ApiTags('orders')
@Controller('api')
@ApiExtraModels(ProductOrderBody, ServiceOrderBody)
export class OrdersController {
  private readonly pipe = validation();

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly orders: OrdersService,
    private readonly users: UsersService,
  ) {}

  @Get('products')
  @Public()
  @ApiOperation({ summary: 'The catalogue' })
  @ApiOkResponse({ type: ProductPage })
  async products(): Promise<ProductPage> {
    const products = await this.db.manager.find(Product, { where: { active: true }, order: { position: 'ASC' } });
    return { items: products.map((product) => ProductView.of(product)), next_cursor: null };
  }

  @Post('orders')
  @Scope('orders')
  @Roles('user', 'service')
  @Idempotent()
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Place an order',
    description: 'With a user token: a product of the catalogue. With a service token: for any user, at any price.',
  })
  @ApiBody({
    schema: { oneOf: [{ $ref: getSchemaPath(ProductOrderBody) }, { $ref: getSchemaPath(ServiceOrderBody) }] },
  })
  @ApiCreatedResponse({ type: OrderView })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'idempotency_in_progress',
    'invalid_metadata',
    'idempotency_key_reused',
    'service_unavailable',
  )
  async create(@CurrentUser() caller: Caller, @Body() body: unknown, @NewId('ord') id: string): Promise<OrderView> {
    return OrderView.of(
      caller.role === 'service' ? await this.forUser(caller, body, id) : await this.own(caller, body, id),
    );
  }

  private async own(caller: Caller, body: unknown, id: string) {
    const { product_id, quantity } = await this.read(ProductOrderBody, body);
    return this.orders.createForProduct(id, caller.id, product_id, quantity);
  }

  private async forUser(caller: Caller, body: unknown, id: string) {
    const { user_id, description, amount, metadata } = await this.read(ServiceOrderBody, body);
    if (!(await this.users.exists(user_id))) throw invalidField('user_id', 'is not a known user');
    return this.orders.create({
      id,
      userId: user_id,
      createdBy: caller.id,
      service: caller.id,
      externalId: null,
      expiresIn: null,
      description,
      amountFen: amount,
      metadata: metadata ?? {},
      productId: null,
      quantity: null,
    });
  }

  /** The two kinds of orders share a route, so the form is chosen by the caller's role. */
  private async read<T>(form: new () => T, body: unknown): Promise<T> {
    return (await this.pipe.transform(body ?? {}, { type: 'body', metatype: form })) as T;
  }

  @Get('orders')
  @Scope('read')
  @ApiBearerAuth()
  @ApiOperation({ summary: "The caller's own orders, newest first" })
  @ApiOkResponse({ type: OrderPage })
  @Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden')
  async list(@CurrentUser() caller: Caller, @Query() query: ListQuery): Promise<OrderPage> {
    const page = await this.orders.list(caller.id, pageQuery(query.limit, query.cursor));
    return { items: page.items.map((order) => OrderView.of(order)), next_cursor: page.next_cursor };
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
}
