import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsISO8601, IsOptional, IsString, Length, Matches } from 'class-validator';
import { ListQuery } from '../http/list-query.js';
import { Printable } from '../http/text.validator.js';

const WORD = /^[a-z_]{1,32}$/;

/** RFC 3339, or a day of it. ISO 8601 has more that is not meant here: weeks, ordinal days, fractions of an hour. */
const MOMENT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?$/;
const MOMENT_FORM = { message: '$property must be a time in RFC 3339' };

/** Filters that every operators' list takes; one that a list does not know finds nothing it could exclude. */
export class AdminQuery extends ListQuery {
  @ApiPropertyOptional({ example: 'processing' })
  @IsOptional()
  @Matches(WORD)
  status?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Created at this moment or later' })
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(MOMENT, MOMENT_FORM)
  from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Created before this moment' })
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(MOMENT, MOMENT_FORM)
  to?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @Length(1, 64)
  @Printable()
  user_id?: string;

  @ApiPropertyOptional({ example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsOptional()
  @Matches(/^[\w|*-]{1,32}$/)
  out_trade_no?: string;
}

export class DiscrepancyQuery extends AdminQuery {
  @ApiPropertyOptional({ example: 'late_payment' })
  @IsOptional()
  @Matches(WORD)
  type?: string;
}
