import { ApiProperty } from '@nestjs/swagger';
import { type Order, ORDER_MOVES, type OrderStatus } from './order.entity.js';
import type { Product } from './product.entity.js';

const EXAMPLE_TIME = '2026-11-23T08:00:00.000Z';

/** An order as clients see it: every field that goes out is listed, so that nothing leaks by accident. */
export class OrderView {
  @ApiProperty({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ type: String, nullable: true, description: "The service's own number", example: '20261130-0017' })
  external_id!: string | null;
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) user_id!: string;
  @ApiProperty({ enum: Object.keys(ORDER_MOVES), enumName: 'OrderStatus' }) status!: OrderStatus;
  @ApiProperty({ description: 'In fen', example: 1800 }) amount!: number;
  @ApiProperty({ example: 'CNY' }) currency!: string;
  @ApiProperty({ description: 'In fen', example: 0 }) refunded_amount!: number;
  @ApiProperty({ example: 'Oolong tea, 100 g' }) description!: string;
  @ApiProperty({ type: String, nullable: true, description: 'Of the catalogue' }) product_id!: string | null;
  @ApiProperty({ type: Number, nullable: true, example: 1 }) quantity!: number | null;
  @ApiProperty({ type: 'object', additionalProperties: true }) metadata!: Record<string, unknown>;
  @ApiProperty({ type: String, nullable: true, description: 'The payment that paid it' }) paid_payment_id!:
    string | null;
  @ApiProperty({ format: 'date-time', example: EXAMPLE_TIME }) created_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) paid_at!: string | null;
  @ApiProperty({ format: 'date-time', example: EXAMPLE_TIME }) expires_at!: string;

  static of(order: Order): OrderView {
    return {
      id: order.id,
      external_id: order.externalId,
      user_id: order.userId,
      status: order.status,
      amount: order.amountFen,
      currency: order.currency,
      refunded_amount: order.refundedFen,
      description: order.description,
      product_id: order.productId,
      quantity: order.quantity,
      metadata: order.metadata,
      paid_payment_id: order.paidPaymentId,
      created_at: order.createdAt.toISOString(),
      paid_at: order.paidAt?.toISOString() ?? null,
      expires_at: order.expiresAt.toISOString(),
    };
  }
}

export class OrderPage {
  @ApiProperty({ type: [OrderView] }) items!: OrderView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export class ProductView {
  @ApiProperty({ example: 'prd_01JD0000000000000000000TEA' }) id!: string;
  @ApiProperty({ example: 'Oolong tea, 100 g' }) name!: string;
  @ApiProperty({ description: 'Price in fen', example: 1800 }) amount!: number;
  @ApiProperty({ example: 'CNY' }) currency!: string;

  static of(product: Product): ProductView {
    return { id: product.id, name: product.name, amount: product.priceFen, currency: 'CNY' };
  }
}

export class ProductPage {
  @ApiProperty({ type: [ProductView] }) items!: ProductView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}
