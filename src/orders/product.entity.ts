import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('products')
export class Product {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  @Column('integer', { name: 'price_fen' }) priceFen!: number;
  @Column('integer') position!: number;
  @Column('boolean') active!: boolean;
}
