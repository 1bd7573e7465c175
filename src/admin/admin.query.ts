import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsISO8601, IsOptional, IsString, Length, Matches } from 'class-validator';
import { ListQuery } from '../http/list-query.js';

const WORD = /^[a-z_]{1,32}$/;

/** Filters that every operators' list takes; one that a list does not know finds nothing it could exclude. */
export class AdminQuery extends ListQuery {
  @ApiPropertyOptional({ example: 'processing' })
  @IsOptional()
  @Matches(WORD)
  status?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Created at this moment or later' })
  @IsOptional()
  @IsISO8601({ strict: true })
  from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Created before this moment' })
  @IsOptional()
  @IsISO8601({ strict: true })
  to?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @Length(1, 64)
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
