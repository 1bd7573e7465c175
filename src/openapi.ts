import { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { titleOf } from './config/describe-channel.js';
import type { Settings } from './config/settings.js';
import { finishDocument } from './http/finish-document.js';
import { PROBLEM_SCHEMAS } from './http/openapi.js';

const DESCRIPTION = `Payment backend of a WeChat mini-program shop.

- Amounts are whole fen (1 = ¥0.01), times RFC 3339 in UTC.
- Every path answers with and without its trailing slash.
- Refusals are RFC 9457 \`application/problem+json\` with a stable \`code\`; \`user_message\` may be shown to a payer, in Chinese or
  English as \`Accept-Language\` prefers.
- A POST that creates takes an \`Idempotency-Key\`: sent again with the same key and body it answers the same.
- Objects may get further fields: clients ignore those that they do not know.`;

const TAGS: readonly [name: string, description: string][] = [
  ['login', 'The mini-program logs its user in'],
  ['users', "Users whom a shop's own backend has logged in"],
  ['orders', 'The catalogue, and what is bought'],
  ['payments', 'Attempts to pay an order'],
  ['refunds', 'Money that goes back to the payer'],
  ['events', "What happened to a service's orders, in a stable order"],
  ['notifications', 'What a user is told'],
  ['callbacks', 'Where WeChat Pay, or the mock provider, tells what became of a payment or a refund'],
  ['operators', 'For people who look after payments: role `operator`'],
  ['health', 'For the machines that look after the service'],
];

/** Routes that only the mock provider has: left out of the document where they answer 404. */
const MOCK_ONLY = ['/api/payments/{id}/succeed', '/api/payments/callback/mock'];

/** The OpenAPI 3.1 document of the routes that this configuration really serves. */
export function openApiDocument(app: NestFastifyApplication, settings: Settings): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Paydesk')
    .setDescription(`${DESCRIPTION}\n\nPayment provider: ${titleOf(settings.channel)}.`)
    .setVersion('1')
    .addServer('/', 'The server that this document comes from')
    .addBearerAuth({
      type: 'http',
      description: 'The token of `POST /api/auth/login/`, or one that the shop or an operator was given',
    })
    .addSecurityRequirements('bearer');
  for (const [name, description] of TAGS) builder.addTag(name, description);
  const base = builder.build();
  // The builder knows no `identifier`, and no contact without an address.
  base.info.license = { name: 'MIT', identifier: 'MIT' } as { name: string };
  base.info.contact = { name: 'The developers of Paydesk' };
  const document = SwaggerModule.createDocument(app, base, { operationIdFactory: operationId });
  document.components = { ...document.components, schemas: { ...document.components?.schemas, ...PROBLEM_SCHEMAS } };
  if (!settings.mockEnabled) for (const path of MOCK_ONLY) delete document.paths[path];
  return finishDocument(document);
}

/**
 * `createOrder` of `OrdersController.create`, `listOrders` of `list`, `getOrder` of `one`, and the method's name before the
 * thing for the rest: `startPayment`. A route where this does not read well says its own in `@ApiOperation`.
 */
function operationId(controller: string, method: string): string {
  const things = controller.replace(/Controller$/, '');
  const thing = things.replace(/s$/, '');
  if (method === 'list') return `list${things}`;
  return `${method === 'one' ? 'get' : method}${thing}`;
}

/** `/openapi.json` and the page `/docs` that reads it. */
export function serveDocs(app: NestFastifyApplication, document: OpenAPIObject): void {
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', yamlDocumentUrl: 'openapi.yaml' });
}
