import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A person who logged in through a mini-program. An openid belongs to one appid. */
@Entity('users')
export class User {
  @PrimaryColumn('text') id!: string;
  @Column('text') appid!: string;
  @Column('text') openid!: string;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
}
