/**
 * What a failure of PostgreSQL means for a write: the server is away or cannot write now (try again), or it refuses
 * these values (never again). SQLSTATE classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/** Classes: connection, transaction rollback (serialisation, deadlock), resources, operator intervention, system error. */
const PASSING_CLASSES = new Set(['08', '40', '53', '57', '58']);
/** read_only_sql_transaction: a server that is a copy (after a fail-over); lock_not_available; idle session ended; cannot connect now. */
const PASSING_CODES = new Set(['25006', '25P02', '25P03', '55P03', '28000', '3D000']);

/** Five characters with a digit among them: `EPIPE` is no SQLSTATE, it is a connection that broke. */
const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/;

/** True when the same write may succeed later. An error without a SQLSTATE is the connection's. */
export function mayPass(error: unknown): boolean {
  const { code } = error as { code?: string };
  if (code === undefined || !SQLSTATE.test(code)) return true;
  return PASSING_CLASSES.has(code.slice(0, 2)) || PASSING_CODES.has(code);
}
