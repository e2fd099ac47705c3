/** What a chat completion says that another dialect cannot: refused, with the field's name, before anything is sent. */
import { GatewayError } from '../../domain/errors.ts';

export function refuse(param: string, why: string): never {
  throw new GatewayError('invalid_request', `\`${param}\` ${why}`, { param });
}

/** A value of the wrong form. */
export function refuseForm(param: string, wanted: string): never {
  return refuse(param, `must be ${wanted}.`);
}
