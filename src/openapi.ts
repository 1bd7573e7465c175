import { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { ERRORS } from './common/errors.js';
import { titleOf } from './config/describe-channel.js';
import type { Settings } from './config/settings.js';

const PROBLEM = {
  type: 'object' as const,
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string' as const, example: 'urn:paydesk:error:not_found' },
    title: { type: 'string' as const },
    status: { type: 'integer' as const },
    detail: { type: 'string' as const },
    code: { type: 'string' as const, enum: Object.keys(ERRORS) },
    request_id: { type: 'string' as const },
    errors: {
      type: 'array' as const,
      items: {
        type: 'object' as const,
        properties: { field: { type: 'string' as const }, message: { type: 'string' as const } },
      },
    },
  },
};

/** Routes that only the mock provider has: left out of the document where they answer 404. */
const MOCK_ONLY = ['/api/payments/{id}/succeed', '/api/payments/callback/mock'];

/** The OpenAPI document of the routes that this configuration really serves. */
export function openApiDocument(app: NestFastifyApplication, settings: Settings): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Paydesk')
    .setDescription(
      'Payment backend of a WeChat mini-program shop. Amounts are integers in fen, times RFC 3339 in UTC, errors RFC 9457 ' +
        'problem+json with a stable `code`. Every path answers with and without its trailing slash. ' +
        `Provider: ${titleOf(settings.channel)}.`,
    )
    .setVersion('1')
    .addBearerAuth()
    .build();
  const document = SwaggerModule.createDocument(app, config);
  document.components = { ...document.components, schemas: { ...document.components?.schemas, Problem: PROBLEM } };
  for (const path of Object.values(document.paths)) for (const call of Object.values(path)) mayBeRefused(call);
  if (!settings.mockEnabled) for (const path of MOCK_ONLY) delete document.paths[path];
  return document;
}

/** Whatever is asked may be refused with 503 when too much is asked. */
function mayBeRefused(call: unknown): void {
  const { responses } = call as { responses?: Record<string, unknown> };
  if (!responses) return;
  responses['503'] ??= {
    description: `\`service_unavailable\`: ${ERRORS.service_unavailable.title}, after the number of seconds in \`Retry-After\``,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

/** `/openapi.json` and the page `/docs` that reads it. */
export function serveDocs(app: NestFastifyApplication, document: OpenAPIObject): void {
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', yamlDocumentUrl: 'openapi.yaml' });
}
