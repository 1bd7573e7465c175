import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length } from 'class-validator';
import { NoControlCharacters } from './text.validator.js';

/** A filter by a word of a list. Any other word is refused: it would find nothing, and look as if nothing were there. */
export function OneOf(values: readonly string[], enumName: string): PropertyDecorator {
  return applyDecorators(ApiPropertyOptional({ enum: values, enumName }), IsOptional(), IsIn(values));
}

/** A filter by the user who pays. */
export function UserFilter(): PropertyDecorator {
  return applyDecorators(ApiPropertyOptional(), IsOptional(), IsString(), Length(1, 64), NoControlCharacters());
}
