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

  /** The user of this openid, made at the first login; logins that race make one. */
  async byOpenid(appid: string, openid: string): Promise<User> {
    await this.db.query(
      'INSERT INTO users (id, appid, openid, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (appid, openid) DO NOTHING',
      [newId('usr', this.clock), appid, openid, this.clock.now()],
    );
    return this.db.manager.findOneByOrFail(User, { appid, openid });
  }

  find(id: string): Promise<User | null> {
    return this.db.manager.findOneBy(User, { id });
  }
}
