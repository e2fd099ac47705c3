/** The one client of the page: it asks its own origin, and the browser sends the cookie along. */
import { WeighbridgeClient } from '@weighbridge/client';

export const client = new WeighbridgeClient({ url: location.origin, token: null });
