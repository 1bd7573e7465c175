import { Injectable, OnModuleDestroy } from '@nestjs/common';

/** Whether this process should get traffic. Says no first when a shutdown begins. */
@Injectable()
export class Readiness implements OnModuleDestroy {
  stopping = false;

  onModuleDestroy(): void {
    this.stopping = true;
  }
}
