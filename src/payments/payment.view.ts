import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { PROVIDER_NAMES } from '../provider/payment-provider.js';
import type { PayParams } from '../provider/prepay.js';
import { type Payment, PAYMENT_MOVES, type PaymentStatus } from './payment.entity.js';

@ApiSchema({ name: 'PaymentFailure' })
class FailureView {
  @ApiProperty({ description: 'The code of WeChat Pay', example: 'NOT_ENOUGH' }) code!: string;
}

export class PaymentView {
  @ApiProperty({ example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) order_id!: string;
  @ApiProperty({ description: 'The same as `id`', example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) out_trade_no!: string;
  @ApiProperty({ enum: PROVIDER_NAMES, enumName: 'ProviderName' }) provider!: string;
  @ApiProperty({ enum: Object.keys(PAYMENT_MOVES), enumName: 'PaymentStatus' }) status!: PaymentStatus;
  @ApiProperty({ description: 'In fen', example: 1800 }) amount!: number;
  @ApiProperty({ example: 'CNY' }) currency!: string;
  @ApiProperty({ description: 'Refunded, in fen', example: 0 }) refunded_amount!: number;
  @ApiProperty({ type: String, nullable: true, description: "The channel's number" }) transaction_id!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) paid_at!: string | null;
  @ApiProperty({ type: FailureView, nullable: true }) failure!: FailureView | null;

  static of(payment: Payment): PaymentView {
    return {
      id: payment.id,
      order_id: payment.orderId,
      out_trade_no: payment.id,
      provider: payment.provider,
      status: payment.status,
      amount: payment.amountFen,
      currency: payment.currency,
      refunded_amount: payment.refundedFen,
      transaction_id: payment.transactionId,
      created_at: payment.createdAt.toISOString(),
      expires_at: payment.expiresAt.toISOString(),
      paid_at: payment.paidAt?.toISOString() ?? null,
      failure: payment.failureCode === null ? null : { code: payment.failureCode },
    };
  }
}

export class PaymentPage {
  @ApiProperty({ type: [PaymentView] }) items!: PaymentView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/** The arguments of `wx.requestPayment`, to be handed on as they are. */
export class PayParamsView implements PayParams {
  @ApiProperty({ description: 'Unix time in seconds, as a string', example: '1763884800' }) timeStamp!: string;
  @ApiProperty() nonceStr!: string;
  @ApiProperty({ example: 'prepay_id=wx201410272009395522657a690389285100' }) package!: string;
  @ApiProperty({ description: '`RSA`; with the mock provider `HMAC-SHA256`', example: 'RSA' }) signType!: string;
  @ApiProperty() paySign!: string;
}

@ApiSchema({ name: 'StartedPayment' })
export class StartedView {
  @ApiProperty() payment!: PaymentView;
  @ApiProperty() pay_params!: PayParamsView;
}
