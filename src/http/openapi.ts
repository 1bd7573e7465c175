import { applyDecorators, type Type } from '@nestjs/common';
import { ApiProperty, ApiResponse } from '@nestjs/swagger';
import { DomainError, type ErrorCode, ERRORS } from '../common/errors.js';
import { toProblem } from './problem.js';

const text = (description: string) => ({ type: 'string' as const, description });

/** The schemas of every refusal. */
export const PROBLEM_SCHEMAS = {
  ErrorCode: { type: 'string' as const, description: 'Stable: clients branch on it', enum: Object.keys(ERRORS) },
  FieldError: {
    type: 'object' as const,
    required: ['field', 'message'],
    properties: { field: text('Such as `amount` or `start.scene`'), message: text('In English, for developers') },
  },
  Problem: {
    type: 'object' as const,
    description: 'RFC 9457',
    required: ['type', 'title', 'status', 'detail', 'user_message', 'code', 'request_id'],
    properties: {
      type: { ...text('`urn:paydesk:error:` and the code'), example: 'urn:paydesk:error:not_found' },
      title: text('In English, for developers'),
      status: { type: 'integer' as const, description: 'The HTTP status' },
      detail: text('In English, for developers'),
      user_message: text('May be shown to a payer; in the language of `Content-Language`'),
      code: { $ref: '#/components/schemas/ErrorCode' },
      request_id: text('Also in the header `X-Request-Id` and in the log'),
      errors: { type: 'array' as const, items: { $ref: '#/components/schemas/FieldError' } },
    },
  },
};

/** An answer that refuses with one of these codes, which have one status. */
export function problemAnswer(codes: readonly ErrorCode[]) {
  const exampleOf = (code: ErrorCode) => ({
    value: toProblem(new DomainError(code), 'req_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', 'zh'),
  });
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('<br>'),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(codes.map((code) => [code, exampleOf(code)])),
      },
    },
  };
}

/** Documents the refusals of a route: each code with its status and an example body. */
export function Problems(...codes: ErrorCode[]): MethodDecorator & ClassDecorator {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return applyDecorators(...[...byStatus].map(([status, list]) => ApiResponse({ status, ...problemAnswer(list) })));
}

/** The class of a page of such items, for the document: `RunPage` of `RunView`. */
export function pageClass(item: Type): Type {
  class ItemPage {
    @ApiProperty({ type: [item] }) items!: unknown[];
    @ApiProperty({ type: String, nullable: true, description: '`cursor` of the next page; null: this is the last one' })
    next_cursor!: string | null;
  }
  Object.defineProperty(ItemPage, 'name', { value: item.name.replace(/View$/, 'Page') });
  return ItemPage;
}
