import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * API keys of services. The idempotency keys of services move under a name that no user can have, so that a request that is
 * repeated across the upgrade finds its first answer.
 */
export class ApiKeys1764525600000 implements MigrationInterface {
  name = 'ApiKeys1764525600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Those that have or had an API key. A service that uses tokens alone needs no row.
      CREATE TABLE services (
        name       text PRIMARY KEY,
        created_at timestamptz NOT NULL
      );

      CREATE TABLE api_keys (
        id           text PRIMARY KEY,
        service      text NOT NULL REFERENCES services (name),
        -- Its public part, by which people know it.
        prefix       text NOT NULL UNIQUE,
        -- SHA-256 of the whole key, which itself is kept nowhere.
        hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
        -- Null: all there are, later ones included.
        scopes       text[],
        created_at   timestamptz NOT NULL,
        created_by   text NOT NULL,
        -- From then on it is refused; null: it does not end by itself.
        expires_at   timestamptz,
        -- To the minute.
        last_used_at timestamptz,
        revoked_at   timestamptz,
        revoked_by   text,
        CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
      );
      CREATE INDEX api_keys_by_service ON api_keys (service, id);

      UPDATE idempotency_keys k SET user_id = 'service/' || k.user_id
      WHERE EXISTS (SELECT FROM orders o WHERE o.service = k.user_id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      UPDATE idempotency_keys k SET user_id = substr(k.user_id, length('service/') + 1)
      WHERE k.user_id LIKE 'service/%' AND NOT EXISTS (
        SELECT FROM idempotency_keys o
        WHERE o.user_id = substr(k.user_id, length('service/') + 1) AND o.key = k.key
      );
      DROP TABLE api_keys, services;
    `);
  }
}
