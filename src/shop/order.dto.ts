import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  IsEmpty,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Max,
  MaxLength,
  Min,
  Validate,
  ValidateNested,
  type ValidationArguments,
  ValidatorConstraint,
  type ValidatorConstraintInterface,
} from 'class-validator';
import { hiddenCharacter } from '../common/hidden-character.js';
import { MAX_AMOUNT_FEN } from '../common/money.js';
import { ExternalId } from '../http/external-id.validator.js';
import { OneOf, UserFilter } from '../http/filters.js';
import { ListQuery } from '../http/list-query.dto.js';
import { IsMoment } from '../http/moment.validator.js';
import { NoControlCharacters } from '../http/text.validator.js';
import { ORDER_MOVES, type OrderStatus } from '../orders/order.entity.js';
import { Appid, Openid } from './openid.validator.js';

/** Bytes that an order's metadata may take as JSON. */
const METADATA_BYTES = 4096;

/** The first invisible character of a value, in names too. Texts may have several lines. */
function hiddenIn(value: unknown): string | null {
  if (typeof value === 'string') return hiddenCharacter(value, '\t\n\r');
  if (typeof value !== 'object' || value === null) return null;
  for (const [name, inner] of Object.entries(value)) {
    const found = hiddenCharacter(name) ?? hiddenIn(inner);
    if (found !== null) return found;
  }
  return null;
}

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

@ValidatorConstraint({ name: 'metadata' })
class Metadata implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return sizeOf(value) <= METADATA_BYTES && hiddenIn(value) === null;
  }

  defaultMessage({ value }: ValidationArguments): string {
    return sizeOf(value) > METADATA_BYTES
      ? `metadata must be at most ${METADATA_BYTES} bytes of JSON`
      : `metadata must not contain control or invisible characters (found ${hiddenIn(value)})`;
  }
}

/** A user's order: a product of the catalogue. The price is the server's. */
export class ProductOrderBody {
  @ApiProperty({ example: 'prd_01JD0000000000000000000TEA' })
  @IsString()
  @MaxLength(64)
  @NoControlCharacters()
  product_id!: string;

  @ApiProperty({ minimum: 1, maximum: 1000, example: 1 })
  @IsInt()
  @Min(1)
  @Max(1000)
  quantity!: number;
}

/** WeChat Pay raises an earlier end to a minute and lowers a later one to 15 days. */
const MIN_EXPIRES_IN = 60;
const MAX_EXPIRES_IN = 15 * 86_400;

/** How a payment can be started. */
const SCENES = ['jsapi'] as const;

class PayerBody {
  @Openid()
  @IsOptional()
  openid?: string;

  @Appid()
  appid?: string;
}

class StartBody {
  @ApiProperty({
    enum: SCENES,
    enumName: 'Scene',
    description: '`jsapi`: with `wx.requestPayment` in the mini-program',
  })
  @IsIn(SCENES)
  scene!: (typeof SCENES)[number];
}

/** An order of a shop's own backend. */
export class ServiceOrderBody {
  @ExternalId("The service's own number of the order, unique for it for ever: the same request again is the same order")
  external_id?: string;

  @ApiPropertyOptional({ description: 'Who pays; or `payer`', example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  @NoControlCharacters()
  user_id?: string;

  @ApiPropertyOptional({ description: 'Who pays, where the shop logged its user in itself; or `user_id`' })
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => PayerBody)
  payer?: PayerBody;

  @ApiProperty({ description: "Shown in the payer's bill", maxLength: 127, example: 'Two cups of tea' })
  @IsString()
  @Length(1, 127)
  @NoControlCharacters()
  description!: string;

  @ApiProperty({ description: 'In fen', minimum: 1, maximum: MAX_AMOUNT_FEN, example: 1800 })
  @IsInt()
  @Min(1)
  @Max(MAX_AMOUNT_FEN)
  amount!: number;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: `The shop's own data, a JSON object of at most ${METADATA_BYTES} bytes`,
    example: { cart: 'c-17' },
  })
  @IsOptional()
  // As it came: class-transformer's copy would leave out names such as `toString`.
  @Transform(({ obj }: { obj: { metadata?: unknown } }) => obj.metadata)
  @IsObject()
  @Validate(Metadata)
  metadata?: Record<string, unknown>;

  @ApiPropertyOptional({
    description:
      'Seconds in which it may be paid; left out, each payment of the order has the time that the server is configured for',
    minimum: MIN_EXPIRES_IN,
    maximum: MAX_EXPIRES_IN,
    example: 1800,
  })
  @IsOptional()
  @IsInt()
  @Min(MIN_EXPIRES_IN)
  @Max(MAX_EXPIRES_IN)
  expires_in?: number;

  @ApiPropertyOptional({ description: 'The merchant. There is one on this server: must be left out' })
  @IsEmpty({ message: 'merchant must be left out: this server has one merchant' })
  merchant?: string;

  @ApiPropertyOptional({
    description: 'Starts the payment in the same call: the answer has `payment` and `pay_params`',
  })
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => StartBody)
  start?: StartBody;
}

/** Orders by what is known of them. */
export class OrdersQuery extends ListQuery {
  @ExternalId('The order with this number of the service')
  external_id?: string;

  @OneOf(Object.keys(ORDER_MOVES), 'OrderStatus')
  status?: OrderStatus;

  @UserFilter()
  user_id?: string;

  @IsMoment('Created at this moment or later')
  created_from?: string;

  @IsMoment('Created before this moment')
  created_to?: string;
}
