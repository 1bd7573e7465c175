import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Clock } from '../common/clock.js';
import { newId } from '../common/ids.js';
import { User } from './user.entity.js';

/** Sole writer of `users`. */
@Injectable()
export class UsersService {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly clock: Clock,
  ) {}

  /** The user of this openid, made if it is new; requests that race make one. */
  async byOpenid(appid: string, openid: string): Promise<{ user: User; created: boolean }> {
    const id = newId('usr', this.clock);
    await this.db.query(
      'INSERT INTO users (id, appid, openid, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (appid, openid) DO NOTHING',
      [id, appid, openid, this.clock.now()],
    );
    const user = await this.db.manager.findOneByOrFail(User, { appid, openid });
    return { user, created: user.id === id };
  }

  find(id: string): Promise<User | null> {
    return this.db.manager.findOneBy(User, { id });
  }
}
