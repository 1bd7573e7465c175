import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { DomainError, type ErrorCode, ERRORS } from '../common/errors.js';
import { toProblem } from './problem.js';

/** Documents the refusals of a route: each code with its status and an example body. */
export function Problems(...codes: ErrorCode[]): MethodDecorator & ClassDecorator {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return applyDecorators(
    ...[...byStatus].map(([status, list]) =>
      ApiResponse({
        status,
        description: list.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('<br>'),
        content: {
          'application/problem+json': {
            schema: { $ref: '#/components/schemas/Problem' },
            examples: Object.fromEntries(
              list.map((code) => [
                code,
                { value: toProblem(new DomainError(code), 'req_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', 'zh') },
              ]),
            ),
          },
        },
      }),
    ),
  );
}
