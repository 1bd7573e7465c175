import startDatabase from '../support/global-setup.mjs';

/** The database server was started by {@link ./run.mjs} for all runs together; a run by hand starts one of its own. */
export default async function globalSetup() {
  if (process.env.PAYDESK_TEST_DATABASE === undefined) await startDatabase();
}
