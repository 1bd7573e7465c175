import {
  Validate,
  ValidatorConstraint,
  type ValidationArguments,
  type ValidatorConstraintInterface,
} from 'class-validator';

/** PostgreSQL text holds no NUL and no half of a surrogate pair, and what cannot be shown cannot be meant. */
@ValidatorConstraint({ name: 'printable' })
class PrintableConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return typeof value === 'string' && !/\p{Cc}|\p{Cs}/u.test(value);
  }

  defaultMessage(): string {
    return '$property must not hold control characters';
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

export const Printable = (): PropertyDecorator => Validate(PrintableConstraint);

/** A limit in bytes of UTF-8, as WeChat Pay counts a refund's reason. */
export const MaxBytes = (bytes: number): PropertyDecorator => Validate(MaxBytesConstraint, [bytes]);
