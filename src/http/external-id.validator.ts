import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Length } from 'class-validator';
import { NoControlCharacters } from './text.validator.js';

/** A number that a service gave something itself: 1 to 64 visible characters. */
export function ExternalId(description: string): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ description, minLength: 1, maxLength: 64, example: '20261130-0017' }),
    IsOptional(),
    IsString(),
    Length(1, 64),
    NoControlCharacters(),
  );
}
