import { ApiPropertyOptional } from '@nestjs/swagger';
import { OrderView } from '../orders/order.view.js';
import { PaymentView, PayParamsView } from '../payments/payment.view.js';
import type { Placed } from './order-placement.js';

/** The order, and where it was placed with `start` what it is paid with. */
export class PlacedOrderView extends OrderView {
  @ApiPropertyOptional({ type: PaymentView, nullable: true, description: 'With `start`' })
  payment?: PaymentView | null;

  @ApiPropertyOptional({
    type: PayParamsView,
    nullable: true,
    description: 'With `start`: for `wx.requestPayment`; null where the order can no longer be paid',
  })
  pay_params?: PayParamsView | null;

  static ofPlaced({ order, started }: Placed): PlacedOrderView {
    const view = OrderView.of(order);
    if (!started) return view;
    const { payment, clientParams } = started;
    return { ...view, payment: payment && PaymentView.of(payment), pay_params: clientParams };
  }
}
