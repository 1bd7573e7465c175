import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsObject, IsOptional, IsString, Length, Max, MaxLength, Min, Validate } from 'class-validator';
import { type ValidationArguments, ValidatorConstraint, type ValidatorConstraintInterface } from 'class-validator';
import { hiddenCharacter } from '../common/hidden-character.js';
import { MAX_AMOUNT_FEN } from '../common/money.js';
import { NoControlCharacters } from '../http/text.validator.js';

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

/** An order of a shop's own backend. */
export class ServiceOrderBody {
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsString()
  @Length(1, 64)
  @NoControlCharacters()
  user_id!: string;

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
}
