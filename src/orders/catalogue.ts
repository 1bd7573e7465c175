import { DataSource } from 'typeorm';

/** The demo catalogue: id, name, price in fen. */
const PRODUCTS: [id: string, name: string, priceFen: number][] = [
  ['prd_01JD0000000000000000000TEA', 'Oolong tea, 100 g', 1800],
  ['prd_01JD0000000000000000000CVP', 'Porcelain cup', 4500],
  ['prd_01JD0000000000000000000P0T', 'Yixing teapot', 39900],
  ['prd_01JD0000000000000000000FEN', 'A sticker, to pay one fen', 1],
];

/** Fills the catalogue for development; what is there is left alone. */
export async function seedCatalogue(db: DataSource): Promise<void> {
  for (const [position, [id, name, priceFen]] of PRODUCTS.entries()) {
    await db.query(
      'INSERT INTO products (id, name, price_fen, position) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING',
      [id, name, priceFen, position],
    );
  }
}
