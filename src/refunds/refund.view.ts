import { ApiProperty } from '@nestjs/swagger';
import { type Refund, REFUND_MOVES, REFUND_ORIGINS, type RefundOrigin, type RefundStatus } from './refund.entity.js';

class RefundFailureView {
  @ApiProperty({ description: 'The code of WeChat Pay or of Paydesk', example: 'NOT_ENOUGH' }) code!: string;
  @ApiProperty({ type: String, nullable: true }) message!: string | null;
}

export class RefundView {
  @ApiProperty({ example: 'ref_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ type: String, nullable: true, description: "The service's own number", example: '20261130-0017-r1' })
  external_id!: string | null;
  @ApiProperty({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) order_id!: string;
  @ApiProperty({ example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) payment_id!: string;
  @ApiProperty({
    enum: REFUND_ORIGINS,
    enumName: 'RefundOrigin',
    description: '`console`: made in the merchant console of WeChat Pay and taken over from there',
  })
  origin!: RefundOrigin;
  @ApiProperty({ description: 'The same as `id`; the number that the console gave, if it was made there' })
  out_refund_no!: string;
  @ApiProperty({ type: String, nullable: true, description: "The channel's number" }) refund_id!: string | null;
  @ApiProperty({ enum: Object.keys(REFUND_MOVES), enumName: 'RefundStatus' })
  status!: RefundStatus;
  @ApiProperty({ description: 'In fen', example: 1800 }) amount!: number;
  @ApiProperty({ example: 'CNY' }) currency!: string;
  @ApiProperty({ type: String, nullable: true }) reason!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) succeeded_at!: string | null;
  @ApiProperty({ type: RefundFailureView, nullable: true }) failure!: RefundFailureView | null;

  static of(refund: Refund): RefundView {
    return {
      id: refund.id,
      external_id: refund.externalId,
      order_id: refund.orderId,
      payment_id: refund.paymentId,
      origin: refund.origin,
      out_refund_no: refund.outRefundNo,
      refund_id: refund.refundId,
      status: refund.status,
      amount: refund.amountFen,
      currency: refund.currency,
      reason: refund.reason,
      created_at: refund.createdAt.toISOString(),
      succeeded_at: refund.succeededAt?.toISOString() ?? null,
      failure: refund.failureCode === null ? null : { code: refund.failureCode, message: refund.failureMessage },
    };
  }
}

export class RefundPage {
  @ApiProperty({ type: [RefundView] }) items!: RefundView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}
