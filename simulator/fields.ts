import { badField, type Location, NUMBERS } from './api-error.js';

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json | undefined;
}

interface Common {
  required?: boolean;
  /** A rule no type can say; answers what is wrong, or nothing. */
  check?: (value: Json) => string | undefined;
}

/** What one field of a request may hold. Lengths count characters, or bytes of UTF-8 if `bytes` is set. */
export type Field = Common &
  (
    | { is: 'text'; max: number; bytes?: boolean; pattern?: RegExp; oneOf?: readonly string[] }
    | { is: 'int'; min?: number; max?: number }
    | { is: 'number'; min?: number; max?: number }
    | { is: 'bool' }
    | { is: 'object'; fields: Fields; maxBytes?: number }
    | { is: 'list'; of: Field; min?: number }
  );

export type Fields = Readonly<Record<string, Field>>;

/** Shorthands, so that a form reads like the table of the manual it was taken from. */
export const text = (max: number, more: Partial<Extract<Field, { is: 'text' }>> = {}): Field => ({
  is: 'text',
  max,
  ...more,
});
export const int = (min?: number, max?: number): Field => ({ is: 'int', min, max });
export const bool = (): Field => ({ is: 'bool' });
export const object = (fields: Fields, more: { maxBytes?: number; check?: Common['check'] } = {}): Field => ({
  is: 'object',
  fields,
  ...more,
});
export const list = (of: Field, min = 0): Field => ({ is: 'list', of, min });
export const required = (field: Field): Field => ({ ...field, required: true });

/**
 * Holds a request against its form, as strictly as WeChat Pay does: types, lengths, character sets, missing and unknown
 * fields, nulls. The result is the same object, now known to have the form's shape.
 * @throws ApiError PARAM_ERROR whose `detail` names the field as a JSON pointer
 */
export function fill<T>(fields: Fields, value: Json | undefined, location: Location = 'body'): T {
  checkObject({ is: 'object', fields }, value, '', location);
  return value as T;
}

function checkField(field: Field, value: Json | undefined, pointer: string, location: Location): void {
  const wrong = (issue: string, number?: number, shown: Json | undefined = value): never => {
    throw badField(location, pointer, shown, issue, number);
  };
  if (value === null || value === undefined) return wrong('字段不能为 null');
  switch (field.is) {
    case 'text':
      checkText(field, value, wrong);
      break;
    case 'int':
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return wrong('需要整数');
      checkRange(field, value, wrong);
      break;
    case 'number':
      if (typeof value !== 'number') return wrong('需要数字');
      checkRange(field, value, wrong);
      break;
    case 'bool':
      if (typeof value !== 'boolean') return wrong('需要布尔值');
      break;
    case 'object':
      checkObject(field, value, pointer, location);
      break;
    case 'list':
      checkList(field, value, pointer, location);
      break;
  }
  const issue = field.check?.(value);
  if (issue !== undefined) wrong(issue);
}

/** `shown` is what `detail.value` says, if not the value itself. */
type Wrong = (issue: string, number?: number, shown?: Json) => never;

function checkText(field: Extract<Field, { is: 'text' }>, value: Json, wrong: Wrong): void {
  if (typeof value !== 'string') return wrong('需要字符串');
  // A character beyond the basic plane takes four bytes in UTF-8, which the gateway does not take.
  if (/[\u{10000}-\u{10ffff}]/u.test(value)) return wrong('包含无法识别的字符');
  const length = field.bytes ? Buffer.byteLength(value) : value.length;
  const counted = `${field.bytes ? '字节数' : '字符数'} ${length}`;
  // A length that is wrong is shown in the place of the value.
  if (length === 0) return wrong(`${counted}，小于最小值 1`, NUMBERS.tooShort, length);
  if (length > field.max) return wrong(`${counted}，大于最大值 ${field.max}`, NUMBERS.outOfRange, length);
  if (field.oneOf && !field.oneOf.includes(value)) return wrong(`取值应为 ${field.oneOf.join(', ')}`);
  if (field.pattern && !field.pattern.test(value)) return wrong('格式不符合要求');
}

function checkRange(field: { min?: number; max?: number }, value: number, wrong: Wrong): void {
  if (field.min !== undefined && value < field.min) return wrong(`不能小于${field.min}`, NUMBERS.outOfRange);
  if (field.max !== undefined && value > field.max) return wrong(`不能大于${field.max}`, NUMBERS.outOfRange);
}

function checkList(
  field: Extract<Field, { is: 'list' }>,
  value: Json | undefined,
  pointer: string,
  location: Location,
): void {
  if (!Array.isArray(value)) throw badField(location, pointer, value, '需要数组');
  if (value.length < (field.min ?? 0)) throw badField(location, pointer, value, '数组元素过少');
  value.forEach((item, index) => checkField(field.of, item, `${pointer}/${index}`, location));
}

function checkObject(
  field: Extract<Field, { is: 'object' }>,
  value: Json | undefined,
  pointer: string,
  location: Location,
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badField(location, pointer, value, '需要 JSON 对象');
  }
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(field.fields, key)) {
      throw badField(location, `${pointer}/${key}`, value[key], '请求中包含未定义的参数', NUMBERS.unknownField);
    }
  }
  for (const [key, inner] of Object.entries(field.fields)) {
    if (Object.hasOwn(value, key)) checkField(inner, value[key], `${pointer}/${key}`, location);
    else if (inner.required) throw badField(location, `${pointer}/${key}`, '', '缺少必填参数');
  }
  if (field.maxBytes !== undefined && Buffer.byteLength(JSON.stringify(value)) > field.maxBytes) {
    throw badField(location, pointer, value, `长度不能超过${field.maxBytes}字节`, NUMBERS.outOfRange);
  }
}

/** The same text for the same values in whatever order the keys came, to compare a repeat with the first call. */
export function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}
