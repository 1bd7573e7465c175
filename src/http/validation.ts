import { type ValidationError, ValidationPipe } from '@nestjs/common';
import { DomainError, type FieldError } from '../common/errors.js';

/** Rules about the type of a value, by their names in class-validator; every other rule presupposes the right type. */
const TYPE_RULES = new Set(['isString', 'isInt', 'isObject', 'isNumber', 'isBoolean', 'isArray']);
const UNKNOWN_FIELD = 'whitelistValidation';

/**
 * Bodies and queries as their classes say: unknown fields and wrong types are refused, every field named at once. Of the
 * rules that a field breaks, the message names the first in this order: required, type, then the others as they are
 * declared.
 */
export function validation(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false, value: true },
    exceptionFactory: (errors) => {
      const fields = errors.flatMap((error) => flatten(error, ''));
      const detail = fields.map((field) => field.message).join('; ') || 'invalid request body';
      return new DomainError('invalid_request', detail, fields);
    },
  });
}

function flatten(error: ValidationError, path: string): FieldError[] {
  const field = path === '' ? error.property : `${path}.${error.property}`;
  const own = error.constraints ? [{ field, message: messageOf(field, error.value, error.constraints) }] : [];
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, field))];
}

function messageOf(field: string, value: unknown, broken: Record<string, string>): string {
  if (UNKNOWN_FIELD in broken) return `${field} is not a known field`;
  if (value === undefined) return `${field} is required`;
  // Decorators run from the last to the first, so the rules come in the reverse of their order in the source.
  const rules = Object.entries(broken).reverse();
  const [, message = 'is not valid'] = rules.find(([name]) => TYPE_RULES.has(name)) ?? rules[0] ?? [];
  return message;
}
