import { Controller, Get, Post, type Type } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { AppModule } from '../../src/app.module.js';
import { OwnRowsOnly, Public, Roles, Scope } from '../../src/auth/public.js';
import { parseSettings } from '../../src/config/settings.js';
import { OwnedBy } from '../../src/orders/order-owner.guard.js';
import { OrdersModule } from '../../src/orders/orders.module.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

@Controller('api/parcels')
@Scope('read')
class Forgotten {
  @Get()
  list(): string {
    return 'no id';
  }

  @Get(':id')
  one(): string {
    return 'of anybody';
  }

  @Post([':id/send', ':id/ship'])
  @Roles('user', 'operator')
  send(): string {
    return 'of anybody, by any user';
  }
}

@Controller('api/letters')
class Ruled {
  @Get(':id')
  @Scope('read')
  @OwnedBy('order')
  one(): string {
    return "the owner's";
  }

  @Get('mine/:id')
  @Roles('user')
  @OwnRowsOnly()
  own(): string {
    return "the owner's";
  }

  @Post(':id/send')
  @Roles('operator', 'service')
  @Scope('orders')
  send(): string {
    return 'by staff';
  }
}

@Controller('api/stamps')
class Unscoped {
  @Get()
  list(): string {
    return 'to every service';
  }

  @Get('mine')
  @Roles('user')
  own(): string {
    return "a user's";
  }

  @Post(':id/sell')
  @Roles('operator', 'service')
  sell(): string {
    return 'by every service';
  }
}

@Controller('api/tracking/:number')
@Public()
class Open {
  @Get()
  one(): string {
    return "everybody's";
  }
}

@Controller('api/depots/:id')
@Roles('operator')
class Staff {
  @Get()
  one(): string {
    return "an operator's";
  }
}

describe('a route', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  /** The whole service with these controllers more, up to where it would listen. */
  const start = async (...controllers: Type[]): Promise<void> => {
    const settings = parseSettings({ NODE_ENV: 'test', JOBS_ENABLED: 'false', LOG_LEVEL: 'silent' });
    const module = await Test.createTestingModule({
      imports: [AppModule.with({ settings, databaseUrl: database.url }), OrdersModule],
      controllers,
    }).compile();
    const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
    try {
      await app.init();
    } finally {
      await app.close();
    }
  };

  it('with an id in its path that does not say whose things it is for stops the start, which names it', async () => {
    await expect(start(Forgotten, Ruled)).rejects.toThrow(
      [
        "add @OwnedBy, @OwnRowsOnly, @Roles without 'user', or @Public:",
        '  - GET /api/parcels/:id (Forgotten.one)',
        '  - POST /api/parcels/:id/send (Forgotten.send)',
        '  - POST /api/parcels/:id/ship (Forgotten.send)',
      ].join('\n'),
    );
  });

  it('that a service may use and that names no scope stops the start, which names it', async () => {
    await expect(start(Unscoped, Ruled)).rejects.toThrow(
      [
        "Routes that a service may use and that have no scope; add @Scope, @Roles without 'service', or @Public:",
        '  - GET /api/stamps/ (Unscoped.list)',
        '  - POST /api/stamps/:id/sell (Unscoped.sell)',
      ].join('\n'),
    );
  });

  it('may be for its owner, for some roles or for everybody', async () => {
    await expect(start(Ruled, Open, Staff)).resolves.toBeUndefined();
  });
});
