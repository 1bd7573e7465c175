import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsISO8601, IsOptional, Matches } from 'class-validator';

/** RFC 3339, or a day of it. ISO 8601 has more that is not meant here: weeks, ordinal days, fractions of an hour. */
const MOMENT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?$/;
const MOMENT_FORM = { message: '$property must be a time in RFC 3339, such as 2026-11-23T08:00:00Z' };

/** A filter by time. */
export function IsMoment(description: string): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ format: 'date-time', description }),
    IsOptional(),
    IsISO8601({ strict: true }, MOMENT_FORM),
    Matches(MOMENT, MOMENT_FORM),
  );
}

/** Read here and not by PostgreSQL, which knows fewer offsets than RFC 3339 has. */
export function momentOf(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
