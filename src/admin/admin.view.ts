import { ApiProperty } from '@nestjs/swagger';
import { CALLBACK_OUTCOMES } from '../callbacks/callback-journal.js';
import { ORDER_MOVES } from '../orders/order.entity.js';
import { PAYMENT_MOVES } from '../payments/payment.entity.js';
import { PROVIDER_NAMES } from '../provider/payment-provider.js';
import { REFUND_MOVES, REFUND_ORIGINS } from '../refunds/refund.entity.js';

/** What the rows of the operators' lists hold, for the document. The columns themselves are in `admin-lists.ts`. */
const TIME = { format: 'date-time' };
const TIME_OR_NULL = { type: String, format: 'date-time', nullable: true };
const TEXT_OR_NULL = { type: String, nullable: true };

export class AdminPaymentView {
  @ApiProperty({ example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) order_id!: string;
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) user_id!: string;
  @ApiProperty({ description: 'The same as `id`' }) out_trade_no!: string;
  @ApiProperty({ enum: PROVIDER_NAMES, enumName: 'ProviderName' }) provider!: string;
  @ApiProperty({ description: 'The merchant number', example: '1900000109' }) mchid!: string;
  @ApiProperty({ enum: Object.keys(PAYMENT_MOVES), enumName: 'PaymentStatus' }) status!: string;
  @ApiProperty({ description: 'In fen', example: 1800 }) amount!: number;
  @ApiProperty({ example: 'CNY' }) currency!: string;
  @ApiProperty({ description: 'In fen: all refunds that are neither rejected nor closed' }) reserved_amount!: number;
  @ApiProperty({ description: 'In fen: what was paid back' }) refunded_amount!: number;
  @ApiProperty({ ...TEXT_OR_NULL, description: "The channel's number" }) transaction_id!: string | null;
  @ApiProperty({ description: 'Its money came when the order could no longer take it' }) late!: boolean;
  @ApiProperty(TEXT_OR_NULL) failure_code!: string | null;
  @ApiProperty(TIME) created_at!: string;
  @ApiProperty(TIME) expires_at!: string;
  @ApiProperty(TIME_OR_NULL) started_at!: string | null;
  @ApiProperty(TIME_OR_NULL) paid_at!: string | null;
  @ApiProperty(TIME_OR_NULL) settled_at!: string | null;
  @ApiProperty({ ...TIME, description: 'When the channel is asked about it next, while it is open' })
  next_check_at!: string;
  @ApiProperty({ description: 'How often the channel was asked' }) checks!: number;
}

