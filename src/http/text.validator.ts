import {
  Validate,
  type ValidationArguments,
  ValidatorConstraint,
  type ValidatorConstraintInterface,
} from 'class-validator';
import { hiddenCharacter } from '../common/hidden-character.js';

@ValidatorConstraint({ name: 'printable' })
class NoControlCharactersConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return typeof value === 'string' && hiddenCharacter(value) === null;
  }

  defaultMessage({ property, value }: ValidationArguments): string {
    return `${property} must not contain control or invisible characters (found ${hiddenCharacter(String(value))})`;
  }
}

@ValidatorConstraint({ name: 'maxBytes' })
class MaxBytesConstraint implements ValidatorConstraintInterface {
  validate(value: unknown, { constraints }: ValidationArguments): boolean {
    return typeof value === 'string' && Buffer.byteLength(value) <= (constraints[0] as number);
  }

  defaultMessage(): string {
    return '$property must be at most $constraint1 bytes in UTF-8';
  }
}

/** One line of text without control or invisible characters; emoji are fine. */
export const NoControlCharacters = (): PropertyDecorator => Validate(NoControlCharactersConstraint);

/** A limit in bytes of UTF-8, as WeChat Pay counts a refund's reason. */
export const MaxBytes = (bytes: number): PropertyDecorator => Validate(MaxBytesConstraint, [bytes]);
