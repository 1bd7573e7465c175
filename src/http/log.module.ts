import { Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Settings } from '../config/settings.js';

/** Nest's own words on what it wires at start-up: nobody needs them at `info`. */
const INFO = 30;
const WIRING = new Set(['InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestFactory', 'NestApplication']);

/** JSON lines in production, readable ones elsewhere; ids in every line, never a header, a body, an openid or a secret. */
@Module({
  imports: [
    LoggerModule.forRootAsync({
      imports: [],
      providers: [],
      inject: [Settings],
      useFactory: (settings: Settings) => ({
        // Their log is the journal, and a logger for each of them costs a twentieth of their time.
        exclude: ['api/payments/callback/*path', 'api/refunds/callback/*path'],
        pinoHttp: {
          level: settings.logLevel,
          autoLogging: { ignore: (request) => request.url?.startsWith('/health') ?? false },
          quietReqLogger: true,
          customAttributeKeys: { reqId: 'request_id' },
          customLogLevel: (_request, response) => (response.statusCode >= 500 ? 'warn' : 'debug'),
          serializers: {
            req: ({ method, url }: { method: string; url: string }) => ({ method, url: url.split('?')[0] }),
            res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
          },
          hooks: {
            logMethod(args, method, level) {
              const context = (args[0] as { context?: string } | undefined)?.context;
              if (level > INFO || context === undefined || !WIRING.has(context)) method.apply(this, args);
            },
          },
          redact: ['*.password', '*.secret', '*.openid', '*.authorization'],
          ...(settings.production || settings.logLevel === 'silent'
            ? { stream: settings.logToStderr ? process.stderr : process.stdout }
            : {
                transport: {
                  target: 'pino-pretty',
                  options: { singleLine: true, ignore: 'pid,hostname', destination: settings.logToStderr ? 2 : 1 },
                },
              }),
        },
      }),
    }),
  ],
})
export class LogModule {}
