import { Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Settings } from '../config/settings.js';

/** Nest's own words on what it wires at start-up: not needed at `info`. */
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
        // No middleware: its ambient store costs every promise of the process a hook, a fifth of a callback's time. What
        // is logged about a request names its id, and `logRequests` writes the line of the request itself.
        forRoutes: [],
        pinoHttp: {
          level: settings.logLevel,
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
