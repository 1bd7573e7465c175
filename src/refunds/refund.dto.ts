import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Matches, Max, Min, ValidateIf } from 'class-validator';
import { MAX_AMOUNT_FEN } from '../common/money.js';
import { ExternalId } from '../http/external-id.validator.js';
import { ListQuery } from '../http/list-query.dto.js';
import { MaxBytes, NoControlCharacters } from '../http/text.validator.js';
import { BANK_TYPES } from '../provider/bank-types.js';
import type { AbnormalRefundTarget } from '../provider/payment-provider.js';

export class RefundBody {
  @ApiPropertyOptional({ description: 'Or `order_id`', example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsOptional()
  @IsString()
  payment_id?: string;

  @ApiPropertyOptional({
    description: 'The order whose payment is refunded; or `payment_id`',
    example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB',
  })
  @IsOptional()
  @IsString()
  order_id?: string;

  @ExternalId(
    "The service's own number of the refund, unique for it for ever: the same request again is the same refund",
  )
  external_id?: string;

  @ApiPropertyOptional({
    description: 'In fen; default: the whole remaining amount',
    minimum: 1,
    maximum: MAX_AMOUNT_FEN,
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(MAX_AMOUNT_FEN)
  amount?: number;

  @ApiPropertyOptional({ description: 'Shown to the payer; at most 80 bytes in UTF-8', example: 'The cup was broken' })
  @IsOptional()
  @IsString()
  @MaxBytes(80)
  @NoControlCharacters()
  reason?: string;

  @ApiPropertyOptional({ description: 'Approves it in the same call. By services and operators', default: false })
  @IsOptional()
  @IsBoolean()
  approve?: boolean;
}

export class RejectBody {
  @ApiProperty({ example: 'The goods were not sent back' })
  @IsString()
  @Length(1, 200)
  @NoControlCharacters()
  reason!: string;
}

/** A merchant's number of a refund (`out_refund_no`), whoever gave it (manual, page 4013071036). */
export const OUT_REFUND_NO = /^[\w|*@-]{1,64}$/;

export class SyncConsoleRefundBody {
  @ApiProperty({ example: '50300008062025113012345678901234', maxLength: 64 })
  @IsString()
  @Matches(OUT_REFUND_NO, { message: 'out_refund_no must be 1 to 64 letters, digits or _ - | * @' })
  out_refund_no!: string;
}

/** Of a payment, of an order, or the one with a number of the service: one of these is given. */
export class RefundsQuery extends ListQuery {
  @ApiPropertyOptional({ description: 'Or `order_id`, or `external_id`', example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsOptional()
  @IsString()
  payment_id?: string;

  @ApiPropertyOptional({ example: 'ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsOptional()
  @IsString()
  order_id?: string;

  @ExternalId('The refund with this number of the service')
  external_id?: string;
}

const TARGETS = ['merchant_card', 'user_card'] as const;

export class RetryAbnormalBody {
  @ApiProperty({
    enum: TARGETS,
    enumName: 'AbnormalRefundTarget',
    description: "The merchant's settlement account, or a card of the payer",
  })
  @IsIn(TARGETS)
  to!: 'merchant_card' | 'user_card';

  @ApiPropertyOptional({ enum: BANK_TYPES, enumName: 'BankType', description: 'With `user_card`' })
  @ValidateIf((body: RetryAbnormalBody) => body.to === 'user_card' || body.bank_type !== undefined)
  @IsIn(BANK_TYPES)
  bank_type?: string;

  @ApiPropertyOptional({
    description: 'With `user_card`. Encrypted immediately and never stored',
    example: '6222020000000000000',
  })
  @ValidateIf((body: RetryAbnormalBody) => body.to === 'user_card' || body.bank_account !== undefined)
  @IsString()
  @Matches(/^\d{8,32}$/, { message: 'bank_account must be a card number of 8 to 32 digits' })
  bank_account?: string;

  @ApiPropertyOptional({
    description: "With `user_card`: the card holder's name. Encrypted immediately and never stored",
  })
  @ValidateIf((body: RetryAbnormalBody) => body.to === 'user_card' || body.real_name !== undefined)
  @IsString()
  @Length(1, 60)
  @NoControlCharacters()
  real_name?: string;

  static target({ to, bank_type, bank_account, real_name }: RetryAbnormalBody): AbnormalRefundTarget {
    if (to === 'merchant_card') return { to };
    return { to, bankType: bank_type ?? '', bankAccount: bank_account ?? '', realName: real_name ?? '' };
  }
}
