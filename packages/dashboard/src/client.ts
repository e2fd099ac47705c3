/** The one client of the page: it asks its own origin, and the browser sends the cookie along. */
import { ConsoleClient } from '@weighbridge/client';

export const client = new ConsoleClient({ url: location.origin, token: null });
