import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsObject, IsOptional, IsString, Length, Max, MaxLength, Min, Validate } from 'class-validator';
import { ValidatorConstraint, type ValidatorConstraintInterface } from 'class-validator';
import { MAX_AMOUNT_FEN } from '../common/money.js';
import { Printable } from '../http/text.validator.js';

/** Bytes that an order's metadata may take as JSON. */
const METADATA_BYTES = 4096;

/** NUL and half a surrogate pair are text to JSON, but not to PostgreSQL. */
const UNSTORABLE = /\0|\p{Cs}/u;

function storable(value: unknown): boolean {
  if (typeof value === 'string') return !UNSTORABLE.test(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, inner]) => !UNSTORABLE.test(key) && storable(inner));
}

@ValidatorConstraint({ name: 'metadata' })
class Metadata implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return Buffer.byteLength(JSON.stringify(value) ?? '') <= METADATA_BYTES && storable(value);
  }

  defaultMessage(): string {
    return `metadata must be at most ${METADATA_BYTES} bytes of JSON, without NUL characters`;
  }
}

/** A user's order: a product of the catalogue. The price is the server's. */
export class ProductOrderBody {
  @ApiProperty({ example: 'prd_01JD0000000000000000000TEA' })
  @IsString()
  @MaxLength(64)
  @Printable()
  product_id!: string;

  @ApiProperty({ minimum: 1, maximum: 1000, example: 1 })
  @IsInt()
  @Min(1)
  @Max(1000)
  quantity!: number;
}

/** An order of a shop's own backend. */
export class ServiceOrderBody {
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsString()
  @Length(1, 64)
  @Printable()
  user_id!: string;

  @ApiProperty({ description: "Shown in the payer's bill", maxLength: 127, example: 'Two cups of tea' })
  @IsString()
  @Length(1, 127)
  @Printable()
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
}