export class AdminOrderView {
  @ApiProperty({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) user_id!: string;
  @ApiProperty({ enum: Object.keys(ORDER_MOVES), enumName: 'OrderStatus' }) status!: string;
  @ApiProperty({ description: 'In fen', example: 1800 }) amount!: number;
  @ApiProperty({ example: 'CNY' }) currency!: string;
  @ApiProperty({ description: 'In fen' }) refunded_amount!: number;
  @ApiProperty() description!: string;
  @ApiProperty({ type: 'object', additionalProperties: true }) metadata!: Record<string, unknown>;
  @ApiProperty({ ...TEXT_OR_NULL, description: 'The payment that paid it' }) paid_payment_id!: string | null;
  @ApiProperty({ description: 'The user or the service that placed it' }) created_by!: string;
  @ApiProperty(TIME) created_at!: string;
  @ApiProperty(TIME) expires_at!: string;
  @ApiProperty(TIME_OR_NULL) paid_at!: string | null;
}

export class AdminRefundView {
  @ApiProperty({ example: 'ref_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) payment_id!: string;
  @ApiProperty({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) order_id!: string;
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) user_id!: string;
  @ApiProperty({ enum: REFUND_ORIGINS, enumName: 'RefundOrigin' }) origin!: string;
  @ApiProperty() out_refund_no!: string;
  @ApiProperty({ ...TEXT_OR_NULL, description: "The channel's number" }) refund_id!: string | null;
  @ApiProperty({ enum: PROVIDER_NAMES, enumName: 'ProviderName' }) provider!: string;
  @ApiProperty({ description: 'The merchant number', example: '1900000109' }) mchid!: string;
  @ApiProperty({ enum: Object.keys(REFUND_MOVES), enumName: 'RefundStatus' }) status!: string;
  @ApiProperty({ description: 'In fen', example: 1800 }) amount!: number;
  @ApiProperty({ example: 'CNY' }) currency!: string;
  @ApiProperty(TEXT_OR_NULL) reason!: string | null;
  @ApiProperty() requested_by!: string;
  @ApiProperty(TEXT_OR_NULL) approved_by!: string | null;
  @ApiProperty(TEXT_OR_NULL) failure_code!: string | null;
  @ApiProperty(TEXT_OR_NULL) failure_message!: string | null;
  @ApiProperty(TIME) created_at!: string;
  @ApiProperty({ ...TIME_OR_NULL, description: 'When it was first sent to the channel' }) sent_at!: string | null;
  @ApiProperty(TIME_OR_NULL) last_sent_at!: string | null;
  @ApiProperty(TIME_OR_NULL) succeeded_at!: string | null;
  @ApiProperty(TIME_OR_NULL) settled_at!: string | null;
  @ApiProperty({ ...TIME_OR_NULL, description: 'When it is sent or asked about next' }) next_check_at!: string | null;
  @ApiProperty({ description: 'How often the channel was asked' }) checks!: number;
}

export class AdminCallbackView {
  @ApiProperty({ example: 'cbk_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty(TIME) received_at!: string;
  @ApiProperty() provider!: string;
  @ApiProperty({ enum: CALLBACK_OUTCOMES, enumName: 'CallbackOutcome' }) outcome!: string;
  @ApiProperty({ description: 'What it was answered', example: 200 }) http_status!: number;
  @ApiProperty({ description: 'The address that sent it', example: '203.0.113.7' }) address!: string;
  @ApiProperty({ ...TEXT_OR_NULL, example: 'TRANSACTION.SUCCESS' }) event_type!: string | null;
  @ApiProperty({ ...TEXT_OR_NULL, description: "The channel's number of the notice" }) notification_id!: string | null;
  @ApiProperty(TEXT_OR_NULL) out_trade_no!: string | null;
  @ApiProperty(TEXT_OR_NULL) out_refund_no!: string | null;
  @ApiProperty({ ...TEXT_OR_NULL, description: 'Why it was refused' }) code!: string | null;
  @ApiProperty({ ...TEXT_OR_NULL, description: 'The serial number of the key that signed it' }) serial!: string | null;
  @ApiProperty({ description: 'Hex SHA-256 of the body, which is not kept' }) body_sha256!: string;
  @ApiProperty() body_bytes!: number;
  @ApiProperty(TEXT_OR_NULL) request_id!: string | null;
}

export class AdminNotificationView {
  @ApiProperty({ example: 'ntf_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ ...TEXT_OR_NULL, description: 'Null: for the operators' }) user_id!: string | null;
  @ApiProperty({ example: 'payment.succeeded' }) type!: string;
  @ApiProperty({ description: 'The payment, refund or case that it tells of' }) subject_id!: string;
  @ApiProperty({ type: 'object', additionalProperties: true }) data!: Record<string, unknown>;
  @ApiProperty(TIME) created_at!: string;
  @ApiProperty(TIME_OR_NULL) read_at!: string | null;
}

/** One status change of a payment, its order or one of its refunds. */
export class PaymentEventView {
  @ApiProperty({ description: 'Counts up, in the order of the events', example: '4711' }) id!: string;
  @ApiProperty(TIME) at!: string;
  @ApiProperty({ enum: ['order', 'payment', 'refund'], enumName: 'EventEntity' }) entity!: string;
  @ApiProperty(TEXT_OR_NULL) payment_id!: string | null;
  @ApiProperty(TEXT_OR_NULL) refund_id!: string | null;
  @ApiProperty({ ...TEXT_OR_NULL, description: 'Null: it was created' }) from_status!: string | null;
  @ApiProperty() to_status!: string;
  @ApiProperty({ enum: ['request', 'callback', 'command', 'timer'], enumName: 'EventCause' }) cause!: string;
  @ApiProperty({ description: "A user's id, `wechat`, `mock`, or the name of the command or timer" }) actor!: string;
  @ApiProperty(TEXT_OR_NULL) request_id!: string | null;
  @ApiProperty(TEXT_OR_NULL) note!: string | null;
}
